//! When the end of a row has come, as data: dates of the row and of rows that it leads to, compared with frozen cut-offs.
//!
//! A new way for a row to end is a variant of [`EndTest`] and its text in `sql::predicate::end`.

use jiff::Timestamp;

use super::{ColumnRef, TableRef};
use crate::policy::{Never, StartFormat, Which, start::Thresholds};

/// A table that a row leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopRef {
    pub table: TableRef,
    /// Pairs of a column of the row before and the one of this table that equals it; never empty.
    pub pairs: Vec<(String, String)>,
}

/// Whether the end of a row has come, at a frozen instant.
#[derive(Debug, Clone)]
pub enum EndTest {
    Date(Box<DateTest>),
    /// The latest or the earliest of several.
    Of {
        which: Which,
        /// Never empty.
        parts: Vec<PartTest>,
    },
    Setting(Box<SettingTest>),
}

/// One of several ends.
#[derive(Debug, Clone)]
pub struct PartTest {
    pub end: EndTest,
    /// It may be missing; only among the latest of several.
    pub optional: bool,
}

/// A date of the row, or the latest of the rows that it leads to.
#[derive(Debug, Clone)]
pub struct DateTest {
    /// Empty: of the row itself.
    pub through: Vec<HopRef>,
    pub start: StartTest,
    /// Among the rows that it leads to, some may bear no date.
    pub optional: bool,
}

/// A period that a column says.
#[derive(Debug, Clone)]
pub struct SettingTest {
    /// Empty: of the row itself. Of several rows the one with the latest end counts.
    pub through: Vec<HopRef>,
    pub column: ColumnRef,
    /// Numbers, and whether the end has come where one of them is set. No two lists share a number.
    pub periods: Vec<(Vec<i64>, EndTest)>,
    /// Numbers that mean "for ever".
    pub forever: Vec<i64>,
    /// Where nothing is set; `None`: such a row bears no date.
    pub unset: Option<EndTest>,
    /// The same dates under any period: they tell what is dated at all.
    pub dates: EndTest,
}

impl EndTest {
    /// The instant that every start is compared with; `None`: there are several.
    pub fn cutoff(&self) -> Option<Timestamp> {
        match self {
            Self::Date(date) => Some(date.start.cutoff),
            Self::Of { parts, .. } => {
                let first = parts.first()?.end.cutoff()?;
                parts.iter().all(|part| part.end.cutoff() == Some(first)).then_some(first)
            }
            Self::Setting(_) => None,
        }
    }

    /// The one column of the row itself that is compared, if it is that simple.
    pub fn own_start(&self) -> Option<&StartTest> {
        match self {
            Self::Date(date) if date.through.is_empty() => Some(&date.start),
            _ => None,
        }
    }

    /// Every date that is compared, in the order of the rule; those of a setting once.
    pub fn starts(&self) -> Vec<&StartTest> {
        match self {
            Self::Date(date) => vec![&date.start],
            Self::Of { parts, .. } => parts.iter().flat_map(|part| part.end.starts()).collect(),
            Self::Setting(setting) => setting.dates.starts(),
        }
    }

    /// Every way to other tables that is taken.
    pub fn lookups(&self) -> Vec<&[HopRef]> {
        match self {
            Self::Date(date) => vec![date.through.as_slice()],
            Self::Of { parts, .. } => parts.iter().flat_map(|part| part.end.lookups()).collect(),
            Self::Setting(setting) => std::iter::once(setting.through.as_slice()).chain(setting.dates.lookups()).collect(),
        }
    }
}

/// The comparison of a start with a frozen cut-off: read, plausible, and before it.
#[derive(Debug, Clone)]
pub struct StartTest {
    pub column: ColumnRef,
    /// Resolved: never left to the type.
    pub format: StartFormat,
    /// The `never` values, as the text of a literal of the column (quoted by the statement).
    pub never: Vec<Never>,
    /// The instant that starts are compared with: a row is due by time exactly if `start < cutoff`.
    pub cutoff: Timestamp,
    /// `cutoff` in every form that a column can hold.
    pub before: Thresholds,
    /// Earlier than this can't be meant: 1980 for epoch formats, `None` for the others.
    pub plausible_from: Option<Thresholds>,
    /// At or after this can't be meant: now + 100 years.
    pub plausible_until: Thresholds,
}
