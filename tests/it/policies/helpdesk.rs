//! helpdesk: the latest of several dates from several tables, a request that shortens and a floor that stands, logs in stages, and acts
//! that are in the ledger.

use serde_json::Value;

use super::{Promise, Trial};
use crate::support::{files, product::Kind};

pub const PROMISES: &[Promise] = &[
    ("HLP-1", Some(clients)),
    ("HLP-2", Some(what_is_left_behind_is_treated_and_told)),
    ("HLP-3", Some(addresses_are_shortened_before_the_logs_go)),
    ("HLP-4", Some(every_act_is_in_the_ledger)),
];

/// HLP-1, HLP-3.
fn the_promises_are_kept(kind: Kind) {
    let trial = Trial::new("helpdesk", kind);
    trial.settle();
    trial.is_left(&[
        ("clients", "1 2 4 6 7 8"),
        ("contracts", "10 11 12 15 17 18 19"),
        ("legal_retentions", "21"),
        ("tickets", "30 33"),
        ("ticket_messages", "40 44"),
        ("access_logs", "50 51 52"),
        ("usage_metadata", "60"),
    ]);
    trial.is_recorded(&[
        ("access-log", 1),
        ("access-log-addresses", 2),
        ("clients", 1),
        ("clients-on-request", 1),
        ("contracts", 3),
        ("legal-retentions", 2),
        ("usage-metadata", 1),
    ]);
    trial.is_measured(&[
        ("clients", "due", 0),
        ("clients", "undated", 2),
        ("access-log-addresses", "done", 2),
        ("contracts", "protected", 5),
    ]);
}

/// HLP-1: the last date that comes starts the clock, and the floor passes no request.
fn the_latest_date_decides_and_the_floor_stands(kind: Kind) {
    let mut trial = Trial::new("helpdesk", kind);
    trial.settle();
    // 6 asked two months after the end; half a year after it the law lets go. 7 waits for two years.
    trial.product.set_now("2026-11-15T10:00:00Z");
    trial.settle();
    trial.is_left(&[("clients", "1 2 4 7 8")]);
    // The obligations of 2 end; the two years begin that day.
    trial.product.data.execute("UPDATE contracts SET obligations_ended_on = '2026-06-01' WHERE id = 12");
    trial.product.set_now("2028-05-31T10:00:00Z");
    trial.settle();
    trial.is_left(&[("clients", "1 2 8"), ("contracts", "10 11 12 19")]);
    trial.product.set_now("2028-06-03T10:00:00Z");
    trial.settle();
    trial.is_left(&[("clients", "1 8"), ("contracts", "10 19")]);
}

/// HLP-2: as it is shipped the report says what remains and until when; written anew at night, nothing remains in the tables' files.
fn what_is_left_behind_is_treated_and_told(kind: Kind) {
    const GONE: [&str; 4] = ["cem@example.com", "eve@example.com", "forgotten", "too high"];
    let trial = Trial::new("helpdesk", kind);
    let swept = trial.sweep();
    let residue = &swept["helpdesk/clients"]["residue"];
    assert_eq!(residue["asked"], "compacted", "{kind:?}: {residue:#}");
    let remains = residue["remains"].to_string();
    let file = kind.pick("unused parts of pages", "free space of the table", "free space of the table");
    assert!(remains.contains("backups") && (!residue["pending"].is_null() || remains.contains(file)), "{kind:?}: {residue:#}");
    trial.scheduled("helpdesk/clients", &["as far as it can in place"]);

    let anew = |rules: String| rules.replace("residue = \"compacted\"", "residue = \"rewritten\"\nwindow = \"11:00-14:00\"");
    let trial = Trial::edited("helpdesk", kind, "auto", anew);
    let found = || {
        let files = files::of_tables(&trial.product.data, &["clients", "tickets", "ticket_messages"]);
        GONE.map(|text| files::count(&files, text))
    };
    assert!(found().iter().all(|times| *times > 0), "{kind:?}: {:?}", found());
    let is_settled = |rule: &Value| rule["acted"] == 0 && rule["residue"]["pending"].is_null();
    assert!((0..20).any(|_| trial.sweep().values().all(is_settled)), "{kind:?}: there is no end to it");
    assert_eq!(found(), [0; 4], "{kind:?}");
    let entries = trial.product.cli("ledger export").expect(0).json_lines();
    assert!(entries.iter().any(|entry| entry["kind"] == "residue_treated" && entry["rule"] == "helpdesk/clients"), "{kind:?}");
}

