//! Lanes: who works, what is open, and what was settled. A lane has at most one open intent.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row as _, any::AnyRow};

use super::{
    super::{
        Error, GateNumbers, State,
        database::{count, instant, json, micros, parse, query, stored},
        sources::gate_in,
    },
    Owner,
};
use crate::ledger::{ADOPTED_MEANWHILE, Batch, Entry, Event};

/// A lane that this process works in, until its lease ends or another takes it over.
#[derive(Debug, Clone)]
pub struct Claim {
    pub lane: String,
    pub source: String,
    /// Raised by each claim: the target refuses marks with an older one.
    pub fence: u64,
    /// Number of the last intent that was settled, applied or abandoned; 0: none.
    pub lane_seq: u64,
    /// The last batch that committed: what the lane's mark in the source has to say.
    pub applied: LastApplied,
    /// The intent whose outcome isn't known yet.
    pub open: Option<OpenIntent>,
    lease: Duration,
}

/// The last batch of a lane that committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastApplied {
    /// Its number in the lane; 0: none.
    pub seq: u64,
    pub rows: u64,
    /// Hash of its intent; empty: none.
    pub intent_hash: String,
}

/// An intent whose outcome isn't known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntent {
    pub batch: Batch,
    /// The entry's hash: what the lane is marked with.
    pub hash: String,
    pub entry_seq: u64,
}

/// What became of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    Applied {
        rows: u64,
    },
    /// It never committed, and now can't.
    Abandoned {
        reason: String,
    },
}

/// An intent that is durable: its batch may commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    /// What the lane is marked with.
    pub hash: String,
    /// The number that the lane is marked with.
    pub lane_seq: u64,
    pub gate: GateNumbers,
    /// How many processes share the sweep's walk, this one among them.
    pub workers: u64,
}

/// Whose sums a batch adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// The sweep is this process's alone.
    Alone,
    /// Of all who share its walk, who may take no more rows together.
    Shared { most: Option<u64> },
}

/// A lane as the state knows it.
#[derive(Debug, Clone)]
pub struct LaneRecord {
    pub lane: String,
    pub source: String,
    pub fence: u64,
    pub lane_seq: u64,
    pub applied: LastApplied,
    pub open: Option<OpenIntent>,
    /// Who works there, and until when its lease lasts.
    pub owner: Option<(Owner, Timestamp)>,
}

const LANES: &str = "SELECT lane.source, name, fence, lane.seq, applied_seq, applied_rows, applied_hash, open_entry,
        ledger.canonical AS open_canonical, ledger.hash AS open_hash, owner, lease_until
    FROM lane LEFT JOIN ledger ON ledger.seq = open_entry
    WHERE ($1 = '' OR lane.source = $1) AND ($2 = '' OR name = $2) ORDER BY lane.source, name";

fn record(row: &AnyRow) -> Result<LaneRecord, Error> {
    let open = match (row.try_get("open_entry")?, row.try_get("open_canonical")?, row.try_get("open_hash")?) {
        (Some(entry), Some(canonical), Some(hash)) => Some(open_intent(entry, canonical, hash)?),
        _ => None,
    };
    let owner = match (row.try_get::<Option<&str>, _>("owner")?, row.try_get("lease_until")?) {
        (Some(owner), Some(until)) => Some((parse(owner)?, instant(until)?)),
        _ => None,
    };
    Ok(LaneRecord {
        lane: row.try_get("name")?,
        source: row.try_get("source")?,
        fence: count(row.try_get("fence")?)?,
        lane_seq: count(row.try_get("seq")?)?,
        applied: LastApplied {
            seq: count(row.try_get("applied_seq")?)?,
            rows: count(row.try_get("applied_rows")?)?,
            intent_hash: row.try_get("applied_hash")?,
        },
        open,
        owner,
    })
}

