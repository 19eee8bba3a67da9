//! Approvals: which form of a rule a person let go, and for how many rows.

use jiff::Timestamp;

use super::super::{
    Error, State,
    database::{count, instant, micros, stored},
};
use crate::ledger::Event;

/// The last approval of a rule. It holds for exactly this digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub rule: String,
    pub digest: String,
    /// `None`: any number.
    pub max_rows: Option<u64>,
    pub by: String,
    pub at: Timestamp,
}

impl State {
    /// Enters an approval; it takes the place of an earlier one.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn approve(&self, rule: &str, digest: &str, max_rows: Option<u64>, by: &str) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        sqlx::query(
            "INSERT INTO approval (rule, digest, max_rows, approved_by, approved_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (rule) DO UPDATE SET digest = $2, max_rows = $3, approved_by = $4, approved_at = $5",
        )
        .bind(rule)
        .bind(digest)
        .bind(max_rows.map(stored).transpose()?)
        .bind(by)
        .bind(micros(self.now()))
        .execute(&mut *transaction)
        .await?;
        self.append_in(&mut transaction, |texts| Event::Approved {
            rule: rule.to_owned(),
            digest: digest.to_owned(),
            max_rows,
            by: texts.commit("by", by),
        })
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The last approval of a rule.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn approval(&self, rule: &str) -> Result<Option<Approval>, Error> {
        let row: Option<(String, Option<i64>, String, i64)> =
            sqlx::query_as("SELECT digest, max_rows, approved_by, approved_at FROM approval WHERE rule = $1")
                .bind(rule)
                .fetch_optional(&self.database.pool)
                .await?;
        let Some((digest, max_rows, by, at)) = row else { return Ok(None) };
        Ok(Some(Approval { rule: rule.to_owned(), digest, max_rows: max_rows.map(count).transpose()?, by, at: instant(at)? }))
    }
}
