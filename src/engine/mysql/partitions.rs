//! Dropping partitions, where the statement that drops commits by itself.
//!
//! It can be part of no transaction, so neither the row of the gate nor the mark of the lane goes with it. Tables that LOCK TABLES
//! has locked stay locked across it, until the session unlocks them or ends:
//!
//! 1. LOCK TABLES, all at once: the gate and the held subjects for reading, the lanes and the rule's table for writing;
//! 2. the gate's epoch is read again. A place writes to the gate: none can be under way from here on, and those that were
//!    reported as successful before are seen. If there was one, the partition is left alone;
//! 3. every row of the partition is asked, and nobody can write to it any more;
//! 4. (the intent is in the ledger now) the lane is told what is *pending*, guarded by its fence, and that is committed;
//! 5. ALTER TABLE … DROP PARTITION;
//! 6. the lane is marked with what was pending; UNLOCK TABLES.
//!
//! **Settling.** Whoever raises the fence writes to the lanes, so waits until a session that is between 1 and 6 has ended; the
//! server ends one that idles there. Nobody can begin step 5 after that: only the session that wrote `pending` would, and
//! before it wrote that its fence was the lane's (`tests/it/model_drop.rs` explores it). So what is pending still has happened if the partition is gone, and can't happen
//! any more if it is there. Either is written down with the fence, and the lane's mark says what it says of any batch.
//!
//! **Who waits.** Locked for writing, a table can't be read by others. It is asked for without a place in the queue, so that
//! nobody ever waits behind us, again and again for a moment; it is asked about beforehand, so that a partition which stays
//! mostly stays without it; and every question has `lock_timeout` to be answered in, which is how long others may be
//! kept waiting. A partition that could not be had is swept row by row, which is always right.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::{Row as _, mysql::MySqlRow};

use super::{
    Flavour, Mysql,
    batch::MysqlBatch,
    catalogue::quoted,
    errors::{Failure, LOCK_TIMEOUT, MISSING},
    session::{Transaction, numbers, seconds, text, word},
    workspace::marking,
};
use crate::{
    engine::{
        Error, LaneMark, Partition,
        server::{signed, unsigned},
    },
    fault,
    policy::Dialect,
    sql::{
        Statement, qualified, quote_identifier,
        selection::{Cell, Counts, HeldTest, Range, Selection, TableRef, Way, WorkspaceRef},
        statement,
    },
};

const WHAT: &str = "dropping a partition";

/// So many times the tables are asked for.
const TRIES: u32 = 20;
const A_MOMENT: Duration = Duration::from_millis(50);

/// A partition whose tables are locked.
pub(super) struct Taken {
    partition: Partition,
    /// The lane that was told, and how it is marked afterwards.
    announced: Option<(String, LaneMark)>,
}

/// What a lane remembers from before a partition is dropped until after it.
#[derive(Serialize, Deserialize)]
struct Pending {
    schema: String,
    table: String,
    partition: String,
    bounds: String,
    seq: u64,
    rows: u64,
    intent_hash: String,
}

impl Mysql {
    /// By what the server would not look into for a row at or after the cut-off. The last partition of all can't be dropped.
    pub(super) async fn partitions_before(&self, selection: &Selection) -> Result<Vec<Partition>, Error> {
        let what = "looking for partitions";
        let Some(later) = statement::find_later(selection) else { return Ok(Vec::new()) };
        let explain = match self.server.flavour {
            Flavour::MariaDb => "EXPLAIN PARTITIONS",
            Flavour::MySql => "EXPLAIN",
        };
        let plan = self.rows(what, &Statement { text: format!("{explain} {}", later.text), binds: later.binds }).await?;
        let looked_into = |row: &MySqlRow| row.try_get_unchecked::<Option<Vec<u8>>, _>("partitions");
        let looked_into: Vec<_> = plan.iter().map(looked_into).collect::<Result<_, _>>().map_err(|error| Failure { what, error })?;
        let looked_into: Vec<String> = looked_into.iter().flatten().map(|names| String::from_utf8_lossy(names).into_owned()).collect();
        let looked_into: Vec<&str> = looked_into.iter().flat_map(|names| names.split(',')).collect();
        let all = format!("SELECT PARTITION_NAME, PARTITION_DESCRIPTION {} ORDER BY PARTITION_ORDINAL_POSITION", listed(&selection.table));
        let rows = self.rows(what, &Statement::plain(all)).await?;
        let partition = |row: &MySqlRow| {
            Ok(Partition {
                table: TableRef { schema: selection.table.schema.clone(), table: word(row, 0)? },
                is_table: false,
                address: 0,
                parent: selection.table.clone(),
                bounds: text(row, 1)?.unwrap_or_default(),
                foreign_owner: None,
            })
        };
        let all: Vec<Partition> = rows.iter().map(partition).collect::<Result<_, _>>().map_err(|error| Failure { what, error })?;
        // A name with a comma in it can't be told from two in the plan.
        let before = |partition: &&Partition| !looked_into.contains(&&*partition.table.table) && !partition.table.table.contains(',');
        Ok(all.iter().filter(before).take(all.len().saturating_sub(1)).cloned().collect())
    }
}

