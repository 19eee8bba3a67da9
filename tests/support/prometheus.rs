//! A real Prometheus on a port of its own, that scrapes one daemon every second; and `promtool`.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{http, until};

/// A server with a data folder of its own; stopped when dropped.
pub struct Prometheus {
    process: Child,
    address: String,
    folder: TempDir,
}

impl Prometheus {
    /// Starts it and waits until it has scraped `target` (host and port) once.
    pub fn scraping(target: &str) -> Self {
        Self::evaluating(target, None)
    }

    /// The same with a file of rules, evaluated every second.
    pub fn evaluating(target: &str, rules: Option<&Path>) -> Self {
        let folder = tempfile::Builder::new().prefix("rtd-prom-").tempdir().expect("a temporary folder");
        let rules = rules.map(|file| format!("rule_files: ['{}']\n", file.display())).unwrap_or_default();
        let config = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n{rules}scrape_configs:\n  - job_name: retentiond\n    static_configs:\n      - targets: ['{target}']\n"
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).expect("a file");
        // Free now; whoever takes it in between makes the server end, and the test say so.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").to_string();
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("prometheus is installed (tests/run does it)");
        let mut server = Self { process, address, folder };
        until("the first scrape", || {
            if let Some(status) = server.process.try_wait().expect("the process is our child") {
                panic!("prometheus ended ({status}): {}", fs::read_to_string(server.folder.path().join("log")).unwrap_or_default());
            }
            server.value("up").filter(|up| *up == 1.0)
        });
        server
    }

    /// What its API says to a path below `/api/v1/`; `None`: it does not answer yet.
    pub fn ask(&self, path: &str) -> Option<Value> {
        // It refuses while it starts.
        let answer = http::get(&self.address, &format!("/api/v1/{path}")).ok().filter(|answer| answer.status != 503)?;
        let mut answer: Value = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        Some(answer["data"].take())
    }

    /// The series of an expression: labels, and the value now.
    pub fn series(&self, expression: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let answer = self.ask(&format!("query?query={}", http::encoded(expression))).unwrap_or_default();
        let series = answer["result"].as_array().into_iter().flatten();
        let labels = |one: &Value| serde_json::from_value(one["metric"].clone()).expect("labels");
        series.map(|one| (labels(one), one["value"][1].as_str().and_then(|value| value.parse().ok()).expect("a number"))).collect()
    }

    /// The value of the first series of an expression; `None`: there is none, or the server does not answer yet.
    pub fn value(&self, expression: &str) -> Option<f64> {
        self.series(expression).first().map(|(_, value)| *value)
    }

    /// Waits until an expression is true, as PromQL says it: it has a series.
    #[track_caller]
    pub fn expect(&self, expression: &str) {
        until(expression, || self.value(expression));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs `promtool` with these words, in the folder of the project.
pub fn promtool(words: &[&str]) -> Output {
    let mut promtool = Command::new("promtool");
    promtool
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("promtool is installed with prometheus (tests/run does it)")
}

/// What `promtool check metrics` has to say of an exposition; empty: nothing.
pub fn lint(metrics: &str) -> String {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed with prometheus (tests/run does it)");
    promtool.stdin.take().expect("a pipe was asked for").write_all(metrics.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("the process is our child");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { said } else { format!("{}: {said}", output.status) }
}
