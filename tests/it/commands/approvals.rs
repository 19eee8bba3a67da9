//! What waits for a person: new rules, changed ones, and those that take more than they may.

use serde_json::{Value, json};

use super::{CLOSED, accounts, ended, left, many, policy, sweep};
use crate::support::product::{Kind, Product};

const KEPT: &str = r#"
id = "kept"
category = "dispute"
source = "app"
table = "accounts"
action = "keep"
reason = "a dispute"
where = "note = 'a'"
"#;

#[track_caller]
fn approve(product: &Product, rule: &str) -> Value {
    product.cli(&format!("approve {rule} --output json")).expect(0).json()
}

#[track_caller]
fn waits(product: &Product) -> Value {
    product.cli("plan p/closed --output json").expect(0).json()["rules"][0]["waits"].clone()
}

fn entries(product: &Product, kind: &str) -> Vec<Value> {
    let entries = product.cli("ledger export").expect(0).json_lines();
    entries.into_iter().filter(|entry| entry["kind"] == kind).collect()
}

#[test]
fn a_new_rule_goes_once_it_is_approved() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        let waiting = waits(&product);
        assert_eq!((&waiting["guard"], &waiting["reason"]), (&json!("first_sweep"), &json!("approval")), "{waiting}");
        assert!(waiting["message"].as_str().is_some_and(|text| text.contains("retentiond approve p/closed")), "{waiting}");
        let report = approve(&product, "p/closed");
        assert_eq!((&report["due"], &report["approved"]["max_rows"]), (&json!(2), &json!(3)), "{report}");
        assert_eq!(report["approved"]["cutoff"], "2023-06-15T12:00:00.000001Z");
        let [entry] = &entries(&product, "approved")[..] else { panic!("one approval") };
        for key in ["digest", "rule_digest", "guard", "cutoff", "max_rows"] {
            assert_eq!(entry[key], report["approved"][key], "{key}");
        }
        assert_eq!((&entry["rule"], &entry["source"]), (&json!("p/closed"), &json!("app")));
        assert_eq!(left(&product), "1 2 3 4", "approving takes nothing");
        assert_eq!(waits(&product), Value::Null);
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -");
        assert_eq!(left(&product), "3 4");
        // The batches say which form they were of.
        assert_eq!(entries(&product, "batch_applied")[0]["rule_digest"], entry["rule_digest"]);
        assert_eq!(approve(&product, "p/closed")["approved"], Value::Null, "nothing waits");
        assert_eq!(entries(&product, "approved").len(), 1);
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn what_can_not_be_approved_is_told() {
    let product = accounts(Kind::Sqlite);
    product.rules("p", &policy(&[CLOSED, KEPT]));
    product.cli("approve p/close").expect(2);
    product.cli("approve p/kept").expect(2);
    product.cli("approve").expect(2);
    product.rules("p", &policy(&[&CLOSED.replace("closed_at", "close_at")]));
    assert!(product.cli("approve p/closed").expect(3).stderr.contains("did you mean `closed_at`"));
}

#[test]
fn an_approval_lets_no_more_rows_go_than_were_counted_and_ten_per_cent() {
    for kind in Kind::ALL {
        for words in ["", "--no-count"] {
            let product = many(kind, 2_000, 0);
            product.data.execute("DELETE FROM many WHERE id > 1000");
            assert_eq!(waits_of(&product, "p/closed")["guard"], "max_share");
            assert_eq!(approve(&product, "p/closed")["approved"]["max_rows"], 1_100);
            product.data.execute("INSERT INTO many SELECT id + 10000, since FROM many WHERE id <= 101");
            let report = sweep(&product, words, 3);
            assert_eq!(ended(&report), "guarded approval", "{kind:?} {words}: {report}");
            let left = product.data.number("SELECT count(*) FROM many");
            // Without counting it finds out on the way, and takes only what was approved.
            assert!(if words.is_empty() { left == 1_101 } else { (1..1_101).contains(&left) }, "{kind:?} {words}: {left}");
            if words.is_empty() {
                assert_eq!(waits_of(&product, "p/closed")["guard"], "more_rows");
                product.data.execute("DELETE FROM many WHERE id = 10001");
                assert_eq!(ended(&sweep(&product, "", 0)), "complete -");
                // Spent: the share counts again.
                product.data.execute(&format!("INSERT INTO many {} SELECT i, 946684800 FROM n", kind.numbers(1, 1_000)));
                assert_eq!(ended(&sweep(&product, "", 3)), "guarded max_share");
            }
        }
    }
}

