//! The command line as a person or a script meets it: exit statuses, JSON, and what each act does to the rows.
//!
//! Every test runs the real binary on databases of its own. A new subject is a file here.

mod approvals;
mod archived_types;
pub mod archives;
pub mod buckets;
mod checks;
pub mod dependents;
pub mod digests;
pub mod dropping;
mod evidence;
mod explain;
mod grants;
mod guards;
mod holds;
pub mod lookups;
mod lost;
mod mariadb;
pub mod opt_outs;
mod output;
mod partitions;
mod pauses;
mod refusals;
pub mod residue;
mod schedule;
pub mod seeded;
mod strategies;
mod tenants;
mod triggers;
mod types;
mod waiting_for;

use serde_json::Value;

use crate::support::product::{Kind, Product};

/// The instant of these tests, unless they move it.
const NOW: &str = "2026-06-15T12:00:00Z";

/// Rules of a policy `p`; each is what follows its header.
fn policy(rules: &[&str]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| format!("[[rule]]\n{rule}\n")).collect();
    format!("[policy]\nid = \"p\"\ntitle = \"Privacy policy\"\n{}", rules.join("\n"))
}

/// Closed accounts go after three years.
const CLOSED: &str = r#"
id = "closed"
category = "account"
source = "app"
table = "accounts"
subject = { account = "id", email = "email" }
start = "closed_at"
start_format = "timestamp"
keep_for = "3 years"
action = "delete"
"#;

/// A source with a table of accounts: 1 and 2 are due, 3 is running, 4 is undated. Initialised, the rule not approved.
fn accounts(kind: Kind) -> Product {
    accounts_with(kind, CLOSED, "")
}

/// The same with another rule and configuration.
fn accounts_with(kind: Kind, rule: &str, rest: &str) -> Product {
    let product = Product::new(kind, rest).at(NOW);
    let time = kind.pick("text", "timestamptz", "datetime(6)");
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at {time}, note text);
         INSERT INTO accounts VALUES (1, 'ada@example.com', '2020-02-29 10:00:00', 'a'), (2, 'ben@example.com', '2020-06-01 08:30:00', 'b'),
                                     (3, 'cyd@example.com', '2026-06-08 00:00:00', 'c'), (4, 'dot@example.com', NULL, 'd')"
    ));
    product.rules("p", &policy(&[rule]));
    product.folder.write("pepper.key", "a key of sufficient length");
    product.init();
    product
}

/// A table of so many rows, all due; the dates of the first `bad` can't be meant.
fn many(kind: Kind, rows: u32, bad: u32) -> Product {
    let rule = CLOSED
        .replace("\"timestamp\"", "\"unix_s\"")
        .replace("closed_at", "since")
        .replace("\"accounts\"", "\"many\"")
        .replace(", email = \"email\"", "");
    let product = accounts_with(kind, CLOSED, "[defaults]\nfirst_sweep = \"auto\"\n[sources.app.limits]\nmax_batch_rows = 100");
    product.data.execute(&format!(
        "CREATE TABLE many (id bigint PRIMARY KEY, since bigint);
         INSERT INTO many {} SELECT i, CASE WHEN i <= {bad} THEN 1718452800000 ELSE 946684800 END FROM n; {}",
        kind.numbers(1, rows.into()),
        kind.pick("", "ANALYZE many", "ANALYZE TABLE many")
    ));
    product.rules("p", &policy(&[&rule]));
    product
}

/// Accounts that are there.
fn left(product: &Product) -> String {
    product.data.column("SELECT CAST(id AS text) FROM accounts ORDER BY accounts.id").join(" ")
}

/// `sweep` with these words, as JSON, and its exit status.
#[track_caller]
fn sweep(product: &Product, words: &str, status: i32) -> Value {
    product.cli(&format!("sweep --output json {words}")).expect(status).json()
}

/// Asserts that the object has these keys.
#[track_caller]
fn has(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object.get(key).is_some(), "no `{key}` in {object:#}");
    }
}

/// Outcome and reason of the only, or the first, rule.
fn ended(report: &Value) -> String {
    let rule = &report["rules"][0];
    let word = |key: &str| rule[key].as_str().unwrap_or("-").to_owned();
    format!("{} {}", word("outcome"), word("reason"))
}
