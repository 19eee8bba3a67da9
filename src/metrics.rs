//! Every metric, as one documented field: its doc line is its HELP, its name the field's with `retentiond_` before it.
//!
//! A new metric is a field in the list below. What it says of a rule bears that rule's labels, what it says of a source
//! that source's; a further label has a closed set of values. [`Metrics::follow`] makes every series of every rule and
//! source the moment they are known, because a series that appears with its first event can't be alerted on: counters
//! start at 0, flags at 0, and what isn't known yet is NaN. No value of a row is ever a label.

use std::sync::{Mutex, PoisonError};

use prometheus::{
    CounterVec, Encoder as _, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
    core::Collector, process_collector::ProcessCollector,
};

/// From a sweep that finds nothing to one that takes the night.
const SWEEP_SECONDS: [f64; 10] = [0.1, 0.5, 1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0];
/// Around the default `target_batch_time` of 250 ms, up to the default `statement_timeout`.
const BATCH_SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// The labels of what is said of a rule.
const RULE: [&str; 5] = ["rule", "category", "source", "table", "action"];
/// The classes of a rule's rows.
pub const STATES: [&str; 7] = ["outside", "done", "undated", "running", "held", "protected", "due"];
/// Why a sweep pauses between batches.
pub const THROTTLES: [&str; 5] = ["courtesy", "rate", "replica_lag", "contention", "dead_rows"];

/// What tells a rule's series from another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLabels {
    pub rule: String,
    pub category: String,
    pub source: String,
    pub table: String,
    pub action: String,
}

impl RuleLabels {
    /// In the order of the labels.
    pub fn values(&self) -> [&str; 5] {
        [&self.rule, &self.category, &self.source, &self.table, &self.action]
    }

    /// With one label more.
    pub fn and<'a>(&'a self, more: &'a str) -> [&'a str; 6] {
        let [rule, category, source, table, action] = self.values();
        [rule, category, source, table, action, more]
    }
}

/// The closed sets of values that the labels `outcome` and `reason` have; they belong to those who sweep.
#[derive(Debug, Clone, Default)]
pub struct Closed {
    pub outcomes: Vec<String>,
    pub reasons: Vec<String>,
}

/// What a series is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Rule,
    Source,
    /// retentiond itself: there is one series.
    Itself,
}

/// A series to make or to drop, beside the labels of its rule or source.
#[derive(Clone, Copy)]
enum Change {
    Make,
    Drop,
}

/// A kind of metric with labels.
trait Family: Collector + Clone + Sized + 'static {
    fn family(name: String, help: &str, labels: &[&str]) -> prometheus::Result<Self>;
    fn change(&self, change: Change, labels: &[&str]);
}

macro_rules! families {
    ($($kind:ident, $options:expr, $initial:expr;)+) => { $(
        impl Family for $kind {
            fn family(name: String, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
                let options: fn(String, String) -> _ = $options;
                $kind::new(options(name, help.to_owned()), labels)
            }

            fn change(&self, change: Change, labels: &[&str]) {
                match change {
                    Change::Make => {
                        let initial: fn(&Self, &[&str]) = $initial;
                        initial(self, labels);
                    }
                    // It may never have been made.
                    Change::Drop => drop(self.remove_label_values(labels)),
                }
            }
        }
    )+ };
}

families! {
    IntCounterVec, Opts::new, |family, labels| family.with_label_values(labels).inc_by(0);
    CounterVec, Opts::new, |family, labels| family.with_label_values(labels).inc_by(0.0);
    IntGaugeVec, Opts::new, |family, labels| family.with_label_values(labels).set(0);
    GaugeVec, Opts::new, |family, labels| family.with_label_values(labels).set(f64::NAN);
    HistogramVec, histogram, |family, labels| drop(family.with_label_values(labels));
}

