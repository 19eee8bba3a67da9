//! A day at a daemon, pressed into seconds: one rule deletes, one waits for an approval, one has rows on hold, one observes,
//! one can't be done, one's source is away. Every panel shows it as it was.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    DASHBOARDS, RULES, dashboard, metrics_in,
    panels::{EXPECTED, WAITS},
    place, queries, read,
};
use crate::{
    daemon::{CLOSED, policy},
    support::{
        daemon::Daemon,
        http::{get, post},
        product::{Kind, Product},
        prometheus::Prometheus,
        sqlite::Sqlite,
        until,
    },
};

/// On the first of January, and batches that are few and paced.
const REST: &str = "[sources.app.limits]\nmax_batch_rows = 50\nmax_rows_per_second = 200\n[defaults]\nschedule = \"0 0 1 1 *\"\nmax_share = 1.0\n\
                    [http]\nlisten = \"127.0.0.1:0\"\n";
/// It is there when the state gets to know it, and then no more.
const GONE: &str = "[sources.gone]\nurl = \"sqlite:gone.db\"\nnaive_timestamps = \"UTC\"\n";
/// Metrics that no panel shows, on purpose.
const ON_NO_PANEL: [&str; 0] = [];

/// A rule that deletes after a year, and more of it.
fn a_year(id: &str, source: &str, table: &str, start: &str, more: &str) -> String {
    format!(
        "id = \"{id}\"\ncategory = \"other\"\nsource = \"{source}\"\ntable = \"{table}\"\nsubject = {{ account = \"id\" }}\nstart = \"{start}\"\n\
         start_format = \"timestamp\"\nkeep_for = \"1 year\"\naction = \"delete\"\n{more}"
    )
}

fn keep(id: &str, table: &str, more: &str) -> String {
    format!(
        "id = \"{id}\"\ncategory = \"other\"\nsource = \"app\"\ntable = \"{table}\"\naction = \"keep\"\nreason = \"it has to be\"\n{more}"
    )
}

/// The rules, of which those that act at all do so on `schedule`.
fn write_rules(product: &Product, schedule: &str, with_gone: bool) {
    let schedule = format!("schedule = \"{schedule}\"\n");
    let mut rules = vec![
        format!("{CLOSED}{schedule}"),
        a_year("waits", "app", "logs", "at", ""),
        a_year("observes", "app", "visits", "at", "mode = \"observe\""),
        a_year("broken", "app", "drafts", "nowhere", ""),
        keep("suppressions", "suppressions", ""),
        keep("disputed", "logs", "where = \"id <= 4\""),
    ];
    if with_gone {
        rules.push(a_year("away", "gone", "messages", "at", &schedule));
    }
    product.rules("p", &policy(&rules.iter().map(String::as_str).collect::<Vec<_>>()));
}

/// 120 accounts are due, three of them held; 39 are running, of which two end within a week, five within a month and
/// nine within three; one has no date.
fn world() -> Product {
    let mut product = Product::new(Kind::Sqlite, REST);
    let rows = |first: u32, last: u32, closed: &str| {
        format!(
            "INSERT INTO accounts WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) SELECT i, {closed}, '' FROM n;"
        )
    };
    let old = "'2015-03-01 10:00:00'";
    let ends_in = |days: u32| format!("strftime('%Y-%m-%d %H:%M:%S', 'now', '-3 years', '+{days} days')");
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, closed_at text, note text);
         CREATE TABLE logs (id bigint PRIMARY KEY, at text); CREATE TABLE visits (id bigint PRIMARY KEY, at text);
         CREATE TABLE drafts (id bigint PRIMARY KEY); CREATE TABLE suppressions (id bigint PRIMARY KEY); CREATE TABLE uncovered (id bigint);
         {} {} {} {} {} {}
         INSERT INTO logs SELECT id, closed_at FROM accounts WHERE id <= 40;
         INSERT INTO visits SELECT id, closed_at FROM accounts WHERE id <= 11; INSERT INTO visits VALUES (12, NULL), (13, NULL);
         INSERT INTO suppressions SELECT id FROM accounts WHERE id <= 6",
        rows(1, 120, old),
        rows(121, 150, "strftime('%Y-%m-%d 00:00:00', 'now', '-30 days')"),
        rows(151, 152, &ends_in(3)),
        rows(153, 155, &ends_in(20)),
        rows(156, 159, &ends_in(60)),
        rows(160, 160, "NULL"),
    ));
    write_rules(&product, "0 0 1 1 *", false);
    product.init();
    product.hold(&["account:117", "account:118", "account:119"]).expect(0);
    product.reconfigure("", &format!("{REST}{GONE}"));
    write_rules(&product, "0 0 1 1 *", true);
    let gone = product.folder.path().join("gone.db");
    Sqlite::at(&gone).execute("CREATE TABLE messages (id bigint PRIMARY KEY, at text)");
    product.cli("source init gone").expect(0);
    std::fs::rename(&gone, gone.with_extension("moved")).expect("the source is gone");
    // It reaches one source of two.
    product.hold(&["account:999"]).expect(3);
    product
}

