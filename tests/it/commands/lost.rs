//! After something was lost, restored or copied: nothing acts until a person says so, and no hold is forgotten.

use std::{fs, path::Path};

use serde_json::json;

use super::{accounts, ended, left, sweep};
use crate::support::{
    product::{Kind, Product},
    sqlite::Sqlite,
};

fn remove(file: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        let _ = fs::remove_file(name);
    }
}

fn adopt(product: &Product) -> serde_json::Value {
    product.run(["state", "adopt", "--output", "json", "--reason", "lost", "--by", "engineer"]).expect(0).json()
}

#[test]
fn a_lost_state_is_not_replaced_by_an_empty_one_and_its_holds_are_found_again() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        let hold = product.hold(&["account:1"]).expect(0).json()["holds"][0]["id"].clone();
        remove(&product.folder.path().join("state.db"));
        product.cli("sweep --approve").expect(1);
        let run = product.cli("source init app").expect(3);
        assert!(run.stderr.contains("state adopt"), "{run:#?}");
        product.hold(&["account:2"]).expect(1);
        assert!(!product.folder.path().join("state.db").exists(), "nothing made an empty state");
        assert_eq!(left(&product), "1 2 3 4");

        let report = adopt(&product);
        assert_eq!(report["sources"][0]["holds_imported"], json!([hold]), "{report}");
        assert_eq!(product.cli("hold list --output json").json()["holds"][0]["id"], hold);
        sweep(&product, "--approve", 0);
        assert_eq!(left(&product), "1 3 4", "{kind:?}");
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn a_source_restored_from_before_a_hold_is_guarded_until_it_is_adopted() {
    let product = accounts(Kind::Sqlite);
    sweep(&product, "--approve", 0);
    product.data.execute("INSERT INTO accounts VALUES (1, 'ada', '2020-01-01 00:00:00', ''), (2, 'ben', '2020-01-01 00:00:00', '')");
    let backup = product.folder.path().join("backup.db");
    product.data.execute(&format!("VACUUM INTO '{}'", backup.display()));
    product.hold(&["account:1"]).expect(0);
    let file = product.data.url().trim_start_matches("sqlite:").to_owned();
    remove(Path::new(&file));
    fs::copy(&backup, &file).expect("a restored database");
    guarded(&product);
    adopt(&product);
    sweep(&product, "", 0);
    assert_eq!(left(&product), "1 3 4");
    product.cli("ledger verify").expect(0);
}

#[test]
fn a_source_that_forgot_its_holds_is_guarded_on_postgresql_too() {
    let product = accounts(Kind::Postgres);
    let before = product.data.column("SELECT epoch::text FROM retentiond.gate")[0].clone();
    product.hold(&["account:1"]).expect(0);
    product.data.execute(&format!("UPDATE retentiond.gate SET epoch = {before}; DELETE FROM retentiond.held"));
    guarded(&product);
    adopt(&product);
    sweep(&product, "--approve", 0);
    assert_eq!(left(&product), "1 3 4");
    product.cli("ledger verify").expect(0);
}

#[test]
fn a_copy_of_the_database_is_not_the_source() {
    let mut product = accounts(Kind::Sqlite);
    product.hold(&["account:1"]).expect(0);
    let copy = product.folder.path().join("copy.db");
    product.data.execute(&format!("VACUUM INTO '{}'", copy.display()));
    product.connect_by("sqlite:copy.db");
    guarded(&product);
    assert_eq!(Sqlite::at(&copy).number("SELECT count(*) FROM accounts"), 4);
}

/// Nothing acts, and the words say how to go on.
#[track_caller]
fn guarded(product: &Product) {
    let before = left(product);
    // What is due is still counted.
    let plan = product.cli("plan").expect(3).stdout;
    assert!(plan.contains("would be guarded: source `app`") && plan.contains("state adopt"), "{plan}");
    assert!(product.cli("plan --output json").expect(3).json()["rules"][0]["rows"]["total"].is_number());
    for words in ["", "--approve", "--no-count"] {
        let report = sweep(product, words, 3);
        assert!(["guarded restored", "guarded foreign_state"].contains(&ended(&report).as_str()), "{report}");
        assert!(report["rules"][0]["message"].as_str().is_some_and(|message| message.contains("state adopt")), "{report}");
    }
    assert_eq!(left(product), before);
    product.hold(&["account:3"]).expect(3);
}

#[test]
fn two_sources_on_one_database_are_refused() {
    for kind in Kind::ALL {
        let mut product = accounts(kind);
        let second = format!("[sources.twin]\nurl = \"{}\"\nworkspace = \"other\"", product.data.url());
        product.reconfigure("", &second);
        // Two names of one file show when the configuration is read, two of one database on a server when it is asked.
        let (status, words) = if kind == Kind::Sqlite { (2, "are the same file") } else { (3, "one database") };
        let run = product.cli("source init twin").expect(status);
        assert!(run.stderr.contains(words), "{run:#?}");
    }
}

#[test]
fn making_a_workspace_twice_changes_nothing() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.hold(&["account:1"]).expect(0);
        product.init();
        sweep(&product, "--approve", 0);
        assert_eq!(left(&product), "1 3 4");
    }
}

#[test]
fn a_source_without_a_workspace_can_only_be_looked_at() {
    for kind in Kind::ALL {
        let mut product = Product::new(kind, "").at(super::NOW);
        let time = kind.pick("text", "timestamptz", "datetime(6)");
        product.data.execute(&format!("CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at {time}); INSERT INTO accounts VALUES (1, 'a', '2020-01-01 00:00:00')"));
        product.rules("p", &super::policy(&[super::CLOSED]));
        product.connect_by(&product.data.owner_url());
        product.cli("check").expect(0);
        assert_eq!(product.cli("plan --output json").expect(0).json()["rules"][0]["rows"]["due"], 1);
        let run = product.cli("sweep --approve");
        assert!(run.status == Some(1) || run.status == Some(3), "{run:#?}");
        assert!(run.stderr.contains("source init"), "the way out is named: {run:#?}");
        assert_eq!(left(&product), "1");
    }
}