fn open_intent(entry: i64, canonical: &str, hash: String) -> Result<OpenIntent, Error> {
    let entry_seq = count(entry)?;
    let entry = Entry::from_canonical(canonical, String::new(), String::new(), Vec::new());
    match entry.map(|entry| entry.event) {
        Ok(Event::BatchIntent(batch)) => Ok(OpenIntent { batch, hash, entry_seq }),
        _ => Err(Error::Unreadable(format!("entry {entry_seq} isn't the intent of a batch"))),
    }
}

impl State {
    /// Claims a lane, creating it where it is new, and raises its fence. A lease that has ended, or whose owner was a
    /// process of this host that is gone, is taken over.
    ///
    /// # Errors
    /// [`Error::LaneBusy`] under another's live lease.
    pub async fn claim(&self, lane: &str, source: &str, owner: &Owner, lease: Duration) -> Result<Claim, Error> {
        let mut transaction = self.database.write().await?;
        // A new lane begins with a fence that no worker of a lost state can have had: it might still be paused somewhere.
        let mut first_fence = [0; 8];
        self.randomness.fill(&mut first_fence[3..]);
        query(
            "INSERT INTO lane (source, name, fence, seq, applied_seq, applied_rows, applied_hash) VALUES ($1, $2, $3, 0, 0, 0, '')
             ON CONFLICT DO NOTHING",
        )
        .bind(source)
        .bind(lane)
        .bind(i64::from_be_bytes(first_fence))
        .execute(&mut *transaction)
        .await?;
        // Locks the row: of two that claim at once the second sees the lease of the first.
        query("UPDATE lane SET fence = fence + 1 WHERE source = $1 AND name = $2")
            .bind(source)
            .bind(lane)
            .execute(&mut *transaction)
            .await?;
        let record = record(&query(LANES).bind(source).bind(lane).fetch_one(&mut *transaction).await?)?;
        if let Some((owner, until)) = record.owner
            && until > self.now()
            && !owner.is_gone()
        {
            transaction.rollback().await?;
            return Err(Error::LaneBusy { lane: lane.to_owned(), owner: Box::new(owner), until });
        }
        query("UPDATE lane SET owner = $3, lease_until = $4 WHERE source = $1 AND name = $2")
            .bind(source)
            .bind(lane)
            .bind(json(owner))
            .bind(self.lease_end(lease))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let LaneRecord { lane, source, fence, lane_seq, applied, open, .. } = record;
        Ok(Claim { lane, source, fence, lane_seq, applied, open, lease })
    }

