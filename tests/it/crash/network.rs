//! PostgreSQL goes away: its backend, all of it, or the network around COMMIT.

use super::ground::{Ground, NOW, Place, deleting};
use crate::support::{
    binary::Running,
    postgres::{Options, Server},
    proxy::{Fault, Moment, Proxy, Target},
};

/// A ground on `server` behind a proxy, with a sweep that is about to send the COMMIT of its second batch.
///
/// However long it stands there, the server must not end its idle session: the sweep would then settle the batch by
/// that, and not by what the proxy does.
fn before_commit<'s>(server: &'s Server, proxy: &Proxy) -> (Ground<'s>, Running) {
    let ground = Ground::on(server, Place::Postgres, Some(proxy.port())).with_lock_timeout("10s");
    ground.place(NOW).expect(0);
    let sweep = ground.sweep_stopped_at("commit.before", 2);
    (ground, sweep)
}

/// Cuts the connection of the second batch around its COMMIT. The sweep learns from the lane what became of it, and
/// goes on.
fn cut(moment: Moment) -> (Ground<'static>, usize) {
    let proxy = Proxy::start(Target::Unix(Server::shared().socket()));
    let (ground, sweep) = before_commit(Server::shared(), &proxy);
    proxy.set_trap("COMMIT", moment, Fault::Cut);
    sweep.resume();
    let run = sweep.finish().expect(0);
    assert_eq!(deleting(&run).outcome, "complete", "{run:#?}");
    let abandoned = ground.entries("batch_abandoned").len();
    ground.judge(true);
    (ground, abandoned)
}

#[test]
fn a_commit_that_never_arrived_is_entered_as_abandoned_and_done_again() {
    assert_eq!(cut(Moment::BeforeForwarding).1, 1);
}

#[test]
fn a_commit_whose_answer_was_lost_is_entered_as_applied() {
    assert_eq!(cut(Moment::BeforeAnswer).1, 0);
}

#[test]
fn a_connection_that_is_lost_after_the_answer_is_replaced() {
    assert_eq!(cut(Moment::AfterAnswer).1, 0);
}

#[test]
fn a_sweep_whose_network_is_gone_for_good_says_so_and_the_next_settles() {
    for moment in [Moment::BeforeForwarding, Moment::BeforeAnswer] {
        let proxy = Proxy::start(Target::Unix(Server::shared().socket()));
        let (ground, sweep) = before_commit(Server::shared(), &proxy);
        proxy.set_trap("COMMIT", moment, Fault::Stall);
        sweep.resume();
        crate::support::wait(proxy.sprung(1));
        proxy.refuse();
        let run = sweep.finish().expect(1);
        let swept = deleting(&run);
        assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("failed", Some("connection")), "{swept:?}");
        assert!(swept.message.contains("the next sweep finds out"), "{swept:?}");

        proxy.accept();
        ground.settle_and_judge(true);
    }
}

#[test]
fn a_backend_that_is_terminated_in_a_batch_costs_that_batch_alone() {
    for point in ["gate.read", "act.done", "mark.done"] {
        let ground = Ground::new(Place::Postgres).with_lock_timeout("10s");
        ground.place(NOW).expect(0);
        let sweep = ground.sweep_stopped_at(point, 2);
        let terminated = ground.number(
            "SELECT count(*) FROM (SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'retentiond') AS t",
        );
        assert!(terminated > 0);
        sweep.resume();
        let run = sweep.finish();
        let swept = deleting(&run);
        if point == "mark.done" {
            // Unknown at COMMIT: it was settled, and the sweep went on.
            assert_eq!((run.status, swept.outcome.as_str()), (Some(0), "complete"), "{swept:?}");
        } else {
            assert_eq!((run.status, swept.outcome.as_str()), (Some(1), "failed"), "{swept:?}");
            assert_eq!(swept.reason.as_deref(), Some("connection"), "{swept:?}");
            assert!(swept.message.contains("the connection to the database was lost"), "{swept:?}");
        }
        ground.judge_ledger();
        ground.settle_and_judge(true);
    }
}

#[test]
fn a_server_that_is_killed_in_a_batch_comes_back_without_it() {
    let server = Server::private(Options { fsync: true, ..Options::default() });
    let ground = Ground::on(&server, Place::Postgres, None).with_lock_timeout("10s");
    ground.place(NOW).expect(0);

    // Back before the sweep notices: it settles by itself and goes on.
    let sweep = ground.sweep_stopped_at("mark.done", 2);
    server.kill();
    server.restart();
    sweep.resume();
    let run = sweep.finish().expect(0);
    assert_eq!(deleting(&run).outcome, "complete");
    assert_eq!(ground.entries("batch_abandoned").len(), 1);
    ground.judge(true);
}

/// The server dies while a sweep is at `point`, and is back only when the sweep has given up.
fn the_server_stays_away(point: &str) {
    let server = Server::private(Options { fsync: true, ..Options::default() });
    let ground = Ground::on(&server, Place::Postgres, None);
    ground.place(NOW).expect(0);
    let sweep = ground.sweep_stopped_at(point, 2);
    server.kill();
    sweep.resume();
    let run = sweep.finish().expect(1);
    let swept = deleting(&run);
    assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("failed", Some("connection")), "{swept:?}");

    server.restart();
    ground.settle_and_judge(true);
}

#[test]
fn a_server_that_stays_away_before_commit_leaves_a_batch_that_the_next_sweep_settles() {
    the_server_stays_away("mark.done");
}

#[test]
fn a_server_that_stays_away_after_commit_keeps_its_batch() {
    the_server_stays_away("commit.after");
}
