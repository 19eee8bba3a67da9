//! Legal holds as the person who places them meets them.

use std::{fmt::Write as _, time::Instant};

use serde_json::json;

use super::{CLOSED, NOW, accounts, accounts_with, left, policy, sweep};
use crate::support::{
    product::{Kind, Product},
    sqlite::Sqlite,
};

/// Held in one file.
const MANY: u32 = 100_000;

#[test]
fn a_hundred_thousand_subjects_in_one_file_are_held_on_sqlite() {
    many_are_held(Kind::Sqlite);
}

#[test]
fn a_hundred_thousand_subjects_in_one_file_are_held_on_postgresql() {
    many_are_held(Kind::Postgres);
}

#[test]
fn a_hundred_thousand_subjects_in_one_file_are_held_on_mariadb() {
    many_are_held(Kind::Mariadb);
}

fn many_are_held(kind: Kind) {
    let product = accounts(kind);
    let numbers = kind.numbers(11, u64::from(MANY) + 20);
    product
        .data
        .execute(&format!("INSERT INTO accounts {numbers} SELECT i, 'user' || i || '@example.com', '2020-01-01 00:00:00', '' FROM n"));
    // The first half by account and the second by address, in the two ways that a file may be written.
    let mut lines = String::new();
    for id in 11..=MANY + 10 {
        let _ = if id <= MANY / 2 {
            writeln!(lines, "account:{id}")
        } else {
            writeln!(lines, "{}", json!({"kind": "email", "value": format!("user{id}@example.com")}))
        };
    }
    product.folder.write("subjects.jsonl", &lines);
    let began = Instant::now();
    let line = "hold place --matter m --reason r --by b --output json --subjects-file subjects.jsonl";
    let report = product.cli(line).expect(0).json();
    let placed = began.elapsed();
    assert_eq!((&report["holds"][0]["subject_count"], &report["holds"][0]["rows"][0]["rows"]), (&MANY.into(), &MANY.into()), "{report}");
    let began = Instant::now();
    let swept = sweep(&product, "--approve", 0);
    println!("{kind:?}: {MANY} subjects placed in {:.1} s, swept in {:.1} s", placed.as_secs_f64(), began.elapsed().as_secs_f64());
    assert_eq!((&swept["rules"][0]["acted"], &swept["rules"][0]["rows"]["held"]), (&12.into(), &MANY.into()), "{swept}");
    assert_eq!(product.data.number("SELECT count(*) FROM accounts WHERE id > 10"), i64::from(MANY));
    let shown = product.cli(&format!("hold show {} --output json", report["holds"][0]["id"].as_str().expect("an id"))).expect(0).json();
    assert_eq!(shown["holds"][0]["subjects"].as_array().map(Vec::len), Some(MANY as usize));
}

#[test]
fn a_bad_line_is_named_and_nothing_is_placed() {
    let product = accounts(Kind::Sqlite);
    let line = "hold place --matter m --reason r --by b --subjects-file subjects";
    for (text, named) in
        [("account:1\n\naccount\n", "line 3"), ("{\"kind\": \"account\"}\n", "line 1"), ("account:1\n{\"kind\": 1}\n", "line 2")]
    {
        product.folder.write("subjects", text);
        let run = product.cli(line).expect(2);
        assert!(run.stderr.contains(named), "{run:#?}");
    }
    product.folder.write("subjects", "");
    product.cli(line).expect(2);
    assert_eq!(product.cli("hold list --all --output json").json()["holds"], json!([]));
}

