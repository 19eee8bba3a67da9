//! Turns what happens into metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    metrics::{HORIZONS, Metrics, RuleLabels},
    operate::{measure::Measured, report::Swept, world::World},
    policy::Rule,
    state::{Blocked, Owed, Status},
    sweep::{
        BatchDone, Ended, Observer,
        obstacle::{Obstacle, Outcome, Reason},
        pace::Throttle,
        settle::Recovered,
    },
};

/// The metrics, and what they need to remember: the rules' labels, and since when each is blocked for which reason.
pub(super) struct Recorder {
    metrics: Arc<Metrics>,
    rules: Mutex<BTreeMap<String, Followed>>,
}

struct Followed {
    labels: RuleLabels,
    blocked: Option<(Reason, Timestamp)>,
}

impl Recorder {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, rules: Mutex::default() }
    }

    /// Takes up the rules and sources of a configuration that was loaded at `now`.
    pub(super) fn follow(&self, world: &World, now: Timestamp) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let followed = world.rules.iter().map(|rule| {
            let blocked = rules.get(rule.id.as_str()).and_then(|before| before.blocked);
            (rule.id.to_string(), Followed { labels: labels(rule), blocked })
        });
        *rules = followed.collect();
        self.metrics.follow(&world.rules.iter().map(labels).collect(), world.config.sources.keys().cloned().collect());
        self.metrics.config_last_reload_successful.with_label_values::<&str>(&[]).set(1);
        self.metrics.config_last_reload_success_timestamp_seconds.with_label_values::<&str>(&[]).set(seconds(now));
    }

    /// What an earlier process, or another one, left: why a rule is not enforced, and since when.
    pub(super) fn remembered(&self, blocked: &Blocked) {
        let reason = Reason::ALL.iter().copied().find(|reason| reason.name() == blocked.reason);
        self.with(&blocked.rule, |metrics, followed| {
            if followed.blocked.is_none() {
                set_blocked(metrics, followed, reason, blocked.since);
            }
        });
    }

    /// What the state has of rules now: a sweep of another process may have found that nothing is in the way any more, and where only
    /// a sweep tells, this one would never learn it otherwise.
    pub(super) fn reconciled(&self, blocked: &[Blocked], now: Timestamp) {
        let blocked: BTreeSet<&str> = blocked.iter().map(|blocked| blocked.rule.as_str()).collect();
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, followed) in rules.iter_mut().filter(|(rule, _)| !blocked.contains(rule.as_str())) {
            if followed.blocked.is_some_and(|(reason, _)| only_a_sweep_tells(reason) && !a_count_tells(reason)) {
                set_blocked(&self.metrics, followed, None, now);
            }
        }
    }

    /// A new configuration was refused.
    pub(super) fn refused(&self) {
        self.metrics.config_last_reload_successful.with_label_values::<&str>(&[]).set(0);
    }

    /// A sweep begins.
    pub(super) fn started(&self, rule: &str) {
        self.with(rule, |metrics, followed| metrics.rules.sweep_running.set(&followed.labels, true));
    }

    /// A sweep ended; `None`: it could not be begun.
    pub(super) fn swept(&self, rule: &str, swept: Option<&Swept>, now: Timestamp) {
        self.with(rule, |metrics, followed| {
            metrics.rules.sweep_running.set(&followed.labels, false);
            let outcome = swept.map_or(Outcome::Failed, |swept| swept.outcome);
            metrics.rules.sweeps_total.add_of(&followed.labels, &outcome.name(), 1.0);
            let took = swept.map_or(0.0, |swept| swept.duration_seconds);
            metrics.rules.sweep_duration_seconds.observe(&followed.labels, took);
            let reason = swept.map_or(Some(Reason::State), |swept| swept.reason);
            // One that only made room for something else is not blocked.
            let passing = matches!(reason, Some(Reason::Shutdown | Reason::Changed | Reason::Turn | Reason::Shared));
            if !passing {
                set_blocked(metrics, followed, reason, now);
            }
        });
    }

    /// A rule was looked at without sweeping it.
    pub(super) fn looked_at(&self, rule: &str, obstacle: Option<&Obstacle>, now: Timestamp) {
        self.with(rule, |metrics, followed| {
            let known = followed.blocked.map(|(reason, _)| reason);
            match obstacle {
                Some(obstacle) => set_blocked(metrics, followed, Some(obstacle.reason), now),
                None if known.is_some_and(only_a_sweep_tells) => {}
                None => set_blocked(metrics, followed, None, now),
            }
        });
    }

    /// A rule was counted.
    pub(super) fn measured(&self, measured: &Measured) {
        self.with(&measured.rule, |metrics, followed| {
            let rows = measured.rows;
            let states = [
                ("outside", rows.outside),
                ("done", rows.done),
                ("undated", rows.undated),
                ("running", rows.running),
                ("held", rows.held),
                ("protected", rows.protected),
                ("due", rows.due),
            ];
            for (state, rows) in states {
                metrics.rules.rows.set_of(&followed.labels, state, number(rows));
            }
            for ((within, _), rows) in HORIZONS.iter().zip(measured.coming_due.iter().flatten()) {
                metrics.rules.rows_coming_due.set_of(&followed.labels, within, number(*rows));
            }
            metrics.rules.rows_measured_timestamp_seconds.set(&followed.labels, seconds(measured.at));
            let oldest = measured.oldest_overdue.as_secs_f64();
            metrics.rules.oldest_overdue_seconds.set(&followed.labels, oldest);
            let known = followed.blocked.map(|(reason, _)| reason);
            match &measured.blocked {
                Some(obstacle) if known.is_none() => set_blocked(metrics, followed, Some(obstacle.reason), measured.at),
                // Counted anew, the rule is within its bounds again.
                None if known.is_some_and(a_count_tells) => {
                    set_blocked(metrics, followed, None, measured.at);
                }
                _ => {}
            }
        });
    }

    /// When the next sweep of a rule is due, and when the last began that succeeded.
    pub(super) fn scheduled(&self, rule: &str, next: Option<Timestamp>, last_success: Option<Timestamp>) {
        self.with(rule, |metrics, followed| {
            metrics.rules.sweep_next_timestamp_seconds.set(&followed.labels, next.map_or(f64::NAN, seconds));
            metrics.rules.sweep_last_success_timestamp_seconds.set(&followed.labels, last_success.map_or(f64::NAN, seconds));
        });
    }

    /// A source was asked.
    pub(super) fn asked(&self, source: &str, up: bool, uncovered_tables: Option<u64>) {
        self.metrics.source_up.with_label_values(&[source]).set(f64::from(u8::from(up)));
        if let Some(tables) = uncovered_tables {
            self.metrics.uncovered_tables.with_label_values(&[source]).set(number(tables));
        }
    }

    /// Whether this daemon is the one that shows what the state says.
    pub(super) fn lead(&self, leads: bool) {
        self.metrics.lead(leads);
    }

    /// The state was read.
    pub(super) fn state(&self, status: &Status) {
        if !self.metrics.leads() {
            return;
        }
        let none: [&str; 0] = [];
        self.metrics.holds_active.with_label_values(&none).set(number(status.holds_active));
        self.metrics.held_subjects.with_label_values(&none).set(number(status.held_subjects));
        self.metrics.holds_pending.with_label_values(&none).set(number(status.holds_pending));
        let entries = self.metrics.ledger_entries_total.with_label_values(&none);
        // A ledger only grows; one that is shorter is another, and counts anew.
        match status.entries.checked_sub(entries.get()) {
            Some(more) => entries.inc_by(more),
            None => {
                entries.reset();
                entries.inc_by(status.entries);
            }
        }
    }

    /// What rules owe to the residue of rows that went.
    pub(super) fn owed(&self, owed: &[Owed]) {
        let mut since: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for owed in owed {
            since.entry(&owed.rule).and_modify(|first| *first = owed.since.min(*first)).or_insert(owed.since);
        }
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        for (rule, followed) in &*rules {
            let since = since.get(rule.as_str()).copied().map_or(0.0, seconds);
            self.metrics.rules.residue_pending_since_timestamp_seconds.set(&followed.labels, since);
        }
    }

    /// The whole ledger was verified.
    pub(super) fn verified(&self, sound: bool, now: Timestamp) {
        if !self.metrics.leads() {
            return;
        }
        self.metrics.ledger_sound.with_label_values::<&str>(&[]).set(f64::from(u8::from(sound)));
        if sound {
            self.metrics.ledger_last_verified_timestamp_seconds.with_label_values::<&str>(&[]).set(seconds(now));
        }
    }

    fn with(&self, rule: &str, act: impl FnOnce(&Metrics, &mut Followed)) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        // A rule that the configuration no longer has is no longer followed.
        if let Some(followed) = rules.get_mut(rule) {
            act(&self.metrics, followed);
        }
    }
}

