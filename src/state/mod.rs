//! retentiond's own database: holds, sources, lanes and their leases, sweeps, approvals, and the ledger.
//!
//! One code over SQLite and PostgreSQL, in the SQL they share: BIGINT and TEXT columns, times as microseconds since
//! 1970, `$1` placeholders, `UPDATE … RETURNING` to lock and read a row at once. `database` opens it and begins its
//! transactions, `migrations` holds its tables, and each subject has a file: `sources`, `holds` and `synchronise`,
//! `work` (lanes, sweeps, approvals), `ledger`.
//!
//! To add something that the state remembers: a migration with its table, and a file with its methods of [`State`].
//! Within a transaction rows of a subject are locked first and the ledger's head last, so that two can't wait for each
//! other.
//!
//! No method may be cancelled while it runs: call it from a task that runs to its end, never inside `select!` or a
//! timeout. A begin that is cut off can leave its connection inside a transaction (sqlx #4385, #4393).

mod database;
mod error;
mod holds;
mod ledger;
mod migrations;
mod sources;
mod synchronise;
mod work;

use jiff::Timestamp;

use self::database::Database;
pub use self::{
    error::Error,
    holds::{ImportedHold, NewHold, Placed, Released},
    sources::{GateNumbers, SourceRecord},
    synchronise::Synchronisation,
    work::{Approval, Claim, Intended, LaneRecord, LastApplied, OpenIntent, Owner, Settled, SweepEnd, SweepRecord, SweepStart},
};
use crate::{
    clock::{SharedClock, SharedRandomness},
    config::SourceUrl,
};

/// The state, open. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct State {
    database: Database,
    clock: SharedClock,
    randomness: SharedRandomness,
    id: String,
}

/// What the state is and holds, in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub id: String,
    /// Number of its last migration.
    pub schema_version: i64,
    /// Its address without a password.
    pub address: String,
    /// Entries of the ledger.
    pub entries: u64,
    pub head_hash: String,
    /// Holds that are in force: not released, or released and not lapsed.
    pub holds_active: u64,
    pub sources: Vec<SourceRecord>,
}

impl State {
    /// Opens a state that exists, and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none, [`Error::TooNew`] if a newer retentiond wrote it.
    pub async fn open(url: &SourceUrl, clock: SharedClock, randomness: SharedRandomness) -> Result<Self, Error> {
        todo!()
    }

    /// Creates the state: its tables, its identity, and the first entry of its ledger. Opens one that exists.
    ///
    /// # Errors
    /// As [`State::open`], but never [`Error::Missing`].
    pub async fn create(url: &SourceUrl, clock: SharedClock, randomness: SharedRandomness) -> Result<Self, Error> {
        todo!()
    }

    /// The identity that sources are stamped with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What `state status` shows.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn status(&self) -> Result<Status, Error> {
        todo!()
    }

    /// Closes every connection, once they are given back.
    pub async fn close(&self) {
        todo!()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
