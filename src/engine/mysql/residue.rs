//! What rows leave behind in InnoDB, table by table.
//!
//! | what was looked for in the files | `logical` | `compacted` | with scrubbing | `rewritten` |
//! |---|---|---|---|---|
//! | of 100 deleted rows: in the table's file | 100 | 15 | 11 | none |
//! | large values in pages of their own | all | all | none | none |
//! | the undo log | there | 11 | 11 | perhaps |
//! | the redo log, the binary log | there | there | there | there |
//!
//! **`compacted`.** Purge is what removes rows that are marked as deleted from table and indexes; it comes by itself, once no
//! transaction may see them any more. All that is done is to wait for it, a little, and to say if it has not passed. It
//! overwrites only what is moved. `innodb_immediate_scrub_data_uncompressed` (MariaDB) overwrites pages that become free as a
//! whole, and no parts of pages.
//!
//! **`rewritten`.** `ALTER TABLE … FORCE` writes table and indexes into a new file, without what is marked, and removes the
//! old one. Beside writers, but it waits at its beginning and end for everybody who uses the table, `lock_wait_timeout` at most,
//! and others wait behind it. A table inside the system tablespace leaves its old pages there. Whoever has an older snapshot and
//! asks for the table afterwards gets an error (1412).

use std::time::Instant;

use super::{
    Flavour, Mysql,
    errors::Failure,
    session::{Access, seconds, word},
};
use crate::{
    engine::{
        Error,
        residue::{LOOK, PATIENCE, Remains, Treated, Treatment},
    },
    fault,
    policy::{Dialect, Residue},
    sql::{qualified, quote_literal, selection::TableRef},
};

const WHAT: &str = "treating what rows left behind";

/// How far purge is: the number that the next transaction gets, that before which it has purged, and how much it has before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Purge {
    next: u64,
    purged_before: u64,
    left: u64,
}

impl Purge {
    /// From what InnoDB says of itself.
    fn read(status: &str) -> Option<Self> {
        let after = |words: &str| {
            let rest = status.split_once(words)?.1.trim_start();
            rest.split(|sign: char| !sign.is_ascii_digit()).next()?.parse().ok()
        };
        Some(Self {
            next: after("Trx id counter ")?,
            purged_before: after("Purge done for trx's n:o < ")?,
            left: after("History list length ")?,
        })
    }

    fn has_passed(self, number: u64) -> bool {
        self.purged_before >= number || self.left == 0
    }
}

impl Mysql {
    pub(super) async fn treat_table(&self, treatment: &Treatment) -> Result<Treated, Error> {
        match treatment.level {
            Residue::Logical => Ok(Treated::Done),
            Residue::Compacted => self.wait_for_purge().await,
            Residue::Rewritten => {
                let started = Instant::now();
                for table in &treatment.tables {
                    if let Some(why) = self.shared_space(table).await? {
                        return Ok(Treated::NotYet(why));
                    }
                    let left = treatment.within.saturating_sub(started.elapsed());
                    if left.is_zero() {
                        return Ok(Treated::NotYet("its time was over".to_owned()));
                    }
                    let mut transaction = self.begin_with(Access::Read).await?;
                    let limit = format!("COMMIT; SET SESSION max_statement_time = {}", seconds(left));
                    let rebuild = format!("ALTER TABLE {} FORCE", qualified(Dialect::Mysql, table));
                    let outcome = match transaction.run(WHAT, &limit).await {
                        Ok(()) if fault::seeded("residue-claimed-untreated") => Ok(()),
                        Ok(()) => transaction.run(WHAT, &rebuild).await,
                        failed => failed,
                    };
                    // Its limits are not those of others.
                    transaction.close().await;
                    outcome?;
                }
                Ok(Treated::Done)
            }
        }
    }

