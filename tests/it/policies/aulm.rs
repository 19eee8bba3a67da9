//! aulm, a messaging API.

use super::{Promise, Trial};
use crate::support::product::Kind;

pub const PROMISES: &[Promise] = &[
    ("AUL-1", Some(accounts)),
    ("AUL-2", Some(message_logs)),
    ("AUL-3", Some(short_lived)),
    ("AUL-4", Some(tickets)),
    ("AUL-5", Some(row_security)),
    ("AUL-6", Some(invoices)),
];

/// Details go early and the account late, and one with invoices waits for them.
fn accounts(kind: Kind) {
    let trial = Trial::new("aulm", kind);
    let first = trial.sweep();
    assert_eq!((&first["aulm/account-details"]["acted"], &first["aulm/accounts"]["acted"]), (&3.into(), &1.into()), "{kind:?}");
    assert_eq!(trial.left("accounts", "name IS NOT NULL"), "1", "{kind:?}");
    assert_eq!(trial.left("accounts", "phone LIKE '%*%'"), "2 3 4", "{kind:?}");
    // The invoice of 3 has gone, and so goes the account; that of 4 stays, and keeps it.
    trial.sweep();
    trial.kept("aulm/accounts", "accounts", "1 2 4", 2);
    trial.scheduled("aulm/accounts", &["Deleted after 3 years", "closed_at", "stay while invoices has one"]);
    trial.scheduled("aulm/account-details", &["Anonymised after 90 days"]);
    seen_from_outside(kind);
}

/// All of the promises as the metrics have them once nothing more is due.
fn seen_from_outside(kind: Kind) {
    let trial = Trial::new("aulm", kind);
    trial.settle();
    trial.is_recorded(&[
        ("account-details", 3),
        ("accounts", 2),
        ("api-keys", 1),
        ("invoices", 1),
        ("message-log", 2),
        ("message-preview", 2),
        ("message-recipient", 1),
        ("sessions", 1),
        ("tickets", 2),
        ("webhook-deliveries", 1),
    ]);
    trial.is_measured(&[
        ("account-details", "done", 2),
        ("accounts", "due", 0),
        ("accounts", "protected", 1),
        ("api-keys", "undated", 1),
        ("invoices", "running", 2),
        ("message-log", "running", 3),
        ("message-preview", "done", 2),
        ("message-recipient", "done", 1),
        ("sessions", "running", 2),
        ("tickets", "due", 0),
        ("webhook-deliveries", "running", 1),
    ]);
    trial.scheduled("aulm/api-keys", &["Deleted after 90 days", "revoked_at"]);
    trial.scheduled("aulm/sessions", &["Deleted after 30 days", "expires_at"]);
    trial.scheduled("aulm/webhook-deliveries", &["Deleted after 30 days", "delivered_at"]);
    trial.scheduled("aulm/message-recipient", &["Anonymised after 90 days"]);
}

/// Three stages, each once.
fn message_logs(kind: Kind) {
    let trial = Trial::new("aulm", kind);
    trial.sweep();
    trial.kept("aulm/message-log", "message_logs", "10 11 12", 2);
    assert_eq!(trial.left("message_logs", "payload_preview IS NOT NULL"), "10", "{kind:?}");
    assert_eq!(trial.left("message_logs", "length(recipient) = 64"), "12", "{kind:?}");
    let again = trial.sweep();
    for stage in ["aulm/message-preview", "aulm/message-recipient", "aulm/message-log"] {
        assert_eq!(again[stage]["outcome"], "nothing_due", "{kind:?}: {stage}");
    }
    assert_eq!((trial.in_ledger("aulm/message-preview"), trial.in_ledger("aulm/message-recipient")), (2, 1), "{kind:?}");
    trial.scheduled("aulm/message-preview", &["Anonymised after 30 days"]);
    trial.scheduled("aulm/message-log", &["Deleted after 2 years"]);
}

fn short_lived(kind: Kind) {
    let trial = Trial::new("aulm", kind);
    trial.sweep();
    trial.kept("aulm/api-keys", "api_keys", "20 21", 1);
    trial.kept("aulm/sessions", "sessions", "30 31", 1);
    trial.kept("aulm/webhook-deliveries", "webhook_deliveries", "40", 1);
}

/// A ticket and all that belongs to it; what somebody who is held has written keeps its ticket.
fn tickets(kind: Kind) {
    let trial = Trial::new("aulm", kind);
    trial.product.hold(&["account:5"]);
    let swept = trial.sweep();
    assert_eq!(swept["aulm/tickets"]["dragged"], 3, "{kind:?}");
    trial.kept("aulm/tickets", "tickets", "50 51 53", 1);
    assert_eq!((trial.left("ticket_messages", "1 = 1"), trial.left("feedback", "1 = 1")), ("60 61 64".into(), "70 72".into()), "{kind:?}");
    trial.scheduled("aulm/tickets", &["ticket_messages", "feedback"]);
}

/// Whoever might not see every row deletes none.
fn row_security(kind: Kind) {
    if kind != Kind::Postgres {
        // The others have no such thing, and so nothing that could be hidden.
        return;
    }
    let mut trial = Trial::new("aulm", kind);
    trial.product.grant_by_hand();
    trial.product.data.execute("ALTER TABLE message_logs ENABLE ROW LEVEL SECURITY; ALTER TABLE message_logs FORCE ROW LEVEL SECURITY");
    let report = trial.product.cli("sweep --output json").expect(3).json().to_string();
    assert!(report.contains("row security on message_logs applies to this role"), "{report}");
    trial.kept("aulm/message-log", "message_logs", "10 11 12 13 14", 0);
    // Nothing else is stopped by it.
    assert_eq!(trial.left("sessions", "1 = 1"), "30 31");
}

/// Seven years from the end of the year, whatever becomes of the account.
fn invoices(kind: Kind) {
    let trial = Trial::new("aulm", kind);
    trial.sweep();
    trial.kept("aulm/invoices", "invoices", "81 82", 1);
    trial.scheduled("aulm/invoices", &["Deleted after 7 years", "the end of the calendar year", "legal_obligation"]);
}
