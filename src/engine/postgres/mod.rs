//! PostgreSQL 14 and later, also behind a pooler in transaction mode.
//!
//! `session` is how statements reach the server, `errors` what comes back instead of an answer, `catalogue` makes a
//! [`Shape`], `walk` cuts a table into ranges, `workspace` and `held` are retentiond's own tables there, `batch` is the
//! doorway, `partitions` drops them there, `replicas` looks at who follows the server, `vacuum` at what it has to clean up, `residue` has it cleaned up, `grants` is what a DBA runs.
//! [`Postgres`] ties them to the [`Engine`] trait. Something new that the sweep asks of a server is a method of the trait and
//! a file here.

mod batch;
mod catalogue;
mod errors;
mod grants;
mod held;
mod partitions;
mod replicas;
mod residue;
mod session;
mod vacuum;
mod walk;
mod workspace;

use std::str::FromStr as _;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{
    ConnectOptions as _, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};

use self::{
    errors::Failure,
    session::{Access, Transaction, opening, query},
};
use super::{
    Batch, DeadRows, Engine, Error, GateChange, Inspected, LaneMark, Partition, Positions, Stamp, Workspace,
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
type Pool = super::pool::Pool<sqlx::Postgres>;

/// A connected PostgreSQL database.
pub struct Postgres {
    pool: Pool,
    workspace: WorkspaceRef,
    limits: Limits,
    /// Where tables without a schema are looked for, and what statements see: the role's own search path, read once,
    /// so that a session setting that somebody left behind in a pooler changes nothing.
    schemas: Vec<String>,
    read: String,
    write: String,
    heaps: walk::Heaps,
    followers: replicas::Followers,
}

impl Postgres {
    /// Connects. Nothing is created.
    ///
    /// # Errors
    /// [`Error::Connect`] with the server's words.
    pub async fn connect(name: &str, url: &SourceUrl, workspace: &str, limits: Limits) -> Result<Self, Error> {
        let hooks = PgPoolOptions::new().before_acquire(|connection, _| Box::pin(is_at_rest(connection)));
        let pool = Pool::connect(name, url, Driver { options, words: errors::connect }, hooks).await?;
        let schemas = search_path(&pool, &limits).await?;
        let read = opening(Access::Read, &limits, &schemas);
        let write = opening(Access::Write, &limits, &schemas);
        let workspace = WorkspaceRef { dialect: Dialect::Postgres, name: workspace.to_owned() };
        Ok(Self { pool, workspace, limits, schemas, read, write, heaps: walk::Heaps::default(), followers: replicas::Followers::default() })
    }

    async fn begin_with(&self, access: Access) -> Result<Transaction, Error> {
        let opening = match access {
            Access::Read => &self.read,
            Access::Write => &self.write,
        };
        Ok(Transaction::begin(&self.pool, opening).await?)
    }

    /// The rows of one statement that changes nothing.
    async fn rows(&self, what: &'static str, statement: &Statement) -> Result<Vec<PgRow>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.rows(what, query(statement)).await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// The whole numbers in the one row of a statement that changes nothing.
    async fn numbers(&self, what: &'static str, statement: &Statement) -> Result<Vec<u64>, Error> {
        let rows = self.rows(what, statement).await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        let number = |index| row.try_get::<i64, _>(index).map(super::server::unsigned);
        (0..row.len()).map(number).collect::<Result<_, _>>().map_err(|error| Failure { what, error }.into())
    }

    /// The server's identity and the database's number in it, which survive a renaming; where the role may not see
    /// the first, the database's name stands in for it.
    async fn identity(&self) -> Result<String, Error> {
        let what = "asking for the server's identity";
        let database = "SELECT oid::text, datname::text, has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') \
             FROM pg_database WHERE datname = current_database()";
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(what, database).await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        let (oid, name, permitted): (String, String, bool) =
            (|| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))().map_err(|error| Failure { what, error })?;
        let identity = if permitted {
            let rows = transaction.ask(what, "SELECT system_identifier::text FROM pg_control_system()").await?;
            let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
            let system: String = row.try_get(0).map_err(|error| Failure { what, error })?;
            format!("postgres:{system}/{oid}")
        } else {
            format!("postgres:{name}/{oid}")
        };
        transaction.commit().await?;
        Ok(identity)
    }
}

/// How any server is connected to.
fn options(url: &SourceUrl) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(&url.expose())?
        // What a DBA finds in pg_stat_activity.
        .application_name("retentiond")
        // Poolers refuse start-up parameters that they don't know.
        .extra_float_digits(None)
        .statement_cache_capacity(0)
        .disable_statement_logging())
}

/// Whether a pooled connection is alive and in no transaction (there, `now()` would be the time of its BEGIN).
///
/// Transactions here can't leave a session behind in that state; if the driver ever does, the connection is closed,
/// which rolls back. A ROLLBACK just in case would leave a warning in the server's log each time.
async fn is_at_rest(connection: &mut sqlx::PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection).await?.try_get(0)
}

