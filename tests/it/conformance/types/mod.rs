//! Types of columns in each role, as tables of data: what is found by a subject, what is due by a start, in which order keys
//! are walked, what a strategy writes and refuses, and that everything beside it stays byte for byte.
//!
//! A new type is a row in each file. `equality` asks the server itself, of random values.

mod anonymised;
mod equality;
mod keys;
mod starts;
mod subjects;

pub use self::{
    anonymised::{bystanders_of_every_type_stay, strategies_write_what_each_type_holds},
    equality::a_value_is_held_where_the_server_finds_it_equal,
    keys::keys_of_every_type_are_walked_once,
    starts::starts_of_every_type_end_at_the_cut_off,
    subjects::subjects_are_found_in_columns_of_every_type,
};

use retentiond::policy::Dialect;

use super::ground::Ground;
use crate::support::database::Database;

/// What a database or a role has as its defaults decides nothing: every transaction says what it needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_defaults_of_a_database_decide_nothing() {
    let database = Database::create();
    for (name, value) in [
        ("timezone", "Europe/Berlin"),
        ("datestyle", "German, DMY"),
        ("intervalstyle", "sql_standard"),
        ("bytea_output", "escape"),
        ("extra_float_digits", "-10"),
        ("default_transaction_isolation", "serializable"),
    ] {
        database.execute(&format!("ALTER DATABASE {} SET {name} = '{value}'", database.name()));
    }
    let ground = Ground::of_postgres(database).await;
    assert_eq!(ground.column("current_setting('bytea_output')", ""), [Some("escape".to_owned())]);
    starts_of_every_type_end_at_the_cut_off(&ground).await;
    subjects_are_found_in_columns_of_every_type(&ground).await;
}

/// What the page of types lists is what is tested here, no more and no less.
#[test]
fn the_page_of_types_says_what_is_tested() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/types.md")).expect("the page");
    let mut missing = String::new();
    for (dialect, name) in [(Dialect::Postgres, "PostgreSQL"), (Dialect::Mysql, "MariaDB"), (Dialect::Sqlite, "SQLite")] {
        for table in [subjects::table(dialect), starts::table(dialect)] {
            let titled = format!("| {name} | {table}");
            if !page.contains(&titled) {
                missing.push_str(&titled);
            }
        }
    }
    assert!(missing.is_empty(), "the page lacks:\n{missing}");
}
