//! Work: lanes with their leases and open intents, sweeps, and approvals.

mod approvals;
mod lanes;
mod owner;
mod sweeps;

pub use self::{
    approvals::Approval,
    lanes::{Claim, Intended, LaneRecord, LastApplied, OpenIntent, Settled},
    owner::Owner,
    sweeps::{SweepEnd, SweepRecord, SweepStart},
};
