//! What is wrong with a request is said as RFC 9457 has it, under the request's id, and harms nobody.

use super::{Api, json};

#[test]
fn what_is_wrong_is_a_problem_with_the_id_of_the_request() {
    let mut api = Api::start("none");
    let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let pause = "/api/v1/rules/p/closed/pause";
    let cases = [
        ("operator", "POST", pause, "{", 400),
        ("operator", "POST", pause, "", 400),
        ("operator", "POST", pause, r#"["r"]"#, 400),
        ("operator", "POST", "/api/v1/rules/p/closed/sweep", "[]", 400),
        ("operator", "POST", pause, r#"{"reason":"r","by":"somebody else"}"#, 400),
        ("operator", "POST", pause, r#"{"reason":" "}"#, 422),
        ("operator", "POST", pause, "{\"reason\":\"a\\u0000b\"}", 422),
        ("operator", "POST", pause, &long, 413),
        ("operator", "POST", "/api/v1/rules/p/clsed/pause", r#"{"reason":"r"}"#, 404),
        ("operator", "POST", "/api/v1/rules/p/%FF/sweep", "", 400),
        ("counsel", "POST", "/api/v1/holds/0000000000000000/release", r#"{"reason":"r"}"#, 404),
        ("counsel", "POST", "/api/v1/holds/%00/release", r#"{"reason":"r"}"#, 404),
        ("counsel", "POST", "/api/v1/holds", r#"{"matter":"m","reason":"r"}"#, 422),
        ("counsel", "POST", "/api/v1/holds", r#"{"matter":"m","reason":"r","subjects":[{"kind":"acount","value":"1"}]}"#, 422),
        ("counsel", "POST", "/api/v1/holds", r#"{"matter":"m","reason":"r","subjects":[["account","1"]]}"#, 400),
        ("operator", "POST", "/api/v1/sources/ap/pause", r#"{"reason":"r"}"#, 404),
        ("operator", "POST", "/api/v1/sources/ap/resume", r#"{"reason":"r"}"#, 422),
        ("viewer", "GET", "/api/v1/holds/0000000000000000", "", 404),
        ("viewer", "GET", "/api/v1/rules?x=1", "", 400),
        ("viewer", "GET", "/api/v1/sweeps/none?x=1", "", 400),
        ("viewer", "GET", "/api/v1/ledger/entries?after=-1", "", 400),
        ("viewer", "GET", "/api/v1/ledger/entries?after=99999999999999999999", "", 400),
        ("viewer", "GET", "/api/v1/ledger/entries?after=9223372036854775808", "", 400),
        ("viewer", "GET", "/api/v1/ledger/entries?limit=1&limit=2", "", 400),
        ("viewer", "GET", "/api/v1/rules/p/closed/plan?count=maybe", "", 400),
        ("viewer", "DELETE", "/api/v1/holds", "", 405),
        ("viewer", "GET", "/api/v1/nothing", "", 404),
    ];
    for (token, method, path, body, status) in cases {
        let authorization =
            format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\nX-Request-Id: my-4711\r\n", api.tokens[token]);
        let answer = api.request(method, path, &authorization, body);
        let shown: String = body.chars().take(80).collect();
        assert_eq!(answer.status, status, "{method} {path} {shown}: {answer:#?}");
        assert_eq!(answer.header("content-type").collect::<Vec<_>>(), ["application/problem+json"]);
        assert_eq!(answer.header("x-request-id").collect::<Vec<_>>(), ["my-4711"]);
        let problem = json(&answer);
        assert!(problem["instance"].as_str().is_some_and(|instance| instance.ends_with("#my-4711")), "{problem}");
        assert_eq!((&problem["status"], problem["title"].is_string()), (&status.into(), true));
    }
    let plain = format!("Authorization: Bearer {}\r\nX-Request-Id: a b\r\n", api.tokens["operator"]);
    let answer = api.request("POST", pause, &plain, "reason=r");
    assert_eq!(answer.status, 415, "{answer:#?}");
    assert!(answer.header("x-request-id").all(|id| id.starts_with("req-")), "{answer:#?}");
    let line = api.daemon.process.line("\"status\":415");
    assert!(line.contains("\"by\":\"operator\"") && line.contains("\"request\":\"req-") && !line.contains("rtd_"), "{line}");
    api.stop();
}

#[test]
fn whoever_asks_too_often_is_told_so_and_nobody_else() {
    let api = Api::start("none");
    let asked = |token: &str| api.ask(token, "GET", "/api/v1/sweeps/none", "");
    let refused = std::iter::repeat_with(|| asked("operator")).take(2_000).find(|answer| answer.status != 404).expect("a limit");
    assert_eq!((refused.status, refused.header("retry-after").count()), (429, 1), "{refused:#?}");
    let refused = std::iter::repeat_with(|| asked("nobody")).take(100).find(|answer| answer.status != 401).expect("a limit");
    assert_eq!(refused.status, 429, "{refused:#?}");
    assert_eq!(asked("viewer").status, 404, "others are heard, from the same address");
    api.stop();
}
