//! The workspace: retentiond's own three tables beside the application's.
//!
//! | table | holds |
//! |---|---|
//! | `<prefix>_gate` | one row: whose the source is, and the epoch of its holds |
//! | `<prefix>_lane` | each worker's fence and its last committed batch |
//! | `<prefix>_held` | who is held where, in every form that a column may have |
//!
//! Each change is a transaction on a connection of its own, which an error closes and thereby rolls back.

use sqlx::SqliteConnection;

use super::database::{Database, count_cell, get, get_count};
use crate::{
    engine::{Error, LaneMark, Stamp, Workspace},
    hold::{Held, HeldSubject, Scope},
    sql::{
        Statement, quote_identifier,
        selection::{Cell, WorkspaceRef},
    },
};

/// The version of the tables that this code reads and writes.
const VERSION: u32 = 2;

pub(super) async fn read(database: &Database, workspace: &WorkspaceRef) -> Result<Option<Workspace>, Error> {
    let mut connection = database.connection().await?;
    read_on(database, &mut connection, workspace).await
}

pub(super) async fn init(database: &Database, workspace: &WorkspaceRef, stamp: &Stamp) -> Result<Workspace, Error> {
    let mut connection = database.own_connection().await?;
    begin_immediate(database, &mut connection).await?;
    if let Some(found) = read_on(database, &mut connection, workspace).await? {
        return if found.stamp.state_id == stamp.state_id { Ok(found) } else { Err(Error::ForeignStamp { found: found.stamp.state_id }) };
    }
    for text in tables(workspace) {
        database.execute(&mut connection, &Statement::plain(text)).await?;
    }
    let created = Workspace { stamp: stamp.clone(), epoch: 0, version: VERSION, fingerprint: database.fingerprint()? };
    let insert = Statement {
        text: format!(
            "INSERT INTO {} (only_row, source_id, state_id, epoch, version, fingerprint) VALUES (1, ?1, ?2, 0, ?3, ?4)",
            workspace.gate()
        ),
        binds: vec![
            Cell::Text(stamp.source_id.clone()),
            Cell::Text(stamp.state_id.clone()),
            Cell::Integer(VERSION.into()),
            Cell::Text(created.fingerprint.clone()),
        ],
    };
    database.execute(&mut connection, &insert).await?;
    commit(database, &mut connection).await?;
    Ok(created)
}

pub(super) async fn restamp(database: &Database, workspace: &WorkspaceRef, stamp: &Stamp, epoch: u64) -> Result<(), Error> {
    let mut connection = database.own_connection().await?;
    begin_immediate(database, &mut connection).await?;
    read_on(database, &mut connection, workspace).await?.ok_or(Error::NoWorkspace)?;
    let update = Statement {
        text: format!("UPDATE {} SET source_id = ?1, state_id = ?2, epoch = max(epoch, ?3), fingerprint = ?4", workspace.gate()),
        binds: vec![
            Cell::Text(stamp.source_id.clone()),
            Cell::Text(stamp.state_id.clone()),
            count_cell(epoch),
            Cell::Text(database.fingerprint()?),
        ],
    };
    database.execute(&mut connection, &update).await?;
    database.execute(&mut connection, &Statement::plain(format!("DELETE FROM {}", workspace.lane()))).await?;
    commit(database, &mut connection).await
}

pub(super) async fn held(database: &Database, workspace: &WorkspaceRef) -> Result<Vec<Held>, Error> {
    let mut connection = database.connection().await?;
    read_on(database, &mut connection, workspace).await?.ok_or(Error::NoWorkspace)?;
    let statement =
        Statement::plain(format!("SELECT hold, scope, kind, value FROM {} ORDER BY hold, scope, kind, value", workspace.held()));
    let rows = database.fetch(&mut connection, &statement).await?;
    rows.iter()
        .map(|row| {
            let scope: String = get(row, 1)?;
            let scope = Scope::from_key(&scope).ok_or_else(|| Error::Database(format!("the workspace holds an unknown scope: {scope}")))?;
            let (kind, value): (String, String) = (get(row, 2)?, get(row, 3)?);
            Ok(Held { hold: get(row, 0)?, scope, subject: (!kind.is_empty()).then_some(HeldSubject { kind, value }) })
        })
        .collect()
}

