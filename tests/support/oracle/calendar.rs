//! Law 1, stepped by hand: what a start means, when it ends, and where the cut-off of a sweep lies.
//!
//! Only two questions go to jiff: what a wall clock shows at an instant, and which offset is in force. What happens to
//! missing days, gaps and folds is decided here, by looking at every candidate.

use std::collections::BTreeMap;

use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time},
    tz::{Offset, TimeZone},
};

/// What a start column says, once it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A value that fixes the instant by itself.
    Instant(Timestamp),
    /// A wall-clock time without a zone.
    Civil(DateTime),
    /// A day without a time.
    Day(Date),
    /// Something is there that can't be read.
    Unreadable,
}

/// A period: years and months first, then weeks and days, then hours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    pub years: i32,
    pub months: i32,
    pub days: i32,
    pub hours: i32,
}

/// From where a period counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StartAt {
    #[default]
    Start,
    EndOfMonth,
    /// Of years that begin on this day of this month.
    EndOfYear {
        month: i8,
        day: i8,
    },
}

/// What an end met on its way, for the counters of the generator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Met {
    pub missing_day: bool,
    pub gap: bool,
    pub fold: bool,
}

/// The instant of a wall-clock time: after the gap if it doesn't exist, the second if it occurs twice.
pub fn resolve(civil: DateTime, zone: &TimeZone) -> (Timestamp, Met) {
    let as_utc = Offset::UTC.to_timestamp(civil).expect("a time within the years that are generated");
    // Every instant that could show this wall-clock time lies within 15 hours of the same figures read as UTC, and no
    // zone moves twice within three hours.
    let mut offsets = (-5..=5).map(|step| zone.to_offset(as_utc + SignedDuration::from_hours(3 * step))).collect::<Vec<_>>();
    offsets.sort_unstable();
    offsets.dedup();
    let showing =
        offsets.into_iter().map(|offset| offset.to_timestamp(civil).expect("as above")).filter(|at| zone.to_datetime(*at) == civil);
    let instants = showing.collect::<std::collections::BTreeSet<_>>();
    match instants.last() {
        Some(last) => (*last, Met { fold: instants.len() > 1, ..Met::default() }),
        None => (jump_over(civil, as_utc, zone), Met { gap: true, ..Met::default() }),
    }
}

/// The first instant after the gap that swallows `civil`: where the wall clock jumps from before it to behind it.
fn jump_over(civil: DateTime, as_utc: Timestamp, zone: &TimeZone) -> Timestamp {
    let quarter = SignedDuration::from_mins(15);
    let mut at = floor_quarter(as_utc) - SignedDuration::from_hours(26);
    while !(zone.to_datetime(at) < civil && zone.to_datetime(at + quarter) > civil) {
        at += quarter;
        assert!(at < as_utc + SignedDuration::from_hours(28), "no gap at {civil}");
    }
    at + quarter
}

/// The first instant whose date is `day` or a later one.
pub fn first_instant(day: Date, zone: &TimeZone) -> Timestamp {
    let as_utc = Offset::UTC.to_timestamp(day.to_datetime(Time::midnight())).expect("a day within the years that are generated");
    let mut at = as_utc - SignedDuration::from_hours(26);
    // By hours as long as the next hour begins too early as well, then by quarters.
    for step in [SignedDuration::from_hours(1), SignedDuration::from_mins(15)] {
        while zone.to_datetime(at + step).date() < day {
            at += step;
        }
    }
    at + SignedDuration::from_mins(15)
}

/// The instant from which a start counts; `None`: undated. `naive` is the zone of what carries none.
///
/// Time is counted in microseconds: between two of them it is already the later one.
pub fn start(moment: Moment, naive: &TimeZone) -> Option<(Timestamp, Met)> {
    let up_to_the_microsecond = |nanosecond: i32| SignedDuration::from_nanos(i64::from((1_000 - nanosecond % 1_000) % 1_000));
    match moment {
        Moment::Instant(at) => {
            let whole = Timestamp::from_microsecond(at.as_microsecond()).expect("in range");
            Some((if whole < at { whole + SignedDuration::from_micros(1) } else { whole }, Met::default()))
        }
        Moment::Civil(civil) => Some(resolve(civil + up_to_the_microsecond(civil.subsec_nanosecond()), naive)),
        Moment::Day(day) => Some((first_instant(day.checked_add(1.day()).expect("a day with a next one"), naive), Met::default())),
        Moment::Unreadable => None,
    }
}

/// The instant from which the period of a start counts: when the next month or year has begun for good.
pub fn counted_from(start: Timestamp, from: StartAt, zone: &TimeZone) -> Timestamp {
    next_beginning(start, from, zone).map_or(start, |day| begun(day, zone))
}

/// The day on which the month or year after a start begins; `None`: periods count from the start itself.
fn next_beginning(start: Timestamp, from: StartAt, zone: &TimeZone) -> Option<Date> {
    let begins = |day: Date| match from {
        StartAt::Start => true,
        StartAt::EndOfMonth => day.day() == 1,
        StartAt::EndOfYear { month, day: first } => (day.month(), day.day()) == (month, first),
    };
    let next = |day: Date| day.tomorrow().expect("a day with a next one");
    let mut day = next(zone.to_datetime(start).date());
    while !begins(day) {
        day = next(day);
    }
    (from != StartAt::Start).then_some(day)
}

