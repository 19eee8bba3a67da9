//! Exit statuses and JSON: what scripts rely on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CLOSED, NOW, accounts, accounts_with, ended, has, left, policy, sweep};
use crate::support::product::{Kind, Product};

#[test]
fn exit_statuses_say_what_was_wrong() {
    let product = accounts(Kind::Sqlite);
    let place = "hold place --matter m --reason r --by b";
    let lines: &[(&str, i32)] = &[
        // Wrong: the command line.
        ("frobnicate", 2),
        ("plan --no-such-option", 2),
        ("plan p/close", 2),
        ("sweep p/close", 2),
        ("sweep --outside-window", 2),
        ("sweep --all", 2),
        ("plan --as-of yesterday", 2),
        ("source init ap", 2),
        ("source status ap", 2),
        (place, 2),
        (&format!("{place} --subject account"), 2),
        (&format!("{place} --subject acount:1"), 2),
        (&format!("{place} --table app.acounts"), 2),
        (&format!("{place} --category acount"), 2),
        (&format!("{place} --source ap"), 2),
        (&format!("{place} --subjects-file nowhere"), 2),
        ("hold place --matter m --reason r --subject account:1", 2),
        ("hold release 0000000000000000 --reason r --by b", 2),
        ("hold show 0000000000000000", 2),
        ("--config nowhere.toml plan", 2),
        // Done.
        ("--help", 0),
        ("check", 0),
        ("check --offline", 0),
        ("plan", 0),
        ("plan --forecast 3", 0),
        ("source status", 0),
        ("state status", 0),
        ("ledger show", 0),
        ("ledger verify", 0),
        ("hold list --all", 0),
        // Left undone on purpose: the rule is new.
        ("sweep", 3),
        ("sweep --approve", 0),
        ("sweep", 0),
    ];
    for (line, status) in lines {
        let run = product.cli(line);
        assert_eq!(run.status, Some(*status), "`retentiond {line}`: {run:#?}");
        if *status == 2 {
            assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "a mistake is told on standard error: {run:#?}");
        }
    }
}

#[test]
fn a_mistake_in_a_file_stops_every_command_with_its_place() {
    let product = accounts(Kind::Sqlite);
    product.rules("p", &policy(&[&CLOSED.replace("keep_for", "kep_for")]));
    for line in ["plan", "sweep --approve", "check --offline", "hold list"] {
        let run = product.cli(line).expect(2);
        assert!(run.stderr.contains("rules/p.toml") && run.stderr.contains("did you mean `keep_for`"), "{run:#?}");
    }
    assert_eq!(left(&product), "1 2 3 4");
}

#[test]
fn a_source_that_is_away_fails_and_says_so_without_the_password() {
    let mut product = accounts(Kind::Sqlite);
    product.connect_by("postgres://sweeper:swordfish-4711@127.0.0.1:1/app");
    for (line, status) in [("sweep --output json", 1), ("plan --output json", 1), ("check", 1), ("source status", 1)] {
        let run = product.cli(line).expect(status);
        assert!(!format!("{run:?}").contains("swordfish"), "{run:#?}");
    }
    let report = product.cli("sweep --output json").json();
    assert_eq!(ended(&report), "failed connection", "{report}");
    // A hold is recorded, and pending there.
    let placed = product.hold(&["account:1"]).expect(3).json();
    assert_eq!(placed["holds"][0]["pending"], serde_json::json!(["app"]), "{placed}");
}

