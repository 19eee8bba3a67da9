//! Everything that the document of the API allows, and much that it does not, asked of a real daemon by schemathesis, in
//! the name of every role and of nobody. What it makes up is the same in each run.
//!
//! `fuzz/hooks.py` says who asks for what and what has to come of it; `fuzz/schemathesis.toml` which refusals are no news.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use serde_json::{Value, json};

use super::{ROLES, WAITING, json as body, run};
use crate::{
    daemon::{accounts, entries},
    support::{http::request, product::Kind},
};

/// Tokens of a kind: each may only ask so often.
const OF_A_KIND: u32 = 6;
/// Cases of each operation beside those that the bounds of its schema give.
const CASES: &str = "4";

/// A program of the environment that `tests/run` has for schemathesis.
pub fn program(name: &str) -> Command {
    let folder = std::env::var_os("RETENTIOND_TEST_SCHEMATHESIS").map(PathBuf::from).unwrap_or_default();
    Command::new(folder.join(name))
}

#[test]
fn whatever_is_asked_nothing_breaks_and_nobody_acts_without_the_role() {
    let mut product = accounts(Kind::Sqlite, WAITING, 5, 1);
    let mut tokens = BTreeMap::new();
    let mut blocks = String::new();
    // One who may let a rule go with the sweep that he asks for, beside one of each role.
    for (kind, roles) in ROLES.iter().map(|role| (*role, vec![*role])).chain([("steward", vec!["operator", "approver"])]) {
        for number in 0..OF_A_KIND {
            let (name, options) = (format!("{kind}-{number}"), roles.join(" --role "));
            let made = product.cli(&format!("token new {name} --role {options} --output json")).expect(0).json();
            blocks += made["configuration"].as_str().expect("a block");
            tokens.insert(name, json!({ "token": made["token"], "roles": roles }));
        }
    }
    product.reconfigure("", &format!("{WAITING}{blocks}"));
    let daemon = run(&product, "none");
    let authorization = format!("Authorization: Bearer {}\r\n", tokens["counsel-0"]["token"].as_str().expect("a token"));
    let place = |value: u32| {
        let hold = json!({ "matter": "m", "reason": "r", "subjects": [{ "kind": "account", "value": value.to_string() }] }).to_string();
        let headers = format!("{authorization}Content-Type: application/json\r\n");
        body(&request("POST", &daemon.address, "/api/v1/holds", &headers, &hold).expect("an answer"))["holds"][0]["id"].clone()
    };
    let known = json!({
        "policy": ["p"], "rule": ["closed"], "source": ["app"], "sweeps": ["none"], "holds": [place(1), place(2), place(3)],
        "kind": ["account", "nobody"], "tables": ["app.accounts", "app.none"], "categories": ["account", "none"], "sources": ["app"],
    });

    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/api/fuzz");
    let document = product.folder.write("api.json", &product.cli("schema api").expect(0).stdout);
    let mut schemathesis = program("schemathesis");
    schemathesis.arg("--config-file").arg(here.join("schemathesis.toml")).arg("run").arg(document);
    schemathesis.args(["--url", &format!("http://{}", daemon.address), "--phases", "coverage,fuzzing", "--max-examples", CASES]);
    // Who asks is for the hooks to say, and they check what those two would.
    schemathesis.args(["--checks", "all", "--exclude-checks", "ignored_auth,missing_required_header"]);
    schemathesis.args(["--generation-deterministic", "--generation-with-security-parameters", "false"]);
    schemathesis.args(["--continue-on-failure", "--no-shrink", "--no-color", "--request-timeout", "20"]);
    schemathesis.env("FUZZ_TOKENS", json!(tokens).to_string()).env("FUZZ_KNOWN", known.to_string());
    schemathesis.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", here).env("PYTHONDONTWRITEBYTECODE", "1");
    let told = schemathesis.current_dir(product.folder.path()).output().expect("schemathesis is installed (tests/run does it)");
    let text = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "schemathesis objects:\n{text}");
    let cases = text.lines().find_map(|line| line.trim().strip_suffix(" passed")?.split_once(" generated, "));
    let cases: usize = cases.and_then(|(generated, _)| generated.parse().ok()).unwrap_or_else(|| panic!("how many cases?\n{text}"));
    assert!(cases > 300, "only {cases} cases:\n{text}");

    // Each act was done, and by one who may.
    for (kind, names) in [
        ("approved", &["approver", "steward"][..]),
        ("paused", &["operator", "steward"]),
        ("resumed", &["operator", "steward"]),
        ("hold_placed", &["counsel"]),
        ("hold_released", &["counsel"]),
    ] {
        let entries = entries(&product, kind);
        assert!(!entries.is_empty(), "nothing was {kind}:\n{text}");
        for entry in &entries {
            let by = author(entry);
            assert!(by.rsplit_once('-').is_some_and(|(name, _)| names.contains(&name)), "{kind} by {by}: {entry:#}");
        }
    }
    let asked = request("GET", &daemon.address, "/api/v1/sweeps", &authorization, "").expect("an answer");
    let asked = body(&asked)["asked"].as_array().cloned().unwrap_or_default();
    let by = |sweep: &Value| sweep["by"].as_str().unwrap_or_default().to_owned();
    assert!(!asked.is_empty() && asked.iter().map(by).all(|by| by.starts_with("operator-") || by.starts_with("steward-")), "{asked:#?}");
    product.cli("ledger verify").expect(0);
    daemon.stop().expect(0);
}

/// By whom an entry says that it is.
fn author(entry: &Value) -> &str {
    let texts = entry["texts"].as_array().into_iter().flatten();
    texts.filter(|text| text["field"] == "by").find_map(|text| text["text"].as_str()).unwrap_or_default()
}
