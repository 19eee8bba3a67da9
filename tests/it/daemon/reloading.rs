//! A new configuration takes effect as a whole or not at all.

use std::{fs, os::unix::fs::symlink};

use rustix::process::Signal;

use super::{CLOSED, Daemon, EAGER, SLOWLY, YEARLY, accounts, entries, left, policy};
use crate::support::{http::post, product::Kind, until};

#[test]
fn a_good_one_is_taken_up_and_a_bad_one_keeps_the_one_in_force() {
    let product = accounts(Kind::Sqlite, EAGER, 20, 5);
    let mut daemon = Daemon::start(&product);
    daemon.sees("rows_acted_total", &["rule=\"p/closed\""], |rows| rows == 20.0);

    product.rules("p", &policy(&[&CLOSED.replace("3 years", "3 yaers")]));
    daemon.process.signal(Signal::HUP);
    daemon.sees("config_last_reload_successful", &[], |successful| successful == 0.0);
    let line = daemon.process.line("the new configuration was refused");
    assert!(line.contains("p.toml") && line.contains("3 yaers"), "{line}");
    // The rule that was in force still is.
    product.data.execute("INSERT INTO accounts VALUES (900, '2015-01-01 00:00:00', '')");
    daemon.sees("rows_acted_total", &["rule=\"p/closed\""], |rows| rows == 21.0);

    product.rules("p", &policy(&[CLOSED, &CLOSED.replace("\"closed\"", "\"again\"").replace("3 years", "4 years")]));
    daemon.process.signal(Signal::HUP);
    daemon.sees("config_last_reload_successful", &[], |successful| successful == 1.0);
    daemon.sees("sweeps_total", &["rule=\"p/again\""], |sweeps| sweeps > 0.0);
    // Counters of a rule that stays go on.
    assert_eq!(daemon.metric("rows_acted_total", &["rule=\"p/closed\""]), 21.0);

    product.rules("p", &policy(&[CLOSED]));
    daemon.process.signal(Signal::HUP);
    until("the series are gone", || (!daemon.metrics().keys().any(|series| series.contains("p/again"))).then_some(()));
    daemon.stop().expect(0);
}

/// As Kubernetes mounts a ConfigMap, and swaps it.
#[test]
fn what_is_mounted_is_read_again_when_it_is_swapped() {
    let product = accounts(Kind::Sqlite, EAGER, 20, 5);
    let rules = product.folder.path().join("rules");
    let mounted = |version: &str, text: &str| {
        fs::create_dir(rules.join(version)).expect("a folder");
        fs::write(rules.join(version).join("p.toml"), text).expect("a file");
        symlink(version, rules.join("..new")).expect("a link");
        fs::rename(rules.join("..new"), rules.join("..data")).expect("swapped");
    };
    let again = CLOSED.replace("\"closed\"", "\"again\"").replace("3 years", "4 years");
    mounted("..v1", &policy(&[CLOSED]));
    fs::remove_file(rules.join("p.toml")).expect("the file");
    symlink("..data/p.toml", rules.join("p.toml")).expect("a link");
    let mut daemon = Daemon::start(&product);
    daemon.sees("rows_acted_total", &["rule=\"p/closed\""], |rows| rows == 20.0);
    mounted("..v2", &policy(&[CLOSED, &again]));
    until("the series are there", || daemon.metrics().keys().any(|series| series.contains("p/again")).then_some(()));
    daemon.sees("sweeps_total", &["rule=\"p/again\""], |sweeps| sweeps > 0.0);
    mounted("..v3", "nonsense");
    daemon.sees("config_last_reload_successful", &[], |successful| successful == 0.0);
    mounted("..v4", &policy(&[CLOSED]));
    daemon.sees("config_last_reload_successful", &[], |successful| successful == 1.0);
    until("the series are gone", || (!daemon.metrics().keys().any(|series| series.contains("p/again"))).then_some(()));
    daemon.process.line("what is mounted may be newer");
    daemon.stop().expect(0);
}

