//! Without tokens the API is for the daemon's own user on this machine, and for nobody else.

use super::{WAITING, json, run};
use crate::{
    daemon::accounts,
    support::{http::request, product::Kind},
};

const HOLD: &str = r#"{"matter":"m","reason":"r","subjects":[{"kind":"account","value":"1"}]}"#;
const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn the_user_of_the_daemon_acts_by_number_and_no_page_of_a_browser_does() {
    let product = accounts(Kind::Sqlite, WAITING, 1, 0);
    let daemon = run(&product, "none");
    let place = |headers: &str| request("POST", &daemon.address, "/api/v1/holds", &format!("{JSON}{headers}"), HOLD).expect("an answer");
    assert_eq!(place("Host: example.com\r\n").status, 421);
    assert_eq!(place("Origin: https://example.com\r\n").status, 403);
    assert_eq!(place("Sec-Fetch-Site: cross-site\r\n").status, 403);
    let reload = request("POST", &daemon.address, "/-/reload", "Origin: https://example.com\r\n", "").expect("an answer");
    assert_eq!(reload.status, 403);
    let placed = place("");
    assert_eq!(placed.status, 201, "{placed:#?}");
    assert_eq!(json(&placed)["holds"][0]["by"], format!("uid {}", rustix::process::geteuid().as_raw()));
    assert_eq!(product.cli("hold list --output json").expect(0).json()["holds"].as_array().map(Vec::len), Some(1));
    daemon.stop().expect(0);
}

#[test]
fn beyond_loopback_there_is_no_api_without_tokens() {
    let product = accounts(Kind::Sqlite, &WAITING.replace("127.0.0.1:0", "0.0.0.0:0"), 1, 0);
    let daemon = run(&product, "none");
    for (method, path) in [("GET", "/api/v1/rules"), ("POST", "/api/v1/holds"), ("GET", "/api/v1/ledger/entries")] {
        let answer = request(method, &daemon.address, path, JSON, HOLD).expect("an answer");
        assert_eq!(answer.status, 403, "{method} {path}");
        assert!(answer.body.contains("retentiond token new"), "{answer:?}");
    }
    assert_eq!(product.cli("hold list --output json").expect(0).json()["holds"], serde_json::json!([]));
    daemon.stop().expect(0);
}
