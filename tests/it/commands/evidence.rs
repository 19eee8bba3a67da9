//! The ledger against somebody who can write to the state's database: each change shows.

use super::{accounts, left, sweep};
use crate::support::{
    product::{Kind, Product},
    sqlite::Sqlite,
};

/// A source that was swept twice, and the database of the state.
fn swept(kind: Kind) -> (Product, Sqlite) {
    let product = accounts(kind);
    product.hold(&["account:1"]).expect(0);
    sweep(&product, "--approve", 0);
    product.data.execute("INSERT INTO accounts VALUES (9, 'x', '2019-01-01 00:00:00', ''), (10, 'y', '2019-01-01 00:00:00', '')");
    sweep(&product, "", 0);
    assert_eq!(left(&product), "1 3 4");
    product.cli("ledger verify").expect(0);
    let state = Sqlite::at(product.folder.path().join("state.db"));
    (product, state)
}

#[test]
fn every_change_to_the_ledger_shows() {
    let last = "(SELECT max(seq) FROM ledger WHERE kind = 'batch_applied')";
    let cut = |seq: &str| {
        format!(
            "CREATE TEMP TABLE cut AS SELECT {seq} AS seq;
             DELETE FROM ledger_text WHERE seq > (SELECT seq FROM cut); DELETE FROM ledger WHERE seq > (SELECT seq FROM cut);
             UPDATE ledger_head SET seq = (SELECT seq FROM cut), hash = (SELECT hash FROM ledger WHERE seq = (SELECT seq FROM cut))"
        )
    };
    let changes = [
        ("a count", format!("UPDATE ledger SET canonical = replace(canonical, '\"rows\":2', '\"rows\":1') WHERE seq = {last}")),
        ("a hash", format!("UPDATE ledger SET hash = lower(hex(randomblob(32))) WHERE seq = {last}")),
        ("a time", "UPDATE ledger SET canonical = replace(canonical, '2026-06-15', '2026-06-14') WHERE seq = 4".to_owned()),
        ("an entry in the middle", "DELETE FROM ledger_text WHERE seq = 3; DELETE FROM ledger WHERE seq = 3".to_owned()),
        ("the first entry", "DELETE FROM ledger_text WHERE seq = 1; DELETE FROM ledger WHERE seq = 1".to_owned()),
        (
            "the order",
            "UPDATE ledger SET seq = -1 WHERE seq = 4; UPDATE ledger SET seq = 4 WHERE seq = 5; UPDATE ledger SET seq = 5 WHERE seq = -1"
                .to_owned(),
        ),
        ("a name", "UPDATE ledger_text SET body = 'somebody else' WHERE field = 'by'".to_owned()),
        ("the outcome of the last batch", cut(&format!("{last} - 1"))),
        ("the end, from the last batch on", cut("(SELECT max(seq) - 1 FROM ledger WHERE kind = 'batch_intent')")),
        ("everything", cut("1")),
    ];
    for kind in Kind::ALL {
        for (what, change) in &changes {
            let (product, state) = swept(kind);
            state.execute(change);
            let run = product.cli("ledger verify --output json");
            // A batch whose outcome was cut off is open, which is sound; that its intent is there is what counts.
            let expected = if *what == "the outcome of the last batch" { 0 } else { 4 };
            assert_eq!(run.status, Some(expected), "{kind:?}: {what}: {run:#?}");
            assert_eq!(run.json()["sound"], expected == 0, "{what}");
        }
    }
}

#[test]
fn an_export_verifies_alone_and_a_changed_one_does_not() {
    let (product, _) = swept(Kind::Sqlite);
    product.cli("ledger export --file export.jsonl").expect(0);
    assert_eq!(
        product.cli("ledger export").expect(0).stdout,
        std::fs::read_to_string(product.folder.path().join("export.jsonl")).expect("the export")
    );
    product.cli("ledger verify --file export.jsonl").expect(0);
    let text = std::fs::read_to_string(product.folder.path().join("export.jsonl")).expect("the export");
    let lines: Vec<&str> = text.lines().collect();
    let changed = [
        text.replacen("\"rows\":2", "\"rows\":3", 1),
        [&lines[..2], &lines[3..]].concat().join("\n"),
        lines.iter().rev().copied().collect::<Vec<_>>().join("\n"),
        format!("{text}not an entry\n"),
        text.replacen("batch_applied", "batch_abandoned", 1),
    ];
    for changed in changed {
        assert_ne!(changed, text);
        product.folder.write("changed.jsonl", &changed);
        product.cli("ledger verify --file changed.jsonl").expect(4);
    }
}

#[test]
fn the_ledger_can_be_asked_for_what_matters() {
    let (product, _) = swept(Kind::Sqlite);
    let show = |words: &str| {
        product.cli(&format!("ledger show --output json {words}")).expect(0).json()["entries"].as_array().cloned().expect("entries")
    };
    assert!(show("--rule p/closed").iter().all(|entry| entry["rule"] == "p/closed"));
    assert_eq!(show("--kind batch_applied").len(), 2);
    assert_eq!(show("--kind batch_applied --last 1")[0]["rows"], 2);
    assert_eq!(show("--kind nothing").len(), 0);
}
