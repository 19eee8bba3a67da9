//! Walks that several processes share: what each needs to know of a sweep that another leads, where the next part of the table
//! begins, who has which part, and what all have done together.
//!
//! **Each row is met.** A part is taken by moving the walk's place from where it was read to the part's end, which only one of two
//! can; it is struck off once the outcome of its last batch is in the ledger. So what is not struck off when the walk is at its
//! end was lost, or somebody has it, and the leader waits for the one and walks the other again.
//!
//! **Guards count all.** What a batch would take is added to the sum in the transaction that writes its intent, or the intent is
//! not written; an intent that is abandoned gives it back. What was looked at in a part that another takes over is taken back, and
//! counts when it is looked at again.
//!
//! A transaction that locks a walk and its parts locks the walk first.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row as _};

use super::{
    super::{
        Error, State,
        database::{count, instant, json, micros, parse, query, query_as, stored},
    },
    Claim,
};
use crate::{ledger::Batch, sql::selection::Cell};

/// A sweep that others may join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedWalk {
    pub sweep: String,
    /// Whoever joins plans for this instant.
    pub as_of: Timestamp,
    /// What the plan has to come to.
    pub rule_digest: String,
    pub statement_digest: String,
    /// The way through the table, as text.
    pub way: String,
}

/// How far a walk has been handed out.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// How many parts were.
    pub parts: u64,
    /// The next part comes after this; `None`: it is the first.
    pub after: Option<Vec<Cell>>,
    /// There is no next part.
    pub at_end: bool,
}

/// A part that somebody has taken and not done yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub number: u64,
    pub bounds: Bounds,
    pub lane: String,
    fence: u64,
}

/// Where a part lies: behind the one place, and up to the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    pub after: Option<Vec<Cell>>,
    pub through: Option<Vec<Cell>>,
}

/// What all who share a walk have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub acted: u64,
    pub dragged: u64,
    pub batches: u64,
}

/// A [`Cell`] as JSON has it: a real number by its bits, because it has to come back as it was.
#[derive(Serialize, Deserialize)]
enum Kept {
    Null,
    Integer(i64),
    Real(u64),
    Text(String),
    Bytes(Vec<u8>),
}

fn kept(place: Option<&Vec<Cell>>) -> Option<String> {
    let one = |cell: &Cell| match cell {
        Cell::Null => Kept::Null,
        Cell::Integer(integer) => Kept::Integer(*integer),
        Cell::Real(real) => Kept::Real(real.to_bits()),
        Cell::Text(text) => Kept::Text(text.clone()),
        Cell::Bytes(bytes) => Kept::Bytes(bytes.clone()),
    };
    place.map(|cells| json(&cells.iter().map(one).collect::<Vec<_>>()))
}

fn cells(kept: Option<&str>) -> Result<Option<Vec<Cell>>, Error> {
    let one = |cell| match cell {
        Kept::Null => Cell::Null,
        Kept::Integer(integer) => Cell::Integer(integer),
        Kept::Real(bits) => Cell::Real(f64::from_bits(bits)),
        Kept::Text(text) => Cell::Text(text),
        Kept::Bytes(bytes) => Cell::Bytes(bytes),
    };
    let Some(kept) = kept else { return Ok(None) };
    Ok(Some(parse::<Vec<Kept>>(kept)?.into_iter().map(one).collect()))
}

/// Adds to what all have looked at, and returns it. The walk is locked.
async fn add_looked_at(connection: &mut AnyConnection, sweep: &str, rows: i64, implausible: i64) -> Result<(u64, u64), Error> {
    let sums: Option<(i64, i64)> =
        query_as("UPDATE walk SET walked = walked + $2, implausible = implausible + $3 WHERE sweep = $1 RETURNING walked, implausible")
            .bind(sweep)
            .bind(rows)
            .bind(implausible)
            .fetch_optional(connection)
            .await?;
    let (rows, implausible) = sums.ok_or_else(|| Error::WalkEnded(sweep.to_owned()))?;
    Ok((count(rows)?, count(implausible)?))
}

/// Removes a walk with its parts; returns what was done in it. `None`: there is none.
async fn remove(connection: &mut AnyConnection, sweep: &str) -> Result<Option<Sums>, Error> {
    let sums: Option<(i64, i64, i64)> = query_as("DELETE FROM walk WHERE sweep = $1 RETURNING acted, dragged, batches")
        .bind(sweep)
        .fetch_optional(&mut *connection)
        .await?;
    let Some((acted, dragged, batches)) = sums else { return Ok(None) };
    query("DELETE FROM part WHERE sweep = $1").bind(sweep).execute(connection).await?;
    Ok(Some(Sums { acted: count(acted)?, dragged: count(dragged)?, batches: count(batches)? }))
}

