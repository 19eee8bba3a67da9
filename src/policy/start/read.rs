//! Reads one raw value as the statements do.

use std::sync::LazyLock;

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime},
    tz::{Offset, TimeZone},
};
use regex_lite::Regex;

use super::{COMPACT, DATE, ISO_NAIVE, ISO_OFFSET, WHOLE_NUMBER, end_of_day};
use crate::policy::{
    StartFormat,
    period::{from_microsecond, resolve},
};

/// Digits of a fraction down to the microsecond; one that isn't zero beyond them makes it the next microsecond.
const FRACTION: usize = 6;

/// The instant that a raw value in this format names, read as the statements read it.
///
/// `None`: it can't be read, or it carries no zone and the source names none. Instants that jiff can't represent are
/// the first or the last that it can.
pub fn read(text: &str, format: StartFormat, naive_zone: Option<&TimeZone>) -> Option<Timestamp> {
    match format {
        StartFormat::UnixS => whole_number(text, 1_000_000),
        StartFormat::UnixMs => whole_number(text, 1_000),
        StartFormat::UnixUs => whole_number(text, 1),
        StartFormat::Compact => compact(text, naive_zone?),
        StartFormat::Date => date(text, naive_zone?),
        StartFormat::Timestamp => with_offset(text).or_else(|| naive(text, naive_zone?)),
        StartFormat::Iso8601 => with_offset(text).or_else(|| naive(text, naive_zone?)).or_else(|| date(text, naive_zone?)),
    }
}

/// Whether a value that can be [read](fn@read) in this format is a date without a time.
pub fn bears_a_date(text: &str, format: StartFormat) -> bool {
    static SYNTAX: LazyLock<Regex> = LazyLock::new(|| pattern(DATE));
    matches!(format, StartFormat::Date | StartFormat::Iso8601) && SYNTAX.is_match(text)
}

fn whole_number(text: &str, micros: i64) -> Option<Timestamp> {
    static SYNTAX: LazyLock<Regex> = LazyLock::new(|| pattern(WHOLE_NUMBER));
    let number: i64 = SYNTAX.is_match(text).then(|| text.parse().ok())??;
    Some(from_microsecond(number.saturating_mul(micros)))
}

/// The instant that a number of a numeric column names, which may have a fraction or an exponent; `None` for formats that
/// are no numbers, and for what has more digits than any instant.
pub fn read_number(text: &str, format: StartFormat) -> Option<Timestamp> {
    const LONGEST: usize = 36;
    static SYNTAX: LazyLock<Regex> = LazyLock::new(|| pattern("^(-?)([0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?$"));
    let unit: i32 = match format {
        StartFormat::UnixS => 6,
        StartFormat::UnixMs => 3,
        StartFormat::UnixUs => 0,
        _ => return None,
    };
    let parts = SYNTAX.captures(text)?;
    let part = |number: usize| parts.get(number).map_or("", |part| part.as_str());
    let fraction = part(3).trim_end_matches('0');
    let digits = format!("{}{fraction}", part(2).trim_start_matches('0'));
    let exponent = part(4).trim_start_matches('+').parse::<i32>().unwrap_or(0);
    let shift = unit + exponent - i32::try_from(fraction.len()).ok()?;
    if digits.len() > LONGEST {
        return None;
    }
    let number: i128 = format!("{}0{digits}", part(1)).parse().ok()?;
    let power = 10_i128.checked_pow(shift.unsigned_abs());
    let micros = match (shift >= 0, power) {
        (true, Some(power)) => number.checked_mul(power)?,
        // Rounded up: what is finer than a microsecond counts as the next one.
        (false, Some(power)) => number.div_euclid(power) + i128::from(number.rem_euclid(power) > 0),
        (true, None) => return None,
        (false, None) => i128::from(number > 0),
    };
    Some(from_microsecond(i64::try_from(micros).ok()?))
}

fn compact(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    static SYNTAX: LazyLock<Regex> = LazyLock::new(|| pattern(COMPACT));
    if !SYNTAX.is_match(text) {
        return None;
    }
    let at = |from: usize| text[from..from + 2].parse().ok();
    let date = Date::new(text[..4].parse().ok()?, at(4)?, at(6)?).ok()?;
    Some(resolve(date.at(at(8)?, at(10)?, at(12)?, 0), zone))
}

fn date(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    static SYNTAX: LazyLock<Regex> = LazyLock::new(|| pattern(DATE));
    SYNTAX.is_match(text).then(|| Some(end_of_day(text.parse().ok()?, zone)))?
}

fn naive(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    static SYNTAX: LazyLock<Regex> = LazyLock::new(|| pattern(ISO_NAIVE));
    SYNTAX.is_match(text).then(|| Some(resolve(date_and_time(text)?, zone)))?
}

fn with_offset(text: &str) -> Option<Timestamp> {
    static SYNTAX: LazyLock<Regex> = LazyLock::new(|| pattern(ISO_OFFSET));
    if !SYNTAX.is_match(text) {
        return None;
    }
    // A date has ten characters, and its dashes are no signs.
    let start = 10 + text[10..].find(['Z', 'z', '+', '-'])?;
    let (time, offset) = text.split_at(start);
    Some(resolve(date_and_time(time)?, &TimeZone::fixed(offset_of(offset)?)))
}

/// `Z`, `+HH`, `+HHMM` or `+HH:MM`.
fn offset_of(text: &str) -> Option<Offset> {
    let Some(sign) = text.strip_prefix(['Z', 'z']).is_none().then(|| if text.starts_with('-') { -1 } else { 1 }) else {
        return Some(Offset::UTC);
    };
    let hours: i32 = text[1..3].parse().ok()?;
    let minutes: i32 = text[3..].trim_start_matches(':').parse().unwrap_or(0);
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

/// `YYYY-MM-DD`, `T` or a space, `HH:MM[:SS[.fraction]]`, of which the syntax is known to be right.
fn date_and_time(text: &str) -> Option<DateTime> {
    let date: Date = text[..10].parse().ok()?;
    let (whole, fraction) = text[11..].split_once(['.', ',']).unwrap_or((&text[11..], ""));
    let mut parts = whole.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let micros: i32 = format!("{:0<FRACTION$.FRACTION$}", fraction).parse().ok()?;
    let finer = fraction.get(FRACTION..).is_some_and(|rest| rest.contains(|digit| digit != '0'));
    Some(date.at(hour, minute, second, micros * 1_000).saturating_add(i64::from(finer).microseconds()))
}

fn pattern(syntax: &str) -> Regex {
    Regex::new(syntax).expect("the patterns of `syntax` are constants, and tests compile each")
}