#[test]
fn what_a_hold_cannot_reach_is_said() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        // A value that no row has: it stands all the same, for rows that come later.
        let run = product.hold(&["email:ada@exmaple.com"]).expect(0);
        assert!(run.stderr.contains("covers no row"), "{run:#?}");
        // A value that can't be one of the column's type. Any column of SQLite can hold any value.
        if kind != Kind::Sqlite {
            let run = product.hold(&["account:seven"]).expect(2);
            assert!(run.stderr.contains("account:seven") && run.stderr.contains("nothing was placed"), "{run:#?}");
        }
        // A table without such a subject.
        product.data.execute("CREATE TABLE visits (id bigint PRIMARY KEY, email text, at bigint); INSERT INTO visits VALUES (1, 'ada@example.com', 946684800)");
        let visits = r#"
            id = "visits"
            category = "visit"
            source = "app"
            table = "visits"
            subject = { email = "email" }
            start = "at"
            start_format = "unix_s"
            keep_for = "1 year"
            action = "delete"
        "#;
        product.rules("p", &policy(&[CLOSED, visits]));
        let run = product.hold(&["account:1"]).expect(3);
        assert!(run.stderr.contains("NOT COVERED: rule p/visits"), "{run:#?}");
        assert_eq!(run.json()["holds"][0]["uncovered"], json!(["p/visits"]));
        let place = ["hold", "place", "--matter", "m", "--reason", "r", "--by", "b", "--subject", "account:1", "--accept-uncovered"];
        product.run(place).expect(0);
        sweep(&product, "--approve", 0);
        assert_eq!((left(&product).as_str(), product.data.number("SELECT count(*) FROM visits")), ("1 3 4", 0), "{kind:?}");
    }
}

/// Two tables of two categories, each with a due row of account 1 and of account 2.
fn two_tables(kind: Kind) -> Product {
    let product = Product::new(kind, "[defaults]\nfirst_sweep = \"auto\"\nhold_cool_down = \"2 days\"").at(NOW);
    let rule = |name: &str, category: &str| {
        format!(
            "id = \"{name}\"\ncategory = \"{category}\"\nsource = \"app\"\ntable = \"{name}\"\nsubject = {{ account = \"account\" }}\n\
             start = \"at\"\nstart_format = \"unix_s\"\nkeep_for = \"1 year\"\naction = \"delete\"\n"
        )
    };
    for name in ["orders", "visits"] {
        product.data.execute(&format!("CREATE TABLE {name} (id bigint PRIMARY KEY, account bigint, at bigint); INSERT INTO {name} VALUES (1, 1, 946684800), (2, 2, 946684800)"));
    }
    product.rules("p", &policy(&[&rule("orders", "sale"), &rule("visits", "traffic")]));
    product.init();
    product
}

fn left_in_both(product: &Product) -> String {
    let ids = |table: &str| product.data.column(&format!("SELECT CAST(id AS text) FROM {table} ORDER BY id")).join(" ");
    format!("{} | {}", ids("orders"), ids("visits"))
}

#[test]
fn a_scope_narrows_a_hold_to_its_places() {
    let cases: &[(&str, &str)] = &[
        ("--subject account:1", "1 | 1"),
        ("--subject account:1 --subject account:2", "1 2 | 1 2"),
        ("--subject account:1 --table app.orders", "1 | "),
        ("--subject account:1 --category traffic", " | 1"),
        ("--subject account:1 --table app.orders --category traffic", "1 | 1"),
        ("--subject account:1 --source app", "1 | 1"),
        ("--table app.visits", " | 1 2"),
        ("--category sale", "1 2 | "),
        ("--source app", "1 2 | 1 2"),
    ];
    for kind in Kind::ALL {
        for (scope, expected) in cases {
            let product = two_tables(kind);
            product.cli(&format!("hold place --matter m --reason r --by b {scope}")).expect(0);
            product.cli("sweep").expect(0);
            assert_eq!(left_in_both(&product), *expected, "{kind:?}: {scope}");
            product.cli("ledger verify").expect(0);
        }
    }
}

