//! The tables of the state, as numbered steps. To add one: the next file, and its line in `STEPS`; a step that was
//! released never changes.

use sqlx::AnyConnection;

use super::{
    Error,
    database::{Kind, query, query_as},
};

/// The steps in order; step `n` takes the tables from version `n - 1` to `n`.
const STEPS: [&str; 5] = [
    include_str!("0001_state.sql"),
    include_str!("0002_guards.sql"),
    include_str!("0003_last_success.sql"),
    include_str!("0004_residue.sql"),
    include_str!("0005_evidence.sql"),
];

/// The version that this code works with.
#[expect(clippy::cast_possible_wrap, reason = "there are a handful of steps")]
pub(super) const KNOWN: i64 = STEPS.len() as i64;

/// Lets one process at a time past, until its transaction ends. SQLite's write transactions do so by themselves.
pub(super) async fn lock(connection: &mut AnyConnection, kind: Kind) -> Result<(), Error> {
    if kind == Kind::Postgres {
        sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtext('retentiond state migration'))").execute(connection).await?;
    }
    Ok(())
}

/// The version of the tables; `None`: there are none.
pub(super) async fn version(connection: &mut AnyConnection, kind: Kind) -> Result<Option<i64>, Error> {
    let exists = match kind {
        Kind::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'",
        Kind::Postgres => "SELECT count(*) FROM pg_tables WHERE schemaname = 'retentiond_state' AND tablename = 'schema_version'",
    };
    let (tables,) = query_as::<(i64,)>(exists).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(None);
    }
    let (version,) = query_as("SELECT version FROM schema_version").fetch_one(connection).await?;
    Ok(Some(version))
}

/// Applies every step after `from`, within the caller's transaction: all of them or none.
///
/// # Errors
/// [`Error::TooNew`] if the tables are of a version that this code doesn't know.
pub(super) async fn apply(connection: &mut AnyConnection, kind: Kind, from: Option<i64>) -> Result<(), Error> {
    let found = from.unwrap_or(0);
    let done = usize::try_from(found).ok().filter(|done| *done <= STEPS.len()).ok_or(Error::TooNew { found, known: KNOWN })?;
    if from.is_none() && kind == Kind::Postgres {
        sqlx::raw_sql("CREATE SCHEMA IF NOT EXISTS retentiond_state").execute(&mut *connection).await?;
    }
    for step in &STEPS[done..] {
        sqlx::raw_sql(*step).execute(&mut *connection).await?;
    }
    query("INSERT INTO schema_version (only_row, version) VALUES (1, $1) ON CONFLICT (only_row) DO UPDATE SET version = $1")
        .bind(KNOWN)
        .execute(connection)
        .await?;
    Ok(())
}
