//! What makes a sweep wait: for a person, for its hour, or for ever, because it only observes.

use super::{CLOSED, accounts, accounts_with, ended, left, many, policy, sweep};
use crate::support::product::{Kind, Product};

#[test]
fn a_new_or_changed_rule_waits_for_a_person() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        assert_eq!(ended(&sweep(&product, "", 3)), "guarded approval");
        assert_eq!(left(&product), "1 2 3 4");
        assert_eq!(ended(&sweep(&product, "--approve", 0)), "complete -");
        assert_eq!(left(&product), "3 4");
        // Approved once, it goes by itself.
        product.data.execute("INSERT INTO accounts VALUES (9, 'x', '2019-01-01 00:00:00', '')");
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -");
        // What takes more waits again; so does a table that has changed.
        product.rules("p", &policy(&[&CLOSED.replace("3 years", "1 day")]));
        assert_eq!(ended(&sweep(&product, "p/closed", 3)), "guarded approval", "{kind:?}");
        assert_eq!(left(&product), "3 4");
        product.rules("p", &policy(&[CLOSED]));
        product.data.execute("ALTER TABLE accounts ADD COLUMN later text");
        assert_eq!(ended(&sweep(&product, "", 3)), "guarded approval");
        product.cli("ledger verify").expect(0);
    }
}

/// Keeps the rows of a dispute.
const KEPT: &str = "id = \"kept\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"accounts\"\naction = \"keep\"\nreason = \"a dispute\"\nwhere = \"note = 'c'\"";

#[test]
fn what_only_keeps_longer_goes_on_and_can_not_be_taken_back_unseen() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        sweep(&product, "--approve", 0);
        let expect = |rules: &[&str], status: i32, outcome: &str| {
            product.rules("p", &policy(rules));
            assert_eq!(ended(&sweep(&product, "p/closed", status)), outcome, "{kind:?}: {rules:?}");
        };
        let longer = CLOSED.replace("3 years", "4 years");
        expect(&[&longer], 0, "nothing_due -");
        expect(&[&longer, KEPT], 0, "nothing_due -");
        // Each of these protects less than what was let through last.
        expect(&[&longer], 3, "guarded approval");
        expect(&[&longer, &KEPT.replace("'c'", "'d'")], 3, "guarded approval");
        expect(&[CLOSED, KEPT], 3, "guarded approval");
        let overriding = CLOSED.replace("\"closed\"", "\"disputed\"").replace("3 years", "9 years");
        expect(&[&longer, KEPT, &overriding], 0, "nothing_due -");
        let overriding = format!("{overriding}overrides = [\"kept\"]\nwhere = \"note = 'c'\"\n");
        expect(&[&longer, KEPT, &overriding], 3, "guarded approval");
        expect(&[&longer, KEPT], 3, "guarded approval");
        let said = |entry: &serde_json::Value| entry["texts"]["reason"].as_str().unwrap_or_default().to_owned();
        let entries = product.cli("ledger export").expect(0).json_lines();
        let changes: Vec<_> = entries.iter().filter(|entry| entry["what"] == "rule_changed").map(said).collect();
        assert_eq!(changes.len(), 3, "{kind:?}: {entries:#?}");
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn a_clock_that_no_other_agrees_with_stops_what_it_would_decide() {
    let mut product = accounts(Kind::Postgres);
    product.set_real_time();
    let run = |error: &str, line: &str| {
        let mut command = product.command(line.split(' '));
        crate::support::binary::run(command.env("RETENTIOND_TEST_AHEAD", error))
    };
    for (error, which) in [("3600", "1h ahead of"), ("-3600", "1h behind")] {
        let report = run(error, "sweep --approve --output json").expect(3).json();
        assert_eq!(ended(&report), "guarded clock");
        let message = report["rules"][0]["message"].as_str().expect("a sentence");
        assert!(message.contains(which) && message.contains("`app`"), "{message}");
        let checked = run(error, "check").expect(3).stdout;
        assert!(checked.contains(which), "{checked}");
    }
    assert_eq!(left(&product), "1 2 3 4");
    // A hold binds whatever the time is.
    run("3600", "hold place --matter m --reason r --by b --subject account:1").expect(0);
    assert_eq!(ended(&run("60", "sweep --approve --output json").expect(0).json()), "complete -");
    assert_eq!(left(&product), "1 3 4");
}

