//! When a row ends: which dates count, in which tables they stand, and how long the row is kept from there.
//!
//! [`Term`] is what `start` and `keep_for`, or `ends`, say. What is read of a row makes a [`Resolved`] of it, which knows the end; how long
//! a period is, is `length`'s. A new kind of date is a field of [`Dated`]; a new way to combine them is a variant of [`Which`].
//!
//! # What is missing, and what can't be read
//!
//! Law 1 forbids to guess. In a *latest* a missing date may be one that is yet to come, so the row is undated, unless the rule says
//! that it may be missing; in an *earliest* what is missing has not ended anything. A date that is there and can't be read leaves the row undated
//! in both. Several rows in another table are so many dates of which the latest counts, and one of them that is missing is missing.

use jiff::{Timestamp, tz::TimeZone};

use super::{Length, Never, StartAt, StartFormat, TableName, period::Period};
use crate::fault;

/// When a row ends: the latest or the earliest of these.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub which: Which,
    /// One, but for `ends`; never empty.
    pub ends: Vec<End>,
}

/// Which of several dates counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Latest,
    Earliest,
}

impl Which {
    /// Each with its word in TOML.
    pub const ALL: [(&'static str, Self); 2] = [("latest", Self::Latest), ("earliest", Self::Earliest)];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Earliest => "earliest",
        }
    }
}

/// One end: a start, and how long from there.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    pub start: Start,
    /// From where period and floor count.
    pub start_at: StartAt,
    pub keep_for: KeepFor,
    /// A legal minimum from the same start.
    pub floor: Option<Period>,
    /// Among `latest` ends: it may be missing.
    pub optional: bool,
}

/// From where a period counts: the latest or the earliest of these.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub which: Which,
    /// Mostly one; never empty.
    pub dates: Vec<Dated>,
}

/// A column with dates.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated {
    pub at: ColumnAt,
    /// Absent: the column's type says it.
    pub format: Option<StartFormat>,
    /// Values that mean "no date".
    pub never: Vec<Never>,
    /// The source's `naive_timestamps`: the zone of dates and of timestamps that carry none.
    pub naive: Option<TimeZone>,
    /// Among `latest` dates: it may be missing.
    pub optional: bool,
}

/// A column of the row itself, or of rows in other tables that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnAt {
    /// The way there, empty for the row itself; at most [`MOST_HOPS`] tables.
    pub through: Vec<Hop>,
    pub column: String,
}

/// As many tables as a lookup may lead through.
pub const MOST_HOPS: usize = 2;

/// A table on the way of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    pub table: TableName,
    /// Pairs of a column of the table before and the one of this table that equals it; never empty.
    pub on: Vec<(String, String)>,
}

impl ColumnAt {
    /// A column of the row itself.
    pub fn own(column: impl Into<String>) -> Self {
        Self { through: Vec::new(), column: column.into() }
    }

    /// Its name, if it is one of the row itself.
    pub fn of_row(&self) -> Option<&str> {
        self.through.is_empty().then_some(self.column.as_str())
    }

    /// The columns of the row itself that are read for it.
    pub fn read_of_row(&self) -> impl Iterator<Item = &str> {
        let own = self.of_row().into_iter();
        own.chain(self.through.first().into_iter().flat_map(|hop| &hop.on).map(|(own, _)| own.as_str()))
    }

    /// Each column of another table that is read for it, with that table.
    pub fn read_elsewhere(&self) -> impl Iterator<Item = (&TableName, &str)> {
        let hops = self.through.iter().enumerate().flat_map(move |(number, hop)| {
            let theirs = hop.on.iter().map(|(_, theirs)| theirs.as_str());
            let next = self.through.get(number + 1).into_iter().flat_map(|next| &next.on).map(|(own, _)| own.as_str());
            theirs.chain(next).map(move |column| (&hop.table, column))
        });
        hops.chain(self.through.last().map(|hop| (&hop.table, self.column.as_str())))
    }
}

/// How long a row is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum KeepFor {
    Fixed(Period),
    /// As long as a column says.
    Setting(Setting),
}

/// A column with periods, each a whole number of one unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub at: ColumnAt,
    pub unit: SettingUnit,
    /// Where nothing is set; absent: such a row is undated.
    pub default: Option<Period>,
    pub min: Option<Period>,
    pub max: Option<Period>,
    /// Values that mean "for ever". They are no periods, so `max` bounds them no more than `min`.
    pub forever: Vec<i64>,
}

/// What a number in a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingUnit {
    Hours,
    Days,
    Weeks,
    Months,
    Years,
}

