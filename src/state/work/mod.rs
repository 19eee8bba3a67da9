//! Work: who works here, lanes with their leases and open intents, sweeps, what lets them go or stops them, and what they owe.

mod approvals;
mod blocked;
mod lanes;
mod leaves;
mod members;
mod owner;
mod pauses;
mod residue;
mod sweeps;

pub use self::{
    approvals::{AUTO, Allowance, Approval, NewApproval},
    blocked::Blocked,
    lanes::{Claim, Intended, LaneRecord, LastApplied, OpenIntent, Settled},
    leaves::LeafPlace,
    members::Member,
    owner::Owner,
    pauses::{Pause, PauseScope},
    residue::Owed,
    sweeps::{SweepEnd, SweepRecord, SweepStart},
};