#[test]
fn a_released_hold_ends_with_its_cool_down_and_only_if_no_other_stands() {
    for kind in Kind::ALL {
        let mut product = two_tables(kind);
        let place = |subject: &str| product.hold(&[subject]).expect(0).json()["holds"][0]["id"].as_str().expect("an id").to_owned();
        let (first, second, third) = (place("account:1"), place("account:1"), place("account:2"));
        let release = |product: &Product, id: &str, status| {
            product.run(["hold", "release", id, "--reason", "settled", "--by", "counsel"]).expect(status)
        };
        release(&product, &first, 0);
        release(&product, &third, 0);
        release(&product, &third, 2);
        product.cli("sweep").expect(0);
        assert_eq!(left_in_both(&product), "1 2 | 1 2", "both are in their cool-down");
        product.set_now("2026-06-17T11:59:59Z");
        product.cli("sweep").expect(0);
        assert_eq!(left_in_both(&product), "1 2 | 1 2", "a second short of two days");
        product.set_now("2026-06-17T12:00:00Z");
        product.cli("sweep").expect(0);
        assert_eq!(left_in_both(&product), "1 | 1", "{kind:?}: another hold stands on account 1");
        release(&product, &second, 0);
        product.set_now("2026-06-20T00:00:00Z");
        product.cli("sweep").expect(0);
        assert_eq!(left_in_both(&product), " | ", "{kind:?}");
        assert_eq!(product.cli("hold list --output json").json()["holds"], json!([]));
        assert_eq!(product.cli("hold list --all --output json").json()["holds"].as_array().map(Vec::len), Some(3));
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn a_released_hold_without_a_cool_down_leaves_the_source_at_once() {
    for kind in Kind::ALL {
        let (product, held) = with_a_hold_that_ends_at_once(kind);
        assert_eq!(product.data.number(&format!("SELECT count(*) FROM {held}")), 1);
        product.run(["hold", "release", &hold_of(&product), "--reason", "settled", "--by", "counsel"]).expect(0);
        assert_eq!(product.data.number(&format!("SELECT count(*) FROM {held}")), 0, "{kind:?}: no sweep was needed");
    }
}

#[test]
fn a_released_hold_that_cannot_be_removed_is_no_hold_that_is_pending() {
    let (product, held) = with_a_hold_that_ends_at_once(Kind::Sqlite);
    product
        .data
        .execute(&format!("CREATE TRIGGER full BEFORE DELETE ON {held} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"));
    let id = hold_of(&product);
    let run = product.run(["hold", "release", &id, "--reason", "settled", "--by", "counsel"]).expect(3);
    assert!(run.stderr.contains("a released hold could not be removed from source `app`"), "{run:#?}");
    let run = product.cli("sweep --approve --output json").expect(1);
    assert_eq!(run.json()["rules"][0]["reason"], "database", "{run:#?}");
    assert_eq!(left(&product), "1 2 3 4");
    product.data.execute("DROP TRIGGER full");
    sweep(&product, "--approve", 0);
    assert_eq!(left(&product), "3 4");
}

/// A hold on account 1 whose release ends it, in real time; with the source's table of holds.
fn with_a_hold_that_ends_at_once(kind: Kind) -> (Product, String) {
    let mut product = accounts_with(kind, CLOSED, "[defaults]\nhold_cool_down = \"0 days\"");
    product.set_real_time();
    product.hold(&["account:1"]).expect(0);
    let held = product.data.own_table("held");
    (product, held)
}

fn hold_of(product: &Product) -> String {
    product.cli("hold list --output json").json()["holds"][0]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_source_that_comes_later_is_reached_by_a_hold_that_was_before() {
    let mut product = accounts(Kind::Sqlite);
    product.hold(&["account:7"]).expect(0);
    let late = Sqlite::create();
    late.execute("CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at text); INSERT INTO accounts VALUES (7, 'x', '2020-01-01'), (8, 'y', '2020-01-01')");
    product.reconfigure("", &format!("[sources.late]\nurl = \"{}\"\nnaive_timestamps = \"UTC\"", late.url()));
    product.rules(
        "late",
        &policy(&[&CLOSED.replace("\"app\"", "\"late\"").replace("\"timestamp\"", "\"iso8601\"")]).replace("id = \"p\"", "id = \"late\""),
    );
    product.cli("source init late").expect(0);
    sweep(&product, "--approve", 0);
    assert_eq!(late.number("SELECT sum(id) FROM accounts"), 7);
}

#[test]
fn a_row_without_a_subject_is_nobodys_unless_the_rule_says_otherwise() {
    for kind in Kind::ALL {
        for (says, expected) in [("", "1 3 4"), ("on_null_subject = \"hold\"", "1 3 4 5")] {
            let product = accounts(kind);
            product.rules("p", &policy(&[&format!("{}\n{says}", CLOSED.replace("account = \"id\", ", ""))]));
            product.data.execute("INSERT INTO accounts VALUES (5, NULL, '2020-01-01 00:00:00', NULL)");
            product.hold(&["email:ada@example.com"]).expect(0);
            sweep(&product, "--approve", 0);
            assert_eq!(left(&product), expected, "{kind:?} {says}");
        }
    }
}
