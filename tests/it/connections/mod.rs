//! The ways to servers: what protects them, who is let in, who is away, and what stands between.

mod away;
mod pooler;
mod rotation;
mod tls;

use crate::{
    daemon::{CLOSED, policy},
    support::product::Product,
};

/// Closed accounts go after three years.
fn rule() -> String {
    policy(&[CLOSED])
}

/// Gives a product a table of ten accounts that are due, the rule, and a workspace.
fn fill(product: &Product) {
    let kind = product.kind;
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, closed_at {});
         INSERT INTO accounts {} SELECT i, {} FROM n",
        kind.pick("text", "timestamptz", "datetime(6)"),
        kind.numbers(1, 10),
        kind.pick("'2015-03-01 10:00:00'", "timestamptz '2015-03-01 10:00:00'", "timestamp '2015-03-01 10:00:00'"),
    ));
    product.rules("p", &rule());
    product.init();
}

/// How many accounts are left.
fn left(product: &Product) -> i64 {
    product.data.number("SELECT count(*) FROM accounts")
}
