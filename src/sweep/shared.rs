//! A table that several processes sweep at once, each its own parts.
//!
//! Whoever claims the rule's lane leads the sweep: it plans, begins and ends it. Where `workers` of the source's limits allows it,
//! another process that comes to the same rule joins, in a lane of its own: it plans for the leader's instant, and goes along only
//! if that comes to the same rule and the same statement. From then on all of them take parts from one cursor in the state, and
//! walk each part as a sweep walks a table.
//!
//! **Why nothing changes for the laws.** Every batch of every worker passes the same doorway, with the whole predicate, holds and
//! gate; every worker has a lane, a fence and one open intent, which is what settlement rests on. What is shared decides only who
//! walks where. Two workers in one part, because one was taken for dead, are as two sweeps that follow each other: a row goes once.
//!
//! **Why nothing is left out.** A part is struck off by whoever walked it to its end, once the outcome of its last batch is in the ledger.
//! The leader ends the sweep when the cursor is at the table's end and no part is left; what somebody left behind who died, stopped or
//! met an error it settles, and walks again itself. It then meets by itself what stopped the other.
//!
//! **Guards.** What the workers take, and what they look at where nothing was counted, is summed in the state: each batch in the
//! transaction that writes its intent. So together they take no more rows than one would.
//!
//! The model `model_walk` explores all of this, and finds each mistake that it makes in it.
//!
//! Not shared are walks without an order, and rules that archive or keep opt-outs: what they write beside the rows is one worker's.

use std::time::Duration;

use super::{
    Progress, Sweeper,
    approval::Leave,
    batch::Hand,
    course::Course,
    lane::{further_lane, rule_of},
    lease,
    obstacle::{Obstacle, Reason},
    prepare::{Ready, prepare_around},
    settle,
    walk::Walk,
};
use crate::{
    engine, fault, ledger,
    policy::Rule,
    sql::selection::{Counts, Range, Selection, Survey, Way},
    state::{self, Bounds, SharedWalk, Sums},
};

/// A part is about so many batches: few enough that nobody waits long for the last one, and so many that the state is seldom asked.
const BATCHES_A_PART: u64 = 20;
/// How often the leader looks whether the others are done.
const LOOK: Duration = Duration::from_millis(200);

/// Whether a sweep shares its walk.
pub(super) enum Sharing {
    Alone,
    /// Others may join, once the walk begins.
    Offered,
    Joined(Shared),
}

/// A worker's view of a shared walk.
pub(super) struct Shared {
    sweep: String,
    way: Way,
    leads: bool,
    /// The part that is walked.
    part: Option<u64>,
    /// Another has walked some of it already.
    is_second_hand: bool,
    /// What was added to the sums for the range that is being looked at.
    added: Survey,
}

/// What comes after a part.
pub(super) enum Next {
    Part(Walk),
    /// The same question again after a while: others are still at work.
    Wait(Duration),
    /// The engine was in the way, perhaps of so many rows.
    Stumbled(engine::Error),
    End,
}

/// Whether others may join a sweep of the rule.
pub(super) fn may_be_joined(sweeper: &Sweeper<'_>, ready: &Ready) -> bool {
    let is_allowed = sweeper.target.config.limits.workers > 1 && !sweeper.request.dry_run;
    is_allowed && ready.copies.is_none() && ready.planned.opt_out.is_none()
}

/// A way as text: the workers of a walk take the same, or don't share it.
fn text_of(way: &Way) -> String {
    format!("{way:?}")
}

impl Sharing {
    pub fn is_joined(&self) -> bool {
        matches!(self, Self::Joined(_))
    }
}

