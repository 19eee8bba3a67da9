//! aspinix, an AI sales assistant.

use std::fs;

use super::{Promise, Trial, folder};
use crate::support::product::{Data, Kind};

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
    seen_from_outside(kind);
}

/// ASP-1 to ASP-4 and ASP-6 as the metrics have them after one sweep: nothing is due, and what runs, runs.
fn seen_from_outside(kind: Kind) {
    let trial = Trial::new("aspinix", kind);
    trial.sweep();
    trial.is_recorded(&[("accounts", 3), ("conversations", 2), ("leads", 3), ("minors", 1), ("usage-logs", 2)]);
    trial.is_measured(&[
        ("accounts", "due", 0),
        ("accounts", "undated", 1),
        ("accounts", "outside", 1),
        ("conversations", "due", 0),
        ("conversations", "running", 3),
        ("leads", "due", 0),
        ("leads", "running", 5),
        ("minors", "due", 0),
        ("minors", "outside", 2),
        ("usage-logs", "due", 0),
        ("usage-logs", "running", 2),
    ]);
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
    if kind != Kind::Sqlite {
        whole_years(kind);
    }
}

/// The same where `partitions = "drop"` is added, as the file says: the year that is due as a whole goes at once, and what is due in others row by row.
fn whole_years(kind: Kind) {
    let mut trial = Trial::new("aspinix", kind);
    let rules = fs::read_to_string(folder("aspinix").join("policy.toml")).expect("rules");
    let last = "id = \"usage-logs\"";
    assert!(rules.contains(last), "{rules}");
    trial.product.rules("aspinix", &rules.replace(last, &format!("{last}\npartitions = \"drop\"")));
    // Only an owner drops on PostgreSQL; this one's name is the database's, because roles are the whole server's.
    if let Data::Postgres(database) = &trial.product.data {
        let owner = format!("\"owner of {}\"", database.name());
        let owned = ["", "_before", "_2024", "_2025", "_after"].map(|part| format!("ALTER TABLE usage_logs{part} OWNER TO {owner};"));
        trial.product.data.execute(&format!("CREATE ROLE {owner}; {}", owned.concat()));
    }
    trial.product.set_now("2027-01-10T12:00:00Z");
    trial.sweep();
    trial.kept("aspinix/usage-logs", "usage_logs", "30", 3);
    let parts = trial.product.data.column(kind.pick(
        "",
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage_logs'::regclass ORDER BY 1",
        "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'usage_logs' ORDER BY 1",
    ));
    assert_eq!(
        parts.join(" "),
        kind.pick("", "usage_logs_2025 usage_logs_after usage_logs_before", "after_2025 before_2024 in_2025"),
        "{kind:?}"
    );
}

/// Every row of whoever is held, in every table, until the last hold has been released and its cool-down is over.
fn holds(kind: Kind) {
    let mut trial = Trial::new("aspinix", kind);
    trial.product.hold(&["account:5", "email:fay@six.example"]);
    trial.sweep();
    assert_eq!(trial.left("accounts", "1 = 1"), "1 2 5 6 7", "{kind:?}");
    assert_eq!(trial.left("conversations", "body IS NOT NULL"), "10 12 15 16", "{kind:?}");
    assert_eq!(trial.left("usage_logs", "1 = 1"), "30 31 33", "{kind:?}");
    trial.is_scheduled(&["One legal hold is in force now."]);
    trial.is_measured(&[("accounts", "held", 1), ("minors", "held", 1), ("usage-logs", "held", 1), ("accounts", "due", 0)]);
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