fn histogram(name: String, help: String) -> HistogramOpts {
    let buckets = if name.contains("batch") { BATCH_SECONDS } else { SWEEP_SECONDS };
    HistogramOpts::new(name, help).buckets(buckets.to_vec())
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ident, $about:ident $(+ $label:ident of $values:expr)?;)+) => {
        /// The metrics of one daemon.
        pub struct Metrics {
            registry: Registry,
            closed: Closed,
            followed: Mutex<(Vec<RuleLabels>, Vec<String>)>,
            $($(#[doc = $help])+ pub $field: $kind,)+
        }

        impl Metrics {
            /// Registers every metric. There are no series yet but those of retentiond itself and its process.
            ///
            /// # Errors
            /// [`prometheus::Error`] if two metrics had one name, which a test excludes.
            pub fn new(closed: Closed) -> prometheus::Result<Self> {
                let registry = Registry::new();
                $(
                    let labels: Vec<&str> = base_labels(About::$about).into_iter()$(.chain([stringify!($label)]))?.collect();
                    let $field = $kind::family(format!("retentiond_{}", stringify!($field)), concat!($($help),+).trim(), &labels)?;
                    registry.register(Box::new($field.clone()))?;
                )+
                registry.register(Box::new(ProcessCollector::for_self()))?;
                let metrics = Self { registry, closed, followed: Mutex::default(), $($field),+ };
                metrics.change(Change::Make, About::Itself, &[]);
                metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
                Ok(metrics)
            }

            /// Makes or drops every series about one thing.
            fn change(&self, change: Change, about: About, labels: &[&str]) {
                $(
                    if about == About::$about {
                        let further: Option<Vec<&str>> = None$(.or_else(|| Some(($values)(&self.closed))))?;
                        self.$field.each(change, labels, further);
                    }
                )+
            }
        }
    };
}

trait Each: Family {
    /// One series, or one for each value of the further label.
    fn each(&self, change: Change, labels: &[&str], further: Option<Vec<&str>>) {
        match further {
            None => Family::change(self, change, labels),
            Some(values) => values.into_iter().for_each(|value| Family::change(self, change, &[labels, &[value]].concat())),
        }
    }
}
impl<F: Family> Each for F {}

fn base_labels(about: About) -> Vec<&'static str> {
    match about {
        About::Rule => RULE.to_vec(),
        About::Source => vec!["source"],
        About::Itself => Vec::new(),
    }
}

fn outcomes(closed: &Closed) -> Vec<&str> {
    closed.outcomes.iter().map(String::as_str).collect()
}

fn reasons(closed: &Closed) -> Vec<&str> {
    closed.reasons.iter().map(String::as_str).collect()
}

metrics! {
    /// 1; the label says which version runs.
    build_info: IntGaugeVec, Itself + version of |_| vec![env!("CARGO_PKG_VERSION")];
    /// 1 if the configuration on disk is the one in force, 0 if it was refused and an earlier one is kept.
    config_last_reload_successful: IntGaugeVec, Itself;
    /// When the configuration in force was loaded.
    config_last_reload_success_timestamp_seconds: GaugeVec, Itself;

    /// 1 for each rule in force.
    rule_info: IntGaugeVec, Rule;
    /// 1 if the rule is enforced, 0 if it only observes, is paused or is blocked.
    rule_enforcing: GaugeVec, Rule;
    /// 1 for the reason for which the rule is not enforced now.
    rule_blocked: IntGaugeVec, Rule + reason of reasons;
    /// Since when the rule is not enforced for that reason.
    rule_blocked_since_timestamp_seconds: GaugeVec, Rule + reason of reasons;

    /// Rows of the rule's own table that were deleted or anonymised.
    rows_acted_total: IntCounterVec, Rule;
    /// Rows of the rule's table in each state, as of the last count.
    rows: GaugeVec, Rule + state of |_| STATES.to_vec();
    /// When the rows were last counted.
    rows_measured_timestamp_seconds: GaugeVec, Rule;
    /// For how long the oldest row that is due has been due, as of the last count, to within a twentieth; 0 if none is.
    oldest_overdue_seconds: GaugeVec, Rule;

    /// Sweeps that ended, by outcome.
    sweeps_total: IntCounterVec, Rule + outcome of outcomes;
    /// 1 while the rule is being swept.
    sweep_running: IntGaugeVec, Rule;
    /// How long sweeps took, whatever their outcome.
    sweep_duration_seconds: HistogramVec, Rule;
    /// How long the batches that changed rows took, from begin to commit.
    batch_duration_seconds: HistogramVec, Rule;
    /// When the last sweep began that found everything that was due.
    sweep_last_success_timestamp_seconds: GaugeVec, Rule;
    /// When the next sweep is due.
    sweep_next_timestamp_seconds: GaugeVec, Rule;

    /// How long sweeps waited between batches: out of courtesy, to keep to max_rows_per_second, or for replicas.
    throttled_seconds_total: CounterVec, Source + reason of |_| THROTTLES.to_vec();
    /// 1 if the source answered when it was last asked, 0 if not.
    source_up: GaugeVec, Source;
    /// How far the slowest replica was behind, at most, when a sweep last looked.
    source_replica_lag_seconds: GaugeVec, Source;
    /// Tables of the source that no rule is about.
    uncovered_tables: GaugeVec, Source;

    /// Holds in force, those in their cool-down among them.
    holds_active: GaugeVec, Itself;
    /// Data subjects that the holds in force name.
    held_subjects: GaugeVec, Itself;
    /// Holds that a source in their scope has not acknowledged.
    holds_pending: GaugeVec, Itself;

    /// Entries of the ledger.
    ledger_entries_total: IntCounterVec, Itself;
    /// When the whole ledger was last found to be sound.
    ledger_last_verified_timestamp_seconds: GaugeVec, Itself;
}

