//! A throwaway SQLite database, opened as an application would: with the tests' own settings, not retentiond's.

use std::path::{Path, PathBuf};

use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

use super::wait;

/// A database file; one in a folder of its own goes with it.
pub struct Sqlite {
    path: PathBuf,
    /// `None`: as it is.
    journal: Option<SqliteJournalMode>,
    _folder: Option<TempDir>,
}

impl Sqlite {
    /// A new database in a folder of its own.
    pub fn create() -> Self {
        let folder = tempfile::Builder::new().prefix("rtd-").tempdir().expect("a temporary folder");
        let path = folder.path().join("app.db");
        Self::made(path, Some(folder))
    }

    /// A database at `path`, which the caller removes; created if it isn't there.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::made(path.into(), None)
    }

    /// A database that another program made and keeps; its journal stays of the kind that it is.
    pub fn of_another(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), journal: None, _folder: None }
    }

    fn made(path: PathBuf, folder: Option<TempDir>) -> Self {
        let database = Self { path, journal: Some(SqliteJournalMode::Wal), _folder: folder };
        database.execute("SELECT 1");
        database
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The address as a configuration has it.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    /// A connection, for tests that hold a transaction open.
    pub async fn connect(&self) -> SqliteConnection {
        let mut options = SqliteConnectOptions::new().filename(&self.path).create_if_missing(true);
        options = options.synchronous(SqliteSynchronous::Off).foreign_keys(false);
        if let Some(journal) = self.journal {
            options = options.journal_mode(journal);
        }
        SqliteConnection::connect_with(&options).await.unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }

    /// Runs statements, several at once if need be.
    pub fn execute(&self, statements: &str) {
        wait(async {
            let mut connection = self.connect().await;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.unwrap_or_else(|error| panic!("{error} in: {statements}"));
            connection.close().await.expect("an orderly end");
        });
    }

    /// The rows of a query, each as the text of its first column (cast to `text` in the query).
    pub fn column(&self, query: &str) -> Vec<Option<String>> {
        self.columns(&[query.to_owned()]).remove(0)
    }

    /// The same of several queries, by one connection.
    pub fn columns(&self, queries: &[String]) -> Vec<Vec<Option<String>>> {
        wait(async {
            let mut connection = self.connect().await;
            let mut columns = Vec::new();
            for query in queries {
                let rows = sqlx::query_scalar(AssertSqlSafe(query.as_str())).fetch_all(&mut connection).await;
                columns.push(rows.unwrap_or_else(|error| panic!("{error} in: {query}")));
            }
            connection.close().await.expect("an orderly end");
            columns
        })
    }

    /// The number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        wait(async {
            let mut connection = self.connect().await;
            let number = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await;
            connection.close().await.expect("an orderly end");
            number.unwrap_or_else(|error| panic!("{error} in: {query}"))
        })
    }
}
