//! The doorway: the one place where rows change.
//!
//! 0. where rows are archived, copy them ([`archiving`](super::archiving)), outside of any transaction;
//! 1. begin, with every limit set on the server, and take the gate shared;
//! 2. read the gate's epoch in a later statement and compare it with the state;
//! 3. act: the statement restates the whole predicate, holds included (of a partition that goes as a whole: every row of it
//!    is asked, and nobody can write to it from then on); what goes with the rows goes first, as `engine::drag` says;
//! 4. write the outcome of the batch before and the intent of this one to the ledger, durably;
//! 5. mark the lane (and drop what goes as a whole);
//! 6. commit; anything but success is *unknown* and is settled. The copy becomes valid.
//!
//! A batch runs in a task of its own to its end: it is never cancelled, because a cancelled `begin` can leave a pooled
//! connection inside a transaction that nobody ends (sqlx #4385, #4393).

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tracing::Instrument as _;

use super::{
    approval::Guard,
    archiving::{Archiver, Copy, NoCopy},
    evidence::{Digests, Leaves},
    gate::{self, Admission},
    obstacle::{Obstacle, Reason},
    settle::{self, Verdict},
};
use crate::{
    clock::hex,
    config::Buckets,
    engine::{
        self, Engine, LaneMark, Partition,
        drag::{Acted, act_with_dependents},
        opt_outs::{OptedOut, Refused},
    },
    fault, ledger,
    policy::Residue,
    sql::{
        opt_out::OptOut,
        selection::{Act, Cell, ColumnRef, Range, Selection, TableRef},
    },
    state::{self, Claim, GateNumbers, Settled, State, Within},
};

/// What every batch of a sweep shares.
#[derive(Clone)]
pub struct Doorway {
    pub state: State,
    pub engine: Arc<dyn Engine>,
    /// Where copies may be, besides folders.
    pub buckets: Arc<Buckets>,
    /// All but the lane's numbers, the rows and the epoch filled in.
    pub intent: ledger::Batch,
    pub selection: Arc<Selection>,
    pub act: Arc<Act>,
    /// What each row that goes leaves behind.
    pub opt_out: Option<Arc<OptOut>>,
    /// Copies the rows first.
    pub archiver: Option<Arc<Archiver>>,
    /// Digests what they take.
    pub digests: Option<Arc<Digests>>,
    /// The statements run and are rolled back.
    pub dry_run: bool,
    /// The most rows that one batch changes, those of dependents among them.
    pub most: u64,
    /// How many rows may still go, and what waits for a person beyond them; `None`: as many as are due. Where the walk is shared:
    /// how many may go in all.
    pub at_most: Option<(u64, Guard)>,
    /// Other processes walk other parts of the table.
    pub is_shared: bool,
}

/// The lane's owner between batches: the claim, what is still to be told of the last batch, and the state's numbers.
pub struct Hand {
    pub claim: Claim,
    /// Rows of a committed batch whose outcome is not in the ledger yet; the next intent takes it along.
    pub unrecorded: Option<u64>,
    pub numbers: GateNumbers,
    /// How many processes shared the walk when the last intent was written.
    pub workers: u64,
}

/// What a batch acts on.
#[derive(Debug, Clone)]
pub enum Piece {
    /// The due rows of a range.
    Rows(Range),
    /// A partition, if every row of it is due.
    Partition(Partition),
    /// Rows that were deleted once, to be put back.
    Back(Arc<Back>),
}

/// Rows that are put back.
#[derive(Debug)]
pub struct Back {
    pub table: TableRef,
    pub columns: Vec<ColumnRef>,
    pub rows: Vec<Vec<Cell>>,
}

impl Piece {
    /// Why a batch ends whose mark failed.
    fn unmarked(&self) -> &'static str {
        match self {
            Self::Rows(_) | Self::Back(_) => "the lane could not be marked",
            Self::Partition(_) => "the partition could not be had",
        }
    }
}

