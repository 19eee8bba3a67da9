//! Daemons that share a state: one leads, another follows it when it is killed or sleeps, and releases are replaced one by one.

use super::{Daemon, EAGER, YEARLY, fill, left};
use crate::support::{
    binary::{self, run},
    product::{Kind, Product},
    until,
};

fn leads(daemon: &Daemon) -> bool {
    daemon.metric("leader", &[]) > 0.5
}

/// Whether the metrics show what the state says.
fn shows(daemon: &Daemon) -> bool {
    let metrics = daemon.metrics();
    let has = |name: &str| metrics.keys().any(|series| series.starts_with(&format!("retentiond_{name}")));
    assert!(has("rows_acted_total") && has("source_up") && has("rule_info"), "{metrics:?}");
    let of_state = [
        "holds_active",
        "held_subjects",
        "holds_pending",
        "ledger_entries_total",
        "ledger_last_verified",
        "rows{",
        "rule_blocked{",
        "rule_enforcing",
        "sweep_last_success",
        "oldest_overdue",
    ];
    let shown: Vec<&str> = of_state.into_iter().filter(|name| has(name)).collect();
    assert!(shown.is_empty() || shown.len() == of_state.len(), "{shown:?}");
    !shown.is_empty()
}

fn start_ahead(product: &Product, seconds: u32) -> Daemon {
    let mut command = product.command(["run", "--log-format", "json"]);
    Daemon::started(binary::start(command.env("RETENTIOND_TEST_AHEAD", seconds.to_string())))
}

fn one_leads_and_another_follows_it(kind: Kind) {
    let product = Product::new(Kind::Sqlite, YEARLY).with_state(kind);
    fill(&product, 5, 5);
    product.hold(&["account:7"]).expect(0);
    let first = Daemon::start(&product);
    first.sees("holds_active", &[], |holds| holds == 1.0);
    let second = Daemon::start(&product);
    let third = Daemon::start(&product);
    assert_eq!([&first, &second, &third].map(leads), [true, false, false], "{kind:?}");
    assert_eq!([&first, &second, &third].map(shows), [true, false, false], "{kind:?}");
    let status = product.run(["state", "status", "--output", "json"]).expect(0).json();
    let daemons = status["daemons"].as_array().expect("daemons");
    assert_eq!(daemons.iter().map(|daemon| daemon["leads"].as_bool()).collect::<Vec<_>>(), [Some(true), Some(false), Some(false)]);
    assert!(product.cli("state status").expect(0).stdout.contains(", leads\n"));

    // One that drains lets another lead at once, and says nothing any more of what is no longer its to say.
    first.stop().expect(0);
    until("another leads", || [&second, &third].into_iter().any(leads).then_some(()));
    let (leader, other) = if leads(&second) { (second, third) } else { (third, second) };
    leader.sees("holds_active", &[], |holds| holds == 1.0);
    leader.sees("rows", &["state=\"due\""], |due| due == 5.0);

    // One that is killed is followed, although it could say nothing.
    leader.process.kill();
    until("the last one leads", || leads(&other).then_some(()));
    other.sees("rows", &["state=\"due\""], |due| due == 5.0);

    // One that sleeps is taken for gone, and finds when it wakes that it leads no more. Asleep within a transaction it would keep
    // a SQLite state for itself.
    if kind == Kind::Postgres {
        other.process.pause();
        let late = start_ahead(&product, 60);
        until("one that never slept leads", || leads(&late).then_some(()));
        other.process.resume();
        until("it has woken", || (!leads(&other) && !shows(&other)).then_some(()));
        assert!(leads(&late));
        late.stop().expect(0);
    }
    other.stop().expect(0);
    let status = product.run(["state", "status", "--output", "json"]).expect(0).json();
    assert!(status["daemons"].as_array().expect("daemons").is_empty(), "{status:#}");
}

