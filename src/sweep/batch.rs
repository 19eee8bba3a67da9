//! The doorway: the one place where rows change.
//!
//! 1. begin, with every limit set on the server, and take the gate shared;
//! 2. read the gate's epoch in a later statement and compare it with the state;
//! 3. act: the statement restates the whole predicate, holds included;
//! 4. write the outcome of the batch before and the intent of this one to the ledger, durably;
//! 5. mark the lane;
//! 6. commit; anything but success is *unknown* and is settled.
//!
//! A batch runs in a task of its own to its end: it is never cancelled, because a cancelled `begin` can leave a pooled
//! connection inside a transaction that nobody ends (sqlx #4385, #4393).

use std::sync::Arc;

use tracing::Instrument as _;

use super::{
    gate::{self, Admission},
    obstacle::{Obstacle, Reason},
    settle::{self, Verdict},
};
use crate::{
    engine::{self, Engine, LaneMark},
    fault, ledger,
    sql::selection::{Act, Range, Selection},
    state::{Claim, GateNumbers, Settled, State},
};

/// What every batch of a sweep shares.
#[derive(Clone)]
pub struct Doorway {
    pub state: State,
    pub engine: Arc<dyn Engine>,
    /// All but the lane's numbers, the rows and the epoch filled in.
    pub intent: ledger::Batch,
    pub selection: Arc<Selection>,
    pub act: Arc<Act>,
    /// The statements run and are rolled back.
    pub dry_run: bool,
    /// How many rows a person's approval still lets go; `None`: as many as are due.
    pub at_most: Option<u64>,
}

/// The lane's owner between batches: the claim, what is still to be told of the last batch, and the state's numbers.
pub struct Hand {
    pub claim: Claim,
    /// Rows of a committed batch whose outcome is not in the ledger yet; the next intent takes it along.
    pub unrecorded: Option<u64>,
    pub numbers: GateNumbers,
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// Committed, or rolled back on purpose in a dry run, or nothing was due in the range.
    Done { rows: u64 },
    /// Nothing happened: the gate has moved to this epoch, or a hold was recorded meanwhile. Read the state again and
    /// come back.
    Again { epoch: u64 },
    /// Nothing happened: the batch would have taken more rows than were approved.
    Unapproved,
    /// Nothing happened: a limit of the server was met. Come back smaller.
    Smaller { why: String },
}

/// Passes one range through the doorway, in a task that runs to its end.
///
/// # Errors
/// The [`Obstacle`] that ends the sweep. The hand comes back unless the task itself died.
pub async fn pass(door: Doorway, hand: Hand, range: Range) -> Result<(Hand, Result<Passage, Obstacle>), Obstacle> {
    let passing = async move {
        let mut hand = hand;
        let passage = run(&door, &mut hand, &range).await;
        (hand, passage)
    };
    tokio::spawn(passing.in_current_span())
        .await
        .map_err(|error| Obstacle::new(Reason::Database, format!("the batch's task ended: {error}")))
}

async fn run(door: &Doorway, hand: &mut Hand, range: &Range) -> Result<Passage, Obstacle> {
    fault::point("gate.before");
    let mut batch = match door.engine.begin().await {
        Ok(batch) => batch,
        Err(error) if error.is_transient() => return Ok(Passage::Smaller { why: error.to_string() }),
        Err(error) => return Err(error.into()),
    };
    match gate::admit(batch.epoch(), hand.numbers) {
        Admission::Enter => {}
        Admission::Reload => {
            let epoch = batch.epoch();
            roll_back(batch).await;
            return Ok(Passage::Again { epoch });
        }
        Admission::Restored => {
            roll_back(batch).await;
            return Err(Obstacle::new(
                Reason::Restored,
                format!(
                    "source `{}` has forgotten holds that it had confirmed: it was restored from a backup; \
                     `retentiond state adopt --source {}` writes them again, with a reason",
                    hand.claim.source, hand.claim.source
                ),
            ));
        }
    }
    let rows = match batch.act(&door.selection, range, &door.act).await {
        Ok(rows) => rows,
        Err(error) => {
            roll_back(batch).await;
            return if error.is_transient() { Ok(Passage::Smaller { why: error.to_string() }) } else { Err(error.into()) };
        }
    };
    fault::point("act.done");
    if rows == 0 || door.dry_run {
        roll_back(batch).await;
        return Ok(Passage::Done { rows });
    }
    if door.at_most.is_some_and(|most| rows > most) {
        roll_back(batch).await;
        return Ok(Passage::Unapproved);
    }
    commit(door, hand, batch, rows).await
}