impl Shared {
    /// Offers the sweep of a claimed lane, whose batches are as `intent` says, to others; `done`: what it has done before, in
    /// other ways.
    pub async fn offer(sweeper: &Sweeper<'_>, hand: &Hand, intent: &ledger::Batch, way: &Way, done: &Progress) -> Result<Self, Obstacle> {
        let walk = SharedWalk {
            sweep: intent.sweep.clone(),
            as_of: sweeper.as_of,
            rule_digest: intent.rule_digest.clone(),
            statement_digest: intent.statement_digest.clone(),
            way: text_of(way),
        };
        let done = Sums { acted: done.acted, dragged: done.dragged, batches: done.batches };
        let rule = rule_of(&hand.claim.lane).to_owned();
        sweeper.state.share_walk(&hand.claim, &rule, &walk, done).await?;
        Ok(Self::new(walk.sweep, way.clone(), true))
    }

    fn new(sweep: String, way: Way, leads: bool) -> Self {
        Self { sweep, way, leads, part: None, is_second_hand: false, added: Survey { rows: 0, implausible: 0 } }
    }

    /// A walk through nothing, until the first part is taken.
    pub fn before_the_first(&self) -> Walk {
        Walk::ended(self.way.clone())
    }

    /// Strikes off the part that was walked to its end, and takes another of about so many rows a batch.
    pub async fn next(&mut self, sweeper: &Sweeper<'_>, selection: &Selection, hand: &mut Hand, rows: u64) -> Result<Next, Obstacle> {
        let (state, engine) = (sweeper.state, &*sweeper.target.engine);
        if let Some(number) = self.part.take() {
            state.part_done(&mut hand.claim, hand.unrecorded, &self.sweep, number).await?;
            hand.unrecorded = None;
        }
        loop {
            let place = state.place(&self.sweep).await?;
            if place.at_end {
                return if self.leads { self.what_others_left(sweeper, hand).await } else { Ok(Next::End) };
            }
            let rest = Range { way: self.way.clone(), after: place.after.clone(), through: None };
            let rows = rows.saturating_mul(fault::batches_a_part().unwrap_or(BATCHES_A_PART));
            // The part that ends with the table is taken where nothing is left, too: then all know that it is at its end.
            let part = match engine.next_range(selection, &rest, rows).await {
                Ok(part) => part.unwrap_or(rest),
                Err(error) => return Ok(Next::Stumbled(error)),
            };
            fault::point("part.before");
            if let Some(number) = state.take_part(&hand.claim, &self.sweep, &place, part.through.as_ref()).await? {
                fault::point("part.taken");
                (self.part, self.is_second_hand) = (Some(number), false);
                return Ok(Next::Part(Walk::within(part)));
            }
        }
    }

