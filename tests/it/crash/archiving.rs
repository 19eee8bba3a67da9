//! A sweep that copies rows to an archive, killed or surprised at every step: each row is in its table or in one valid
//! copy, and never in two, nor in none.

use std::collections::BTreeSet;

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    commands::archives::{copies, folder, lines, product as two},
    support::{
        binary,
        product::{Kind, Product},
    },
};

/// From the copy to the end of the sweep.
const POINTS: [&str; 12] = [
    "archive.written",
    "gate.taken",
    "act.done",
    "intent.before",
    "intent.recorded",
    "mark.done",
    "commit.before",
    "commit.after",
    "archive.published",
    "outcome.before",
    "outcome.recorded",
    "sweep.ended",
];

/// Batches of two rows: ten accounts are due, and two stay.
fn product(kind: Kind) -> Product {
    let mut product = two(kind);
    product.reconfigure(
        "[sources.app.limits]\nmax_batch_rows = 2\n",
        "[defaults]\nfirst_sweep = \"auto\"\nhold_cool_down = \"0 days\"\nmax_share = 1.0",
    );
    let rows: Vec<String> = (5..=12).map(|id| format!("({id}, 'e{id}', '2020-01-01 00:00:00', 'n{id}')")).collect();
    product.data.execute(&format!("INSERT INTO accounts VALUES {}", rows.join(", ")));
    product
}

/// Ids of the rows in valid copies, in order.
fn archived(product: &Product) -> Vec<String> {
    let id = |line: &String| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["id"].as_str().map_or_else(|| line["id"].to_string(), str::to_owned)
    };
    let mut ids: Vec<String> = lines(product).iter().map(id).collect();
    ids.sort_by_key(|id| id.parse::<u64>().expect("a number"));
    ids
}

fn left(product: &Product) -> Vec<String> {
    product.data.column("SELECT CAST(id AS text) FROM accounts ORDER BY accounts.id")
}

/// Every row is in one place, the archive verifies, and nothing is left of tries.
#[track_caller]
fn judge(product: &Product, what: &str) {
    assert_eq!(left(product), ["3", "4"], "{what}");
    let expected: Vec<String> = [1, 2].into_iter().chain(5..=12).map(|id: u64| id.to_string()).collect();
    assert_eq!(archived(product), expected, "{what}");
    let other: Vec<Value> = copies(product).into_iter().filter(|copy| copy["status"] != "valid").collect();
    assert_eq!(other, Vec::<Value>::new(), "{what}");
    product.cli("archive verify").expect(0);
    product.cli("ledger verify").expect(0);
}

fn killed_everywhere(kind: Kind) {
    for (point, visit) in POINTS.into_iter().flat_map(|point| [(point, 1), (point, 3)]) {
        let product = product(kind);
        let order = format!("{point}:{visit}:kill");
        let run = binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", &order));
        if visit == 3 && (point.starts_with("outcome") || point == "sweep.ended") {
            run.expect(0);
        } else {
            assert_eq!(run.signal, Some(Signal::KILL.as_raw()), "{order}: {run:#?}");
            // A row that is in a valid copy is nowhere else.
            let (archived, left) = (archived(&product), left(&product));
            assert!(!archived.iter().any(|id| left.contains(id)), "{order}: {archived:?} and {left:?}");
            product.cli("sweep").expect(0);
        }
        judge(&product, &order);
    }
}

#[test]
fn a_sweep_killed_while_it_archives_from_sqlite_loses_nothing() {
    killed_everywhere(Kind::Sqlite);
}

#[test]
fn a_sweep_killed_while_it_archives_from_postgres_loses_nothing() {
    killed_everywhere(Kind::Postgres);
}

#[test]
fn a_sweep_killed_while_it_archives_from_mariadb_loses_nothing() {
    killed_everywhere(Kind::Mariadb);
}

/// A sweep that is killed while it removes a copy whose end has come.
#[test]
fn a_copy_that_is_being_removed_is_removed_once() {
    for kind in Kind::ALL {
        for point in ["archive.hidden", "archive.removed", "archive.entered"] {
            let mut product = two(kind);
            product.data.execute("DELETE FROM accounts WHERE id = 3");
            product.cli("sweep").expect(0);
            product.set_now("2037-06-16T12:00:00Z");
            let run = binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
            assert_eq!(run.signal, Some(Signal::KILL.as_raw()), "{kind:?} {point}: {run:#?}");
            product.cli("sweep").expect(0);
            assert_eq!(copies(&product), Vec::<Value>::new(), "{kind:?} {point}");
            let left = glob::glob(folder(&product).join("**/*.*").to_str().expect("UTF-8")).expect("a pattern").count();
            assert_eq!(left, 0, "{kind:?} {point}");
            let ended = product.run(["ledger", "show", "--kind", "archive_ended", "--output", "json"]).expect(0).json();
            assert_eq!(ended["entries"].as_array().map(Vec::len), Some(1), "{kind:?} {point}");
            product.cli("archive verify").expect(0);
        }
    }
}

