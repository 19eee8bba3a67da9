//! Strategies on columns that they don't fit: `check` says why, and nothing is changed.

use super::{CLOSED, accounts_with, policy};
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

/// What is wrong on either engine.
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
        "tags = { strategy = \"fixed\", value = \"{}\" }",
        "ratio = { strategy = \"round\", to = 10 }",
    ];
    insta::assert_snapshot!(said(Kind::Postgres, &[EVERYWHERE, &more].concat()));
}
