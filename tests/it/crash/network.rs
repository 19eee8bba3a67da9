//! A server goes away: its session, all of it, or the network around COMMIT.

use super::ground::{Ground, NOW, Place, deleting};
use crate::support::{
    binary::Running,
    host::Host,
    product::Kind,
    proxy::{Fault, Moment, Proxy, Target},
};

/// A ground on the shared server behind a proxy, with a sweep that is about to send the COMMIT of its second batch.
///
/// However long it stands there, the server must not end its idle session: the sweep would then settle the batch by
/// that, and not by what the proxy does.
fn before_commit(kind: Kind) -> (Proxy, Ground, Running) {
    let proxy = Proxy::start(Target::Unix(Host::shared(kind).socket()));
    let ground = Ground::on(Host::shared(kind), Some(proxy.port())).with_lock_timeout("10s");
    // A fast sweep looks for the next range meanwhile, and that transaction commits too.
    ground.reconfigure("pace = \"fast\"", "pace = \"gentle\"");
    ground.place(NOW).expect(0);
    let sweep = ground.sweep_stopped_at("commit.before", 2);
    (proxy, ground, sweep)
}

/// Cuts the connection of the second batch around its COMMIT. The sweep learns from the lane what became of it, and
/// goes on.
#[track_caller]
fn cut(moment: Moment, abandoned: usize) {
    for kind in Kind::SERVERS {
        let (proxy, ground, sweep) = before_commit(kind);
        proxy.set_trap("COMMIT", moment, Fault::Cut);
        sweep.resume();
        let run = sweep.finish().expect(0);
        assert_eq!(deleting(&run).outcome, "complete", "{run:#?}");
        assert_eq!(ground.entries("batch_abandoned").len(), abandoned, "{kind:?}");
        ground.judge(true);
    }
}

#[test]
fn a_commit_that_never_arrived_is_entered_as_abandoned_and_done_again() {
    cut(Moment::BeforeForwarding, 1);
}

#[test]
fn a_commit_whose_answer_was_lost_is_entered_as_applied() {
    cut(Moment::BeforeAnswer, 0);
}

#[test]
fn a_connection_that_is_lost_after_the_answer_is_replaced() {
    cut(Moment::AfterAnswer, 0);
}

#[test]
fn a_sweep_whose_network_is_gone_for_good_says_so_and_the_next_settles() {
    let moments = [Moment::BeforeForwarding, Moment::BeforeAnswer];
    for (kind, moment) in Kind::SERVERS.into_iter().flat_map(|kind| moments.map(|moment| (kind, moment))) {
        let (proxy, ground, sweep) = before_commit(kind);
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
fn a_session_that_is_terminated_in_a_batch_costs_that_batch_alone() {
    let points = ["gate.read", "act.done", "mark.done"];
    for (kind, point) in Kind::SERVERS.into_iter().flat_map(|kind| points.map(|point| (kind, point))) {
        let ground = Ground::new(Place::On(kind)).with_lock_timeout("10s");
        ground.place(NOW).expect(0);
        let sweep = ground.sweep_stopped_at(point, 2);
        assert!(ground.data.end_sessions() > 0, "{kind:?}");
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
    for kind in Kind::SERVERS {
        let host = Host::private(kind);
        let ground = Ground::on(host, None).with_lock_timeout("10s");
        ground.place(NOW).expect(0);

        // Back before the sweep notices: it settles by itself and goes on.
        let sweep = ground.sweep_stopped_at("mark.done", 2);
        host.kill();
        host.restart();
        sweep.resume();
        let run = sweep.finish().expect(0);
        assert_eq!(deleting(&run).outcome, "complete");
        assert_eq!(ground.entries("batch_abandoned").len(), 1);
        ground.judge(true);
    }
}

/// The server dies while a sweep is at `point`, and is back only when the sweep has given up.
fn the_server_stays_away(kind: Kind, point: &str) {
    let host = Host::private(kind);
    let ground = Ground::on(host, None);
    ground.place(NOW).expect(0);
    let sweep = ground.sweep_stopped_at(point, 2);
    host.kill();
    sweep.resume();
    let run = sweep.finish().expect(1);
    let swept = deleting(&run);
    assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("failed", Some("connection")), "{swept:?}");

    host.restart();
    ground.settle_and_judge(true);
}

#[test]
fn a_postgres_that_stays_away_before_commit_leaves_a_batch_that_the_next_sweep_settles() {
    the_server_stays_away(Kind::Postgres, "mark.done");
}

#[test]
fn a_postgres_that_stays_away_after_commit_keeps_its_batch() {
    the_server_stays_away(Kind::Postgres, "commit.after");
}

#[test]
fn a_mariadb_that_stays_away_before_commit_leaves_a_batch_that_the_next_sweep_settles() {
    the_server_stays_away(Kind::Mariadb, "mark.done");
}

#[test]
fn a_mariadb_that_stays_away_after_commit_keeps_its_batch() {
    the_server_stays_away(Kind::Mariadb, "commit.after");
}
