//! How long a row is kept once its start is known, and from where that counts.
//!
//! [`Length`] puts together what a rule says of time; [`StartAt`] is `start_at`. The arithmetic of periods is `period`'s. A new
//! way to count is a variant of `StartAt` with its next boundary.
//!
//! # Several periods
//!
//! A setting has bounds, and a rule a floor: a row ends at `max(floor, min(max(keep_for, at_least), at_most))`, each said as an end.
//! Every end has a cut-off below which exactly the starts lie whose end has come. Both of two ends have come below the smaller cut-off,
//! one of them below the greater, so the cut-off of the whole is the same formula with `min` and `max` exchanged.
//!
//! # Counting from the end of a month or a year
//!
//! Accounting law counts from the end of the year in which something happened. A row then ends at `b + keep_for`, where the
//! *boundary* `b` is the first instant of the next month or year in the rule's zone; where a zone repeats an hour across that
//! midnight, it is the second, so that nothing of the old year comes after it. A start at the boundary itself lies in the new year.
//!
//! The cut-off is still the smallest `s` with `end(s) > now`. An end depends on the boundary alone, so this is the first instant of
//! the first month or year whose boundary ends after now. No boundary before the period's own cut-off does, by its
//! definition, and from there on each is asked in turn.
//!
//! A date counts from the first instant of the next day, which for 31 December would be the next year. Here it stands for the last
//! microsecond of its day, so it counts in the year that it bears: [`Thresholds::in_the_day`].

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use super::{
    period::{Period, first_instant, opening},
    start::Thresholds,
};
use crate::fault;

/// A period with what bounds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length {
    /// From where all of them count.
    pub start_at: StartAt,
    pub keep_for: Period,
    /// `min` of a setting.
    pub at_least: Option<Period>,
    /// `max` of a setting.
    pub at_most: Option<Period>,
    /// A legal minimum that nothing passes.
    pub floor: Option<Period>,
}

impl Length {
    /// A period that nothing bounds.
    pub fn of(keep_for: Period, start_at: StartAt) -> Self {
        Self { start_at, keep_for, at_least: None, at_most: None, floor: None }
    }

    /// The floor alone, as a length of its own; `None`: there is none.
    pub fn floor_alone(&self) -> Option<Self> {
        Some(Self::of(self.floor?, self.start_at))
    }

    /// When a row with this start ends. [`Timestamp::MAX`] never comes.
    pub fn end(&self, start: Timestamp, zone: &TimeZone) -> Timestamp {
        let from = self.start_at.counted_from(start, zone);
        let end = |period: Option<Period>| period.map(|period| period.end(from, zone));
        let bounded = self.keep_for.end(from, zone).max(end(self.at_least).unwrap_or(Timestamp::MIN));
        bounded.min(end(self.at_most).unwrap_or(Timestamp::MAX)).max(end(self.floor()).unwrap_or(Timestamp::MIN))
    }

    /// The smallest instant whose end is after `now`: a row is due by time exactly if its start is before it.
    pub fn cutoff(&self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let cutoff = |period: Option<Period>| period.map(|period| self.start_at.cutoff(&period, now, zone));
        let bounded = self.start_at.cutoff(&self.keep_for, now, zone).min(cutoff(self.at_least).unwrap_or(Timestamp::MAX));
        bounded.max(cutoff(self.at_most).unwrap_or(Timestamp::MIN)).min(cutoff(self.floor()).unwrap_or(Timestamp::MAX))
    }

    /// The cut-off in every form that a column can hold.
    pub fn thresholds(&self, cutoff: Timestamp, naive_zone: Option<&TimeZone>) -> Thresholds {
        match self.start_at {
            StartAt::Start => Thresholds::at(cutoff, naive_zone),
            StartAt::EndOfMonth | StartAt::EndOfYear(_) => Thresholds::in_the_day(cutoff, naive_zone),
        }
    }

    fn floor(&self) -> Option<Period> {
        self.floor.filter(|_| !fault::seeded("floor-ignored"))
    }
}

/// From where a period counts: `start_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartAt {
    /// From the start itself.
    #[default]
    Start,
    /// From the end of the month in which the start lies.
    EndOfMonth,
    /// From the end of the year in which it lies, by a calendar whose years begin on this day.
    EndOfYear(YearStart),
}

impl StartAt {
    /// The start of a row that bears a date, from the first instant of the next day.
    pub fn start_of_date(self, next_day: Timestamp) -> Timestamp {
        match self {
            Self::Start => next_day,
            Self::EndOfMonth | Self::EndOfYear(_) => next_day.saturating_sub(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MIN),
        }
    }

