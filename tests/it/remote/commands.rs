//! What a command prints of a daemon is what it prints by itself.

use rustix::process::Signal;

use super::{NOW, ask};
use crate::{
    api::{Api, WAITING},
    daemon::{SLOWLY, accounts},
    support::{
        binary::{self, Run},
        product::Kind,
        until,
    },
};

/// What may differ between two products that had the same done to them: ids, hashes, seconds, and who approved.
fn alike(run: &Run) -> (Option<i32>, String) {
    let word = |word: &str| {
        let is_hex = |text: &str| text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = word.strip_prefix("hold-").unwrap_or(word);
        if is_hex(id) || word.parse::<f64>().is_ok() && word.contains('.') { "…".to_owned() } else { word.to_owned() }
    };
    let lines = run.stdout.lines().filter(|line| !line.starts_with("by  "));
    let lines = lines.map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" "));
    (run.status, lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn what_is_done_there_is_told_as_what_is_done_here() {
    let accounts = || accounts(Kind::Sqlite, WAITING, 5, 1).at(NOW);
    let (here, api) = (accounts(), Api::over(accounts(), "", "", "none"));
    let server = format!("http://{}", api.daemon.address);
    let there = |token: &str, line: &str| ask(&api.product, &server, api.tokens.get(token), line);

    // Who asks, the exit status, the command, and what it takes besides where nobody knows who asks.
    for (token, status, line, besides) in [
        ("viewer", 0, "plan", ""),
        ("viewer", 0, "plan p/closed --forecast 2 --no-count --output json", ""),
        ("viewer", 2, "plan p/colsed", ""),
        ("operator", 3, "sweep", "--no-count"),
        ("counsel", 0, "hold place --matter M --subject account:1 --reason r", "--by counsel"),
        ("counsel", 2, "hold place --matter M --subject acount:1 --reason r", "--by counsel"),
        ("counsel", 3, "hold place --matter M --subject acount:1 --table app.accounts --accept-uncovered --reason r", "--by counsel"),
        ("counsel", 2, "hold release hold-0 --reason r", "--by counsel"),
        ("approver", 0, "approve p/closed", ""),
        ("approver", 0, "approve p/closed", ""),
        ("operator", 0, "pause p/closed --reason moving", "--by operator"),
        ("operator", 0, "pause p/closed --reason moving --output json", "--by operator"),
        ("operator", 3, "sweep p/closed", "--no-count"),
        ("viewer", 0, "plan", ""),
        ("operator", 0, "resume p/closed --reason moved", "--by operator"),
        ("operator", 0, "resume p/closed --reason moved", "--by operator"),
        ("operator", 0, "pause p/closed --source app --all --reason moving", "--by operator"),
        ("operator", 0, "resume --source app --reason moved", "--by operator"),
        ("operator", 0, "resume --all --reason moved", "--by operator"),
        ("operator", 0, "resume p/closed --reason moved --output json", "--by operator"),
        ("operator", 0, "sweep --outside-window --reason now", "--no-count"),
        ("viewer", 0, "plan", ""),
    ] {
        let (asked, done) = (there(token, line), here.cli(&format!("{line} {besides}")));
        assert_eq!(alike(&asked), alike(&done), "{line}: {asked:#?} {done:#?}");
        // A hold on a kind that no rule has covers nothing, which `--accept-uncovered` accepts.
        let status = if line.contains("--accept-uncovered") { done.status } else { Some(status) };
        assert_eq!(asked.status, status, "{line}: {asked:#?}");
    }

    // What only looks is the same to the last byte.
    let looked = ["plan --output json", "hold list", "hold list --all --output json", "ledger show --last 3", "ledger export"];
    for line in looked.into_iter().chain(["ledger show --rule p/closed --kind batch_applied --output json"]) {
        let (asked, done) = (there("viewer", line).expect(0), api.product.cli(line).expect(0));
        assert_eq!(asked.stdout, done.stdout, "{line}");
        assert!(asked.stdout.contains('\n'), "{line}");
    }
    there("viewer", "ledger export --file ledger.jsonl").expect(0);
    api.product.cli("ledger verify --file ledger.jsonl").expect(0);

    let holds = there("viewer", "hold list --output json").expect(0).json();
    let id = holds["holds"][0]["id"].as_str().expect("an id");
    for line in [format!("hold show {id}"), format!("hold show {id} --output json")] {
        let (asked, done) = (there("viewer", &line).expect(0), api.product.cli(&line).expect(0));
        assert_eq!(asked.stdout, done.stdout, "{line}");
        assert!(asked.stdout.contains("account"), "{asked:#?}");
    }
    let release = format!("hold release {id} --reason settled");
    assert!(there("counsel", &release).expect(0).stdout.contains("its rows may go from 2026-06-08T12:00:00Z"));
    let again = there("counsel", &release).expect(2);
    assert!(again.stderr.contains("released before") && again.stderr.contains("(request req-"), "{again:#?}");
    assert_eq!(api.product.cli("hold list --all --output json").expect(0).json()["holds"][0]["by"], "counsel");
    api.daemon.stop().expect(0);
}

/// The sweep is the daemon's, and not the command's.
#[test]
fn whoever_stops_waiting_stops_nothing() {
    let api = Api::over(accounts(Kind::Sqlite, WAITING, 2_000, 0), SLOWLY, "", "none");
    let mut command = api.product.command(["sweep", "p/closed", "--approve"]);
    command.env("RETENTIOND_SERVER", format!("http://{}", api.daemon.address)).env("RETENTIOND_TOKEN", &api.tokens["operator"]);
    let refused = binary::run(&mut command).expect(3);
    assert!(refused.stderr.contains("no role `approver`"), "{refused:#?}");
    api.product.cli("approve p/closed").expect(0);

    let mut command = api.product.command(["sweep", "p/closed"]);
    command.env("RETENTIOND_SERVER", format!("http://{}", api.daemon.address)).env("RETENTIOND_TOKEN", &api.tokens["operator"]);
    let waiting = binary::start(&mut command);
    let acted = || api.daemon.metric("rows_acted_total", &["rule=\"p/closed\""]);
    until("rows go", || (acted() > 0.0).then_some(()));
    // Another may not ask for the same once more.
    let twice = binary::run(&mut command).expect(3);
    assert!(twice.stderr.contains("was asked for already"), "{twice:#?}");
    waiting.signal(Signal::INT);
    let left = waiting.finish().expect(3);
    assert!(left.stderr.contains("goes on in the daemon") && left.stderr.contains("ledger show --rule p/closed"), "{left:#?}");
    let before = acted();
    until("more rows go", || (acted() > before).then_some(()));
    api.daemon.stop().expect(0);
}
