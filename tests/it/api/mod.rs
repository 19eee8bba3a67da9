//! The HTTP API as its clients meet it: the real daemon, with tokens of its own making, and docs/api.md as the list of
//! what there is. A new subject is a file here.

mod acting;
pub mod fuzz;
mod loopback;
mod requests;
pub mod roles;

use std::{cell::RefCell, collections::BTreeMap, io::Write as _, path::Path, process::Stdio};

use serde_json::Value;

use crate::{
    daemon::accounts,
    support::{
        binary,
        daemon::Daemon,
        http::{Answer, request},
        product::{Kind, Product},
    },
};

/// The roles; a token of each bears its name.
const ROLES: [&str; 4] = ["viewer", "operator", "counsel", "approver"];

/// On no day that a test sees, and every rule waits for a person.
pub const WAITING: &str = "[defaults]\nschedule = \"0 0 1 1 *\"\nmax_share = 1.0\n[http]\nlisten = \"127.0.0.1:0\"\n";

/// A daemon with tokens.
pub struct Api {
    pub product: Product,
    pub daemon: Daemon,
    /// By name.
    pub tokens: BTreeMap<String, String>,
    /// Every answer so far, with what was asked.
    answers: RefCell<Vec<Value>>,
}

impl Api {
    /// Five accounts that are due and one that is not, a rule that waits, a token of each role and one that has expired.
    pub fn start(fault: &str) -> Self {
        Self::over(accounts(Kind::Sqlite, WAITING, 5, 1), "", "", fault)
    }

    /// The same of a product that is there, with more of `app` and more keys of `[http]`.
    pub fn over(mut product: Product, app: &str, more: &str, fault: &str) -> Self {
        let mut tokens = BTreeMap::new();
        let mut blocks = String::new();
        for (name, role, rest) in
            ROLES.map(|role| (role, role, "")).into_iter().chain([("expired", "operator", "--expires 2020-01-01T00:00:00Z")])
        {
            let made = product.cli(&format!("token new {name} --role {role} --output json {rest}")).expect(0).json();
            tokens.insert(name.to_owned(), made["token"].as_str().expect("a token").to_owned());
            blocks += made["configuration"].as_str().expect("a block");
        }
        product.reconfigure(app, &format!("{WAITING}{more}{blocks}"));
        let daemon = run(&product, fault);
        Self { product, daemon, tokens, answers: RefCell::default() }
    }

    /// What a token's owner is answered; of the name of no token: what anybody is.
    pub fn ask(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let authorization = self.tokens.get(token).map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let headers = format!("{authorization}Content-Type: application/json\r\n");
        self.request(method, path, &headers, body)
    }

    /// The answer to any request.
    pub fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let answer = request(method, &self.daemon.address, path, headers, body).expect("an answer");
        let Answer { status, headers, body } = &answer;
        let noted = serde_json::json!({ "method": method, "path": path, "status": status, "headers": headers, "body": body });
        self.answers.borrow_mut().push(noted);
        answer
    }

    /// Stops the daemon, and holds every answer against the document of the API.
    pub fn stop(self) {
        self.daemon.stop().expect(0);
        let answers = self.answers.into_inner();
        assert!(!answers.is_empty());
        let document = self.product.cli("schema api").expect(0).json();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/api/conforms.py");
        let mut python = fuzz::program("python");
        let python = python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut python = python.expect("schemathesis is installed (tests/run does it)");
        let said = serde_json::json!({ "document": document, "answers": answers }).to_string();
        // Dropped at once, so that the script sees the end.
        python.stdin.take().expect("a pipe").write_all(said.as_bytes()).expect("a script that listens");
        let told = python.wait_with_output().expect("its end");
        let text = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert!(told.status.success() && text.is_empty(), "answers are not what the document says:\n{text}");
    }

    /// The JSON of an answer of that status.
    #[track_caller]
    pub fn expect(&self, status: u16, token: &str, method: &str, path: &str, body: &str) -> Value {
        let answer = self.ask(token, method, path, body);
        assert_eq!(answer.status, status, "{token}: {method} {path} {body}: {answer:#?}");
        json(&answer)
    }
}

/// The daemon, with a mistake or `none`.
pub fn run(product: &Product, fault: &str) -> Daemon {
    Daemon::started(binary::start(product.command(["run", "--log-format", "json"]).env("RETENTIOND_TEST_SEEDED", fault)))
}

#[track_caller]
pub fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:#?}"))
}