/// A number and its neighbours upwards: an increase is extrapolated to the ends of its range.
fn about(value: f64) -> String {
    format!("{}..{}", value * 0.999_999, value * 1.1)
}

#[test]
fn every_panel_shows_what_happened() {
    let product = world();
    let now = || product.data.number("SELECT CAST(strftime('%s', 'now') AS integer)");
    let began = now();
    let daemon = Daemon::start(&product);
    let prometheus = Prometheus::evaluating(&daemon.address, Some(&place(RULES)));
    // Nothing has happened yet, and Prometheus knows.
    prometheus
        .expect("retentiond_rows_acted_total{rule=\"p/closed\"} == 0 and on (rule) retentiond_rule_blocked{reason=\"approval\"} == 1");
    let reload = || assert_eq!(post(&daemon.address, "/-/reload").expect("an answer").status, 200);
    write_rules(&product, "* * * * * *", true);
    product.cli("approve p/closed").expect(0);
    reload();
    let metric = |name: &str, labels: &[&str]| daemon.metric(name, labels);
    daemon.sees("rows_acted_total", &["rule=\"p/closed\""], |rows| rows == 117.0);
    daemon.sees("sweeps_total", &["rule=\"p/away\"", "outcome=\"failed\""], |sweeps| sweeps >= 1.0);
    write_rules(&product, "0 0 1 1 *", true);
    reload();
    // Whatever was still under way has ended, and the rows were counted since.
    daemon.sees("sweep_running", &[], |running| running == 0.0);
    daemon.sees("rows", &["rule=\"p/closed\"", "state=\"due\""], |rows| rows == 0.0);
    daemon.sees("rows", &["rule=\"p/waits\"", "state=\"due\""], |rows| rows == 36.0);
    daemon.sees("ledger_sound", &[], |sound| sound == 1.0);

    let batches = metric("batch_duration_seconds_count", &["rule=\"p/closed\""]);
    let overdue = now() - 1_456_826_400;
    let outcome = |outcome: &str| about(metric("sweeps_total", &[&format!("outcome=\"{outcome}\"")]));
    let throttled = |reason: &str| about(metric("throttled_seconds_total", &["source=\"app\"", &format!("reason=\"{reason}\"")]) / 300.0);
    let known: BTreeMap<&str, String> = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("entries", product.cli("ledger export").expect(0).json_lines().len().to_string()),
        ("overdue", format!("{}..{}", overdue * 95 / 100, overdue + 60)),
        ("since", format!("{began}000..{}000", now() + 120)),
        ("january", format!("{}000", product.data.number("SELECT CAST(strftime('%s', 'now', 'start of year', '+1 year') AS integer)"))),
        ("rows_a_batch", (117.0 / batches).to_string()),
        ("batches_a_second", about(batches / 300.0)),
        // In whole seconds.
        ("processor", ((daemon.metrics()["process_cpu_seconds_total"] + 2.0) * 1.1 / 300.0).to_string()),
        ("failed", outcome("failed")),
        ("interrupted", outcome("interrupted")),
        ("nothing_due", outcome("nothing_due")),
        ("paused", outcome("paused")),
        ("contention", throttled("contention")),
        ("courtesy", throttled("courtesy")),
        ("rate", throttled("rate")),
    ]
    .into();
    assert!(batches >= 3.0 && metric("throttled_seconds_total", &["reason=\"rate\""]) > 0.0, "117 rows in batches of 50, paced");

    let mut asked = 0;
    for (name, rule, table) in EXPECTED {
        let queries = queries(&dashboard(name));
        let expected = lines(table, &known);
        let titles: BTreeSet<&str> = queries.iter().map(|(title, _)| title.as_str()).collect();
        assert_eq!(titles, expected.keys().map(String::as_str).collect(), "{name}: queries, and lines in panels.rs");
        asked += queries.len();
        shows(&prometheus, name, rule, &queries, &expected);
    }
    assert!(asked > 70, "{asked} queries");
    let expected = lines(WAITS, &known);
    let queries: Vec<_> = queries(&dashboard("retentiond-rule")).into_iter().filter(|(title, _)| expected.contains_key(title)).collect();
    assert_eq!(queries.len(), expected.len());
    shows(&prometheus, "retentiond-rule", "p/waits", &queries, &expected);

    // Alerts begin to be pending that should, and no others.
    until("alerts", || {
        let alerts = prometheus.series("ALERTS");
        let names: BTreeSet<&str> = alerts.iter().map(|(labels, _)| labels["alertname"].as_str()).collect();
        (names == ["RetentionHoldPending", "RetentionOverdue", "RetentionSourceDown"].into()).then_some(())
    });
    let groups = prometheus.ask("rules").expect("an answer");
    let rules = groups["groups"][0]["rules"].as_array().expect("rules");
    assert!(rules.len() > 15 && rules.iter().all(|rule| rule["health"] == "ok"), "{groups:#}");

    // What is shown or told of is there, and what is there is shown.
    let exposition = get(&daemon.address, "/metrics").expect("the daemon answers").body;
    let there: BTreeSet<String> =
        exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned).collect();
    let boards = DASHBOARDS.map(|uid| queries_of(uid).join("\n")).concat();
    let shown = metrics_in(&boards);
    let own: BTreeSet<String> =
        there.iter().filter(|name| name.starts_with("retentiond_") && !ON_NO_PANEL.contains(&name.as_str())).cloned().collect();
    assert_eq!(shown, own, "metrics on panels, and metrics");
    let named: BTreeSet<String> = metrics_in(&rules.iter().map(|rule| rule["query"].to_string()).collect::<String>());
    assert!(named.is_subset(&there), "{named:?}");
    assert!(metrics_in(&read(RULES)).is_subset(&there));
    daemon.stop().expect(0);
}

