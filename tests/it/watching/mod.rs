//! What people watch retentiond with: dashboards, alerts, runbooks.
//!
//! `scenario.rs` has a real Prometheus scrape a real daemon, and asks every panel's query for what `panels.rs` says that
//! the scenario produced. `files.rs` holds alerts, dashboards, runbooks and metrics to one another. A new panel is a line
//! in `panels.rs`, a new alert a page in `docs/runbooks` and two cases in `deploy/alerts/tests.yaml`.

mod files;
mod panels;
mod scenario;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

const DASHBOARDS: [&str; 3] = ["retentiond-operations", "retentiond-promises", "retentiond-rule"];
const RULES: &str = "deploy/alerts/retentiond.rules.yaml";
/// Where the runbooks are, until somebody says where theirs are.
const RUNBOOKS: &str = "https://retentiond.example/docs/runbooks";

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn dashboard(uid: &str) -> Value {
    let name = format!("deploy/grafana/dashboards/{uid}.json");
    serde_json::from_str(&read(&name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Panels that show something: not the headings.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().into_iter().flatten().filter(|panel| panel["type"] != "row")
}

/// A panel's name in `panels.rs`, and the query, for each query of a dashboard.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for panel in panels(dashboard) {
        let targets: Vec<&Value> = panel["targets"].as_array().into_iter().flatten().collect();
        for target in &targets {
            let title = panel["title"].as_str().expect("a title");
            let part = if targets.len() > 1 { format!(" {}", target["refId"].as_str().expect("a name")) } else { String::new() };
            queries.push((format!("{title}{part}"), target["expr"].as_str().expect("a query").to_owned()));
        }
    }
    queries
}

/// Our own metrics that a text names; those of a histogram by its own name.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let own = words.filter(|word| word.starts_with("retentiond_"));
    own.map(|word| ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()).collect()
}
