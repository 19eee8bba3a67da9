//! `check` as a DBA reads it: the way through each table with the server's plan, what it reads, what would be set off, and the
//! index that would help.

use serde_json::Value;

use super::{CLOSED, NOW, accounts, policy};
use crate::support::product::{Data, Kind, Product};

fn check(product: &Product, status: i32) -> Value {
    product.cli("check --output json").expect(status).json()["rules"][0].clone()
}

/// A table that is large enough for an index to be worth while.
fn visits(kind: Kind) -> Product {
    let product = Product::new(kind, "").at(NOW);
    product.data.execute(&format!(
        "CREATE TABLE visits (id bigint PRIMARY KEY, email varchar(100), at bigint NOT NULL);
         INSERT INTO visits {} SELECT i, 'a', 946684800 + i * 100000 FROM n",
        kind.numbers(1, 20_000)
    ));
    let rule = CLOSED.replace("\"accounts\"", "\"visits\"").replace("closed_at", "at").replace("\"timestamp\"", "\"unix_s\"");
    product.rules("p", &policy(&[&rule]));
    product.init();
    product
}

#[test]
fn the_walk_is_the_index_where_there_is_one() {
    for kind in Kind::ALL {
        let product = visits(kind);
        let without = check(&product, 0);
        let way = kind.pick("physical", "physical", "index on id");
        assert_eq!((&without["walk"]["way"], &without["walk"]["reads_all"]), (&way.into(), &true.into()), "{kind:?}: {without}");
        let suggested = without["suggestions"][0].as_str().expect("an index");
        assert!(without["warnings"][0].as_str().is_some_and(|warning| warning.contains("reads the whole table")), "{without}");
        // What is suggested helps, as it stands.
        product.data.execute(suggested);
        product.data.execute(kind.pick("ANALYZE visits", "ANALYZE visits", "ANALYZE TABLE visits"));
        let with = check(&product, 0);
        let way = kind.pick("index on at", "index on at", "index on at, id");
        assert_eq!((&with["walk"]["way"], &with["walk"]["reads_all"]), (&way.into(), &false.into()), "{kind:?}: {with}");
        assert_eq!(with["suggestions"], Value::Array(Vec::new()), "{with}");
        let rows = with["walk"]["rows"].as_u64().expect("an estimate");
        assert!((15_000..25_000).contains(&rows), "{kind:?}: {rows}");
        let plan = with["walk"]["plan"].to_string();
        assert!(plan.contains(kind.pick("INDEX visits_at", "Index Scan using visits_at_idx", "type: range")), "{kind:?}: {plan}");
        let shown = product.cli("check --plans").expect(0).stdout;
        assert!(shown.contains("SELECT 1 FROM") && shown.contains(&format!("by the {way}, up to the cut-off")), "{shown}");
    }
}

/// The whole graph: a cascade over two tables and round a circle, what it sets to NULL, and the triggers on the way.
#[test]
fn what_is_set_off_is_followed_to_its_end() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.data.execute(
            "CREATE TABLE tickets (id bigint PRIMARY KEY, account bigint, parent bigint,
               CONSTRAINT of_account FOREIGN KEY (account) REFERENCES accounts (id) ON DELETE CASCADE,
               CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES tickets (id) ON DELETE CASCADE);
             CREATE TABLE notes (id bigint PRIMARY KEY, ticket bigint,
               CONSTRAINT of_ticket FOREIGN KEY (ticket) REFERENCES tickets (id) ON DELETE SET NULL);
             CREATE TABLE invoices (id bigint PRIMARY KEY, account bigint, CONSTRAINT of_payer FOREIGN KEY (account) REFERENCES accounts (id))",
        );
        product.data.execute(kind.pick(
            "CREATE TRIGGER watches AFTER DELETE ON tickets BEGIN SELECT 1; END",
            "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN old; END $$;
             CREATE TRIGGER watches AFTER DELETE ON tickets FOR EACH ROW EXECUTE FUNCTION watch()",
            "CREATE TRIGGER watches AFTER DELETE ON accounts FOR EACH ROW SET @seen = 1",
        ));
        if let Data::Mariadb(database) = &product.data {
            assert!(check(&product, 2)["dragged"].to_string().contains("\"hidden\":true"));
            let role = database.role();
            database.execute(&format!("GRANT SELECT ON tickets TO {role}; GRANT SELECT ON notes TO {role}"));
        }
        let checked = check(&product, 2);
        let mut told: Vec<String> = checked["dragged"].as_array().expect("a list").iter().map(line).collect();
        told.sort();
        if kind == Kind::Mariadb {
            // The server shows bodies only to who may make triggers.
            assert!(checked["dragged"].to_string().contains("\"digest\":null"), "{checked}");
        }
        let trigger = if kind == Kind::Mariadb { "accounts: watches" } else { "accounts > tickets: watches" };
        let mut expected = vec![
            "accounts > tickets: notes(ticket) sets_null".to_owned(),
            "accounts > tickets: tickets(parent) deletes".to_owned(),
            "accounts: invoices(account) forbids".to_owned(),
            "accounts: tickets(account) deletes".to_owned(),
            trigger.to_owned(),
        ];
        expected.sort();
        assert_eq!(told, expected, "{kind:?}: {checked}");
    }
}

fn line(dragged: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let via = dragged["via"].as_array().expect("a way").iter().map(word).collect::<Vec<_>>().join(" > ");
    if dragged["kind"] == "trigger" {
        assert!(dragged["digest"].as_str().is_none_or(|digest| digest.len() == 64), "{dragged}");
        return format!("{via}: {}", word(&dragged["name"]));
    }
    let columns = dragged["columns"].as_array().expect("columns").iter().map(word).collect::<Vec<_>>().join(",");
    format!("{via}: {}({columns}) {}", word(&dragged["table"]), word(&dragged["effect"]))
}

/// A trigger whose function says something else is another, though nothing of the trigger itself has changed.
#[test]
fn a_changed_body_is_another_digest() {
    let product = accounts(Kind::Postgres);
    let body = |text: &str| {
        product
            .data
            .execute(&format!("CREATE OR REPLACE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {text} RETURN old; END $$"));
    };
    body("");
    product.data.execute("CREATE TRIGGER watches AFTER DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION watch()");
    let before = check(&product, 2)["dragged"][0]["digest"].clone();
    assert_eq!(check(&product, 2)["dragged"][0]["digest"], before);
    body("DELETE FROM nowhere;");
    assert_ne!(check(&product, 2)["dragged"][0]["digest"], before);
}

#[test]
fn a_child_without_an_index_is_told_with_what_it_costs() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let product = accounts(kind);
        product.data.execute("CREATE TABLE invoices (id bigint PRIMARY KEY, account bigint REFERENCES accounts (id))");
        let checked = check(&product, 0);
        let warnings = checked["warnings"].to_string();
        assert!(warnings.contains("invoices (account)") && warnings.contains("without an index, each row takes a scan"), "{checked}");
        let index = checked["suggestions"].as_array().expect("a list").last().and_then(Value::as_str).expect("an index");
        product.data.execute(index);
        assert!(!check(&product, 0)["warnings"].to_string().contains("invoices"), "{index}");
    }
}