impl SettingUnit {
    /// Each with its word in TOML.
    pub const ALL: [(&'static str, Self); 5] =
        [("hours", Self::Hours), ("days", Self::Days), ("weeks", Self::Weeks), ("months", Self::Months), ("years", Self::Years)];

    /// The word.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, unit)| *unit == self).map_or("days", |(word, _)| word)
    }
}

/// What a number in a setting means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Set {
    For(Length),
    Forever,
}

impl Setting {
    /// What the number means; `None`: nothing that could be meant.
    pub fn means(&self, number: i64, end: &End) -> Option<Set> {
        if self.forever.contains(&number) {
            return Some(Set::Forever);
        }
        if number < 0 {
            return None;
        }
        let length = |keep_for| Length { at_least: self.min, at_most: self.max, floor: end.floor, ..Length::of(keep_for, end.start_at) };
        match (Period::parse(&format!("{number} {}", self.unit.name())), self.max) {
            (Ok(period), _) => Some(Set::For(length(period))),
            // Longer than the calendar: the bound decides, if there is one.
            (Err(_), Some(max)) => Some(Set::For(length(max))),
            (Err(_), None) => Some(Set::Forever),
        }
    }

    /// The length where nothing is set.
    pub fn where_unset(&self, end: &End) -> Option<Length> {
        let default = self.default.filter(|_| !fault::seeded("setting-default-ignored"))?;
        Some(Length { floor: end.floor, ..Length::of(default, end.start_at) })
    }
}

impl End {
    /// The length where it is the same for every row.
    pub fn fixed(&self) -> Option<Length> {
        match self.keep_for {
            KeepFor::Fixed(period) => Some(Length { floor: self.floor, ..Length::of(period, self.start_at) }),
            KeepFor::Setting(_) => None,
        }
    }

    /// The setting that says how long.
    pub fn setting(&self) -> Option<&Setting> {
        match &self.keep_for {
            KeepFor::Fixed(_) => None,
            KeepFor::Setting(setting) => Some(setting),
        }
    }
}

impl Start {
    /// One date.
    pub fn of(date: Dated) -> Self {
        Self { which: Which::Latest, dates: vec![date] }
    }
}

impl Term {
    /// One end.
    pub fn of(end: End) -> Self {
        Self { which: Which::Latest, ends: vec![end] }
    }

    /// Its one end, unless it has several.
    pub fn only(&self) -> Option<&End> {
        <&[End; 1]>::try_from(self.ends.as_slice()).ok().map(|[end]| end)
    }

    /// The column that all of it counts from, where that is one column of the row itself.
    pub fn own_start(&self) -> Option<&Dated> {
        let [date] = self.only()?.start.dates.as_slice() else { return None };
        date.at.of_row().map(|_| date)
    }

    /// The length of its one end, where it is the same for every row.
    pub fn length(&self) -> Option<Length> {
        self.only()?.fixed()
    }

    /// The floor alone, as a term of its own; `None`: there is none.
    pub fn floor_alone(&self) -> Option<Self> {
        let end = self.only()?;
        Some(Self::of(End { keep_for: KeepFor::Fixed(end.floor?), floor: None, ..end.clone() }))
    }

    /// Every column that is read for it: dates and settings, in this order for each end.
    pub fn columns(&self) -> impl Iterator<Item = &ColumnAt> {
        self.ends.iter().flat_map(|end| end.start.dates.iter().map(|date| &date.at).chain(end.setting().map(|setting| &setting.at)))
    }

    /// The dates without which no row ends, by the numbers of end and date: not those that may be missing, nor those of which another may be
    /// earlier.
    pub fn required(&self) -> impl Iterator<Item = ((usize, usize), &Dated)> {
        let all = |which: Which, number: usize| which == Which::Latest || number == 1;
        let ends = self.ends.iter().enumerate().filter(move |(_, end)| all(self.which, self.ends.len()) && !end.optional);
        ends.flat_map(move |(number, end)| {
            let dates = end.start.dates.iter().enumerate();
            let required = dates.filter(move |(_, date)| all(end.start.which, end.start.dates.len()) && !date.optional);
            required.map(move |(index, date)| ((number, index), date))
        })
    }

    /// Where the dates are that must be before some cut-off where the end of a row has come. A lookup by several columns, or through several
    /// tables, is none.
    pub fn necessary(&self) -> impl Iterator<Item = &ColumnAt> {
        let dates = self.required().map(|(_, date)| &date.at);
        dates.filter(|at| at.through.len() <= 1 && at.through.iter().all(|hop| hop.on.len() == 1))
    }

    /// What becomes of it in a row, by what is read there; `None`: the row is undated.
    pub fn resolve(&self, read: &[Read]) -> Option<Resolved> {
        let ends = self.ends.iter().zip(read).map(|(end, read)| (end.optional, end.resolve(read)));
        Resolved::combined(self.which, ends)
    }
}