impl Metrics {
    /// Makes the series of every rule and source that is new, and drops those of what is gone.
    pub fn follow(&self, rules: Vec<RuleLabels>, sources: Vec<String>) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let (old_rules, old_sources) = &*followed;
        for gone in old_rules.iter().filter(|rule| !rules.contains(rule)) {
            self.change(Change::Drop, About::Rule, &gone.values());
        }
        for new in rules.iter().filter(|rule| !old_rules.contains(rule)) {
            self.change(Change::Make, About::Rule, &new.values());
            self.rule_info.with_label_values(&new.values()).set(1);
        }
        for gone in old_sources.iter().filter(|source| !sources.contains(source)) {
            self.change(Change::Drop, About::Source, &[gone]);
        }
        for new in sources.iter().filter(|source| !old_sources.contains(source)) {
            self.change(Change::Make, About::Source, &[new]);
        }
        *followed = (rules, sources);
    }

    /// Every series in Prometheus' text format.
    ///
    /// # Errors
    /// [`prometheus::Error`] if it can't be written.
    pub fn text(&self) -> prometheus::Result<String> {
        let mut bytes = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut bytes)?;
        String::from_utf8(bytes).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// The media type of [`Metrics::text`].
    pub const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> RuleLabels {
        let [category, source, table, action] = ["logs", "app", "message_logs", "delete"].map(str::to_owned);
        RuleLabels { rule: name.to_owned(), category, source, table, action }
    }

    fn metrics() -> Metrics {
        let closed = Closed { outcomes: vec!["complete".to_owned(), "failed".to_owned()], reasons: vec!["approval".to_owned()] };
        Metrics::new(closed).unwrap()
    }

    #[test]
    fn every_series_of_a_rule_exists_before_anything_happened() {
        let metrics = metrics();
        metrics.follow(vec![rule("p/one")], vec!["app".to_owned()]);
        let text = metrics.text().unwrap();
        let labels = r#"action="delete",category="logs",rule="p/one",source="app",table="message_logs""#;
        let with = |more: &str| {
            let mut all: Vec<&str> = labels.split(',').chain([more]).filter(|label| !label.is_empty()).collect();
            all.sort_unstable();
            all.join(",")
        };
        for (name, more, value) in [
            ("rows_acted_total", "", "0"),
            ("rows", "state=\"due\"", "NaN"),
            ("sweeps_total", "outcome=\"failed\"", "0"),
            ("rule_blocked", "reason=\"approval\"", "0"),
            ("rule_blocked_since_timestamp_seconds", "reason=\"approval\"", "NaN"),
            ("sweep_duration_seconds_count", "", "0"),
            ("rule_info", "", "1"),
        ] {
            let series = format!("retentiond_{name}{{{}}} {value}\n", with(more));
            assert!(text.contains(&series), "{series} is not in\n{text}");
        }
        assert!(text.contains("retentiond_throttled_seconds_total{reason=\"rate\",source=\"app\"} 0\n"), "{text}");
        assert!(text.contains("retentiond_holds_active NaN\n"), "{text}");
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }

    #[test]
    fn series_of_a_rule_that_is_gone_go_and_those_of_others_keep_their_counts() {
        let metrics = metrics();
        metrics.follow(vec![rule("p/one"), rule("p/two")], vec!["app".to_owned()]);
        metrics.rows_acted_total.with_label_values(&rule("p/two").values()).inc_by(7);
        metrics.follow(vec![rule("p/two")], vec!["app".to_owned()]);
        let text = metrics.text().unwrap();
        assert!(!text.contains("p/one"), "{text}");
        assert!(text.lines().any(|line| line.starts_with("retentiond_rows_acted_total{") && line.ends_with(" 7")), "{text}");
    }

    #[test]
    fn the_help_of_a_metric_is_its_documentation() {
        let metrics = metrics();
        let text = metrics.text().unwrap();
        assert!(text.contains("# HELP retentiond_holds_active Holds in force, those in their cool-down among them.\n"), "{text}");
    }
}
