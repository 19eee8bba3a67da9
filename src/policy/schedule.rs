//! When a rule is swept: cron patterns of five fields, or six with seconds, in a time zone.
//!
//! The arithmetic is croner's: a fixed hour that a clock change skips comes at the first instant after the gap, one that
//! occurs twice comes once, at the first; a pattern that repeats within the hour follows the wall clock through both. What
//! is told of a pattern that can't be read is decided here, field by field.

use std::{fmt, ops::Range, str::FromStr, sync::Arc};

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use crate::diagnostic::suggest::nearest;

/// A cron pattern. Two are equal if they are written alike.
#[derive(Clone)]
pub struct Schedule {
    text: Arc<str>,
    cron: Arc<Cron>,
}

/// The fields from the right: the seconds come first, where they are written at all.
const FIELDS: [Field; 6] = [
    Field { name: "day of the week", values: "0 to 7 (0 and 7 are Sunday) or SUN to SAT", words: &WEEKDAYS },
    Field { name: "month", values: "1 to 12 or JAN to DEC", words: &MONTHS },
    Field { name: "day of the month", values: "1 to 31, or L for the last", words: &[] },
    Field { name: "hour", values: "0 to 23", words: &[] },
    Field { name: "minute", values: "0 to 59", words: &[] },
    Field { name: "second", values: "0 to 59", words: &[] },
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

struct Field {
    name: &'static str,
    values: &'static str,
    words: &'static [&'static str],
}

impl Schedule {
    /// The first occurrence later than `after`; `None`: there is none before the end of time.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        /// Where a zone skips a whole day the search gives up in the gap: it is begun again from later, up to behind it.
        const HOURS: i64 = 26;
        let from = |hours: i64| after.checked_add(SignedDuration::from_hours(hours)).ok();
        (0..HOURS).find_map(|hours| {
            let next = self.cron.find_next_occurrence(&from(hours)?.to_zoned(zone.clone()), false).ok()?;
            Some(next.timestamp())
        })
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let fields = words(text);
        let whole = 0..text.len();
        if let Some(nickname) = fields.first().and_then(|field| text[field.clone()].strip_prefix('@')) {
            return Err(InvalidSchedule {
                message: "a pattern has five fields, or six with seconds".to_owned(),
                at: whole,
                help: spelt_out(nickname),
            });
        }
        if !(5..=6).contains(&fields.len()) {
            let message = format!("a pattern has five fields, or six with seconds, not {}", fields.len());
            let help = "the fields are minute, hour, day of the month, month, day of the week: \"0 2 * * *\" is every night at two";
            return Err(InvalidSchedule { message, at: whole, help: Some(help.to_owned()) });
        }
        if let Some((index, at)) = fields.iter().enumerate().find(|(index, at)| !stands_alone(fields.len(), *index, &text[(*at).clone()])) {
            return Err(misread(&FIELDS[fields.len() - 1 - index], text, at.clone()));
        }
        let cron = parser().parse(text).map_err(|error| InvalidSchedule { message: error.to_string(), at: whole.clone(), help: None })?;
        let never = || InvalidSchedule {
            message: "no day is like that, so it would never come".to_owned(),
            at: whole.clone(),
            help: Some("look at the day of the month and the month".to_owned()),
        };
        // Every combination of leap day and weekday comes within 28 years of this.
        cron.find_next_occurrence(&DateTime::constant(2026, 1, 1, 0, 0, 0, 0), true).map_err(|_| never())?;
        Ok(Self { text: text.into(), cron: Arc::new(cron) })
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build()
}

/// Whether a field is right by itself, with any value in all others.
fn stands_alone(fields: usize, index: usize, field: &str) -> bool {
    let pattern: Vec<&str> = (0..fields).map(|other| if other == index { field } else { "*" }).collect();
    parser().parse(&pattern.join(" ")).is_ok()
}

