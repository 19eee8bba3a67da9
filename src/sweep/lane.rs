//! The lane of a sweep, from its claim to its release: settle, walk, and write what was left unrecorded, whatever happens.
//!
//! A rule has a lane of its own in its source, and one more for each process that joins whoever sweeps it: in each there is one
//! worker with one open intent at most, and what [`settle`] proves holds for each by itself.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{
    Progress, Sweeper,
    approval::Leave,
    archiving::{self, Archiver},
    batch::{Doorway, Hand},
    course::Course,
    gate,
    obstacle::{Obstacle, Outcome, Reason},
    prepare::{self, Ready},
    residue, settle,
    shared::{self, Sharing},
    walk::Share,
};
use crate::{
    fault, ledger,
    policy::Rule,
    sql::{
        selection::{Act, Counts, EndTest, Selection},
        statement,
    },
    state::{Claim, GateNumbers, SweepEnd, SweepStart},
};

/// Between a rule's id, which has no blank, and the number of a further lane.
const FURTHER: &str = " #";

/// The lane of whoever begins a sweep of a rule in its source.
pub fn lane_of(rule: &Rule) -> String {
    rule.id.to_string()
}

/// The lane of another who joins, from 2 on.
pub(super) fn further_lane(rule: &Rule, number: u64) -> String {
    format!("{}{FURTHER}{number}", rule.id)
}

/// The rule whose lane it is.
pub fn rule_of(lane: &str) -> &str {
    lane.split_once(FURTHER).map_or(lane, |(rule, _)| rule)
}

