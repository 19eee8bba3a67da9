//! What happened is what Prometheus knows.

use std::{collections::BTreeSet, fs, path::Path};

use retentiond::sweep::obstacle::Reason;

use super::{CLOSED, Daemon, EAGER, YEARLY, accounts, left, policy};
use crate::support::{
    http::get,
    product::Kind,
    prometheus::{Prometheus, lint},
    sqlite::Sqlite,
};

/// Rules beside [`CLOSED`]: one that waits for a person, one whose column is missing, one that only observes.
const OTHERS: [&str; 3] = [
    "id = \"waits\"\ncategory = \"other\"\nsource = \"app\"\ntable = \"logs\"\nsubject = { account = \"id\" }\nstart = \"at\"\nstart_format = \"timestamp\"\n\
     keep_for = \"1 year\"\naction = \"delete\"\nfirst_sweep = \"approve\"",
    "id = \"broken\"\ncategory = \"other\"\nsource = \"app\"\ntable = \"drafts\"\nsubject = { account = \"id\" }\nstart = \"nowhere\"\nstart_format = \"timestamp\"\n\
     keep_for = \"1 year\"\naction = \"delete\"",
    "id = \"observes\"\ncategory = \"other\"\nsource = \"app\"\ntable = \"visits\"\nsubject = { account = \"id\" }\nstart = \"at\"\nstart_format = \"timestamp\"\n\
     keep_for = \"1 year\"\naction = \"delete\"\nmode = \"observe\"",
];