impl Observer for Recorder {
    fn started(&self, _rule: &Rule, _due: Option<u64>) {}

    fn batch(&self, rule: &Rule, batch: &BatchDone) {
        self.with(rule.id.as_str(), |metrics, followed| {
            metrics.rules.rows_acted_total.add(&followed.labels, number(batch.rows));
            metrics.rules.batch_duration_seconds.observe(&followed.labels, batch.took.as_secs_f64());
        });
    }

    /// Whoever sent the batch has not counted it.
    fn recovered(&self, recovered: &Recovered) {
        self.with(&recovered.rule, |metrics, followed| {
            metrics.rules.rows_acted_total.add(&followed.labels, number(recovered.rows));
        });
    }

    fn throttled(&self, rule: &Rule, why: Throttle, time: Duration) {
        self.metrics.throttled_seconds_total.with_label_values(&[rule.source.as_str(), why.name()]).inc_by(time.as_secs_f64());
    }

    fn replica_lag(&self, rule: &Rule, lag: Option<Duration>) {
        let seconds = lag.map_or(f64::NAN, |lag| lag.as_secs_f64());
        self.metrics.source_replica_lag_seconds.with_label_values(&[rule.source.as_str()]).set(seconds);
    }

    fn ended(&self, _rule: &Rule, _ended: &Ended) {}
}

