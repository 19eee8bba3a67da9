//! Sweeping: one rule over one table, in batches, to one outcome.
//!
//! [`prepare`] plans all rules of a source, [`count`] counts, [`guard`] and [`approval`] ask whether a person must be asked, and
//! [`Sweeper::sweep`] claims the lane, settles what was left open, and lets the sweep take its `course`: walk, and pass each
//! range through the doorway in [`batch`]. [`gate`] and [`settle`] carry the proofs of laws 2 and 7. There are no retries beyond the
//! batch: the next sweep is the retry.

pub mod approval;
pub mod archiving;
pub mod batch;
pub mod blast;
pub mod count;
mod course;
pub mod coverage;
mod dates;
pub mod dependents;
pub mod dragged;
pub mod elsewhere;
pub mod evidence;
pub mod expiry;
pub mod form;
pub mod gate;
pub mod guard;
pub mod identity;
pub mod lag;
mod matching;
pub mod obstacle;
pub mod pace;
pub mod partitions;
pub mod plan;
pub mod prepare;
pub mod relatives;
pub mod residue;
pub mod settle;
pub mod stop;
pub mod suppress;
pub mod time;
mod vacuum;
pub mod view;
pub mod waits;
pub mod walk;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use self::{
    approval::Leave,
    archiving::Archiver,
    batch::{Doorway, Hand},
    course::Course,
    guard::Request,
    obstacle::{Obstacle, Outcome, Reason},
    pace::Throttle,
    prepare::{Ready, Target},
    residue::ResidueReport,
    settle::Recovered,
    stop::StopSignal,
    walk::Share,
};
use crate::{
    clock::SharedClock,
    config::Config,
    fault, ledger,
    policy::Rule,
    sql::{
        selection::{Counts, EndTest},
        statement,
    },
    state::{Claim, GateNumbers, Owner, State, SweepEnd, SweepStart},
};

/// How long a claim on a lane lasts without a sign of life. It prevents double work only; safety never rests on it.
pub const LEASE: Duration = Duration::from_secs(30);

/// How long a claim lasts here: [`LEASE`], unless a test wants less.
fn lease() -> Duration {
    fault::lease().unwrap_or(LEASE)
}

/// Told of each batch, so that a person can watch.
pub trait Observer: Send + Sync {
    /// A sweep of the rule begins; `due` where it was counted.
    fn started(&self, rule: &Rule, due: Option<u64>);
    /// A batch committed.
    fn batch(&self, rule: &Rule, batch: &BatchDone);
    /// A batch of before was found to have committed.
    fn recovered(&self, recovered: &Recovered);
    /// The sweep waits before its next batch.
    fn throttled(&self, rule: &Rule, why: Throttle, time: Duration);
    /// How far the slowest replica of the rule's source is behind; `None`: that can't be told.
    fn replica_lag(&self, rule: &Rule, lag: Option<Duration>);
    /// The sweep of the rule ended.
    fn ended(&self, rule: &Rule, ended: &Ended);
}

/// A batch that committed, or would have in a dry run.
#[derive(Debug, Clone, Copy)]
pub struct BatchDone {
    /// Rows of the rule's own table.
    pub rows: u64,
    /// The sum of the sweep so far.
    pub acted: u64,
    /// From begin to commit.
    pub took: Duration,
}

/// What became of the opt-outs of rows that went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct OptOuts {
    /// Rows that went and had no address.
    pub without_address: u64,
    /// Rows that stay due, because the database would not take their opt-outs.
    pub refused: Vec<RefusedOptOut>,
}

/// A row that stays.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, Deserialize)]
pub struct RefusedOptOut {
    /// Its key; `None`: nothing names it. For people who look after the database: never in a ledger or metric.
    pub row: Option<String>,
    /// The database's words.
    pub why: String,
}

/// How a sweep of one rule ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    pub outcome: Outcome,
    /// Why, for every outcome but `complete` and `nothing_due`.
    pub obstacle: Option<Obstacle>,
    /// Rows of the rule's own table.
    pub acted: u64,
    /// Rows of dependents.
    pub dragged: u64,
    pub batches: u64,
    pub duration: Duration,
    /// What became of their opt-outs; absent where the rule leaves none.
    pub opt_outs: Option<OptOuts>,
    /// What became of what they left behind; absent where the rule says nothing of it.
    pub residue: Option<ResidueReport>,
}

