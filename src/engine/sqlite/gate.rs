//! The two transactions that batches must meet: raising the gate, and settling a lane.
//!
//! SQLite lets one connection write at a time, so `BEGIN IMMEDIATE` is the gate for both sides; whoever holds it holds
//! it to the end of the transaction. What makes law 2 true is that each side reads only after it has taken it.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use super::{
    database::{Database, count_cell, get, get_count},
    holder, workspace,
};
use crate::{
    engine::{Error, GateChange, LaneMark},
    fault,
    hold::Held,
    sql::{
        Statement, canonical_of,
        selection::{Cell, WorkspaceRef},
        uuid_of,
    },
};

/// Time between two tries for the gate. SQLite's own waiting grows to a tenth of a second, and would miss the moment
/// between two batches of a sweep that doesn't pause.
const RETRY: Duration = Duration::from_millis(1);

/// Rows of `held` in one statement.
const ROWS_PER_INSERT: usize = 200;

pub(super) async fn raise(database: &Database, workspace: &WorkspaceRef, change: &GateChange) -> Result<u64, Error> {
    let mut connection = database.own_connection().await?;
    take(database, &mut connection, change.patience).await?;
    fault::point("raise.taken");
    workspace::read_on(database, &mut connection, workspace).await?.ok_or(Error::NoWorkspace)?;
    for hold in &change.remove {
        let delete = Statement { text: format!("DELETE FROM {} WHERE hold = ?1", workspace.held()), binds: vec![Cell::Text(hold.clone())] };
        database.execute(&mut connection, &delete).await?;
    }
    for rows in change.add.chunks(ROWS_PER_INSERT) {
        database.execute(&mut connection, &insert(workspace, rows)).await?;
    }
    let raise = Statement {
        text: format!("UPDATE {} SET epoch = max(epoch, ?1) WHERE epoch >= ?2 RETURNING epoch", workspace.gate()),
        binds: vec![count_cell(change.epoch), count_cell(change.confirmed)],
    };
    let rows = database.fetch(&mut connection, &raise).await?;
    let epoch = get_count(rows.first().ok_or(Error::Restored)?, 0)?;
    fault::point("raise.written");
    workspace::commit(database, &mut connection).await?;
    fault::point("raise.committed");
    Ok(epoch)
}

pub(super) async fn settle(database: &Database, workspace: &WorkspaceRef, lane: &str, fence: u64) -> Result<LaneMark, Error> {
    let mut connection = database.own_connection().await?;
    workspace::begin_immediate(database, &mut connection).await?;
    workspace::read_on(database, &mut connection, workspace).await?.ok_or(Error::NoWorkspace)?;
    let raise = Statement {
        text: format!(
            "INSERT INTO {} (lane, fence, seq, rows, intent_hash) VALUES (?1, ?2, 0, 0, '') \
             ON CONFLICT (lane) DO UPDATE SET fence = max(fence, excluded.fence) RETURNING seq, rows, intent_hash",
            workspace.lane()
        ),
        binds: vec![Cell::Text(lane.to_owned()), count_cell(fence)],
    };
    let rows = database.fetch(&mut connection, &raise).await?;
    let row = rows.first().ok_or(Error::NoWorkspace)?;
    let mark = LaneMark { seq: get_count(row, 0)?, rows: get_count(row, 1)?, intent_hash: get(row, 2)? };
    workspace::commit(database, &mut connection).await?;
    fault::point("settle.raised");
    Ok(mark)
}

/// Waits up to `patience` for the gate.
async fn take(database: &Database, connection: &mut SqliteConnection, patience: Duration) -> Result<(), Error> {
    set_busy_timeout(database, connection, Duration::ZERO).await?;
    let started = Instant::now();
    loop {
        match workspace::begin_immediate(database, connection).await {
            Err(Error::LockTimeout) if started.elapsed() < patience => tokio::time::sleep(RETRY).await,
            Err(Error::LockTimeout) => return Err(Error::GateBusy { holder: holder::of(database.path()) }),
            Err(other) => return Err(other),
            Ok(()) => break,
        }
    }
    // With a rollback journal, COMMIT itself waits for readers.
    set_busy_timeout(database, connection, database.limits().lock_timeout).await
}

async fn set_busy_timeout(database: &Database, connection: &mut SqliteConnection, timeout: Duration) -> Result<(), Error> {
    let statement = Statement::plain(format!("PRAGMA busy_timeout = {}", timeout.as_millis()));
    database.execute(connection, &statement).await.map(|_| ())
}

/// A hold's rows, each value in every form; those that are there already stay. A hold on everything in its scope has the
/// empty kind and value, which no subject has.
fn insert(workspace: &WorkspaceRef, rows: &[Held]) -> Statement {
    let mut values = Vec::with_capacity(rows.len());
    let mut binds = Vec::with_capacity(rows.len() * 6);
    for held in rows {
        let first = binds.len();
        let [hold, scope, kind, value, uuid, canonical] = [1, 2, 3, 4, 5, 6].map(|place| first + place);
        values.push(format!("(?{hold}, ?{scope}, ?{kind}, ?{value}, ?{value}, ?{uuid}, ?{canonical})"));
        let (kind_of, value_of) = held.subject.clone().map_or_else(Default::default, |subject| (subject.kind, subject.value));
        binds.extend([
            Cell::Text(held.hold.clone()),
            Cell::Text(held.scope.key()),
            Cell::Text(kind_of),
            Cell::Text(value_of.clone()),
            uuid_of(&value_of).map_or(Cell::Null, Cell::Text),
            canonical_of(&value_of).map_or(Cell::Null, Cell::Text),
        ]);
    }
    let text = format!(
        "INSERT OR IGNORE INTO {} (hold, scope, kind, value, number, uuid, canonical) VALUES {}",
        workspace.held(),
        values.join(", ")
    );
    Statement { text, binds }
}
