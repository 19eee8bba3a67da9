//! Dead rows pile up on PostgreSQL: the sweep goes on slowly, and says what keeps vacuum from its work.

use super::{Daemon, EAGER, accounts, left};
use crate::support::{product::Kind, session::Session, until};

#[test]
fn a_sweep_that_leaves_more_dead_rows_than_vacuum_removes_goes_on_slowly_and_names_the_cause() {
    let limits = "[sources.app.limits]\nmax_batch_rows = 10\n";
    let product = accounts(Kind::Postgres, &format!("{limits}{EAGER}"), 3_000, 0);
    product.data.execute(
        "ALTER TABLE accounts SET (autovacuum_enabled = false, autovacuum_vacuum_threshold = 5, autovacuum_vacuum_scale_factor = 0)",
    );
    let forgotten = Session::open(&product.data);
    forgotten.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    forgotten.run("SELECT count(*) FROM accounts");
    let daemon = Daemon::start(&product);
    daemon.sees("throttled_seconds_total", &["reason=\"dead_rows\""], |seconds| seconds > 0.0);
    let before = left(&product);
    assert!(before > 0, "there was something to go slowly about");
    until("it goes on all the same", || (left(&product) < before).then_some(()));
    let run = daemon.stop().expect(0);
    let told: Vec<&str> = run.stderr.lines().filter(|line| line.contains("dead rows pile up")).collect();
    assert_eq!(told.len(), 1, "once in a sweep: {}", run.stderr);
    assert!(told[0].contains("autovacuum is switched off for the table"), "{told:?}");
    assert!(told[0].contains("the oldest snapshot may still see, that of session"), "{told:?}");
    product.cli("ledger verify").expect(0);
}
