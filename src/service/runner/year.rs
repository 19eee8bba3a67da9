//! A year of schedule, minute by minute, with downtimes and sweeps of every length, against a reading of the wall clock
//! that knows nothing of cron.

use jiff::civil::{Date, Time};
use proptest::{prelude::*, test_runner::TestRng};

use super::*;

const YEAR: (&str, &str) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
/// A zone east of Greenwich, one west of it, one with half an hour of summer time, and one without any.
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"];

struct World {
    now: Timestamp,
    runner: Option<Runner>,
    /// What the state remembers: when the last success of each rule began.
    answered: BTreeMap<String, Timestamp>,
    /// Sweeps under way, each with its beginning and its end.
    sweeps: BTreeMap<String, (Timestamp, Timestamp)>,
    /// Every beginning of a rule.
    begun: BTreeMap<String, Vec<Timestamp>>,
    /// When the process began to run each time.
    up_since: Timestamp,
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn jobs() -> Vec<Job> {
    let job = |index: usize, source: &str, schedule: &str, window: Option<&str>| {
        let name = ZONES[index];
        Job {
            rule: format!("p/{index}-{source}"),
            source: source.to_owned(),
            deletes: index.is_multiple_of(2),
            schedule: schedule.parse().unwrap(),
            zone: zone(name),
            windows: window.into_iter().map(|window| (window.parse().unwrap(), zone(name))).collect(),
        }
    };
    // At 02:30, which each clock change of these zones skips or repeats, on a source for each and on one for all.
    (0..ZONES.len())
        .flat_map(|index| [job(index, &format!("own{index}"), "30 2 * * *", None), job(index, "shared", "30 2 * * *", Some("22:00-04:00"))])
        .collect()
}

/// The first instant of the day at which the clock on the wall shows 02:30 or later.
fn half_past_two(day: Date, zone: &TimeZone) -> Timestamp {
    let midnight = day.to_zoned(zone.clone()).unwrap().timestamp();
    let minutes = (0..26 * 60).map(|minute| midnight + SignedDuration::from_mins(minute));
    let shows = |instant: &Timestamp| zone.to_datetime(*instant);
    minutes.filter(|at| shows(at).date() == day).find(|at| shows(at).time() >= Time::constant(2, 30, 0, 0)).unwrap()
}

impl World {
    fn new() -> Self {
        let now: Timestamp = YEAR.0.parse().unwrap();
        let mut world =
            Self { now, runner: None, answered: BTreeMap::new(), sweeps: BTreeMap::new(), begun: BTreeMap::new(), up_since: now };
        world.boot();
        world
    }

    fn boot(&mut self) {
        let mut runner = Runner::default();
        runner.replace(jobs(), &self.answered, self.now);
        self.runner = Some(runner);
        self.up_since = self.now;
    }

    fn crash(&mut self) {
        self.runner = None;
        self.sweeps.clear();
    }

    /// One minute; `length` gives each sweep its length in minutes.
    fn minute(&mut self, mut length: impl FnMut() -> i64) {
        if let Some(runner) = &mut self.runner {
            let over: Vec<String> = self.sweeps.iter().filter(|(_, (_, end))| *end <= self.now).map(|(rule, _)| rule.clone()).collect();
            for rule in over {
                let (since, _) = self.sweeps.remove(&rule).unwrap();
                self.answered.insert(rule.clone(), since);
                runner.ended(&rule, self.now, Ending::Done);
            }
            for rule in runner.look(self.now, &self.answered).start {
                let end = self.now + SignedDuration::from_mins(length());
                assert!(self.sweeps.insert(rule.clone(), (self.now, end)).is_none(), "{rule} ran twice at {}", self.now);
                self.begun.entry(rule).or_default().push(self.now);
            }
            let on_shared = self.sweeps.keys().filter(|rule| rule.ends_with("shared")).count();
            assert!(on_shared <= SWEEPS_PER_SOURCE, "{on_shared} sweeps at once on one source");
        }
        self.now += SignedDuration::from_mins(1);
    }

    fn is_over(&self) -> bool {
        self.now >= YEAR.1.parse().unwrap()
    }
}

#[test]
fn each_day_of_a_year_has_its_sweep_at_half_past_two_on_the_wall() {
    let mut world = World::new();
    while !world.is_over() {
        world.minute(|| 3);
    }
    for (index, name) in ZONES.iter().enumerate() {
        let zone = zone(name);
        let (start, end): (Timestamp, Timestamp) = (YEAR.0.parse().unwrap(), YEAR.1.parse().unwrap());
        let first = zone.to_datetime(start).date();
        let days = first.series(jiff::Span::new().days(1)).take(367);
        let expected: Vec<Timestamp> = days.map(|day| half_past_two(day, &zone)).filter(|at| start < *at && *at < end).collect();
        assert!((364..=366).contains(&expected.len()), "{}", expected.len());
        assert_eq!(world.begun[&format!("p/{index}-own{index}")], expected, "{name}");
        // Those that share a source begin at the same instants, or wait for the other's three minutes.
        let shared = &world.begun[&format!("p/{index}-shared")];
        assert_eq!(shared.len(), expected.len(), "{name}");
        for (begun, expected) in shared.iter().zip(&expected) {
            assert!((0..=9).contains(&begun.duration_since(*expected).as_mins()), "{name}: {begun} for {expected}");
        }
    }
}

#[test]
fn downtime_is_caught_up_once_and_no_sweep_begins_outside_its_window() {
    let mut world = World::new();
    let mut dice = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut roll = move |sides: u32| dice.next_u32() % sides;
    let windows: BTreeMap<String, Vec<(Window, TimeZone)>> = jobs().into_iter().map(|job| (job.rule, job.windows)).collect();
    let mut boots = 0;
    while !world.is_over() {
        // Down about twice a week, from minutes to days.
        if world.runner.is_some() && roll(5_000) == 0 {
            world.crash();
            for _ in 0..roll(4_000) {
                world.minute(|| 1);
            }
            world.boot();
            boots += 1;
        }
        let before: usize = world.begun.values().map(Vec::len).sum();
        world.minute(|| i64::from(roll(40)));
        if world.begun.values().map(Vec::len).sum::<usize>() > before {
            let now = world.now - SignedDuration::from_mins(1);
            for (rule, (since, _)) in world.sweeps.iter().filter(|(_, (since, _))| *since == now) {
                assert!(windows[rule].iter().all(|(window, zone)| window.contains(*since, zone)), "{rule} began at {since}");
            }
        }
    }
    assert!(boots > 30, "{boots}");
    for (rule, begun) in &world.begun {
        let job = jobs().into_iter().find(|job| job.rule == *rule).unwrap();
        // Between two beginnings lies an occurrence; only a sweep that a crash cut off is begun again for the same one.
        let again = begun.windows(2).filter(|pair| job.schedule.next_after(pair[0], &job.zone).is_none_or(|next| next > pair[1])).count();
        assert!(again <= boots, "{rule}: {again} sweeps too many");
        assert!(begun.len() > 150, "{rule}: {}", begun.len());
    }
}
