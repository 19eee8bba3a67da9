//! Single decisions.

use super::*;

/// 2026-03-10, a Tuesday, at this time of day in UTC.
fn at(time: &str) -> Timestamp {
    format!("2026-03-10T{time}Z").parse().unwrap()
}

fn job(rule: &str, source: &str, schedule: &str) -> Job {
    Job {
        rule: rule.to_owned(),
        source: source.to_owned(),
        deletes: true,
        schedule: schedule.parse().unwrap(),
        zone: TimeZone::UTC,
        windows: Vec::new(),
    }
}

fn in_window(job: Job, window: &str) -> Job {
    Job { windows: vec![(window.parse().unwrap(), TimeZone::UTC)], ..job }
}

/// A runner that was started at `time` and knows of no sweep.
fn runner(time: &str, jobs: Vec<Job>) -> Runner {
    let mut runner = Runner::default();
    runner.replace(jobs, &BTreeMap::new(), at(time));
    runner
}

fn start(runner: &mut Runner, time: &str) -> Vec<String> {
    runner.look(at(time), &BTreeMap::new()).start
}

#[test]
fn a_rule_that_never_was_swept_waits_for_its_hour() {
    let mut runner = runner("01:00:00", vec![job("p/a", "app", "0 2 * * *")]);
    assert!(start(&mut runner, "01:59:59").is_empty());
    assert_eq!(start(&mut runner, "02:00:00"), ["p/a"]);
    assert!(start(&mut runner, "02:00:01").is_empty(), "one sweep a rule");
    runner.ended("p/a", at("02:10:00"), Ending::Done);
    assert!(start(&mut runner, "23:59:59").is_empty());
    assert_eq!(runner.next("p/a"), Some("2026-03-11T02:00:00Z".parse().unwrap()));
}

#[test]
fn what_was_missed_is_caught_up_once() {
    let mut runner = Runner::default();
    let answered = BTreeMap::from([("p/a".to_owned(), "2026-03-05T02:00:00Z".parse().unwrap())]);
    runner.replace(vec![job("p/a", "app", "0 2 * * *")], &answered, at("09:00:00"));
    assert_eq!(start(&mut runner, "09:00:01"), ["p/a"]);
    runner.ended("p/a", at("09:05:00"), Ending::Done);
    assert!(start(&mut runner, "09:05:01").is_empty());
}

#[test]
fn ticks_during_a_sweep_are_answered_by_one_more() {
    let mut runner = runner("01:00:00", vec![job("p/a", "app", "* * * * * *")]);
    assert_eq!(start(&mut runner, "01:00:01"), ["p/a"]);
    for second in 2..10 {
        assert!(start(&mut runner, &format!("01:00:0{second}")).is_empty());
    }
    runner.ended("p/a", at("01:00:10"), Ending::Done);
    assert_eq!(start(&mut runner, "01:00:10"), ["p/a"]);
    runner.ended("p/a", at("01:00:10.5"), Ending::Done);
    assert!(start(&mut runner, "01:00:10.6").is_empty());
}

#[test]
fn what_another_process_swept_is_not_swept_again() {
    let mut runner = runner("01:00:00", vec![job("p/a", "app", "0 * * * *")]);
    let swept = |time: &str| BTreeMap::from([("p/a".to_owned(), at(time))]);
    assert!(runner.is_due(at("02:00:05")));
    assert!(runner.look(at("02:00:05"), &swept("02:00:01")).start.is_empty());
    assert!(!runner.is_due(at("02:00:06")));
    // A sweep from before the occurrence does not answer it.
    assert_eq!(runner.look(at("03:00:05"), &swept("02:59:59")).start, ["p/a"]);
}

#[test]
fn outside_its_windows_it_waits_and_then_goes_on() {
    let mut runner = runner("01:00:00", vec![in_window(job("p/a", "app", "0 2 * * *"), "22:00-04:00")]);
    assert_eq!(start(&mut runner, "02:00:00"), ["p/a"]);
    runner.ended("p/a", at("04:00:00"), Ending::GoesOn);
    assert!(start(&mut runner, "04:00:01").is_empty());
    assert!(start(&mut runner, "21:59:59").is_empty());
    assert_eq!(start(&mut runner, "22:00:00"), ["p/a"]);
}

#[test]
fn a_failure_is_tried_again_ever_more_rarely_and_with_the_next_occurrence_at_the_latest() {
    let mut runner = runner("01:00:00", vec![job("p/a", "app", "0 2,3 * * *")]);
    assert_eq!(start(&mut runner, "02:00:00"), ["p/a"]);
    runner.ended("p/a", at("02:00:01"), Ending::TryAgain);
    assert!(start(&mut runner, "02:00:30").is_empty());
    assert_eq!(start(&mut runner, "02:00:31"), ["p/a"]);
    runner.ended("p/a", at("02:00:32"), Ending::TryAgain);
    assert!(start(&mut runner, "02:01:31").is_empty());
    assert_eq!(start(&mut runner, "02:01:32"), ["p/a"]);
    for _ in 0..8 {
        runner.ended("p/a", at("02:40:00"), Ending::TryAgain);
        runner.entries.get_mut("p/a").unwrap().running = Some(Running { since: at("02:40:00"), gives_way: false });
    }
    runner.ended("p/a", at("02:40:00"), Ending::TryAgain);
    assert!(start(&mut runner, "02:59:59").is_empty());
    assert_eq!(start(&mut runner, "03:00:00"), ["p/a"]);
    // What waits for a person is not tried again before the next occurrence.
    runner.ended("p/a", at("03:00:01"), Ending::NextTime);
    assert!(start(&mut runner, "23:00:00").is_empty());
}