pub(super) async fn lanes(database: &Database, workspace: &WorkspaceRef) -> Result<Vec<(String, LaneMark)>, Error> {
    let mut connection = database.connection().await?;
    read_on(database, &mut connection, workspace).await?.ok_or(Error::NoWorkspace)?;
    let statement = Statement::plain(format!("SELECT lane, seq, rows, intent_hash FROM {} ORDER BY lane", workspace.lane()));
    let rows = database.fetch(&mut connection, &statement).await?;
    rows.iter()
        .map(|row| Ok((get(row, 0)?, LaneMark { seq: get_count(row, 1)?, rows: get_count(row, 2)?, intent_hash: get(row, 3)? })))
        .collect()
}

/// The workspace as this connection's transaction sees it.
pub(super) async fn read_on(
    database: &Database,
    connection: &mut SqliteConnection,
    workspace: &WorkspaceRef,
) -> Result<Option<Workspace>, Error> {
    let exists = Statement {
        text: "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1".to_owned(),
        binds: vec![Cell::Text(own_name(workspace, "gate"))],
    };
    if database.fetch(connection, &exists).await?.is_empty() {
        return Ok(None);
    }
    let version = Statement::plain(format!("SELECT version FROM {}", workspace.gate()));
    let rows = database.fetch(connection, &version).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let version: u32 = get(row, 0)?;
    if version != VERSION {
        return Err(Error::WorkspaceVersion { found: version, known: VERSION });
    }
    let stamp = Statement::plain(format!("SELECT state_id, source_id, epoch, fingerprint FROM {}", workspace.gate()));
    let rows = database.fetch(connection, &stamp).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Workspace {
        stamp: Stamp { state_id: get(row, 0)?, source_id: get(row, 1)? },
        epoch: get_count(row, 2)?,
        version,
        fingerprint: get(row, 3)?,
    }))
}

/// Takes SQLite's one write lock, which is the gate: shared by no two transactions, held to the end.
pub(super) async fn begin_immediate(database: &Database, connection: &mut SqliteConnection) -> Result<(), Error> {
    database.execute(connection, &Statement::plain("BEGIN IMMEDIATE")).await.map(|_| ())
}

pub(super) async fn commit(database: &Database, connection: &mut SqliteConnection) -> Result<(), Error> {
    database.execute(connection, &Statement::plain("COMMIT")).await.map(|_| ())
}

/// True for one of our own tables, which are nobody's to write rules for.
pub(super) fn is_own(workspace: &WorkspaceRef, table: &str) -> bool {
    ["gate", "lane", "held"].iter().any(|own| table == own_name(workspace, own))
}

fn own_name(workspace: &WorkspaceRef, table: &str) -> String {
    format!("{}_{table}", workspace.name)
}

/// `held` keeps each value as text, as a UUID, as servers write it, and with NUMERIC affinity: then SQLite turns it into a number exactly
/// where it would turn the same value into one in a column of numbers, and leaves other text as it is.
fn tables(workspace: &WorkspaceRef) -> Vec<String> {
    let (gate, lane, held) = (workspace.gate(), workspace.lane(), workspace.held());
    let index = |name: &str, columns: &str| {
        let name = quote_identifier(&own_name(workspace, &format!("held_{name}")));
        format!("CREATE INDEX {name} ON {held} ({columns})")
    };
    vec![
        format!(
            "CREATE TABLE {gate} (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), source_id TEXT NOT NULL, state_id TEXT NOT NULL, \
             epoch INTEGER NOT NULL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL)"
        ),
        format!(
            "CREATE TABLE {lane} (lane TEXT NOT NULL PRIMARY KEY, fence INTEGER NOT NULL, seq INTEGER NOT NULL, rows INTEGER NOT NULL, \
             intent_hash TEXT NOT NULL)"
        ),
        format!(
            "CREATE TABLE {held} (hold TEXT NOT NULL, scope TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, number NUMERIC, uuid TEXT, canonical TEXT, \
             PRIMARY KEY (hold, scope, kind, value))"
        ),
        index("value", "kind, value, scope"),
        index("number", "kind, number, scope"),
        index("nocase", "kind, value COLLATE NOCASE, scope"),
        index("uuid", "kind, uuid, scope"),
        index("canonical", "kind, canonical, scope"),
    ]
}
