//! The workspace in a source: the gate, the lanes and the held subjects, in a schema of their own.
//!
//! `source init` creates it once, as a role that may create schemas, or stamps what a DBA has made from `grants`, which
//! knows what the daemon's role needs on it.
//!
//! A new table is a line in [`create`] and a step of [`VERSION`].

use std::time::Duration;

use sqlx::{Row as _, postgres::PgRow};

use super::{
    Postgres,
    errors::Failure,
    held::{self, Columns},
    session::{Access, Transaction, query},
};
use crate::{
    engine::{
        Error, GateChange, LaneMark, Stamp, Workspace,
        server::{signed, unsigned},
    },
    fault,
    hold::Held,
    sql::{Statement, quote_identifier, selection::Cell, selection::WorkspaceRef},
};

/// Version of the tables below.
pub(super) const VERSION: u32 = 2;

/// Rows of `held` that one statement writes.
const HELD_ROWS: usize = 20_000;

const WHAT: &str = "reading the workspace";

/// The statements that make the workspace's tables, the gate last. Its one row is written by the caller.
pub(super) fn create(workspace: &WorkspaceRef) -> [String; 7] {
    let (gate, lane, held) = (workspace.gate(), workspace.lane(), workspace.held());
    // A lane is updated by every batch: room on its page keeps the old versions from piling up in the index.
    [
        format!(
            "CREATE TABLE {lane} (lane text COLLATE \"C\" PRIMARY KEY, \
             fence bigint NOT NULL, seq bigint NOT NULL, rows bigint NOT NULL, intent_hash text NOT NULL) WITH (fillfactor = 50)"
        ),
        format!(
            "CREATE TABLE {held} (hold text COLLATE \"C\", scope text COLLATE \"C\", kind text COLLATE \"C\", value text COLLATE \"C\", \
             number numeric, uuid uuid, canonical text COLLATE \"C\", PRIMARY KEY (hold, scope, kind, value))"
        ),
        format!("CREATE INDEX ON {held} (kind, value)"),
        format!("CREATE INDEX ON {held} (kind, number) WHERE number IS NOT NULL"),
        format!("CREATE INDEX ON {held} (kind, uuid) WHERE uuid IS NOT NULL"),
        format!("CREATE INDEX ON {held} (kind, canonical) WHERE canonical IS NOT NULL"),
        format!(
            "CREATE TABLE {gate} (one boolean PRIMARY KEY DEFAULT true CHECK (one), \
             source_id text NOT NULL, state_id text NOT NULL, epoch bigint NOT NULL, version int NOT NULL, fingerprint text NOT NULL)"
        ),
    ]
}

/// Whether the workspace's tables are there, stamped or not.
pub(super) async fn has_gate(transaction: &mut Transaction, workspace: &WorkspaceRef) -> Result<bool, Error> {
    let there = Statement {
        text: "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'gate'"
            .to_owned(),
        binds: vec![Cell::Text(workspace.name.clone())],
    };
    Ok(!transaction.rows(WHAT, query(&there)).await?.is_empty())
}

