//! The workspace in a source: the gate, the lanes and the held subjects, in a database of their own on the server.
//!
//! `source init` creates it once, as an account that may create databases, or stamps what a DBA has made from `grants`,
//! which knows what the daemon's account needs on it. What is compared byte by byte is of a binary type: the collations of
//! text take blanks at the end, and more, for nothing.
//!
//! A new table is a line in [`create`] and a step of [`VERSION`].

use std::time::Duration;

use sqlx::{Row as _, mysql::MySqlRow};

use super::{
    Flavour, Mysql,
    errors::{Failure, LOCK_TIMEOUT},
    held, partitions,
    session::{Access, Transaction, seconds, word},
};
use crate::{
    engine::{
        Error, GateChange, LaneMark, Stamp, Workspace,
        server::{signed, unsigned},
    },
    fault,
    hold::Held,
    sql::{FOLDED, FOLDINGS, Statement, quote_identifier, quote_literal, selection::Cell, selection::WorkspaceRef},
};

/// Version of the tables below.
pub(super) const VERSION: u32 = 3;

const WHAT: &str = "reading the workspace";

/// The statements that make the workspace's tables. The one row of the gate, which makes it a workspace, is written by
/// the caller.
pub(super) fn create(workspace: &WorkspaceRef, collations: &[String]) -> [String; 3] {
    // A server that doesn't know a collation has no column of it either, and never asks for this one.
    // Newer ones are listed without their character set.
    let is = |known: &String, name: &str| known == name || Some(known.as_str()) == name.strip_prefix("utf8mb4_");
    let known = |name: &'static str| if collations.iter().any(|known| is(known, name)) { name } else { "utf8mb4_bin" };
    let folded: String = FOLDINGS
        .iter()
        .map(|folding| format!(", {0} varchar({FOLDED}) COLLATE {1}, KEY (kind, {0})", folding.column, known(folding.collation)))
        .collect();
    let (gate, lane, held) = (workspace.gate(), workspace.lane(), workspace.held());
    [
        format!(
            "CREATE TABLE IF NOT EXISTS {lane} (lane varbinary(600) PRIMARY KEY, fence bigint NOT NULL, seq bigint NOT NULL, \
             \"rows\" bigint NOT NULL, intent_hash varbinary(200) NOT NULL, pending blob) ENGINE = InnoDB"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {held} (id binary(32) PRIMARY KEY, hold varbinary(200) NOT NULL, scope blob NOT NULL, \
             kind varbinary(200) NOT NULL, value blob NOT NULL, trimmed blob NOT NULL, number decimal(65,30), uuid varbinary(36), canonical blob, \
             KEY by_hold (hold), KEY by_value (kind, value(400)), KEY by_trimmed (kind, trimmed(400)), KEY by_number (kind, number), \
             KEY by_uuid (kind, uuid), KEY by_canonical (kind, canonical(400)){folded}) ENGINE = InnoDB"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {gate} (one tinyint PRIMARY KEY CHECK (one = 1), source_id varbinary(200) NOT NULL, \
             state_id varbinary(200) NOT NULL, epoch bigint NOT NULL, version int NOT NULL, fingerprint blob NOT NULL) ENGINE = InnoDB"
        ),
    ]
}

/// Whether the workspace's tables are there, stamped or not.
pub(super) async fn has_gate(transaction: &mut Transaction, workspace: &WorkspaceRef) -> Result<bool, Error> {
    let there = format!(
        "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = 'gate'",
        quote_literal(workspace.dialect, &workspace.name)
    );
    Ok(!transaction.ask(WHAT, &there).await?.is_empty())
}

impl Mysql {
    /// The workspace as it stands, in a transaction of the caller's.
    async fn read_workspace(&self, transaction: &mut Transaction) -> Result<Option<Workspace>, Error> {
        if !has_gate(transaction, &self.workspace).await? {
            return Ok(None);
        }
        let text = format!("SELECT source_id, state_id, epoch, version, fingerprint FROM {}", self.workspace.gate());
        let rows = transaction.ask(WHAT, &text).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let workspace = (|| {
            Ok(Workspace {
                stamp: Stamp { source_id: word(row, 0)?, state_id: word(row, 1)? },
                epoch: unsigned(row.try_get(2)?),
                version: row.try_get::<i32, _>(3)?.unsigned_abs(),
                fingerprint: word(row, 4)?,
            })
        })()
        .map_err(|error| Failure { what: WHAT, error })?;
        known(workspace.version)?;
        Ok(Some(workspace))
    }