fn queries_of(uid: &str) -> Vec<String> {
    queries(&dashboard(uid)).into_iter().map(|(_, query)| query).collect()
}

/// The lines of a table of `panels.rs`: title to series.
fn lines(table: &str, known: &BTreeMap<&str, String>) -> BTreeMap<String, String> {
    let mut text = table.to_owned();
    for (name, value) in known {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text.lines()
        .filter_map(|line| line.split_once(" | "))
        .map(|(title, series)| (title.trim().to_owned(), series.trim().to_owned()))
        .collect()
}

/// Waits until every query of a dashboard gives what is expected of it, with its variables at `rule` and all.
#[track_caller]
fn shows(prometheus: &Prometheus, name: &str, rule: &str, queries: &[(String, String)], expected: &BTreeMap<String, String>) {
    let variables =
        [("$__rate_interval", "5m"), ("$__range", "1h"), ("$rule", rule), ("$source", ".*"), ("$category", ".*"), ("$job", ".*")];
    let (mut wrong, mut shown, mut tries) = (Vec::new(), Vec::new(), 0);
    until(&format!("the panels of {name}"), || {
        tries += 1;
        (wrong, shown) = (Vec::new(), Vec::new());
        for (title, query) in queries {
            let query = variables.iter().fold(query.clone(), |query, (variable, value)| query.replace(variable, value));
            assert!(!query.contains('$'), "{name}: {title}: {query}");
            let series: BTreeMap<String, f64> =
                prometheus.series(&query).into_iter().map(|(labels, value)| (key(&labels), value)).collect();
            if !fits(&series, &expected[title]) {
                wrong.push(format!("{title}: {series:?}, and not {}", expected[title]));
            }
            shown.push(format!("{name} | {title} | {query} | {series:?}"));
        }
        // Scrapes are a second apart, and the state's figures five; what never comes is told.
        if !wrong.is_empty() && tries % 200 == 0 {
            eprintln!("{name} of {rule}, try {tries}:\n{}", wrong.join("\n"));
        }
        wrong.is_empty().then_some(())
    });
    println!("{}", shown.join("\n"));
}

/// What tells a series from its neighbours.
fn key(labels: &BTreeMap<String, String>) -> String {
    let of_rule: &[&str] = if labels.contains_key("rule") { &["source", "action"] } else { &[] };
    let silent = [&["job", "instance", "__name__", "category", "table"], of_rule].concat();
    labels.iter().filter(|(name, _)| !silent.contains(&name.as_str())).map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
}

fn fits(series: &BTreeMap<String, f64>, expected: &str) -> bool {
    let expected: Vec<(&str, &str)> =
        expected.split_whitespace().filter(|one| *one != "-").map(|one| one.rsplit_once('=').unwrap_or(("", one))).collect();
    let fits = |value: f64, wanted: &str| match wanted.split_once("..") {
        _ if wanted == "NaN" => value.is_nan(),
        Some((low, high)) => (number(low)..=number(high)).contains(&value),
        None => (value - number(wanted)).abs() <= number(wanted).abs() * 1e-9,
    };
    series.len() == expected.len() && expected.iter().all(|(key, wanted)| series.get(*key).is_some_and(|value| fits(*value, wanted)))
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
