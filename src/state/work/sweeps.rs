//! Sweeps: when each began, and how it ended.

use jiff::Timestamp;

use super::super::{Error, State};

/// A sweep that starts.
#[derive(Debug, Clone)]
pub struct SweepStart {
    pub rule: String,
    pub source: String,
    pub table: String,
    pub action: String,
    pub cutoff: Option<Timestamp>,
    pub rule_digest: String,
}

/// How a sweep ended.
#[derive(Debug, Clone)]
pub struct SweepEnd {
    pub rows: u64,
    pub dragged: u64,
    pub batches: u64,
    /// One of the closed set of outcomes.
    pub outcome: String,
    pub reason: Option<String>,
}

/// A sweep as the state remembers it.
#[derive(Debug, Clone)]
pub struct SweepRecord {
    pub id: String,
    pub start: SweepStart,
    pub started_at: Timestamp,
    /// `None`: it runs, or its process died.
    pub end: Option<(Timestamp, SweepEnd)>,
}

impl State {
    /// Enters that a sweep starts; returns its id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sweep_started(&self, start: SweepStart) -> Result<String, Error> {
        todo!()
    }

    /// Enters how a sweep ended.
    ///
    /// # Errors
    /// [`Error::UnknownSweep`] if it has ended already.
    pub async fn sweep_ended(&self, sweep: &str, end: SweepEnd) -> Result<(), Error> {
        todo!()
    }

    /// The last sweep of each rule.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_sweeps(&self) -> Result<Vec<SweepRecord>, Error> {
        todo!()
    }
}
