//! Several processes in one table: each walks its own parts, and what one of them leaves behind who dies, sleeps or is stopped, the
//! leader walks again. Leader and joiner are stopped at fault points, so that who comes when is no accident.

use std::collections::BTreeMap;

use rustix::process::Signal;

use super::ground::{DELETING, Ground, LATER, NOW, Place, Swept, deleting};
use crate::support::{
    binary::{Run, Running, run, start},
    product::Kind,
};

const SWEEP: [&str; 4] = ["sweep", DELETING, "--output", "json"];
const UNCOUNTED: [&str; 5] = ["sweep", DELETING, "--no-count", "--output", "json"];

/// Where a table can be shared, and the state that knows of it.
const PLACES: [Place; 3] = [Place::On(Kind::Postgres), Place::On(Kind::Mariadb), Place::PostgresState];

/// Parts of one batch, so that there are some for everybody.
fn shared(place: Place) -> Ground {
    let ground = Ground::new(place).with_lock_timeout("10s");
    ground.reconfigure("pace = \"fast\"", "pace = \"fast\"\nworkers = 3");
    ground.place(NOW).expect(0);
    ground
}

/// A sweep with such variables, which stops itself there.
fn stopped<const N: usize>(ground: &Ground, arguments: [&str; N], variables: &[(&str, &str)], point: &str, visit: u32) -> Running {
    let mut command = ground.command(NOW, arguments);
    ground.stopped_at(command.env("RETENTIOND_TEST_PART", "1").envs(variables.iter().copied()), point, visit)
}

/// The leader, with its first part taken.
fn leader(ground: &Ground) -> Running {
    stopped(ground, SWEEP, &[], "part.taken", 1)
}

fn sweep<const N: usize>(ground: &Ground, now: &str, arguments: [&str; N], variables: &[(&str, &str)]) -> Run {
    run(ground.command(now, arguments).env("RETENTIOND_TEST_PART", "1").envs(variables.iter().copied()))
}

/// A joiner that walked what it could.
#[track_caller]
fn joined(run: Run) -> Swept {
    let swept = deleting(&run.expect(3));
    assert_eq!((swept.outcome.as_str(), swept.reason.as_deref()), ("paused", Some("shared")), "{swept:?}");
    swept
}

/// Rows that went by lane.
fn by_lane(ground: &Ground) -> BTreeMap<String, u64> {
    let mut lanes = BTreeMap::new();
    for entry in ground.entries("batch_applied").iter().filter(|entry| entry["rule"] == DELETING) {
        *lanes.entry(entry["lane"].as_str().expect("a lane").to_owned()).or_default() += entry["rows"].as_u64().expect("rows");
    }
    lanes
}

/// The leader's sweep is of the whole table, whoever did what; and the ledger says so.
#[track_caller]
fn complete(ground: &Ground, leader: Running) {
    let swept = deleting(&leader.finish().expect(0));
    let lanes = by_lane(ground);
    assert_eq!((swept.outcome.as_str(), swept.acted), ("complete", lanes.values().sum()), "{lanes:?}");
    let ended = ground.entries("sweep_ended");
    let of_it: Vec<_> = ended.iter().filter(|entry| entry["rule"] == DELETING && entry["outcome"] == "complete").collect();
    assert_eq!((of_it.len(), of_it[0]["rows"].as_u64()), (1, Some(swept.acted)), "{ended:#?}");
    ground.settle_and_judge(true);
}

#[test]
fn a_table_is_walked_by_all_who_come() {
    for place in PLACES {
        let ground = shared(place);
        let leader = leader(&ground);
        // Two join one after the other; the second finds the first gone, and takes its lane.
        let first = stopped(&ground, SWEEP, &[], "part.taken", 3);
        let second = joined(sweep(&ground, NOW, SWEEP, &[]));
        assert!(second.acted > 0, "{place:?}: {second:?}");
        first.resume();
        joined(first.finish());
        leader.resume();
        complete(&ground, leader);
        let lanes = by_lane(&ground);
        assert_eq!(lanes.keys().map(String::as_str).collect::<Vec<_>>(), ["m/messages", "m/messages #2", "m/messages #3"], "{place:?}");
    }
}

/// No more of them than the source allows, and none where it says nothing.
#[test]
fn who_comes_when_all_places_are_taken_goes() {
    let ground = shared(Place::On(Kind::Postgres));
    ground.reconfigure("workers = 3", "workers = 2");
    let leader = leader(&ground);
    let joiner = stopped(&ground, SWEEP, &[], "part.taken", 1);
    let third = deleting(&sweep(&ground, NOW, SWEEP, &[]).expect(3));
    assert_eq!((third.reason.as_deref(), third.acted), (Some("another_worker"), 0), "{third:?}");
    joiner.resume();
    joined(joiner.finish());
    ground.reconfigure("\nworkers = 2", "");
    let alone = deleting(&sweep(&ground, NOW, SWEEP, &[]).expect(3));
    assert_eq!((alone.reason.as_deref(), alone.acted), (Some("another_worker"), 0), "{alone:?}");
    leader.resume();
    complete(&ground, leader);
}

