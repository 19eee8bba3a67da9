//! retentiond's own database: holds, sources, lanes and their leases, sweeps, approvals, and the ledger.
//!
//! One code over SQLite and PostgreSQL, in the SQL they share: BIGINT and TEXT columns, times as microseconds since
//! 1970, `$1` placeholders, `UPDATE … RETURNING` to lock and read a row at once. `database` opens it and begins its
//! transactions, `migrations` holds its tables, and each subject has a file: `sources`, `holds`, `synchronise` and `adoption`,
//! `work` (lanes, sweeps, approvals, pauses), `ledger`.
//!
//! To add something that the state remembers: a migration with its table, and a file with its methods of [`State`].
//! Within a transaction rows of a subject are locked first and the ledger's head last, so that two can't wait for each
//! other.
//!
//! No method may be cancelled while it runs: call it from a task that runs to its end, never inside `select!` or a
//! timeout. A begin that is cut off can leave its connection inside a transaction (sqlx #4385, #4393).

mod adoption;
mod database;
mod error;
mod holds;
mod ledger;
mod migrations;
mod sources;
mod synchronise;
mod work;

use jiff::Timestamp;
use sqlx::AnyConnection;

use self::database::{Database, count, micros, query, query_as};
pub use self::{
    adoption::ImportedHold,
    error::Error,
    holds::{NewHold, Placed, Released},
    sources::{GateNumbers, SourceRecord},
    synchronise::Synchronisation,
    work::{
        AUTO, Allowance, Approval, Blocked, Bounds, Claim, Intended, LaneRecord, LastApplied, LeafPlace, Member, NewApproval, OpenIntent,
        Owed, Owner, Part, Pause, PauseScope, Place, Settled, SharedWalk, Sums, SweepEnd, SweepRecord, SweepStart, Within,
    },
};
use crate::{
    clock::{SharedClock, SharedRandomness, random_hex},
    config::SourceUrl,
    ledger::{Event, chain},
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
    /// The subjects that those name; one that two of them name counts twice.
    pub held_subjects: u64,
    /// Those of them that a source in their scope has not acknowledged.
    pub holds_pending: u64,
    pub sources: Vec<SourceRecord>,
}

impl State {
    /// Opens a state that exists, and brings its tables up to date.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none, [`Error::TooNew`] if a newer retentiond wrote what this one can't work with,
    /// [`Error::OldMember`] if an older daemon that lives could not work with what it would become.
    pub async fn open(url: &SourceUrl, clock: SharedClock, randomness: SharedRandomness) -> Result<Self, Error> {
        let database = Database::connect(url, false).await?;
        let version = migrations::version(&mut *database.read().await?, database.kind).await?;
        if version.is_none() {
            return Err(Error::Missing { address: database.address.to_string() });
        }
        Self::migrate(database, clock, randomness).await
    }

    /// Creates the state: its tables, its identity, and the first entry of its ledger. Opens one that exists.
    ///
    /// # Errors
    /// As [`State::open`], but never [`Error::Missing`].
    pub async fn create(url: &SourceUrl, clock: SharedClock, randomness: SharedRandomness) -> Result<Self, Error> {
        Self::migrate(Database::connect(url, true).await?, clock, randomness).await
    }

    /// One transaction: whoever is cut off leaves the state as it was, and of two at once the second finds it done.
    async fn migrate(database: Database, clock: SharedClock, randomness: SharedRandomness) -> Result<Self, Error> {
        let mut state = Self { database, clock, randomness, id: String::new() };
        let mut transaction = state.database.alone().await?;
        let version = migrations::version(&mut transaction, state.database.kind).await?;
        migrations::apply(&mut transaction, state.database.kind, version, state.now()).await?;
        if version.is_none() {
            state.write_identity(&mut transaction).await?;
        }
        (state.id,) = query_as("SELECT id FROM identity").fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(state)
    }

    async fn write_identity(&self, connection: &mut AnyConnection) -> Result<(), Error> {
        let state_id = random_hex::<16>(&*self.randomness);
        query("INSERT INTO identity (only_row, id, created_at) VALUES (1, $1, $2)")
            .bind(&state_id)
            .bind(micros(self.now()))
            .execute(&mut *connection)
            .await?;
        query("INSERT INTO ledger_head (only_row, seq, hash) VALUES (1, 0, $1)").bind(chain::BEGINNING).execute(&mut *connection).await?;
        self.append_in(connection, |_| Event::Genesis { state_id }).await?;
        Ok(())
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
        let (entries, head_hash) = self.head().await?;
        let (schema_version,) = query_as("SELECT version FROM schema_version").fetch_one(&mut *self.database.read().await?).await?;
        let (active, subjects) = query_as(
            "SELECT count(*), CAST(COALESCE(sum(subject_count), 0) AS BIGINT) FROM hold WHERE lapses_at IS NULL OR lapses_at > $1",
        )
        .bind(micros(self.now()))
        .fetch_one(&mut *self.database.read().await?)
        .await?;
        Ok(Status {
            id: self.id.clone(),
            schema_version,
            address: self.database.address.to_string(),
            entries,
            head_hash,
            holds_active: count(active)?,
            held_subjects: count(subjects)?,
            holds_pending: self.pending(None).await?.len() as u64,
            sources: self.sources().await?,
        })
    }

    /// Closes every connection, once they are given back.
    pub async fn close(&self) {
        self.database.close().await;
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