impl Sweeper<'_> {
    /// A sweep of its own in the claimed lane.
    #[expect(clippy::too_many_arguments, reason = "the whole of one sweep, named")]
    pub(super) async fn sweep_lane(
        &self,
        rule: &Rule,
        ready: &Ready,
        act: &Act,
        counts: Option<&Counts>,
        leave: Leave,
        mut claim: Claim,
        progress: &mut Progress,
    ) -> Result<(), Obstacle> {
        let entered = match self.enter(rule, &mut claim).await {
            Ok(numbers) => self.tidy(rule, ready, &claim).await.map(|()| numbers),
            Err(obstacle) => Err(obstacle),
        };
        let numbers = match entered {
            Ok(numbers) => numbers,
            Err(obstacle) => {
                // A daemon lives on, and its own lease would be in its way.
                self.state.release(claim).await?;
                return Err(obstacle);
            }
        };
        let selection = &ready.planned.selection;
        let sweep = if self.request.dry_run {
            String::new()
        } else {
            let start = SweepStart {
                rule: rule.id.to_string(),
                source: rule.source.clone(),
                table: selection.table.table.clone(),
                action: rule.action.name().to_owned(),
                cutoff: selection.end.as_ref().and_then(EndTest::cutoff),
                rule_digest: ready.digest.clone(),
            };
            let sweep = self.state.sweep_started(start).await?;
            tracing::Span::current().record("sweep", &sweep);
            tracing::info!("the sweep begins");
            sweep
        };
        fault::point("sweep.started");
        let share = match counts {
            Some(counts) => Some(counts.into()),
            None => self.guess(ready).await,
        };
        let sharing = if shared::may_be_joined(self, ready) { Sharing::Offered } else { Sharing::Alone };
        let is_offered = matches!(sharing, Sharing::Offered);
        let hand = Hand { claim, unrecorded: None, numbers, workers: 1 };
        let door = self.doorway(rule, ready, act, &sweep);
        let (hand, result) = match Course::new(self, rule, ready, counts, share, leave, door, sharing) {
            Ok(course) => course.run(ready, hand, progress).await,
            Err(obstacle) => (Some(hand), Err(obstacle)),
        };
        let Some(mut hand) = hand else { return result };
        fault::point("outcome.before");
        // What ended the sweep comes before what could not be recorded because of it.
        let mut result = result.and(self.record_last(&mut hand).await);
        fault::point("outcome.recorded");
        if is_offered {
            // Nobody who joined begins another batch.
            match self.state.end_walk(&hand.claim, &sweep).await {
                Ok(Some(sums)) => (progress.acted, progress.dragged, progress.batches) = (sums.acted, sums.dragged, sums.batches),
                Ok(None) => {}
                Err(error) => result = result.and(Err(error.into())),
            }
        }
        if !self.request.dry_run {
            let obstacle = result.as_ref().err();
            let outcome = match obstacle {
                Some(obstacle) => obstacle.reason.outcome(),
                None if progress.acted == 0 => Outcome::NothingDue,
                None => Outcome::Complete,
            };
            let end = SweepEnd {
                rows: progress.acted,
                dragged: progress.dragged,
                batches: progress.batches,
                outcome: outcome.name(),
                reason: obstacle.map(|obstacle| obstacle.message.clone()),
            };
            self.state.sweep_ended(&sweep, end).await?;
        }
        self.state.release(hand.claim).await?;
        fault::point("sweep.ended");
        result
    }

    /// What every batch of a sweep passes.
    pub(super) fn doorway(&self, rule: &Rule, ready: &Ready, act: &Act, sweep: &str) -> Doorway {
        let selection = &ready.planned.selection;
        Doorway {
            state: self.state.clone(),
            engine: self.target.engine.clone(),
            buckets: self.target.buckets.clone(),
            intent: ledger::Batch {
                sweep: sweep.to_owned(),
                rule: rule.id.to_string(),
                source: rule.source.clone(),
                table: selection.table.table.clone(),
                action: rule.action.name().to_owned(),
                cutoff: selection.end.as_ref().and_then(EndTest::cutoff),
                rule_digest: ready.digest.clone(),
                statement_digest: match &ready.planned.opt_out {
                    Some(opt_out) => statement::digest_with_opt_outs(selection, opt_out),
                    None => statement::digest(selection, act),
                },
                residue: residue::asked(rule, selection),
                ..ledger::Batch::default()
            },
            selection: Arc::new(selection.clone()),
            act: Arc::new(act.clone()),
            opt_out: ready.planned.opt_out.clone().map(Arc::new),
            archiver: ready.copies.clone().map(|copies| Arc::new(Archiver::new(copies, self.clock.clone(), self.state))),
            digests: ready.digests.clone().map(Arc::new),
            dry_run: self.request.dry_run,
            most: self.target.config.limits.narrowed(&rule.limits).max_batch_rows,
            at_most: None,
            is_shared: false,
        }
    }

    /// How much of the table the database takes for due where nothing was counted. One that can't be asked now will say so
    /// to the first batch.
    async fn guess(&self, ready: &Ready) -> Option<Share> {
        let of = ready.estimated_rows?;
        let due = self.target.engine.guess_ended(&ready.planned.selection).await.ok()??;
        Some(Share { due, of })
    }

    /// What comes before the first batch in a claimed lane.
    pub(super) async fn enter(&self, rule: &Rule, claim: &mut Claim) -> Result<GateNumbers, Obstacle> {
        if let Some(occurrence) = self.request.answers
            && self.state.last_successes().await?.get(rule.id.as_str()).is_some_and(|swept| *swept >= occurrence)
        {
            return Err(Obstacle::new(Reason::AnotherWorker, "another process has swept it since it was due"));
        }
        self.settle(rule, claim).await
    }

    /// Settles what was left open in a claimed lane, and brings the source's holds up to date.
    pub(super) async fn settle(&self, rule: &Rule, claim: &mut Claim) -> Result<GateNumbers, Obstacle> {
        let verdict = settle::settle(self.state, &*self.target.engine, &self.target.buckets, claim).await?;
        verdict.recovered(&claim.lane).iter().for_each(|recovered| self.observer.recovered(recovered));
        gate::synchronise(self.state, &*self.target.engine, &rule.source, &self.categories(), gate::PATIENCE).await
    }

    /// Removes what earlier claims have left in the archive.
    async fn tidy(&self, rule: &Rule, ready: &Ready, claim: &Claim) -> Result<(), Obstacle> {
        match &ready.copies {
            Some(copies) if !self.request.dry_run => archiving::tidy(copies, claim, rule.id.as_str(), self.state).await,
            _ => Ok(()),
        }
    }

    /// Enters the outcome of the last batch. One that could not be learnt, because the source could not be asked, leaves
    /// its intent open: the next claim of the lane settles it.
    pub(super) async fn record_last(&self, hand: &mut Hand) -> Result<(), Obstacle> {
        let unknown = hand.unrecorded.is_none() && hand.claim.open.is_some();
        if unknown { Ok(()) } else { Ok(self.state.finish(&mut hand.claim, hand.unrecorded).await?) }
    }

    /// Reads the state again after a batch met a gate at `epoch`, and writes to the source what it lacks.
    pub(super) async fn reload(&self, rule: &Rule, epoch: u64) -> Result<GateNumbers, Obstacle> {
        let numbers = gate::synchronise(self.state, &*self.target.engine, &rule.source, &self.categories(), gate::PATIENCE).await?;
        // A place raises the wanted epoch before the gate, so a state read after the gate can't be behind it.
        if epoch > numbers.wanted {
            return Err(Obstacle::new(
                Reason::StateBehind,
                format!(
                    "source `{}` has seen holds that the state does not know: the state is older than the source; \
                     `retentiond state adopt --source {}` goes on from here, with a reason",
                    rule.source, rule.source
                ),
            ));
        }
        Ok(numbers)
    }

    /// What a hold by category reaches in the source.
    fn categories(&self) -> Vec<String> {
        prepare::categories(self.rules, &self.target.config.name)
    }

    /// The seeded fault `cutoff-refrozen`: plans again for each batch, as if a day had passed since the sweep began.
    pub(super) async fn refrozen(&self, rule: &Rule) -> Option<Selection> {
        let tomorrow = self.clock.now() + SignedDuration::from_hours(24);
        let prepared = prepare::prepare(self.target, self.rules, self.keys, tomorrow).await.ok()?;
        let again = prepared.into_iter().find(|one| one.rule.id == rule.id)?;
        again.outcome.ok().map(|ready| ready.planned.selection)
    }
}
