//! SIGTERM: the batch under way is the last, and nothing is lost.

use rustix::process::Signal;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{Daemon, EAGER, SLOWLY, accounts, entries, left};
use crate::support::{
    product::{Data, Kind},
    until, wait,
};

#[test]
fn it_drains_within_a_batch_and_the_next_start_goes_on() {
    for kind in Kind::ALL {
        let mut product = accounts(kind, &format!("{SLOWLY}{EAGER}"), 2_000, 5);
        let daemon = Daemon::start(&product);
        daemon.sees("rows_acted_total", &[], |rows| rows >= 20.0);
        assert_eq!(daemon.metric("sweep_running", &[]), 1.0);
        let run = daemon.stop().expect(0);
        assert!(run.stderr.contains("every sweep has ended"), "{}", run.stderr);
        let before = left(&product);
        assert!(before > 1_000, "{kind:?}: it went on to the end instead");
        let ends = entries(&product, "sweep_ended");
        assert_eq!((ends.len(), ends[0]["outcome"].as_str()), (1, Some("interrupted")), "{kind:?}: {ends:#?}");
        assert_eq!(ends[0]["rows"].as_i64(), Some(2_005 - before));
        product.cli("ledger verify").expect(0);

        product.reconfigure("", EAGER);
        let daemon = Daemon::start(&product);
        until("the rest", || (left(&product) == 5).then_some(()));
        daemon.stop().expect(0);
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn asked_twice_it_does_not_wait_for_a_batch_that_can_not_end() {
    let patient = "[sources.app.limits]\nlock_timeout = \"20s\"\nstatement_timeout = \"60s\"\n";
    let product = accounts(Kind::Postgres, &format!("{patient}{EAGER}"), 20, 0);
    let Data::Postgres(database) = &product.data else { unreachable!("it was asked for") };
    wait(async {
        let mut application = PgConnection::connect(&database.url).await.expect("a connection");
        application.execute("BEGIN; UPDATE accounts SET note = 'busy'").await.expect("a transaction");
        let mut daemon = Daemon::start(&product);
        until("the batch waits", || (database.number("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0).then_some(()));
        daemon.process.signal(Signal::TERM);
        daemon.process.line("asked to stop");
        daemon.process.signal(Signal::TERM);
        let run = daemon.process.finish().expect(1);
        assert!(run.stderr.contains("asked twice"), "{}", run.stderr);
        application.execute("ROLLBACK").await.expect("an end");
    });
    assert_eq!(left(&product), 20);
    let daemon = Daemon::start(&product);
    until("the rows go", || (left(&product) == 0).then_some(()));
    daemon.stop().expect(0);
    product.cli("ledger verify").expect(0);
}
