//! Connected databases: one trait of domain verbs, one file (or folder) an engine.
//!
//! The trait says what the sweep needs, never how a server does it; where engines differ, it asks a capability, not
//! "which engine is this?". An engine turns a [`Selection`] into text with `sql::statement`, runs it with every limit
//! set on the server, and returns reports; it logs nothing and counts no metrics. To add one: implement [`Engine`] and
//! [`Batch`], add a line to [`connect`], and pass the conformance suite of the tests.

pub mod drag;
pub mod grants;
pub mod mysql;
mod old_values;
pub mod opt_outs;
mod pool;
pub mod postgres;
pub mod residue;
mod server;
pub mod shape;
pub mod sqlite;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use self::{
    grants::{Grants, Needs},
    opt_outs::OptedOut,
    residue::{Remains, Treated, Treatment},
    shape::Shape,
};
use crate::{
    config::{Limits, Replicas, SourceUrl},
    hold::Held,
    policy::{Dialect, Residue, TableName, condition::Condition},
    sql::{
        Statement,
        opt_out::OptOut,
        selection::{Act, Cell, ColumnRef, Counts, KeyPart, Range, Seen, Selection, SubjectTest, Survey, TableRef, Way},
    },
};

/// Connects to a source. Nothing is created there.
///
/// # Errors
/// [`Error::Connect`] with the database's words, never with the password.
pub async fn connect(name: &str, url: &SourceUrl, workspace: &str, limits: Limits) -> Result<Arc<dyn Engine>, Error> {
    Ok(match url.dialect() {
        Dialect::Sqlite => Arc::new(sqlite::Sqlite::connect(name, url, workspace, limits).await?),
        Dialect::Postgres => Arc::new(postgres::Postgres::connect(name, url, workspace, limits).await?),
        Dialect::Mysql => Arc::new(mysql::Mysql::connect(name, url, workspace, limits).await?),
    })
}

/// The shape of a table, with the schema where one without it was found; `None`: there is no such table. An error is
/// about this table alone.
pub type Inspected = Result<Option<Shape>, Error>;

/// A server's log and its readers. Positions grow with the log; nothing else is to be read from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    /// The end of the log.
    pub written: u64,
    pub replicas: Vec<Replica>,
}

/// A replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// For a person: a name or an address without its password.
    pub name: String,
    /// Up to where queries on it see the log; or why that can't be told.
    pub replayed: Result<u64, String>,
}

/// Rows of a table that are gone for every new statement and still lie there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRows {
    pub rows: u64,
    /// So many make the server clean up by itself.
    pub tolerated: u64,
    /// What keeps it from that, as far as can be told; each as a clause for a person.
    pub causes: Vec<String>,
}

/// A part of a table that can be dropped as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// By the partition's own name.
    pub table: TableRef,
    /// A table by itself; else a part of `parent` that statements name there.
    pub is_table: bool,
    /// What `tableoid` says of its rows, if it is a table.
    pub address: u32,
    /// The table that it is a partition of.
    pub parent: TableRef,
    /// Its bounds, as the catalogue writes them.
    pub bounds: String,
    /// Whoever owns it, if that is not us: then it can't be dropped.
    pub foreign_owner: Option<String>,
}

impl Partition {
    /// The same selection, of the partition's rows alone.
    pub fn of(&self, selection: &Selection) -> Selection {
        if self.is_table {
            Selection { table: self.table.clone(), members: vec![self.address], ..selection.clone() }
        } else {
            Selection { part: Some(self.table.table.clone()), ..selection.clone() }
        }
    }
}