/// HLP-3: the first stage leaves the network and what happened.
fn addresses_are_shortened_before_the_logs_go(kind: Kind) {
    let trial = Trial::new("helpdesk", kind);
    trial.settle();
    let shown = kind.pick("ip", "host(ip)", "ip");
    assert_eq!(trial.column("access_logs", shown), "203.0.113.77 203.0.113.0 2001:db8:1::", "{kind:?}");
    assert_eq!(trial.column("access_logs", "user_agent"), "browser - -", "{kind:?}");
}

/// HLP-4, the half of the ledger: who approved, held and released is in it, with the reason, and it verifies.
fn every_act_is_in_the_ledger(kind: Kind) {
    let trial = Trial::waiting("helpdesk", kind);
    let product = &trial.product;
    product.cli("sweep").expect(3);
    trial.is_left(&[("clients", "1 2 3 4 5 6 7 8"), ("usage_metadata", "60 61")]);
    let place =
        ["hold", "place", "--matter", "claim", "--subject", "client:3", "--reason", "a claim", "--by", "counsel", "--output", "json"];
    let placed = product.run(place.into_iter().chain(["--accept-uncovered"])).expect(0).json();
    let hold = placed["holds"][0]["id"].as_str().expect("an id").to_owned();
    for rule in ["clients", "clients-on-request"] {
        product.run(["approve", &format!("helpdesk/{rule}")]).expect(0);
    }
    product.cli("sweep helpdesk/clients helpdesk/clients-on-request").expect(0);
    trial.is_left(&[("clients", "1 2 3 4 6 7 8")]);
    product.run(["hold", "release", &hold, "--reason", "settled", "--by", "counsel"]).expect(0);

    product.cli("ledger verify").expect(0);
    let entries = product.cli("ledger export").expect(0).json_lines();
    let acts: Vec<String> =
        entries.iter().filter(|entry| entry["texts"].is_array() && entry["kind"] != "configuration").map(told).collect();
    let [hold, clients, request, release] = &acts[..] else { panic!("{kind:?}: {acts:?}") };
    assert_eq!(hold, "hold_placed - matter=claim by=counsel reason=a claim", "{kind:?}");
    // Whoever ran the command.
    assert!(clients.starts_with("approved helpdesk/clients by="), "{kind:?}: {clients}");
    assert!(request.starts_with("approved helpdesk/clients-on-request by="), "{kind:?}: {request}");
    assert_eq!(release, "hold_released - by=counsel reason=settled", "{kind:?}");
}

/// Kind and rule of an entry, and the texts that stand beside it.
fn told(entry: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let texts = entry["texts"].as_array().into_iter().flatten().map(|text| format!(" {}={}", word(&text["field"]), word(&text["text"])));
    format!("{} {}{}", word(&entry["kind"]), word(&entry["rule"]), texts.collect::<String>())
}

fn the_schedule_says_it(kind: Kind) {
    Trial::new("helpdesk", kind).is_scheduled(&[
        "2 years",
        "6 months",
        "the client has asked for deletion",
        "obligations_ended_on",
        "expires_on",
        "ticket_messages",
    ]);
}

fn clients(kind: Kind) {
    the_promises_are_kept(kind);
    the_latest_date_decides_and_the_floor_stands(kind);
    the_schedule_says_it(kind);
}
