//! Work: who works here, lanes with their leases and open intents, sweeps and walks that are shared, what lets them go or stops them, and what they owe.

mod approvals;
mod blocked;
mod lanes;
mod leaves;
mod members;
mod owner;
mod pauses;
mod residue;
mod sweeps;
mod walks;

pub use self::{
    approvals::{AUTO, Allowance, Approval, NewApproval},
    blocked::Blocked,
    lanes::{Claim, Intended, LaneRecord, LastApplied, OpenIntent, Settled, Within},
    leaves::LeafPlace,
    members::Member,
    owner::Owner,
    pauses::{Pause, PauseScope},
    residue::Owed,
    sweeps::{SweepEnd, SweepRecord, SweepStart},
    walks::{Bounds, Part, Place, SharedWalk, Sums},
};
