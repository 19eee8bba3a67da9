//! Every metric, as one documented field: its doc line is its HELP, its name the field's with `retentiond_` before it.
//!
//! A new metric is a field in the list below, or in that of `rules` if it is said of a rule. What is said of a rule bears that
//! rule's labels, what is said of a source that source's; a further label has a closed set of values. [`Metrics::follow`] makes every series of every rule and
//! source the moment they are known, because a series that appears with its first event can't be alerted on: counters
//! start at 0, flags at 0, and what isn't known yet is NaN. No value of a row is ever a label.

mod rules;

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus::{
    CounterVec, Encoder as _, GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
    process_collector::ProcessCollector,
};

pub use self::rules::{Counter, Flag, Gauge, Histogram, RuleLabels, RuleMetrics};

/// The classes of a rule's rows.
pub const STATES: [&str; 7] = ["outside", "done", "undated", "running", "held", "protected", "due"];
/// How far ahead what comes due is counted: the word of the label, and the days.
pub const HORIZONS: [(&str, i64); 3] = [("7d", 7), ("30d", 30), ("90d", 90)];
/// Why a sweep pauses between batches.
pub const THROTTLES: [&str; 6] = ["courtesy", "rate", "replica_lag", "contention", "dead_rows", "other_workers"];

/// The closed sets of values that the labels `outcome` and `reason` have; they belong to those who sweep.
#[derive(Debug, Clone, Default)]
pub struct Closed {
    pub outcomes: Vec<String>,
    pub reasons: Vec<String>,
}

/// What a series is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Source,
    /// retentiond itself: there is one series.
    Itself,
    /// The state: there is one series, of the daemon that leads.
    State,
}

