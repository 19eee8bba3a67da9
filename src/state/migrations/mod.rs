//! The tables of the state, as numbered steps. To add one: the next file, and its line in `STEPS`; a step that was
//! released never changes.
//!
//! **Rolling upgrades.** While daemons of two releases share a state, the tables are the newer one's. So each step says which
//! is the oldest code that can work with what it leaves: one that only adds to the tables says what the step before said, and
//! the older daemons go on, and start again, until each is replaced. A step that takes something away waits one release
//! longer, says its own number, and is refused as long as a living daemon knows less.
//!
//! **Why nobody older writes afterwards**, even if it slept meanwhile. Each transaction that writes holds the migration's lock
//! shared from its beginning, and only then reads who may work here; a migration takes the lock for itself, and keeps it until it
//! commits. Writer first: the migration waits for its end, and what it wrote is in the tables that the step changes.
//! Migration first: the writer reads what the step says, and is refused. On SQLite, where writers take turns, the turn is the lock.

use std::borrow::Cow;

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::{
    Error,
    database::{Kind, instant, micros, parse, query, query_as},
    work::Owner,
};
use crate::{fault, sql::checked};

/// A step, from the tables of the step before.
struct Step {
    sql: Cow<'static, str>,
    /// The oldest code that can work with the tables afterwards, by the newest step that it knows.
    oldest: i64,
}

/// Before this one no code minded who else works with the tables.
const MEMBERS: i64 = 6;

const STEPS: [(&str, i64); 7] = [
    (include_str!("0001_state.sql"), 1),
    (include_str!("0002_guards.sql"), 2),
    (include_str!("0003_last_success.sql"), 3),
    (include_str!("0004_residue.sql"), 4),
    (include_str!("0005_evidence.sql"), 5),
    (include_str!("0006_members.sql"), MEMBERS),
    (include_str!("0007_walks.sql"), MEMBERS),
];

/// The steps that this code knows, in order.
fn steps() -> impl Iterator<Item = Step> {
    let later = fault::later_steps().into_iter().map(|(sql, oldest)| Step { sql: sql.into(), oldest });
    STEPS.into_iter().map(|(sql, oldest)| Step { sql: sql.into(), oldest }).chain(later)
}

/// The version that this code works with.
#[expect(clippy::cast_possible_wrap, reason = "there are a handful of steps")]
pub(super) fn known() -> i64 {
    steps().count() as i64
}

/// What the tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    /// The last step that was taken.
    pub step: i64,
    /// The oldest code that can work with them.
    pub oldest: i64,
}

/// Refuses a transaction that began with the lock shared, if this code is too old for the tables.
pub(super) async fn admit(connection: &mut AnyConnection) -> Result<(), Error> {
    let (found, oldest) = query_as("SELECT version, oldest FROM schema_version").fetch_one(connection).await?;
    fits(Version { step: found, oldest })
}

/// Whether this code can work with such tables.
fn fits(version: Version) -> Result<(), Error> {
    let known = known();
    if version.oldest > known { Err(Error::TooNew { found: version.step, known }) } else { Ok(()) }
}

/// The version of the tables; `None`: there are none.
pub(super) async fn version(connection: &mut AnyConnection, kind: Kind) -> Result<Option<Version>, Error> {
    let exists = match kind {
        Kind::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'",
        Kind::Postgres => "SELECT count(*) FROM pg_tables WHERE schemaname = 'retentiond_state' AND tablename = 'schema_version'",
    };
    let (tables,) = query_as::<(i64,)>(exists).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(None);
    }
    let (step,) = query_as("SELECT version FROM schema_version").fetch_one(&mut *connection).await?;
    let oldest = if step < MEMBERS { step } else { query_as::<(i64,)>("SELECT oldest FROM schema_version").fetch_one(connection).await?.0 };
    Ok(Some(Version { step, oldest }))
}

/// Applies every step after `from`, within the caller's transaction, which holds the lock: all of them or none. Tables that are
/// newer, and that this code can work with, stay as they are.
///
/// # Errors
/// [`Error::TooNew`] if this code can't work with the tables, [`Error::OldMember`] if a living daemon can't with what they would
/// become.
pub(super) async fn apply(connection: &mut AnyConnection, kind: Kind, from: Option<Version>, now: Timestamp) -> Result<(), Error> {
    if let Some(version) = from {
        fits(version)?;
    }
    let known = known();
    let found = from.map_or(0, |from| from.step);
    if found >= known {
        return Ok(());
    }
    let to_take: Vec<Step> = steps().skip(usize::try_from(found).unwrap_or_default()).collect();
    let oldest = to_take.iter().map(|step| step.oldest).fold(from.map_or(0, |from| from.oldest), i64::max);
    if found >= MEMBERS {
        nobody_is_older(connection, oldest, now).await?;
    }
    if from.is_none() && kind == Kind::Postgres {
        sqlx::raw_sql("CREATE SCHEMA IF NOT EXISTS retentiond_state").execute(&mut *connection).await?;
    }
    for step in to_take {
        sqlx::raw_sql(checked(&step.sql)).execute(&mut *connection).await?;
    }
    query("INSERT INTO schema_version (only_row, version, oldest) VALUES (1, $1, $2) ON CONFLICT (only_row) DO UPDATE SET version = $1, oldest = $2")
        .bind(known)
        .bind(oldest)
        .execute(connection)
        .await?;
    Ok(())
}

/// Refuses what a living daemon could not work with.
async fn nobody_is_older(connection: &mut AnyConnection, oldest: i64, now: Timestamp) -> Result<(), Error> {
    let rows: Vec<(String, String, i64)> =
        query_as("SELECT owner, release, lease_until FROM member WHERE knows < $1 AND lease_until > $2 ORDER BY lease_until DESC")
            .bind(oldest)
            .bind(micros(now))
            .fetch_all(connection)
            .await?;
    for (owner, release, until) in rows {
        let owner: Owner = parse(&owner)?;
        if !owner.is_gone() {
            return Err(Error::OldMember { owner: Box::new(owner), release, until: instant(until)? });
        }
    }
    Ok(())
}