/// The application changes, removes and adds rows between the copy and the batch.
pub fn a_row_that_changes_meanwhile_is_copied_as_it_went(kind: Kind, fault: &str) {
    for change in [
        "UPDATE accounts SET note = 'changed' WHERE id = 1",
        "DELETE FROM accounts WHERE id = 1",
        "INSERT INTO accounts VALUES (0, 'late', '2020-01-01 00:00:00', 'late')",
    ] {
        let product = two(kind);
        let mut command = product.command(["sweep"]);
        let sweep = binary::start(command.env("RETENTIOND_TEST_SEEDED", fault).env("RETENTIOND_TEST_POINT", "archive.written:1:stop"));
        assert!(sweep.has_stopped(), "{kind:?}: {change}");
        let rows = || -> BTreeSet<String> { product.data.column("SELECT CAST(id AS text) FROM accounts").into_iter().collect() };
        product.data.execute(change);
        let before = rows();
        sweep.resume();
        sweep.finish().expect(0);
        product.cli("sweep").expect(0);
        let gone: Vec<String> = before.difference(&rows()).cloned().collect();
        let mut archived = archived(&product);
        archived.sort();
        assert_eq!(archived, gone, "{kind:?}: {change}");
        let is_changed = change.starts_with("UPDATE");
        assert_eq!(lines(&product).iter().any(|line| line.contains("\"changed\"")), is_changed, "{kind:?}: {change}");
        product.cli("archive verify").expect(0);
    }
}

#[test]
fn what_goes_is_what_was_copied() {
    for kind in Kind::ALL {
        a_row_that_changes_meanwhile_is_copied_as_it_went(kind, "none");
    }
}

/// A copy is valid only when its rows have gone.
pub fn a_copy_is_valid_when_its_rows_have_gone(kind: Kind, fault: &str) {
    let product = two(kind);
    let mut command = product.command(["sweep"]);
    binary::run(command.env("RETENTIOND_TEST_SEEDED", fault).env("RETENTIOND_TEST_POINT", "commit.before:1:kill"));
    let archived = archived(&product);
    assert_eq!(archived, Vec::<String>::new(), "{kind:?}: the rows are there still");
    product.cli("sweep").expect(0);
    product.cli("archive verify").expect(0);
}

/// A copy stays while a hold covers a row of it.
pub fn a_held_copy_stays(kind: Kind, fault: &str) {
    let mut product = two(kind);
    product.cli("sweep").expect(0);
    product.hold(&["account:2"]).expect(0);
    product.set_now("2037-06-16T12:00:00Z");
    binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_SEEDED", fault));
    assert!(archived(&product).contains(&"2".to_owned()), "{kind:?}");
}

/// A hold that is placed while copies are removed waits for the gate, or is obeyed.
#[test]
fn a_hold_is_placed_before_or_after_a_copy_goes() {
    for kind in Kind::ALL {
        let mut product = two(kind);
        product.data.execute("DELETE FROM accounts WHERE id = 3");
        product.cli("sweep").expect(0);
        product.set_now("2037-06-16T12:00:00Z");
        let sweep = binary::start(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", "archive.hidden:1:stop"));
        assert!(sweep.has_stopped(), "{kind:?}");
        // It was let go before, and the hold says that it covers nothing.
        let placed = product.hold(&["account:1"]).expect(0).json();
        assert!(!placed.to_string().contains("archived"), "{kind:?}: {placed}");
        sweep.resume();
        sweep.finish().expect(0);
        assert_eq!(copies(&product), Vec::<Value>::new(), "{kind:?}");
        product.cli("ledger verify").expect(0);
    }
}

/// Whether the batch committed can't be learnt any more: the copy stays, for its rows may be nowhere else.
#[test]
fn a_copy_of_which_nobody_knows_stays() {
    for kind in Kind::ALL {
        for (point, gone) in [("intent.recorded", false), ("commit.after", true)] {
            let product = two(kind);
            let run = binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
            assert_eq!(run.signal, Some(Signal::KILL.as_raw()), "{kind:?} {point}");
            product.run(["state", "adopt", "--source", "app", "--reason", "r", "--by", "b"]).expect(0);
            assert_eq!(left(&product).contains(&"1".to_owned()), !gone, "{kind:?} {point}");
            product.cli("sweep").expect(0);
            let archived: BTreeSet<String> = archived(&product).into_iter().collect();
            // Where both are due still, they are copied once more when they go.
            let expected = ["1", "2"].map(str::to_owned);
            assert_eq!(archived, BTreeSet::from(expected), "{kind:?} {point}");
            assert_eq!(lines(&product).len(), if gone { 2 } else { 4 }, "{kind:?} {point}");
            product.cli("archive verify").expect(0);
        }
    }
}