/// What a count tells too, which the state does not remember.
fn a_count_tells(reason: Reason) -> bool {
    matches!(reason, Reason::MaxShare | Reason::ImplausibleDates)
}

/// What looking at a rule without sweeping it can't tell.
fn only_a_sweep_tells(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::MaxShare
            | Reason::ImplausibleDates
            | Reason::NoWay
            | Reason::Window
            | Reason::AnotherWorker
            | Reason::StateBehind
            | Reason::Restored
            | Reason::Database
    )
}

fn set_blocked(metrics: &Metrics, followed: &mut Followed, reason: Option<Reason>, now: Timestamp) {
    metrics.rules.rule_enforcing.set(&followed.labels, f64::from(u8::from(reason.is_none())));
    if followed.blocked.map(|(reason, _)| reason) == reason {
        return;
    }
    for (reason, blocked, since) in
        followed.blocked.map(|(reason, _)| (reason, false, f64::NAN)).into_iter().chain(reason.map(|reason| (reason, true, seconds(now))))
    {
        metrics.rules.rule_blocked.set_of(&followed.labels, &reason.name(), blocked);
        metrics.rules.rule_blocked_since_timestamp_seconds.set_of(&followed.labels, &reason.name(), since);
    }
    followed.blocked = reason.map(|reason| (reason, now));
}

fn labels(rule: &Rule) -> RuleLabels {
    RuleLabels::new(rule.id.as_str(), &rule.category, &rule.source, &rule.table.to_string(), rule.action.name())
}

fn seconds(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows floating-point numbers only")]
fn number(count: u64) -> f64 {
    count as f64
}
