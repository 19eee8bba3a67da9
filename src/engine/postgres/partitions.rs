//! Dropping partitions, in the transaction that marks the lane.
//!
//! **Which.** Those that the planner would not look into for a row at or after the cut-off: their bounds in the catalogue
//! say that all of their rows come before it, in whatever words the bounds are written.
//!
//! **Why no row goes that should not.** Bounds only say where to look. Behind the gate, and after the read of its epoch,
//! the partition is locked so that nobody can write to it (`SHARE ROW EXCLUSIVE`, to the end of the transaction), and a later
//! statement asks the same selection of every row that sweeping asks: one that is held, protected, undated or running
//! keeps the whole partition. What it has counted is what is there when it is dropped, and what the lane is marked
//! with. DROP is part of the transaction here, so gate and settlement are those of any batch.
//!
//! **Who waits.** DROP takes its parent for itself, which stops every statement on the table. So it comes last, after the
//! count and after the intent is in the ledger, and what is left is a mark and COMMIT. It waits for running statements a
//! moment at a time, and gives way altogether once somebody waits for the partition: who holds the parent and
//! wants the partition would be in a deadlock with us, and the server might choose to end them. A partition that could
//! not be had is swept row by row, which is always right.

use std::time::Duration;

use sqlx::{Row as _, postgres::PgRow};

use super::{Postgres, batch::PostgresBatch, errors::Failure, session::query, walk::literal};
use crate::{
    engine::{Error, Partition},
    fault,
    policy::Dialect,
    sql::{
        Statement, qualified,
        selection::{Counts, Range, Selection, TableRef, Way},
        statement,
    },
};

const WHAT: &str = "dropping a partition";

/// So many times the table is asked for, each time for so long; shorter than the server takes to look for deadlocks.
const TRIES: u32 = 20;
const A_MOMENT: Duration = Duration::from_millis(100);

impl Postgres {
    pub(super) async fn partitions_before(&self, selection: &Selection) -> Result<Vec<Partition>, Error> {
        let Some(later) = statement::find_later(selection).filter(|_| !selection.members.is_empty()) else { return Ok(Vec::new()) };
        let later = self.looked_into(later).await?;
        let members: Vec<String> = selection.members.iter().map(u32::to_string).collect();
        let found = format!(
            "SELECT n.nspname::text, c.relname::text, pn.nspname::text, p.relname::text, c.oid::bigint, pg_get_expr(c.relpartbound, c.oid), \
               CASE WHEN NOT pg_has_role(c.relowner, 'USAGE') THEN pg_get_userbyid(c.relowner)::text END \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_inherits i ON i.inhrelid = c.oid AND NOT i.inhdetachpending \
             JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace \
             WHERE c.oid IN ({}) AND c.relispartition AND c.relkind = 'r' AND (n.nspname, c.relname) NOT IN ({later}) \
               AND (n.nspname, c.relname) <> ({}, {}) ORDER BY 6, 1, 2",
            members.join(", "),
            literal(&selection.table.schema),
            literal(&selection.table.table),
        );
        let rows = self.rows("looking for partitions", &Statement::plain(found)).await?;
        let partition = |row: &PgRow| {
            let address: i64 = row.try_get(4)?;
            Ok(Partition {
                table: TableRef { schema: row.try_get(0)?, table: row.try_get(1)? },
                is_table: true,
                parent: TableRef { schema: row.try_get(2)?, table: row.try_get(3)? },
                address: u32::try_from(address).unwrap_or_default(),
                bounds: row.try_get::<Option<String>, _>(5)?.unwrap_or_default(),
                foreign_owner: row.try_get(6)?,
            })
        };
        rows.iter().map(partition).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error }.into())
    }
}

impl PostgresBatch {
    /// Locks a partition against writers and counts it.
    pub(super) async fn take(&mut self, selection: &Selection, partition: &Partition) -> Result<Option<u64>, Error> {
        let of_partition = partition.of(selection);
        let table = qualified(Dialect::Postgres, &partition.table);
        // Most partitions that stay show it by their first rows, and nobody has to wait for that.
        if !self.transaction.rows(WHAT, query(&statement::is_kept(&of_partition))).await?.is_empty()
            && !fault::seeded("partition-dropped-though-not-whole")
        {
            return Ok(None);
        }
        self.transaction.run(WHAT, &format!("LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE")).await?;
        fault::point("partition.locked");
        // Whoever had it before may have made another of it.
        let same = format!(
            "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_inherits i ON i.inhrelid = c.oid \
             JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace \
             WHERE c.oid = {} AND (n.nspname, c.relname, pn.nspname, p.relname) = ({}, {}, {}, {}) AND c.relispartition AND NOT i.inhdetachpending",
            partition.address,
            literal(&partition.table.schema),
            literal(&partition.table.table),
            literal(&partition.parent.schema),
            literal(&partition.parent.table),
        );
        if self.transaction.ask(WHAT, &same).await?.is_empty() {
            return Ok(None);
        }
        let counting = statement::count(&of_partition, &Range::whole(Way::Blocks));
        let rows = self.transaction.rows(WHAT, query(&counting)).await?;
        let row = rows.first().ok_or(Failure { what: WHAT, error: sqlx::Error::RowNotFound })?;
        let number = |index| row.try_get::<i64, _>(index).map(crate::engine::server::unsigned);
        let numbers: Vec<u64> = (0..row.len()).map(number).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error })?;
        let counts = Counts::of(&numbers).ok_or(Failure { what: WHAT, error: sqlx::Error::RowNotFound })?;
        let whole = counts.due == counts.total || fault::seeded("partition-dropped-though-not-whole");
        if !whole || counts.total == 0 {
            return Ok(None);
        }
        self.taken = Some(partition.clone());
        Ok(Some(counts.total))
    }

    /// Drops the partition that was taken.
    pub(super) async fn drop_taken(&mut self, partition: &Partition) -> Result<(), Error> {
        let (table, parent) = (qualified(Dialect::Postgres, &partition.table), qualified(Dialect::Postgres, &partition.parent));
        let waited_for = format!("SELECT FROM pg_locks WHERE locktype = 'relation' AND relation = {} AND NOT granted", partition.address);
        let moment = format!("SET LOCAL lock_timeout = {}", A_MOMENT.as_millis());
        self.transaction.run(WHAT, &moment).await?;
        for attempt in 1.. {
            if !self.transaction.ask(WHAT, &waited_for).await?.is_empty() {
                return Err(Error::Conflict("somebody wants to write to the partition".to_owned()));
            }
            // The table first, as every statement on it does: then nobody is on the way to the partition any more.
            let taken =
                self.transaction.attempt(WHAT, &format!("LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE; DROP TABLE {table}")).await;
            match taken {
                Ok(()) => break,
                Err(failure) if attempt == TRIES || !failure.is(&["55P03"]) => return Err(failure.into()),
                Err(_) => tokio::time::sleep(A_MOMENT / 2).await,
            }
        }
        fault::point("partition.dropped");
        Ok(())
    }
}
