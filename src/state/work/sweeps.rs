//! Sweeps: when each began, and how it ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{Row as _, any::AnyRow};

use super::super::{
    Error, State,
    database::{count, instant, micros, query, query_as, stored},
};
use crate::{clock::random_hex, ledger::Event};

/// A sweep that starts.
#[derive(Debug, Clone)]
pub struct SweepStart {
    pub rule: String,
    pub source: String,
    pub table: String,
    pub action: String,
    pub cutoff: Option<Timestamp>,
    pub rule_digest: String,
}

/// How a sweep ended.
#[derive(Debug, Clone)]
pub struct SweepEnd {
    pub rows: u64,
    pub dragged: u64,
    pub batches: u64,
    /// One of the closed set of outcomes.
    pub outcome: String,
    pub reason: Option<String>,
}

/// A sweep as the state remembers it.
#[derive(Debug, Clone)]
pub struct SweepRecord {
    pub id: String,
    pub start: SweepStart,
    pub started_at: Timestamp,
    /// `None`: it runs, or its process died.
    pub end: Option<(Timestamp, SweepEnd)>,
}

fn record(row: &AnyRow) -> Result<SweepRecord, Error> {
    let end = match (row.try_get("ended_at")?, row.try_get("outcome")?) {
        (Some(at), Some(outcome)) => {
            let (rows, dragged, batches) = (row.try_get("acted")?, row.try_get("dragged")?, row.try_get("batches")?);
            let (rows, dragged, batches) = (count(rows)?, count(dragged)?, count(batches)?);
            Some((instant(at)?, SweepEnd { rows, dragged, batches, outcome, reason: row.try_get("reason")? }))
        }
        _ => None,
    };
    Ok(SweepRecord {
        id: row.try_get("id")?,
        start: SweepStart {
            rule: row.try_get("rule")?,
            source: row.try_get("source")?,
            table: row.try_get("table_name")?,
            action: row.try_get("action")?,
            cutoff: row.try_get::<Option<i64>, _>("cutoff")?.map(instant).transpose()?,
            rule_digest: row.try_get("rule_digest")?,
        },
        started_at: instant(row.try_get("started_at")?)?,
        end,
    })
}

impl State {
    /// Enters that a sweep starts; returns its id.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sweep_started(&self, start: SweepStart) -> Result<String, Error> {
        let id = random_hex::<8>(&*self.randomness);
        let SweepStart { rule, source, table, action, cutoff, rule_digest } = start;
        let mut transaction = self.database.write().await?;
        self.forget_walks(&mut transaction, &source, &rule).await?;
        let event = Event::SweepStarted {
            sweep: id.clone(),
            rule: rule.clone(),
            source: source.clone(),
            table: table.clone(),
            action: action.clone(),
            cutoff,
            rule_digest: rule_digest.clone(),
        };
        let entry = self.append_in(&mut transaction, |_| event).await?;
        query(
            "INSERT INTO sweep (id, rule, source, table_name, action, cutoff, rule_digest, started_at, entry)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&id)
        .bind(rule)
        .bind(source)
        .bind(table)
        .bind(action)
        .bind(cutoff.map(micros))
        .bind(rule_digest)
        .bind(micros(entry.at))
        .bind(stored(entry.seq)?)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Enters how a sweep ended.
    ///
    /// # Errors
    /// [`Error::UnknownSweep`] if it has ended already.
    pub async fn sweep_ended(&self, sweep: &str, end: SweepEnd) -> Result<(), Error> {
        let SweepEnd { rows, dragged, batches, outcome, reason } = end;
        let mut transaction = self.database.write().await?;
        let row: Option<(String, String, String, String)> = query_as(
            "UPDATE sweep SET ended_at = $2, acted = $3, dragged = $4, batches = $5, outcome = $6, reason = $7
             WHERE id = $1 AND ended_at IS NULL RETURNING rule, source, table_name, action",
        )
        .bind(sweep)
        .bind(micros(self.now()))
        .bind(stored(rows)?)
        .bind(stored(dragged)?)
        .bind(stored(batches)?)
        .bind(&outcome)
        .bind(&reason)
        .fetch_optional(&mut *transaction)
        .await?;
        let (rule, source, table, action) = row.ok_or_else(|| Error::UnknownSweep(sweep.to_owned()))?;
        if matches!(outcome.as_str(), "complete" | "nothing_due") {
            // An approval that came while it ran is of what is due afterwards.
            query("UPDATE approval SET spent = 1 WHERE rule = $1 AND entry < (SELECT entry FROM sweep WHERE id = $2)")
                .bind(&rule)
                .bind(sweep)
                .execute(&mut *transaction)
                .await?;
            query(
                "INSERT INTO last_success (rule, entry, started_at) SELECT rule, entry, started_at FROM sweep WHERE id = $1
                 ON CONFLICT (rule) DO UPDATE SET entry = excluded.entry, started_at = excluded.started_at
                 WHERE excluded.entry > last_success.entry",
            )
            .bind(sweep)
            .execute(&mut *transaction)
            .await?;
        }
        let sweep = sweep.to_owned();
        let event = Event::SweepEnded { sweep, rule, source, table, action, rows, dragged, batches, outcome, reason };
        self.append_in(&mut transaction, |_| event).await?;
        Ok(transaction.commit().await?)
    }

    /// When the last sweep of each rule began that did all that was due.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_successes(&self) -> Result<BTreeMap<String, Timestamp>, Error> {
        let rows: Vec<(String, i64)> =
            query_as("SELECT rule, started_at FROM last_success").fetch_all(&mut *self.database.read().await?).await?;
        rows.into_iter().map(|(rule, at)| Ok((rule, instant(at)?))).collect()
    }

    /// The last sweep of each rule.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn last_sweeps(&self) -> Result<Vec<SweepRecord>, Error> {
        let rows = query(
            "SELECT id, rule, source, table_name, action, cutoff, rule_digest, started_at, ended_at, acted, dragged, batches, outcome, reason
             FROM sweep WHERE entry IN (SELECT max(entry) FROM sweep GROUP BY rule) ORDER BY rule",
        )
        .fetch_all(&mut *self.database.read().await?)
        .await?;
        rows.iter().map(record).collect()
    }
}
