//! Rules that are not enforced: why, and since when. It outlives the process, so that the metrics of the next one say it
//! from their first scrape.

use jiff::Timestamp;

use super::super::{
    Error, State,
    database::{instant, micros, query, query_as},
};

/// A rule whose last sweep ended for a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    pub rule: String,
    /// The word of the reason, as JSON and metrics have it.
    pub reason: String,
    pub message: String,
    /// When it was first met for this reason, without a sweep in between that went well.
    pub since: Timestamp,
}

impl State {
    /// Remembers why a rule is not enforced.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn block(&self, rule: &str, reason: &str, message: &str) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        query(
            "INSERT INTO blocked (rule, reason, message, since) VALUES ($1, $2, $3, $4)
             ON CONFLICT (rule) DO UPDATE SET message = $3, since = CASE WHEN blocked.reason = $2 THEN blocked.since ELSE $4 END,
                 reason = $2",
        )
        .bind(rule)
        .bind(reason)
        .bind(message)
        .bind(micros(self.now()))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Forgets it: the rule did what it promises.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn unblock(&self, rule: &str) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        query("DELETE FROM blocked WHERE rule = $1").bind(rule).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Every rule that is not enforced, by name; rules that exist no more may be among them.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn blocked(&self) -> Result<Vec<Blocked>, Error> {
        let rows: Vec<(String, String, String, i64)> =
            query_as("SELECT rule, reason, message, since FROM blocked ORDER BY rule").fetch_all(&mut *self.database.read().await?).await?;
        rows.into_iter().map(|(rule, reason, message, since)| Ok(Blocked { rule, reason, message, since: instant(since)? })).collect()
    }
}