#[test]
fn prometheus_knows_what_was_swept_held_and_blocked_and_since_when() {
    for kind in Kind::ALL {
        let product = accounts(kind, EAGER, 1_000, 50);
        let time = kind.pick("text", "timestamptz", "datetime(6)");
        product.data.execute(&format!(
            "CREATE TABLE logs (id bigint PRIMARY KEY, at {time}); INSERT INTO logs VALUES (1, '2015-01-01 00:00:00');
             CREATE TABLE drafts (id bigint PRIMARY KEY); CREATE TABLE uncovered (id bigint);
             CREATE TABLE visits (id bigint PRIMARY KEY, at {time}); INSERT INTO visits VALUES (1, '2015-01-01 00:00:00'), (2, NULL)"
        ));
        product.rules("p", &policy(&[CLOSED, OTHERS[0], OTHERS[1], OTHERS[2]]));
        product.hold(&["account:7", "account:1049"]).expect(0);
        let daemon = Daemon::start(&product);
        let prometheus = Prometheus::scraping(&daemon.address);

        prometheus
            .expect("sum(retentiond_rows_acted_total{rule=\"p/closed\", source=\"app\", table=\"accounts\", action=\"delete\"}) == 999");
        prometheus.expect("retentiond_sweeps_total{rule=\"p/closed\", outcome=\"complete\"} == 1");
        prometheus.expect("retentiond_sweeps_total{rule=\"p/closed\", outcome=\"nothing_due\"} >= 1");
        prometheus.expect("time() - retentiond_sweep_last_success_timestamp_seconds{rule=\"p/closed\"} < 60");
        prometheus.expect("retentiond_sweep_next_timestamp_seconds{rule=\"p/closed\"} > 0");
        prometheus.expect("retentiond_batch_duration_seconds_count{rule=\"p/closed\"} >= 2");
        prometheus.expect("retentiond_rule_enforcing{rule=\"p/closed\"} == 1");
        prometheus.expect("sum(retentiond_rule_blocked{rule=\"p/closed\"}) == 0");
        prometheus.expect("retentiond_source_up{source=\"app\"} == 1");
        prometheus.expect("retentiond_uncovered_tables{source=\"app\"} == 1");
        prometheus.expect("retentiond_holds_active == 1");
        prometheus.expect("retentiond_held_subjects == 2");
        prometheus.expect("retentiond_holds_pending == 0");
        prometheus.expect("retentiond_ledger_entries_total > 5");
        prometheus.expect("time() - retentiond_ledger_last_verified_timestamp_seconds < 60");
        prometheus.expect("retentiond_config_last_reload_successful == 1");
        prometheus.expect("process_resident_memory_bytes > 0");
        // What can't be enforced says so, why, and since when.
        for (rule, reason) in [("waits", "approval"), ("broken", "missing_column"), ("observes", "observe")] {
            prometheus.expect(&format!("retentiond_rule_blocked{{rule=\"p/{rule}\", reason=\"{reason}\"}} == 1"));
            prometheus.expect(&format!("sum(retentiond_rule_blocked{{rule=\"p/{rule}\"}}) == 1"));
            prometheus.expect(&format!(
                "time() - retentiond_rule_blocked_since_timestamp_seconds{{rule=\"p/{rule}\", reason=\"{reason}\"}} < 60"
            ));
            prometheus.expect(&format!("retentiond_rule_enforcing{{rule=\"p/{rule}\"}} == 0"));
        }
        // What never happened is there all the same.
        prometheus.expect("retentiond_rows_acted_total{rule=\"p/waits\"} == 0");
        prometheus.expect("retentiond_sweeps_total{rule=\"p/observes\", outcome=\"failed\"} == 0");
        prometheus.expect(
            "retentiond_sweep_last_success_timestamp_seconds{rule=\"p/broken\"} != retentiond_sweep_last_success_timestamp_seconds",
        );
        assert_eq!(left(&product), 51, "{kind:?}");

        let exposition = get(&daemon.address, "/metrics").expect("the daemon answers");
        assert_eq!(lint(&exposition.body), "", "{kind:?}");
        daemon.stop().expect(0);
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn rows_are_counted_at_load_in_every_state() {
    for kind in Kind::ALL {
        let product = accounts(kind, YEARLY, 40, 10);
        let soon = kind.pick(
            "strftime('%Y-%m-%d 00:00:00', 'now', '-3 years', '+20 days')",
            "now() - interval '3 years' + interval '20 days'",
            "utc_timestamp() - interval 3 year + interval 20 day",
        );
        product.data.execute(&format!("INSERT INTO accounts VALUES (900, NULL, ''); INSERT INTO accounts VALUES (901, {soon}, '')"));
        product.hold(&["account:7"]).expect(0);
        let daemon = Daemon::start(&product);
        daemon.sees("rows", &["state=\"due\""], |rows| rows == 39.0);
        for (state, rows) in [("held", 1.0), ("running", 11.0), ("undated", 1.0), ("outside", 0.0), ("done", 0.0), ("protected", 0.0)] {
            assert_eq!(daemon.metric("rows", &[&format!("state=\"{state}\"")]), rows, "{kind:?} {state}");
        }
        for (within, rows) in [("7d", 0.0), ("30d", 1.0), ("90d", 1.0)] {
            let label = format!("within=\"{within}\"");
            daemon.sees("rows_coming_due", &[&label], |coming| coming == rows);
        }
        // Due since 1 March 2018, rounded down by 4 % at most.
        let now = daemon.sees("rows_measured_timestamp_seconds", &[], |at| at > 0.0);
        let overdue = now - 1_519_898_400.0;
        let told = daemon.metric("oldest_overdue_seconds", &[]);
        assert!(told <= overdue && told >= overdue * 0.95, "{kind:?}: {told} of {overdue}");
        assert_eq!(left(&product), 52, "nothing is swept before its time");
        daemon.stop().expect(0);
    }
}

#[test]
fn a_rule_that_is_approved_while_the_daemon_runs_goes_at_its_next_occurrence() {
    let product = accounts(Kind::Sqlite, &EAGER.replace("\"auto\"", "\"approve\""), 20, 0);
    let daemon = Daemon::start(&product);
    daemon.sees("rule_blocked", &["reason=\"approval\""], |blocked| blocked == 1.0);
    assert_eq!(left(&product), 20);
    product.cli("approve p/closed").expect(0);
    daemon.sees("rows_acted_total", &[], |rows| rows == 20.0);
    daemon.sees("rule_blocked", &[], |blocked| blocked == 0.0);
    product.run(["pause", "p/closed", "--reason", "r", "--by", "b"]).expect(0);
    daemon.sees("rule_blocked", &["reason=\"paused\""], |blocked| blocked == 1.0);
    product.run(["resume", "p/closed", "--reason", "r", "--by", "b"]).expect(0);
    daemon.sees("rule_blocked", &[], |blocked| blocked == 0.0);
    daemon.stop().expect(0);
}

/// A daemon that starts on it says so: nobody has to wait until it has not been verified for days.
#[test]
fn a_ledger_that_was_tampered_with_shows() {
    let product = accounts(Kind::Sqlite, YEARLY, 20, 5);
    product.cli("sweep").expect(0);
    let daemon = Daemon::start(&product);
    daemon.sees("ledger_sound", &[], |sound| sound == 1.0);
    daemon.stop().expect(0);
    let state = Sqlite::at(product.folder.path().join("state.db"));
    state.execute("UPDATE ledger SET canonical = replace(canonical, '\"rows\":20', '\"rows\":19') WHERE kind = 'batch_applied'");
    product.cli("ledger verify").expect(4);
    let daemon = Daemon::start(&product);
    daemon.sees("ledger_sound", &[], |sound| sound == 0.0);
    assert!(daemon.metric("ledger_last_verified_timestamp_seconds", &[]).is_nan());
    daemon.stop().expect(0);
}

#[test]
fn the_page_on_metrics_names_each_with_its_type() {
    let product = accounts(Kind::Sqlite, YEARLY, 1, 0);
    let daemon = Daemon::start(&product);
    daemon.sees("leader", &[], |leads| leads == 1.0);
    let exposition = get(&daemon.address, "/metrics").expect("the daemon answers").body;
    daemon.stop().expect(0);
    let types = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE retentiond_")).map(|line| line.replace(' ', " | "));
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).expect("the page");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `retentiond_"));
    let told = rows.map(|line| line.splitn(3, '|').take(2).map(|cell| cell.trim().trim_end_matches('`')).collect::<Vec<_>>().join(" | "));
    assert_eq!(told.collect::<BTreeSet<_>>(), types.collect::<BTreeSet<_>>());

    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md")).expect("the page");
    let unsaid: Vec<String> =
        Reason::ALL.iter().map(|reason| reason.name()).filter(|reason| !page.contains(&format!("`{reason}`"))).collect();
    assert!(unsaid.is_empty(), "docs/operating.md says nothing of {unsaid:?}");
}
