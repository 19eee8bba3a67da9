//! The mistakes of the protocols, by name: each is made on purpose, and must be caught.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::Signal;

use super::{
    ground::{Ground, NOW, PLACE, Place, SWEEP},
    workers,
};
use crate::support::binary::run;

const SEEDED: &str = "RETENTIOND_TEST_SEEDED";

/// The seeded faults that accidents catch. Each function makes the fault and panics if nothing noticed.
pub const SCENARIOS: &[(&str, fn())] = &[
    ("hold-clause-dropped", || caught("hold-clause-dropped", held_rows_stay)),
    ("gate-read-before-lock", || caught("gate-read-before-lock", the_gate_is_read_under_its_lock)),
    ("gate-skipped-by-place", || caught("gate-skipped-by-place", a_promised_hold_is_obeyed_by_a_batch_under_way)),
    ("mark-omitted", || caught("mark-omitted", a_kill_after_commit_loses_nothing)),
    ("fence-ignored", || caught("fence-ignored", a_late_worker_changes_nothing)),
    ("commit-error-is-failure", || caught("commit-error-is-failure", a_kill_after_commit_loses_nothing)),
    ("intent-after-commit", || caught("intent-after-commit", a_kill_after_commit_loses_nothing)),
];

/// A scenario passes without the fault and fails with it.
fn caught(fault: &str, scenario: fn(Place, &str)) {
    let mut noticed = false;
    for place in [Place::Sqlite, Place::Postgres] {
        scenario(place, "none");
        noticed |= catch_unwind(AssertUnwindSafe(|| scenario(place, fault))).is_err();
    }
    assert!(noticed, "nothing noticed the seeded fault {fault}");
}

fn held_rows_stay(place: Place, fault: &str) {
    let ground = Ground::new(place);
    ground.place(NOW).expect(0);
    run(ground.command(NOW, SWEEP).env(SEEDED, fault)).expect(0);
    assert_eq!(ground.changed_held_rows(), [""; 0]);
}

/// A hold is placed between a batch's BEGIN and its gate: what it reads of the gate must be what is true under its lock.
fn the_gate_is_read_under_its_lock(place: Place, fault: &str) {
    let ground = Ground::new(place);
    let sweep = ground.stopped_at(ground.command(NOW, SWEEP).env(SEEDED, fault), "gate.asked", 1);
    ground.place(NOW).expect(0);
    sweep.resume();
    sweep.finish().expect(0);
    // No batch got as far as an intent that does not know of the hold.
    assert_eq!(ground.entries("batch_intent")[0]["epoch"].as_u64(), Some(1));
    ground.judge(true);
}

fn a_promised_hold_is_obeyed_by_a_batch_under_way(place: Place, fault: &str) {
    // On SQLite nothing but the end of the batch opens the gate, so there a hold that waits for it would say so only late.
    if place == Place::Sqlite {
        return;
    }
    let ground = Ground::new(place);
    let sweep = ground.sweep_stopped_at("mark.done", 1);
    run(ground.command(NOW, PLACE).env(SEEDED, fault)).expect(0);
    sweep.resume();
    sweep.finish();
    assert_eq!(ground.changed_held_rows(), [""; 0], "success had been reported");
}

fn a_kill_after_commit_loses_nothing(place: Place, fault: &str) {
    let ground = Ground::new(place);
    ground.place(NOW).expect(0);
    let killed = run(ground.command(NOW, SWEEP).env(SEEDED, fault).env("RETENTIOND_TEST_POINT", "commit.after:2:kill"));
    assert_eq!(killed.signal, Some(Signal::KILL.as_raw()), "{killed:#?}");
    run(ground.command(NOW, SWEEP).env(SEEDED, fault)).expect(0);
    ground.judge(true);
}

fn a_late_worker_changes_nothing(place: Place, fault: &str) {
    // On SQLite a worker with a transaction keeps everybody else out, so that its lane is not taken over.
    if place == Place::Postgres {
        workers::a_worker_that_was_taken_over_changes_nothing_more(&[(SEEDED, fault)]);
    }
}

#[test]
fn each_is_caught() {
    for (name, scenario) in SCENARIOS {
        eprintln!("seeded fault {name}; what fails below until the next is as it should be");
        scenario();
    }
}