    /// Waits a little until purge has removed what was deleted before now.
    async fn wait_for_purge(&self) -> Result<Treated, Error> {
        let started = Instant::now();
        let mut number = None;
        loop {
            let mut transaction = self.begin_with(Access::Read).await?;
            let rows = transaction.ask(WHAT, "SHOW ENGINE INNODB STATUS").await?;
            let status =
                rows.first().map(|row| word(row, 2)).transpose().map_err(|error| Failure { what: WHAT, error })?.unwrap_or_default();
            let oldest = "SELECT concat('session ', trx_mysql_thread_id, ' since ', trx_started) FROM information_schema.innodb_trx \
                 WHERE trx_mysql_thread_id <> connection_id() ORDER BY trx_started LIMIT 1";
            let rows = transaction.ask(WHAT, oldest).await?;
            let oldest = rows.first().map(|row| word(row, 0)).transpose().map_err(|error| Failure { what: WHAT, error })?;
            transaction.commit().await?;
            let Some(purge) = Purge::read(&status) else {
                return Ok(Treated::NotYet("InnoDB does not say how far purge is".to_owned()));
            };
            if purge.has_passed(*number.get_or_insert(purge.next)) {
                return Ok(Treated::Done);
            }
            if started.elapsed() > PATIENCE {
                let who = oldest.map_or_else(String::new, |who| format!("; the oldest transaction is that of {who}"));
                return Ok(Treated::NotYet(format!("purge has not removed the rows yet{who}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Why writing the table anew would leave the old one where it is.
    async fn shared_space(&self, table: &TableRef) -> Result<Option<String>, Error> {
        if self.server.flavour == Flavour::MySql {
            return Ok(Some("MySQL can't bound the time that ALTER TABLE takes".to_owned()));
        }
        let name = |name: &str| format!("CAST(CONVERT({} USING filename) AS BINARY)", quote_literal(Dialect::Mysql, name));
        let asked = format!(
            "SELECT CASE WHEN @@GLOBAL.innodb_file_per_table = 0 OR EXISTS (SELECT 1 FROM information_schema.innodb_sys_tables \
               WHERE space = 0 AND CAST(substring_index(name, '#P#', 1) AS BINARY) = concat({}, CAST('/' AS BINARY), {})) THEN 'shared' ELSE '' END",
            name(&table.schema),
            name(&table.table)
        );
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(WHAT, &asked).await?;
        transaction.commit().await?;
        let shared = rows.first().map(|row| word(row, 0)).transpose().map_err(|error| Failure { what: WHAT, error })?;
        let why = format!(
            "{} has no file of its own (`innodb_file_per_table`): its old pages would stay in the one that tables share",
            table.table
        );
        Ok(shared.is_some_and(|shared| !shared.is_empty()).then_some(why))
    }

    /// What we may not do that a level takes.
    pub(super) async fn unalterable(&self, table: &TableRef, level: Residue) -> Result<Option<String>, Error> {
        if level != Residue::Rewritten {
            return Ok(None);
        }
        let mut transaction = self.begin_with(Access::Read).await?;
        let asked = format!(
            "SELECT CAST(count(DISTINCT privilege_type) AS CHAR) FROM ( \
               SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = {who} \
               UNION ALL SELECT privilege_type FROM information_schema.schema_privileges WHERE grantee = {who} AND {schema} LIKE table_schema \
               UNION ALL SELECT privilege_type FROM information_schema.table_privileges \
                 WHERE grantee = {who} AND table_schema = {schema} AND table_name = {table}) AS p \
             WHERE privilege_type IN ('ALTER', 'INSERT', 'CREATE')",
            who = "concat('''', replace(current_user(), '@', '''@'''), '''')",
            schema = quote_literal(Dialect::Mysql, &table.schema),
            table = quote_literal(Dialect::Mysql, &table.table),
        );
        let rows = transaction.ask(WHAT, &asked).await?;
        transaction.commit().await?;
        let granted = rows.first().map(|row| word(row, 0)).transpose().map_err(|error| Failure { what: WHAT, error })?;
        let why = format!("ALTER, CREATE and INSERT on {} are needed to write it anew (`retentiond grants`)", table.table);
        Ok((granted.as_deref() != Some("3")).then_some(why))
    }

    pub(super) async fn remains_of(&self, level: Residue) -> Result<Vec<Remains>, Error> {
        let scrubs = match self.server.flavour {
            Flavour::MariaDb => "@@GLOBAL.innodb_immediate_scrub_data_uncompressed",
            Flavour::MySql => "0",
        };
        let mut transaction = self.begin_with(Access::Read).await?;
        let asked =
            format!("SELECT CAST(@@GLOBAL.log_bin AS CHAR), CAST({scrubs} AS CHAR), CAST(@@GLOBAL.binlog_expire_logs_seconds AS CHAR)");
        let rows = transaction.ask(WHAT, &asked).await?;
        transaction.commit().await?;
        let row = rows.first().ok_or(Failure { what: WHAT, error: sqlx::Error::RowNotFound })?;
        let (logs, scrubs, expires) =
            (|| Ok((word(row, 0)?, word(row, 1)?, word(row, 2)?)))().map_err(|error: sqlx::Error| Failure { what: WHAT, error })?;
        let mut remains = Vec::new();
        match (level, scrubs == "1") {
            (Residue::Logical, _) => remains.push(Remains::new(
                "rows marked as deleted, and free space of the table's pages",
                "purge has removed them and new rows have taken the place",
            )),
            (Residue::Compacted, false) => remains.push(Remains::new(
                "free space of the table's pages, large values in pages of their own among it",
                "new rows take the place, or the table is written anew (`residue = \"rewritten\"`); pages that become free as a whole are \
                 overwritten where `innodb_immediate_scrub_data_uncompressed` is on",
            )),
            (Residue::Compacted, true) => remains.push(Remains::new(
                "free space of pages that have other rows",
                "new rows take the place, or the table is written anew (`residue = \"rewritten\"`)",
            )),
            (Residue::Rewritten, _) => {}
        }
        remains.push(Remains::new("undo log, redo log and doublewrite buffer", "InnoDB has used their place again"));
        if logs == "1" {
            let until = match expires.as_str() {
                "0" => "somebody purges it: it does not expire by itself (`binlog_expire_logs_seconds` = 0)".to_owned(),
                seconds => format!("it expires, {seconds} seconds after its file was closed (`binlog_expire_logs_seconds`)"),
            };
            remains.push(Remains::new("the binary log, and the relay logs of replicas", until));
        }
        remains.push(Remains::new("replicas", "they have done the same"));
        remains.push(Remains::beyond());
        Ok(remains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purge_is_read_from_what_innodb_says() {
        let status = "TRANSACTIONS\n------------\nTrx id counter 119\nPurge done for trx's n:o < 117 undo n:o < 0 state: running\nHistory list length 1\n";
        let purge = Purge::read(status).unwrap();
        assert_eq!(purge, Purge { next: 119, purged_before: 117, left: 1 });
        assert!(!purge.has_passed(119) && purge.has_passed(117));
        assert!(Purge { left: 0, ..purge }.has_passed(119));
        assert_eq!(Purge::read("nothing of the kind"), None);
    }
}
