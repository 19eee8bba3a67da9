//! MariaDB 10.6 and later; MySQL 8 by construction.
//!
//! `server` is what kind of server it is, `session` how statements reach it, `errors` what comes back instead of an
//! answer, `catalogue` makes a [`Shape`], `walk` cuts a table into ranges, `workspace` and `held` are retentiond's own
//! tables there, `batch` is the doorway, `partitions` what goes through it whole, `replicas` looks at who follows the server, `residue` treats what rows left behind, `grants` is what a DBA
//! runs. [`Mysql`] ties them to the [`Engine`] trait. Something new that the sweep asks of a server is a method of the trait and a file here.
//!
//! # Why the gate holds here
//!
//! The gate is a row. A batch reads it with a shared lock and a place with an exclusive one, both to the end of their
//! transactions, so that law 2 follows as `sweep::gate` proves it: place first, and the locking read waits for its commit and
//! sees its epoch; batch first, and the place waits for the batch's end. What the batch reads of held subjects it reads
//! later, under READ COMMITTED, so that each statement sees everything committed before it. Galera is refused, because a
//! row's lock stays on one node there. A statement that drops a partition would commit, and let the row go: for that the
//! gate is taken as a table, see `partitions`.

mod batch;
mod catalogue;
mod errors;
mod grants;
mod held;
mod partitions;
mod replicas;
mod residue;
mod server;
mod session;
mod walk;
mod workspace;

use std::str::FromStr as _;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{
    ConnectOptions as _, Executor as _, Row as _,
    mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlRow},
};

use self::{
    errors::Failure,
    server::{Flavour, Server},
    session::{Access, Transaction, opening, text},
};
use super::{
    Batch, Engine, Error, GateChange, Inspected, LaneMark, Partition, Positions, Stamp, Workspace,
    grants::{Grants, Needs},
    pool::Driver,
    residue::{Remains, Treated, Treatment},
    shape::Shape,
};
use crate::{
    config::{Limits, Replicas, SourceUrl},
    hold::Held,
    policy::{Dialect, Residue, TableName, condition::Condition},
    sql::{
        Statement, qualified,
        selection::{Cell, ColumnRef, Counts, KeyPart, Range, Seen, Selection, SubjectTest, Survey, TableRef, Way, WorkspaceRef},
        statement,
    },
};

/// Connections to this kind of server.
type Pool = super::pool::Pool<sqlx::MySql>;

/// A connected MariaDB or MySQL database.
pub struct Mysql {
    pool: Pool,
    server: Server,
    workspace: WorkspaceRef,
    limits: Limits,
    read: String,
    write: String,
    followers: replicas::Followers,
}

impl Mysql {
    /// Connects. Nothing is created.
    ///
    /// # Errors
    /// [`Error::Connect`] with the server's words; [`Error::Unsupported`] for a server that can't keep the laws.
    pub async fn connect(name: &str, url: &SourceUrl, workspace: &str, limits: Limits) -> Result<Self, Error> {
        let hooks = MySqlPoolOptions::new().before_acquire(|connection, _| Box::pin(at_rest(connection)));
        let pool = Pool::connect(name, url, Driver { options, words: errors::connect }, hooks).await?;
        let server = Server::of(&pool).await?;
        let read = opening(Access::Read, &limits, server.flavour);
        let write = opening(Access::Write, &limits, server.flavour);
        let workspace = WorkspaceRef { dialect: Dialect::Mysql, name: workspace.to_owned() };
        Ok(Self { pool, server, workspace, limits, read, write, followers: replicas::Followers::default() })
    }

    async fn begin_with(&self, access: Access) -> Result<Transaction, Error> {
        let opening = match access {
            Access::Read => &self.read,
            Access::Write => &self.write,
        };
        Ok(Transaction::begin(&self.pool, opening).await?)
    }

