//! Approvals: which form of a rule a person let go, and for how many rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::super::{
    Error, State,
    database::{count, instant, micros, query, query_as, stored},
};
use crate::ledger::{Event, RULE_CHANGED};

/// The guard of a form that waits for nobody: `first_sweep = "auto"` let it through.
pub const AUTO: &str = "auto";

/// What a person approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApproval {
    pub rule: String,
    pub source: String,
    /// What later sweeps are compared with: the rule, its competitors, the shape of its table.
    pub rule_digest: String,
    /// Over all of it: `rule_digest`, guard, cut-off and rows.
    pub digest: String,
    /// What the rule waited for.
    pub guard: String,
    pub cutoff: Option<Timestamp>,
    /// `None`: any number.
    pub max_rows: Option<u64>,
    /// What `rule_digest` is of, to tell later what has changed.
    pub form: String,
    pub by: String,
}

/// The last approval of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub rule: String,
    pub rule_digest: String,
    pub digest: String,
    pub guard: String,
    pub cutoff: Option<Timestamp>,
    /// `None`: any number.
    pub max_rows: Option<u64>,
    pub form: String,
    pub by: String,
    pub at: Timestamp,
    /// What is left of `max_rows`.
    pub allowance: Allowance,
}

/// How many rows an approval still lets go beyond the usual guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// As many as are due.
    Unlimited,
    Rows(u64),
    /// A sweep has taken everything that was due then: the usual guards apply.
    Spent,
}

