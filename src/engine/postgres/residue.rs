//! What rows leave behind on a server, table by table.
//!
//! | what was looked for in the files, after a checkpoint | `logical` | `compacted` | `rewritten` |
//! |---|---|---|---|
//! | of 100 deleted rows: in the table | 100 | 11 | none |
//! | in an index | 100 | 68 | none |
//! | in the TOAST table: parts of large values | all | most | none |
//! | the write-ahead log | there | there | there |
//!
//! **`compacted`.** VACUUM frees the place of dead rows; it overwrites only what it happens to move. So all that may be
//! claimed is that new rows overwrite them from then on. `INDEX_CLEANUP ON`, because a few dead rows are not worth the
//! indexes to it otherwise.
//!
//! **`rewritten`.** VACUUM FULL writes table, TOAST and indexes anew, and truncates the old files when it commits. It takes the
//! table for itself; how long others wait for it to get there is `lock_timeout`, and how long it may take, `statement_timeout`.
//!
//! **Who stands in the way.** Either leaves rows that somebody's snapshot may still see: a copy has them, too. So first every
//! snapshot must be younger than the last batch, and every transaction of the server that has changed something, for each
//! snapshot, that of the vacuum among them, begins with the oldest of these. Whose is hidden counts as old. Nobody who may not vacuum a table is told so by
//! an error: the server warns, and skips it. So that is asked before.
//!
//! VACUUM is part of no transaction, so its limits are the session's: a connection of its own, closed afterwards.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _, postgres::PgRow};

use super::{Postgres, errors::Failure, session::Access, walk::literal};
use crate::{
    engine::{
        Error,
        residue::{LOOK, PATIENCE, Remains, Treated, Treatment},
    },
    fault,
    policy::{Dialect, Residue},
    sql::{checked, qualified, selection::TableRef},
};

const WHAT: &str = "treating what rows left behind";

/// The tables with rows of their own below a table, and whoever owns one that we may not vacuum.
fn members(table: &TableRef, maintained: &str) -> String {
    format!(
        "WITH RECURSIVE family AS ( \
           SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {} \
           UNION SELECT i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.oid) \
         SELECT n.nspname::text, c.relname::text, CASE WHEN pg_has_role(c.relowner, 'USAGE'){maintained} \
             OR (SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database()) \
           THEN NULL ELSE pg_get_userbyid(c.relowner)::text END \
         FROM family JOIN pg_class c ON c.oid = family.oid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' ORDER BY 1, 2",
        literal(&table.schema),
        literal(&table.table)
    )
}

/// From 17 on the right to maintain a table can be granted.
const MAINTAINED: &str = " OR has_table_privilege(c.oid, 'MAINTAIN')";

/// For whom a vacuum would keep a row that was deleted before the transaction with the number in the place of `{}`. What a
/// session of another role does is hidden from whoever lacks pg_read_all_stats.
///
/// A snapshot begins with the oldest transaction of the *whole server* that has changed something and still runs, so in every
/// database whoever has a number counts; whoever only reads counts in this one, and where no database is said. A session that
/// is connecting has a snapshot and is not among the sessions yet: it only has a lock, and nobody says how old it is.
const HOLDERS: &str = "SELECT who FROM ( \
       SELECT 'session ' || pid || coalesce(' (' || nullif(application_name, '') || ')', '') \
           || CASE WHEN datname <> current_database() THEN ' of database ' || datname ELSE '' END \
           || coalesce(' since ' || date_trunc('second', xact_start), '') AS who, \
         greatest(age(backend_xid), CASE WHEN datname IS NULL OR datname = current_database() THEN age(backend_xmin) END) AS age \
       FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
         AND NOT (backend_type = 'autovacuum worker' AND query LIKE 'autovacuum: VACUUM %' AND query NOT LIKE 'autovacuum: VACUUM ANALYZE %') \
       UNION ALL SELECT 'session ' || pid || ', which is connecting,', 2147483647 FROM pg_locks \
       WHERE locktype = 'virtualxid' AND pid IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_activity known WHERE known.pid = pg_locks.pid) \
       UNION ALL SELECT 'prepared transaction ' || gid || ' since ' || date_trunc('second', prepared), age(transaction) FROM pg_prepared_xacts \
       UNION ALL SELECT 'replication slot ' || slot_name, age(xmin) FROM pg_replication_slots WHERE xmin IS NOT NULL \
       UNION ALL SELECT 'replica ' || coalesce(application_name, 'without a name'), age(backend_xmin) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL \
     ) AS holders WHERE age > age('{}'::xid) ORDER BY age DESC LIMIT 1";