    /// # Errors
    /// [`Error::Unsupported`] if nothing can be changed on the server.
    pub(super) async fn workspace_now(&self) -> Result<Option<Workspace>, Error> {
        self.server.takes_changes()?;
        let mut transaction = self.begin_with(Access::Read).await?;
        let workspace = self.read_workspace(&mut transaction).await?;
        transaction.commit().await?;
        Ok(workspace)
    }

    /// Tables can't be made in a transaction here: each statement of it would commit what came before. What is there
    /// already is left alone, so that a creation which was cut short can be gone on with, and the row of the gate, written
    /// last, decides between two at one time.
    pub(super) async fn create_workspace(&self, stamp: &Stamp) -> Result<Workspace, Error> {
        let what = "creating the workspace";
        self.server.takes_changes()?;
        let fingerprint = self.identity();
        if let Some(found) = self.workspace_now().await? {
            return self.same(found, stamp);
        }
        let mut transaction = self.begin_with(Access::Write).await?;
        if !has_gate(&mut transaction, &self.workspace).await? {
            self.create_tables(&mut transaction).await?;
        }
        let row = Statement {
            text: format!(
                "INSERT IGNORE INTO {} (one, source_id, state_id, epoch, version, fingerprint) VALUES (1, ?, ?, 0, {VERSION}, ?)",
                self.workspace.gate()
            ),
            binds: vec![Cell::Text(stamp.source_id.clone()), Cell::Text(stamp.state_id.clone()), Cell::Text(fingerprint)],
        };
        transaction.execute(what, &row).await?;
        transaction.commit().await?;
        let found = self.workspace_now().await?.ok_or(Error::NoWorkspace)?;
        self.same(found, stamp)
    }

    async fn create_tables(&self, transaction: &mut Transaction) -> Result<(), Error> {
        let what = "creating the workspace";
        let there = format!(
            "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            quote_literal(self.workspace.dialect, &self.workspace.name)
        );
        // Not `IF NOT EXISTS`: that asks for the right to create databases even where a DBA has made this one.
        if transaction.ask(what, &there).await?.is_empty() {
            transaction.run(what, &format!("CREATE DATABASE {} CHARACTER SET utf8mb4", quote_identifier(&self.workspace.name))).await?;
        }
        for table in create(&self.workspace, &collations(transaction).await?) {
            transaction.run(what, &table).await?;
        }
        Ok(())
    }

    /// Two sources on one server need two workspaces: one that belongs to another database is refused.
    fn same(&self, found: Workspace, stamp: &Stamp) -> Result<Workspace, Error> {
        if found.stamp.state_id != stamp.state_id {
            return Err(Error::ForeignStamp { found: found.stamp.state_id });
        }
        if found.fingerprint != self.identity() {
            return Err(Error::Unsupported(format!(
                "the database \"{}\" on this server is the workspace of another source; name another with `workspace = \"…\"`",
                self.workspace.name
            )));
        }
        Ok(found)
    }

    pub(super) async fn replace_stamp(&self, stamp: &Stamp, epoch: u64) -> Result<(), Error> {
        let what = "writing the workspace's stamp";
        let mut transaction = self.begin_with(Access::Write).await?;
        transaction.run(what, &exclusively(&self.workspace)).await.map_err(Failure::of_workspace)?;
        let update = Statement {
            text: format!("UPDATE {} SET source_id = ?, state_id = ?, fingerprint = ?, epoch = greatest(epoch, ?)", self.workspace.gate()),
            binds: vec![
                Cell::Text(stamp.source_id.clone()),
                Cell::Text(stamp.state_id.clone()),
                Cell::Text(self.identity()),
                Cell::Integer(signed(epoch)),
            ],
        };
        if transaction.execute(what, &update).await? != 1 {
            return Err(Error::NoWorkspace);
        }
        transaction.run(what, &format!("DELETE FROM {}", self.workspace.lane())).await?;
        transaction.commit().await
    }