/// What a batch took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Rows of the rule's own table.
    pub rows: u64,
    /// Rows of other tables that went with them.
    pub dragged: u64,
    /// Rows that had no address, so that no opt-out was to be kept.
    pub without_address: u64,
}

impl Taken {
    /// Rows that nothing went with.
    pub(super) fn alone(rows: u64) -> Self {
        Self { rows, ..Self::default() }
    }
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Passage {
    /// Committed, or rolled back on purpose in a dry run, or nothing was due in the range.
    Done { taken: Taken },
    /// Nothing happened: the database would not take the opt-outs of these rows. Come back without them.
    OptOutsRefused(Vec<Refused>),
    /// Nothing happened: the gate has moved to this epoch, or a hold was recorded meanwhile. Read the state again and
    /// come back.
    Again { epoch: u64 },
    /// Nothing happened: the batch would have taken more rows than may go without a person.
    Guarded(Guard),
    /// Nothing happened: the partition can't go as a whole. Its rows may. `lasting`: nor will it, until a person does something.
    Kept { why: String, lasting: bool },
    /// Nothing happened: a limit of the server was met, perhaps because another session was in the way. Come back smaller.
    Smaller { why: String, contended: bool },
}

impl Passage {
    /// The database would not let a partition go.
    fn kept(error: &engine::Error) -> Self {
        Self::Kept { why: error.to_string(), lasting: !error.is_transient() }
    }

    /// What an error before COMMIT was sent means.
    fn failed(piece: &Piece, error: engine::Error) -> Result<Self, Obstacle> {
        if matches!(piece, Piece::Partition(_)) && !matches!(error, engine::Error::Lost(_) | engine::Error::Fenced) {
            Ok(Self::kept(&error))
        } else if error.is_transient() {
            Ok(Self::Smaller { why: error.to_string(), contended: error.is_contention() })
        } else {
            Err(error.into())
        }
    }
}

/// Passes one piece through the doorway, in a task that runs to its end.
///
/// # Errors
/// The [`Obstacle`] that ends the sweep. The hand comes back unless the task itself died.
pub async fn pass(door: Doorway, hand: Hand, piece: Piece) -> Result<(Hand, Result<Passage, Obstacle>), Obstacle> {
    let passing = async move {
        let mut hand = hand;
        let passage = run(&door, &mut hand, &piece).await;
        (hand, passage)
    };
    tokio::spawn(passing.in_current_span())
        .await
        .map_err(|error| Obstacle::new(Reason::Database, format!("the batch's task ended: {error}")))
}

/// Where rows are archived, a verified copy of them comes before the doorway.
async fn run(door: &Doorway, hand: &mut Hand, piece: &Piece) -> Result<Passage, Obstacle> {
    let (Piece::Rows(range), Some(archiver), false) = (piece, &door.archiver, door.dry_run) else {
        return enter(door, hand, piece, None).await;
    };
    let copy = match archiver.copy(door, hand.claim.fence, range).await {
        Ok(Some(copy)) => copy,
        Ok(None) => return Ok(Passage::Done { taken: Taken::default() }),
        Err(NoCopy::Source(error)) => return Passage::failed(piece, error),
        Err(NoCopy::Archive(error)) => return Err(error.into()),
    };
    let passage = enter(door, hand, piece, Some((archiver, &copy))).await;
    archiver.clear(copy, &hand.claim, &passage).await;
    passage
}

async fn enter(door: &Doorway, hand: &mut Hand, piece: &Piece, copied: Option<(&Archiver, &Copy)>) -> Result<Passage, Obstacle> {
    fault::point("gate.before");
    let mut batch = match door.engine.begin().await {
        Ok(batch) => batch,
        Err(error) => return Passage::failed(piece, error),
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
                    "source `{}` has forgotten holds that it had confirmed: it was restored from a backup, or a replica serves that lacks them; \
                     `retentiond state adopt --source {}` writes them again, with a reason",
                    hand.claim.source, hand.claim.source
                ),
            ));
        }
    }
    if door.intent.residue.as_ref().is_some_and(|residue| residue.level != Residue::Logical.name())
        && let Err(error) = batch.overwrite().await
    {
        roll_back(batch).await;
        return Passage::failed(piece, error);
    }
    let alone = |rows| (Taken::alone(rows), Vec::new(), None);
    let acted = match (piece, copied) {
        (Piece::Rows(range), None) => act(door, &mut *batch, range).await.map(Some),
        (Piece::Rows(range), Some((archiver, copy))) => match batch.delete_and_return(&door.selection, range, archiver.columns()).await {
            Ok(rows) if archiver.is_copy_of(copy, &rows) => {
                let leaves = door.digests.as_ref().map(|digests| digests.leaves(archiver.columns(), &rows));
                Ok(Some((Taken::alone(rows.len() as u64), Vec::new(), leaves)))
            }
            Ok(_) => {
                roll_back(batch).await;
                let why = "the application changed rows while they were copied to the archive".to_owned();
                return Ok(Passage::Smaller { why, contended: true });
            }
            Err(error) => Err(error),
        },
        (Piece::Partition(partition), _) => batch.take_partition(&door.selection, partition).await.map(|rows| rows.map(alone)),
        (Piece::Back(back), _) => batch.put_back(&back.table, &back.columns, &back.rows).await.map(|rows| Some(alone(rows))),
    };
    let (taken, refused, leaves) = match acted {
        Ok(Some(acted)) => acted,
        Ok(None) => {
            roll_back(batch).await;
            return Ok(Passage::Kept { why: "not every row of it is due".to_owned(), lasting: false });
        }
        Err(error) => {
            roll_back(batch).await;
            return Passage::failed(piece, error);
        }
    };
    fault::point("act.done");
    if !refused.is_empty() {
        roll_back(batch).await;
        return Ok(Passage::OptOutsRefused(refused));
    }
    let rows = taken.rows;
    if rows == 0 || door.dry_run {
        roll_back(batch).await;
        return Ok(Passage::Done { taken });
    }
    if let Some((_, guard)) = door.at_most.filter(|(most, _)| rows > *most) {
        roll_back(batch).await;
        return Ok(Passage::Guarded(guard));
    }
    commit(door, hand, batch, piece, taken, Beside { copied, leaves }).await
}