async fn search_path(pool: &Pool, limits: &Limits) -> Result<Vec<String>, Error> {
    let what = "reading the search path";
    let mut transaction = Transaction::begin(pool, &opening(Access::Read, limits, &[])).await?;
    transaction.run(what, "SET LOCAL search_path TO DEFAULT").await?;
    let schemas = "SELECT s::text FROM unnest(current_schemas(false)) WITH ORDINALITY AS u (s, place) ORDER BY place";
    let rows = transaction.ask(what, schemas).await?;
    transaction.commit().await?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| Failure { what, error }.into())
}

#[async_trait]
impl Engine for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn fingerprint(&self) -> Result<String, Error> {
        self.identity().await
    }

    async fn now(&self) -> Result<Option<Timestamp>, Error> {
        let what = "asking for the server's time";
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(what, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        let microseconds: i64 = row.try_get(0).map_err(|error| Failure { what, error })?;
        transaction.commit().await?;
        Ok(Timestamp::from_microsecond(microseconds).ok())
    }

    async fn replicas(&self, which: &Replicas) -> Result<Positions, Error> {
        self.positions(which).await
    }

    async fn dead_rows(&self, table: &TableRef) -> Result<Option<DeadRows>, Error> {
        self.dead_rows_of(table).await
    }

    async fn inspect_all(&self, tables: &[TableName]) -> Result<Vec<Inspected>, Error> {
        self.shapes_of(tables).await
    }

    async fn tables(&self) -> Result<Vec<TableName>, Error> {
        self.table_names().await
    }

    async fn prepare_conditions(&self, conditions: &[(&TableRef, &Condition)]) -> Result<Vec<Result<(), String>>, Error> {
        let mut prepared = Vec::with_capacity(conditions.len());
        let mut open: Option<Transaction> = None;
        for (table, condition) in conditions {
            let mut transaction = match open.take() {
                Some(transaction) => transaction,
                None => self.begin_with(Access::Read).await?,
            };
            // EXPLAIN plans and checks privileges without running; a PREPARE through the driver would stay on the server.
            let text = format!("EXPLAIN SELECT 1 FROM {} AS t WHERE ({})", qualified(Dialect::Postgres, table), condition.sql);
            match transaction.run("preparing a condition", &text).await.map_err(Error::from) {
                Ok(()) => {
                    open = Some(transaction);
                    prepared.push(Ok(()));
                }
                // What failed has aborted its transaction; the next condition gets another.
                Err(Error::Database(words)) => {
                    transaction.rollback().await?;
                    prepared.push(Err(words));
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(transaction) = open {
            transaction.rollback().await?;
        }
        Ok(prepared)
    }

    fn ways(&self, shape: &Shape, _key: &[String], start: Option<&str>) -> Vec<Way> {
        walk::ways(shape, start, self.limits.max_batch_rows)
    }

    async fn next_range(&self, selection: &Selection, rest: &Range, rows: u64) -> Result<Option<Range>, Error> {
        self.cut(selection, rest, rows).await
    }

    async fn explain(&self, selection: &Selection, range: &Range) -> Result<(String, Vec<String>), Error> {
        let (what, found) = ("asking for a plan", statement::find_due(selection, range));
        let explained = Statement { text: format!("EXPLAIN {}", found.text), binds: found.binds };
        let rows = self.rows(what, &explained).await?;
        let lines = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| Failure { what, error })?;
        Ok((found.text, lines))
    }

    async fn guess_ended(&self, selection: &Selection) -> Result<Option<u64>, Error> {
        let Some(found) = statement::find_ended(selection) else { return Ok(None) };
        let what = "asking for a plan";
        let rows = self.rows(what, &Statement { text: format!("EXPLAIN {}", found.text), binds: found.binds }).await?;
        let first: Option<String> = rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| Failure { what, error })?;
        // The first line is of the whole plan: "… (cost=0.42..8.44 rows=1234 width=4)".
        let guess = first.as_deref().and_then(|line| line.split_once(" rows=")?.1.split(' ').next()?.parse().ok());
        Ok(guess)
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
        let texts = |rows: Vec<PgRow>| -> Result<Vec<Vec<Option<String>>>, Failure> {
            let text = |row: &PgRow| (0..row.len()).map(|index| row.try_get(index)).collect::<Result<_, _>>();
            rows.iter().map(text).collect::<Result<_, _>>().map_err(|error| Failure { what, error })
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
        let rows = self.rows(what, &statement::settings(Dialect::Postgres, table, of, most)).await?;
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
        if level == Residue::Logical { Ok(None) } else { self.unmaintained(table).await }
    }

    async fn close(&self) {
        self.followers.close().await;
        self.pool.close().await;
    }
}
