//! Starts as columns hold them: an instant said in every raw form, so that `start < cutoff` is one comparison on the
//! column itself, and the syntax of starts that are text.
//!
//! [`Thresholds`] is the comparison, `syntax` the regular expressions that every engine understands, `read` reads one
//! raw value as the statements do. A new format is a variant of [`StartFormat`](super::StartFormat), a pattern, an arm in
//! [`read`](fn@read), and a threshold unless it has one.
//!
//! # Why one comparison on the raw column is enough
//!
//! Reading a naive time in a zone never makes it earlier than reading an earlier one (`period::resolve` keeps the order), and
//! the same holds for the first instant after a day. So the naive values whose instant is before an instant `c` are all
//! those below the smallest value whose instant isn't: `instant(v) < c` exactly if `v < threshold(c)`.
//!
//! # Why a finer value is rounded up
//!
//! Clocks and cut-offs count in microseconds: the cut-off is the smallest *microsecond* whose end is after now. A value
//! between the last microsecond that is due and the cut-off is below the cut-off, and yet it may end after now, by less
//! than a microsecond. So a value with a non-zero digit beyond the microsecond counts as the next one, which never ends
//! earlier. What it means for statements is said in [`Thresholds::a_microsecond_earlier`].

mod read;
mod syntax;
#[cfg(test)]
mod tests;

use jiff::{
    RoundMode, SignedDuration, Timestamp, ToSpan as _, Unit,
    civil::{Date, DateTime, DateTimeRound},
    tz::TimeZone,
};

pub use self::{
    read::{bears_a_date, read, read_number},
    syntax::{COMPACT, DATE, ISO_DATE, ISO_NAIVE, ISO_OFFSET, WHOLE_NUMBER},
};
use super::period::{first_instant, from_microsecond, resolve};
use crate::clock::whole_microseconds;

/// An instant, in whole microseconds, said in every form that a column can hold.
///
/// A value `v` of a column is before the instant exactly if `v < threshold`, with the threshold of the column's form.
/// Forms that carry no zone have one only where the source says in which zone they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds {
    /// For values that name an instant themselves.
    pub instant: Timestamp,
    /// The smallest naive time that isn't before the instant.
    pub naive: Option<DateTime>,
    /// The smallest date that isn't: a date counts from the first instant of the next day.
    pub date: Option<Date>,
}

impl Thresholds {
    /// Says `instant` in the forms of a source whose naive values are read in `naive_zone`.
    pub fn at(instant: Timestamp, naive_zone: Option<&TimeZone>) -> Self {
        Self {
            instant,
            naive: naive_zone.map(|zone| smallest_naive(instant, zone)),
            date: naive_zone.map(|zone| smallest_date(instant, zone)),
        }
    }

    /// The same where a date stands for the last microsecond of its own day, and not for the first of the next.
    pub fn in_the_day(instant: Timestamp, naive_zone: Option<&TimeZone>) -> Self {
        let behind = from_microsecond(instant.as_microsecond().saturating_add(1));
        Self { date: naive_zone.map(|zone| smallest_date(behind, zone)), ..Self::at(instant, naive_zone) }
    }

    /// The last microsecond before: a value of any precision, rounded up to the microsecond, is below the threshold
    /// exactly if the value itself is at most this.
    ///
    /// There is no such date: dates don't differ by microseconds.
    pub fn a_microsecond_earlier(&self) -> Self {
        Self {
            instant: from_microsecond(self.unix_us().saturating_sub(1)),
            naive: self.naive.map(|naive| naive.saturating_sub(1.microsecond())),
            date: None,
        }
    }

    /// For whole numbers of seconds since 1970: the instant, rounded up.
    pub fn unix_s_ceil(&self) -> i64 {
        div_ceil(self.unix_us(), 1_000_000)
    }

    /// For whole numbers of milliseconds since 1970: the instant, rounded up.
    pub fn unix_ms_ceil(&self) -> i64 {
        div_ceil(self.unix_us(), 1_000)
    }

    /// For whole numbers of microseconds since 1970.
    pub fn unix_us(&self) -> i64 {
        self.instant.as_microsecond()
    }

