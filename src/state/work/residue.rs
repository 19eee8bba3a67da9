//! What is owed to the bytes of rows that went: remembered with the intent, before a batch commits, and forgotten once it was
//! treated. So neither a crash nor a closed window in between can lose it.

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::super::{
    Error, State,
    database::{count, instant, micros, query, query_as, stored},
};
use crate::{
    ledger::{Batch, Event},
    policy::Residue,
};

/// A table with residue of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub rule: String,
    pub schema: String,
    pub table: String,
    pub level: Residue,
    /// When the first row of it went.
    pub since: Timestamp,
    /// No batch of the rule has an outcome that is not known yet, which might come after a treatment.
    pub is_settled: bool,
    intent: u64,
}

impl State {
    /// Within the transaction of an intent.
    pub(super) async fn owe(&self, connection: &mut AnyConnection, batch: &Batch, intent: u64) -> Result<(), Error> {
        for residue in batch.residue.iter().filter(|residue| residue.level != Residue::Logical.name()) {
            for table in &residue.tables {
                query(
                    "INSERT INTO residue (source, rule, schema_name, table_name, level, since, intent) VALUES ($1, $2, $3, $4, $5, $6, $7)
                     ON CONFLICT (source, rule, schema_name, table_name) DO UPDATE SET level = $5, intent = $7",
                )
                .bind(&batch.source)
                .bind(&batch.rule)
                .bind(&table.schema)
                .bind(&table.table)
                .bind(&residue.level)
                .bind(micros(self.now()))
                .bind(stored(intent)?)
                .execute(&mut *connection)
                .await?;
            }
        }
        Ok(())
    }

    /// Everything that is owed, of one source or of all.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn owed(&self, source: Option<&str>) -> Result<Vec<Owed>, Error> {
        let rows: Vec<(String, String, String, String, i64, i64, i64)> = query_as(
            "SELECT rule, schema_name, table_name, level, since, intent,
                 (SELECT count(*) FROM lane WHERE lane.source = residue.source AND lane.name = residue.rule AND open_entry IS NOT NULL)
             FROM residue WHERE $1 = '' OR source = $1 ORDER BY rule, schema_name, table_name",
        )
        .bind(source.unwrap_or_default())
        .fetch_all(&mut *self.database.read().await?)
        .await?;
        let owed = |(rule, schema, table, level, since, intent, open): (String, String, String, String, i64, i64, i64)| {
            let level = Residue::of(&level).ok_or_else(|| Error::Unreadable(format!("a residue of level {level}")))?;
            Ok(Owed { rule, schema, table, level, since: instant(since)?, is_settled: open == 0, intent: count(intent)? })
        };
        rows.into_iter().map(owed).collect()
    }

    /// Forgets what was owed, if nothing came to it meanwhile, with an entry that says why.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn treated(&self, source: &str, owed: &[Owed], entry: Option<Event>) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        for owed in owed {
            query("DELETE FROM residue WHERE source = $1 AND rule = $2 AND schema_name = $3 AND table_name = $4 AND intent = $5")
                .bind(source)
                .bind(&owed.rule)
                .bind(&owed.schema)
                .bind(&owed.table)
                .bind(stored(owed.intent)?)
                .execute(&mut *transaction)
                .await?;
        }
        if let Some(entry) = entry {
            self.append_in(&mut transaction, |_| entry).await?;
        }
        Ok(transaction.commit().await?)
    }
}