/// A connected database.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The dialect that statements and conditions are written in.
    fn dialect(&self) -> Dialect;

    /// What tells one database from another whatever name or address it is reached by (two sources that reach one
    /// database are refused): system identifier and database on PostgreSQL, server and database on MariaDB, device and
    /// inode on SQLite.
    async fn fingerprint(&self) -> Result<String, Error>;

    /// What the server's own clock says; `None` where the database has none but this machine's.
    async fn now(&self) -> Result<Option<Timestamp>, Error>;

    /// How far the replicas have got that follow this database.
    async fn replicas(&self, which: &Replicas) -> Result<Positions, Error>;

    /// How many dead rows a table has; `None` where the engine leaves none that it counts.
    async fn dead_rows(&self, _table: &TableRef) -> Result<Option<DeadRows>, Error> {
        Ok(None)
    }

    /// The shapes of some tables, one for each, in their order. They are looked at together, because a catalogue is
    /// slow to ask and rules are many.
    async fn inspect_all(&self, tables: &[TableName]) -> Result<Vec<Inspected>, Error>;

    /// The shape of one table.
    async fn inspect(&self, table: &TableName) -> Inspected {
        self.inspect_all(std::slice::from_ref(table)).await?.pop().unwrap_or(Ok(None))
    }

    /// Names of the tables that can be reached, for suggestions.
    async fn tables(&self) -> Result<Vec<TableName>, Error>;

    /// Has the server prepare each `where` against its table, without running it. They are prepared together, because
    /// rules are many. The answers are in the order of the questions: the server's words for one that can't be evaluated.
    async fn prepare_conditions(&self, conditions: &[(&TableRef, &Condition)]) -> Result<Vec<Result<(), String>>, Error>;

    /// Whether a DELETE can return what it deleted: opt-outs are made of it, and copies compared with it.
    fn returns_deleted(&self) -> bool {
        true
    }

    /// The ways in which this engine can walk the table, best for many due rows first. Empty: it can't be walked in
    /// bounded statements. `start` is the start column, where the rule has one.
    fn ways(&self, shape: &Shape, key: &[String], start: Option<&str>) -> Vec<Way>;

    /// The first about `rows` rows of what is left of a walk (for [`Way::Columns`] among those whose start is before the
    /// cut-off); `None`: nothing is. The last range ends where the rest does, which may be nowhere.
    async fn next_range(&self, selection: &Selection, rest: &Range, rows: u64) -> Result<Option<Range>, Error>;

    /// The statement that finds the due rows of a range, and the database's plan for it, line by line. Nothing is run.
    async fn explain(&self, selection: &Selection, range: &Range) -> Result<(String, Vec<String>), Error>;

    /// The database's own guess at how many rows start before the cut-off; `None`: it has none. Only speed depends on it.
    async fn guess_ended(&self, _selection: &Selection) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    /// The partitions whose bounds let no row in that is not before the selection's cut-off, the lowest first.
    async fn partitions_before_cutoff(&self, _selection: &Selection) -> Result<Vec<Partition>, Error> {
        Ok(Vec::new())
    }

    /// Counts the classes of law 5 within a range, in one statement.
    async fn count(&self, selection: &Selection, range: &Range) -> Result<Counts, Error>;

    /// What a sweep has to know of a range before it acts there, where nothing was counted.
    async fn survey(&self, selection: &Selection, range: &Range) -> Result<Survey, Error>;

    /// How many rows would become due in each of the steps between the selections' cut-offs (`--forecast`): due rows of
    /// each selection within the range.
    async fn count_due(&self, selections: &[Selection], range: &Range) -> Result<Vec<u64>, Error>;

    /// The protected rows within the range by what protects them: a number for each protector, then for each reference.
    async fn count_protected(&self, selection: &Selection, range: &Range) -> Result<Vec<u64>, Error>;

    /// What goes with the due rows of the range: a number for each of [`Selection::along`].
    async fn count_along(&self, selection: &Selection, range: &Range) -> Result<Vec<u64>, Error>;

    /// The rows within the range that are due under `selection` and would not be under `before`.
    async fn count_beyond(&self, selection: &Selection, before: &Selection, range: &Range) -> Result<u64, Error>;

    /// The due rows of a range, whole: a value for each of the columns.
    ///
    /// # Errors
    /// [`Error::TooWide`] and [`Error::TooManyRows`]: fewer rows will do.
    async fn due_rows(&self, selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Result<Vec<Vec<Cell>>, Error>;

    /// The rows of that key, at most two of them, and what the selection says of each.
    async fn look(&self, selection: &Selection, key: &[KeyPart]) -> Result<Vec<Seen>, Error>;

    /// The distinct values of a column as texts, NULL left out; at most one more than `most`.
    async fn settings(&self, table: &TableRef, of: &ColumnRef, most: u64) -> Result<Vec<String>, Error>;

    /// How many rows a hold on these subjects covers now.
    async fn count_held(&self, table: &TableRef, subjects: &[SubjectTest], scopes: &[String], hold: &str) -> Result<u64, Error>;

    /// The workspace: `None` where the source has none.
    async fn workspace(&self) -> Result<Option<Workspace>, Error>;

    /// Creates the workspace and stamps it. Doing it twice with the same stamp changes nothing.
    ///
    /// # Errors
    /// [`Error::ForeignStamp`] if another state's stamp is there.
    async fn init_workspace(&self, stamp: &Stamp) -> Result<Workspace, Error>;

    /// What a DBA runs so that `role` (without one, whom we are connected as) can do what is needed, and no more.
    async fn grants(&self, role: Option<&str>, needs: &[Needs], replicas: &Replicas) -> Result<Grants, Error>;

    /// Replaces the stamp: what `state adopt` does after a person has said why. The epoch becomes at least `epoch`, and
    /// the lanes begin anew: a worker of the state before finds none to mark, and rolls back.
    async fn restamp(&self, stamp: &Stamp, epoch: u64) -> Result<(), Error>;

    /// Every row of `held`, for `state adopt`.
    async fn held(&self) -> Result<Vec<Held>, Error>;

    /// Step 2 of placing (or ending) a hold: takes the gate exclusively, adds and removes rows of `held`, raises the
    /// epoch to at least `epoch`, commits. Success means that every batch that committed without seeing the change has
    /// ended before it.
    ///
    /// # Errors
    /// [`Error::GateBusy`] names the session that was waited for. [`Error::Restored`], compared behind the gate, if it is
    /// behind what it had confirmed.
    async fn raise_gate(&self, change: &GateChange) -> Result<u64, Error>;

    /// Opens a transaction with every limit set, takes the gate shared, and *in a later statement* reads its epoch.
    ///
    /// Never to be cancelled: call it from a task that runs to its end.
    async fn begin(&self) -> Result<Box<dyn Batch>, Error>;

    /// Raises the lane's fence to at least `fence` (creating the lane) on a connection of its own and reads the lane.
    /// It waits for a transaction that has marked; one that has not marked yet will find the fence moved.
    async fn settle(&self, lane: &str, fence: u64) -> Result<LaneMark, Error>;

    /// All lanes as they stand: the anchors of the ledger outside the state.
    async fn lanes(&self) -> Result<Vec<(String, LaneMark)>, Error>;

    /// Whether a treatment is of the whole database, whichever table asks for it.
    fn treats_all_at_once(&self) -> bool {
        false
    }

    /// Treats what rows of some tables left behind that went before. Outside of any transaction, and within its time; never to be
    /// cancelled: call it from a task that runs to its end.
    async fn treat(&self, treatment: &Treatment) -> Result<Treated, Error>;

    /// What stays of rows that went, once a level is reached.
    async fn remains(&self, level: Residue) -> Result<Vec<Remains>, Error>;

    /// What we may not do that a level takes, as a clause for a person; `None`: nothing that could be told beforehand.
    async fn untreatable(&self, _table: &TableRef, _level: Residue) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// What writing a table of so many bytes anew takes, as a sentence for a person; `None`: nothing worth a warning.
    fn rewriting(&self, bytes: Option<u64>) -> Option<String> {
        let bytes = bytes.filter(|bytes| *bytes > 0)?;
        Some(format!("writing the table anew takes up to {bytes} bytes of room on the server's disk while it lasts"))
    }

    /// Closes every connection.
    async fn close(&self);
}

