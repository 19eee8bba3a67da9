//! The oracle itself, on examples that SPEC gives or that can be worked out by hand.

use jiff::{
    Timestamp,
    civil::{date, datetime},
    tz::TimeZone,
};

use crate::support::{
    cases::{Pack, moments::zone, table::Engine, tally::Tally},
    oracle::calendar::{self, Moment, Period, StartAt, counted_from, end, first_instant, resolve, start},
};

const YEAR: Period = Period { years: 1, months: 0, days: 0, hours: 0 };
const MONTH: Period = Period { years: 0, months: 1, days: 0, hours: 0 };
const DAY: Period = Period { years: 0, months: 0, days: 1, hours: 0 };

fn cutoff(now: Timestamp, period: Period, zone: &TimeZone) -> Timestamp {
    calendar::cutoff(now, period, StartAt::Start, zone)
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

#[test]
fn a_day_that_does_not_exist_ends_when_the_next_one_begins() {
    let utc = zone("UTC");
    assert_eq!(end(at("2024-02-29T13:14:15Z"), YEAR, &utc).0, at("2025-03-01T00:00:00Z"));
    assert_eq!(end(at("2023-01-31T13:14:15Z"), MONTH, &utc).0, at("2023-03-01T00:00:00Z"));
    assert_eq!(end(at("2023-01-28T13:14:15Z"), MONTH, &utc).0, at("2023-02-28T13:14:15Z"));
    // Samoa had no 30 December 2011.
    assert_eq!(end(at("2010-12-31T01:00:00Z"), YEAR, &zone("Pacific/Apia")).0, at("2011-12-30T10:00:00Z"));
    // The rule for missing days comes before the days of a mixed period.
    let mixed = Period { days: 1, ..YEAR };
    assert_eq!(end(at("2024-02-29T13:14:15Z"), mixed, &utc).0, at("2025-03-02T00:00:00Z"));
}

#[test]
fn a_gap_ends_behind_it_and_a_fold_the_second_time() {
    let berlin = zone("Europe/Berlin");
    assert_eq!(resolve(datetime(2024, 3, 31, 2, 30, 0, 0), &berlin).0, at("2024-03-31T01:00:00Z"));
    assert_eq!(resolve(datetime(2024, 10, 27, 2, 30, 0, 0), &berlin).0, at("2024-10-27T01:30:00Z"));
    assert_eq!(end(at("2024-03-30T01:30:00Z"), DAY, &berlin).0, at("2024-03-31T01:00:00Z"));
    assert_eq!(end(at("2024-10-26T00:30:00Z"), DAY, &berlin).0, at("2024-10-27T01:30:00Z"));
    // Hours are absolute.
    let hours = Period { hours: 24, ..Period::default() };
    assert_eq!(end(at("2024-10-26T00:30:00Z"), hours, &berlin).0, at("2024-10-27T00:30:00Z"));
}

#[test]
fn a_date_counts_from_the_first_instant_of_the_next_day() {
    let (berlin, havana) = (zone("Europe/Berlin"), zone("America/Havana"));
    assert_eq!(start(Moment::Day(date(2024, 6, 30)), &berlin).expect("a start").0, at("2024-06-30T22:00:00Z"));
    // Havana's clocks go from 0:00 to 1:00 in spring, and from 1:00 back to 0:00 in autumn.
    assert_eq!(first_instant(date(2024, 3, 10), &havana), at("2024-03-10T05:00:00Z"));
    assert_eq!(first_instant(date(2024, 11, 3), &havana), at("2024-11-03T04:00:00Z"));
    assert_eq!(start(Moment::Civil(datetime(2024, 10, 27, 2, 30, 0, 0)), &berlin).expect("a start").0, at("2024-10-27T01:30:00Z"));
    assert_eq!(start(Moment::Unreadable, &berlin), None);
}

#[test]
fn a_period_may_count_from_the_end_of_a_month_or_year() {
    let berlin = zone("Europe/Berlin");
    let fiscal = StartAt::EndOfYear { month: 5, day: 1 };
    assert_eq!(counted_from(at("2024-02-29T23:30:00Z"), StartAt::EndOfMonth, &berlin), at("2024-03-31T22:00:00Z"));
    assert_eq!(counted_from(at("2024-04-30T21:59:59Z"), fiscal, &berlin), at("2024-04-30T22:00:00Z"));
    assert_eq!(counted_from(at("2024-04-30T22:00:00Z"), fiscal, &berlin), at("2025-04-30T22:00:00Z"));
    let now = at("2026-04-30T22:00:00Z");
    assert_eq!(calendar::cutoff(now, YEAR, fiscal, &berlin), at("2025-04-30T22:00:00Z"));
    assert_eq!(calendar::cutoff(at("2026-04-30T21:59:59Z"), YEAR, fiscal, &berlin), at("2024-04-30T22:00:00Z"));
}

#[test]
fn the_cut_off_is_just_behind_the_last_start_before_which_all_has_ended() {
    let utc = zone("UTC");
    assert_eq!(cutoff(at("2025-06-15T12:00:00Z"), YEAR, &utc), at("2024-06-15T12:00:00.000001Z"));
    // What started on 29 February ends with 1 March, and holds up nothing that started later.
    assert_eq!(cutoff(at("2025-02-28T23:59:59Z"), YEAR, &utc), at("2024-02-28T23:59:59.000001Z"));
    assert_eq!(cutoff(at("2025-03-01T00:00:00Z"), YEAR, &utc), at("2024-03-01T00:00:00.000001Z"));
}

#[test]
fn after_a_fold_the_cut_off_waits_for_the_last_end_of_the_first_pass() {
    let berlin = zone("Europe/Berlin");
    // Starts from both passes of 2:00 to 3:00 on 27 October 2024; a day later the hour occurs once.
    let early = cutoff(at("2024-10-28T01:30:00Z"), DAY, &berlin);
    assert_eq!(early, at("2024-10-27T00:30:00.000001Z"), "the second pass of 2:30 waits for the first pass of what follows");
    let late = cutoff(at("2024-10-28T02:00:00Z"), DAY, &berlin);
    assert_eq!(late, at("2024-10-27T02:00:00.000001Z"));
    // In the last microsecond before a gap, all that microseconds can say of both passes has ended.
    let days = Period { days: 91, ..Period::default() };
    let santiago = zone("America/Santiago");
    assert_eq!(cutoff(at("2018-08-12T03:59:59.999998Z"), days, &santiago), at("2018-05-13T02:59:59.999999Z"));
    assert_eq!(cutoff(at("2018-08-12T03:59:59.999999Z"), days, &santiago), at("2018-05-13T04:00:00Z"));
}

#[test]
fn every_class_is_met() {
    for engine in Engine::ALL {
        let mut tally = Tally::default();
        for seed in 0..20 {
            let pack = Pack::new(engine, seed);
            pack.cases.iter().zip(&pack.world.tables).for_each(|(case, table)| tally.add(case, table, &pack.world.judge(table)));
        }
        tally.assert_broad();
    }
}
