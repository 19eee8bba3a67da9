//! Others want the same rows and tables: deadlocks, locks that are held, a table that is altered under a sweep.

use super::ground::{ANONYMISING, DELETING, Ground, NOW, Place, SWEEP, deleting, outcomes};
use crate::support::{
    binary::start,
    product::{Data, Kind},
    session::Session,
    until,
};

/// The rows of each batch of a rule, in order.
fn sizes(ground: &Ground, rule: &str) -> Vec<u64> {
    let applied = ground.entries("batch_applied");
    applied.iter().filter(|entry| entry["rule"] == rule).filter_map(|entry| entry["rows"].as_u64()).collect()
}

#[test]
fn a_deadlock_is_tried_again_smaller_and_the_size_recovers() {
    for kind in Kind::SERVERS {
        let ground = Ground::new(Place::On(kind)).with_lock_timeout("20s");
        if let Data::Postgres(database) = &ground.data {
            // Time enough for the application to get into it.
            database.execute(&format!("ALTER DATABASE {} SET deadlock_timeout = '3s'", database.name()));
        }
        ground.place(NOW).expect(0);
        ground.execute("CREATE TABLE ballast (i integer)");
        let application = Session::open(&ground.data);
        application.run("BEGIN");
        // MariaDB sacrifices who has written least.
        application.run(&format!("INSERT INTO ballast {} SELECT i FROM n", kind.numbers(1, 1_000)));
        // In the middle of the first batch, so that it has rows already when it comes there, from whichever end.
        application.run("UPDATE messages SET body = 'mine' WHERE id = 10");
        let sweep = start(&mut ground.command(NOW, SWEEP));
        until("a sweep that waits for a row", || (sweep.has_ended() || ground.data.waiting() > 0).then_some(()));
        assert!(!sweep.has_ended(), "{kind:?}: {:#?}", sweep.finish());
        // But for the row that is held, and is to stay as it is.
        application.run("UPDATE messages SET body = 'mine' WHERE id BETWEEN 1 AND 20 AND id <> 7");
        application.run("COMMIT");
        let run = sweep.finish().expect(0);
        assert!(run.stderr.contains("the database gave way to another transaction"), "{kind:?}: {}", run.stderr);
        assert_eq!(deleting(&run).outcome, "complete");
        let sizes = sizes(&ground, DELETING);
        assert!(sizes[0] <= 5 && sizes.iter().any(|rows| *rows > sizes[0]), "{kind:?}: {sizes:?}");
        ground.execute("DROP TABLE ballast");
        ground.judge(true);
    }
}

/// Takes the table, or where that can't be the database, for itself.
fn lock(kind: Kind) -> &'static str {
    kind.pick("BEGIN IMMEDIATE", "BEGIN; LOCK TABLE messages IN ACCESS EXCLUSIVE MODE", "LOCK TABLES messages WRITE")
}

fn unlock(kind: Kind) -> &'static str {
    kind.pick("COMMIT", "COMMIT", "UNLOCK TABLES")
}

#[test]
fn a_lock_that_is_held_is_waited_for_in_short_tries() {
    for kind in Kind::ALL {
        let ground = Ground::new(Place::On(kind));
        ground.place(NOW).expect(0);
        let mut sweep = ground.sweep_stopped_at("gate.before", 3);
        let application = Session::open(&ground.data);
        application.run(lock(kind));
        sweep.resume();
        let line = sweep.line("met a limit");
        assert!(line.contains("another session holds a lock"), "{kind:?}: {line}");
        application.run(unlock(kind));
        assert_eq!(deleting(&sweep.finish().expect(0)).outcome, "complete");
        ground.judge(true);
    }
}

#[test]
fn a_lock_that_stays_ends_the_sweep_and_says_so() {
    std::thread::scope(|scope| {
        for kind in Kind::ALL {
            scope.spawn(move || {
                let ground = Ground::new(Place::On(kind));
                ground.place(NOW).expect(0);
                let sweep = ground.sweep_stopped_at("gate.before", 3);
                let application = Session::open(&ground.data);
                application.run(lock(kind));
                sweep.resume();
                let run = sweep.finish().expect(1);
                let swept = deleting(&run);
                assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("failed", Some("database")), "{kind:?}: {swept:?}");
                assert!(swept.message.contains("another session holds a lock"), "{kind:?}: {swept:?}");
                assert!(swept.message.contains("the next sweep tries again"), "{kind:?}: {swept:?}");
                application.run(unlock(kind));
                ground.judge_ledger();
                ground.settle_and_judge(true);
            });
        }
    });
}