/// One transaction in which rows change: `act`, `mark`, `commit`. Dropped without commit it rolls back.
#[async_trait]
pub trait Batch: Send {
    /// The gate's epoch, read after the gate was taken.
    fn epoch(&self) -> u64;

    /// Overwrites what is deleted from here on, where the engine can.
    async fn overwrite(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Runs the act on the selected rows of the range; returns how many rows it changed.
    async fn act(&mut self, selection: &Selection, range: &Range, act: &Act) -> Result<u64, Error>;

    /// Deletes the selected rows of the range and writes their opt-outs.
    async fn delete_with_opt_outs(&mut self, selection: &Selection, range: &Range, opt_out: &OptOut) -> Result<OptedOut, Error>;

    /// Locks the rows of other tables that decide what becomes of those of the range.
    async fn lock_parents(&mut self, selection: &Selection, range: &Range) -> Result<(), Error>;

    /// The rows of a [`pick`](crate::sql::statement::pick), each with the values that were asked for.
    async fn pick(&mut self, statement: &Statement) -> Result<Vec<Vec<Cell>>, Error>;

    /// Deletes the due rows of the range; returns them as [`Engine::due_rows`] does.
    async fn delete_and_return(&mut self, selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Result<Vec<Vec<Cell>>, Error>;

    /// Puts rows back that were deleted. One whose key is taken fails, and all with it.
    async fn put_back(&mut self, table: &TableRef, columns: &[ColumnRef], rows: &[Vec<Cell>]) -> Result<u64, Error>;

    /// Keeps writers from a partition and counts its rows, of which every one must be due; [`Batch::mark`] then drops it, or
    /// [`Batch::commit`] where dropping commits by itself.
    /// `None`: some are not, or it is not what it was when it was found.
    async fn take_partition(&mut self, _selection: &Selection, _partition: &Partition) -> Result<Option<u64>, Error> {
        Err(Error::Unsupported("partitions can't be dropped here".to_owned()))
    }

    /// Marks the lane, guarded by its fence. Must be the last statement before [`Batch::commit`].
    ///
    /// # Errors
    /// [`Error::Fenced`] if not exactly one row was there to mark.
    async fn mark(&mut self, lane: &str, fence: u64, mark: &LaneMark) -> Result<(), Error>;

    /// Commits. Any error means *unknown*, never *failed*: settle.
    async fn commit(self: Box<Self>) -> Result<(), Error>;

    /// Rolls back. An error means that the connection was given up, which rolls back as well.
    async fn rollback(self: Box<Self>) -> Result<(), Error>;
}

/// What a lane says in its source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneMark {
    /// Number of the last batch that committed; 0: none.
    pub seq: u64,
    pub rows: u64,
    /// Hash of that batch's intent in the ledger.
    pub intent_hash: String,
}

/// What `raise_gate` changes.
#[derive(Debug, Clone, Default)]
pub struct GateChange {
    pub epoch: u64,
    /// The epoch that the gate is known to have reached; one that is behind it was restored, and must not be raised: a
    /// later hold would hide that earlier ones are gone.
    pub confirmed: u64,
    pub add: Vec<Held>,
    /// Ids of holds whose rows go.
    pub remove: Vec<String>,
    /// How long to wait for batches that hold the gate.
    pub patience: Duration,
}

/// Who a workspace belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The state's identity.
    pub state_id: String,
    /// The source's own, made when the workspace was.
    pub source_id: String,
}