    /// Renews the lease of a claim.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] if another has taken the lane over.
    pub async fn keep(&self, claim: &Claim) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        self.renew(&mut transaction, claim).await?;
        Ok(transaction.commit().await?)
    }

    /// Enters the outcome of the open intent.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]; [`Error::Unsettled`] if none is open.
    pub async fn settled(&self, claim: &mut Claim, outcome: Settled) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        self.renew(&mut transaction, claim).await?;
        let after = self.enter_outcome(&mut transaction, claim, outcome).await?;
        transaction.commit().await?;
        *claim = after;
        Ok(())
    }

    /// Enters the outcome of the batch before (`Some(rows)`: it committed) and the next intent, and renews the lease:
    /// one transaction. Source, lane, number and fence of `intent` are filled in from the claim.
    ///
    /// # Errors
    /// [`Error::LeaseLost`]; [`Error::Unsettled`] if `outcome_of_previous` doesn't fit what is open.
    pub async fn intend(&self, claim: &mut Claim, outcome_of_previous: Option<u64>, intent: Batch) -> Result<Intended, Error> {
        self.intend_with(claim, outcome_of_previous, intent, &[], Within::Alone).await
    }

    /// The same with the digests of what the batch takes, and the sums that it adds to: they are there exactly if the intent is.
    ///
    /// # Errors
    /// As [`State::intend`]; where the sweep is shared [`Error::Beyond`] and [`Error::WalkEnded`], and nothing is entered.
    pub async fn intend_with(
        &self,
        claim: &mut Claim,
        outcome_of_previous: Option<u64>,
        intent: Batch,
        leaves: &[String],
        within: Within,
    ) -> Result<Intended, Error> {
        let mut transaction = self.database.write().await?;
        self.renew(&mut transaction, claim).await?;
        let workers = match within {
            Within::Alone => 1,
            Within::Shared { most } => self.add_to_walk(&mut transaction, &intent, most).await?,
        };
        let mut after = match outcome_of_previous {
            Some(rows) => self.enter_outcome(&mut transaction, claim, Settled::Applied { rows }).await?,
            None if claim.open.is_none() => claim.clone(),
            None => return Err(claim.unsettled("its last intent has no outcome yet")),
        };
        let lane_seq = after.lane_seq + 1;
        let batch = Batch { source: claim.source.clone(), lane: claim.lane.clone(), lane_seq, fence: claim.fence, ..intent };
        self.write_leaves(&mut transaction, &batch, leaves).await?;
        let entry = self.append_in(&mut transaction, |_| Event::BatchIntent(batch.clone())).await?;
        self.owe(&mut transaction, &batch, entry.seq).await?;
        let opened = query("UPDATE lane SET open_entry = $3 WHERE source = $1 AND name = $2 AND open_entry IS NULL")
            .bind(&claim.source)
            .bind(&claim.lane)
            .bind(stored(entry.seq)?)
            .execute(&mut *transaction)
            .await?;
        claim.is_up_to_date(opened.rows_affected())?;
        let gate = gate_in(&mut transaction, &claim.source).await?;
        transaction.commit().await?;
        after.open = Some(OpenIntent { batch, hash: entry.hash.clone(), entry_seq: entry.seq });
        *claim = after;
        Ok(Intended { hash: entry.hash, lane_seq, gate, workers })
    }

    /// Enters the outcome of the last batch, if there was one.
    ///
    /// # Errors
    /// As [`State::intend`].
    pub async fn finish(&self, claim: &mut Claim, outcome_of_previous: Option<u64>) -> Result<(), Error> {
        match outcome_of_previous {
            Some(rows) => self.settled(claim, Settled::Applied { rows }).await,
            None if claim.open.is_none() => Ok(()),
            None => Err(claim.unsettled("its last intent has no outcome yet")),
        }
    }

    /// Gives the lane up. An intent that is open stays so, for the next claim to settle.
    ///
    /// # Errors
    /// [`Error::Database`]. Losing the lease before is no error.
    pub async fn release(&self, claim: Claim) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        query("UPDATE lane SET owner = NULL, lease_until = NULL WHERE source = $1 AND name = $2 AND fence = $3")
            .bind(&claim.source)
            .bind(&claim.lane)
            .bind(stored(claim.fence)?)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// All lanes, by source and name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn lanes(&self) -> Result<Vec<LaneRecord>, Error> {
        self.lanes_of("").await
    }

    /// The lanes of a source whose last intent is open.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn open_intents(&self, source: &str) -> Result<Vec<LaneRecord>, Error> {
        let mut lanes = self.lanes_of(source).await?;
        lanes.retain(|lane| lane.open.is_some());
        Ok(lanes)
    }

    async fn lanes_of(&self, source: &str) -> Result<Vec<LaneRecord>, Error> {
        let rows = query(LANES).bind(source).bind("").fetch_all(&mut *self.database.read().await?).await?;
        rows.iter().map(record).collect()
    }

    /// Forgets what the lanes of a source said, because it is another database now, or an older one. Numbers and fences
    /// go on from where they are; whoever works there loses its lease.
    pub(in super::super) async fn reset_lanes(&self, connection: &mut AnyConnection, source: &str) -> Result<(), Error> {
        query("UPDATE lane SET fence = fence + 1, owner = NULL, lease_until = NULL WHERE source = $1")
            .bind(source)
            .execute(&mut *connection)
            .await?;
        let rows = query(LANES).bind(source).bind("").fetch_all(&mut *connection).await?;
        for lane in rows.iter().map(record) {
            let LaneRecord { lane, mut lane_seq, open, .. } = lane?;
            if let Some(OpenIntent { batch, .. }) = open {
                lane_seq = batch.lane_seq;
                let reason = ADOPTED_MEANWHILE.to_owned();
                self.append_in(connection, |_| Event::BatchAbandoned { batch, reason }).await?;
            }
            query(
                "UPDATE lane SET seq = $3, applied_seq = 0, applied_rows = 0, applied_hash = '', open_entry = NULL
                 WHERE source = $1 AND name = $2",
            )
            .bind(source)
            .bind(lane)
            .bind(stored(lane_seq)?)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }

    /// Locks the lane's row and renews the lease, if the lane is still the claim's: nobody took it over, even if the
    /// lease ended.
    pub(super) async fn renew(&self, connection: &mut AnyConnection, claim: &Claim) -> Result<(), Error> {
        let renewed = query("UPDATE lane SET lease_until = $4 WHERE source = $1 AND name = $2 AND fence = $3 AND owner IS NOT NULL")
            .bind(&claim.source)
            .bind(&claim.lane)
            .bind(stored(claim.fence)?)
            .bind(self.lease_end(claim.lease))
            .execute(connection)
            .await?;
        if renewed.rows_affected() == 1 { Ok(()) } else { Err(Error::LeaseLost { lane: claim.lane.clone() }) }
    }

    /// Enters an outcome; returns the claim as it is once the transaction has committed.
    async fn enter_outcome(&self, connection: &mut AnyConnection, claim: &Claim, outcome: Settled) -> Result<Claim, Error> {
        let mut after = claim.clone();
        let open = after.open.take().ok_or_else(|| claim.unsettled("it has no open intent to settle"))?;
        after.lane_seq = open.batch.lane_seq;
        let event = match outcome {
            Settled::Applied { rows } => {
                after.applied = LastApplied { seq: open.batch.lane_seq, rows, intent_hash: open.hash };
                Event::BatchApplied(Batch { rows, ..open.batch })
            }
            Settled::Abandoned { reason } => {
                self.take_from_walk(connection, &open.batch).await?;
                self.remove_leaves(connection, &open.batch).await?;
                Event::BatchAbandoned { batch: open.batch, reason }
            }
        };
        let closed = query(
            "UPDATE lane SET seq = $3, applied_seq = $4, applied_rows = $5, applied_hash = $6, open_entry = NULL
             WHERE source = $1 AND name = $2 AND open_entry = $7",
        )
        .bind(&claim.source)
        .bind(&claim.lane)
        .bind(stored(after.lane_seq)?)
        .bind(stored(after.applied.seq)?)
        .bind(stored(after.applied.rows)?)
        .bind(&after.applied.intent_hash)
        .bind(stored(open.entry_seq)?)
        .execute(&mut *connection)
        .await?;
        claim.is_up_to_date(closed.rows_affected())?;
        self.append_in(connection, |_| event).await?;
        Ok(after)
    }

    fn lease_end(&self, lease: Duration) -> i64 {
        micros(self.now().checked_add(lease).unwrap_or(Timestamp::MAX))
    }
}

impl Claim {
    fn unsettled(&self, what: &'static str) -> Error {
        Error::Unsettled { lane: self.lane.clone(), what }
    }

    /// Whether the statement found the intent open that this claim says is. It does not after an answer was lost: the
    /// transaction before had committed, and its caller was told that it failed.
    fn is_up_to_date(&self, changed: u64) -> Result<(), Error> {
        if changed == 1 {
            Ok(())
        } else {
            Err(self.unsettled("another intent is open than this process knows of; the next sweep settles it"))
        }
    }
}