const HIDDEN: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE pid <> pg_backend_pid() AND datname = current_database() AND query = '<insufficient privilege>'";

impl Postgres {
    pub(super) async fn treat_table(&self, treatment: &Treatment) -> Result<Treated, Error> {
        let started = Instant::now();
        if treatment.level == Residue::Logical {
            return Ok(Treated::Done);
        }
        let mut members = Vec::new();
        for table in &treatment.tables {
            members.extend(match self.vacuumable(table).await? {
                Ok(members) => members,
                Err(why) => return Ok(Treated::NotYet(why)),
            });
        }
        if let Some(why) = self.wait_for_snapshots().await? {
            return Ok(Treated::NotYet(why));
        }
        for member in members {
            let left = treatment.within.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(Treated::NotYet("its time was over".to_owned()));
            }
            self.vacuum(&member, treatment.level, left).await?;
        }
        Ok(Treated::Done)
    }

    /// Why nobody connected as we are could vacuum the table.
    pub(super) async fn unmaintained(&self, table: &TableRef) -> Result<Option<String>, Error> {
        Ok(self.vacuumable(table).await?.err())
    }

    /// The tables that are to be vacuumed for a table, or why that can't be.
    async fn vacuumable(&self, table: &TableRef) -> Result<Result<Vec<TableRef>, String>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(WHAT, "SELECT current_setting('server_version_num')::int >= 170000").await?;
        let has_right: bool = rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false));
        let rows = transaction.ask(WHAT, &members(table, if has_right { MAINTAINED } else { "" })).await?;
        transaction.commit().await?;
        let member = |row: &PgRow| -> Result<(TableRef, Option<String>), sqlx::Error> {
            Ok((TableRef { schema: row.try_get(0)?, table: row.try_get(1)? }, row.try_get(2)?))
        };
        let mut tables = Vec::new();
        for row in &rows {
            let (table, owner) = member(row).map_err(|error| Failure { what: WHAT, error })?;
            if let Some(owner) = owner {
                return Ok(Err(format!(
                    "{} belongs to {owner}, and only its owner can have it vacuumed (`retentiond grants` prints what helps, unless that is a superuser)",
                    table.table
                )));
            }
            tables.push(table);
        }
        Ok(Ok(tables))
    }

    /// Waits a little until nobody sees rows any more that were deleted before now; then why somebody still may.
    async fn wait_for_snapshots(&self) -> Result<Option<String>, Error> {
        let number = "SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::numeric % 4294967296)::bigint";
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(WHAT, number).await?;
        let before: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(|error| Failure { what: WHAT, error })?;
        transaction.commit().await?;
        let holders = HOLDERS.replace("{}", &before.to_string());
        let started = Instant::now();
        loop {
            // Each look is a transaction of its own, or it would see the same sessions for ever.
            let mut transaction = self.begin_with(Access::Read).await?;
            let hidden = transaction.ask(WHAT, HIDDEN).await?;
            let hidden: i64 = hidden.first().map_or(Ok(0), |row| row.try_get(0)).map_err(|error| Failure { what: WHAT, error })?;
            let rows = transaction.ask(WHAT, &holders).await?;
            let holder: Option<String> =
                rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| Failure { what: WHAT, error })?;
            transaction.commit().await?;
            if hidden > 0 {
                return Ok(Some(
                    "how old the snapshots of other roles are is hidden: GRANT pg_read_all_stats shows it (`retentiond grants`)".to_owned(),
                ));
            }
            match holder {
                None => return Ok(None),
                Some(who) if started.elapsed() > PATIENCE => {
                    return Ok(Some(format!("{who} may still see the rows, and a vacuum would keep them")));
                }
                Some(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Runs to its end, or to that of its time.
    async fn vacuum(&self, table: &TableRef, level: Residue, within: Duration) -> Result<(), Error> {
        let failed = |error| Failure { what: WHAT, error };
        let how = match level {
            Residue::Rewritten => "FULL",
            _ => "INDEX_CLEANUP ON",
        };
        let statement = format!("VACUUM ({how}) {}", qualified(Dialect::Postgres, table));
        let (time, lock) = (within.as_millis().max(1), self.limits.lock_timeout.as_millis());
        let mut connection: PgConnection = self.pool.acquire().await.map_err(failed)?.detach();
        let limits = format!("SET statement_timeout = {time}; SET lock_timeout = {lock}; SET client_min_messages = error");
        let result = async {
            connection.execute(sqlx::raw_sql(checked(&limits))).await?;
            // A pooler in transaction mode would give what follows to another session, without a limit.
            let kept = format!("SELECT setting::bigint = {time} FROM pg_settings WHERE name = 'statement_timeout'");
            let is_kept: bool = sqlx::raw_sql(checked(&kept)).fetch_one(&mut connection).await?.try_get(0)?;
            if !is_kept {
                return Ok(false);
            }
            if !fault::seeded("residue-claimed-untreated") {
                connection.execute(sqlx::raw_sql(checked(&statement))).await?;
            }
            Ok(true)
        }
        .await;
        // The server ends what has gone as well as what says goodbye.
        let _ = connection.close().await;
        match result {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Error::Unsupported("a pooler in transaction mode keeps no settings, so a vacuum could not be bounded".to_owned()))
            }
            Err(error) => Err(failed(error).into()),
        }
    }

    pub(super) async fn remains_of(&self, level: Residue) -> Result<Vec<Remains>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let settings = "SELECT current_setting('checkpoint_timeout'), current_setting('max_wal_size'), current_setting('archive_mode'), \
             (SELECT count(*) FROM pg_replication_slots)";
        let rows = transaction.ask(WHAT, settings).await?;
        transaction.commit().await?;
        let row = rows.first().ok_or(Failure { what: WHAT, error: sqlx::Error::RowNotFound })?;
        let (checkpoints, size, archived, slots): (String, String, String, i64) =
            (|| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)))()
                .map_err(|error| Failure { what: WHAT, error })?;
        let mut remains = Vec::new();
        match level {
            Residue::Logical => remains.push(Remains::new(
                "dead rows of the table, its indexes and its TOAST table",
                "a vacuum has freed their place and new rows have taken it",
            )),
            Residue::Compacted => remains.push(Remains::new(
                "free space of the table, its indexes and its TOAST table",
                "new rows take the place, or the table is written anew (`residue = \"rewritten\"`)",
            )),
            Residue::Rewritten => {}
        }
        let slots = if slots == 0 { String::new() } else { format!(", and none of its {slots} replication slots asks for it any more") };
        remains.push(Remains::new(
            "the write-ahead log",
            format!("checkpoints have recycled and overwritten it (`checkpoint_timeout` {checkpoints}, `max_wal_size` {size}){slots}"),
        ));
        if archived != "off" {
            remains.push(Remains::new(
                "the archive of the write-ahead log (`archive_mode`)",
                "it is removed there: retentiond can't reach it",
            ));
        }
        remains.push(Remains::new("replicas", "they have replayed the same, and let go of their own write-ahead log"));
        remains.push(Remains::beyond());
        Ok(remains)
    }
}