/// What the next release does to the tables, and the one after it: the first only adds, the second takes something away that the
/// first no longer needs.
const ADDS: &str = "7 ALTER TABLE lane ADD COLUMN note TEXT; CREATE TABLE shelf (id BIGINT PRIMARY KEY)";
const TAKES: &str = "8 DROP TABLE shelf";

/// Starts a daemon of a release whose tables are these steps further.
fn start_release(product: &Product, steps: &[&str], point: Option<&str>) -> Daemon {
    let mut command = product.command(["run", "--log-format", "json"]);
    command.env("RETENTIOND_TEST_STEPS", steps.join("\n")).env("RETENTIOND_TEST_POINT", point.unwrap_or_default());
    Daemon::started(binary::start(&mut command))
}

fn releases_are_replaced_one_by_one(kind: Kind) {
    let product = Product::new(Kind::Sqlite, EAGER).with_state(kind);
    fill(&product, 20, 5);
    let version = || product.run(["state", "status", "--output", "json"]).expect(0).json()["schema_version"].as_i64();
    let due = |id: u32| product.data.execute(&format!("INSERT INTO accounts VALUES ({id}, '2015-01-01 00:00:00', '')"));
    let gone = || until("the rows go", || (left(&product) == 5).then_some(()));
    let old = Daemon::start(&product);
    gone();
    // The tables become the new one's; the old one goes on, and starts again.
    start_release(&product, &[ADDS], None).stop().expect(0);
    assert_eq!(version(), Some(8), "{kind:?}");
    due(901);
    gone();
    old.stop().expect(0);
    product.hold(&["account:7"]).expect(0);
    let mut old = start_release(&product, &[], Some("claim.before:2:stop"));
    old.process.stopped();

    // What the old one could not work with waits for its end, and names it.
    let mut command = product.command(["run"]);
    let refused = run(command.env("RETENTIOND_TEST_STEPS", [ADDS, TAKES].join("\n")));
    assert!(refused.status.is_some_and(|status| status != 0), "{refused:?}");
    assert!(refused.stderr.contains(&format!("process {} on", old.process.pid().as_raw_nonzero())), "{refused:?}");
    assert!(refused.stderr.contains("stop it first"), "{refused:?}");
    assert_eq!(version(), Some(8), "{kind:?}");

    // Taken for gone, because it sleeps, it writes nothing to tables that it does not know once it wakes.
    let mut command = product.command(["run", "--log-format", "json"]);
    command.env("RETENTIOND_TEST_STEPS", [ADDS, TAKES].join("\n")).env("RETENTIOND_TEST_AHEAD", "60");
    Daemon::started(binary::start(&mut command)).stop().expect(0);
    let entries = || {
        let mut command = product.command(["state", "status", "--output", "json"]);
        run(command.env("RETENTIOND_TEST_STEPS", [ADDS, TAKES].join("\n"))).expect(0).json()["ledger_entries"].as_u64()
    };
    let before = entries();
    due(902);
    old.process.resume();
    old.process.line("this retentiond knows versions up to 7");
    assert_eq!((entries(), left(&product)), (before, 6), "{kind:?}");
    old.stop().expect(0);
    let refused = product.cli("run");
    assert!(refused.stderr.contains("run the retentiond that wrote it, or a newer one"), "{refused:?}");
    let newest = start_release(&product, &[ADDS, TAKES], None);
    gone();
    newest.stop().expect(0);
}

#[test]
fn one_leads_and_another_follows_it_on_sqlite() {
    one_leads_and_another_follows_it(Kind::Sqlite);
}

#[test]
fn one_leads_and_another_follows_it_on_postgres() {
    one_leads_and_another_follows_it(Kind::Postgres);
}

#[test]
fn releases_are_replaced_one_by_one_on_sqlite() {
    releases_are_replaced_one_by_one(Kind::Sqlite);
}

#[test]
fn releases_are_replaced_one_by_one_on_postgres() {
    releases_are_replaced_one_by_one(Kind::Postgres);
}
