//! Holds: placing and releasing them, each in one durable transaction, and reading them.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::{
    Error, State,
    database::{Kind, count, instant, json, micros, parse, query, query_as, stored},
    sources::raise_wanted,
};
use crate::{
    clock::random_hex,
    hold::{HeldSubject, Hold, HoldScope},
    ledger::{Commitment, Event},
};

/// A hold to be placed.
#[derive(Debug, Clone)]
pub struct NewHold {
    pub matter: String,
    /// Empty: everything in the scope. Duplicates are dropped.
    pub subjects: Vec<HeldSubject>,
    pub scope: HoldScope,
    pub reason: String,
    pub by: String,
    /// The sources that the scope reaches, by name.
    pub sources: Vec<String>,
}

/// A hold that was recorded. It is in force in a source once that source confirms the epoch beside it.
#[derive(Debug, Clone)]
pub struct Placed {
    pub hold: Hold,
    /// Source and the epoch that its gate has to reach.
    pub epochs: Vec<(String, u64)>,
}

/// A hold that was released. Its rows are held until `lapses_at`.
#[derive(Debug, Clone)]
pub struct Released {
    pub hold: Hold,
    pub lapses_at: Timestamp,
}

/// PostgreSQL indexes no row above 2,700 bytes; no subject of a real table comes near.
const LONGEST_VALUE: usize = 1024;

impl State {
    /// Step 1 of placing a hold: records it durably, with its subjects, and raises the wanted epoch of each source.
    ///
    /// # Errors
    /// [`Error::UnknownSource`], [`Error::UnfitSubject`].
    pub async fn place_hold(&self, new: NewHold) -> Result<Placed, Error> {
        let NewHold { matter, mut subjects, scope, reason, by, mut sources } = new;
        subjects.iter().try_for_each(fit)?;
        subjects.sort_unstable();
        subjects.dedup();
        sources.sort_unstable();
        sources.dedup();
        let hold = Hold {
            id: random_hex::<8>(&*self.randomness),
            matter,
            subject_count: subjects.len() as u64,
            scope,
            reason,
            by,
            placed_at: self.now(),
            released_at: None,
            pending: sources,
        };
        let salt = random_hex::<16>(&*self.randomness);

        let mut transaction = self.database.write().await?;
        insert_hold(&mut transaction, &hold, &salt).await?;
        self.insert_subjects(&mut transaction, &hold.id, &subjects).await?;
        let mut epochs = Vec::with_capacity(hold.pending.len());
        for source in &hold.pending {
            let epoch = raise_wanted(&mut transaction, source).await?;
            query("INSERT INTO hold_source (hold, source, reach, epoch, confirmed) VALUES ($1, $2, '[]', $3, 0)")
                .bind(&hold.id)
                .bind(source)
                .bind(stored(epoch)?)
                .execute(&mut *transaction)
                .await?;
            epochs.push((source.clone(), epoch));
        }
        self.append_placed(&mut transaction, &hold, &salt, &subjects).await?;
        transaction.commit().await?;
        Ok(Placed { hold, epochs })
    }

    /// Releases a hold; it stays in force until the cool-down (of exact time) is over.
    ///
    /// # Errors
    /// [`Error::UnknownHold`], [`Error::AlreadyReleased`].
    pub async fn release_hold(&self, id: &str, by: &str, reason: &str, cool_down: Duration) -> Result<Released, Error> {
        let now = self.now();
        // A cool-down beyond the end of time never ends: the hold stays in force.
        let lapses_at = now.checked_add(cool_down).unwrap_or(Timestamp::MAX);
        let mut transaction = self.database.write().await?;
        let released = query(
            "UPDATE hold SET released_at = $2, released_by = $3, release_reason = $4, lapses_at = $5 WHERE id = $1 AND released_at IS NULL",
        )
        .bind(id)
        .bind(micros(now))
        .bind(by)
        .bind(reason)
        .bind(micros(lapses_at))
        .execute(&mut *transaction)
        .await?;
        if released.rows_affected() == 0 {
            transaction.rollback().await?;
            let hold = self.hold(id).await?.ok_or_else(|| Error::UnknownHold(id.to_owned()))?;
            return Err(Error::AlreadyReleased { id: hold.id, released_at: hold.released_at.unwrap_or(now) });
        }
        self.append_in(&mut transaction, |texts| Event::HoldReleased {
            hold: id.to_owned(),
            lapses_at,
            by: texts.commit("by", by),
            reason: texts.commit("reason", reason),
        })
        .await?;
        transaction.commit().await?;
        let hold = self.hold(id).await?.ok_or_else(|| Error::UnknownHold(id.to_owned()))?;
        Ok(Released { hold, lapses_at })
    }

