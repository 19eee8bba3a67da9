//! Transactions: the only way in which a statement reaches the server.
//!
//! Every statement runs inside a [`Transaction`] whose settings are all `SET LOCAL`, so that nothing is left behind on
//! a session that a pooler hands to somebody else. A setting that the meaning of statements depends on is a line in
//! [`opening`].

use futures_util::TryStreamExt as _;
use sqlx::{
    Executor as _, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{Pool, errors::Failure};
use crate::{
    config::Limits,
    engine::Error,
    sql::{Statement, checked, quote_identifier, selection::Cell},
};

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// The text that opens a transaction: its isolation, its limits, and everything of a session that could change what a
/// statement means. `schemas` is the search path besides the catalogue, which comes first.
pub(super) fn opening(access: Access, limits: &Limits, schemas: &[String]) -> String {
    // A commit that was reported must survive a crash, or a placed hold (law 2) or a batch of the ledger (law 7) could
    // vanish with it: `synchronous_commit = off` is raised, every other choice of the DBA's stands.
    let (access, durable) = match access {
        Access::Read => ("READ ONLY", ""),
        Access::Write => {
            ("READ WRITE", "; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'")
        }
    };
    let path = std::iter::once("pg_catalog".to_owned())
        .chain(schemas.iter().map(|schema| quote_identifier(schema)))
        // Named last, temporary tables can't stand in front of others; unnamed, they would come first.
        .chain(std::iter::once("pg_temp".to_owned()))
        .collect::<Vec<_>>()
        .join(", ");
    let statement_timeout = limits.statement_timeout.as_millis();
    let lock_timeout = limits.lock_timeout.as_millis();
    let idle_timeout = lock_timeout.saturating_mul(5);
    // READ COMMITTED is part of the gate's proof: under REPEATABLE READ the read after the lock would be as old as the
    // transaction. `row_security = off` makes invisible rows an error. JIT and parallel workers cost a server more than
    // they save on statements as short as ours.
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED {access}; \
         SET LOCAL statement_timeout = {statement_timeout}; \
         SET LOCAL lock_timeout = {lock_timeout}; \
         SET LOCAL idle_in_transaction_session_timeout = {idle_timeout}; \
         SET LOCAL search_path = {path}; \
         SET LOCAL row_security = off; \
         SET LOCAL TimeZone = 'UTC'; \
         SET LOCAL DateStyle = 'ISO, YMD'; \
         SET LOCAL IntervalStyle = 'postgres'; \
         SET LOCAL bytea_output = 'hex'; \
         SET LOCAL extra_float_digits = 1; \
         SET LOCAL standard_conforming_strings = on; \
         SET LOCAL transform_null_equals = off; \
         SET LOCAL client_min_messages = error; \
         SET LOCAL jit = off; \
         SET LOCAL max_parallel_workers_per_gather = 0{durable}"
    )
}

/// An open transaction and the connection that it owns.
///
/// Dropped before its end it closes the connection, and the server rolls back: a session whose state isn't known never
/// gets back into the pool.
pub(super) struct Transaction {
    /// `None` once the transaction has ended well.
    connection: Option<PoolConnection<Postgres>>,
    /// No statement has failed. To COMMIT a failed transaction the server answers ROLLBACK, which the driver takes for
    /// success; a transaction fails only by an error that we were told of, so counting those is as good as the answer.
    intact: bool,
}

impl Transaction {
    /// Opens a transaction with a text from [`opening`].
    ///
    /// Never to be cancelled; if it is all the same, the connection is closed.
    pub async fn begin(pool: &Pool, opening: &str) -> Result<Self, Failure> {
        let what = "opening a transaction";
        let connection = pool.acquire().await.map_err(|error| Failure { what, error })?;
        let mut transaction = Self { connection: Some(connection), intact: true };
        transaction.run(what, opening).await?;
        Ok(transaction)
    }

    /// Runs text that has no parameters and whose answer doesn't matter; it may hold several statements.
    pub async fn run(&mut self, what: &'static str, text: &str) -> Result<(), Failure> {
        let outcome = self.connection(what)?.execute(sqlx::raw_sql(checked(text))).await;
        self.note(what, outcome).map(|_| ())
    }

