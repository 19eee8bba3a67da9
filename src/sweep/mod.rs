//! Sweeping: one rule over one table, in batches, to one outcome.
//!
//! [`prepare`] plans all rules of a source, [`count`] counts, [`guard`] and [`approval`] ask whether a person must be asked, and
//! [`Sweeper::sweep`] claims the [`lane`], settles what was left open, and lets the sweep take its `course`: walk, and pass each
//! range through the doorway in [`batch`]; where somebody has the lane it may join, as `shared` says. [`gate`] and [`settle`] carry the
//! proofs of laws 2 and 7. There are no retries beyond the
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
pub mod lane;
mod matching;
pub mod obstacle;
pub mod pace;
pub mod partitions;
pub mod plan;
pub mod prepare;
pub mod relatives;
pub mod residue;
pub mod settle;
mod shared;
pub mod stop;
pub mod suppress;
pub mod time;
mod vacuum;
pub mod view;
pub mod waits;
pub mod walk;
mod watch;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use self::{
    guard::Request,
    lane::lane_of,
    obstacle::{Obstacle, Outcome},
    pace::Throttle,
    prepare::{Ready, Target},
    residue::ResidueReport,
    settle::Recovered,
    stop::StopSignal,
};
use crate::{
    clock::SharedClock,
    config::Config,
    fault,
    policy::Rule,
    sql::selection::Counts,
    state::{self, Owner, State},
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
    /// What the rules were planned for.
    pub as_of: Timestamp,
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
    /// It went along in another process's sweep, which does what comes after the batches.
    is_joined: bool,
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
        let residue = residue::after(self, rule, ready, &progress, result.as_ref().err());
        let residue = residue.instrument(span.clone()).await;
        let (outcome, obstacle) = match result {
            Ok(()) if progress.acted == 0 => (Outcome::NothingDue, None),
            Ok(()) => (Outcome::Complete, None),
            Err(obstacle) => (obstacle.reason.outcome(), Some(obstacle)),
        };
        let Progress { acted, dragged, batches, opt_outs, is_joined: _ } = progress;
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
        match self.state.claim(&lane_of(rule), &rule.source, self.owner, lease()).await {
            Ok(claim) => {
                fault::point("claim.done");
                self.sweep_lane(rule, ready, act, counts, leave, claim, progress).await
            }
            Err(busy @ state::Error::LaneBusy { .. }) => shared::join(self, rule, counts, leave, busy, progress).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Asked before every batch, because a person who pauses means the batches to come.
    async fn not_paused(&self, rule: &Rule) -> Result<(), Obstacle> {
        guard::not_paused(self.state.pause_of(rule.id.as_str(), &rule.source).await?.as_ref())
    }
}