#[test]
fn who_alters_the_table_comes_before_the_next_batch() {
    for kind in Kind::SERVERS {
        let ground = Ground::new(Place::On(kind)).with_lock_timeout("10s");
        ground.place(NOW).expect(0);
        let sweep = ground.sweep_stopped_at("act.done", 2);
        let application = Session::open(&ground.data);
        application.send(&format!("{}; ALTER TABLE messages ADD COLUMN later integer", lock(kind)));
        until("a session that waits for the table", || (ground.data.waiting() > 0).then_some(()));
        sweep.resume();
        application.answer().unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        // The batch that was under way has committed, and no other has come in between.
        let gone = 300 - application.run("SELECT count(*) FROM messages").expect("a number");
        assert_eq!(gone, of_two_batches(&ground), "{kind:?}");
        application.run(unlock(kind));
        assert_eq!(deleting(&sweep.finish().expect(0)).outcome, "complete");
        ground.judge(true);
    }
}

/// What the first two batches have taken.
fn of_two_batches(ground: &Ground) -> i64 {
    let intents = ground.entries("batch_intent");
    let rows = intents.iter().filter(|entry| entry["rule"] == DELETING).take(2).map(|entry| entry["rows"].as_i64().expect("a number"));
    rows.sum()
}

#[test]
fn who_alters_the_table_does_not_wait_for_a_process_that_hangs() {
    for kind in Kind::SERVERS {
        let ground = Ground::new(Place::On(kind));
        ground.place(NOW).expect(0);
        let sweep = ground.sweep_stopped_at("act.done", 2);
        let application = Session::open(&ground.data);
        // Nobody lets the process go on: its server ends the transaction.
        application.run("ALTER TABLE messages ADD COLUMN later integer");
        sweep.resume();
        let run = sweep.finish().expect(1);
        let swept = deleting(&run);
        assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("failed", Some("connection")), "{kind:?}: {swept:?}");
        ground.judge_ledger();
        ground.settle_and_judge(true);
    }
}

/// Batches read what is committed, so that a server has no reason of its own to say so; a check that does is the
/// application's, as one of an extension that distributes tables would be.
#[test]
fn a_serialization_failure_is_tried_again_smaller() {
    let ground = Ground::new(Place::On(Kind::Postgres));
    ground.place(NOW).expect(0);
    // A sequence counts what is rolled back, too.
    ground.execute(
        "CREATE SEQUENCE failures;
         CREATE FUNCTION fails_at_first(integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
         BEGIN
             IF nextval('public.failures') <= 2 THEN
                 RAISE EXCEPTION 'could not serialize' USING ERRCODE = 'serialization_failure';
             END IF;
             RETURN true;
         END $$;
         ALTER TABLE visits ADD CHECK (fails_at_first(id)) NOT VALID",
    );
    let run = ground.sweep().expect(0);
    assert!(run.stderr.contains("the database gave way to another transaction"), "{}", run.stderr);
    let sizes = sizes(&ground, ANONYMISING);
    assert!(sizes[0] <= 2 && sizes.iter().any(|rows| *rows > sizes[0]), "{sizes:?}");
    ground.judge(true);
}

/// A check of the application's makes each row slow; only PostgreSQL knows such checks.
#[test]
fn statements_that_take_too_long_shrink_until_they_fit() {
    let ground = Ground::new(Place::On(Kind::Postgres));
    ground.place(NOW).expect(0);
    ground.execute(
        "CREATE FUNCTION slowly(integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN true; END';
         ALTER TABLE visits ADD CHECK (slowly(id)) NOT VALID",
    );
    ground.reconfigure("[sources.app.limits]", "[sources.app.limits]\nstatement_timeout = \"700ms\"");
    let run = ground.sweep().expect(0);
    assert!(run.stderr.contains("took longer than `statement_timeout`"), "{}", run.stderr);
    assert!(outcomes(&run).iter().all(|swept| swept.outcome == "complete"), "{run:#?}");
    let sizes = sizes(&ground, ANONYMISING);
    assert!(sizes.iter().all(|rows| *rows < 20), "no batch of the full size fits: {sizes:?}");
    ground.judge(true);
}