    /// The rows of one statement that changes nothing.
    async fn rows(&self, what: &'static str, statement: &Statement) -> Result<Vec<MySqlRow>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.rows(what, statement).await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// The whole numbers in the one row of a statement that changes nothing.
    async fn numbers(&self, what: &'static str, statement: &Statement) -> Result<Vec<u64>, Error> {
        let rows = self.rows(what, statement).await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        session::numbers(row).map_err(|error| Failure { what, error }.into())
    }

    /// The server and the name of the database on it.
    fn identity(&self) -> String {
        format!("mysql:{}/{}", self.server.identity, self.server.database)
    }
}

/// One line of what EXPLAIN answers, without what says nothing.
fn plan_line(row: &MySqlRow) -> Result<String, sqlx::Error> {
    let mut words = Vec::new();
    for name in ["select_type", "table", "type", "key", "Extra"] {
        let text: Option<Vec<u8>> = row.try_get_unchecked(name)?;
        words.extend(text.filter(|text| !text.is_empty()).map(|text| format!("{name}: {}", String::from_utf8_lossy(&text))));
    }
    words.extend(plan_rows(row)?.map(|rows| format!("rows: {rows}")));
    Ok(words.join(", "))
}

/// The estimate of a step of a plan, which MariaDB writes as text and MySQL as a number.
fn plan_rows(row: &MySqlRow) -> Result<Option<String>, sqlx::Error> {
    if let Ok(rows) = row.try_get::<Option<u64>, _>("rows") {
        return Ok(rows.map(|rows| rows.to_string()));
    }
    let text = row.try_get_unchecked::<Option<Vec<u8>>, _>("rows")?;
    Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

/// How any server is connected to. What a session is set to is said when a transaction is opened.
fn options(url: &SourceUrl) -> Result<MySqlConnectOptions, sqlx::Error> {
    Ok(MySqlConnectOptions::from_str(&url.expose())?
        .statement_cache_capacity(0)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .disable_statement_logging())
}

/// Whether a pooled connection is alive; whatever a cancelled call may have left open on it is rolled back.
async fn at_rest(connection: &mut sqlx::MySqlConnection) -> Result<bool, sqlx::Error> {
    connection.execute(sqlx::raw_sql("ROLLBACK")).await.map(|_| true)
}

#[async_trait]
impl Engine for Mysql {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    async fn fingerprint(&self) -> Result<String, Error> {
        Ok(self.identity())
    }

    async fn now(&self) -> Result<Option<Timestamp>, Error> {
        let what = "asking for the server's time";
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(what, "SELECT CAST(unix_timestamp(now(6)) * 1000000 AS SIGNED)").await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        let microseconds: i64 = row.try_get(0).map_err(|error| Failure { what, error })?;
        transaction.commit().await?;
        Ok(Timestamp::from_microsecond(microseconds).ok())
    }

    async fn replicas(&self, which: &Replicas) -> Result<Positions, Error> {
        self.positions(which).await
    }

    async fn inspect_all(&self, tables: &[TableName]) -> Result<Vec<Inspected>, Error> {
        self.shapes_of(tables).await
    }

    async fn tables(&self) -> Result<Vec<TableName>, Error> {
        self.table_names().await
    }

    async fn prepare_conditions(&self, conditions: &[(&TableRef, &Condition)]) -> Result<Vec<Result<(), String>>, Error> {
        let mut prepared = Vec::with_capacity(conditions.len());
        let mut transaction = self.begin_with(Access::Read).await?;
        for (table, condition) in conditions {
            let text = format!("EXPLAIN SELECT 1 FROM {} AS t WHERE ({})", qualified(Dialect::Mysql, table), condition.sql);
            match transaction.run("preparing a condition", &text).await.map_err(Error::from) {
                Ok(()) => prepared.push(Ok(())),
                // A statement that fails leaves its transaction open here.
                Err(Error::Database(words)) => prepared.push(Err(words)),
                Err(error) => return Err(error),
            }
        }
        transaction.rollback().await?;
        Ok(prepared)
    }

    fn returns_deleted(&self) -> bool {
        self.server.flavour == Flavour::MariaDb
    }

    fn ways(&self, shape: &Shape, key: &[String], start: Option<&str>) -> Vec<Way> {
        walk::ways(shape, key, start)
    }

    async fn next_range(&self, selection: &Selection, rest: &Range, rows: u64) -> Result<Option<Range>, Error> {
        self.cut(selection, rest, rows).await
    }

    async fn explain(&self, selection: &Selection, range: &Range) -> Result<(String, Vec<String>), Error> {
        let (what, found) = ("asking for a plan", statement::find_due(selection, range));
        let explained = Statement { text: format!("EXPLAIN {}", found.text), binds: found.binds };
        let rows = self.rows(what, &explained).await?;
        let lines = rows.iter().map(plan_line).collect::<Result<_, _>>().map_err(|error| Failure { what, error })?;
        Ok((found.text, lines))
    }

    async fn guess_ended(&self, selection: &Selection) -> Result<Option<u64>, Error> {
        let Some(found) = statement::find_ended(selection) else { return Ok(None) };
        let what = "asking for a plan";
        let rows = self.rows(what, &Statement { text: format!("EXPLAIN {}", found.text), binds: found.binds }).await?;
        let guess = rows.first().map(plan_rows).transpose().map_err(|error| Failure { what, error })?;
        Ok(guess.flatten().and_then(|rows| rows.parse().ok()))
    }

    async fn partitions_before_cutoff(&self, selection: &Selection) -> Result<Vec<Partition>, Error> {
        self.partitions_before(selection).await
    }

    async fn count(&self, selection: &Selection, range: &Range) -> Result<Counts, Error> {
        let what = "counting";
        let numbers = self.numbers(what, &statement::count(selection, range)).await?;
        Counts::of(&numbers).ok_or_else(|| Failure { what, error: sqlx::Error::RowNotFound }.into())
    }

    async fn survey(&self, selection: &Selection, range: &Range) -> Result<Survey, Error> {
        let what = "looking at the rows of a batch";
        let numbers = self.numbers(what, &statement::survey(selection, range)).await?;
        Survey::of(&numbers).ok_or_else(|| Failure { what, error: sqlx::Error::RowNotFound }.into())
    }

    async fn count_due(&self, selections: &[Selection], range: &Range) -> Result<Vec<u64>, Error> {
        if selections.is_empty() {
            return Ok(Vec::new());
        }
        self.numbers("counting what becomes due", &statement::count_due(selections, range)).await
    }

    async fn count_protected(&self, selection: &Selection, range: &Range) -> Result<Vec<u64>, Error> {
        self.numbers("counting what is protected", &statement::count_protected(selection, range)).await
    }

    async fn count_along(&self, selection: &Selection, range: &Range) -> Result<Vec<u64>, Error> {
        self.numbers("counting what goes along", &statement::count_along(selection, range)).await
    }

    async fn count_beyond(&self, selection: &Selection, before: &Selection, range: &Range) -> Result<u64, Error> {
        let statement = statement::count_beyond(selection, before, range);
        Ok(self.numbers("counting what a change takes", &statement).await?.into_iter().sum())
    }

    async fn due_rows(&self, selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Result<Vec<Vec<Cell>>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = batch::whole_rows(&mut transaction, &statement::due_rows(selection, range, columns), self.limits.max_batch_rows).await;
        let ended = transaction.rollback().await;
        let rows = rows?;
        ended?;
        Ok(rows)
    }

    async fn look(&self, selection: &Selection, key: &[KeyPart]) -> Result<Vec<Seen>, Error> {
        let what = "looking at a row";
        let texts = |rows: Vec<MySqlRow>| -> Result<Vec<Vec<Option<String>>>, Failure> {
            let texts = |row: &MySqlRow| (0..row.len()).map(|index| text(row, index)).collect::<Result<_, _>>();
            rows.iter().map(texts).collect::<Result<_, _>>().map_err(|error| Failure { what, error })
        };
        let rows = texts(self.rows(what, &statement::look(selection, key)).await?)?;
        let holders = match statement::holders(selection, key) {
            Some(holders) => texts(self.rows(what, &holders).await?)?,
            None => Vec::new(),
        };
        let mut shown = Vec::new();
        for statement in statement::shown(selection, key) {
            shown.push(texts(self.rows(what, &statement).await?)?);
        }
        let seen = |row| statement::seen(selection, row, holders.clone(), shown.clone());
        rows.into_iter().map(seen).collect::<Option<_>>().ok_or_else(|| Failure { what, error: sqlx::Error::RowNotFound }.into())
    }

    async fn settings(&self, table: &TableRef, of: &ColumnRef, most: u64) -> Result<Vec<String>, Error> {
        let what = "reading which periods are set";
        let rows = self.rows(what, &statement::settings(Dialect::Mysql, table, of, most)).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| Failure { what, error }.into())
    }

    async fn count_held(&self, table: &TableRef, subjects: &[SubjectTest], scopes: &[String], hold: &str) -> Result<u64, Error> {
        let statement = statement::count_held(table, &self.workspace, subjects, scopes, hold);
        Ok(self.numbers("counting what a hold covers", &statement).await?.into_iter().sum())
    }

    async fn workspace(&self) -> Result<Option<Workspace>, Error> {
        self.workspace_now().await
    }

    async fn init_workspace(&self, stamp: &Stamp) -> Result<Workspace, Error> {
        self.create_workspace(stamp).await
    }

    async fn grants(&self, role: Option<&str>, needs: &[Needs], replicas: &Replicas) -> Result<Grants, Error> {
        self.grants_for(role, needs, replicas).await
    }

    async fn restamp(&self, stamp: &Stamp, epoch: u64) -> Result<(), Error> {
        self.replace_stamp(stamp, epoch).await
    }

    async fn held(&self) -> Result<Vec<Held>, Error> {
        self.read_held().await
    }

    async fn raise_gate(&self, change: &GateChange) -> Result<u64, Error> {
        self.change_gate(change).await
    }

    async fn begin(&self) -> Result<Box<dyn Batch>, Error> {
        Ok(Box::new(self.open_batch().await?))
    }

    async fn settle(&self, lane: &str, fence: u64) -> Result<LaneMark, Error> {
        self.raise_fence(lane, fence).await
    }

    async fn lanes(&self) -> Result<Vec<(String, LaneMark)>, Error> {
        self.read_lanes().await
    }

    async fn treat(&self, treatment: &Treatment) -> Result<Treated, Error> {
        self.treat_table(treatment).await
    }

    async fn remains(&self, level: Residue) -> Result<Vec<Remains>, Error> {
        self.remains_of(level).await
    }

    async fn untreatable(&self, table: &TableRef, level: Residue) -> Result<Option<String>, Error> {
        self.unalterable(table, level).await
    }

    async fn close(&self) {
        self.followers.close().await;
        self.pool.close().await;
    }
}
