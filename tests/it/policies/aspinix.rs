//! aspinix, an AI sales assistant.

use super::{Promise, Trial};
use crate::support::product::Kind;

pub const PROMISES: &[Promise] = &[
    ("ASP-1", Some(accounts)),
    ("ASP-2", Some(conversations)),
    ("ASP-3", Some(leads)),
    ("ASP-4", Some(usage_logs)),
    ("ASP-5", Some(holds)),
    ("ASP-6", Some(minors)),
    ("ASP-7", None),
];

fn accounts(kind: Kind) {
    let trial = Trial::new("aspinix", kind);
    trial.sweep();
    // 6 is under 16.
    trial.kept("aspinix/accounts", "accounts", "1 2 7", 3);
    trial.scheduled("aspinix/accounts", &["Deleted after 3 years", "closed_at"]);
}

/// A conversation outlives its account, and is detached from it; the plan says so beforehand.
fn conversations(kind: Kind) {
    let trial = Trial::new("aspinix", kind);
    let plan = trial.product.cli("plan --output json").expect(0).json().to_string();
    assert!(plan.contains(r#""table":"conversations","then":"detach","rows":2"#), "{kind:?}: {plan}");
    trial.sweep();
    trial.kept("aspinix/conversations", "conversations", "10 12 16", 2);
    assert_eq!(trial.left("conversations", "account_id IS NULL AND body IS NOT NULL"), "12", "{kind:?}");
    trial.scheduled("aspinix/conversations", &["Deleted after 7 years", "last_message_at"]);
}

/// As the settings say, within bounds; what changes there counts from the next sweep on.
fn leads(kind: Kind) {
    let trial = Trial::new("aspinix", kind);
    trial.sweep();
    trial.kept("aspinix/leads", "leads", "20 22 24 26 27", 3);
    trial.product.data.execute("UPDATE crm_settings SET lead_days = 30 WHERE workspace_id = 1");
    trial.sweep();
    trial.kept("aspinix/leads", "leads", "22 24 26 27", 4);
    trial.scheduled(
        "aspinix/leads",
        &["as many days as lead_days of crm_settings says", "at least 30 days; at most 7 years; 1 year where nothing is set"],
    );
}

fn usage_logs(kind: Kind) {
    let trial = Trial::new("aspinix", kind);
    trial.sweep();
    trial.kept("aspinix/usage-logs", "usage_logs", "30 31", 2);
    trial.scheduled("aspinix/usage-logs", &["Deleted after 2 years"]);
}

/// Every row of whoever is held, in every table, until the last hold has been released and its cool-down is over.
fn holds(kind: Kind) {
    let mut trial = Trial::new("aspinix", kind);
    trial.product.hold(&["account:5", "email:fay@six.example"]);
    trial.sweep();
    assert_eq!(trial.left("accounts", "1 = 1"), "1 2 5 6 7", "{kind:?}");
    assert_eq!(trial.left("conversations", "body IS NOT NULL"), "10 12 15 16", "{kind:?}");
    assert_eq!(trial.left("usage_logs", "1 = 1"), "30 31 33", "{kind:?}");
    let holds = trial.product.cli("hold list --output json").expect(0).json();
    let id = holds["holds"][0]["id"].as_str().expect("an id").to_owned();
    trial.product.run(["hold", "release", &id, "--reason", "settled", "--by", "counsel"]).expect(0);
    trial.sweep();
    assert_eq!(trial.left("accounts", "1 = 1"), "1 2 5 6 7", "{kind:?}: the hold cools down");
    trial.product.set_now("2026-06-23T12:00:00Z");
    trial.sweep();
    assert_eq!(trial.left("accounts", "1 = 1"), "1 2", "{kind:?}");
}

/// With the next sweep once it is known; of what they wrote nothing names them.
fn minors(kind: Kind) {
    let trial = Trial::new("aspinix", kind);
    trial.sweep();
    assert_eq!(trial.left("accounts", "id IN (6, 7)"), "7", "{kind:?}");
    assert_eq!(trial.in_ledger("aspinix/minors"), 1, "{kind:?}");
    assert_eq!(trial.left("conversations", "contact_email IS NULL AND body IS NULL AND account_id IS NULL"), "16", "{kind:?}");
    assert_eq!(trial.left("leads", "name IS NULL AND email IS NULL AND account_id IS NULL"), "27", "{kind:?}");
    trial.scheduled("aspinix/minors", &["Deleted at once", "minor_known_at"]);
}