#[track_caller]
fn waits_of(product: &Product, rule: &str) -> Value {
    product.cli(&format!("plan {rule} --output json")).expect(0).json()["rules"][0]["waits"].clone()
}

#[test]
fn a_change_shows_its_blast_radius() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.data.execute("INSERT INTO accounts VALUES (5, 'e', '2026-06-13 00:00:00', 'a')");
        product.rules("p", &policy(&[CLOSED, KEPT]));
        approve(&product, "p/closed");
        assert_eq!(ended(&sweep(&product, "p/closed", 0)), "complete -");
        assert_eq!(left(&product), "1 3 4 5");
        // A protection that goes, and a period that shrinks: 1 and 5 were protected, 3 and 5 had not ended.
        product.rules("p", &policy(&[&CLOSED.replace("3 years", "1 day")]));
        let waiting = waits(&product);
        assert_eq!(waiting["guard"], "changed");
        assert_eq!(waiting["blast"]["rows_more"], 3, "{waiting}");
        assert_eq!(waiting["blast"]["protections"], json!(["p/kept is gone, and protects nothing any more"]));
        assert_eq!(waiting["blast"]["changes"], json!(["`keep_for` was \"3 years\" and is \"1 day\""]));
        let report = sweep(&product, "", 3);
        assert_eq!((ended(&report).as_str(), &report["rules"][0]["waits"]["blast"]["rows_more"]), ("guarded approval", &json!(3)));
        let shown = product.cli("plan").expect(0).stdout;
        assert!(shown.contains("3 rows more than under what was approved") && shown.contains("p/kept is gone"), "{shown}");
        // A narrower condition of the protection, and a competitor that is new.
        product.rules("p", &policy(&[CLOSED, &KEPT.replace("note = 'a'", "note = 'a' AND id = 5"), &KEPT.replace("\"kept\"", "\"also\"")]));
        let blast = &waits(&product)["blast"];
        assert_eq!(blast["rows_more"], 0, "{blast}");
        assert!(blast["protections"][0].as_str().is_some_and(|text| text.starts_with("p/kept: `where` was")), "{blast}");
        assert_eq!(blast["changes"], json!(["p/also is new on the table"]));
        // The form that was approved goes on where it is back.
        product.rules("p", &policy(&[CLOSED, KEPT]));
        assert_eq!(waits(&product), Value::Null);
        product.data.execute("ALTER TABLE accounts ADD COLUMN later text");
        assert_eq!(waits(&product)["blast"]["changes"], json!(["the column `later` is new"]));
        // Another act takes every row anew.
        product.data.execute("UPDATE accounts SET later = 'x'");
        product.rules("p", &policy(&[&CLOSED.replace("\"delete\"", "\"anonymise\"\nanonymise = { later = \"null\" }")]));
        assert_eq!(waits(&product)["blast"]["rows_more"], 1);
    }
}

#[test]
fn an_automatic_rule_waits_for_nobody_and_its_changes_are_entered() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        let auto = format!("{CLOSED}\nfirst_sweep = \"auto\"");
        product.rules("p", &policy(&[&auto, KEPT]));
        assert_eq!(ended(&sweep(&product, "p/closed", 0)), "complete -");
        assert_eq!(left(&product), "1 3 4");
        let changed = || entries(&product, "configuration").into_iter().filter(|entry| entry["what"] == "rule_changed").collect::<Vec<_>>();
        assert_eq!(changed(), [Value::Null; 0]);
        product.rules("p", &policy(&[&auto]));
        assert_eq!(waits(&product), Value::Null);
        for _ in 0..2 {
            product.cli("sweep").expect(0);
        }
        assert_eq!(left(&product), "3 4");
        let [entry] = &changed()[..] else { panic!("{:#?}", changed()) };
        assert_eq!((&entry["rule"], &entry["source"]), (&json!("p/closed"), &json!("app")));
        assert!(entry["texts"].to_string().contains("p/kept is gone"), "{entry}");
        product.cli("ledger verify").expect(0);
    }
}
