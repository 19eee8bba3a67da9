//! aramin: periods that protect one another, content that ends by the first of several dates, opt-outs, instructions of tenants, and
//! what nobody can be told from any more.

use super::{Promise, Trial};
use crate::support::product::Kind;

pub const PROMISES: &[Promise] = &[
    ("ARA-1", Some(accounts)),
    ("ARA-2", Some(the_setting_is_read_at_each_sweep)),
    ("ARA-3", Some(addresses_are_shortened_before_the_logs_go)),
    ("ARA-4", Some(opt_outs_outlive_the_address)),
    ("ARA-5", Some(customers_instruct)),
    ("ARA-6", Some(nothing_that_identifies_anybody_is_left)),
];

/// HMAC-SHA-256 of `hal@example.com` and `jon@example.com` with the key of these trials.
const HAL: &str = "7b5cfe3458d9941b47bd1d4dab35604e53d345c4b6ece9669a63945f1d7e03b0";
const JON: &str = "1b0da7ec6fb3665c5af765b89bb0e26ed72845c37e36fdb8ce291feca6095fcf";

/// ARA-1, ARA-2, ARA-3, ARA-5: who stays, who goes, and who says so.
fn the_promises_are_kept(kind: Kind) {
    let trial = Trial::new("aramin", kind);
    trial.settle();
    trial.is_left(&[
        // 3 had nothing left; 4 has books, 5 content and 6 a contract.
        ("customers", "1 2 4 5 6"),
        ("billing_records", "10 13"),
        ("contracts", "20 21 23"),
        ("content", "32 34"),
        ("security_logs", "40 41 42"),
        ("subscribers", "50 52"),
        ("processed_records", "61 62 65 66"),
        ("usage_records", "70 71 72"),
    ]);
    trial.is_recorded(&[
        ("accounts", 1),
        ("billing", 2),
        ("content", 5),
        ("contracts", 1),
        ("processed", 1),
        ("processed-for-nordwind", 1),
        ("processed-for-stadtwerk", 1),
        ("security-log", 1),
        ("security-log-addresses", 2),
        ("subscribers", 3),
        ("usage", 2),
    ]);
    trial.is_measured(&[
        ("accounts", "protected", 3),
        ("accounts", "undated", 1),
        ("content", "due", 0),
        ("content", "running", 2),
        ("subscribers", "undated", 1),
        ("processed", "protected", 1),
        ("usage", "done", 2),
    ]);
}

/// ARA-1: the longer period protects until the last of the books has gone, and no longer.
fn the_account_goes_after_its_books(kind: Kind) {
    let trial = Trial::new("aramin", kind);
    trial.settle();
    let why = trial.product.run(["explain", "app.customers", "id=4"]).expect(0).stdout;
    assert!(why.contains("billing_records"), "{kind:?}: {why}");
    trial.product.data.execute("DELETE FROM billing_records WHERE id = 13");
    trial.settle();
    trial.is_left(&[("customers", "1 2 5 6")]);
}

/// ARA-2: a changed setting takes effect at the next sweep.
fn the_setting_is_read_at_each_sweep(kind: Kind) {
    let trial = Trial::new("aramin", kind);
    trial.settle();
    trial.product.data.execute("UPDATE customers SET content_days = 30 WHERE id = 2");
    trial.settle();
    trial.is_left(&[("content", "34")]);
    // What was kept for ever has a day in its contract now.
    trial.product.data.execute("INSERT INTO contracts (id, customer_id, delete_content_on) VALUES (29, 5, '2026-05-01')");
    trial.settle();
    trial.is_left(&[("content", "")]);
}

/// ARA-3: the first stage leaves the network and what happened.
fn addresses_are_shortened_before_the_logs_go(kind: Kind) {
    let trial = Trial::new("aramin", kind);
    trial.settle();
    let shown = kind.pick("ip", "host(ip)", "ip");
    assert_eq!(trial.column("security_logs", shown), "203.0.113.77 203.0.113.0 2001:db8:1::", "{kind:?}");
    assert_eq!(trial.column("security_logs", "event"), "sign-in sign-in scan", "{kind:?}");
}

/// ARA-4: who left is on the list, by hash, once; who was on it is still.
fn opt_outs_outlive_the_address(kind: Kind) {
    let trial = Trial::new("aramin", kind);
    trial.settle();
    let list = trial.product.data.column("SELECT CAST(email_hash AS text) FROM suppressions ORDER BY suppressions.email_hash");
    let there = "00000000000000000000000000000000000000000000000000000000000000aa";
    assert_eq!(list, [there, JON, HAL], "{kind:?}");
    assert_eq!(trial.product.data.number("SELECT count(*) FROM suppressions WHERE origin = 'retention'"), 2, "{kind:?}");
}

/// ARA-6: nothing of who it was, everything of what it was; what is younger is as it was.
fn nothing_that_identifies_anybody_is_left(kind: Kind) {
    let trial = Trial::new("aramin", kind);
    trial.settle();
    for column in ["customer_id", "user_email", "device"] {
        assert!(trial.column("usage_records", column).ends_with(" - -"), "{kind:?}: {column}");
    }
    assert_eq!(trial.product.data.number("SELECT count(*) FROM usage_records WHERE ip IS NULL"), 2, "{kind:?}");
    assert_eq!(trial.column("usage_records", "user_email"), "ann@one.example - -", "{kind:?}");
    assert_eq!(trial.column("usage_records", "feature"), "search export search", "{kind:?}");
    assert_eq!(trial.column("usage_records", "milliseconds"), "120 900 130", "{kind:?}");
}

/// A hold comes before every promise to delete.
fn a_hold_keeps_what_would_go(kind: Kind) {
    let trial = Trial::new("aramin", kind);
    let place = ["hold", "place", "--matter", "m", "--subject", "customer:2", "--reason", "a claim", "--by", "counsel"];
    trial.product.run(place.into_iter().chain(["--accept-uncovered"])).expect(0);
    trial.settle();
    trial.is_left(&[("content", "31 32 33 34"), ("security_logs", "40 41 42 43")]);
    assert_eq!(trial.column("usage_records", "user_email"), "ann@one.example - bea@two.example", "{kind:?}");
}

fn the_schedule_says_it(kind: Kind) {
    Trial::new("aramin", kind).is_scheduled(&[
        "7 years",
        "opt-outs must be honoured",
        "instruction of nordwind",
        "suppressions",
        "2 years",
        "legal obligation",
        "billing_records",
    ]);
}

fn accounts(kind: Kind) {
    the_promises_are_kept(kind);
    the_account_goes_after_its_books(kind);
    a_hold_keeps_what_would_go(kind);
    the_schedule_says_it(kind);
}

/// ARA-5: a tenant's own period, shorter or longer, and the general one for everybody else.
fn customers_instruct(kind: Kind) {
    let trial = Trial::new("aramin", kind);
    trial.settle();
    trial.kept("aramin/processed-for-nordwind", "processed_records", "61 62 65 66", 1);
    assert_eq!((trial.in_ledger("aramin/processed-for-stadtwerk"), trial.in_ledger("aramin/processed")), (1, 1), "{kind:?}");
    trial.scheduled("aramin/processed-for-nordwind", &["30 days", "instruction of nordwind"]);
}
