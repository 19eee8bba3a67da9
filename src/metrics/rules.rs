//! What is said of rules: every metric that bears a rule's labels, as one documented field.
//!
//! There may be thousands of rules, and over a hundred series of each. So a rule's labels are text that is made once and
//! shared, a series is one number, and the exposition is written straight from them. A vector of the `prometheus` crate
//! keeps some two kilobytes for a series and as much again while it is gathered: with 5,000 rules the daemon took 1.8 GB,
//! and takes 0.3 GB this way (docs/performance.md).
//!
//! A new metric is a field in the list below; `@state` stands before what is said once, however many daemons share the state.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, PoisonError, RwLock},
};

/// From a sweep that finds nothing to one that takes the night.
const SWEEP_SECONDS: &[f64] = &[0.1, 0.5, 1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0];
/// Around the default `target_batch_time` of 250 ms, up to the default `statement_timeout`.
const BATCH_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What tells a rule's series from another's, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleLabels(Arc<str>);

impl RuleLabels {
    /// The labels that each series of a rule bears.
    pub fn new(rule: &str, category: &str, source: &str, table: &str, action: &str) -> Self {
        let labels = [("rule", rule), ("category", category), ("source", source), ("table", table), ("action", action)];
        Self(labels.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).join(",").into())
    }
}

/// A label's value as Prometheus' text format has it.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// The values of one more label, a closed set.
type Further = Option<(&'static str, Vec<String>)>;

/// One metric: a line of numbers for each rule.
struct Table {
    name: String,
    help: &'static str,
    kind: &'static str,
    further: Further,
    initial: f64,
    /// How many numbers a series has.
    width: usize,
    numbers: RwLock<BTreeMap<RuleLabels, Box<[f64]>>>,
}

impl Table {
    fn new(name: &str, help: &'static str, kind: &'static str, further: Further, initial: f64, width: usize) -> Self {
        let name = format!("retentiond_{name}");
        Self { name, help: help.trim(), kind, further, initial, width, numbers: RwLock::default() }
    }

    fn follow(&self, rules: &BTreeSet<RuleLabels>) {
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        numbers.retain(|labels, _| rules.contains(labels));
        let series = self.further.as_ref().map_or(1, |(_, values)| values.len());
        for labels in rules {
            numbers.entry(labels.clone()).or_insert_with(|| vec![self.initial; self.width * series].into());
        }
    }

    /// Changes the numbers of a series; of a rule that is not followed there are none.
    fn change(&self, labels: &RuleLabels, further: Option<&str>, change: impl FnOnce(&mut [f64])) {
        let at = match (&self.further, further) {
            (Some((_, values)), Some(further)) => values.iter().position(|value| *value == further),
            _ => Some(0),
        };
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        if let (Some(at), Some(numbers)) = (at, numbers.get_mut(labels)) {
            change(&mut numbers[at * self.width..(at + 1) * self.width]);
        }
    }

    /// Writes every series, each by `series`: its labels, its numbers.
    fn write(&self, text: &mut String, series: impl Fn(&mut String, &str, &str, &[f64])) {
        let (name, help, kind) = (&self.name, self.help, self.kind);
        // Writing to a string can't fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        let none = vec![String::new()];
        let (label, values) = self.further.as_ref().map_or(("", &none), |(label, values)| (*label, values));
        for (labels, numbers) in &*self.numbers.read().unwrap_or_else(PoisonError::into_inner) {
            for (value, numbers) in values.iter().zip(numbers.chunks(self.width)) {
                match label {
                    "" => series(text, name, &labels.0, numbers),
                    label => series(text, name, &format!("{},{label}=\"{value}\"", labels.0), numbers),
                }
            }
        }
    }
}

/// A kind of metric.
trait Kind: Sized {
    fn make(name: &str, help: &'static str, further: Further) -> Self;
    fn table(&self) -> &Table;

    fn write(&self, text: &mut String) {
        self.table().write(text, |text, name, labels, numbers| {
            let _ = writeln!(text, "{name}{{{labels}}} {}", numbers[0]);
        });
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident, $word:literal, $initial:expr;)+) => { $(
        $(#[doc = $doc])+
        pub struct $kind(Table);

        impl Kind for $kind {
            fn make(name: &str, help: &'static str, further: Further) -> Self {
                Self(Table::new(name, help, $word, further, $initial, 1))
            }

            fn table(&self) -> &Table {
                &self.0
            }
        }
    )+ };
}

kinds! {
    /// Only grows; 0 in the beginning.
    Counter, "counter", 0.0;
    /// Comes and goes; NaN until it is known.
    Gauge, "gauge", f64::NAN;
    /// 0 or 1; 0 in the beginning.
    Flag, "gauge", 0.0;
}

impl Counter {
    pub fn add(&self, labels: &RuleLabels, more: f64) {
        self.0.change(labels, None, |numbers| numbers[0] += more);
    }

    pub fn add_of(&self, labels: &RuleLabels, further: &str, more: f64) {
        self.0.change(labels, Some(further), |numbers| numbers[0] += more);
    }
}

impl Gauge {
    pub fn set(&self, labels: &RuleLabels, value: f64) {
        self.0.change(labels, None, |numbers| numbers[0] = value);
    }

    pub fn set_of(&self, labels: &RuleLabels, further: &str, value: f64) {
        self.0.change(labels, Some(further), |numbers| numbers[0] = value);
    }
}

impl Flag {
    pub fn set(&self, labels: &RuleLabels, up: bool) {
        self.0.change(labels, None, |numbers| numbers[0] = f64::from(u8::from(up)));
    }

    pub fn set_of(&self, labels: &RuleLabels, further: &str, up: bool) {
        self.0.change(labels, Some(further), |numbers| numbers[0] = f64::from(u8::from(up)));
    }
}

/// How often something took how long: a number for each bucket, the count and the sum.
pub struct Histogram {
    buckets: &'static [f64],
    table: Table,
}

impl Histogram {
    pub fn observe(&self, labels: &RuleLabels, seconds: f64) {
        let count = self.buckets.len();
        self.table.change(labels, None, |numbers| {
            // Buckets are cumulative.
            for (bucket, number) in self.buckets.iter().zip(&mut *numbers) {
                *number += f64::from(u8::from(seconds <= *bucket));
            }
            numbers[count] += 1.0;
            numbers[count + 1] += seconds;
        });
    }
}

impl Kind for Histogram {
    fn make(name: &str, help: &'static str, further: Further) -> Self {
        let buckets = if name.starts_with("batch") { BATCH_SECONDS } else { SWEEP_SECONDS };
        Self { buckets, table: Table::new(name, help, "histogram", further, 0.0, buckets.len() + 2) }
    }

    fn table(&self) -> &Table {
        &self.table
    }

    fn write(&self, text: &mut String) {
        self.table.write(text, |text, name, labels, numbers| {
            let count = self.buckets.len();
            for (bucket, number) in self.buckets.iter().zip(numbers) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bucket}\"}} {number}");
            }
            let (number, sum) = (numbers[count], numbers[count + 1]);
            let _ = writeln!(
                text,
                "{name}_bucket{{{labels},le=\"+Inf\"}} {number}\n{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {number}"
            );
        });
    }
}

