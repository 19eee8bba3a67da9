//! A sweep that is paused inside a batch while somebody else places a hold over the rows of that very batch.

use super::ground::{ANONYMISING, Ground, LATER, NOW, Place, Swept, deleting, outcomes};
use crate::support::product::Kind;

/// Inside the transaction that acts, step by step.
const INSIDE: [&str; 4] = ["gate.read", "act.done", "mark.done", "commit.before"];

/// The first batch has rows of the held account: ids from 1 in steps.
const BATCH: u32 = 1;

#[test]
fn a_paused_batch_is_ended_by_the_server_and_the_hold_succeeds() {
    for (kind, point) in Kind::SERVERS.into_iter().flat_map(|kind| INSIDE.map(|point| (kind, point))) {
        let ground = Ground::new(Place::On(kind));
        let sweep = ground.sweep_stopped_at(point, BATCH);

        // Its lease has run out for whoever looks at the clock, and it still has the gate.
        ground.place(LATER).expect(0);
        assert_eq!(ground.changed_held_rows(), [""; 0], "{kind:?}, paused at {point}");

        sweep.resume();
        let run = sweep.finish();
        assert_eq!(ground.changed_held_rows(), [""; 0], "{kind:?}, paused at {point}: {run:#?}");
        let swept = deleting(&run);
        match point {
            // Before COMMIT a lost connection means that nothing happened: the sweep ends and says so.
            "gate.read" => {
                assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("failed", Some("connection")), "{swept:?}");
                assert!(swept.message.contains("the connection to the database was lost"), "{swept:?}");
                assert_eq!(run.status, Some(1));
            }
            // The intent's entry tells that a hold came; at COMMIT the lane tells what became of it: the sweep goes on.
            _ => assert_eq!((run.status, swept.outcome.as_str()), (Some(0), "complete"), "{swept:?}"),
        }
        ground.judge_ledger();
        ground.settle_and_judge(true);
    }
}

#[test]
fn a_paused_batch_on_sqlite_keeps_a_hold_pending_and_is_named() {
    std::thread::scope(|scope| {
        for point in INSIDE {
            scope.spawn(move || {
                let ground = Ground::new(Place::On(Kind::Sqlite));
                let sweep = ground.sweep_stopped_at(point, BATCH);
                let process = sweep.pid().as_raw_nonzero();

                let placed = ground.place(LATER).expect(3);
                assert!(placed.stderr.contains("PENDING: source app"), "{placed:#?}");
                assert!(placed.stderr.contains(&format!("process {process}")), "the process in the way is named: {placed:#?}");
                let holds = ground.run(["hold", "list", "--output", "json"]).expect(0).json();
                assert_eq!(holds["holds"][0]["pending"][0], "app", "{holds:#}");

                // Nothing was promised, so that batch may end; no other may begin before the hold has arrived.
                sweep.resume();
                sweep.finish().expect(0);
                let holds = ground.run(["hold", "list", "--output", "json"]).expect(0).json();
                assert_eq!(holds["holds"][0]["pending"], serde_json::json!([]), "{holds:#}");
                ground.judge_ledger();

                // From here on it is in force.
                let gone = ground.changed_held_rows();
                let visits = ground.changed_held_rows().iter().filter(|row| row.contains('@')).count();
                assert_eq!(visits, 0, "rows of later batches stayed");
                assert_eq!(gone.len(), usize::from(!matches!(point, "gate.read" | "act.done")), "paused at {point}: {gone:?}");
                ground.sweep().expect(0);
                assert_eq!(ground.changed_held_rows(), gone);
                ground.judge_ledger();
            });
        }
    });
}

#[test]
fn a_hold_that_is_placed_before_the_gate_is_had_is_obeyed() {
    for place in Place::ALL {
        for point in ["claim.done", "sweep.started", "gate.before", "gate.asked"] {
            let ground = Ground::new(place);
            let sweep = ground.sweep_stopped_at(point, BATCH);
            ground.place(NOW).expect(0);
            let promised = ground.entries("hold_placed")[0]["seq"].as_u64().expect("a number");
            let epoch = ground.epoch();
            sweep.resume();
            let run = sweep.finish();
            assert_eq!(run.status, Some(0), "{place:?} {point}: {run:#?}");
            // The doorway itself met the hold: no batch got as far as an intent without it.
            for entry in ground.entries("batch_intent").iter().filter(|entry| entry["seq"].as_u64() > Some(promised)) {
                assert_eq!(entry["epoch"].as_i64(), Some(epoch), "{place:?} {point}: {entry:#}");
            }
            ground.judge(true);
        }
    }
}

#[test]
fn another_rules_batches_meet_the_hold_too() {
    for kind in Kind::ALL {
        let ground = Ground::new(Place::On(kind));
        let sweep = ground.sweep_stopped_at("commit.after", 3);
        let before: Vec<String> = ground.changed_held_rows();
        ground.place(NOW).expect(0);
        sweep.resume();
        let run = sweep.finish().expect(0);
        assert_eq!(ground.changed_held_rows(), before, "{kind:?}: what went before the promise, and nothing after");
        let swept: Vec<Swept> = outcomes(&run);
        assert!(swept.iter().any(|swept| swept.rule == ANONYMISING && swept.acted > 0));
        ground.judge_ledger();
    }
}
