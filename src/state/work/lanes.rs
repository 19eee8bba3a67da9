//! Lanes: who works, what is open, and what was settled. A lane has at most one open intent.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    super::{Error, GateNumbers, State},
    Owner,
};
use crate::ledger::Batch;

/// A lane that this process works in, until its lease ends or another takes it over.
#[derive(Debug, Clone)]
pub struct Claim {
    pub lane: String,
    pub source: String,
    /// Raised by each claim: the target refuses marks with an older one.
    pub fence: u64,
    /// Number of the last intent that was settled, applied or abandoned; 0: none.
    pub lane_seq: u64,
    /// The last batch that committed: what the lane's mark in the source has to say.
    pub applied: LastApplied,
    /// The intent whose outcome isn't known yet.
    pub open: Option<OpenIntent>,
    owner: Owner,
    lease: Duration,
}

/// The last batch of a lane that committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastApplied {
    /// Its number in the lane; 0: none.
    pub seq: u64,
    pub rows: u64,
    /// Hash of its intent; empty: none.
    pub intent_hash: String,
}

/// An intent whose outcome isn't known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntent {
    pub batch: Batch,
    /// The entry's hash: what the lane is marked with.
    pub hash: String,
    pub entry_seq: u64,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    Applied {
        rows: u64,
    },
    /// It never committed, and now can't.
    Abandoned {
        reason: String,
    },
}

/// An intent that is durable: its batch may commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    /// What the lane is marked with.
    pub hash: String,
    /// The number that the lane is marked with.
    pub lane_seq: u64,
    pub gate: GateNumbers,
}

/// A lane as the state knows it.
#[derive(Debug, Clone)]
pub struct LaneRecord {
    pub lane: String,
    pub source: String,
    pub fence: u64,
    pub lane_seq: u64,
    pub applied: LastApplied,
    pub open: Option<OpenIntent>,
    /// Who works there, and until when its lease lasts.
    pub owner: Option<(Owner, Timestamp)>,
}

impl State {
    /// Claims a lane, creating it where it is new, and raises its fence. A lease that has ended, or whose owner was a
    /// process of this host that is gone, is taken over.
    ///
    /// # Errors
    /// [`Error::LaneBusy`] under another's live lease.
    pub async fn claim(&self, lane: &str, source: &str, owner: &Owner, lease: Duration) -> Result<Claim, Error> {
        todo!()
    }

    /// Enters the outcome of the open intent.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]; [`Error::Unsettled`] if none is open.
    pub async fn settled(&self, claim: &mut Claim, outcome: Settled) -> Result<(), Error> {
        todo!()
    }

    /// Enters the outcome of the batch before (`Some(rows)`: it committed) and the next intent, and renews the lease:
    /// one transaction. Lane, number and fence of `intent` are filled in from the claim.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]; [`Error::Unsettled`] if `outcome_of_previous` doesn't fit what is open.
    pub async fn intend(&self, claim: &mut Claim, outcome_of_previous: Option<u64>, intent: Batch) -> Result<Intended, Error> {
        todo!()
    }

    /// Enters the outcome of the last batch, if there was one.
    ///
    /// # Errors
    /// As [`State::intend`].
    pub async fn finish(&self, claim: &mut Claim, outcome_of_previous: Option<u64>) -> Result<(), Error> {
        todo!()
    }

    /// Gives the lane up. An intent that is open stays so, for the next claim to settle.
    ///
    /// # Errors
    /// [`Error::Database`]. Losing the lease before is no error.
    pub async fn release(&self, claim: Claim) -> Result<(), Error> {
        todo!()
    }

    /// All lanes, by source and name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn lanes(&self) -> Result<Vec<LaneRecord>, Error> {
        todo!()
    }

    /// The lanes of a source whose last intent is open.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn open_intents(&self, source: &str) -> Result<Vec<LaneRecord>, Error> {
        todo!()
    }
}
