//! Makes a database file from a script: for `demo`, which has to have something to sweep.

use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _, Executor as _, sqlite::SqliteConnectOptions};

use crate::{engine::Error, sql::checked};

/// Creates the file and runs the script in one transaction. The script is this program's own text, never a user's.
///
/// # Errors
/// [`Error::Database`] with SQLite's words.
pub async fn create(path: &Path, script: &str) -> Result<(), Error> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(true).disable_statement_logging();
    let database = |error: sqlx::Error| Error::Database(error.to_string());
    let mut connection = options.connect().await.map_err(database)?;
    connection.execute(sqlx::raw_sql(checked(&format!("BEGIN;\n{script}\nCOMMIT;")))).await.map_err(database)?;
    connection.close().await.map_err(database)
}