    /// For numbers of seconds with a fraction: a decimal such as `-1.500000`.
    pub fn unix_s_exact(&self) -> String {
        let size = self.unix_us().unsigned_abs();
        format!("{}{}.{:06}", self.sign(), size / 1_000_000, size % 1_000_000)
    }

    /// For numbers of milliseconds with a fraction: a decimal such as `1500.000`.
    pub fn unix_ms_exact(&self) -> String {
        let size = self.unix_us().unsigned_abs();
        format!("{}{}.{:03}", self.sign(), size / 1_000, size % 1_000)
    }

    fn sign(&self) -> &'static str {
        if self.unix_us() < 0 { "-" } else { "" }
    }

    /// For YYYYMMDDHHMMSS, as text or as a number: the smallest whole second that isn't before the instant.
    pub fn compact(&self) -> Option<String> {
        let up = DateTimeRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
        self.naive.map(|naive| match naive.round(up) {
            Ok(second) => common_era(second).strftime("%Y%m%d%H%M%S").to_string(),
            // The last second of the year 9999 has begun: every value of this form is before it.
            Err(_) => "99999999999999".to_owned(),
        })
    }

    /// The naive threshold as `YYYY-MM-DD HH:MM:SS.ffffff`, for a literal of a native type.
    ///
    /// Text columns whose values differ in precision are not ordered byte by byte against it.
    pub fn naive_text(&self) -> Option<String> {
        self.naive.map(|naive| common_era(naive).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string())
    }

    /// The instant in UTC as RFC 3339 with six digits of a second.
    pub fn instant_text(&self) -> String {
        common_era(TimeZone::UTC.to_datetime(self.instant)).strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }

    /// The instant as the naive time that it is in UTC, like [`Thresholds::naive_text`].
    pub fn utc_text(&self) -> String {
        common_era(TimeZone::UTC.to_datetime(self.instant)).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
    }

    /// The date threshold as `YYYY-MM-DD`; dates in text are in its order too.
    pub fn date_text(&self) -> Option<String> {
        self.date.map(|date| common_era(date.at(0, 0, 0, 0)).strftime("%Y-%m-%d").to_string())
    }
}

/// The start of a row that bears a date: the first instant of the next day.
fn end_of_day(date: Date, zone: &TimeZone) -> Timestamp {
    date.tomorrow().map_or(Timestamp::MAX, |next| first_instant(next, zone))
}

/// The smallest naive time, in whole microseconds, whose instant isn't before `instant`: by bisection, since a zone is
/// never two days away from UTC.
fn smallest_naive(instant: Timestamp, zone: &TimeZone) -> DateTime {
    let base = TimeZone::UTC.to_datetime(whole_microseconds(instant)).saturating_sub(2.days());
    let naive = |micros: i64| base.saturating_add(SignedDuration::from_micros(micros));
    let (mut low, mut high) = (0, SignedDuration::from_hours(4 * 24).as_secs() * 1_000_000);
    while low < high {
        let middle = low + (high - low) / 2;
        if resolve(naive(middle), zone) < instant { low = middle + 1 } else { high = middle }
    }
    naive(low)
}

/// The smallest date whose start isn't before `instant`.
fn smallest_date(instant: Timestamp, zone: &TimeZone) -> Date {
    let mut date = TimeZone::UTC.to_datetime(instant).date().saturating_sub(3.days());
    while end_of_day(date, zone) < instant {
        // The end of the last day is `Timestamp::MAX`, which ends the loop before the calendar does.
        date = date.saturating_add(1.day());
    }
    date
}

/// A cut-off before the year 1 as the first instant of that year: the notations have no sign, and a database has no
/// rows from then that a period of at most 1,000 years could reach.
fn common_era(time: DateTime) -> DateTime {
    time.max(jiff::civil::date(1, 1, 1).at(0, 0, 0, 0))
}

/// `n / unit`, rounded up.
fn div_ceil(n: i64, unit: i64) -> i64 {
    n.div_euclid(unit) + i64::from(n.rem_euclid(unit) > 0)
}
