//! The log: one object a line, a sweep's id through everything of it, never a value of a row.

use serde_json::Value;

use super::{Daemon, EAGER, accounts, entries};
use crate::support::{binary, product::Kind};

#[test]
fn a_sweeps_id_goes_through_all_that_is_said_of_it() {
    for kind in Kind::ALL {
        let product = accounts(kind, EAGER, 1_200, 0);
        let mut command = product.command(["run", "--log-format", "json"]);
        let daemon = Daemon::started(binary::start(command.env("RETENTIOND_LOG", "retentiond=debug")));
        daemon.sees("sweeps_total", &["outcome=\"complete\""], |sweeps| sweeps == 1.0);
        let run = daemon.stop().expect(0);
        let sweep = entries(&product, "sweep_started")[0]["sweep"].clone();
        assert!(sweep.is_string());
        let lines: Vec<Value> =
            run.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
        let of_sweep: Vec<&Value> = lines.iter().filter(|line| line["span"]["sweep"] == sweep).collect();
        let says = |message: &str| of_sweep.iter().any(|line| line["message"] == message);
        assert!(says("the sweep begins") && says("a batch committed") && says("the sweep ended"), "{kind:?}: {}", run.stderr);
        assert!(of_sweep.iter().all(|line| line["span"]["rule"] == "p/closed"), "{of_sweep:#?}");
        assert!(!run.stderr.contains("secret-of-a-row") && !run.stderr.contains("2015-03-01"), "{}", run.stderr);
    }
}

#[test]
fn text_is_for_people() {
    let product = accounts(Kind::Sqlite, EAGER, 10, 0);
    let mut process = product.start(["run"]);
    let line = process.line("the sweep ended");
    assert!(line.contains(" INFO sweep{") && line.contains("outcome=\"complete\"") && line.contains("acted=10"), "{line}");
    process.terminate().expect(0);
}
