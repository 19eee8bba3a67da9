//! Strategies as a person meets them: where they don't fit `check` says why, what stays it asks about, and what unlinks a row
//! from its subject.

use serde_json::Value;

use super::{CLOSED, accounts, accounts_with, policy, sweep};
use crate::support::product::Kind;

/// A rule that anonymises in the table `people`.
fn rule(anonymise: &str) -> String {
    format!(
        "id = \"people\"\ncategory = \"people\"\nsource = \"app\"\ntable = \"people\"\nsubject = {{ account = \"id\" }}\n\
         start = \"at\"\nstart_format = \"date\"\nkeep_for = \"1 year\"\naction = \"anonymise\"\nanonymise = {{ {anonymise} }}"
    )
}

/// What `check` says of a rule that can't be enforced.
fn said(kind: Kind, anonymise: &[&str]) -> String {
    let product = accounts_with(kind, CLOSED, "[keys.pepper]\nfile = \"pepper.key\"\n");
    product.data.execute(kind.pick(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, at text, name text NOT NULL, mail varchar(90) UNIQUE, age integer, born date UNIQUE,
             pin varchar(2), shown text GENERATED ALWAYS AS (name) STORED)",
        "CREATE TABLE people (id bigint PRIMARY KEY, at text, name text NOT NULL, mail varchar(90) UNIQUE, age integer, born date UNIQUE,
             pin varchar(2), shown text GENERATED ALWAYS AS (name) STORED, tags text[], ratio real)",
        "CREATE TABLE people (id bigint PRIMARY KEY, at text, name text NOT NULL, mail varchar(90) UNIQUE, age integer, born date UNIQUE,
             pin varchar(2), shown text GENERATED ALWAYS AS (name) STORED, tags set('a', 'b'), ratio float)",
    ));
    let mut said = String::new();
    for anonymise in anonymise {
        product.rules("p", &policy(&[&rule(anonymise)]));
        let report = product.cli("check --output json").expect(2).json();
        let blocked = &report["rules"][0]["blocked"];
        assert_eq!(blocked["reason"], "strategy", "{report}");
        said.push_str(&format!("{anonymise}\n    {}\n", blocked["message"].as_str().expect("a message")));
    }
    said
}

/// What is wrong on every engine.
const EVERYWHERE: &[&str] = &[
    "name = \"null\"",
    "shown = \"mask\"",
    "mail = { strategy = \"fixed\", value = \"gone\" }",
    "mail = \"mask\"",
    "mail = \"truncate_ip\"",
    "mail = { strategy = \"hmac\", key = \"pepper\", normalise = \"email\" }",
    "born = { strategy = \"date_trunc\", unit = \"year\" }",
    "age = \"mask\"",
    "age = { strategy = \"date_trunc\", unit = \"year\" }",
    "age = { strategy = \"fixed\", value = \"old\" }",
    "name = { strategy = \"round\", to = 10 }",
];

#[test]
fn what_does_not_fit_is_said_on_sqlite() {
    insta::assert_snapshot!(said(Kind::Sqlite, EVERYWHERE));
}

#[test]
fn what_does_not_fit_is_said_on_postgresql() {
    let more = [
        "pin = \"mask\"",
        "pin = { strategy = \"hmac\", key = \"pepper\" }",
        "tags = \"mask\"",
        "tags = { strategy = \"fixed\", value = \"{a}\" }",
        "ratio = { strategy = \"round\", to = 10 }",
    ];
    insta::assert_snapshot!(said(Kind::Postgres, &[EVERYWHERE, &more].concat()));
}

#[test]
fn what_does_not_fit_is_said_on_mariadb() {
    let more = [
        "pin = \"mask\"",
        "pin = { strategy = \"hmac\", key = \"pepper\" }",
        "tags = \"mask\"",
        "tags = { strategy = \"fixed\", value = \"c\" }",
        "ratio = { strategy = \"round\", to = 10 }",
    ];
    insta::assert_snapshot!(said(Kind::Mariadb, &[EVERYWHERE, &more].concat()));
}

#[test]
fn check_warns_of_columns_that_nobody_names() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.data.execute(
            "CREATE TABLE people (id bigint PRIMARY KEY, at text, name text, mail text, age integer, state integer, boss bigint REFERENCES people (id))",
        );
        let warned = |rules: &[&str]| {
            product.rules("p", &policy(rules));
            let report = product.cli("check --output json").expect(0).json();
            let warnings = report["rules"][0]["warnings"].as_array().expect("warnings").clone();
            let named =
                |warning: &Value| warning.as_str()?.split_once("`retains` if that is meant: ").map(|(_, columns)| columns.to_owned());
            warnings.iter().find_map(named).unwrap_or_default()
        };
        let masks = rule("name = \"mask\"");
        assert_eq!(warned(&[&masks]), "mail, age, state", "{kind:?}");
        assert_eq!(warned(&[&format!("{masks}\nretains = [\"mail\", \"age\"]")]), "state");
        // What another rule of the table reads or anonymises is not forgotten either.
        let other = rule("mail = \"null\"").replace("\"people\"\ncategory", "\"q\"\ncategory") + "\nwhere = \"state = 1\"";
        assert_eq!(warned(&[&masks, &other]), "age");
        product.rules("p", &policy(&[&format!("{masks}\nretains = [\"maill\"]")]));
        let report = product.cli("check --output json").expect(2).json();
        assert_eq!(report["rules"][0]["blocked"]["reason"], "missing_column", "{report}");
        assert!(
            report["rules"][0]["blocked"]["message"].as_str().is_some_and(|message| message.contains("did you mean `mail`?")),
            "{report}"
        );
    }
}

#[test]
fn a_row_that_is_unlinked_is_nobodys_and_one_that_is_held_stays() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.data.execute(
            "CREATE TABLE people (id bigint PRIMARY KEY, at text, account_id bigint, name text);
             INSERT INTO people VALUES (1, '2020-01-01', 7, 'ann@example.com'), (2, '2020-01-01', 8, 'bob@example.com')",
        );
        let unlinks = rule("account_id = \"null\", name = \"mask\"").replace("account = \"id\"", "account = \"account_id\"");
        product.rules("p", &policy(&[&format!("{unlinks}\nunlinks = true")]));
        product.hold(&["account:8"]).expect(0);
        let report = sweep(&product, "--approve", 0);
        assert_eq!((&report["rules"][0]["acted"], &report["rules"][0]["rows"]["held"]), (&1.into(), &1.into()), "{kind:?}: {report}");
        let rows = "SELECT CAST(id AS text) || ' ' || coalesce(CAST(account_id AS text), '-') || ' ' || name FROM people ORDER BY id";
        assert_eq!(product.data.column(rows), ["1 - a***@example.com", "2 8 bob@example.com"]);
        let placed = product.hold(&["account:7"]).expect(0);
        assert!(placed.stderr.contains("covers no row now"), "{placed:#?}");
        assert_eq!(sweep(&product, "", 0)["rules"][0]["acted"], 0);
    }
}
