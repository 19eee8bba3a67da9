//! `pause` and `resume`: lasting, in the ledger, and obeyed by a sweep that is under way.

use serde_json::{Value, json};

use super::{CLOSED, accounts, ended, left, many, policy, sweep};
use crate::support::product::{Kind, Product};

const WHY: [&str; 4] = ["--reason", "an incident", "--by", "Ada"];

#[track_caller]
fn say(product: &Product, words: &[&str], status: i32) -> crate::support::binary::Run {
    product.run(words.iter().chain(&WHY)).expect(status)
}

#[test]
fn what_is_paused_stays_until_it_is_resumed() {
    for kind in Kind::ALL {
        for scope in [&["p/closed"][..], &["--source", "app"], &["--all"]] {
            let product = accounts(kind);
            product.cli("approve p/closed").expect(0);
            say(&product, &[&["pause"], scope].concat(), 0);
            for words in ["", "--approve", "--no-count"] {
                let report = sweep(&product, words, 3);
                assert_eq!(ended(&report), "paused paused", "{kind:?} {scope:?}: {report}");
                assert!(report["rules"][0]["message"].as_str().is_some_and(|text| text.contains("an incident")), "{report}");
            }
            assert_eq!(left(&product), "1 2 3 4");
            let plan = product.cli("plan --output json").expect(0).json();
            assert_eq!((&plan["rules"][0]["paused"]["by"], &plan["rules"][0]["paused"]["reason"]), (&json!("Ada"), &json!("an incident")));
            say(&product, &[&["resume"], scope].concat(), 0);
            assert_eq!(product.cli("plan --output json").expect(0).json()["rules"][0].get("paused"), None);
            assert_eq!(ended(&sweep(&product, "", 0)), "complete -");
            let entries = product.cli("ledger export").json_lines();
            let named: Vec<_> = entries
                .iter()
                .filter(|entry| entry["kind"] == "paused" || entry["kind"] == "resumed")
                .map(|entry| (entry["kind"].clone(), entry["rule"].clone(), entry["source"].clone()))
                .collect();
            let (rule, source) = match scope[0] {
                "p/closed" => (json!("p/closed"), Value::Null),
                "--source" => (Value::Null, json!("app")),
                _ => (Value::Null, Value::Null),
            };
            assert_eq!(named, [(json!("paused"), rule.clone(), source.clone()), (json!("resumed"), rule, source)]);
            product.cli("ledger verify").expect(0);
        }
    }
}

#[test]
fn a_sweep_under_way_ends_at_the_next_batch() {
    for kind in Kind::ALL {
        let mut product = many(kind, 900, 0);
        product.reconfigure("", "[defaults]\nfirst_sweep = \"auto\"\n[sources.app.limits]\nmax_batch_rows = 100\npace = \"fast\"");
        let mut command = product.command(["sweep", "--output", "json"]);
        let sweep = crate::support::binary::start(command.env("RETENTIOND_TEST_POINT", "commit.after:2:stop"));
        sweep.stopped();
        say(&product, &["pause", "p/closed"], 0);
        sweep.resume();
        let run = sweep.finish().expect(3);
        let report = run.json();
        assert_eq!((ended(&report).as_str(), &report["rules"][0]["acted"]), ("paused paused", &json!(200)), "{kind:?}: {report}");
        assert_eq!(product.data.number("SELECT count(*) FROM many"), 700);
        say(&product, &["resume", "p/closed"], 0);
        product.cli("sweep").expect(0);
        assert_eq!(product.data.number("SELECT count(*) FROM many"), 0);
    }
}

#[test]
fn pauses_are_ended_one_by_one_and_mistakes_are_told() {
    let product = accounts(Kind::Sqlite);
    for words in
        [&["pause", "p/close"][..], &["pause", "--source", "ap"], &["resume", "p/close"], &["resume", "--source", "ap"], &["pause"]]
    {
        let run = say(&product, words, 2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{run:#?}");
    }
    product.cli("pause --all --reason r").expect(2);
    say(&product, &["pause", "p/closed", "--source", "app"], 0);
    assert!(say(&product, &["pause", "p/closed"], 0).stdout.contains("rule p/closed was paused already"));
    let run = say(&product, &["resume", "--all", "--source", "app"], 0);
    assert!(run.stdout.contains("resumed source app") && run.stdout.contains("everything was not paused by itself"), "{run:#?}");
    assert!(run.stdout.contains("in force: rule p/closed"), "{run:#?}");
    // A rule that is no longer configured can be resumed all the same.
    product.rules("p", &policy(&[&CLOSED.replace("\"closed\"", "\"gone\"")]));
    let run = product.run(["resume", "p/closed", "--output", "json"].iter().chain(&WHY)).expect(0);
    assert_eq!(run.json()["paused"], json!([]));
}
