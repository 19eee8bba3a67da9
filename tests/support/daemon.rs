//! `retentiond run` as a process that is watched through its metrics.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    binary::{self, Run, Running},
    http::get,
    product::Product,
    until,
};

/// Every second, without waiting for a person.
pub const EAGER: &str =
    "[defaults]\nschedule = \"* * * * * *\"\nfirst_sweep = \"auto\"\nmax_share = 1.0\n[http]\nlisten = \"127.0.0.1:0\"\n";

/// A daemon that runs, and where it listens.
pub struct Daemon {
    pub process: Running,
    pub address: String,
}

impl Daemon {
    /// Starts it and waits until it listens.
    pub fn start(product: &Product) -> Self {
        Self::started(binary::start(&mut product.command(["run", "--log-format", "json"])))
    }

    /// The same of a process that was started already, with its log as JSON.
    pub fn started(mut process: Running) -> Self {
        let line = process.line("\"listening\"");
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let address = line["address"].as_str().expect("an address").to_owned();
        Self { process, address }
    }

    /// Every series with its value.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = get(&self.address, "/metrics").expect("the daemon answers");
        assert_eq!(answer.status, 200, "{answer:?}");
        let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().expect("a number"))).expect("a sample"))
            .collect()
    }

    /// The sum of the series of that name (after `retentiond_`) that have all these labels, written `name="value"`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        self.metric_if_shown(name, labels).unwrap_or_else(|| panic!("no series {name} {labels:?}"))
    }

    /// The same; `None`: there are none, as long as the daemon does not lead.
    fn metric_if_shown(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let prefix = format!("retentiond_{name}");
        let is = |series: &str| series.split('{').next() == Some(prefix.as_str()) && labels.iter().all(|label| series.contains(label));
        let found: Vec<f64> = self.metrics().into_iter().filter(|(series, _)| is(series)).map(|(_, value)| value).collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// Waits until a metric is what is expected of it.
    #[track_caller]
    pub fn sees(&self, name: &str, labels: &[&str], expected: impl Fn(f64) -> bool) -> f64 {
        until(&format!("{name} {labels:?}"), || self.metric_if_shown(name, labels).filter(|value| expected(*value)))
    }

    /// SIGTERM, and the end.
    pub fn stop(self) -> Run {
        self.process.terminate()
    }
}