/// Steps 4 to 6.
async fn commit(door: &Doorway, hand: &mut Hand, mut batch: Box<dyn engine::Batch>, rows: u64) -> Result<Passage, Obstacle> {
    let epoch = batch.epoch();
    let intent = ledger::Batch { rows, epoch, ..door.intent.clone() };
    if fault::seeded("intent-after-commit") {
        return commit_before_intent(door, hand, batch, intent).await;
    }
    fault::point("intent.before");
    let intended = match door.state.intend(&mut hand.claim, hand.unrecorded, intent).await {
        Ok(intended) => intended,
        Err(error) => {
            roll_back(batch).await;
            return Err(error.into());
        }
    };
    hand.unrecorded = None;
    hand.numbers = intended.gate;
    fault::point("intent.recorded");
    if intended.gate.wanted > epoch {
        // A hold was recorded that this source has not heard of: no new batch until it has.
        return abandon(door, hand, batch, "a hold was placed meanwhile").await.map(|()| Passage::Again { epoch });
    }
    let mark = LaneMark { seq: intended.lane_seq, rows, intent_hash: intended.hash };
    if let Err(error) = batch.mark(&hand.claim.lane, hand.claim.fence, &mark).await {
        abandon(door, hand, batch, "the lane could not be marked").await?;
        return if error.is_transient() { Ok(Passage::Smaller { why: error.to_string() }) } else { Err(error.into()) };
    }
    fault::point("mark.done");
    fault::point("commit.before");
    if batch.commit().await.is_ok() {
        fault::point("commit.after");
        hand.unrecorded = Some(rows);
        return Ok(Passage::Done { rows });
    }
    // Unknown, whatever the error says: only the lane knows. Our transaction has marked it, so settlement waits for its end.
    match settle::settle(&door.state, &*door.engine, &mut hand.claim).await.map_err(unknown)? {
        Verdict::Applied { rows } => Ok(Passage::Done { rows }),
        Verdict::Abandoned | Verdict::Clean => Ok(Passage::Smaller { why: "the connection was lost at COMMIT".to_owned() }),
    }
}

/// A COMMIT whose outcome can't be learnt now, because source or state can't be asked.
fn unknown(obstacle: Obstacle) -> Obstacle {
    match obstacle.reason {
        Reason::Connection | Reason::Database | Reason::State => Obstacle::new(
            obstacle.reason,
            format!("whether the last batch was committed is not known yet, the next sweep finds out: {}", obstacle.message),
        ),
        _ => obstacle,
    }
}

/// Ends an open intent whose COMMIT was never sent, so that it can't ever commit.
async fn abandon(door: &Doorway, hand: &mut Hand, batch: Box<dyn engine::Batch>, why: &str) -> Result<(), Obstacle> {
    roll_back(batch).await;
    door.state.settled(&mut hand.claim, Settled::Abandoned { reason: why.to_owned() }).await?;
    Ok(())
}

/// A transaction that is given up ends either way: an error here means that its connection was closed, and the server
/// rolls back what a closed connection left.
async fn roll_back(batch: Box<dyn engine::Batch>) {
    if let Err(error) = batch.rollback().await {
        tracing::debug!(%error, "a transaction was given up with its connection");
    }
}

/// The seeded fault `intent-after-commit`.
async fn commit_before_intent(
    door: &Doorway,
    hand: &mut Hand,
    mut batch: Box<dyn engine::Batch>,
    intent: ledger::Batch,
) -> Result<Passage, Obstacle> {
    let rows = intent.rows;
    let mark = LaneMark { seq: hand.claim.lane_seq + 1, rows, intent_hash: String::new() };
    batch.mark(&hand.claim.lane, hand.claim.fence, &mark).await?;
    fault::point("mark.done");
    fault::point("commit.before");
    batch.commit().await?;
    fault::point("commit.after");
    fault::point("intent.before");
    let intended = door.state.intend(&mut hand.claim, hand.unrecorded, intent).await?;
    hand.numbers = intended.gate;
    fault::point("intent.recorded");
    hand.unrecorded = Some(rows);
    Ok(Passage::Done { rows })
}
