//! The words of a period: "1 year 6 months", "P1Y6M".

use std::{fmt, str::FromStr};

use super::Period;

/// 1,000 years of 365.2425 days, in thousandths of an hour.
const LONGEST: u64 = 12_000 * MONTH;
/// A twelfth of 365.2425 days, in thousandths of an hour.
const MONTH: u64 = 730_485;

/// Units in the order of ISO 8601: name, letter, and what people write instead.
const UNITS: [(Unit, &str, char, &[&str]); 5] = [
    (Unit::Years, "years", 'Y', &["y", "yr", "yrs"]),
    (Unit::Months, "months", 'M', &["m", "mo", "mon", "mons", "mth", "mths"]),
    (Unit::Weeks, "weeks", 'W', &["w", "wk", "wks"]),
    (Unit::Days, "days", 'D', &["d"]),
    (Unit::Hours, "hours", 'H', &["h", "hr", "hrs"]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Years,
    Months,
    Weeks,
    Days,
    Hours,
}

/// Why a text is no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error("a period can't be empty: write one such as \"3 years\" or \"30 days\"")]
    Empty,
    #[error("a period can't be negative: rows can't end before they start")]
    Negative,
    #[error("a period can't be fractional: write \"18 months\" instead of \"1.5 years\"")]
    Fractional,
    #[error("`{unit}` is not a unit of a period: use years, months, weeks, days or hours{}", did_you_mean(.suggestion.as_deref()))]
    UnknownUnit { unit: String, suggestion: Option<String> },
    #[error("`{letter}` can't stand there: ISO 8601 writes \"P1Y6M2DT12H\", with a T before the hours, and hours are the smallest unit")]
    Designator { letter: char },
    #[error("`{number}` has no unit: write \"{number} days\", or another of years, months, weeks and hours")]
    NoUnit { number: String },
    #[error("expected a number at `{found}`: write a period such as \"1 year 6 months\", \"30 days\" or \"P1Y6M\"")]
    NoNumber { found: String },
    #[error("`{unit}` appear twice: add them up")]
    Twice { unit: &'static str },
    #[error("a period can't be longer than 1,000 years: what never ends is `action = \"keep\"` without `keep_for`")]
    TooLong,
}

impl PeriodError {
    /// The unit that was probably meant.
    pub fn suggestion(&self) -> Option<&str> {
        match self {
            Self::UnknownUnit { suggestion, .. } => suggestion.as_deref(),
            _ => None,
        }
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |unit| format!(" (did you mean `{unit}`?)"))
}

/// Counts of each unit as they are read, in the order of [`UNITS`].
#[derive(Default)]
struct Counts([Option<u64>; UNITS.len()]);

impl Counts {
    fn add(&mut self, unit: Unit, count: u64) -> Result<(), PeriodError> {
        match self.0[unit as usize].replace(count) {
            None => Ok(()),
            Some(_) => Err(PeriodError::Twice { unit: UNITS[unit as usize].1 }),
        }
    }

    fn into_period(self) -> Result<Period, PeriodError> {
        let [years, months, weeks, days, hours] = self.0.map(Option::unwrap_or_default);
        let months = years.saturating_mul(12).saturating_add(months);
        let days = weeks.saturating_mul(7).saturating_add(days);
        let total = months.saturating_mul(MONTH).saturating_add(days.saturating_mul(24_000)).saturating_add(hours.saturating_mul(1_000));
        if total > LONGEST {
            return Err(PeriodError::TooLong);
        }
        let fits = |count: u64| u32::try_from(count).map_err(|_| PeriodError::TooLong);
        Ok(Period { months: fits(months)?, days: fits(days)?, hours: fits(hours)? })
    }
}

impl Period {
    /// Reads "3 years", "1 year 6 months", "0 days", "P7Y", "PT12H".
    ///
    /// # Errors
    ///
    /// Negative, fractional, longer than 1,000 years, or not a period at all; the message says what to write.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(PeriodError::Empty);
        }
        match text.strip_prefix(['P', 'p']) {
            Some(body) => parse_iso(text, body),
            None => parse_words(text),
        }
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        Self::parse(text)
    }
}

