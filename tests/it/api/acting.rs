//! What is done over HTTP is done as from the command line, and the ledger says by whom.

use std::{io::Write as _, net::TcpStream};

use serde_json::Value;

use super::{Api, json};
use crate::{
    daemon::{entries, left},
    support::until,
};

/// Waits for the end of a sweep that was asked for.
fn ended(api: &Api, id: &str) -> Value {
    until("the sweep has ended", || {
        let answer = api.ask("viewer", "GET", &format!("/api/v1/sweeps/{id}"), "");
        Some(json(&answer)).filter(|sweep| answer.status == 200 && sweep["state"] == "ended")
    })
}

fn ask_for_sweep(api: &Api, body: &str) -> Value {
    let asked = api.expect(202, "operator", "POST", "/api/v1/rules/p/closed/sweep", body);
    ended(api, asked["id"].as_str().expect("an id"))
}

#[test]
fn a_rule_is_approved_held_swept_and_paused_by_name() {
    let api = Api::start("none");
    let rule = |what: &str| format!("/api/v1/rules/p/closed/{what}");
    let plan = api.expect(200, "viewer", "GET", &rule("plan"), "");
    let local = api.product.cli("plan p/closed --output json").json();
    assert_eq!(plan["rules"][0]["rows"], local["rules"][0]["rows"], "one use case, two faces");
    assert_eq!((&plan["version"], &plan["rules"][0]["rows"]["due"]), (&1.into(), &5.into()));

    let waits = ask_for_sweep(&api, "");
    assert_eq!((&waits["report"]["outcome"], &waits["report"]["reason"]), (&"guarded".into(), &"approval".into()), "{waits:#}");
    let placed = api.expect(
        201,
        "counsel",
        "POST",
        "/api/v1/holds",
        r#"{"matter":"Case 17","reason":"litigation","subjects":[{"kind":"account","value":"1"}]}"#,
    );
    assert_eq!((&placed["holds"][0]["by"], &placed["holds"][0]["rows"][0]["rows"]), (&"counsel".into(), &1.into()), "{placed:#}");
    let approved = api.expect(200, "approver", "POST", &rule("approve"), "");
    assert_eq!((&approved["approved"]["by"], &approved["due"]), (&"approver".into(), &4.into()), "{approved:#}");

    let paused = api.expect(200, "operator", "POST", &rule("pause"), r#"{"reason":"a migration"}"#);
    assert_eq!(paused["paused"][0]["by"], "operator");
    let rules = api.expect(200, "viewer", "GET", "/api/v1/rules", "");
    assert_eq!(rules["rules"][0]["paused"]["reason"], "a migration");
    assert_eq!(ask_for_sweep(&api, "")["report"]["reason"], "paused");
    api.expect(200, "operator", "POST", &rule("resume"), r#"{"reason":"it is over"}"#);

    for what in ["/api/v1/sources/app", "/api/v1"] {
        let paused = api.expect(200, "operator", "POST", &format!("{what}/pause"), r#"{"reason":"a migration"}"#);
        assert_eq!(
            (paused["changed"].as_array().map(Vec::len), paused["paused"].as_array().map(Vec::len)),
            (Some(1), Some(1)),
            "{paused:#}"
        );
        let stays = api.expect(200, "operator", "POST", &rule("resume"), r#"{"reason":"not by its own name"}"#);
        assert_eq!((&stays["changed"], &stays["paused"]), (&serde_json::json!([]), &paused["paused"]), "{stays:#}");
        assert_eq!(ask_for_sweep(&api, "")["report"]["reason"], "paused");
        let resumed = api.expect(200, "operator", "POST", &format!("{what}/resume"), r#"{"reason":"it is over"}"#);
        assert_eq!((&resumed["changed"], &resumed["paused"]), (&paused["changed"], &serde_json::json!([])), "{resumed:#}");
    }

    let swept = ask_for_sweep(&api, "{}");
    assert_eq!((&swept["report"]["outcome"], &swept["report"]["acted"], &swept["by"]), (&"complete".into(), &4.into(), &"operator".into()));
    assert_eq!(left(&api.product), 2, "the one that is held, and the one that is not due");
    let sweeps = api.expect(200, "viewer", "GET", "/api/v1/sweeps", "");
    assert_eq!((&sweeps["last"][0]["outcome"], sweeps["asked"].as_array().map(Vec::len)), (&"complete".into(), Some(5)), "{sweeps:#}");
    assert_eq!(api.daemon.metric("rows_acted_total", &["rule=\"p/closed\""]), 4.0);

    let release = format!("/api/v1/holds/{}/release", placed["holds"][0]["id"].as_str().expect("an id"));
    let released = api.expect(200, "counsel", "POST", &release, r#"{"reason":"settled"}"#);
    assert!(released["holds"][0]["lapses_at"].is_string(), "{released:#}");
    assert_eq!(api.expect(409, "counsel", "POST", &release, r#"{"reason":"settled"}"#)["title"], "released before");
    assert_eq!(
        api.expect(200, "viewer", "GET", "/api/v1/holds?all=true", ""),
        api.product.cli("hold list --all --output json").expect(0).json()
    );

    let show = api.expect(200, "viewer", "GET", &format!("/api/v1/holds/{}", placed["holds"][0]["id"].as_str().expect("an id")), "");
    assert_eq!(show["holds"][0]["subjects"], serde_json::json!([{ "kind": "account", "value": "1" }]));

    for (kind, by) in [
        ("approved", "approver"),
        ("hold_placed", "counsel"),
        ("hold_released", "counsel"),
        ("paused", "operator"),
        ("resumed", "operator"),
    ] {
        let entry = &entries(&api.product, kind)[0];
        let named = entry["texts"].as_array().into_iter().flatten().any(|text| text["field"] == "by" && text["text"] == by);
        assert!(named, "{kind} is not by {by}: {entry:#}");
    }
    let page = api.expect(200, "viewer", "GET", "/api/v1/ledger/entries?after=1&limit=2", "");
    let exported = api.product.cli("ledger export").expect(0).json_lines();
    assert_eq!((page["entries"].as_array().map(Vec::as_slice), &page["next_after"]), (Some(&exported[1..3]), &3.into()));
    let head = api.expect(200, "viewer", "GET", "/api/v1/ledger/head", "");
    assert_eq!((&head["seq"], &head["hash"]), (&exported[exported.len() - 1]["seq"], &exported[exported.len() - 1]["hash"]));
    api.product.cli("ledger verify").expect(0);
    api.stop();
}

#[test]
fn a_client_that_goes_away_cuts_nothing_off() {
    let api = Api::start("none");
    let body = r#"{"matter":"gone","reason":"r","subjects":[{"kind":"account","value":"1"}]}"#;
    let head =
        format!("POST /api/v1/holds HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n", api.daemon.address, api.tokens["counsel"]);
    let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(&api.daemon.address).expect("a connection");
    stream.write_all(request.as_bytes()).expect("a request");
    drop(stream);
    until("the hold is in force", || {
        let holds = json(&api.ask("viewer", "GET", "/api/v1/holds", ""));
        (holds["holds"][0]["matter"] == "gone" && holds["holds"][0]["pending"] == serde_json::json!([])).then_some(())
    });
    api.stop();
}

#[test]
fn a_token_that_was_taken_away_is_good_for_nothing_from_the_next_reload_on() {
    let mut api = Api::start("none");
    api.expect(200, "viewer", "GET", "/api/v1/rules", "");
    api.product.reconfigure(
        "",
        &format!("{}[[http.tokens]]\nname = \"other\"\nroles = [\"viewer\"]\nhash = \"sha256:{:064}\"\n", super::WAITING, 1),
    );
    assert_eq!(api.ask("operator", "POST", "/-/reload", "").status, 200);
    assert_eq!(api.ask("viewer", "GET", "/api/v1/rules", "").status, 401);
    assert_eq!(api.ask("operator", "POST", "/-/reload", "").status, 401);
    api.stop();
}