/// Who would do something else keeps out.
#[test]
fn another_form_of_the_rule_does_not_join() {
    let ground = shared(Place::On(Kind::Postgres));
    let leader = leader(&ground);
    let rules = ground.file("rules").join("m.toml");
    let text = std::fs::read_to_string(&rules).expect("the rules");
    std::fs::write(&rules, text.replace("keep_for = \"1 year\"", "keep_for = \"2 years\"")).expect("other rules");
    let other = deleting(&sweep(&ground, NOW, SWEEP, &[]).expect(3));
    assert_eq!((other.reason.as_deref(), other.acted), (Some("another_worker"), 0), "{other:?}");
    assert!(other.message.contains("not in the form"), "{other:?}");
    std::fs::write(&rules, text).expect("the rules");
    leader.resume();
    complete(&ground, leader);
}

#[test]
fn what_a_dead_joiner_left_is_walked_again() {
    let points = ["part.before", "part.taken", "act.done", "intent.recorded", "mark.done", "commit.after", "outcome.before"];
    for (place, point) in PLACES.into_iter().flat_map(|place| points.map(|point| (place, point))) {
        let ground = shared(place);
        let leader = leader(&ground);
        let order = format!("{point}:{}:kill", if point == "outcome.before" { 1 } else { 2 });
        let killed = sweep(&ground, NOW, SWEEP, &[("RETENTIOND_TEST_POINT", &order)]);
        // A joiner has no sweep of its own to end.
        if point != "outcome.before" {
            assert_eq!(killed.signal, Some(Signal::KILL.as_raw()), "{point}: {killed:#?}");
        }
        leader.resume();
        complete(&ground, leader);
    }
}

/// It is taken for dead, because its lease is over; what it had under way can't come any more.
#[test]
fn a_joiner_that_sleeps_loses_its_part() {
    for (place, point) in PLACES.into_iter().flat_map(|place| ["part.taken", "act.done", "intent.recorded"].map(|point| (place, point))) {
        let ground = shared(place);
        ground.reconfigure("lock_timeout = \"10s\"", "lock_timeout = \"200ms\"");
        let leader = leader(&ground);
        let joiner = stopped(&ground, SWEEP, &[("RETENTIOND_TEST_LEASE", "0")], point, 2);
        leader.resume();
        // Rows that it has locked are its own until the server has ended its transaction.
        let led = leader.finish();
        joiner.resume();
        let late = deleting(&joiner.finish().expect(3));
        assert!(matches!(late.reason.as_deref(), Some("another_worker" | "shared")), "{place:?}, {point}: {late:?}");
        assert!(matches!(led.status, Some(0 | 1)), "{place:?}, {point}: {led:#?}");
        ground.settle_and_judge(true);
    }
}

/// What comes after the batches is the leader's: a joiner that treated the table would be in the way of who still walks it.
#[test]
fn residue_is_left_to_the_leader() {
    let ground = shared(Place::On(Kind::Postgres));
    let rules = ground.file("rules").join("m.toml");
    let text = std::fs::read_to_string(&rules).expect("the rules");
    std::fs::write(&rules, text.replace("action = \"delete\"", "action = \"delete\"\nresidue = \"compacted\"")).expect("other rules");
    let residue = |run: &Run| run.json()["rules"][0]["residue"].clone();
    let leader = leader(&ground);
    let joiner = sweep(&ground, NOW, SWEEP, &[]).expect(3);
    assert!(residue(&joiner).is_null(), "{joiner:#?}");
    leader.resume();
    let led = leader.finish().expect(0);
    assert_eq!(residue(&led)["asked"], "compacted", "{led:#?}");
}

/// Its sweep is over with it: another begins one, and who had joined goes no further.
#[test]
fn who_joined_a_dead_leader_stops() {
    for place in PLACES {
        let ground = shared(place);
        let leader = leader(&ground);
        let joiner = stopped(&ground, SWEEP, &[], "part.taken", 2);
        leader.signal(Signal::KILL);
        leader.finish();
        let next = deleting(&sweep(&ground, NOW, SWEEP, &[]).expect(0));
        assert_eq!(next.outcome, "complete", "{place:?}: {next:?}");
        joiner.resume();
        let late = joined(joiner.finish());
        assert!(late.message.contains("has ended"), "{place:?}: {late:?}");
        ground.settle_and_judge(true);
    }
}