    /// The boundary from which a start counts, in the rule's zone.
    fn counted_from(self, start: Timestamp, zone: &TimeZone) -> Timestamp {
        match self.next_boundary(zone.to_datetime(start).date()) {
            _ if self == Self::Start || fault::seeded("start-at-ignored") => start,
            Some(boundary) => opening(boundary.at(0, 0, 0, 0), zone).unwrap_or(Timestamp::MAX),
            None => Timestamp::MAX,
        }
    }

    fn cutoff(self, period: &Period, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let earliest = period.cutoff(now, zone);
        if self == Self::Start || fault::seeded("start-at-ignored") {
            return earliest;
        }
        // Midnight is never three days away from the instant at which its day begins in UTC.
        let Ok(mut date) = zone.to_datetime(earliest).date().checked_sub(3.days()) else { return Timestamp::MIN };
        while let Some(boundary) = self.next_boundary(date) {
            if opening(boundary.at(0, 0, 0, 0), zone).is_none_or(|from| period.end(from, zone) > now) {
                return first_instant(self.beginning(date), zone);
            }
            date = boundary;
        }
        // Every month or year that the calendar has an end of has ended.
        first_instant(self.beginning(date), zone)
    }

    /// The first day of the next month or year; `None` beyond the calendar.
    fn next_boundary(self, date: Date) -> Option<Date> {
        match self {
            Self::Start => None,
            Self::EndOfMonth => date.first_of_month().checked_add(1.month()).ok(),
            Self::EndOfYear(start) => self.beginning(date).checked_add(1.year()).ok().map(|next| start.in_year(next.year())),
        }
    }

    /// The first day of the month or year in which a day lies.
    fn beginning(self, date: Date) -> Date {
        match self {
            Self::Start => date,
            Self::EndOfMonth => date.first_of_month(),
            Self::EndOfYear(start) => {
                let this = start.in_year(date.year());
                if this <= date { this } else { start.in_year(date.year().saturating_sub(1).max(Date::MIN.year())) }
            }
        }
    }
}

/// As a rule says it, in one text: `start`, `end_of_month`, `end_of_year 01-01`.
impl fmt::Display for StartAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::EndOfMonth => f.write_str("end_of_month"),
            Self::EndOfYear(start) => write!(f, "end_of_year {start}"),
        }
    }
}

impl FromStr for StartAt {
    type Err = YearStartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(' ') {
            None if text == "start" => Ok(Self::Start),
            None if text == "end_of_month" => Ok(Self::EndOfMonth),
            Some(("end_of_year", start)) => start.parse().map(Self::EndOfYear),
            _ => Err(YearStartError::NotADay),
        }
    }
}

/// `fiscal_year_start`: the day on which years begin. Never 29 February, which most years lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YearStart {
    month: i8,
    day: i8,
}

/// Why a text is no [`YearStart`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum YearStartError {
    #[error("expected a month and a day, such as \"05-01\"")]
    NotADay,
    #[error("most years have no 29 February")]
    LeapDay,
}

impl YearStart {
    /// The first day of the year that begins in this year of the calendar.
    fn in_year(self, year: i16) -> Date {
        Date::new(year, self.month, self.day).expect("every year has the days that can be named, 29 February excepted")
    }
}

impl Default for YearStart {
    /// 1 January.
    fn default() -> Self {
        Self { month: 1, day: 1 }
    }
}

impl FromStr for YearStart {
    type Err = YearStartError;

    /// Reads `MM-DD`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let two = |part: &str| (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok()).flatten();
        let (month, day) = text.split_once('-').and_then(|(month, day)| Some((two(month)?, two(day)?))).ok_or(YearStartError::NotADay)?;
        if (month, day) == (2, 29) {
            return Err(YearStartError::LeapDay);
        }
        // A year like most.
        Date::new(2001, month, day).map_err(|_| YearStartError::NotADay)?;
        Ok(Self { month, day })
    }
}

