//! aimplan: the last sign of life, copies that stay, periods of tenants, pseudonyms, people under 16, and short categories.

use super::{Promise, Trial};
use crate::support::product::Kind;

pub const PROMISES: &[Promise] = &[
    ("AIM-1", Some(customers)),
    ("AIM-2", Some(a_copy_stays_and_has_its_own_end)),
    ("AIM-3", Some(a_tenant_may_change_its_mind)),
    ("AIM-4", None),
    ("AIM-5", Some(activity_is_told_by_pseudonyms)),
    ("AIM-6", Some(people_under_16_go_at_once_but_for_a_hold)),
    ("AIM-7", Some(short_categories)),
];

/// HMAC-SHA-256 of `gil@example.com` and `hal@example.com` with the key of these trials.
const GIL: &str = "479488b5482f9e20624a187a37ba08e640435d26269d9013bc967b2a501fcbb9";
const HAL: &str = "7b5cfe3458d9941b47bd1d4dab35604e53d345c4b6ece9669a63945f1d7e03b0";

/// AIM-1, AIM-3, AIM-6, AIM-7.
fn the_promises_are_kept(kind: Kind) {
    let trial = Trial::new("aimplan", kind);
    trial.settle();
    trial.is_left(&[
        ("customers", "1 3 4 5 6"),
        ("contracts", "10 12 13 14 15"),
        ("orders", "20"),
        ("tenants", "alfa bravo charlie delta"),
        ("plans", "30 32 33 35"),
        ("activity", "40 41 42 43"),
        ("users", "50 52"),
        ("applications", "60 61"),
        ("professional_contacts", "70"),
        ("contact_forms", "80"),
    ]);
    trial.is_recorded(&[
        ("activity", 3),
        ("applications", 1),
        ("contact-forms", 1),
        ("contracts", 1),
        ("customers", 1),
        ("orders", 2),
        ("plans", 3),
        ("professional-contacts", 1),
        ("under-16", 2),
        ("users", 1),
    ]);
    trial.is_measured(&[
        ("customers", "undated", 2),
        ("customers", "running", 3),
        ("plans", "due", 0),
        ("activity", "done", 3),
        ("applications", "undated", 1),
        ("users", "due", 0),
    ]);
}

/// AIM-1: what was missing comes, and the clock starts with the latest.
fn the_last_sign_of_life_decides(kind: Kind) {
    let mut trial = Trial::new("aimplan", kind);
    trial.settle();
    trial.product.data.execute("UPDATE contracts SET ended_on = '2026-06-01' WHERE id = 14");
    trial.product.set_now("2028-05-31T10:00:00Z");
    trial.settle();
    // The last contact of 3 and the contract of 4 were in 2025; 1 signed in in the middle of June 2026.
    trial.is_left(&[("customers", "1 5 6")]);
    trial.product.set_now("2028-06-03T10:00:00Z");
    trial.settle();
    trial.is_left(&[("customers", "1 6"), ("contracts", "10 15")]);
}

/// AIM-2: what goes is in a copy that verifies, and the copy goes in its turn.
fn a_copy_stays_and_has_its_own_end(kind: Kind) {
    let mut trial = Trial::new("aimplan", kind);
    trial.settle();
    trial.product.cli("archive verify").expect(0);
    let list = trial.product.cli("archive list --output json").expect(0).json();
    assert_eq!((&list["copies"][0]["rows"], &list["copies"][0]["status"]), (&2.into(), &"valid".into()), "{kind:?}: {list}");
    trial.product.set_now("2033-06-16T10:00:00Z");
    trial.settle();
    let entries = trial.product.cli("ledger export").expect(0).json_lines();
    let ended: Vec<_> = entries.iter().filter(|entry| entry["kind"] == "archive_ended").map(|entry| &entry["rows"]).collect();
    assert_eq!(ended, [2], "{kind:?}");
    // The youngest order has followed, and its own copy is there.
    trial.is_left(&[("orders", "")]);
    trial.product.cli("archive verify").expect(0);
}

/// AIM-3: what a tenant asks for takes effect at the next sweep.
fn a_tenant_may_change_its_mind(kind: Kind) {
    let trial = Trial::new("aimplan", kind);
    trial.settle();
    trial
        .product
        .data
        .execute("UPDATE tenants SET plan_months = 12 WHERE id = 'bravo'; UPDATE tenants SET plan_months = 0 WHERE id = 'alfa'");
    trial.settle();
    trial.is_left(&[("plans", "30 33 35")]);
}

/// AIM-5: one pseudonym for a person however the address was spelt, and no address beside it.
fn activity_is_told_by_pseudonyms(kind: Kind) {
    let trial = Trial::new("aimplan", kind);
    trial.settle();
    assert_eq!(trial.column("activity", "user_email"), format!("gil@example.com {GIL} {GIL} {HAL}"), "{kind:?}");
    assert_eq!(trial.product.data.number("SELECT count(*) FROM activity WHERE ip IS NULL"), 3, "{kind:?}");
    assert_eq!(trial.column("activity", "what"), "opened opened shared opened", "{kind:?}");
}

/// AIM-6: at once, unless a hold stands.
fn people_under_16_go_at_once_but_for_a_hold(kind: Kind) {
    let trial = Trial::new("aimplan", kind);
    let place = ["hold", "place", "--matter", "m", "--subject", "email:kim@example.com", "--reason", "r", "--by", "b"];
    trial.product.run(place.into_iter().chain(["--accept-uncovered"])).expect(0);
    trial.settle();
    trial.is_left(&[("users", "50 52 53")]);
}

fn the_schedule_says_it(kind: Kind) {
    Trial::new("aimplan", kind).is_scheduled(&[
        "Deleted after 6 months",
        "last_sign_in_at",
        "plan_months",
        "the service is not for people under 16",
        "7 years",
    ]);
}

fn customers(kind: Kind) {
    the_promises_are_kept(kind);
    the_last_sign_of_life_decides(kind);
}

/// AIM-7: each category has a period of its own, and one without a decision stays.
fn short_categories(kind: Kind) {
    let trial = Trial::new("aimplan", kind);
    trial.settle();
    trial.kept("aimplan/applications", "applications", "60 61", 1);
    trial.kept("aimplan/professional-contacts", "professional_contacts", "70", 1);
    trial.kept("aimplan/contact-forms", "contact_forms", "80", 1);
    the_schedule_says_it(kind);
}