    pub(super) async fn change_gate(&self, change: &GateChange) -> Result<u64, Error> {
        let what = "placing a hold";
        let mut transaction = self.begin_with(Access::Write).await?;
        transaction.run(what, &patient(self.server.flavour, self.limits.statement_timeout, change.patience)).await?;
        self.take_gate(&mut transaction, change.patience).await?;
        fault::point("raise.taken");

        for hold in &change.remove {
            let text = format!("DELETE FROM {} WHERE hold = ?", self.workspace.held());
            transaction.execute(what, &Statement { text, binds: vec![Cell::Text(hold.clone())] }).await?;
        }
        for rows in change.add.chunks(held::ROWS) {
            transaction.execute(what, &held::insert(&self.workspace.held(), rows)).await?;
        }
        let raise = Statement {
            text: format!("UPDATE {} SET epoch = greatest(epoch, ?) WHERE epoch >= ?", self.workspace.gate()),
            binds: vec![Cell::Integer(signed(change.epoch)), Cell::Integer(signed(change.confirmed))],
        };
        if transaction.execute(what, &raise).await? != 1 {
            return Err(Error::Restored);
        }
        let rows = transaction.ask(what, &format!("SELECT epoch FROM {}", self.workspace.gate())).await?;
        let row = rows.first().ok_or(Error::NoWorkspace)?;
        let epoch = unsigned(row.try_get(0).map_err(|error| Failure { what, error })?);
        fault::point("raise.written");

        transaction.commit().await?;
        fault::point("raise.committed");
        Ok(epoch)
    }

    /// Takes the gate exclusively. The server tells who holds a lock only while somebody waits for it, so it is asked
    /// before the patience ends.
    async fn take_gate(&self, transaction: &mut Transaction, patience: Duration) -> Result<(), Error> {
        let what = "placing a hold";
        let rows = transaction.ask(what, "SELECT connection_id()").await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        let us: u64 = row.try_get(0).map_err(|error| Failure { what, error })?;
        let (given_up, stop) = tokio::sync::oneshot::channel::<()>();
        let (pool, reading, holder) = (self.pool.clone(), self.read.clone(), holder_of(self.server.flavour, us));
        let asker = tokio::spawn(async move {
            tokio::select! {
                _ = stop => return None,
                () = tokio::time::sleep(patience.mul_f64(0.75)) => {}
            }
            let mut transaction = Transaction::begin(&pool, &reading).await.ok()?;
            let rows = transaction.ask("looking for who holds the gate", &holder).await.ok()?;
            transaction.commit().await.ok()?;
            rows.first().map(|row| word(row, 0).unwrap_or_default())
        });
        let taken = transaction.run(what, &exclusively(&self.workspace)).await;
        drop(given_up);
        let holder = asker.await.ok().flatten();
        match taken {
            Err(failure) if failure.is(&[LOCK_TIMEOUT]) => {
                Err(Error::GateBusy { holder: holder.unwrap_or_else(|| "a session that this account may not see".to_owned()) })
            }
            Err(failure) => Err(failure.of_workspace()),
            Ok(()) => Ok(()),
        }
    }

    pub(super) async fn raise_fence(&self, lane: &str, fence: u64) -> Result<LaneMark, Error> {
        let what = "settling a lane";
        let mut transaction = self.begin_with(Access::Write).await?;
        // A transaction that has marked has only its COMMIT left, or is aborted by the server after five times the lock
        // timeout: a little more patience than that always learns its outcome.
        let patience = self.limits.lock_timeout.saturating_mul(6);
        transaction.run(what, &patient(self.server.flavour, self.limits.statement_timeout, patience)).await?;
        let raise = Statement {
            text: format!(
                "INSERT INTO {} (lane, fence, seq, \"rows\", intent_hash) VALUES (?, ?, 0, 0, '') \
                 ON DUPLICATE KEY UPDATE fence = greatest(fence, VALUES(fence))",
                self.workspace.lane()
            ),
            binds: vec![Cell::Text(lane.to_owned()), Cell::Integer(signed(fence))],
        };
        transaction.execute(what, &raise).await.map_err(Failure::of_workspace)?;
        partitions::settle(&mut transaction, &self.workspace, lane).await?;
        let read = Statement {
            text: format!("SELECT seq, \"rows\", intent_hash FROM {} WHERE lane = ?", self.workspace.lane()),
            binds: vec![Cell::Text(lane.to_owned())],
        };
        let rows = transaction.rows(what, &read).await?;
        let row = rows.first().ok_or(Error::Fenced)?;
        let mark = lane_mark(row, 0).map_err(|error| Failure { what, error })?;
        transaction.commit().await?;
        fault::point("settle.raised");
        Ok(mark)
    }