impl MysqlBatch {
    /// Steps 1 to 3.
    pub(super) async fn take(&mut self, selection: &Selection, partition: &Partition) -> Result<Option<u64>, Error> {
        let of_partition = partition.of(selection);
        let careless = fault::seeded("partition-dropped-though-not-whole");
        if !self.transaction.rows(WHAT, &statement::is_kept(&of_partition)).await?.is_empty() && !careless {
            return Ok(None);
        }
        self.taken = Some(Taken { partition: partition.clone(), announced: None });
        self.lock(&partition.parent).await?;
        fault::point("partition.locked");
        let rows = self.transaction.ask(WHAT, &format!("SELECT epoch FROM {}", self.workspace.gate())).await?;
        let epoch: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(|error| Failure { what: WHAT, error })?;
        if unsigned(epoch) != self.epoch {
            return Err(Error::Conflict("a hold was placed meanwhile".to_owned()));
        }
        // Whoever had the table before may have made another of it.
        if !is_there(&mut self.transaction, &partition.parent, &partition.table.table, &partition.bounds).await? {
            return Ok(None);
        }
        if self.finds_held(&of_partition).await.map_err(patience)? && !careless {
            return Ok(None);
        }
        let unheld = Selection { held: HeldTest::default(), ..of_partition };
        let counting = statement::count(&unheld, &Range::whole(Way::Unordered));
        let rows = self.transaction.rows(WHAT, &counting).await.map_err(patience)?;
        let row = rows.first().ok_or(Failure { what: WHAT, error: sqlx::Error::RowNotFound })?;
        let numbers = numbers(row).map_err(|error| Failure { what: WHAT, error })?;
        let counts = Counts::of(&numbers).ok_or(Failure { what: WHAT, error: sqlx::Error::RowNotFound })?;
        let is_whole = counts.due == counts.total || careless;
        Ok((is_whole && counts.total > 0).then_some(counts.total))
    }

