//! Accidents under a daemon: what its metrics say meanwhile, and that they agree with the tables and the ledger afterwards.

use super::{EAGER, SLOWLY, accounts, entries, left};
use crate::support::{
    binary,
    daemon::Daemon,
    host::Host,
    product::{Kind, Product},
    session::Session,
};

const DUE: u32 = 300;
const KEPT: u32 = 20;

/// A source on a server of the test's own.
fn on_a_server_of_its_own(kind: Kind) -> (Host, Product) {
    let server = Host::private(kind);
    let product = Product::over(server.database(), &format!("{SLOWLY}{EAGER}"));
    super::fill(&product, DUE, KEPT);
    (server, product)
}

fn in_the_middle(daemon: &Daemon) {
    daemon.sees("rows_acted_total", &[], |rows| rows >= 50.0);
}

/// What was due is gone, once; `of_another_life` rows went before this process began to count.
fn judge(daemon: Daemon, product: &Product, of_another_life: u32) {
    daemon.sees("rows_acted_total", &[], |rows| rows >= f64::from(DUE - of_another_life));
    daemon.sees("sweeps_total", &["outcome=\"complete\""], |sweeps| sweeps >= 1.0);
    daemon.sees("rule_blocked", &["rule=\"p/closed\""], |blocked| blocked == 0.0);
    daemon.sees("rule_enforcing", &["rule=\"p/closed\""], |enforcing| enforcing == 1.0);
    daemon.sees("source_up", &[], |up| up == 1.0);
    assert_eq!(daemon.metric("rows_acted_total", &[]), f64::from(DUE - of_another_life), "{:?}: no row is counted twice", product.kind);
    daemon.stop().expect(0);
    assert_eq!(left(product), i64::from(KEPT), "{:?}", product.kind);
    let applied: u64 = entries(product, "batch_applied").iter().filter_map(|entry| entry["rows"].as_u64()).sum();
    assert_eq!(applied, u64::from(DUE), "{:?}: no row is entered twice", product.kind);
    product.cli("ledger verify").expect(0);
}

#[test]
fn a_dba_ends_the_sessions() {
    for kind in Kind::SERVERS {
        let product = accounts(kind, &format!("{SLOWLY}{EAGER}"), DUE, KEPT);
        let daemon = Daemon::start(&product);
        in_the_middle(&daemon);
        product.data.end_sessions();
        judge(daemon, &product, 0);
    }
}

#[test]
fn the_server_is_killed_and_comes_back() {
    for kind in Kind::SERVERS {
        let (server, product) = on_a_server_of_its_own(kind);
        let daemon = Daemon::start(&product);
        in_the_middle(&daemon);
        server.kill();
        daemon.sees("rule_blocked", &["reason=\"connection\""], |blocked| blocked == 1.0);
        daemon.sees("source_up", &[], |up| up == 0.0);
        assert!(daemon.metric("rule_blocked_since_timestamp_seconds", &["reason=\"connection\""]) > 0.0);
        server.restart();
        judge(daemon, &product, 0);
    }
}

#[test]
fn another_session_keeps_a_lock_for_a_while() {
    for kind in Kind::ALL {
        let product = accounts(kind, &format!("{SLOWLY}lock_timeout = \"100ms\"\n{EAGER}"), DUE, KEPT);
        let daemon = Daemon::start(&product);
        in_the_middle(&daemon);
        let application = Session::open(&product.data);
        application.run(kind.pick("BEGIN IMMEDIATE", "BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE", "LOCK TABLES accounts WRITE"));
        daemon.sees("throttled_seconds_total", &["reason=\"contention\""], |seconds| seconds > 0.0);
        application.run(kind.pick("COMMIT", "COMMIT", "UNLOCK TABLES"));
        judge(daemon, &product, 0);
    }
}

/// Its second batch has committed, and it dies before it can tell anybody; the first is in the ledger.
#[test]
fn the_daemon_is_killed_behind_its_commit() {
    for kind in Kind::ALL {
        let product = accounts(kind, &format!("{SLOWLY}{EAGER}"), DUE, KEPT);
        let dies = binary::start(product.command(["run"]).env("RETENTIOND_TEST_POINT", "commit.after:2:kill"));
        assert_eq!(dies.finish().status, None);
        judge(Daemon::start(&product), &product, 10);
    }
}