impl Ended {
    /// Says how it ended; at a level that a command, which prints a report, does not show.
    fn log(&self) {
        let Self { outcome, obstacle, acted, dragged, batches, duration, opt_outs: _, residue: _ } = self;
        let (reason, message) = match obstacle {
            Some(obstacle) => (Some(obstacle.reason.name()), Some(obstacle.message.as_str())),
            None => (None, None),
        };
        let seconds = duration.as_secs_f64();
        tracing::info!(outcome = outcome.name(), reason, message_for_people = message, acted, dragged, batches, seconds, "the sweep ended");
    }

    /// A sweep that never began.
    pub fn before_it_began(obstacle: Obstacle) -> Self {
        Self {
            outcome: obstacle.reason.outcome(),
            obstacle: Some(obstacle),
            acted: 0,
            dragged: 0,
            batches: 0,
            duration: Duration::ZERO,
            opt_outs: None,
            residue: None,
        }
    }
}

/// Sweeps the rules of one source.
pub struct Sweeper<'a> {
    pub config: &'a Config,
    pub state: &'a State,
    pub target: &'a Target,
    /// All rules of the configuration.
    pub rules: &'a [Rule],
    pub owner: &'a Owner,
    pub clock: &'a SharedClock,
    pub keys: &'a crate::secret::Keys,
    pub request: &'a Request,
    pub stop: &'a StopSignal,
    pub observer: &'a dyn Observer,
}

/// What a sweep has done so far.
#[derive(Debug, Default)]
struct Progress {
    acted: u64,
    dragged: u64,
    batches: u64,
    opt_outs: OptOuts,
}