#[test]
fn approving_where_nothing_waits_does_no_harm() {
    let product = accounts(Kind::Sqlite);
    sweep(&product, "--approve", 0);
    sweep(&product, "--approve", 0);
    assert_eq!(ended(&sweep(&product, "", 0)), "nothing_due -");
}

#[test]
fn a_rule_that_observes_changes_nothing_and_is_no_failure() {
    for kind in Kind::ALL {
        let product = accounts_with(kind, &format!("{CLOSED}\nmode = \"observe\""), "");
        for words in ["", "--approve", "--no-count"] {
            assert_eq!(ended(&sweep(&product, words, 0)), "paused observe");
        }
        assert_eq!(left(&product), "1 2 3 4");
        assert_eq!(product.cli("plan --output json").expect(0).json()["rules"][0]["rows"]["due"], 2);
    }
}

#[test]
fn a_closed_window_waits_for_its_hour_or_a_reason() {
    for kind in Kind::ALL {
        let mut product = accounts(kind);
        product.reconfigure("window = \"22:00-05:30\"", "");
        assert_eq!(ended(&sweep(&product, "--approve", 3)), "paused window");
        product.cli("sweep --approve --outside-window").expect(2);
        assert_eq!(left(&product), "1 2 3 4");
        for (now, expected) in
            [("2026-06-15T21:59:59Z", 3), ("2026-06-16T05:30:00Z", 3), ("2026-06-15T22:00:00Z", 0), ("2026-06-16T05:29:59Z", 0)]
        {
            product.set_now(now);
            product.cli("sweep --approve").expect(expected);
        }
        assert_eq!(left(&product), "3 4");
        product.data.execute("INSERT INTO accounts VALUES (9, 'x', '2019-01-01 00:00:00', '')");
        product.set_now("2026-06-16T12:00:00Z");
        product.cli("sweep").expect(3);
        product.cli("sweep --outside-window --reason urgent").expect(0);
        assert_eq!(left(&product), "3 4");
    }
}

#[test]
fn a_dry_run_changes_nothing_but_runs_the_statements() {
    for kind in Kind::ALL {
        let mut product = accounts(kind);
        product.reconfigure("", "[sources.app.limits]\nmax_batch_rows = 1\npace = \"fast\"");
        for (words, acted) in [("--dry-run", 1), ("--dry-run --all", 2), ("--dry-run --no-count --all", 2)] {
            let report = sweep(&product, words, 0);
            assert_eq!(report["rules"][0]["acted"], acted, "{kind:?} {words}: {report}");
            assert_eq!(left(&product), "1 2 3 4", "{kind:?} {words}");
        }
        let entries = product.cli("ledger export").json_lines();
        assert!(entries.iter().all(|entry| !entry["kind"].as_str().is_some_and(|kind| kind.starts_with("batch"))), "{entries:#?}");
        assert_eq!(ended(&sweep(&product, "", 3)), "guarded approval", "a dry run approves nothing");
        assert_eq!(ended(&sweep(&product, "--approve", 0)), "complete -", "and leaves nothing in the way");
    }
}

#[test]
fn a_sweep_that_takes_too_large_a_share_waits_for_a_person() {
    for kind in Kind::ALL {
        let product = many(kind, 2_000, 0);
        assert_eq!(ended(&sweep(&product, "", 3)), "guarded max_share");
        assert_eq!(product.data.number("SELECT count(*) FROM many"), 2_000);
        // Without counting it finds out on the way, and stops in time.
        assert_eq!(ended(&sweep(&product, "--no-count", 3)), "guarded max_share");
        assert!(product.data.number("SELECT count(*) FROM many") >= 1_000, "{kind:?}: at most half went");
        let report = sweep(&product, "--approve", 0);
        assert_eq!(ended(&report), "complete -", "{report}");
        assert_eq!(product.data.number("SELECT count(*) FROM many"), 0);
        // Small tables are not guarded by share.
        let product = many(kind, 999, 0);
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -");
    }
}

