//! The daemon as its operators meet it: the real process, on schedules of seconds, read through its metrics, its ledger
//! and its log. Every test waits for what it expects to see, and none for a time. A new subject is a file here.

mod accidents;
mod disk;
mod figures;
mod http;
mod leading;
mod logs;
mod reloading;
mod replicas;
mod several;
mod sharing;
mod starting;
mod stopping;
mod vacuum;

use serde_json::Value;

use crate::support::{
    daemon::{Daemon, EAGER},
    product::{Kind, Product},
};

/// Rules of a policy `p`; each is what follows its header.
pub fn policy(rules: &[&str]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| format!("[[rule]]\n{rule}\n")).collect();
    format!("[policy]\nid = \"p\"\n{}", rules.join("\n"))
}

/// Closed accounts go after three years.
pub const CLOSED: &str = r#"
id = "closed"
category = "account"
source = "app"
table = "accounts"
subject = { account = "id" }
start = "closed_at"
start_format = "timestamp"
keep_for = "3 years"
action = "delete"
"#;

/// On the first of January, long after any test.
pub const YEARLY: &str =
    "[defaults]\nschedule = \"0 0 1 1 *\"\nfirst_sweep = \"auto\"\nmax_share = 1.0\n[http]\nlisten = \"127.0.0.1:0\"\n";

/// A source with a table of accounts, of which those up to `due` were closed in 2015 and `kept` more in this year, and a
/// rule.
pub fn accounts(kind: Kind, rest: &str, due: u32, kept: u32) -> Product {
    let product = Product::new(kind, rest);
    fill(&product, due, kept);
    product
}

/// The same for a product that is there.
fn fill(product: &Product, due: u32, kept: u32) {
    let kind = product.kind;
    let time = kind.pick("text", "timestamptz", "datetime(6)");
    let numbers = kind.numbers(1, (due + kept).into());
    let recently =
        kind.pick("strftime('%Y-%m-%d 00:00:00', 'now', '-30 days')", "now() - interval '30 days'", "utc_timestamp() - interval 30 day");
    let insert = format!(
        "INSERT INTO accounts {numbers} SELECT i, CASE WHEN i <= {due} THEN {} ELSE {recently} END, 'secret-of-a-row' FROM n",
        kind.pick("'2015-03-01 10:00:00'", "timestamptz '2015-03-01 10:00:00'", "timestamp '2015-03-01 10:00:00'")
    );
    product.data.execute(&format!("CREATE TABLE accounts (id bigint PRIMARY KEY, closed_at {time}, note text); {insert}"));
    product.rules("p", &policy(&[CLOSED]));
    product.init();
}

/// Batches of ten rows and about a hundred rows a second: a sweep that one can look at.
pub const SLOWLY: &str = "[sources.app.limits]\nmax_batch_rows = 10\nmax_rows_per_second = 100\n";

/// The ledger's entries of a kind.
pub fn entries(product: &Product, kind: &str) -> Vec<Value> {
    let lines = product.cli("ledger export").expect(0).json_lines();
    lines.into_iter().filter(|line| line["kind"] == kind).collect()
}

/// How many accounts are left.
pub fn left(product: &Product) -> i64 {
    product.data.number("SELECT count(*) FROM accounts")
}