    pub(super) async fn read_lanes(&self) -> Result<Vec<(String, LaneMark)>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let text = format!("SELECT lane, seq, \"rows\", intent_hash FROM {} ORDER BY lane", self.workspace.lane());
        let rows = transaction.ask(WHAT, &text).await.map_err(Failure::of_workspace)?;
        transaction.commit().await?;
        let lane = |row: &MySqlRow| Ok((word(row, 0)?, lane_mark(row, 1)?));
        rows.iter().map(lane).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error }.into())
    }

    pub(super) async fn read_held(&self) -> Result<Vec<Held>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let text = format!("SELECT hold, scope, kind, value FROM {} ORDER BY hold, scope, kind, value", self.workspace.held());
        let rows = transaction.ask(WHAT, &text).await.map_err(Failure::of_workspace)?;
        transaction.commit().await?;
        rows.iter().map(held::decode).collect()
    }
}

/// The collations that the server knows.
pub(super) async fn collations(transaction: &mut Transaction) -> Result<Vec<String>, Error> {
    let rows = transaction.ask(WHAT, "SHOW COLLATION").await?;
    let names: Result<Vec<String>, _> = rows.iter().map(|row| word(row, 0)).collect();
    names.map_err(|error| Failure { what: WHAT, error }.into())
}

/// Takes the row of the gate so that no batch has it and none can take it, until the transaction ends.
fn exclusively(workspace: &WorkspaceRef) -> String {
    format!("SELECT epoch FROM {} FOR UPDATE", workspace.gate())
}

/// Lets lock waits take as long as `patience`, and statements that much longer than they may otherwise.
fn patient(flavour: Flavour, statement_timeout: Duration, patience: Duration) -> String {
    // The second is for tables: one that is having a partition dropped has the gate and the lanes as tables.
    let lock = format!("SET SESSION innodb_lock_wait_timeout = {0}, lock_wait_timeout = {0}", seconds(patience));
    match flavour {
        Flavour::MariaDb => format!("{lock}, max_statement_time = {}", statement_timeout.saturating_add(patience).as_secs_f64()),
        Flavour::MySql => lock,
    }
}

/// Who stands in the way of a session that waits for a row.
fn holder_of(flavour: Flavour, us: u64) -> String {
    let said = |process: &str, started: &str| {
        format!(
            "concat('session ', {process}, coalesce((SELECT concat(' (', p.USER, ', ', p.COMMAND, ')') FROM information_schema.PROCESSLIST p \
             WHERE p.ID = {process}), ''), ', since ', {started})"
        )
    };
    match flavour {
        Flavour::MariaDb => format!(
            "SELECT {} FROM information_schema.INNODB_LOCK_WAITS w JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id \
             JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id \
             WHERE r.trx_mysql_thread_id = {us} ORDER BY b.trx_started LIMIT 1",
            said("b.trx_mysql_thread_id", "b.trx_started")
        ),
        Flavour::MySql => format!(
            "SELECT {} FROM sys.innodb_lock_waits w WHERE w.waiting_pid = {us} ORDER BY w.blocking_trx_started LIMIT 1",
            said("w.blocking_pid", "w.blocking_trx_started")
        ),
    }
}

/// A workspace that a newer retentiond has changed is left alone.
pub(super) fn known(version: u32) -> Result<(), Error> {
    if version == VERSION { Ok(()) } else { Err(Error::WorkspaceVersion { found: version, known: VERSION }) }
}

/// The statement that marks a lane. Nothing is pending with it any more.
pub(super) fn marking(workspace: &WorkspaceRef, lane: &str, mark: &LaneMark) -> Statement {
    Statement {
        text: format!("UPDATE {} SET seq = ?, \"rows\" = ?, intent_hash = ?, pending = NULL WHERE lane = ?", workspace.lane()),
        binds: vec![
            Cell::Integer(signed(mark.seq)),
            Cell::Integer(signed(mark.rows)),
            Cell::Text(mark.intent_hash.clone()),
            Cell::Text(lane.to_owned()),
        ],
    }
}

fn lane_mark(row: &MySqlRow, first: usize) -> Result<LaneMark, sqlx::Error> {
    Ok(LaneMark { seq: unsigned(row.try_get(first)?), rows: unsigned(row.try_get(first + 1)?), intent_hash: word(row, first + 2)? })
}
