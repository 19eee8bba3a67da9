//! Law 1 once more, slowly, for tests to compare with. It asks a zone for nothing but the offset at an instant, and steps.

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Time, date},
    tz::{Offset, TimeZone},
};

use super::Period;

/// The last instant at which clocks show `time`, or the first at which they show a later one.
pub(crate) fn resolve(time: DateTime, zone: &TimeZone) -> Timestamp {
    let near = Offset::UTC.to_timestamp(time).unwrap();
    let shows = |offset: Offset| offset.to_timestamp(time).ok().filter(|instant| zone.to_offset(*instant) == offset);
    let last = (-30..=30).filter_map(|hours| shows(zone.to_offset(near + SignedDuration::from_hours(hours)))).max();
    last.unwrap_or_else(|| first(near, zone, |shown| shown > time))
}

/// The first instant of a day, or of the next that there is.
pub(crate) fn first_instant(day: Date, zone: &TimeZone) -> Timestamp {
    first(Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap(), zone, |shown| shown.date() >= day)
}

/// The start of a row that bears a date.
pub(crate) fn end_of_day(day: Date, zone: &TimeZone) -> Timestamp {
    first_instant(next_day(day), zone)
}

/// The first second near an instant of which `is` is true: in minutes, then in seconds.
fn first(near: Timestamp, zone: &TimeZone, is: impl Fn(DateTime) -> bool) -> Timestamp {
    let mut instant = Timestamp::from_second(near.as_second()).unwrap() - SignedDuration::from_hours(30);
    while !is(zone.to_datetime(instant)) {
        instant += SignedDuration::from_mins(1);
    }
    instant -= SignedDuration::from_mins(1);
    while !is(zone.to_datetime(instant)) {
        instant += SignedDuration::from_secs(1);
    }
    instant
}

fn length(year: i16, month: i8) -> i8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn next_day(day: Date) -> Date {
    match (day.month(), day.day()) {
        (12, 31) => date(day.year() + 1, 1, 1),
        (month, last) if last == length(day.year(), month) => date(day.year(), month + 1, 1),
        (month, other) => date(day.year(), month, other + 1),
    }
}

/// The end of `start`, by the letter of the law.
pub(crate) fn end(period: &Period, start: Timestamp, zone: &TimeZone) -> Timestamp {
    let hours = SignedDuration::from_hours(i64::from(period.hours));
    if period.months == 0 && period.days == 0 {
        return start + hours;
    }
    let shown = zone.to_datetime(start);
    let (mut day, mut time, mut moved_up) = (shown.date(), shown.time(), false);
    if period.months > 0 {
        let (mut year, mut month) = (day.year(), day.month());
        for _ in 0..period.months {
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        }
        moved_up = day.day() > length(year, month);
        day = if moved_up { next_day(date(year, month, length(year, month))) } else { date(year, month, day.day()) };
        while zone.to_datetime(first_instant(day, zone)).date() != day {
            (day, moved_up) = (next_day(day), true);
        }
    }
    if moved_up {
        time = Time::midnight();
    }
    for _ in 0..period.days {
        day = next_day(day);
    }
    let civil = if moved_up && period.days == 0 { first_instant(day, zone) } else { resolve(day.to_datetime(time), zone) };
    civil + hours
}