#[test]
fn a_request_says_what_is_wrong() {
    let mut product = accounts(Kind::Sqlite, YEARLY, 1, 0);
    let daemon = Daemon::start(&product);
    assert_eq!(post(&daemon.address, "/-/reload").expect("an answer").status, 200);
    product.rules("p", &policy(&[&CLOSED.replace("keep_for", "keep_fro")]));
    let refused = post(&daemon.address, "/-/reload").expect("an answer");
    assert_eq!(refused.status, 422);
    assert!(refused.headers.contains(&("content-type".to_owned(), "application/problem+json".to_owned())), "{refused:?}");
    let problem: serde_json::Value = serde_json::from_str(&refused.body).expect("JSON");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("did you mean `keep_for`?")), "{problem}");
    assert_eq!(daemon.metric("config_last_reload_successful", &[]), 0.0);
    product.rules("p", &policy(&[CLOSED]));
    product.reconfigure("", &YEARLY.replace("127.0.0.1:0", "127.0.0.2:0"));
    let refused = post(&daemon.address, "/-/reload").expect("an answer");
    assert!(refused.status == 422 && refused.body.contains("restart"), "{refused:?}");
    daemon.stop().expect(0);
}

#[test]
fn a_change_of_any_rule_on_the_table_ends_its_sweep_at_the_next_batch() {
    for kind in Kind::ALL {
        let product = accounts(kind, &format!("{SLOWLY}{EAGER}"), 1_000, 0);
        let daemon = Daemon::start(&product);
        daemon.sees("rows_acted_total", &[], |rows| rows >= 20.0);
        // What is kept from now on is kept at once.
        let keep = "id = \"kept\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"accounts\"\naction = \"keep\"\nreason = \"a dispute\"\n";
        product.rules("p", &policy(&[CLOSED, keep]));
        assert_eq!(post(&daemon.address, "/-/reload").expect("an answer").status, 200);
        daemon.sees("sweeps_total", &["outcome=\"interrupted\"", "rule=\"p/closed\""], |sweeps| sweeps == 1.0);
        daemon.sees("sweeps_total", &["outcome=\"nothing_due\"", "rule=\"p/closed\""], |sweeps| sweeps >= 1.0);
        let ends = entries(&product, "sweep_ended");
        assert_eq!(ends[0]["outcome"], "interrupted");
        assert_eq!(ends[0]["rows"].as_i64(), Some(1_000 - left(&product)), "{kind:?}: nothing went after it");
        daemon.stop().expect(0);
        product.cli("ledger verify").expect(0);
    }
}

/// Rules of a child count for its rows when the parent is swept, so a new one ends that sweep.
#[test]
fn a_change_of_a_rule_on_a_child_ends_the_sweep_of_its_parent() {
    let product = accounts(Kind::Postgres, &format!("{SLOWLY}{EAGER}"), 1_000, 0);
    product.data.execute(
        "CREATE TABLE heirs () INHERITS (accounts);
         WITH moved AS (DELETE FROM ONLY accounts WHERE id % 2 = 0 RETURNING *) INSERT INTO heirs SELECT * FROM moved",
    );
    let daemon = Daemon::start(&product);
    daemon.sees("rows_acted_total", &[], |rows| rows >= 20.0);
    let keep = "id = \"kept\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"heirs\"\naction = \"keep\"\nreason = \"a dispute\"\n";
    product.rules("p", &policy(&[CLOSED, keep]));
    product.cli("check").expect(0);
    assert_eq!(post(&daemon.address, "/-/reload").expect("an answer").status, 200);
    daemon.sees("sweeps_total", &["outcome=\"interrupted\"", "rule=\"p/closed\""], |sweeps| sweeps == 1.0);
    daemon.stop().expect(0);
    product.cli("sweep").expect(0);
    let heirs: u64 = product.data.column("SELECT concat('', count(*)) FROM heirs")[0].parse().expect("a count");
    assert_eq!(left(&product), heirs.cast_signed());
    assert!(heirs > 100, "{heirs} of 500 are left: the sweep went on");
}
