//! How long a row is kept, and law 1: when its period ends, and which starts have ended at an instant.
//!
//! [`Period`] is a value; `civil` reads civil times as law 1 says (not as jiff would), `parse` reads and writes the
//! words. A new unit is a field here, a line in `parse` and a step in [`Period::end`].
//!
//! # The cut-off
//!
//! [`Period::cutoff`] is the smallest instant `s`, in whole microseconds, with `end(s) > now`. A row is due exactly if
//! `start < cutoff`. From this definition alone follows:
//!
//! - *due implies ended*: a start below the smallest one that ends after now ends at or before now;
//! - *it never moves back*: a later `now` leaves fewer instants that end after it, so the smallest can only be later.
//!
//! # How it is found
//!
//! Between two transitions of the zone `end` never decreases. There the civil time grows with the instant. Adding months
//! and moving a missing day up to the next keeps the order of civil times; adding days does too. `civil::resolve` keeps it,
//! since a gap is read as its end and a repeated time as the second. Hours are added to all alike. One case needs care:
//! where a zone repeats an hour across midnight, the *first* instant of a day precedes the second pass of the evening
//! before; a missing day then ends with the second midnight.
//!
//! Across a transition the order can break, because after a fold the civil time begins again from earlier. So the
//! search takes the stretches between transitions in order of time, and asks of each whether its last microsecond ends
//! after now. The first stretch of which that is true holds the cut-off: in all before it even the latest end has come.
//! Bisection finds it there.
//!
//! # What ended before the last fold is due
//!
//! A start that has ended but isn't due comes after the cut-off, an instant that ends later and so has a later civil
//! time. Between the two lies a fold, and the start is in the second pass of what it repeats. Such rows become due
//! together, when the last end before them has passed: late by about the repeated time, never early.

mod civil;
mod parse;
#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Span, Timestamp, ToSpan as _, civil::DateTime, tz::TimeZone};

use crate::fault;

pub(crate) use self::civil::{first_instant, from_microsecond, resolve};
pub use self::parse::PeriodError;

/// More than any difference between a civil time read in a zone and read in UTC, a gap and a missing day included.
const SLACK_DAYS: i32 = 5;

/// A period such as "1 year 6 months": never negative, at most 1,000 years in total. By default none at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Period {
    /// Years and months, in months.
    months: u32,
    /// Weeks and days, in days of the calendar.
    days: u32,
    /// Absolute hours.
    hours: u32,
}

/// A civil time on the way from a start to its end.
struct Reached {
    time: DateTime,
    /// The day that was aimed at does not exist: this is the midnight that opens the next one that does.
    moved_up: bool,
}

impl Period {
    /// True if no row ends earlier by this period than by `other`, whatever its start and zone: none of its parts is less.
    /// Of "31 days" and "1 month" neither is that of the other.
    pub fn is_nowhere_shorter_than(&self, other: &Self) -> bool {
        self.months >= other.months && self.days >= other.days && self.hours >= other.hours
    }

    /// The instant at which a row with this start ends: law 1.
    ///
    /// Years and months first, then weeks and days, both on the calendar of `zone`; then hours, which are absolute. A
    /// period of hours alone never leaves the line of instants, and "0 days" ends where it starts. An end beyond the
    /// last instant that jiff can represent (the year 9999) never comes; it is given as [`Timestamp::MAX`].
    pub fn end(&self, start: Timestamp, zone: &TimeZone) -> Timestamp {
        self.end_in_range(start, zone).unwrap_or(Timestamp::MAX)
    }

    /// `None` where the end can't be represented.
    fn end_in_range(&self, start: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let civil_end = if self.months == 0 && self.days == 0 {
            start
        } else {
            let reached = self.add_months(zone.to_datetime(start), zone)?;
            if reached.moved_up && self.days == 0 {
                opening(reached.time, zone)?
            } else {
                resolve(reached.time.checked_add(i64::from(self.days).days()).ok()?, zone)
            }
        };
        civil_end.checked_add(SignedDuration::from_hours(i64::from(self.hours))).ok()
    }

    /// Adds the months. A day that does not exist, by the calendar or because the zone left it out, gives way to the
    /// midnight of the next one that does.
    fn add_months(&self, from: DateTime, zone: &TimeZone) -> Option<Reached> {
        if self.months == 0 {
            return Some(Reached { time: from, moved_up: false });
        }
        let month = from.date().first_of_month().checked_add(i64::from(self.months).months()).ok()?;
        let aimed = if from.day() <= month.days_in_month() {
            month.with().day(from.day()).build().ok()?
        } else if fault::seeded("missing-day-clamped") {
            month.last_of_month()
        } else {
            month.checked_add(1.month()).ok()?
        };
        let mut date = aimed;
        while zone.to_datetime(first_instant(date, zone)).date() > date {
            date = date.tomorrow().ok()?;
        }
        let moved_up = date.day() != from.day();
        let time = if moved_up { date.at(0, 0, 0, 0) } else { date.to_datetime(from.time()) };
        Some(Reached { time, moved_up })
    }

    /// The smallest instant, in whole microseconds, whose end is after `now`: a row is due exactly if its start is
    /// before it.
    pub fn cutoff(&self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let mut begin = self.surely_ended(now);
        loop {
            let transition = zone.following(begin).next().map(|transition| transition.timestamp());
            let last = transition.unwrap_or(Timestamp::MAX).as_microsecond() - i64::from(transition.is_some());
            if self.ends_after(last, now, zone) {
                return self.first_ending_after(begin.as_microsecond(), last, now, zone);
            }
            match transition {
                Some(next) => begin = next,
                // Every start that can be represented has ended.
                None => return Timestamp::MAX,
            }
        }
    }

    /// An instant before which every start has ended by `now`.
    ///
    /// In UTC it is `now`, less hours and days and slack, less months, less slack again. Subtracting months clamps a
    /// day down, so adding them leads back no further than before; a zone moves a civil time by less than the slack.
    fn surely_ended(&self, now: Timestamp) -> Timestamp {
        let back = |from: DateTime, span: Span| from.saturating_sub(span);
        let latest = now.saturating_sub(SignedDuration::from_hours(i64::from(self.hours))).unwrap_or(Timestamp::MIN);
        let before_days = back(TimeZone::UTC.to_datetime(latest), (i64::from(self.days) + i64::from(SLACK_DAYS)).days());
        let before_months = back(before_days, i64::from(self.months).months());
        let begin = resolve(back(before_months, SLACK_DAYS.days()), &TimeZone::UTC);
        crate::clock::whole_microseconds(begin)
    }

    /// The smallest microsecond from `low` to `high` that ends after `now`; that of `high` does, and in between ends
    /// never decrease.
    fn first_ending_after(&self, mut low: i64, mut high: i64, now: Timestamp, zone: &TimeZone) -> Timestamp {
        while low < high {
            let middle = low + (high - low) / 2;
            if self.ends_after(middle, now, zone) { high = middle } else { low = middle + 1 }
        }
        from_microsecond(low)
    }

    fn ends_after(&self, start: i64, now: Timestamp, zone: &TimeZone) -> bool {
        self.end(from_microsecond(start), zone) > now
    }
}

/// The first instant of a day, or its second midnight where the evening before comes back after the first.
pub(crate) fn opening(midnight: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let evening_before = midnight.checked_sub(1.nanosecond()).ok()?;
    let first = first_instant(midnight.date(), zone);
    Some(if resolve(evening_before, zone) < first { first } else { resolve(midnight, zone) })
}
