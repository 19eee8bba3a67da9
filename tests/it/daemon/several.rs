//! Ticks that overlap, ticks that were missed, and two daemons that share a state.

use std::collections::BTreeSet;

use super::{CLOSED, Daemon, EAGER, SLOWLY, YEARLY, accounts, entries, left, policy};
use crate::support::{product::Kind, until};

#[test]
fn overlapping_ticks_give_one_sweep() {
    let product = accounts(Kind::Sqlite, &format!("{SLOWLY}{EAGER}"), 500, 0);
    let daemon = Daemon::start(&product);
    // Five seconds at this pace, and a tick in each.
    until("the rows go", || (left(&product) == 0).then_some(()));
    daemon.sees("sweeps_total", &["outcome=\"complete\""], |sweeps| sweeps >= 1.0);
    daemon.stop().expect(0);
    let ends = entries(&product, "sweep_ended");
    assert_eq!((ends[0]["outcome"].as_str(), ends[0]["rows"].as_i64()), (Some("complete"), Some(500)), "{ends:#?}");
}

#[test]
fn sweeps_that_wait_for_a_source_follow_one_another_between_ticks() {
    let product = accounts(Kind::Sqlite, EAGER, 20, 0);
    let one = |id: u32| CLOSED.replace("\"closed\"", &format!("\"closed-{id}\"\nwhere = \"id = {id}\""));
    product.rules("p", &policy(&(1..=20).map(one).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>()));
    let daemon = Daemon::start(&product);
    until("the rows go", || (left(&product) == 0).then_some(()));
    daemon.stop().expect(0);
    // Ticks are a second apart; of so many sweeps some are fast, on any machine.
    let started: Vec<jiff::Timestamp> =
        entries(&product, "sweep_started").iter().map(|entry| entry["at"].as_str().expect("a time").parse().expect("a time")).collect();
    let gaps: Vec<_> = started.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    assert!(started.len() >= 20, "each once at least: {started:?}");
    assert!(gaps.iter().any(|gap| gap.as_millis() < 500), "{gaps:?}");
}

/// Only a sweep could tell, and another process has swept.
#[test]
fn what_another_process_has_mended_is_mended_here() {
    let mut product = accounts(Kind::Sqlite, YEARLY, 20, 0);
    let closed = product.data.column("SELECT strftime('%H', 'now', '+3 hours')");
    product.reconfigure(&format!("window = \"{0}:00-{0}:30\"", closed[0]), YEARLY);
    product.cli("sweep").expect(3);
    let daemon = Daemon::start(&product);
    let blocked =
        |value: f64| daemon.sees("rule_blocked", &["rule=\"p/closed\"", "reason=\"window\""], |blocked| (blocked - value).abs() < 0.5);
    blocked(1.0);
    product.run(["sweep", "--outside-window", "--reason", "an errand"]).expect(0);
    blocked(0.0);
    daemon.sees("rule_enforcing", &["rule=\"p/closed\""], |enforcing| (enforcing - 1.0).abs() < 0.5);
    daemon.stop().expect(0);
}

#[test]
fn what_was_missed_while_it_was_down_is_caught_up_once() {
    for kind in Kind::ALL {
        let mut product = accounts(kind, YEARLY, 20, 5);
        // The last success was years ago, and many a first of January has passed since.
        product.set_now("2019-06-01T00:00:00Z");
        product.cli("sweep --approve").expect(0);
        assert_eq!(left(&product), 5);
        product.set_real_time();
        product.data.execute("INSERT INTO accounts VALUES (900, '2015-01-01 00:00:00', '')");
        let daemon = Daemon::start(&product);
        daemon.sees("sweeps_total", &["outcome=\"complete\""], |sweeps| sweeps == 1.0);
        assert_eq!(left(&product), 5);
        let next =
            daemon.sees("sweep_next_timestamp_seconds", &[], |next| next > daemon.metric("sweep_last_success_timestamp_seconds", &[]));
        assert!(next - daemon.metric("sweep_last_success_timestamp_seconds", &[]) < 366.0 * 86_400.0);
        daemon.stop().expect(0);
        assert_eq!(entries(&product, "sweep_started").len(), 2, "{kind:?}: one by hand, one to catch up");
    }
}

#[test]
fn a_rule_that_never_ran_waits_for_its_time_unless_it_was_approved_before() {
    let mut product = accounts(Kind::Sqlite, &YEARLY.replace("\"auto\"", "\"approve\""), 20, 5);
    product.set_now("2019-06-01T00:00:00Z");
    product.cli("approve p/closed").expect(0);
    product.set_real_time();
    product.rules("q", &policy(&[&CLOSED.replace("\"closed\"", "\"other\"")]).replace("\"p\"", "\"q\""));
    // An approval is of the rule among its competitors.
    let daemon = Daemon::start(&product);
    daemon.sees("sweeps_total", &["rule=\"p/closed\""], |sweeps| sweeps == 1.0);
    assert_eq!(daemon.metric("sweeps_total", &["rule=\"q/other\""]), 0.0);
    daemon.stop().expect(0);
}

#[test]
fn two_daemons_on_one_state_answer_each_occurrence_once() {
    let product = accounts(Kind::Sqlite, &EAGER.replace("* * * * * *", "*/3 * * * * *"), 300, 0);
    let daemons = [Daemon::start(&product), Daemon::start(&product)];
    for round in 1..=3 {
        until("a sweep", || (entries(&product, "sweep_ended").len() >= round).then_some(()));
        product.data.execute(&format!("INSERT INTO accounts VALUES ({}, '2015-01-01 00:00:00', '')", 1_000 + round));
    }
    // Whoever swept, the one that leads knows it from the state.
    daemons[0].sees("sweep_last_success_timestamp_seconds", &[], |at| at > 0.0);
    daemons.into_iter().for_each(|daemon| drop(daemon.stop().expect(0)));
    let started = entries(&product, "sweep_started");
    let occurrences: BTreeSet<i64> = started
        .iter()
        .map(|entry| entry["at"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time").as_second().div_euclid(3))
        .collect();
    assert_eq!(occurrences.len(), started.len(), "{started:#?}");
    product.cli("ledger verify").expect(0);
}