impl State {
    /// Lets others join the sweep of a claim, which has `done` so much.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn share_walk(&self, claim: &Claim, rule: &str, walk: &SharedWalk, done: Sums) -> Result<(), Error> {
        let SharedWalk { sweep, as_of, rule_digest, statement_digest, way } = walk;
        let mut transaction = self.database.write().await?;
        self.renew(&mut transaction, claim).await?;
        query(
            "INSERT INTO walk (sweep, source, rule, as_of, rule_digest, statement_digest, way, at_end, parts, acted, dragged, batches,
                 walked, implausible)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8, $9, $10, 0, 0)",
        )
        .bind(sweep)
        .bind(&claim.source)
        .bind(rule)
        .bind(micros(*as_of))
        .bind(rule_digest)
        .bind(statement_digest)
        .bind(way)
        .bind(stored(done.acted)?)
        .bind(stored(done.dragged)?)
        .bind(stored(done.batches)?)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The walk of a rule that can be joined.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn shared_walk(&self, source: &str, rule: &str) -> Result<Option<SharedWalk>, Error> {
        let row = query("SELECT sweep, as_of, rule_digest, statement_digest, way FROM walk WHERE source = $1 AND rule = $2")
            .bind(source)
            .bind(rule)
            .fetch_optional(&mut *self.database.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(SharedWalk {
            sweep: row.try_get("sweep")?,
            as_of: instant(row.try_get("as_of")?)?,
            rule_digest: row.try_get("rule_digest")?,
            statement_digest: row.try_get("statement_digest")?,
            way: row.try_get("way")?,
        }))
    }

    /// How far it has been handed out.
    ///
    /// # Errors
    /// [`Error::WalkEnded`].
    pub async fn place(&self, sweep: &str) -> Result<Place, Error> {
        let row = query("SELECT parts, place, at_end FROM walk WHERE sweep = $1")
            .bind(sweep)
            .fetch_optional(&mut *self.database.read().await?)
            .await?;
        let row = row.ok_or_else(|| Error::WalkEnded(sweep.to_owned()))?;
        Ok(Place {
            parts: count(row.try_get("parts")?)?,
            after: cells(row.try_get("place")?)?,
            at_end: row.try_get::<i64, _>("at_end")? != 0,
        })
    }

    /// Takes the part that begins at a place, up to `through` (`None`: the table's end), and returns its number; `None`: another has
    /// taken it.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn take_part(&self, claim: &Claim, sweep: &str, at: &Place, through: Option<&Vec<Cell>>) -> Result<Option<u64>, Error> {
        let mut transaction = self.database.write().await?;
        self.renew(&mut transaction, claim).await?;
        let number = at.parts + 1;
        let taken = query("UPDATE walk SET parts = $3, place = $4, at_end = $5 WHERE sweep = $1 AND parts = $2 AND at_end = 0")
            .bind(sweep)
            .bind(stored(at.parts)?)
            .bind(stored(number)?)
            .bind(kept(through))
            .bind(i64::from(through.is_none()))
            .execute(&mut *transaction)
            .await?;
        if taken.rows_affected() == 0 {
            return Ok(None);
        }
        query("INSERT INTO part (sweep, number, after_place, through_place, lane, fence, walked, implausible) VALUES ($1, $2, $3, $4, $5, $6, 0, 0)")
            .bind(sweep)
            .bind(stored(number)?)
            .bind(kept(at.after.as_ref()))
            .bind(kept(through))
            .bind(&claim.lane)
            .bind(stored(claim.fence)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(number))
    }

    /// Strikes a part off, with the outcome of the last batch in it.
    ///
    /// # Errors
    /// As [`State::finish`].
    pub async fn part_done(&self, claim: &mut Claim, outcome_of_previous: Option<u64>, sweep: &str, number: u64) -> Result<(), Error> {
        self.finish(claim, outcome_of_previous).await?;
        let mut transaction = self.database.write().await?;
        self.renew(&mut transaction, claim).await?;
        query("DELETE FROM part WHERE sweep = $1 AND number = $2 AND lane = $3 AND fence = $4")
            .bind(sweep)
            .bind(stored(number)?)
            .bind(&claim.lane)
            .bind(stored(claim.fence)?)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The parts that are not struck off, the first one first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn parts_left(&self, sweep: &str) -> Result<Vec<Part>, Error> {
        let rows = query("SELECT number, after_place, through_place, lane, fence FROM part WHERE sweep = $1 ORDER BY number")
            .bind(sweep)
            .fetch_all(&mut *self.database.read().await?)
            .await?;
        let part = |row: &sqlx::any::AnyRow| {
            Ok(Part {
                number: count(row.try_get("number")?)?,
                bounds: Bounds { after: cells(row.try_get("after_place")?)?, through: cells(row.try_get("through_place")?)? },
                lane: row.try_get("lane")?,
                fence: count(row.try_get("fence")?)?,
            })
        };
        rows.iter().map(part).collect()
    }

    /// Takes a part from a claim that is over; false: somebody else has, or it is done.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn take_over(&self, claim: &Claim, sweep: &str, part: &Part) -> Result<bool, Error> {
        let mut transaction = self.database.write().await?;
        self.renew(&mut transaction, claim).await?;
        add_looked_at(&mut transaction, sweep, 0, 0).await?;
        let had: Option<(i64, i64)> = query_as(
            "UPDATE part SET lane = $3, fence = $4 WHERE sweep = $1 AND number = $2 AND lane = $5 AND fence = $6
             RETURNING walked, implausible",
        )
        .bind(sweep)
        .bind(stored(part.number)?)
        .bind(&claim.lane)
        .bind(stored(claim.fence)?)
        .bind(&part.lane)
        .bind(stored(part.fence)?)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((walked, implausible)) = had else { return Ok(false) };
        add_looked_at(&mut transaction, sweep, -walked, -implausible).await?;
        query("UPDATE part SET walked = 0, implausible = 0 WHERE sweep = $1 AND number = $2")
            .bind(sweep)
            .bind(stored(part.number)?)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Adds to what was looked at in a part; returns the rows and implausible starts of all. What is looked at anew in another size
    /// takes back what it added before.
    ///
    /// # Errors
    /// [`Error::WalkEnded`]; [`Error::LeaseLost`] if another has the part.
    pub async fn looked_at(&self, claim: &Claim, sweep: &str, number: u64, rows: i64, implausible: i64) -> Result<(u64, u64), Error> {
        let mut transaction = self.database.write().await?;
        let sums = add_looked_at(&mut transaction, sweep, rows, implausible).await?;
        let added = query(
            "UPDATE part SET walked = walked + $5, implausible = implausible + $6 WHERE sweep = $1 AND number = $2 AND lane = $3 AND fence = $4",
        )
        .bind(sweep)
        .bind(stored(number)?)
        .bind(&claim.lane)
        .bind(stored(claim.fence)?)
        .bind(rows)
        .bind(implausible)
        .execute(&mut *transaction)
        .await?;
        if added.rows_affected() == 0 {
            return Err(Error::LeaseLost { lane: claim.lane.clone() });
        }
        transaction.commit().await?;
        Ok(sums)
    }

    /// Ends a walk: nobody who shares it begins another batch. `None`: it was never shared.
    ///
    /// # Errors
    /// [`Error::LeaseLost`].
    pub async fn end_walk(&self, claim: &Claim, sweep: &str) -> Result<Option<Sums>, Error> {
        let mut transaction = self.database.write().await?;
        self.renew(&mut transaction, claim).await?;
        let sums = remove(&mut transaction, sweep).await?;
        transaction.commit().await?;
        Ok(sums)
    }

    /// Ends what a sweep left behind whose process died: another sweep of the rule begins.
    pub(super) async fn forget_walks(&self, connection: &mut AnyConnection, source: &str, rule: &str) -> Result<(), Error> {
        let left: Option<(String,)> = query_as("SELECT sweep FROM walk WHERE source = $1 AND rule = $2")
            .bind(source)
            .bind(rule)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some((sweep,)) = left {
            remove(connection, &sweep).await?;
        }
        Ok(())
    }

    /// Adds what a batch would take to what all have; returns how many share the walk.
    ///
    /// # Errors
    /// [`Error::Beyond`] if together that would be more than `most`; [`Error::WalkEnded`].
    pub(super) async fn add_to_walk(&self, connection: &mut AnyConnection, batch: &Batch, most: Option<u64>) -> Result<u64, Error> {
        let added: Option<(i64, i64)> = query_as(
            "UPDATE walk SET acted = acted + $2, dragged = dragged + $3, batches = batches + 1 WHERE sweep = $1
             RETURNING acted, (SELECT count(*) FROM part WHERE part.sweep = $1)",
        )
        .bind(&batch.sweep)
        .bind(stored(batch.rows)?)
        .bind(stored(batch.dragged)?)
        .fetch_optional(connection)
        .await?;
        let (acted, workers) = added.ok_or_else(|| Error::WalkEnded(batch.sweep.clone()))?;
        match most {
            // The caller's transaction is rolled back.
            Some(most) if count(acted)? > most => Err(Error::Beyond { sweep: batch.sweep.clone(), most }),
            _ => count(workers),
        }
    }

    /// Takes back what an abandoned batch added, where its sweep is shared.
    pub(super) async fn take_from_walk(&self, connection: &mut AnyConnection, batch: &Batch) -> Result<(), Error> {
        query("UPDATE walk SET acted = acted - $2, dragged = dragged - $3, batches = batches - 1 WHERE sweep = $1")
            .bind(&batch.sweep)
            .bind(stored(batch.rows)?)
            .bind(stored(batch.dragged)?)
            .execute(connection)
            .await?;
        Ok(())
    }
}