macro_rules! rule_metrics {
    ($($(#[doc = $help:literal])+ $(@ $whose:ident)? $field:ident: $kind:ident $(, $label:ident of $values:expr)?;)+) => {
        /// What is said of rules.
        pub struct RuleMetrics {
            $($(#[doc = $help])+ pub $field: $kind,)+
        }

        impl RuleMetrics {
            /// There are no series yet.
            pub(super) fn new(closed: &super::Closed) -> Self {
                Self {
                    $($field: {
                        let further: Further = None$(.or_else(|| {
                            let values: fn(&super::Closed) -> Vec<String> = $values;
                            Some((stringify!($label), values(closed)))
                        }))?;
                        $kind::make(stringify!($field), concat!($($help),+), further)
                    },)+
                }
            }

            fn follow_all(&self, rules: &BTreeSet<RuleLabels>) {
                $(self.$field.table().follow(rules);)+
            }

            /// Appends every series in Prometheus' text format; what the state says only where this daemon leads.
            pub(super) fn write(&self, text: &mut String, leads: bool) {
                $(
                    let whose: &[&str] = &[$(stringify!($whose))?];
                    if leads || whose.is_empty() {
                        self.$field.write(text);
                    }
                )+
            }
        }
    };
}

rule_metrics! {
    /// 1 for each rule in force.
    rule_info: Flag;
    /// 1 if the rule is enforced, 0 if it only observes, is paused or is blocked.
    @state rule_enforcing: Gauge;
    /// 1 for the reason for which the rule is not enforced now.
    @state rule_blocked: Flag, reason of |closed| closed.reasons.clone();
    /// Since when the rule is not enforced for that reason.
    @state rule_blocked_since_timestamp_seconds: Gauge, reason of |closed| closed.reasons.clone();

    /// Since when residue of rows that went waits for what the rule asks for; 0 if nothing waits.
    @state residue_pending_since_timestamp_seconds: Gauge;

    /// Rows of the rule's own table that were deleted or anonymised.
    rows_acted_total: Counter;
    /// Rows of the rule's table in each state, as of the last count.
    @state rows: Gauge, state of |_| super::STATES.map(str::to_owned).into();
    /// Rows that are not due yet and will be within that time, if nothing changes, as of the last count.
    @state rows_coming_due: Gauge, within of |_| super::HORIZONS.map(|(within, _)| within.to_owned()).into();
    /// When the rows were last counted.
    @state rows_measured_timestamp_seconds: Gauge;
    /// For how long the oldest row that is due has been due, as of the last count, to within a twentieth; 0 if none is.
    @state oldest_overdue_seconds: Gauge;

    /// Sweeps that ended, by outcome.
    sweeps_total: Counter, outcome of |closed| closed.outcomes.clone();
    /// 1 while the rule is being swept.
    sweep_running: Flag;
    /// How long sweeps took, whatever their outcome.
    sweep_duration_seconds: Histogram;
    /// How long the batches that changed rows took, from begin to commit.
    batch_duration_seconds: Histogram;
    /// When the last sweep began that found everything that was due.
    @state sweep_last_success_timestamp_seconds: Gauge;
    /// When the next sweep is due.
    @state sweep_next_timestamp_seconds: Gauge;
}

impl RuleMetrics {
    /// Makes the series of every rule that is new, and drops those of what is gone.
    pub(super) fn follow(&self, rules: &BTreeSet<RuleLabels>) {
        self.follow_all(rules);
        rules.iter().for_each(|labels| self.rule_info.set(labels, true));
    }
}