#[test]
fn dates_that_can_not_be_meant_stop_the_rule_above_one_in_a_hundred() {
    for kind in Kind::ALL {
        for (bad, words, expected) in
            [(20, "", "complete -"), (21, "", "refused implausible_dates"), (21, "--no-count", "refused implausible_dates")]
        {
            let product = many(kind, 2_000, bad);
            let report = sweep(&product, &format!("--approve {words}"), if bad == 20 { 0 } else { 3 });
            assert_eq!(ended(&report), expected, "{kind:?} {bad} {words}: {report}");
            let rows = product.data.number("SELECT count(*) FROM many");
            assert_eq!(rows, if bad == 20 { 20 } else { 2_000 }, "{kind:?} {words}");
        }
    }
}

#[test]
fn what_protects_a_row_keeps_it() {
    let rules = |other: &str| policy(&[CLOSED, other]);
    let table = "category = \"c\"\nsource = \"app\"\ntable = \"accounts\"\n";
    let cases = [
        ("id = \"k\"\naction = \"keep\"\nreason = \"r\"\nwhere = \"note = 'a'\"", "1 2 3 4"),
        // Unknown protects: account 2 has no note.
        ("id = \"k\"\naction = \"keep\"\nreason = \"r\"\nwhere = \"note = 'z'\"", "2 3 4"),
        ("id = \"k\"\naction = \"keep\"\nreason = \"r\"\nmode = \"observe\"", "1 2 3 4"),
        (
            "id = \"l\"\naction = \"delete\"\nmode = \"observe\"\nsubject = { account = \"id\" }\nstart = \"closed_at\"\nstart_format = \"timestamp\"\nkeep_for = \"6 years 1 month\"",
            "2 3 4",
        ),
        // A rule that can't be evaluated protects its whole table.
        ("id = \"k\"\naction = \"keep\"\nreason = \"r\"\nwhere = \"nowhere = 'a'\"", "1 2 3 4"),
    ];
    for kind in Kind::ALL {
        for (other, expected) in &cases {
            let mut product = accounts(kind);
            product.data.execute("UPDATE accounts SET note = NULL WHERE id = 2");
            if other.contains("6 years") {
                product.set_now("2026-03-20T00:00:00Z");
                product.data.execute("UPDATE accounts SET closed_at = '2019-01-01 00:00:00' WHERE id = 1; UPDATE accounts SET closed_at = '2020-02-29 10:00:00' WHERE id = 2");
            }
            product.rules("p", &rules(&format!("{table}{other}")));
            let run = product.cli("sweep --approve p/closed");
            assert_eq!(left(&product), *expected, "{kind:?} {other}: {run:#?}");
        }
    }
}

#[test]
fn a_rule_that_keeps_and_can_not_be_decided_is_refused_by_sweep_as_by_plan() {
    for kind in Kind::ALL {
        let product = Product::new(kind, "");
        product.data.execute("CREATE TABLE t (id integer PRIMARY KEY, at text); INSERT INTO t VALUES (1, 'soon'), (2, '2020-01-01')");
        product.rules(
            "p",
            "[policy]\nid = \"p\"\n[[rule]]\nid = \"kept\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"t\"\nstart = \"at\"\n\
             start_format = \"iso8601\"\nkeep_for = \"1 year\"\naction = \"keep\"\nreason = \"law\"\n",
        );
        product.init();
        assert_eq!(product.cli("plan --output json").expect(3).json()["rules"][0]["blocked"]["reason"], "implausible_dates");
        let swept = product.cli("sweep --output json").expect(3).json();
        assert_eq!(
            (&swept["rules"][0]["outcome"], &swept["rules"][0]["reason"]),
            (&"refused".into(), &"implausible_dates".into()),
            "{swept}"
        );
    }
}