impl fmt::Display for YearStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::policy::period::{
        properties::{check, period, place_and_instant},
        reference,
    };

    fn length(start_at: StartAt, keep_for: Period, floor: Option<Period>) -> Length {
        Length { floor, ..Length::of(keep_for, start_at) }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn years(text: &str) -> StartAt {
        StartAt::EndOfYear(text.parse().unwrap())
    }

    #[test]
    fn periods_count_from_the_end_of_the_month_or_year() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (start_at, period, start, end) in [
            (StartAt::EndOfMonth, "1 month", "2024-01-31T12:00:00Z", "2024-02-29T23:00:00Z"),
            (StartAt::EndOfMonth, "0 days", "2024-01-31T22:59:59.999999Z", "2024-01-31T23:00:00Z"),
            (StartAt::EndOfMonth, "0 days", "2024-01-31T23:00:00Z", "2024-02-29T23:00:00Z"),
            (years("01-01"), "10 years", "2015-03-01T00:00:00Z", "2025-12-31T23:00:00Z"),
            (years("05-01"), "7 years", "2016-04-30T21:59:59Z", "2023-04-30T22:00:00Z"),
            (years("05-01"), "7 years", "2016-04-30T22:00:00Z", "2024-04-30T22:00:00Z"),
        ] {
            let length = length(start_at, period.parse().unwrap(), None);
            assert_eq!(length.end(at(start), &berlin), at(end), "{start_at}, {period}, {start}");
        }
    }

    #[test]
    fn a_date_counts_in_the_year_that_it_bears() {
        let length = length(years("01-01"), "1 year".parse().unwrap(), None);
        let due = |now: &str| {
            let date = length.thresholds(length.cutoff(at(now), &TimeZone::UTC), Some(&TimeZone::UTC)).date.unwrap();
            jiff::civil::date(2023, 12, 31) < date
        };
        assert!(due("2025-01-01T00:00:00Z") && !due("2024-12-31T23:59:59Z"));
        assert_eq!(length.start_at.start_of_date(at("2024-01-01T00:00:00Z")), at("2023-12-31T23:59:59.999999Z"));
    }

    #[test]
    fn the_later_end_of_period_and_floor_wins() {
        let both = length(StartAt::Start, "30 days".parse().unwrap(), Some("1 month".parse().unwrap()));
        let now = at("2024-03-31T12:00:00Z");
        let month = both.floor_alone().unwrap().cutoff(now, &TimeZone::UTC);
        assert_eq!((both.cutoff(now, &TimeZone::UTC), month), (month, at("2024-03-01T00:00:00Z")));
    }

    #[test]
    fn what_a_rule_says_is_read_again() {
        for start_at in [StartAt::Start, StartAt::EndOfMonth, years("01-01"), years("12-31")] {
            assert_eq!(start_at.to_string().parse(), Ok(start_at));
        }
        for wrong in ["", "1-1", "13-01", "02-30", "05-01 ", "05/01", "+1-01"] {
            assert_eq!(wrong.parse::<YearStart>(), Err(YearStartError::NotADay), "{wrong}");
        }
        assert_eq!("02-29".parse::<YearStart>(), Err(YearStartError::LeapDay));
    }

    /// The first second from which on no clock shows a day before this one.
    fn surely_begun(day: Date, zone: &TimeZone) -> Timestamp {
        let first = reference::first_instant(day, zone);
        let comes_back = |second: &i64| zone.to_datetime(first + SignedDuration::from_secs(*second)).date() < day;
        first + SignedDuration::from_secs((0..26 * 3_600).rev().find(comes_back).map_or(0, |second| second + 1))
    }

    fn start_at() -> impl Strategy<Value = StartAt> {
        let year =
            (1_i8..=12, prop_oneof![2 => Just(1_i8), 1 => 2_i8..=28]).prop_map(|(month, day)| StartAt::EndOfYear(YearStart { month, day }));
        prop_oneof![Just(StartAt::EndOfMonth), year]
    }

    #[test]
    fn boundaries_are_those_of_the_calendar() {
        let turned = Cell::new(0);
        check(600, &(place_and_instant(), start_at()), &[("a year that begins within a month", &turned)], |((place, start), start_at)| {
            let zone = &place.zone;
            let begins = |day: Date| match start_at {
                StartAt::EndOfYear(year) => (day.month(), day.day()) == (year.month, year.day),
                _ => day.day() == 1,
            };
            let mut day = zone.to_datetime(start).date().tomorrow().unwrap();
            while !begins(day) {
                day = day.tomorrow().unwrap();
            }
            turned.set(turned.get() + u32::from(day.day() > 1));
            prop_assert_eq!(start_at.counted_from(start, zone), surely_begun(day, zone));
            Ok(())
        });
    }

    #[test]
    fn the_cut_off_is_the_smallest_start_that_ends_later() {
        let due = Cell::new(0);
        let cases = (place_and_instant(), start_at(), period(), -800_i64..800);
        check(2_000, &cases, &[("due", &due)], |((place, now), start_at, period, hours)| {
            let (length, zone) = (length(start_at, period, None), &place.zone);
            let cutoff = length.cutoff(now, zone);
            prop_assert!(length.end(cutoff, zone) > now, "the cut-off itself has not ended");
            let near = cutoff + SignedDuration::from_hours(hours);
            for start in [near, cutoff - SignedDuration::from_micros(1)] {
                let ended = length.end(start, zone) <= now;
                due.set(due.get() + u32::from(start < cutoff));
                prop_assert!(start >= cutoff || ended, "due implies ended: {start}");
            }
            Ok(())
        });
    }
}