#[test]
fn a_source_is_shared_fairly() {
    let anonymises = Job { deletes: false, ..job("p/a", "app", "0 2 * * *") };
    let jobs = vec![anonymises, job("p/b", "app", "0 2 * * *"), job("p/c", "crm", "0 2 * * *"), job("p/d", "app", "30 1 * * *")];
    let mut runner = runner("01:00:00", jobs);
    assert_eq!(start(&mut runner, "01:30:00"), ["p/d"]);
    // Another source does not wait; rules of the same one do.
    assert_eq!(start(&mut runner, "02:00:00"), ["p/c"]);
    let decision = runner.look(at("02:00:01"), &BTreeMap::new());
    assert_eq!(decision.give_way, Vec::<String>::new(), "told before, when the others came");
    runner.ended("p/d", at("02:00:02"), Ending::GoesOn);
    // Deletes first; then whoever waited; the one that gave way comes last.
    for rule in ["p/b", "p/a", "p/d"] {
        assert_eq!(start(&mut runner, "02:00:03"), [rule]);
        assert!(start(&mut runner, "02:00:04").is_empty());
        runner.ended(rule, at("02:00:05"), Ending::Done);
    }
    assert_eq!(runner.running(), ["p/c"]);
}

#[test]
fn a_long_sweep_gives_way_once_it_had_its_share() {
    let mut runner = runner("01:00:00", vec![job("p/a", "app", "0 2 * * *"), job("p/b", "app", "2 2 * * *")]);
    assert_eq!(start(&mut runner, "02:00:00"), ["p/a"]);
    assert!(runner.look(at("02:04:59"), &BTreeMap::new()).give_way.is_empty());
    assert_eq!(runner.look(at("02:05:00"), &BTreeMap::new()).give_way, ["p/a"]);
    assert!(runner.look(at("02:05:01"), &BTreeMap::new()).give_way.is_empty());
}

#[test]
fn a_reload_keeps_what_was_planned_unless_the_schedule_changed() {
    let mut runner = runner("01:00:00", vec![job("p/a", "app", "0 2 * * *"), job("p/b", "app", "0 5 * * *")]);
    assert_eq!(start(&mut runner, "02:00:00"), ["p/a"]);
    runner.replace(vec![job("p/a", "app", "0 2 * * *"), job("p/b", "app", "0 3 * * *")], &BTreeMap::new(), at("02:01:00"));
    assert_eq!(runner.running(), ["p/a"]);
    runner.ended("p/a", at("02:02:00"), Ending::Done);
    assert_eq!(runner.next("p/b"), Some(at("03:00:00")));
    runner.replace(vec![job("p/b", "app", "0 3 * * *")], &BTreeMap::new(), at("02:03:00"));
    assert_eq!(runner.next("p/a"), None);
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_a_rule() {
    let mut runner = runner("01:00:00", vec![job("p/a", "app", "0 * * * *")]);
    runner.look("2030-01-01T00:00:00Z".parse().unwrap(), &BTreeMap::new());
    runner.ended("p/a", "2030-01-01T00:00:01Z".parse().unwrap(), Ending::Done);
    assert!(start(&mut runner, "01:30:00").is_empty());
    assert_eq!(start(&mut runner, "02:00:00"), ["p/a"]);
}

#[test]
fn what_a_person_asks_for_begins_at_once_and_the_schedule_stays() {
    let closed = in_window(job("p/a", "app", "0 2 * * *"), "01:00-03:00");
    let mut runner = runner("08:00:00", vec![closed.clone(), job("p/b", "app", "0 9 * * *")]);
    assert!(!runner.ask("p/c"), "nobody sweeps it");
    assert!(runner.ask("p/a") && runner.is_due(at("08:00:00")));
    assert_eq!(start(&mut runner, "08:00:00"), ["p/a"], "the window is the sweep's to tell");
    assert!(runner.ask("p/a"), "once more, after this one");
    assert!(start(&mut runner, "08:00:01").is_empty(), "one sweep a rule");
    // A reload forgets nothing that was asked for.
    runner.replace(vec![closed, job("p/b", "app", "0 9 * * *")], &BTreeMap::new(), at("08:00:02"));
    runner.ended("p/a", at("08:00:03"), Ending::GoesOn);
    assert_eq!(start(&mut runner, "08:00:04"), ["p/a"]);
    assert!(start(&mut runner, "09:00:00").is_empty(), "the source is taken");
    runner.ended("p/a", at("09:00:01"), Ending::TryAgain);
    assert_eq!(start(&mut runner, "09:00:02"), ["p/b"], "what failed is the schedule's again");
    runner.ended("p/b", at("09:10:00"), Ending::Done);
    assert!(start(&mut runner, "23:59:59").is_empty());
    assert_eq!(runner.next("p/a"), Some("2026-03-11T02:00:00Z".parse().unwrap()));
}