/// The instant from which on no clock shows a day before this one: where it goes back across midnight, the evening comes once more.
fn begun(day: Date, zone: &TimeZone) -> Timestamp {
    let quarter = SignedDuration::from_mins(15);
    let first = first_instant(day, zone);
    let again = (1..=26 * 4).rev().map(|quarters| first + quarter * quarters).find(|at| zone.to_datetime(*at - quarter).date() < day);
    again.unwrap_or(first)
}

/// The end of what starts at `start`, where a period counts on the calendar of `zone`; its hours are absolute.
pub fn end(start: Timestamp, period: Period, zone: &TimeZone) -> (Timestamp, Met) {
    let hours = SignedDuration::from_hours(i64::from(period.hours));
    if (period.years, period.months, period.days) == (0, 0, 0) {
        return (start + hours, Met::default());
    }
    let mut met = Met::default();
    let mut civil = zone.to_datetime(start);
    if (period.years, period.months) != (0, 0) {
        civil = add_months(civil, period.years * 12 + period.months);
        met.missing_day = civil.day() != zone.to_datetime(start).day();
        // A day may also be missing because a zone moved across the date line: all of it lies in a gap.
        while resolve(civil, zone).1.gap && zone.to_datetime(first_instant(civil.date(), zone)).date() != civil.date() {
            met.missing_day = true;
            civil = next_midnight(civil.date());
        }
    }
    if met.missing_day && period.days == 0 {
        return (first_instant(civil.date(), zone) + hours, met);
    }
    civil = civil.checked_add(i64::from(period.days).days()).expect("a day within the years that are generated");
    let (at, folds) = resolve(civil, zone);
    (at + hours, Met { missing_day: met.missing_day, ..folds })
}

/// So many months later, or the midnight that opens the next month where that one has no such day.
fn add_months(civil: DateTime, months: i32) -> DateTime {
    let months = i32::from(civil.year()) * 12 + i32::from(civil.month()) - 1 + months;
    let year = i16::try_from(months.div_euclid(12)).expect("a year within those that are generated");
    let month = i8::try_from(months.rem_euclid(12) + 1).expect("one of twelve");
    let first = Date::new(year, month, 1).expect("the first of a month");
    if civil.day() > first.days_in_month() {
        return next_midnight(first.last_of_month());
    }
    Date::new(year, month, civil.day()).expect("a day of that month").to_datetime(civil.time())
}

fn next_midnight(day: Date) -> DateTime {
    day.checked_add(1.day()).expect("a day with a next one").to_datetime(Time::midnight())
}

/// The cut-off by its definition: the smallest `s`, to the microsecond as starts are, whose end is after `now`.
pub fn cutoff(now: Timestamp, period: Period, from: StartAt, zone: &TimeZone) -> Timestamp {
    // Moved to the end of their month or year, all starts of one day end together, so that it is asked once.
    let mut known = BTreeMap::new();
    let mut ended = |start: Timestamp| {
        let has_ended = || end(counted_from(start, from, zone), period, zone).0 <= now;
        if from == StartAt::Start { has_ended() } else { *known.entry(zone.to_datetime(start).date()).or_insert_with(has_ended) }
    };
    // Far enough back that everything has ended, then by days to the first that has not.
    let within = match from {
        StartAt::Start => 0,
        StartAt::EndOfMonth => 31,
        StartAt::EndOfYear { .. } => 366,
    };
    let days = i64::from(period.years) * 366 + i64::from(period.months) * 31 + i64::from(period.days) + within + 5;
    let mut day = floor_quarter(now) - SignedDuration::from_hours(days * 24 + i64::from(period.hours));
    while ended(day) {
        day += SignedDuration::from_hours(24);
    }
    // A fold or a missing day turns the order of ends around by some hours: two days and more are looked at, quarter of
    // an hour by quarter. Zones move, and days begin, only between two of them, so that within one nothing turns and
    // its last microsecond tells whether it has a start that has not ended.
    let (quarter, tick) = (SignedDuration::from_mins(15), SignedDuration::from_micros(1));
    let mut from = day - SignedDuration::from_hours(52);
    assert!(ended(from), "the search starts among what has ended");
    while ended(from + quarter - tick) {
        from += quarter;
    }
    let (mut before, mut after) = (-1, quarter.as_micros());
    while after - before > 1 {
        let middle = (before + after) / 2;
        let at = from + SignedDuration::from_micros(i64::try_from(middle).expect("within a quarter of an hour"));
        if ended(at) { before = middle } else { after = middle }
    }
    from + SignedDuration::from_micros(i64::try_from(after).expect("within a quarter of an hour"))
}

/// In the zones and years of the generator, clocks move and days begin at quarters of an hour.
fn floor_quarter(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(900) * 900).expect("a rounder instant is in range")
}