/// What of a batch is kept elsewhere.
struct Beside<'a> {
    copied: Option<(&'a Archiver, &'a Copy)>,
    leaves: Option<Leaves>,
}

/// Step 3: what was taken, the rows whose opt-outs were refused, and the digests.
async fn act(door: &Doorway, batch: &mut dyn engine::Batch, range: &Range) -> Result<(Taken, Vec<Refused>, Option<Leaves>), engine::Error> {
    match &door.digests {
        Some(digests) => digests.act(door, batch, range).await,
        None => act_on(door, batch, range).await.map(|(taken, refused)| (taken, refused, None)),
    }
}

/// What was taken, and the rows whose opt-outs were refused.
pub(super) async fn act_on(door: &Doorway, batch: &mut dyn engine::Batch, range: &Range) -> Result<(Taken, Vec<Refused>), engine::Error> {
    let selection = &door.selection;
    Ok(match &door.opt_out {
        Some(opt_out) => {
            let OptedOut { rows, without_address, refused } = batch.delete_with_opt_outs(selection, range, opt_out).await?;
            (Taken { without_address, ..Taken::alone(rows) }, refused)
        }
        None if selection.dependents.is_empty() => (Taken::alone(batch.act(selection, range, &door.act).await?), Vec::new()),
        None => {
            let Acted { rows, dragged } = act_with_dependents(batch, selection, range, &door.act, door.most).await?;
            (Taken { dragged, ..Taken::alone(rows) }, Vec::new())
        }
    })
}