    /// Tries text that has no parameters; what of it failed is undone, and the transaction goes on.
    pub async fn attempt(&mut self, what: &'static str, text: &str) -> Result<(), Failure> {
        let intact = self.intact;
        self.run(what, "SAVEPOINT attempt").await?;
        match self.run(what, text).await {
            Ok(()) => self.run(what, "RELEASE SAVEPOINT attempt").await,
            Err(failure) => {
                self.run(what, "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt").await?;
                self.intact = intact;
                Err(failure)
            }
        }
    }

    /// Tries a statement with values; where it failed it is undone, and the transaction goes on.
    ///
    /// # Errors
    /// A failure of what goes around it.
    pub async fn try_execute(
        &mut self,
        what: &'static str,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Result<u64, Failure>, Failure> {
        let intact = self.intact;
        self.run(what, "SAVEPOINT attempt").await?;
        match self.execute(what, query).await {
            Ok(rows) => self.run(what, "RELEASE SAVEPOINT attempt").await.map(|()| Ok(rows)),
            Err(failure) => {
                self.run(what, "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt").await?;
                self.intact = intact;
                Ok(Err(failure))
            }
        }
    }

    /// Asks a question that has no parameters: one round trip to the server, where parameters need two.
    pub async fn ask(&mut self, what: &'static str, text: &str) -> Result<Vec<PgRow>, Failure> {
        let outcome = sqlx::raw_sql(checked(text)).fetch_all(&mut **self.connection(what)?).await;
        self.note(what, outcome)
    }

    /// Runs a statement and returns how many rows it changed.
    pub async fn execute(&mut self, what: &'static str, query: Query<'_, Postgres, PgArguments>) -> Result<u64, Failure> {
        let outcome = query.persistent(false).execute(&mut **self.connection(what)?).await;
        self.note(what, outcome).map(|done| done.rows_affected())
    }

    /// Runs a statement and returns its rows.
    pub async fn rows(&mut self, what: &'static str, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, Failure> {
        let outcome = query.persistent(false).fetch_all(&mut **self.connection(what)?).await;
        self.note(what, outcome)
    }

    /// Runs a statement and hands over its rows one by one, so that never all of them are in memory.
    pub async fn each(
        &mut self,
        what: &'static str,
        query: Query<'_, Postgres, PgArguments>,
        mut take: impl FnMut(PgRow) -> Result<(), sqlx::Error> + Send,
    ) -> Result<(), Failure> {
        let rows = query.persistent(false).fetch(&mut **self.connection(what)?);
        let outcome = rows.try_for_each(|row| std::future::ready(take(row))).await;
        self.note(what, outcome)
    }

    /// Commits.
    ///
    /// # Errors
    /// Any error means that the outcome is not known.
    pub async fn commit(mut self) -> Result<(), Error> {
        if !self.intact {
            return Err(Error::Database("a statement of the transaction had failed, so it can't be committed".to_owned()));
        }
        self.run("committing", "COMMIT").await?;
        self.connection = None;
        Ok(())
    }

    /// Rolls back. An error means that the connection was closed, which rolls back as well.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.run("rolling back", "ROLLBACK").await?;
        self.connection = None;
        Ok(())
    }

    fn connection(&mut self, what: &'static str) -> Result<&mut PoolConnection<Postgres>, Failure> {
        self.connection.as_mut().ok_or(Failure { what, error: sqlx::Error::PoolClosed })
    }

    fn note<T>(&mut self, what: &'static str, outcome: Result<T, sqlx::Error>) -> Result<T, Failure> {
        self.intact &= outcome.is_ok();
        outcome.map_err(|error| Failure { what, error })
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

/// A statement of the `sql` room with its values, each bound as text.
///
/// [`Transaction`] sends every query unnamed: with the statement cache off, the driver would leave a named one on the
/// server each time, and a pooler's next client would meet its name.
pub(super) fn query(statement: &Statement) -> Query<'static, Postgres, PgArguments> {
    statement.binds.iter().fold(sqlx::query(checked(&statement.text)), |query, cell| query.bind(text_of(cell)))
}

fn text_of(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Real(number) => Some(number.to_string()),
        Cell::Text(text) => Some(text.clone()),
        Cell::Bytes(bytes) => Some(format!("\\x{}", crate::clock::hex(bytes))),
    }
}