#[test]
fn json_has_the_keys_that_are_promised() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        let plan = product.cli("plan --output json").expect(0).json();
        assert_eq!(plan["version"], 1);
        let rule = ["rule", "category", "source", "table", "action", "cutoff", "as_of", "rows", "blocked"];
        let rows = ["total", "outside", "undated", "running", "due", "held", "protected", "done"];
        has(&plan["rules"][0], &rule);
        has(&plan["rules"][0]["rows"], &rows);
        assert_eq!(plan["rules"][0]["rule"], "p/closed");
        assert_eq!(plan["rules"][0]["as_of"], NOW);
        assert_eq!(plan["rules"][0]["blocked"], Value::Null);
        let counts: Vec<_> = rows.map(|class| plan["rules"][0]["rows"][class].as_u64()).into_iter().flatten().collect();
        assert_eq!(counts, [4, 0, 1, 1, 2, 0, 0, 0], "{kind:?}");
        assert_eq!(product.cli("plan --no-count --output json").expect(0).json()["rules"][0]["rows"], Value::Null);
        let earlier = product.cli("plan --as-of 2023-02-28T23:59:59Z --output json").expect(0).json();
        assert_eq!(earlier["rules"][0]["rows"]["due"], 0, "29 February + 3 years ends with February: {earlier}");
        let due = product.cli("plan --as-of 2023-03-01T00:00:00Z --output json").expect(0).json();
        assert_eq!(due["rules"][0]["rows"]["due"], 1, "{due}");

        let placed = product.hold(&["account:1", "email:nobody@example.com"]).expect(0).json();
        let hold = ["id", "matter", "subject_count", "scope", "reason", "by", "placed_at", "released_at", "pending"];
        has(&placed["holds"][0], &hold);
        has(&placed["holds"][0]["rows"][0], &["source", "table", "rows"]);
        let list = product.cli("hold list --output json").expect(0).json();
        has(&list["holds"][0], &hold);
        assert_eq!((&list["version"], &list["holds"][0]["subject_count"]), (&1.into(), &2.into()));

        let swept = sweep(&product, "--approve", 0);
        has(&swept["rules"][0], &rule);
        has(&swept["rules"][0], &["acted", "dragged", "batches", "outcome", "reason", "duration_seconds"]);
        assert_eq!(ended(&swept), "complete -");
        assert_eq!((&swept["rules"][0]["acted"], &swept["rules"][0]["rows"]["held"]), (&1.into(), &1.into()), "{swept}");

        let entries = product.cli("ledger export").expect(0).json_lines();
        for (index, entry) in entries.iter().enumerate() {
            has(entry, &["seq", "at", "kind", "prev", "hash"]);
            assert_eq!(entry["seq"], index + 1);
        }
        let applied = entries.iter().find(|entry| entry["kind"] == "batch_applied").expect("a batch");
        has(applied, &["rule", "source", "table", "action", "rows", "dragged"]);
        assert_eq!(applied["rows"], 1);
        let kinds: BTreeSet<_> = entries.iter().filter_map(|entry| entry["kind"].as_str()).collect();
        for kind in ["genesis", "hold_placed", "approved", "sweep_started", "batch_intent", "batch_applied", "sweep_ended"] {
            assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
        }
    }
}

#[test]
fn the_status_of_several_rules_is_the_worst_of_theirs() {
    let missing = CLOSED.replace("\"closed\"", "\"missing\"").replace("\"accounts\"", "\"acounts\"");
    let product = accounts(Kind::Sqlite);
    product.rules("p", &policy(&[CLOSED, &missing]));
    let report = sweep(&product, "--approve", 3);
    assert_eq!(report["rules"][0]["outcome"], "complete", "{report}");
    assert_eq!((&report["rules"][1]["outcome"], &report["rules"][1]["reason"]), (&"refused".into(), &"missing_table".into()), "{report}");
    assert_eq!(report["rules"][1]["rows"], Value::Null);
    product.cli("plan").expect(3);
    let check = product.cli("check").expect(2);
    assert!(check.stdout.contains("did you mean `accounts`"), "{check:#?}");
    assert_eq!(left(&product), "3 4");
}

#[test]
fn anonymising_twice_changes_nothing_and_bystanders_stay() {
    let rule = CLOSED.replace(
        "action = \"delete\"",
        "action = \"anonymise\"\nanonymise = { note = { strategy = \"hmac\", key = \"pepper\" } }\nretains = [\"email\"]",
    );
    for kind in Kind::ALL {
        let product = accounts_with(kind, &rule, "[keys.pepper]\nfile = \"pepper.key\"");
        sweep(&product, "--approve", 0);
        let notes = || product.data.column("SELECT note FROM accounts ORDER BY id");
        let first = notes();
        assert!(first[..2].iter().all(|note| note.len() == 64) && first[2..] == ["c", "d"], "{kind:?}: {first:?}");
        assert_eq!(ended(&sweep(&product, "", 0)), "nothing_due -");
        assert_eq!(notes(), first);
    }
}

#[test]
fn standard_output_is_data_and_nothing_else() {
    let product: Product = accounts(Kind::Sqlite);
    for line in [
        "plan --output json",
        "sweep --output json",
        "check --output json",
        "source status --output json",
        "state status --output json",
        "hold list --output json",
        "ledger verify --output json",
        "ledger show --output json",
    ] {
        let json = product.cli(line).json();
        assert_eq!(json["version"], 1, "{line}");
    }
}