    /// The holds, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn holds(&self, include_released: bool) -> Result<Vec<Hold>, Error> {
        let rows: Vec<Row> = query_as(ALL).fetch_all(&mut *self.database.read().await?).await?;
        let mut pending = self.pending(None).await?;
        let holds = rows.into_iter().map(|row| {
            let mut hold = hold_of(row)?;
            hold.pending = pending.remove(&hold.id).unwrap_or_default();
            Ok(hold)
        });
        holds.filter(|hold| include_released || hold.as_ref().map_or(true, |hold| hold.released_at.is_none())).collect()
    }

    /// One hold.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn hold(&self, id: &str) -> Result<Option<Hold>, Error> {
        let row: Option<Row> = query_as(BY_ID).bind(id).fetch_optional(&mut *self.database.read().await?).await?;
        let Some(mut hold) = row.map(hold_of).transpose()? else { return Ok(None) };
        hold.pending = self.pending(Some(id)).await?.remove(id).unwrap_or_default();
        Ok(Some(hold))
    }

    /// Up to `limit` subjects of a hold, in order, those after `after`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn subjects(&self, id: &str, after: Option<&HeldSubject>, limit: u32) -> Result<Vec<HeldSubject>, Error> {
        let (kind, value) = after.map_or(("", ""), |after| (&after.kind, &after.value));
        let rows: Vec<(String, String)> =
            query_as("SELECT kind, value FROM hold_subject WHERE hold = $1 AND (kind, value) > ($2, $3) ORDER BY kind, value LIMIT $4")
                .bind(id)
                .bind(kind)
                .bind(value)
                .bind(i64::from(limit))
                .fetch_all(&mut *self.database.read().await?)
                .await?;
        Ok(rows.into_iter().map(|(kind, value)| HeldSubject { kind, value }).collect())
    }

    /// The sources that lack each hold that is in force.
    pub(super) async fn pending(&self, id: Option<&str>) -> Result<HashMap<String, Vec<String>>, Error> {
        let rows: Vec<(String, String)> = query_as(
            "SELECT hold_source.hold, hold_source.source FROM hold_source JOIN hold ON hold.id = hold_source.hold
             WHERE hold_source.confirmed = 0 AND (hold.lapses_at IS NULL OR hold.lapses_at > $1) AND ($2 = '' OR hold.id = $2)
             ORDER BY hold_source.source",
        )
        .bind(micros(self.now()))
        .bind(id.unwrap_or_default())
        .fetch_all(&mut *self.database.read().await?)
        .await?;
        let mut pending: HashMap<String, Vec<String>> = HashMap::new();
        for (hold, source) in rows {
            pending.entry(hold).or_default().push(source);
        }
        Ok(pending)
    }

    /// Writes subjects as one document: 100,000 statements, or as many parameters, would take seconds.
    pub(super) async fn insert_subjects(&self, connection: &mut AnyConnection, hold: &str, subjects: &[HeldSubject]) -> Result<(), Error> {
        let statement = match self.database.kind {
            Kind::Sqlite => {
                "INSERT INTO hold_subject (hold, kind, value) SELECT $1, value ->> 'kind', value ->> 'value' FROM json_each($2) WHERE true
                 ON CONFLICT DO NOTHING"
            }
            Kind::Postgres => {
                "INSERT INTO hold_subject (hold, kind, value) SELECT $1, one ->> 'kind', one ->> 'value'
                 FROM json_array_elements(CAST($2 AS json)) AS one ON CONFLICT DO NOTHING"
            }
        };
        query(statement).bind(hold).bind(json(subjects)).execute(connection).await?;
        Ok(())
    }

    /// The ledger's entry of a hold. The digest covers its subjects in order; its salt stays beside the hold.
    pub(super) async fn append_placed(
        &self,
        connection: &mut AnyConnection,
        hold: &Hold,
        salt: &str,
        subjects: &[HeldSubject],
    ) -> Result<(), Error> {
        let subjects_digest = Commitment::to(salt, &json(subjects));
        let scope = serde_json::to_value(&hold.scope).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.append_in(connection, |texts| Event::HoldPlaced {
            hold: hold.id.clone(),
            matter: texts.commit("matter", &hold.matter),
            subjects: hold.subject_count,
            subjects_digest,
            scope,
            by: texts.commit("by", &hold.by),
            reason: texts.commit("reason", &hold.reason),
        })
        .await?;
        Ok(())
    }
}

/// A row of `hold`: id, matter, subject count, scope, reason, placed by, placed at, released at.
pub(super) type Row = (String, String, i64, String, String, String, i64, Option<i64>);

const ALL: &str = "SELECT id, matter, subject_count, scope, reason, placed_by, placed_at, released_at FROM hold ORDER BY placed_at, id";
pub(super) const BY_ID: &str = "SELECT id, matter, subject_count, scope, reason, placed_by, placed_at, released_at FROM hold WHERE id = $1";

/// The hold of a row, without what is pending.
pub(super) fn hold_of((id, matter, subjects, scope, reason, by, placed_at, released_at): Row) -> Result<Hold, Error> {
    Ok(Hold {
        id,
        matter,
        subject_count: count(subjects)?,
        scope: parse(&scope)?,
        reason,
        by,
        placed_at: instant(placed_at)?,
        released_at: released_at.map(instant).transpose()?,
        pending: Vec::new(),
    })
}

pub(super) async fn insert_hold(connection: &mut AnyConnection, hold: &Hold, salt: &str) -> Result<(), Error> {
    query(
        "INSERT INTO hold (id, matter, reason, placed_by, placed_at, scope, subject_count, subjects_salt)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&hold.id)
    .bind(&hold.matter)
    .bind(&hold.reason)
    .bind(&hold.by)
    .bind(micros(hold.placed_at))
    .bind(json(&hold.scope))
    .bind(stored(hold.subject_count)?)
    .bind(salt)
    .execute(connection)
    .await?;
    Ok(())
}

fn fit(subject: &HeldSubject) -> Result<(), Error> {
    let HeldSubject { kind, value } = subject;
    let unfit = if kind.is_empty() || value.is_empty() {
        "its kind and its value must not be empty".to_owned()
    } else if kind.contains('\0') || value.contains('\0') {
        "databases know no text with a NUL character".to_owned()
    } else if kind.len() > LONGEST_VALUE || value.len() > LONGEST_VALUE {
        format!("it is longer than {LONGEST_VALUE} bytes")
    } else {
        return Ok(());
    };
    Err(Error::UnfitSubject(unfit))
}
