//! `explain`: one row, and what becomes of it.

use serde_json::{Value, json};

use super::{CLOSED, NOW, accounts, policy};
use crate::support::product::{Kind, Product};

const KEPT: &str = r#"
id = "kept"
category = "dispute"
source = "app"
table = "accounts"
action = "keep"
reason = "a dispute"
where = "note = 'c'"
start = "closed_at"
start_format = "timestamp"
keep_for = "10 years"
"#;

#[track_caller]
fn explain(product: &Product, words: &str) -> Value {
    product.cli(&format!("explain {words} --output json")).expect(0).json()
}

fn of<'a>(report: &'a Value, rule: &str) -> &'a Value {
    report["rules"].as_array().into_iter().flatten().find(|said| said["rule"] == rule).unwrap_or(&Value::Null)
}

#[test]
fn each_row_is_told_where_it_stands_and_when_it_goes() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.rules("p", &policy(&[CLOSED, KEPT]));
        let held = product.hold(&["email:ben@example.com"]).expect(0).json()["holds"][0]["id"].clone();
        // 29 February and three years: the first instant of March; now it is due.
        let report = explain(&product, "app.accounts id=1");
        let said = of(&report, "p/closed");
        assert_eq!(
            (&said["verdict"], &said["start"], &said["end"]),
            (&json!("due"), &json!("2020-02-29T10:00:00Z"), &json!("2023-03-01T00:00:00Z")),
            "{kind:?}"
        );
        assert_eq!((&said["due_from"], &report["holds"], &report["found"]), (&json!(NOW), &json!([]), &json!(true)));
        assert_eq!(of(&report, "p/kept")["verdict"], "outside");
        // Held: by whom is told by the hold and the kind, and no value.
        let report = explain(&product, "app.accounts id=2");
        assert_eq!(of(&report, "p/closed")["verdict"], "held");
        assert_eq!(report["holds"], json!([{ "hold": held, "matter": "m", "kind": "email" }]));
        let shown = product.cli("explain app.accounts id=2").expect(0).stdout;
        assert!(shown.contains("a held email") && !shown.contains("ben@"), "{shown}");
        // Running, and then kept for longer by the other rule.
        let report = explain(&product, "app.accounts id=3");
        let said = of(&report, "p/closed");
        assert_eq!((&said["verdict"], &said["protected_by"]), (&json!("running"), &json!(["p/kept"])), "{report}");
        assert_eq!((&said["end"], &said["due_from"]), (&json!("2029-06-08T00:00:00Z"), &json!("2036-06-08T00:00:00Z")));
        assert_eq!(explain(&product, "app.accounts id=3 --as-of 2030-01-01T00:00:00Z")["rules"][0]["verdict"], "protected");
        assert_eq!(explain(&product, "app.accounts id=3 --as-of 2036-06-08T00:00:00Z")["rules"][0]["verdict"], "due");
        // No date: it stays.
        let said = explain(&product, "app.accounts email=dot@example.com")["rules"][0].clone();
        assert_eq!((&said["verdict"], &said["end"], &said["due_from"]), (&json!("undated"), &Value::Null, &Value::Null));
        assert_eq!(product.cli("ledger verify").expect(0).status, Some(0));
    }
}

#[test]
fn of_a_row_that_is_gone_the_ledger_says_what_it_knows() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        let never = explain(&product, "app.accounts id=77");
        assert_eq!((&never["found"], &never["gone"]["sweeps"]), (&json!(false), &json!([])));
        product.cli("sweep --approve").expect(0);
        let report = explain(&product, "app.accounts id=1");
        let [one] = report["gone"]["sweeps"].as_array().map(Vec::as_slice).unwrap_or_default() else { panic!("{report}") };
        assert_eq!((&one["rule"], &one["rows"], &one["batches"]), (&json!("p/closed"), &json!(2), &json!(1)), "{report}");
        assert!(one["cutoff"].as_str().is_some_and(|cutoff| cutoff.starts_with("2023-06-15T12:00:00")), "{report}");
        let shown = product.cli("explain app.accounts id=1").expect(0).stdout;
        assert!(shown.contains("is not there") && shown.contains("can't say whether this one ever was there"), "{shown}");
    }
}

#[test]
fn what_can_not_be_asked_is_told() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.data.execute("UPDATE accounts SET note = 'same'");
        for words in
            ["app.account id=1", "app.accounts ident=1", "app.accounts id", "app.accounts note=same", "app.accounts id=one", "app.accounts"]
        {
            let run = product.cli(&format!("explain {words}")).expect(2);
            assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{run:#?}");
        }
    }
}

#[test]
fn a_rule_that_overrides_takes_what_another_would_keep() {
    let spam = r#"
id = "spam"
category = "account"
source = "app"
table = "accounts"
subject = { account = "id" }
start = "closed_at"
start_format = "timestamp"
keep_for = "1 day"
action = "delete"
where = "note = 'c'"
overrides = ["closed", "kept"]
"#;
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.rules("p", &policy(&[CLOSED, KEPT, spam]));
        let report = explain(&product, "app.accounts id=3");
        assert_eq!(of(&report, "p/spam")["verdict"], "due", "{report}");
        for overridden in ["p/closed", "p/kept"] {
            assert_eq!(
                (&of(&report, overridden)["verdict"], &of(&report, overridden)["overridden_by"]),
                (&json!("outside"), &json!(["p/spam"]))
            );
        }
        // Its floor protects all the same, and the plan says so.
        product.rules("p", &policy(&[CLOSED, &format!("{KEPT}floor = \"5 years\""), spam]));
        let said = of(&explain(&product, "app.accounts id=3"), "p/spam").clone();
        assert_eq!(
            (&said["verdict"], &said["protected_by"], &said["due_from"]),
            (&json!("protected"), &json!(["p/kept"]), &json!("2031-06-08T00:00:00Z"))
        );
        let plan = product.cli("plan p/spam --output json").expect(0).json();
        assert_eq!(plan["rules"][0]["protected_by"], json!([{ "rule": "p/kept", "rows": 1 }]));
        // A hold stops it as it stops any rule.
        product.rules("p", &policy(&[CLOSED, KEPT, spam]));
        product.hold(&["account:3"]).expect(0);
        product.cli("sweep p/spam --approve").expect(0);
        assert_eq!(super::left(&product), "1 2 3 4");
    }
}
