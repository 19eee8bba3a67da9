//! `retentiond.toml`: where rules, state, keys and sources are, and the limits of each source.

use std::time::Duration;

use crate::policy::Dialect;

/// A database's address: `postgres://…`, `postgresql://…` or `sqlite:PATH`.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceUrl {
    /// With the password; SQLite paths made absolute against the configuration's folder.
    secret: String,
    dialect: Dialect,
}

impl SourceUrl {
    /// The dialect that the scheme says.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The whole address, for the driver alone: never log it.
    pub fn expose(&self) -> &str {
        &self.secret
    }
}

/// How gently a source is treated. `[sources.NAME.limits]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Never more rows than this in one transaction.
    pub max_batch_rows: u64,
    /// Batches grow and shrink to take about this long.
    pub target_batch_time: Duration,
    /// The longest wait for a lock, and five times this the longest idle time inside a transaction.
    pub lock_timeout: Duration,
    /// The longest statement.
    pub statement_timeout: Duration,
    pub pace: Pace,
    /// Absent: no fixed limit; pacing still applies.
    pub max_rows_per_second: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_batch_rows: 10_000,
            target_batch_time: Duration::from_millis(250),
            lock_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(30),
            pace: Pace::Gentle,
            max_rows_per_second: None,
        }
    }
}

/// Whether a sweep pauses between batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Pauses as long as each batch took, so that other writers get their turn.
    Gentle,
    /// Larger batches, no courtesy pauses; time limits stay.
    Fast,
}