fn misread(field: &Field, text: &str, at: Range<usize>) -> InvalidSchedule {
    let written = &text[at.clone()];
    let near = written
        .split(|character: char| !character.is_ascii_alphabetic())
        .filter(|word| !word.is_empty() && !field.words.contains(&word.to_uppercase().as_str()))
        .find_map(|word| nearest(word, field.words.iter().copied()));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the {} is {}; lists, ranges and steps are written `1,15`, `1-5` and `*/10`", field.name, field.values),
    };
    InvalidSchedule { message: format!("`{written}` is no {}", field.name), at, help: Some(help) }
}

/// What stands for the names that some crons have for a pattern.
fn spelt_out(nickname: &str) -> Option<String> {
    const NAMES: [(&str, &str); 5] =
        [("hourly", "0 * * * *"), ("daily", "0 0 * * *"), ("weekly", "0 0 * * 0"), ("monthly", "0 0 1 * *"), ("yearly", "0 0 1 1 *")];
    let near = nearest(nickname, NAMES.map(|(name, _)| name))?;
    NAMES.iter().find(|(name, _)| *name == near).map(|(_, pattern)| format!("write \"{pattern}\""))
}

/// The bytes of each field.
fn words(text: &str) -> Vec<Range<usize>> {
    let start = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    text.split_whitespace().map(|word| start(word)..start(word) + word.len()).collect()
}

impl Default for Schedule {
    /// Every night at two.
    fn default() -> Self {
        "0 2 * * *".parse().expect("the default is a pattern, and a test parses it")
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({:?})", self.text)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidSchedule {
    pub message: String,
    /// The bytes of the text that are wrong.
    pub at: Range<usize>,
    pub help: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrences(pattern: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let (schedule, zone) = (pattern.parse::<Schedule>().unwrap(), TimeZone::get(zone).unwrap());
        let mut at: Timestamp = after.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            at = schedule.next_after(at, &zone).unwrap();
            found.push(at.to_string());
        }
        found
    }

    #[test]
    fn five_fields_count_minutes_and_six_seconds() {
        assert_eq!(occurrences("0 2 * * *", "UTC", "2026-03-01T02:00:00Z", 2), ["2026-03-02T02:00:00Z", "2026-03-03T02:00:00Z"]);
        assert_eq!(occurrences("*/20 * * * * *", "UTC", "2026-03-01T02:00:00.5Z", 2), ["2026-03-01T02:00:20Z", "2026-03-01T02:00:40Z"]);
        assert_eq!(Schedule::default().as_str(), "0 2 * * *");
    }

    #[test]
    fn an_hour_that_is_skipped_comes_behind_the_gap_and_one_that_is_repeated_comes_once() {
        let spring = occurrences("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(spring, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        let autumn = occurrences("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn a_day_that_a_zone_skips_is_stepped_over() {
        // Samoa went from 29 to 31 December 2011.
        assert_eq!(occurrences("0 2 * * *", "Pacific/Apia", "2011-12-29T13:00:00Z", 1), ["2011-12-30T12:00:00Z"]);
    }

    #[test]
    fn a_leap_day_is_worth_waiting_for() {
        assert_eq!(occurrences("0 2 29 2 *", "UTC", "2026-03-01T00:00:00Z", 1), ["2028-02-29T02:00:00Z"]);
    }

    #[test]
    fn each_mistake_is_told_of_its_field() {
        let told = |text: &str| {
            let error = text.parse::<Schedule>().unwrap_err();
            (error.message, text[error.at].to_owned(), error.help.unwrap_or_default())
        };
        assert_eq!(told("0 25 * * *").1, "25");
        assert_eq!(told("0 25 * * *").0, "`25` is no hour");
        assert_eq!(told("0 2 * * MNO"), ("`MNO` is no day of the week".to_owned(), "MNO".to_owned(), "did you mean `MON`?".to_owned()));
        assert_eq!(told("61 0 2 * * *").0, "`61` is no second");
        assert_eq!(told("0 2 * *").0, "a pattern has five fields, or six with seconds, not 4");
        assert_eq!(told("@dayly").2, "write \"0 0 * * *\"");
        assert_eq!(told("0 2 30 2 *").0, "no day is like that, so it would never come");
        assert_eq!(told("").1, "");
    }
}