/// A series to make or to drop, beside the labels of its source.
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
    ($($kind:ident, $initial:expr;)+) => { $(
        impl Family for $kind {
            fn family(name: String, help: &str, labels: &[&str]) -> prometheus::Result<Self> {
                $kind::new(Opts::new(name, help), labels)
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
    IntCounterVec, |family, labels| family.with_label_values(labels).inc_by(0);
    CounterVec, |family, labels| family.with_label_values(labels).inc_by(0.0);
    IntGaugeVec, |family, labels| family.with_label_values(labels).set(0);
    GaugeVec, |family, labels| family.with_label_values(labels).set(f64::NAN);
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ident, $about:ident $(+ $label:ident of $values:expr)?;)+) => {
        /// The metrics of one daemon.
        pub struct Metrics {
            registry: Registry,
            sources: Mutex<BTreeSet<String>>,
            leads: AtomicBool,
            /// What is said of rules.
            pub rules: RuleMetrics,
            $($(#[doc = $help])+ pub $field: $kind,)+
        }

        impl Metrics {
            /// Registers every metric. There are no series yet but those of retentiond itself and its process.
            ///
            /// # Errors
            /// [`prometheus::Error`] if two metrics had one name, which a test excludes.
            pub fn new(closed: &Closed) -> prometheus::Result<Self> {
                let registry = Registry::new();
                $(
                    let labels: Vec<&str> = base_labels(About::$about).into_iter()$(.chain([stringify!($label)]))?.collect();
                    let $field = $kind::family(format!("retentiond_{}", stringify!($field)), concat!($($help),+).trim(), &labels)?;
                    registry.register(Box::new($field.clone()))?;
                )+
                registry.register(Box::new(ProcessCollector::for_self()))?;
                let metrics = Self { registry, sources: Mutex::default(), leads: AtomicBool::new(false), rules: RuleMetrics::new(closed), $($field),+ };
                metrics.change(Change::Make, About::Itself, &[]);
                metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
                Ok(metrics)
            }

            /// Makes or drops every series about one thing.
            fn change(&self, change: Change, about: About, labels: &[&str]) {
                $(
                    if about == About::$about {
                        let further: Option<Vec<&str>> = None$(.or_else(|| Some($values.to_vec())))?;
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
        About::Source => vec!["source"],
        About::Itself | About::State => Vec::new(),
    }
}

metrics! {
    /// 1; the label says which version runs.
    build_info: IntGaugeVec, Itself + version of [env!("CARGO_PKG_VERSION")];
    /// 1 if the configuration on disk is the one in force, 0 if it was refused and an earlier one is kept.
    config_last_reload_successful: IntGaugeVec, Itself;
    /// When the configuration in force was loaded.
    config_last_reload_success_timestamp_seconds: GaugeVec, Itself;
    /// 1 if this daemon leads: of those that share a state one counts, verifies, and shows what the state says.
    leader: IntGaugeVec, Itself;

    /// How long sweeps waited between batches: out of courtesy, to keep to max_rows_per_second, or for replicas.
    throttled_seconds_total: CounterVec, Source + reason of THROTTLES;
    /// 1 if the source answered when it was last asked, 0 if not.
    source_up: GaugeVec, Source;
    /// How far the slowest replica was behind, at most, when a sweep last looked.
    source_replica_lag_seconds: GaugeVec, Source;
    /// Tables of the source that no rule is about.
    uncovered_tables: GaugeVec, Source;

    /// Holds in force, those in their cool-down among them.
    holds_active: GaugeVec, State;
    /// Data subjects that the holds in force name.
    held_subjects: GaugeVec, State;
    /// Holds that a source in their scope has not acknowledged.
    holds_pending: GaugeVec, State;

    /// Entries of the ledger.
    ledger_entries_total: IntCounterVec, State;
    /// When the whole ledger was last found to be sound.
    ledger_last_verified_timestamp_seconds: GaugeVec, State;
    /// 1 if the whole ledger was sound when it was last verified, 0 if not.
    ledger_sound: GaugeVec, State;
}

impl Metrics {
    /// Shows what the state says, or no longer.
    pub fn lead(&self, leads: bool) {
        self.leader.with_label_values::<&str>(&[]).set(i64::from(leads));
        if self.leads.swap(leads, Ordering::Relaxed) != leads {
            self.change(if leads { Change::Make } else { Change::Drop }, About::State, &[]);
        }
    }

    /// Whether what the state says is shown.
    pub fn leads(&self) -> bool {
        self.leads.load(Ordering::Relaxed)
    }

    /// Makes the series of every rule and source that is new, and drops those of what is gone.
    pub fn follow(&self, rules: &BTreeSet<RuleLabels>, sources: BTreeSet<String>) {
        self.rules.follow(rules);
        let mut followed = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        followed.difference(&sources).for_each(|gone| self.change(Change::Drop, About::Source, &[gone]));
        sources.difference(&followed).for_each(|new| self.change(Change::Make, About::Source, &[new]));
        *followed = sources;
    }

    /// Every series in Prometheus' text format.
    ///
    /// # Errors
    /// [`prometheus::Error`] if it can't be written.
    pub fn text(&self) -> prometheus::Result<String> {
        let mut bytes = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut bytes)?;
        let mut text = String::from_utf8(bytes).map_err(|error| prometheus::Error::Msg(error.to_string()))?;
        self.rules.write(&mut text, self.leads());
        Ok(text)
    }

    /// The media type of [`Metrics::text`].
    pub const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> RuleLabels {
        RuleLabels::new(name, "logs", "app", "message_logs", "delete")
    }

    fn metrics() -> Metrics {
        Metrics::new(&Closed { outcomes: ["complete", "failed"].map(str::to_owned).into(), reasons: vec!["approval".to_owned()] }).unwrap()
    }

    fn follow(metrics: &Metrics, rules: &[&str]) {
        metrics.follow(&rules.iter().map(|name| rule(name)).collect(), ["app".to_owned()].into());
    }

    #[test]
    fn every_series_of_a_rule_exists_before_anything_happened() {
        let metrics = metrics();
        metrics.lead(true);
        follow(&metrics, &["p/one"]);
        let text = metrics.text().unwrap();
        let labels = r#"rule="p/one",category="logs",source="app",table="message_logs",action="delete""#;
        for (name, more, value) in [
            ("rows_acted_total", "", "0"),
            ("rows", ",state=\"due\"", "NaN"),
            ("sweeps_total", ",outcome=\"failed\"", "0"),
            ("rule_blocked", ",reason=\"approval\"", "0"),
            ("rule_blocked_since_timestamp_seconds", ",reason=\"approval\"", "NaN"),
            ("sweep_duration_seconds_count", "", "0"),
            ("rule_info", "", "1"),
        ] {
            let series = format!("retentiond_{name}{{{labels}{more}}} {value}\n");
            assert!(text.contains(&series), "{series} is not in\n{text}");
        }
        assert!(text.contains("retentiond_throttled_seconds_total{reason=\"rate\",source=\"app\"} 0\n"), "{text}");
        assert!(text.contains("retentiond_holds_active NaN\n"), "{text}");
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
    }

    /// Sums over daemons would count it twice, and what one of them no longer reads would stay as it was.
    #[test]
    fn what_the_state_says_is_shown_by_the_one_that_leads() {
        let metrics = metrics();
        follow(&metrics, &["p/one"]);
        let shown = |metrics: &Metrics| {
            let text = metrics.text().unwrap();
            ["holds_active ", "ledger_entries_total ", "rows{", "rule_enforcing{", "rows_acted_total{", "leader "]
                .map(|series| text.contains(&format!("\nretentiond_{series}")))
        };
        assert_eq!(shown(&metrics), [false, false, false, false, true, true]);
        metrics.lead(true);
        metrics.holds_active.with_label_values::<&str>(&[]).set(3.0);
        assert_eq!(shown(&metrics), [true; 6]);
        metrics.lead(false);
        assert_eq!(shown(&metrics), [false, false, false, false, true, true]);
        metrics.lead(true);
        assert!(metrics.text().unwrap().contains("retentiond_holds_active NaN\n"), "what was known then is not known now");
    }

    #[test]
    fn series_of_a_rule_that_is_gone_go_and_those_of_others_keep_their_counts() {
        let metrics = metrics();
        follow(&metrics, &["p/one", "p/two"]);
        metrics.rules.rows_acted_total.add(&rule("p/two"), 7.0);
        follow(&metrics, &["p/two"]);
        let text = metrics.text().unwrap();
        assert!(!text.contains("p/one"), "{text}");
        assert!(text.lines().any(|line| line.starts_with("retentiond_rows_acted_total{") && line.ends_with(" 7")), "{text}");
    }

    #[test]
    fn what_took_long_is_in_every_bucket_above() {
        let metrics = metrics();
        follow(&metrics, &["p/one"]);
        for seconds in [0.004, 0.2, 0.25, 31.0] {
            metrics.rules.batch_duration_seconds.observe(&rule("p/one"), seconds);
        }
        let text = metrics.text().unwrap();
        let of = |end: &str| {
            let mut lines = text.lines().filter(|line| line.starts_with("retentiond_batch_duration_seconds_"));
            lines.find_map(|line| line.contains(end).then(|| line.rsplit_once(' ').unwrap().1.to_owned())).unwrap()
        };
        let buckets = ["le=\"0.005\"", "le=\"0.1\"", "le=\"0.25\"", "le=\"30\"", "le=\"+Inf\"", "_count", "_sum"];
        assert_eq!(buckets.map(of), ["1", "1", "3", "3", "4", "4", "31.454"]);
    }

    /// A table may be called anything.
    #[test]
    fn labels_are_written_so_that_they_can_be_read() {
        let metrics = metrics();
        metrics.follow(&[RuleLabels::new("p/one", "c", "app", "a \"b\"\\\nc", "delete")].into(), ["app".to_owned()].into());
        assert!(metrics.text().unwrap().contains(r#",table="a \"b\"\\\nc","#));
    }

    #[test]
    fn the_help_of_a_metric_is_its_documentation() {
        let metrics = metrics();
        metrics.lead(true);
        let text = metrics.text().unwrap();
        assert!(text.contains("# HELP retentiond_holds_active Holds in force, those in their cool-down among them.\n"), "{text}");
    }
}