    /// Whether a hold covers any row of the selection's. Mostly nothing is held at all, and the first question ends it.
    async fn finds_held(&mut self, selection: &Selection) -> Result<bool, Failure> {
        let questions = statement::finds_held(selection);
        let Some((is_any_held, ways)) = questions.split_first() else { return Ok(false) };
        if self.transaction.rows(WHAT, is_any_held).await?.is_empty() {
            return Ok(false);
        }
        for way in ways {
            if !self.transaction.rows(WHAT, way).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Locks the tables. What the transaction had is let go by that, its own lock of the gate too.
    async fn lock(&mut self, table: &TableRef) -> Result<(), Error> {
        let name = qualified(Dialect::Mysql, table);
        // Statements call it `t`, and ALTER TABLE by its name.
        let own = if table.table.eq_ignore_ascii_case("t") { String::new() } else { format!("{name} WRITE, ") };
        let (gate, held, lane) = (self.workspace.gate(), self.workspace.held(), self.workspace.lane());
        // No transaction idles while tables are locked, so that the session's own limit has to end it.
        let idle = seconds(self.limits.lock_timeout.saturating_mul(5));
        let (limits, at_once) = match self.flavour {
            Flavour::MariaDb => (format!(", max_statement_time = {}", self.limits.lock_timeout.as_secs_f64()), " NOWAIT"),
            Flavour::MySql => (format!(", lock_wait_timeout = 1, max_execution_time = {}", self.limits.lock_timeout.as_millis()), ""),
        };
        self.transaction.run(WHAT, &format!("SET SESSION wait_timeout = {idle}{limits}")).await?;
        let locking = format!("LOCK TABLES {own}{name} AS t WRITE, {lane} WRITE, {held} AS h READ, {gate} READ{at_once}");
        for attempt in 1.. {
            match self.transaction.attempt(WHAT, &locking).await {
                Ok(()) => break,
                Err(failure) if attempt == TRIES || !failure.is(&[LOCK_TIMEOUT]) => return Err(failure.into()),
                Err(_) => tokio::time::sleep(A_MOMENT).await,
            }
        }
        Ok(())
    }

    /// Step 4.
    pub(super) async fn announce(&mut self, lane: &str, fence: u64, mark: &LaneMark) -> Result<(), Error> {
        let Some(taken) = &mut self.taken else { return Ok(()) };
        let pending = Pending {
            schema: taken.partition.parent.schema.clone(),
            table: taken.partition.parent.table.clone(),
            partition: taken.partition.table.table.clone(),
            bounds: taken.partition.bounds.clone(),
            seq: mark.seq,
            rows: mark.rows,
            intent_hash: mark.intent_hash.clone(),
        };
        let pending = serde_json::to_string(&pending).map_err(|error| Error::Database(error.to_string()))?;
        let announcing = Statement {
            text: format!("UPDATE {} SET pending = ? WHERE lane = ? AND fence = ?", self.workspace.lane()),
            binds: vec![Cell::Text(pending), Cell::Text(lane.to_owned()), Cell::Integer(signed(fence))],
        };
        if self.transaction.execute(WHAT, &announcing).await? != 1 {
            return Err(Error::Fenced);
        }
        taken.announced = Some((lane.to_owned(), mark.clone()));
        Ok(self.transaction.run(WHAT, "COMMIT").await?)
    }

    /// Steps 5 and 6. Whatever fails, the connection is closed, and the lane tells the rest.
    pub(super) async fn drop_taken(&mut self, taken: Taken) -> Result<(), Error> {
        let Some((lane, mark)) = taken.announced else { return Err(Error::Fenced) };
        // Its time is that of removing a file, and nothing stops it half done.
        let unlimited = match self.flavour {
            Flavour::MariaDb => "SET STATEMENT max_statement_time = 0 FOR ",
            Flavour::MySql => "",
        };
        let (table, partition) = (qualified(Dialect::Mysql, &taken.partition.parent), quote_identifier(&taken.partition.table.table));
        self.transaction.run(WHAT, &format!("{unlimited}ALTER TABLE {table} DROP PARTITION {partition}")).await?;
        fault::point("partition.dropped");
        if !fault::seeded("mark-omitted") {
            self.transaction.execute(WHAT, &marking(&self.workspace, &lane, &mark)).await?;
        }
        self.unlock().await
    }

    /// Nothing is dropped after all.
    pub(super) async fn leave(&mut self, taken: Taken) -> Result<(), Error> {
        if let Some((lane, _)) = taken.announced {
            let text = format!("UPDATE {} SET pending = NULL WHERE lane = ?", self.workspace.lane());
            self.transaction.execute(WHAT, &Statement { text, binds: vec![Cell::Text(lane)] }).await?;
        }
        self.unlock().await
    }

    async fn unlock(&mut self) -> Result<(), Error> {
        self.transaction.run(WHAT, "COMMIT; UNLOCK TABLES").await?;
        self.transaction.close().await;
        Ok(())
    }
}

/// Settles what a lane has pending, in the transaction that has raised its fence.
pub(super) async fn settle(transaction: &mut Transaction, workspace: &WorkspaceRef, lane: &str) -> Result<(), Error> {
    let of_lane = || vec![Cell::Text(lane.to_owned())];
    let read =
        Statement { text: format!("SELECT pending FROM {} WHERE lane = ? AND pending IS NOT NULL", workspace.lane()), binds: of_lane() };
    let rows = transaction.rows(WHAT, &read).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    let pending = word(row, 0).map_err(|error| Failure { what: WHAT, error })?;
    let pending: Pending = serde_json::from_str(&pending)
        .map_err(|error| Error::Database(format!("the lane {lane} can't be read, what it has pending is not ours: {error}")))?;
    let table = TableRef { schema: pending.schema, table: pending.table };
    // The catalogue shows nothing of a table that an account may not see, and that doesn't mean that it is gone.
    let visible = transaction.attempt(WHAT, &format!("SELECT 1 FROM {} LIMIT 0", qualified(Dialect::Mysql, &table))).await;
    let is_visible = match visible {
        Ok(()) => true,
        Err(failure) if failure.is(&MISSING) => false,
        Err(failure) => return Err(failure.into()),
    };
    let settled = if is_visible && is_there(transaction, &table, &pending.partition, &pending.bounds).await? {
        Statement { text: format!("UPDATE {} SET pending = NULL WHERE lane = ?", workspace.lane()), binds: of_lane() }
    } else {
        marking(workspace, lane, &LaneMark { seq: pending.seq, rows: pending.rows, intent_hash: pending.intent_hash })
    };
    transaction.execute(WHAT, &settled).await?;
    Ok(())
}

/// Whether a table has a partition of that name and with those bounds.
async fn is_there(transaction: &mut Transaction, table: &TableRef, name: &str, bounds: &str) -> Result<bool, Error> {
    let text = format!("SELECT 1 {} AND PARTITION_NAME = {} AND PARTITION_DESCRIPTION = {}", listed(table), quoted(name), quoted(bounds));
    Ok(!transaction.ask(WHAT, &text).await?.is_empty())
}

/// The catalogue's list of a table's partitions.
fn listed(table: &TableRef) -> String {
    format!(
        "FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND PARTITION_NAME IS NOT NULL",
        quoted(&table.schema),
        quoted(&table.table)
    )
}

/// A question that others would have to wait for too long.
fn patience(failure: Failure) -> Error {
    match Error::from(failure) {
        Error::Timeout { .. } => {
            Error::Conflict("its rows can't be counted within `lock_timeout`, and so long the whole table would have to wait".to_owned())
        }
        error => error,
    }
}