impl Postgres {
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
                stamp: Stamp { source_id: row.try_get(0)?, state_id: row.try_get(1)? },
                epoch: unsigned(row.try_get(2)?),
                version: row.try_get::<i32, _>(3)?.unsigned_abs(),
                fingerprint: row.try_get(4)?,
            })
        })()
        .map_err(|error| Failure { what: WHAT, error })?;
        known(workspace.version)?;
        Ok(Some(workspace))
    }

    /// # Errors
    /// [`Error::Unsupported`] if nothing can be changed on the server.
    pub(super) async fn workspace_now(&self) -> Result<Option<Workspace>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(WHAT, "SELECT pg_is_in_recovery()").await?;
        let row = rows.first().ok_or(Failure { what: WHAT, error: sqlx::Error::RowNotFound })?;
        if row.try_get(0).map_err(|error| Failure { what: WHAT, error })? {
            return Err(Error::Unsupported(
                "the server is a replica, which takes no changes; the source's address must name the primary".to_owned(),
            ));
        }
        let workspace = self.read_workspace(&mut transaction).await?;
        transaction.commit().await?;
        Ok(workspace)
    }

    pub(super) async fn create_workspace(&self, stamp: &Stamp) -> Result<Workspace, Error> {
        let what = "creating the workspace";
        let fingerprint = self.identity().await?;
        let mut transaction = self.begin_with(Access::Write).await?;
        if let Some(found) = self.read_workspace(&mut transaction).await? {
            transaction.rollback().await?;
            return if found.stamp.state_id == stamp.state_id {
                Ok(found)
            } else {
                Err(Error::ForeignStamp { found: found.stamp.state_id })
            };
        }
        if !has_gate(&mut transaction, &self.workspace).await? {
            self.create_tables(&mut transaction).await?;
        }
        let row = Statement {
            text: format!(
                "INSERT INTO {} (source_id, state_id, epoch, version, fingerprint) VALUES ($1, $2, 0, {VERSION}, $3)",
                self.workspace.gate()
            ),
            binds: vec![Cell::Text(stamp.source_id.clone()), Cell::Text(stamp.state_id.clone()), Cell::Text(fingerprint.clone())],
        };
        transaction.execute(what, query(&row)).await?;
        transaction.commit().await?;
        Ok(Workspace { stamp: stamp.clone(), epoch: 0, version: VERSION, fingerprint })
    }

    async fn create_tables(&self, transaction: &mut Transaction) -> Result<(), Error> {
        let what = "creating the workspace";
        let schema = Statement {
            text: "SELECT 1 FROM pg_namespace WHERE nspname = $1".to_owned(),
            binds: vec![Cell::Text(self.workspace.name.clone())],
        };
        // Not `IF NOT EXISTS`: that asks for the right to create schemas even where a DBA has made this one.
        if transaction.rows(what, query(&schema)).await?.is_empty() {
            transaction.run(what, &format!("CREATE SCHEMA {}", quote_identifier(&self.workspace.name))).await?;
        }
        Ok(transaction.run(what, &create(&self.workspace).join("; ")).await?)
    }

    pub(super) async fn replace_stamp(&self, stamp: &Stamp, epoch: u64) -> Result<(), Error> {
        let what = "writing the workspace's stamp";
        let fingerprint = self.identity().await?;
        let mut transaction = self.begin_with(Access::Write).await?;
        transaction.run(what, &exclusively(&self.workspace)).await.map_err(Failure::of_workspace)?;
        let update = Statement {
            text: format!(
                "UPDATE {} SET source_id = $1, state_id = $2, fingerprint = $3, epoch = greatest(epoch, $4::bigint)",
                self.workspace.gate()
            ),
            binds: vec![
                Cell::Text(stamp.source_id.clone()),
                Cell::Text(stamp.state_id.clone()),
                Cell::Text(fingerprint),
                Cell::Integer(signed(epoch)),
            ],
        };
        if transaction.execute(what, query(&update)).await? != 1 {
            return Err(Error::NoWorkspace);
        }
        let lanes = Statement::plain(format!("DELETE FROM {}", self.workspace.lane()));
        transaction.execute(what, query(&lanes)).await?;
        transaction.commit().await
    }

    pub(super) async fn change_gate(&self, change: &GateChange) -> Result<u64, Error> {
        let what = "placing a hold";
        let mut transaction = self.begin_with(Access::Write).await?;
        transaction.run(what, &patient(self.limits.statement_timeout, change.patience)).await?;
        if let Err(failure) = transaction.run(what, &exclusively(&self.workspace)).await {
            drop(transaction);
            return Err(if failure.is(&["55P03"]) { self.gate_busy().await } else { failure.of_workspace() });
        }
        fault::point("raise.taken");

        if !change.remove.is_empty() {
            let text = format!("DELETE FROM {} WHERE hold = ANY($1)", self.workspace.held());
            transaction.execute(what, sqlx::query(crate::sql::checked(&text)).bind(&change.remove)).await?;
        }
        let insert = format!(
            "INSERT INTO {} (hold, scope, kind, value, number, uuid, canonical) \
             SELECT hold, scope, kind, value, number::numeric, uuid::uuid, canonical \
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) \
             AS t (hold, scope, kind, value, number, uuid, canonical) \
             ON CONFLICT DO NOTHING",
            self.workspace.held()
        );
        for rows in change.add.chunks(HELD_ROWS) {
            let Columns { holds, scopes, kinds, values, numbers, uuids, canonical } = Columns::of(rows);
            let query = sqlx::query(crate::sql::checked(&insert));
            let query = query.bind(holds).bind(scopes).bind(kinds).bind(values).bind(numbers).bind(uuids).bind(canonical);
            transaction.execute(what, query).await?;
        }
        let raise = Statement {
            text: format!(
                "UPDATE {} SET epoch = greatest(epoch, $1::bigint) WHERE epoch >= $2::bigint RETURNING epoch",
                self.workspace.gate()
            ),
            binds: vec![Cell::Integer(signed(change.epoch)), Cell::Integer(signed(change.confirmed))],
        };
        let rows = transaction.rows(what, query(&raise)).await?;
        let [row] = rows.as_slice() else { return Err(Error::Restored) };
        let epoch = unsigned(row.try_get(0).map_err(|error| Failure { what, error })?);
        fault::point("raise.written");

        transaction.commit().await?;
        fault::point("raise.committed");
        Ok(epoch)
    }

    /// Who holds the gate, asked on another connection because the one that waited has failed.
    async fn gate_busy(&self) -> Error {
        let what = "looking for who holds the gate";
        let holders = Statement {
            // Plain reads of the gate don't stand in anyone's way. Without the role pg_monitor a stranger's state is NULL.
            text: "SELECT coalesce(format('session %s (%s, %s, since %s)', a.pid, coalesce(nullif(a.application_name, ''), 'unnamed'), \
                     coalesce(a.state, 'state not visible'), coalesce(date_trunc('second', a.xact_start)::text, 'an unknown time')), \
                     'a prepared transaction') \
                   FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
                   LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
                   WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                     AND n.nspname = $1 AND c.relname = 'gate' AND l.granted AND l.mode <> 'AccessShareLock' \
                   ORDER BY a.xact_start LIMIT 1"
                .to_owned(),
            binds: vec![Cell::Text(self.workspace.name.clone())],
        };
        match self.rows(what, &holders).await {
            Ok(rows) => {
                let holder = rows.first().and_then(|row| row.try_get(0).ok());
                Error::GateBusy { holder: holder.unwrap_or_else(|| "a session that has ended since".to_owned()) }
            }
            Err(error) => error,
        }
    }

    pub(super) async fn raise_fence(&self, lane: &str, fence: u64) -> Result<LaneMark, Error> {
        let what = "settling a lane";
        let mut transaction = self.begin_with(Access::Write).await?;
        // A transaction that has marked has only its COMMIT left, or is aborted by the server after five times the lock
        // timeout: a little more patience than that always learns its outcome.
        transaction.run(what, &patient(self.limits.statement_timeout, self.limits.lock_timeout.saturating_mul(6))).await?;
        let raise = Statement {
            text: format!(
                "INSERT INTO {} AS l (lane, fence, seq, rows, intent_hash) VALUES ($1, $2::bigint, 0, 0, '') \
                 ON CONFLICT (lane) DO UPDATE SET fence = greatest(l.fence, excluded.fence) RETURNING seq, rows, intent_hash",
                self.workspace.lane()
            ),
            binds: vec![Cell::Text(lane.to_owned()), Cell::Integer(signed(fence))],
        };
        let rows = transaction.rows(what, query(&raise)).await.map_err(Failure::of_workspace)?;
        let row = rows.first().ok_or(Error::Fenced)?;
        let mark = lane_mark(row, 0).map_err(|error| Failure { what, error })?;
        transaction.commit().await?;
        fault::point("settle.raised");
        Ok(mark)
    }

    pub(super) async fn read_lanes(&self) -> Result<Vec<(String, LaneMark)>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let text = format!("SELECT lane, seq, rows, intent_hash FROM {} ORDER BY lane", self.workspace.lane());
        let rows = transaction.ask(WHAT, &text).await.map_err(Failure::of_workspace)?;
        transaction.commit().await?;
        let lane = |row: &PgRow| Ok((row.try_get(0)?, lane_mark(row, 1)?));
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

/// Takes the gate so that no batch has it and none can take it, until the transaction ends.
fn exclusively(workspace: &WorkspaceRef) -> String {
    format!("LOCK TABLE {} IN EXCLUSIVE MODE", workspace.gate())
}

/// Lets lock waits take as long as `patience`, and statements that much longer than they may otherwise.
fn patient(statement_timeout: Duration, patience: Duration) -> String {
    // 0 would mean without limit.
    let lock = patience.as_millis().max(1);
    let statement = statement_timeout.saturating_add(patience).as_millis();
    format!("SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}")
}

/// A workspace that a newer retentiond has changed is left alone.
pub(super) fn known(version: u32) -> Result<(), Error> {
    if version == VERSION { Ok(()) } else { Err(Error::WorkspaceVersion { found: version, known: VERSION }) }
}

fn lane_mark(row: &PgRow, first: usize) -> Result<LaneMark, sqlx::Error> {
    Ok(LaneMark { seq: unsigned(row.try_get(first)?), rows: unsigned(row.try_get(first + 1)?), intent_hash: row.try_get(first + 2)? })
}