/// "1 year 6 months".
fn parse_words(text: &str) -> Result<Period, PeriodError> {
    let mut counts = Counts::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (count, after) = take_number(rest)?;
        let after = after.trim_start();
        let length = after.find(|c: char| c.is_whitespace() || c.is_ascii_digit()).unwrap_or(after.len());
        let (word, next) = after.split_at(length);
        if word.is_empty() {
            return Err(PeriodError::NoUnit { number: count.to_string() });
        }
        counts.add(unit_of_word(word)?, count)?;
        rest = next.trim_start();
    }
    counts.into_period()
}

/// "P1Y6M", of which `body` is "1Y6M".
fn parse_iso(text: &str, body: &str) -> Result<Period, PeriodError> {
    let mut counts = Counts::default();
    let mut rest = body;
    let mut time_of_day = false;
    loop {
        if let Some(after) = rest.strip_prefix(['T', 't'])
            && !time_of_day
        {
            time_of_day = true;
            rest = after;
        }
        if rest.is_empty() {
            return Err(PeriodError::NoNumber { found: text.to_owned() });
        }
        let (count, after) = take_number(rest)?;
        let Some(letter) = after.chars().next() else {
            return Err(PeriodError::NoUnit { number: count.to_string() });
        };
        counts.add(unit_of_letter(letter, time_of_day)?, count)?;
        rest = &after[letter.len_utf8()..];
        if rest.is_empty() {
            return counts.into_period();
        }
    }
}

/// A whole number from the start of `text`, and what follows it.
fn take_number(text: &str) -> Result<(u64, &str), PeriodError> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    if rest.starts_with(['.', ',', '/', '½']) {
        return Err(PeriodError::Fractional);
    }
    if digits.is_empty() {
        let negative = rest.starts_with(['-', '\u{2212}']);
        return Err(if negative { PeriodError::Negative } else { PeriodError::NoNumber { found: text.to_owned() } });
    }
    Ok((digits.parse().map_err(|_| PeriodError::TooLong)?, rest))
}

fn unit_of_word(word: &str) -> Result<Unit, PeriodError> {
    let lower = word.to_ascii_lowercase();
    let singular = |name: &'static str| name.trim_end_matches('s');
    if let Some((unit, ..)) = UNITS.iter().find(|(_, name, ..)| lower == *name || lower == singular(name)) {
        return Ok(*unit);
    }
    let short = UNITS.iter().find(|(.., shorts)| shorts.contains(&lower.as_str()));
    let close = || {
        UNITS
            .iter()
            .map(|unit| (strsim::damerau_levenshtein(&lower, unit.1).min(strsim::damerau_levenshtein(&lower, singular(unit.1))), unit))
            .filter(|(distance, _)| *distance <= 2)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, unit)| unit)
    };
    let suggestion = short.or_else(close).map(|(_, name, ..)| (*name).to_owned());
    Err(PeriodError::UnknownUnit { unit: word.to_owned(), suggestion })
}

/// The unit of a designator. Months and weeks belong before the `T` of ISO 8601, hours after it.
fn unit_of_letter(letter: char, time_of_day: bool) -> Result<Unit, PeriodError> {
    let upper = letter.to_ascii_uppercase();
    match UNITS.iter().find(|(_, _, designator, _)| *designator == upper) {
        Some((unit, ..)) if (*unit == Unit::Hours) == time_of_day => Ok(*unit),
        _ => Err(PeriodError::Designator { letter }),
    }
}

/// The canonical words: "1 year 6 months 14 days 12 hours", "0 days".
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [(self.months / 12, "year"), (self.months % 12, "month"), (self.days, "day"), (self.hours, "hour")];
        let words: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, unit)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        f.write_str(if words.is_empty() { "0 days".to_owned() } else { words.join(" ") }.as_str())
    }
}
