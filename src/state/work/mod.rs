//! Work: lanes with their leases and open intents, sweeps, and what lets them go or stops them.

mod approvals;
mod blocked;
mod lanes;
mod owner;
mod pauses;
mod sweeps;

pub use self::{
    approvals::{AUTO, Allowance, Approval, NewApproval},
    blocked::Blocked,
    lanes::{Claim, Intended, LaneRecord, LastApplied, OpenIntent, Settled},
    owner::Owner,
    pauses::{Pause, PauseScope},
    sweeps::{SweepEnd, SweepRecord, SweepStart},
};