/// Each takes the rule's lane from the other, in the middle of a walk.
#[test]
fn a_leader_that_was_overtaken_says_so() {
    for place in PLACES {
        let ground = shared(place);
        let leader = leader(&ground);
        joined(sweep(&ground, NOW, SWEEP, &[]));
        run(ground.command(LATER, SWEEP).env("RETENTIOND_TEST_PART", "1")).expect(0);
        leader.resume();
        let late = deleting(&leader.finish().expect(3));
        assert_eq!(late.reason.as_deref(), Some("another_worker"), "{place:?}: {late:?}");
        ground.settle_and_judge(true);
    }
}

/// A person let a number of rows go, and more have come since: together they take no more than one would.
pub fn workers_take_no_more_than_one_may(place: Place, variables: &[(&str, &str)]) {
    let ground = shared(place);
    ground.reconfigure("first_sweep = \"auto\"", "first_sweep = \"approve\"");
    ground.run(["approve", DELETING]).expect(0);
    let due = ground.number("SELECT count(*) FROM messages WHERE id <= 200 AND account <> 7");
    ground.execute("UPDATE messages SET sent_at = '2020-05-17 10:00:00' WHERE id > 200");
    let leader = stopped(&ground, UNCOUNTED, variables, "intent.recorded", 5);
    sweep(&ground, NOW, UNCOUNTED, variables);
    leader.resume();
    let guarded = leader.finish();
    let taken: u64 = by_lane(&ground).values().sum();
    assert!(taken > 0 && taken <= u64::try_from(due + (due + 9) / 10).expect("a number"), "{taken} rows went where {due} were approved");
    let guarded = deleting(&guarded.expect(3));
    assert_eq!((guarded.outcome.as_str(), guarded.reason.as_deref()), ("guarded", Some("approval")), "{guarded:?}");
    assert!(by_lane(&ground).len() > 1, "nobody joined");
    let left = ground.number("SELECT count(*) FROM messages");
    assert_eq!(left, 300 - i64::try_from(taken).expect("a number"));
    ground.run(["ledger", "verify"]).expect(0);
}

#[test]
fn guards_count_what_all_workers_take() {
    PLACES.into_iter().for_each(|place| workers_take_no_more_than_one_may(place, &[]));
}

/// What can't be meant as a date stops them, whoever finds it; here each of them would find less than stops one.
#[test]
fn implausible_dates_are_counted_together() {
    let ground = shared(Place::On(Kind::Postgres));
    // 1 % of 300 rows is 3; the first range of the heap has two, and the last one two more.
    ground.execute(
        "CREATE TEMP TABLE before AS SELECT * FROM messages; TRUNCATE messages;
         INSERT INTO messages SELECT id, account, CASE WHEN id IN (1, 2, 299, 300) THEN '2200-01-01' ELSE sent_at END, body
             FROM before ORDER BY id;
         ANALYZE messages",
    );
    let leader = stopped(&ground, UNCOUNTED, &[], "act.done", 1);
    sweep(&ground, NOW, UNCOUNTED, &[]);
    leader.resume();
    let stopped = deleting(&leader.finish().expect(3));
    assert_eq!((stopped.outcome.as_str(), stopped.reason.as_deref()), ("refused", Some("implausible_dates")), "{stopped:?}");
}

/// A part that its worker left is the leader's to walk.
pub fn nothing_is_left_out(place: Place, variables: &[(&str, &str)]) {
    let ground = shared(place);
    let leader = stopped(&ground, SWEEP, variables, "part.taken", 1);
    let killed = sweep(&ground, NOW, SWEEP, &[("RETENTIOND_TEST_POINT", "part.taken:2:kill")]);
    assert_eq!(killed.signal, Some(Signal::KILL.as_raw()), "{killed:#?}");
    leader.resume();
    leader.finish().expect(0);
    ground.judge(true);
}

/// Nobody comes by plan: three processes at once, none of them stopped.
#[test]
fn three_at_once_leave_nothing_and_take_nothing_twice() {
    for place in PLACES {
        let ground = shared(place);
        let processes: Vec<Running> = (0..3).map(|_| start(ground.command(NOW, SWEEP).env("RETENTIOND_TEST_PART", "1"))).collect();
        let ends: Vec<Option<i32>> = processes.into_iter().map(|process| process.finish().status).collect();
        assert!(ends.iter().all(|end| matches!(end, Some(0 | 3))), "{place:?}: {ends:?}");
        ground.settle_and_judge(true);
    }
}
