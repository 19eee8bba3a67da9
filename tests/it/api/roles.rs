//! Who may do what: every route of docs/api.md with every role.

use std::{collections::BTreeSet, fs, path::Path};

use super::{Api, ROLES, json};
use crate::support::binary::Folder;

/// A row of the page's table: method, path and role (`any`: every role reads).
struct Route {
    method: String,
    path: String,
    role: String,
}

fn documented() -> Vec<Route> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md")).expect("the page");
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [method, path, role, ..] = cells.as_slice() else { return None };
        ["GET", "POST"].contains(method).then(|| Route { method: (*method).to_owned(), path: (*path).to_owned(), role: (*role).to_owned() })
    };
    page.lines().filter(|line| line.starts_with('|')).filter_map(row).collect()
}

/// Then nobody acts by the command line, whoever has its secrets, and what looks goes on.
#[test]
fn acts_can_be_left_to_the_api() {
    let api = Api::start("none");
    let text = fs::read_to_string(api.product.folder.path().join("retentiond.toml")).expect("the configuration");
    api.product.folder.write("retentiond.toml", &format!("{text}\n[access]\nacts = \"api-only\"\n"));
    for acts in [
        "sweep",
        "sweep --approve",
        "approve p/closed",
        "pause --all --reason r --by b",
        "resume --all --reason r --by b",
        "hold place --matter M --table app.accounts --reason r --by b",
        "hold release h --reason r --by b",
        "archive restore p/closed/a-b-c --reason r --by b",
        "state adopt --reason r --by b",
    ] {
        let run = api.product.cli(acts).expect(3);
        assert!(run.stderr.contains("leaves acts to the daemon's API"), "{acts}: {run:#?}");
    }
    for looks in ["check", "plan", "hold list", "ledger verify", "sweep --dry-run", "explain app.accounts 1"] {
        assert!(!api.product.cli(looks).stderr.contains("api-only"), "{looks}");
    }
    assert_eq!(api.ask("operator", "POST", "/api/v1/rules/p/closed/pause", "{\"reason\": \"r\"}").status, 200);
}

/// The document is made from the table that the router is made from.
#[test]
fn the_page_and_the_document_have_every_route() {
    let document = Folder::new("").run(["schema", "api"]).expect(0).json();
    let mut routes = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let role = operation["x-role"].as_str().unwrap_or("-").to_owned();
            assert_eq!(operation["security"].is_array(), role != "-", "{method} {path}");
            routes.insert((method.to_uppercase(), path.clone(), role));
        }
    }
    let documented: BTreeSet<_> = documented().into_iter().map(|Route { method, path, role }| (method, path, role)).collect();
    assert!(routes.len() > 20);
    assert_eq!(documented, routes);
}

#[test]
fn nobody_reads_or_acts_without_the_role() {
    nobody_acts_without_the_role("none");
}

/// Asks everything of everybody who may not, and finds the ledger as it was; then reads as everybody who may.
pub fn nobody_acts_without_the_role(fault: &str) {
    let api = Api::start(fault);
    let hold =
        api.expect(201, "counsel", "POST", "/api/v1/holds", r#"{"matter":"m","reason":"r","subjects":[{"kind":"account","value":"1"}]}"#);
    let hold = hold["holds"][0]["id"].as_str().expect("an id").to_owned();
    let head = || api.expect(200, "viewer", "GET", "/api/v1/ledger/head", "");
    let before = head();
    let body = |path: &str| match path {
        "/api/v1/holds" => r#"{"matter":"m","reason":"r","subjects":[{"kind":"account","value":"2"}]}"#,
        path if path.ends_with("pause") || path.ends_with("resume") || path.ends_with("release") => r#"{"reason":"r"}"#,
        _ => "",
    };
    let guarded: Vec<Route> = documented().into_iter().filter(|route| route.role != "-").collect();
    for Route { method, path, role } in &guarded {
        let body = if method == "POST" { body(path) } else { "" };
        let path = path
            .replace("{policy}/{rule}", "p/closed")
            .replace("{source}", "app")
            .replace("holds/{id}", &format!("holds/{hold}"))
            .replace("{id}", "none");
        for stranger in ["", "expired"] {
            let answer = api.ask(stranger, method, &path, body);
            // Beyond some tries nobody looks at the token any more.
            assert!([401, 429].contains(&answer.status), "{stranger}: {method} {path}: {answer:#?}");
            assert_eq!(json(&answer)["status"], answer.status);
        }
        for name in ROLES.into_iter().filter(|name| role != "any" && role != name) {
            let problem = api.expect(403, name, method, &path, body);
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(role.as_str())), "{problem}");
        }
        for name in ROLES.into_iter().filter(|_| role == "any") {
            let status = api.ask(name, method, &path, body).status;
            assert_eq!(status, if path.ends_with("none") { 404 } else { 200 }, "{name}: {method} {path}");
        }
    }
    let problem = api.expect(403, "operator", "POST", "/api/v1/rules/p/closed/sweep", r#"{"approve":true}"#);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("approver")), "{problem}");
    assert_eq!(head(), before, "whoever was refused has changed something");
    assert_eq!(api.expect(200, "viewer", "GET", "/api/v1/sweeps", "")["asked"], serde_json::json!([]));
    api.stop();
}
