//! Two workers in one lane: at once, and one after the other's lease.

use super::ground::{ANONYMISING, DELETING, Ground, LATER, NOW, Place, SWEEP, deleting};
use crate::support::{binary::run, product::Kind};

const SWEEP_THE_OTHER: [&str; 4] = ["sweep", ANONYMISING, "--output", "json"];

#[test]
fn of_two_sweeps_of_one_rule_one_works() {
    // On SQLite a worker in a batch keeps everybody else out.
    let both = Kind::SERVERS.into_iter().flat_map(|kind| [(kind, "claim.done"), (kind, "act.done")]);
    for (kind, point) in both.chain([(Kind::Sqlite, "claim.done")]) {
        let ground = Ground::new(Place::On(kind)).with_lock_timeout("10s");
        ground.place(NOW).expect(0);
        let first = ground.sweep_stopped_at(point, 1);

        let second = ground.run(["sweep", DELETING, "--output", "json"]).expect(3);
        let swept = deleting(&second);
        assert_eq!((swept.outcome.as_str(), swept.reason.as_deref(), swept.acted), ("paused", Some("another_worker"), 0));
        assert!(swept.message.contains(&format!("process {}", first.pid().as_raw_nonzero())), "{swept:?}");

        first.resume();
        assert_eq!(deleting(&first.finish().expect(0)).outcome, "complete");
        ground.judge(true);
    }
}

/// A worker is paused with its intent written, another takes its lane over and settles, and the first goes on.
pub fn a_worker_that_was_taken_over_changes_nothing_more(kind: Kind, variables: &[(&str, &str)]) {
    let ground = Ground::new(Place::On(kind)).with_lock_timeout("10s");
    ground.place(NOW).expect(0);
    let paused = ground.stopped_at(ground.command(NOW, SWEEP).envs(variables.iter().copied()), "intent.recorded", 2);

    run(&mut ground.command(LATER, SWEEP_THE_OTHER)).expect(0);
    assert_eq!(ground.entries("batch_abandoned").len(), 1, "the lane was settled");

    paused.resume();
    let late = paused.finish();
    ground.judge_ledger();
    assert_eq!(late.status, Some(3), "{late:#?}");
    let swept = deleting(&late);
    assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("paused", Some("another_worker")), "{swept:?}");
    ground.settle_and_judge(true);
}

#[test]
fn the_mark_of_a_worker_that_was_taken_over_is_fenced_off() {
    Kind::SERVERS.into_iter().for_each(|kind| a_worker_that_was_taken_over_changes_nothing_more(kind, &[]));
}

/// The second worker goes further than to settle: it sweeps the same lane, because the server has ended the first one's
/// transaction. What the first then finds in the lane is another's, and no sign of a restored database.
#[test]
fn a_worker_that_was_overtaken_says_so() {
    let points = ["act.done", "intent.recorded", "mark.done", "commit.after"];
    for (kind, point) in Kind::SERVERS.into_iter().flat_map(|kind| points.map(|point| (kind, point))) {
        let ground = Ground::new(Place::On(kind));
        ground.place(NOW).expect(0);
        let paused = ground.sweep_stopped_at(point, 2);
        run(&mut ground.command(LATER, SWEEP)).expect(0);
        paused.resume();
        let late = paused.finish();
        let swept = deleting(&late);
        let expected = ("paused", Some("another_worker"));
        assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), expected, "{kind:?}, paused at {point}: {swept:?}");
        assert_eq!(late.status, Some(3));
        ground.judge(true);
    }
}

#[test]
fn a_sqlite_worker_that_is_paused_in_a_batch_can_not_be_taken_over() {
    let ground = Ground::new(Place::On(Kind::Sqlite));
    ground.place(NOW).expect(0);
    let paused = ground.sweep_stopped_at("intent.recorded", 2);
    let second = run(&mut ground.command(LATER, SWEEP));
    assert_ne!(second.status, Some(0), "it has the one write lock: {second:#?}");
    assert_eq!(deleting(&second).acted, 0);
    paused.resume();
    paused.finish();
    ground.settle_and_judge(true);
}