impl State {
    /// Enters an approval; it takes the place of an earlier one. One of no rows is spent from the beginning.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn approve(&self, approval: &NewApproval) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        let NewApproval { rule, source, rule_digest, digest, guard, cutoff, max_rows, form: _, by } = approval;
        put(&mut transaction, approval, self.now()).await?;
        let entry = self
            .append_in(&mut transaction, |texts| Event::Approved {
                rule: rule.clone(),
                source: Some(source.clone()),
                digest: digest.clone(),
                max_rows: *max_rows,
                guard: Some(guard.clone()),
                cutoff: *cutoff,
                rule_digest: Some(rule_digest.clone()),
                by: texts.commit("by", by),
            })
            .await?;
        query("UPDATE approval SET entry = $2 WHERE rule = $1").bind(rule).bind(stored(entry.seq)?).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Remembers the form in which a rule goes that waits for nobody. `changes` says what became otherwise since the form
    /// before; it is entered in the ledger. A first form has none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn let_through(&self, form: &NewApproval, changes: Option<&str>) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        put(&mut transaction, form, self.now()).await?;
        if let Some(changes) = changes {
            self.rule_changed(&mut transaction, form, changes).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Keeps an approval for a form that takes no more, and enters what changed: what is compared next is this form. Does
    /// nothing if somebody has approved another meanwhile.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn carry_approval(&self, approval: &Approval, now: &NewApproval, changes: &str) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        let carried = query("UPDATE approval SET rule_digest = $1, form = $2 WHERE rule = $3 AND rule_digest = $4")
            .bind(&now.rule_digest)
            .bind(&now.form)
            .bind(&now.rule)
            .bind(&approval.rule_digest)
            .execute(&mut *transaction)
            .await?;
        if carried.rows_affected() > 0 {
            self.rule_changed(&mut transaction, now, changes).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn rule_changed(&self, transaction: &mut AnyConnection, now: &NewApproval, changes: &str) -> Result<(), Error> {
        let entered = self.append_in(transaction, |texts| Event::Configuration {
            what: RULE_CHANGED.to_owned(),
            rule: Some(now.rule.clone()),
            source: Some(now.source.clone()),
            by: texts.commit("by", &now.by),
            reason: texts.commit("reason", changes),
        });
        entered.await.map(drop)
    }

    /// The last approval of a rule.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn approval(&self, rule: &str) -> Result<Option<Approval>, Error> {
        let row = query(
            "SELECT rule, rule_digest, digest, guard, cutoff, max_rows, form, approved_by, approved_at, entry, spent
             FROM approval WHERE rule = $1",
        )
        .bind(rule)
        .fetch_optional(&mut *self.database.read().await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut approval = record(&row)?;
        if let Allowance::Rows(rows) = approval.allowance {
            let taken = self.rows_since(rule, row.try_get("entry")?).await?;
            approval.allowance = Allowance::Rows(rows.saturating_sub(taken));
        }
        Ok(Some(approval))
    }

    /// When each rule that a person let go was approved last.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn approved_at(&self) -> Result<BTreeMap<String, Timestamp>, Error> {
        let rows: Vec<(String, i64)> =
            query_as("SELECT rule, approved_at FROM approval").fetch_all(&mut *self.database.read().await?).await?;
        rows.into_iter().map(|(rule, at)| Ok((rule, instant(at)?))).collect()
    }

    /// Ends an approval's allowance: nothing of what was approved is left to do.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn spend_approval(&self, rule: &str) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        query("UPDATE approval SET spent = 1 WHERE rule = $1").bind(rule).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Rows that batches of a rule have taken after an entry of the ledger: also those of a sweep that was cut off.
    async fn rows_since(&self, rule: &str, entry: i64) -> Result<u64, Error> {
        const PAGE: i64 = 1_000;
        let mut after = entry;
        let mut rows = 0;
        loop {
            let page: Vec<(i64, String)> =
                query_as("SELECT seq, canonical FROM ledger WHERE rule = $1 AND seq > $2 AND kind = 'batch_applied' ORDER BY seq LIMIT $3")
                    .bind(rule)
                    .bind(after)
                    .bind(PAGE)
                    .fetch_all(&mut *self.database.read().await?)
                    .await?;
            let Some((last, _)) = page.last() else { return Ok(rows) };
            after = *last;
            for (_, canonical) in &page {
                let entry: serde_json::Value = super::super::database::parse(canonical)?;
                // What a person had put back is not what was approved to go.
                if entry["action"] == crate::ledger::RESTORE {
                    continue;
                }
                rows += entry["rows"].as_u64().ok_or_else(|| Error::Unreadable("a batch without a number of rows".to_owned()))?;
            }
        }
    }
}

async fn put(connection: &mut sqlx::AnyConnection, approval: &NewApproval, now: Timestamp) -> Result<(), Error> {
    let spent = i64::from(approval.max_rows == Some(0) || approval.guard == AUTO);
    query(
        "INSERT INTO approval (rule, rule_digest, digest, guard, cutoff, max_rows, form, approved_by, approved_at, spent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (rule) DO UPDATE SET rule_digest = $2, digest = $3, guard = $4, cutoff = $5, max_rows = $6, form = $7,
             approved_by = $8, approved_at = $9, spent = $10",
    )
    .bind(&approval.rule)
    .bind(&approval.rule_digest)
    .bind(&approval.digest)
    .bind(&approval.guard)
    .bind(approval.cutoff.map(micros))
    .bind(approval.max_rows.map(stored).transpose()?)
    .bind(&approval.form)
    .bind(&approval.by)
    .bind(micros(now))
    .bind(spent)
    .execute(connection)
    .await?;
    Ok(())
}

fn record(row: &AnyRow) -> Result<Approval, Error> {
    let max_rows = row.try_get::<Option<i64>, _>("max_rows")?.map(count).transpose()?;
    let allowance = match (row.try_get::<i64, _>("spent")?, max_rows) {
        (0, None) => Allowance::Unlimited,
        (0, Some(rows)) => Allowance::Rows(rows),
        _ => Allowance::Spent,
    };
    Ok(Approval {
        rule: row.try_get("rule")?,
        rule_digest: row.try_get("rule_digest")?,
        digest: row.try_get("digest")?,
        guard: row.try_get("guard")?,
        cutoff: row.try_get::<Option<i64>, _>("cutoff")?.map(instant).transpose()?,
        max_rows,
        form: row.try_get("form")?,
        by: row.try_get("approved_by")?,
        at: instant(row.try_get("approved_at")?)?,
        allowance,
    })
}
