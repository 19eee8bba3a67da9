//! What goes into the oracle and what comes out of it.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    calendar::{Met, Moment, Period, StartAt},
    condition::Condition,
    ends::{Date, Elsewhere},
};

/// Everything that decides about rows.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub now: Timestamp,
    /// Zone of dates and of times that carry none.
    pub naive: TimeZone,
    /// What pseudonyms are keyed with.
    pub pepper: Vec<u8>,
    pub tables: Vec<Table>,
    pub holds: Vec<Hold>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    pub rules: Vec<Rule>,
    /// Deleting a row would change rows elsewhere, or fire a trigger.
    pub delete_drags: bool,
    /// Changing these columns would fire a trigger; `None`: no trigger. Empty: any column.
    pub update_fires: Option<Vec<usize>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// How values of a column are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number,
    Text,
    /// Upper and lower case are one.
    Folded,
    /// Blanks at the end don't count.
    Padded,
    Uuid,
    /// Only NULL or not matters.
    Mark,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub cells: Vec<Cell>,
    /// A row of another table refers to this one, and forbids that it goes.
    pub referred_to: bool,
    /// Another table has a row that belongs to it, for which some rules wait.
    pub waited_for: bool,
    /// Something of another table belongs to it, goes with it and is kept by a rule of its own.
    pub kept_along: bool,
    /// What belongs to it and goes with it, each by its table and the account whose it is.
    pub held_along: Vec<(String, i64)>,
    /// Rows of another table that it leads to.
    pub parents: Vec<Parent>,
}

/// A row of another table, by which rules may decide.
#[derive(Debug, Clone, PartialEq)]
pub struct Parent {
    pub at: Date,
    pub days: Option<i64>,
    pub account: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    pub text: Option<String>,
    /// What the text means as a start. NULL and the empty string mean none.
    pub moment: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// `<policy>/<rule>`.
    pub id: String,
    pub category: String,
    pub condition: Option<Condition>,
    pub subjects: Vec<Subject>,
    /// Absent: never ends.
    pub term: Option<Term>,
    pub action: Action,
    /// Names of rules that count as not matching for the rows that this one matches.
    pub overrides: Vec<String>,
    pub observe: bool,
    /// It waits for rows of another table.
    pub waits: bool,
    /// What it reads in another table to tell when a row ends.
    pub elsewhere: Option<Elsewhere>,
    /// Another table says which account's a row is; whether nobody there may be anybody.
    pub subject_elsewhere: Option<bool>,
    /// Rows of another table go with those that it deletes.
    pub drags_along: bool,
    /// A part of its condition is its tenant.
    pub of_tenant: bool,
    /// A trigger may fire when it acts.
    pub fires: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    pub kind: String,
    pub column: usize,
    pub null_is_held: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    pub start: usize,
    pub period: Period,
    /// A legal minimum from the same start: the later of both ends counts.
    pub floor: Option<Period>,
    /// From where both count.
    pub from: StartAt,
    pub zone: TimeZone,
    /// The column counts seconds since 1970 (or parts of them): what lies before 1980 can't be meant.
    pub epoch: bool,
    pub never: Vec<String>,
}

impl Term {
    /// The periods that have to pass.
    pub fn periods(&self) -> impl Iterator<Item = Period> {
        std::iter::once(self.period).chain(self.floor)
    }

    /// The cut-off of a period of the term's.
    pub fn cutoff(&self, now: Timestamp, period: Period) -> Timestamp {
        super::calendar::cutoff(now, period, self.from, &self.zone)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Delete,
    Anonymise { columns: Vec<(usize, Strategy)>, mark: Option<usize> },
    Keep,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    Null,
    Fixed {
        value: String,
        replace_null: bool,
    },
    Hmac {
        email: bool,
    },
    /// A value that nobody knows: the model calls it `random`. Its rule has a mark.
    Random,
    TruncateIp {
        v4: u8,
        v6: u8,
    },
    Mask,
    /// With a zone: the values are instants, as PostgreSQL writes them in UTC.
    DateTrunc {
        unit: &'static str,
        zone: Option<TimeZone>,
    },
    Round {
        to: i64,
    },
    /// Names of members from the document inwards; `*` is every element of an array.
    Json {
        places: Vec<(Vec<&'static str>, Strategy)>,
    },
}

impl Class {
    /// Its word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Done => "done",
            Self::Undated => "undated",
            Self::Running => "running",
            Self::Held => "held",
            Self::Protected => "protected",
            Self::Due => "due",
        }
    }
}

impl Strategy {
    /// Its word in a rule.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Fixed { .. } => "fixed",
            Self::Hmac { .. } => "hmac",
            Self::TruncateIp { .. } => "truncate_ip",
            Self::Random => "random",
            Self::Mask => "mask",
            Self::DateTrunc { .. } => "date_trunc",
            Self::Round { .. } => "round",
            Self::Json { .. } => "json",
        }
    }
}

/// A hold that is in force. Without subjects it covers all of its scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    pub subjects: Vec<(String, String)>,
    pub scope: Vec<Scope>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Everywhere,
    Table(String),
    Category(String),
}

/// Where a row stands under a rule: the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Outside,
    Done,
    Undated,
    Running,
    Held,
    Protected,
    Due,
}

/// What becomes of a table.
#[derive(Debug)]
pub struct Verdict {
    /// For each rule its counts, or `None` if it must be refused.
    pub rules: Vec<Option<BTreeMap<Class, u64>>>,
    /// For each rule where each row stands.
    pub classes: Vec<Vec<Class>>,
    /// For each rule the others that keep protected rows from it, and how many.
    pub protected_by: Vec<BTreeMap<String, u64>>,
    /// For each row what it holds afterwards; `None`: it is gone.
    pub rows: Vec<Option<Vec<Cell>>>,
    /// What the rows met, for the generator's counters.
    pub sights: Sights,
}

/// What a table's rows met.
#[derive(Debug, Default)]
pub struct Sights {
    pub met: Met,
    /// A start exactly at a cut-off, or the last instant before it.
    pub tie: bool,
    pub unknown_condition: bool,
    /// A period counts from the end of a month or year, and has passed.
    pub moved_to_its_end: bool,
    pub implausible: bool,
    /// A row is due by what another table says of its dates, or of its period.
    pub looked_up: bool,
    pub set_elsewhere: bool,
    /// A row is held by what another table says of whose it is.
    pub held_elsewhere: bool,
    /// A row stays because of rows of another table.
    pub waited: bool,
    /// A row stays because of what would go along with it.
    pub kept_along: bool,
    /// A row is held by somebody whose is what would go along with it, and by nobody else.
    pub held_along: bool,
    /// A rule does not act on a row because another overrides it there.
    pub overridden: bool,
    /// A row is due that would be protected if nothing was overridden.
    pub freed: bool,
    /// The floor of a rule that is overridden protects a row.
    pub stopped_at_floor: bool,
    /// A rule does not override because it is overridden itself.
    pub override_overridden: bool,
    /// A row is anonymised now and deleted later.
    pub staged: bool,
    /// A row is due for both at once.
    pub both_due: bool,
}