/// Steps 4 to 6.
async fn commit(
    door: &Doorway,
    hand: &mut Hand,
    mut batch: Box<dyn engine::Batch>,
    piece: &Piece,
    taken: Taken,
    Beside { copied, leaves }: Beside<'_>,
) -> Result<Passage, Obstacle> {
    let Taken { rows, dragged, without_address } = taken;
    let epoch = batch.epoch();
    let without_address = door.opt_out.as_ref().map(|_| without_address);
    let mut intent = ledger::Batch { rows, dragged, epoch, without_address, ..door.intent.clone() };
    if let Piece::Partition(partition) = piece {
        intent.statement_digest = hex(&Sha256::digest(format!("drop {:?} after {}", partition.table, intent.statement_digest)));
        intent.partition = Some(partition.table.table.clone());
    }
    if let Some((_, copy)) = copied {
        intent.archive = Some(copy.archived.clone());
    }
    intent.evidence = leaves.as_ref().map(|leaves| leaves.digested.clone());
    let leaves = leaves.map(|leaves| leaves.leaves).unwrap_or_default();
    if fault::seeded("intent-after-commit") {
        return commit_before_intent(door, hand, batch, intent).await;
    }
    fault::point("intent.before");
    let within = match door.is_shared {
        true if fault::seeded("guards-not-summed") => Within::Shared { most: None },
        true => Within::Shared { most: door.at_most.map(|(most, _)| most) },
        false => Within::Alone,
    };
    let intended = match door.state.intend_with(&mut hand.claim, hand.unrecorded, intent, &leaves, within).await {
        Ok(intended) => intended,
        Err(error) => {
            roll_back(batch).await;
            return match (error, door.at_most) {
                (state::Error::Beyond { .. }, Some((_, guard))) => Ok(Passage::Guarded(guard)),
                (error, _) => Err(error.into()),
            };
        }
    };
    hand.unrecorded = None;
    hand.numbers = intended.gate;
    hand.workers = intended.workers;
    fault::point("intent.recorded");
    if intended.gate.wanted > epoch {
        // A hold was recorded that this source has not heard of: no new batch until it has.
        return abandon(door, hand, batch, "a hold was placed meanwhile").await.map(|()| Passage::Again { epoch });
    }
    let mark = LaneMark { seq: intended.lane_seq, rows, intent_hash: intended.hash };
    if let Err(error) = batch.mark(&hand.claim.lane, hand.claim.fence, &mark).await {
        abandon(door, hand, batch, piece.unmarked()).await?;
        return Passage::failed(piece, error);
    }
    fault::point("mark.done");
    if let Some((archiver, copy)) = copied.filter(|_| fault::seeded("archive-published-early")) {
        archiver.publish(copy).await?;
    }
    fault::point("commit.before");
    let Err(error) = batch.commit().await else {
        fault::point("commit.after");
        if let Some((archiver, copy)) = copied {
            // Before the outcome can be told: what is settled has a valid copy.
            archiver.publish(copy).await?;
        }
        hand.unrecorded = Some(rows);
        return Ok(Passage::Done { taken });
    };
    // Unknown, whatever the error says: only the lane knows. Our transaction has marked it, so settlement waits for its end.
    match settle::settle(&door.state, &*door.engine, &door.buckets, &mut hand.claim).await.map_err(unknown)? {
        Verdict::Applied { rows } => Ok(Passage::Done { taken: Taken { rows, ..taken } }),
        Verdict::Abandoned | Verdict::Clean => Ok(match piece {
            Piece::Rows(_) | Piece::Back(_) => Passage::Smaller { why: "the connection was lost at COMMIT".to_owned(), contended: true },
            Piece::Partition(_) => Passage::kept(&error),
        }),
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
    let (rows, dragged) = (intent.rows, intent.dragged);
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
    Ok(Passage::Done { taken: Taken { dragged, ..Taken::alone(rows) } })
}