/// The workspace as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    pub stamp: Stamp,
    pub epoch: u64,
    /// Version of the workspace's tables.
    pub version: u32,
    /// What the workspace remembers of where it is ([`Engine::fingerprint`]): differs when the database was copied.
    pub fingerprint: String,
}

/// What goes wrong with a database. Texts are the database's own; no value of a row and no password is in them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("can't connect to source \"{source_name}\": {message}")]
    Connect { source_name: String, message: String },
    #[error("the connection to the database was lost: {0}")]
    Lost(String),
    #[error("{what} took longer than `statement_timeout` lets it, or somebody cancelled it")]
    Timeout { what: &'static str },
    #[error(
        "another session holds a lock that was not to be had within `lock_timeout`; the database's list of sessions and locks says which"
    )]
    LockTimeout,
    /// A deadlock or serialization failure: the batch may be tried again.
    #[error("the database gave way to another transaction: {0}")]
    Conflict(String),
    /// No room for what a statement writes. Nothing of it is there.
    #[error("the database has no room left ({0}); nothing was lost: make room on its disk, and the next sweep goes on")]
    Full(String),
    #[error("the gate is held by {holder}")]
    GateBusy { holder: String },
    /// An estimate of a range was wrong: a smaller range will do.
    #[error("a batch met {rows} rows, more than its limit of {limit}")]
    TooManyRows { rows: u64, limit: u64 },
    /// Values that are computed here or copied are read first, and would take too much memory: a smaller range will do.
    #[error("a batch met values of {bytes} bytes to be read, more than its limit of {limit}")]
    TooWide { bytes: usize, limit: usize },
    #[error("the source has forgotten holds that it had confirmed: it was restored from a backup, or a replica serves that lacks them")]
    Restored,
    #[error("the lane was taken over by another worker")]
    Fenced,
    #[error("the workspace belongs to another state ({found}); `retentiond state adopt` takes it over")]
    ForeignStamp { found: String },
    #[error("the source has no workspace; run `retentiond source init`")]
    NoWorkspace,
    #[error("the workspace has version {found}, this retentiond knows {known}")]
    WorkspaceVersion { found: u32, known: u32 },
    #[error("the database refuses: {0}")]
    Database(String),
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    /// True where the same batch, smaller, may succeed.
    pub fn is_transient(&self) -> bool {
        self.is_contention() || matches!(self, Self::TooManyRows { .. } | Self::TooWide { .. })
    }

    /// True where another session may be in the way, and be through a little later.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::LockTimeout | Self::Conflict(_))
    }
}