    /// At the end of the table: a part whose worker is gone, or nothing but waiting.
    async fn what_others_left(&mut self, sweeper: &Sweeper<'_>, hand: &Hand) -> Result<Next, Obstacle> {
        let left = sweeper.state.parts_left(&self.sweep).await?;
        if left.is_empty() || fault::seeded("lost-part-ignored") {
            return Ok(Next::End);
        }
        for part in left {
            let mut lost = match sweeper.state.claim(&part.lane, &hand.claim.source, sweeper.owner, lease()).await {
                Ok(lost) => lost,
                Err(state::Error::LaneBusy { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            // What it had under way is known, and can't come later, before anything else is done there.
            let settled = settle::settle(sweeper.state, &*sweeper.target.engine, &sweeper.target.buckets, &mut lost).await;
            let lane = lost.lane.clone();
            sweeper.state.release(lost).await?;
            settled?.recovered(&lane).iter().for_each(|recovered| sweeper.observer.recovered(recovered));
            if sweeper.state.take_over(&hand.claim, &self.sweep, &part).await? {
                tracing::info!(part = part.number, lane, "a part that another worker left is walked again");
                (self.part, self.is_second_hand) = (Some(part.number), true);
                let Bounds { after, through } = part.bounds;
                return Ok(Next::Part(Walk::within(Range { way: self.way.clone(), after, through })));
            }
        }
        Ok(Next::Wait(LOOK))
    }

    /// Whether the part lies behind what this worker has walked.
    pub fn is_second_hand(&self) -> bool {
        self.is_second_hand
    }

    /// Adds what was looked at to the sums of all, and returns them. A range that comes again in another size counts once.
    pub async fn look(&mut self, sweeper: &Sweeper<'_>, hand: &Hand, here: Survey) -> Result<Survey, Obstacle> {
        let Some(part) = self.part else { return Ok(here) };
        let more = |now: u64, before: u64| now.cast_signed() - before.cast_signed();
        let (rows, implausible) = (more(here.rows, self.added.rows), more(here.implausible, self.added.implausible));
        let (rows, implausible) = sweeper.state.looked_at(&hand.claim, &self.sweep, part, rows, implausible).await?;
        self.added = here;
        Ok(Survey { rows, implausible })
    }

    /// The range was acted on: what comes next is another.
    pub fn passed(&mut self) {
        self.added = Survey { rows: 0, implausible: 0 };
    }
}

/// Joins whoever sweeps the rule, as told by `busy`, if that can be; else `busy` is what is in the way.
pub(super) async fn join(
    sweeper: &Sweeper<'_>,
    rule: &Rule,
    counts: Option<&Counts>,
    leave: Leave,
    busy: state::Error,
    progress: &mut Progress,
) -> Result<(), Obstacle> {
    let (state, target) = (sweeper.state, sweeper.target);
    if target.config.limits.workers < 2 || sweeper.request.dry_run {
        return Err(busy.into());
    }
    let Some(walk) = state.shared_walk(&rule.source, rule.id.as_str()).await? else { return Err(busy.into()) };
    let is_it = |one: &Rule| one.id == rule.id;
    let prepared = prepare_around(target, sweeper.rules, is_it, sweeper.keys, walk.as_of).await?;
    let Some(Ok(ready)) = prepared.into_iter().find(|one| is_it(&one.rule)).map(|one| one.outcome) else { return Err(busy.into()) };
    let Some(act) = &ready.planned.act else { return Err(busy.into()) };
    let door = sweeper.doorway(rule, &ready, act, &walk.sweep);
    let is_same = door.intent.rule_digest == walk.rule_digest && door.intent.statement_digest == walk.statement_digest;
    let way = ready.ways.iter().find(|way| text_of(way) == walk.way).cloned();
    let (Some(way), true) = (way, is_same && may_be_joined(sweeper, &ready)) else {
        return Err(Obstacle::new(Reason::AnotherWorker, format!("{busy}, and not in the form that it has here")));
    };
    let mut claim = None;
    for number in 2..=target.config.limits.workers {
        match state.claim(&further_lane(rule, number), &rule.source, sweeper.owner, lease()).await {
            Ok(claimed) => {
                claim = Some(claimed);
                break;
            }
            Err(state::Error::LaneBusy { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some(mut claim) = claim else { return Err(busy.into()) };
    let numbers = match sweeper.settle(rule, &mut claim).await {
        Ok(numbers) => numbers,
        Err(obstacle) => {
            state.release(claim).await?;
            return Err(obstacle);
        }
    };
    tracing::Span::current().record("sweep", &walk.sweep);
    tracing::info!(lane = claim.lane, "this process joins the sweep of another");
    progress.is_joined = true;
    let hand = Hand { claim, unrecorded: None, numbers, workers: 1 };
    let shared = Sharing::Joined(Shared::new(walk.sweep, way, false));
    let (hand, result) = match Course::new(sweeper, rule, &ready, counts, None, leave, door, shared) {
        Ok(course) => course.run(&ready, hand, progress).await,
        Err(obstacle) => (Some(hand), Err(obstacle)),
    };
    let Some(mut hand) = hand else { return result };
    let result = result.and(sweeper.record_last(&mut hand).await);
    state.release(hand.claim).await?;
    result.and(Err(Obstacle::new(Reason::Shared, "another process leads this sweep, and this one did its part")))
}
