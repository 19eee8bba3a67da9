//! The mistakes of the protocols, by name: each is made on purpose, and must be caught.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
};

use rustix::process::Signal;

use super::{
    ground::{Ground, NOW, PLACE, Place, SWEEP},
    workers,
};
use crate::support::{binary::run, product::Kind};

const SEEDED: &str = "RETENTIOND_TEST_SEEDED";

/// A scenario passes without the fault and fails with it, on every engine.
fn caught(fault: &str, scenario: fn(Kind, &str)) {
    for kind in Kind::ALL {
        scenario(kind, "none");
        let noticed = catch_unwind(AssertUnwindSafe(|| scenario(kind, fault))).is_err();
        assert!(noticed, "nothing noticed the seeded fault {fault} on {kind:?}");
    }
}

fn held_rows_stay(kind: Kind, fault: &str) {
    let ground = Ground::new(Place::On(kind));
    ground.place(NOW).expect(0);
    run(ground.command(NOW, SWEEP).env(SEEDED, fault)).expect(0);
    assert_eq!(ground.changed_held_rows(), [""; 0]);
}

/// A hold is placed between a batch's BEGIN and its gate: what it reads of the gate must be what is true under its lock.
fn the_gate_is_read_under_its_lock(kind: Kind, fault: &str) {
    let ground = Ground::new(Place::On(kind));
    let sweep = ground.stopped_at(ground.command(NOW, SWEEP).env(SEEDED, fault), "gate.asked", 1);
    ground.place(NOW).expect(0);
    sweep.resume();
    sweep.finish().expect(0);
    // No batch got as far as an intent that does not know of the hold.
    assert_eq!(ground.entries("batch_intent")[0]["epoch"].as_u64(), Some(1));
    ground.judge(true);
}

/// Where a batch is under way, a place waits for it (and on SQLite gives up and promises nothing).
fn a_promised_hold_is_obeyed_by_a_batch_under_way(kind: Kind, fault: &str) {
    let ground = Ground::new(Place::On(kind));
    let sweep = ground.sweep_stopped_at("mark.done", 1);
    let placed = run(ground.command(NOW, PLACE).env(SEEDED, fault));
    sweep.resume();
    sweep.finish();
    assert!(placed.status == Some(3) || ground.changed_held_rows().is_empty(), "success had been reported: {placed:#?}");
}

fn a_kill_after_commit_loses_nothing(kind: Kind, fault: &str) {
    let ground = Ground::new(Place::On(kind));
    ground.place(NOW).expect(0);
    let killed = run(ground.command(NOW, SWEEP).env(SEEDED, fault).env("RETENTIOND_TEST_POINT", "commit.after:2:kill"));
    assert_eq!(killed.signal, Some(Signal::KILL.as_raw()), "{killed:#?}");
    run(ground.command(NOW, SWEEP).env(SEEDED, fault)).expect(0);
    ground.judge(true);
}

fn a_late_worker_changes_nothing(kind: Kind, fault: &str) {
    // On SQLite a worker with a transaction keeps everybody else out, so that its lane is not taken over; there the engine
    // itself is asked to mark a lane whose fence has moved.
    if kind == Kind::Sqlite {
        let test = "conformance::sqlite::a_moved_fence_stops_the_mark";
        let this = std::env::current_exe().expect("the program of the tests");
        let output = Command::new(this).args([test, "--exact"]).env(SEEDED, fault).output().expect("it can be run again");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("1 test"), "the test has another name: {said}");
        assert!(output.status.success(), "{said}");
    } else {
        workers::a_worker_that_was_taken_over_changes_nothing_more(kind, &[(SEEDED, fault)]);
    }
}

/// A test for each.
macro_rules! each_is_caught {
    ($($test:ident: $fault:literal by $scenario:ident;)+) => {
        /// The seeded faults that accidents catch.
        pub const CAUGHT: &[&str] = &[$($fault),+];
        $(
            #[test]
            fn $test() {
                caught($fault, $scenario);
            }
        )+
    };
}

each_is_caught! {
    a_dropped_hold_clause_is_caught: "hold-clause-dropped" by held_rows_stay;
    a_gate_that_is_read_before_its_lock_is_caught: "gate-read-before-lock" by the_gate_is_read_under_its_lock;
    a_place_that_skips_the_gate_is_caught: "gate-skipped-by-place" by a_promised_hold_is_obeyed_by_a_batch_under_way;
    an_omitted_mark_is_caught: "mark-omitted" by a_kill_after_commit_loses_nothing;
    an_ignored_fence_is_caught: "fence-ignored" by a_late_worker_changes_nothing;
    a_commit_error_that_is_a_failure_is_caught: "commit-error-is-failure" by a_kill_after_commit_loses_nothing;
    an_intent_after_commit_is_caught: "intent-after-commit" by a_kill_after_commit_loses_nothing;
}
