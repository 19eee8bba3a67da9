//! Transactions: the only way in which a statement reaches the server.
//!
//! Each begins with a text that sets everything of a session that a statement's meaning depends on, so that neither the
//! server's configuration nor an account's decides. A setting is a line in [`opening`].

use futures_util::TryStreamExt as _;
use sqlx::{
    Executor as _, MySql, Row as _, SqlSafeStr,
    mysql::{MySqlArguments, MySqlRow},
    pool::PoolConnection,
    query::Query,
};

use super::{Flavour, Pool, errors::Failure};
use crate::{
    config::Limits,
    engine::{Error, server::unsigned},
    sql::{Statement, checked, selection::Cell},
};

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Names stand in double quotes and a backslash is itself. What does not fit a column is an error and not cut off. Dates
/// that don't exist can be compared, for columns hold them.
const MODE: &str =
    "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES";

/// The text that opens a transaction: its isolation, its limits, and everything of a session that could change what a
/// statement means.
pub(super) fn opening(access: Access, limits: &Limits, flavour: Flavour) -> String {
    let access = match access {
        Access::Read => "READ ONLY",
        Access::Write => "READ WRITE",
    };
    let lock = seconds(limits.lock_timeout);
    let idle = seconds(limits.lock_timeout.saturating_mul(5));
    let limit = limits.statement_timeout;
    // A session that idles in a transaction holds locks, the gate's above all; the server ends it.
    let limited = match flavour {
        Flavour::MariaDb => {
            format!("max_statement_time = {}, idle_transaction_timeout = {idle}, default_regex_flags = ''", limit.as_secs_f64())
        }
        Flavour::MySql => format!("max_execution_time = {}, wait_timeout = {idle}", limit.as_millis()),
    };
    // READ COMMITTED is part of the gate's proof: under REPEATABLE READ what a batch reads of the held subjects would be
    // as old as the transaction.
    format!(
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin; \
         SET SESSION sql_mode = '{MODE}', time_zone = '+00:00', foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0, \
         sql_select_limit = DEFAULT, innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock}, {limited}; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         START TRANSACTION {access}"
    )
}

/// Whole seconds, as these settings are counted; 0 would mean something else.
pub(super) fn seconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}

/// An open transaction and the connection that it owns.
///
/// Dropped before its end it closes the connection, and the server rolls back: a session whose state isn't known never
/// gets back into the pool.
pub(super) struct Transaction {
    /// `None` once the transaction has ended well.
    connection: Option<PoolConnection<MySql>>,
    /// No statement has failed. The server would commit what came before a failed one.
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
        let outcome = self.connection(what)?.execute(sqlx::raw_sql(named(text))).await;
        self.note(what, outcome).map(|_| ())
    }

    /// The same where a failure changes nothing, and the transaction goes on.
    pub async fn attempt(&mut self, what: &'static str, text: &str) -> Result<(), Failure> {
        let outcome = self.connection(what)?.execute(sqlx::raw_sql(named(text))).await;
        outcome.map(|_| ()).map_err(|error| Failure { what, error })
    }

    /// Runs a statement whose failure changes nothing, and the transaction goes on.
    pub async fn attempt_execute(&mut self, what: &'static str, statement: &Statement) -> Result<u64, Failure> {
        let outcome = query(statement).execute(&mut **self.connection(what)?).await;
        outcome.map(|done| done.rows_affected()).map_err(|error| Failure { what, error })
    }

    /// Asks a question that has no parameters: one round trip to the server, where parameters need two.
    pub async fn ask(&mut self, what: &'static str, text: &str) -> Result<Vec<MySqlRow>, Failure> {
        let outcome = sqlx::raw_sql(named(text)).fetch_all(&mut **self.connection(what)?).await;
        self.note(what, outcome)
    }

    /// Runs a statement and returns how many rows it changed, or in the case of an UPDATE found.
    pub async fn execute(&mut self, what: &'static str, statement: &Statement) -> Result<u64, Failure> {
        let outcome = query(statement).execute(&mut **self.connection(what)?).await;
        self.note(what, outcome).map(|done| done.rows_affected())
    }

    /// Runs a statement and returns its rows.
    pub async fn rows(&mut self, what: &'static str, statement: &Statement) -> Result<Vec<MySqlRow>, Failure> {
        let outcome = query(statement).fetch_all(&mut **self.connection(what)?).await;
        self.note(what, outcome)
    }

    /// Runs a statement and hands over its rows one by one, so that never all of them are in memory.
    pub async fn each(
        &mut self,
        what: &'static str,
        statement: &Statement,
        mut take: impl FnMut(MySqlRow) -> Result<(), sqlx::Error> + Send,
    ) -> Result<(), Failure> {
        let rows = query(statement).fetch(&mut **self.connection(what)?);
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

    /// Ends the session, which is not as those in the pool are.
    pub async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The server ends what has gone as well as what says goodbye.
            let _ = connection.close().await;
        }
    }

    fn connection(&mut self, what: &'static str) -> Result<&mut PoolConnection<MySql>, Failure> {
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

/// The driver can't tell the server the name of its program. So each statement bears it, for whoever looks at the list of
/// processes or the log of slow statements.
fn named(text: &str) -> impl SqlSafeStr + use<> {
    checked(&format!("/* retentiond */ {text}"))
}

/// A statement of the `sql` room with its values. None is kept on the server: their texts differ from batch to batch.
fn query(statement: &Statement) -> Query<'static, MySql, MySqlArguments> {
    let bind = |query: Query<'static, MySql, MySqlArguments>, cell: &Cell| match cell {
        Cell::Null => query.bind(None::<String>),
        Cell::Integer(number) => query.bind(*number),
        Cell::Real(number) => query.bind(*number),
        Cell::Text(text) => query.bind(text.clone()),
        Cell::Bytes(bytes) => query.bind(bytes.clone()),
    };
    statement.binds.iter().fold(sqlx::query(named(&statement.text)), bind).persistent(false)
}

/// The whole numbers of a row.
pub(super) fn numbers(row: &MySqlRow) -> Result<Vec<u64>, sqlx::Error> {
    (0..row.len()).map(|index| row.try_get::<i64, _>(index).map(unsigned)).collect()
}

/// A column of text or bytes, whatever the server calls its type.
pub(super) fn bytes(row: &MySqlRow, index: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
    row.try_get_unchecked(index)
}

/// The same as text.
pub(super) fn text(row: &MySqlRow, index: usize) -> Result<Option<String>, sqlx::Error> {
    Ok(bytes(row, index)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The same where it can't be NULL.
pub(super) fn word(row: &MySqlRow, index: usize) -> Result<String, sqlx::Error> {
    Ok(text(row, index)?.unwrap_or_default())
}