impl End {
    fn resolve(&self, read: &Read) -> Found {
        let lengths: Vec<Option<Set>> = match &self.keep_for {
            KeepFor::Fixed(_) => vec![self.fixed().map(Set::For)],
            KeepFor::Setting(setting) => {
                let set = |number: &Option<i64>| match number {
                    None => setting.where_unset(self).map(Set::For),
                    Some(number) => setting.means(*number, self),
                };
                if read.settings.is_empty() { vec![set(&None)] } else { read.settings.iter().map(set).collect() }
            }
        };
        let each = lengths.into_iter().map(|set| {
            let Some(set) = set else { return (false, Found::Missing) };
            let date = |(date, said): (&Dated, &Vec<Said>)| (date.optional, date.resolve(said, set));
            (false, found(Resolved::combined_found(self.start.which, self.start.dates.iter().zip(&read.dates).map(date))))
        });
        found(Resolved::combined_found(Which::Latest, each))
    }
}

fn found(found: Result<Resolved, Found>) -> Found {
    found.map_or_else(|found| found, Found::There)
}

impl Dated {
    fn resolve(&self, said: &[Said], set: Set) -> Found {
        if said.contains(&Said::Unreadable) {
            return Found::Unreadable;
        }
        let dates: Vec<Timestamp> = said.iter().filter_map(|said| if let Said::At(at) = said { Some(*at) } else { None }).collect();
        // What may be missing may be so in some of the rows.
        if dates.len() < said.len() && !self.optional {
            return Found::Missing;
        }
        match (dates.into_iter().max(), set) {
            (None, _) => Found::Missing,
            (Some(_), Set::Forever) => Found::There(Resolved::Never),
            (Some(start), Set::For(length)) => Found::There(Resolved::At { start, length }),
        }
    }
}

/// What one row says for one end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Read {
    /// For each date what each row says that it leads to; nothing where there is none.
    pub dates: Vec<Vec<Said>>,
    /// The numbers of its setting, `None` where nothing is set.
    pub settings: Vec<Option<i64>>,
}

/// What a column says of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Missing,
    /// Something that can't be read or can't be meant.
    Unreadable,
    At(Timestamp),
}

/// What was made of a part of a term.
enum Found {
    Missing,
    Unreadable,
    There(Resolved),
}

/// The end of one row: what a term comes down to there.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    Never,
    At { start: Timestamp, length: Length },
    Of(Which, Vec<Resolved>),
}

impl Resolved {
    fn combined(which: Which, parts: impl Iterator<Item = (bool, Found)>) -> Option<Self> {
        Self::combined_found(which, parts).ok()
    }

    fn combined_found(which: Which, parts: impl Iterator<Item = (bool, Found)>) -> Result<Self, Found> {
        let (mut there, mut missing) = (Vec::new(), false);
        for (optional, part) in parts {
            match part {
                Found::Unreadable => return Err(Found::Unreadable),
                Found::Missing => missing |= which == Which::Latest && !optional,
                Found::There(part) => there.push(part),
            }
        }
        match there.len() {
            _ if missing => Err(Found::Missing),
            0 => Err(Found::Missing),
            1 => Ok(there.remove(0)),
            _ => Ok(Self::Of(which, there)),
        }
    }

    /// When the row ends. [`Timestamp::MAX`] never comes.
    pub fn end(&self, zone: &TimeZone) -> Timestamp {
        self.decided(zone).map_or(Timestamp::MAX, |(_, end)| end)
    }

    /// The start that decides.
    pub fn start(&self, zone: &TimeZone) -> Option<Timestamp> {
        self.decided(zone).map(|(start, _)| start)
    }

    /// Whether a sweep at `now` finds its end come.
    pub fn is_due(&self, now: Timestamp, zone: &TimeZone) -> bool {
        match self {
            Self::Never => false,
            Self::At { start, length } => *start < length.cutoff(now, zone),
            Self::Of(Which::Latest, parts) => parts.iter().all(|part| part.is_due(now, zone)),
            Self::Of(Which::Earliest, parts) => parts.iter().any(|part| part.is_due(now, zone)),
        }
    }

    /// Start and end of the part that decides; `None`: it never ends.
    fn decided(&self, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Never => None,
            Self::At { start, length } => Some((*start, length.end(*start, zone))),
            Self::Of(Which::Latest, parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|part| part.decided(zone)).collect();
                all?.into_iter().max_by_key(|(_, end)| *end)
            }
            Self::Of(Which::Earliest, parts) => parts.iter().filter_map(|part| part.decided(zone)).min_by_key(|(_, end)| *end),
        }
    }
}