impl Sweeper<'_> {
    /// Sweeps one rule to an outcome.
    pub async fn sweep(&self, rule: &Rule, ready: &Ready, counts: Option<&Counts>) -> Ended {
        let started = Instant::now();
        let mut progress = Progress::default();
        self.observer.started(rule, counts.map(|counts| counts.due));
        // The sweep's id is filled in when the state has given one: before that nothing has happened.
        let span = tracing::info_span!("sweep", sweep = tracing::field::Empty, rule = %rule.id, source = rule.source);
        let result = self.guarded_sweep(rule, ready, counts, &mut progress).instrument(span.clone()).await;
        let residue = residue::after(self, rule, ready, progress.acted, result.as_ref().err());
        let residue = residue.instrument(span.clone()).await;
        let (outcome, obstacle) = match result {
            Ok(()) if progress.acted == 0 => (Outcome::NothingDue, None),
            Ok(()) => (Outcome::Complete, None),
            Err(obstacle) => (obstacle.reason.outcome(), Some(obstacle)),
        };
        let Progress { acted, dragged, batches, opt_outs } = progress;
        let opt_outs = rule.suppress.as_ref().map(|_| opt_outs);
        let ended = Ended { outcome, obstacle, acted, dragged, batches, duration: started.elapsed(), opt_outs, residue };
        span.in_scope(|| ended.log());
        self.observer.ended(rule, &ended);
        ended
    }

    async fn guarded_sweep(&self, rule: &Rule, ready: &Ready, counts: Option<&Counts>, progress: &mut Progress) -> Result<(), Obstacle> {
        // Whatever the rule would do: what it protects can't be told either.
        if let Some(counts) = counts {
            guard::plausible(rule, counts.implausible, counts.total)?;
        }
        let Some(act) = &ready.planned.act else { return Ok(()) };
        guard::mode(rule)?;
        guard::window(rule, &self.target.config, &self.config.timezone, self.clock.now(), self.request)?;
        self.not_paused(rule).await?;
        // Copies were made under what was approved then, so nobody has to be asked again.
        if let Some(copies) = ready.copies.as_ref().filter(|_| !self.request.dry_run) {
            expiry::sweep(self, rule, copies, &ready.planned.selection.held.scopes).await?;
        }
        let leave = approval::leave(self.state, rule, ready, counts, self.request).await?;
        if counts.is_some_and(|counts| counts.due == 0) {
            if leave.approved && !self.request.dry_run {
                self.state.spend_approval(rule.id.as_str()).await?;
            }
            return Ok(());
        }
        fault::point("claim.before");
        let claim = self.state.claim(&lane_of(rule), &rule.source, self.owner, lease()).await?;
        fault::point("claim.done");
        self.sweep_lane(rule, ready, act, counts, leave, claim, progress).await
    }

    /// Asked before every batch, because a person who pauses means the batches to come.
    async fn not_paused(&self, rule: &Rule) -> Result<(), Obstacle> {
        guard::not_paused(self.state.pause_of(rule.id.as_str(), &rule.source).await?.as_ref())
    }

    /// From the claimed lane to its release: settle, sweep, and write what was left unrecorded, whatever happens.
    #[expect(clippy::too_many_arguments, reason = "the whole of one sweep, named")]
    async fn sweep_lane(
        &self,
        rule: &Rule,
        ready: &Ready,
        act: &crate::sql::selection::Act,
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
        let table = selection.table.table.clone();
        let cutoff = selection.end.as_ref().and_then(EndTest::cutoff);
        let sweep = if self.request.dry_run {
            String::new()
        } else {
            let start = SweepStart {
                rule: rule.id.to_string(),
                source: rule.source.clone(),
                table: table.clone(),
                action: rule.action.name().to_owned(),
                cutoff,
                rule_digest: ready.digest.clone(),
            };
            let sweep = self.state.sweep_started(start).await?;
            tracing::Span::current().record("sweep", &sweep);
            tracing::info!("the sweep begins");
            sweep
        };
        fault::point("sweep.started");
        let door = Doorway {
            state: self.state.clone(),
            engine: self.target.engine.clone(),
            buckets: self.target.buckets.clone(),
            intent: ledger::Batch {
                sweep: sweep.clone(),
                rule: rule.id.to_string(),
                source: rule.source.clone(),
                table,
                action: rule.action.name().to_owned(),
                rows: 0,
                dragged: 0,
                lane: String::new(),
                lane_seq: 0,
                fence: 0,
                epoch: 0,
                cutoff,
                rule_digest: ready.digest.clone(),
                statement_digest: match &ready.planned.opt_out {
                    Some(opt_out) => statement::digest_with_opt_outs(selection, opt_out),
                    None => statement::digest(selection, act),
                },
                partition: None,
                without_address: None,
                archive: None,
                residue: residue::asked(rule, selection),
                evidence: None,
            },
            selection: Arc::new(selection.clone()),
            act: Arc::new(act.clone()),
            opt_out: ready.planned.opt_out.clone().map(Arc::new),
            archiver: ready.copies.clone().map(|copies| Arc::new(Archiver::new(copies, self.clock.clone(), self.state))),
            digests: ready.digests.clone().map(Arc::new),
            dry_run: self.request.dry_run,
            most: self.target.config.limits.narrowed(&rule.limits).max_batch_rows,
            at_most: None,
        };
        let hand = Hand { claim, unrecorded: None, numbers };
        let share = match counts {
            Some(counts) => Some(counts.into()),
            None => self.guess(ready).await,
        };
        let (hand, result) = match Course::new(self, rule, ready, counts, share, leave, door) {
            Ok(course) => course.run(ready, hand, progress).await,
            Err(obstacle) => (Some(hand), Err(obstacle)),
        };
        let Some(mut hand) = hand else { return result };
        fault::point("outcome.before");
        // What ended the sweep comes before what could not be recorded because of it.
        let result = result.and(self.record_last(&mut hand).await);
        fault::point("outcome.recorded");
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

    /// How much of the table the database takes for due where nothing was counted. One that can't be asked now will say so
    /// to the first batch.
    async fn guess(&self, ready: &Ready) -> Option<Share> {
        let of = ready.estimated_rows?;
        let due = self.target.engine.guess_ended(&ready.planned.selection).await.ok()??;
        Some(Share { due, of })
    }

    /// What comes before the first batch in a claimed lane.
    async fn enter(&self, rule: &Rule, claim: &mut Claim) -> Result<GateNumbers, Obstacle> {
        if let Some(occurrence) = self.request.answers
            && self.state.last_successes().await?.get(rule.id.as_str()).is_some_and(|swept| *swept >= occurrence)
        {
            return Err(Obstacle::new(Reason::AnotherWorker, "another process has swept it since it was due"));
        }
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
    async fn record_last(&self, hand: &mut Hand) -> Result<(), Obstacle> {
        let unknown = hand.unrecorded.is_none() && hand.claim.open.is_some();
        if unknown { Ok(()) } else { Ok(self.state.finish(&mut hand.claim, hand.unrecorded).await?) }
    }

    /// Reads the state again after a batch met a gate at `epoch`, and writes to the source what it lacks.
    async fn reload(&self, rule: &Rule, epoch: u64) -> Result<GateNumbers, Obstacle> {
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
    async fn refrozen(&self, rule: &Rule) -> Option<crate::sql::selection::Selection> {
        let tomorrow = self.clock.now() + SignedDuration::from_hours(24);
        let prepared = prepare::prepare(self.target, self.rules, self.keys, tomorrow).await.ok()?;
        let again = prepared.into_iter().find(|one| one.rule.id == rule.id)?;
        again.outcome.ok().map(|ready| ready.planned.selection)
    }
}

/// The lane of a rule's sweeps in its source.
pub fn lane_of(rule: &Rule) -> String {
    rule.id.to_string()
}
