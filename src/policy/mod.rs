//! The rule language: from what a file says to a valid [`Rule`], and the arithmetic of law 1. Pure: no database, no
//! clock, no file system.
//!
//! `raw` is what a file says, `resolve` makes rules of it or diagnostics, `period`, `length`, `term` and `start` are law 1,
//! `condition` parses `where`, `strategy` is what a rule may say of a column; `schedule`, `window` and `limits` say when and
//! how gently rules are swept. A new key of a rule is a field in `raw`, a line in `resolve` and a field here.

pub mod archive;
pub mod condition;
mod dependent;
pub mod evidence;
pub mod length;
pub mod limits;
pub mod period;
pub mod raw;
mod residue;
pub mod resolve;
pub mod schedule;
pub mod schema;
pub mod start;
pub mod strategy;
pub mod suppress;
pub mod term;
pub mod window;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

use jiff::{civil::Date, tz::TimeZone};

pub use self::{
    archive::{Archive, ArchivePlace, NoPlace},
    dependent::{Dependent, Then},
    evidence::Evidence,
    length::{Length, StartAt, YearStart},
    residue::Residue,
    strategy::{JsonPath, Normalise, Step, StrategySpec, Unit},
    suppress::{OptOutValue, Suppress},
    term::{ColumnAt, Dated, End, Hop, KeepFor, Setting, SettingUnit, Start, Term, Which},
};
use self::{condition::Condition, limits::RuleLimits, schedule::Schedule, window::Window};
use crate::diagnostic::{Place, SourceFile};

/// The SQL dialect of a source: what a `where` is parsed as, and what statements are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.35 or later.
    Sqlite,
    /// PostgreSQL 14 or later.
    Postgres,
    /// MariaDB 10.6 or later, MySQL 8.
    Mysql,
}

/// `<policy>/<rule>`: the name of a rule everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(String);

impl RuleId {
    /// Joins a policy's id and a rule's.
    pub fn new(policy: &str, rule: &str) -> Self {
        Self(format!("{policy}/{rule}"))
    }

    /// A name that is whole already, as the state and the ledger store it.
    pub fn from_full(full: impl Into<String>) -> Self {
        Self(full.into())
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The policy's id.
    pub fn policy(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(policy, _)| policy)
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table as the catalogue has it: exact, never folded; a dot may be part of either name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Absent: the engine's default (`main` on SQLite, the first schema of the search path on PostgreSQL).
    pub schema: Option<String>,
    /// The table's own name.
    pub table: String,
}

impl TableName {
    /// A table in the default schema.
    pub fn bare(table: impl Into<String>) -> Self {
        Self { schema: None, table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.table),
            None => f.write_str(&self.table),
        }
    }
}

/// Where the rules of a file come from: `[policy]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub id: String,
    /// The document that the rules come from.
    pub title: Option<String>,
    /// Which version of it.
    pub reference: Option<String>,
    pub owner: Option<String>,
    /// When somebody last compared the rules with it.
    pub reviewed: Option<Date>,
    /// `[[identity]]` of its file.
    pub identities: Vec<Identity>,
}

/// A valid rule: everything that a file says, with defaults filled in.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: RuleId,
    pub category: String,
    /// The name of a source in `retentiond.toml`.
    pub source: String,
    pub table: TableName,
    /// Columns that name a row, where the table has no primary key; empty: the primary key.
    pub key: Vec<String>,
    /// Which rows the rule is about; absent: all.
    pub condition: Option<Condition>,
    /// Only rows of this tenant.
    pub tenant: Option<Tenant>,
    pub subjects: Subjects,
    /// Rules of the same table that count as not matching for the rows that this one matches. Only with a condition or tenant.
    pub overrides: Vec<RuleId>,
    /// When a row ends; `None` for a `keep` rule without period, which never ends.
    pub term: Option<Term>,
    pub action: Action,
    /// Periods are counted in this zone.
    pub timezone: TimeZone,
    /// When the daemon sweeps it, in the rule's zone.
    pub schedule: Schedule,
    /// When it may be swept, in the rule's zone, within the source's window; absent: whenever that is open.
    pub window: Option<Window>,
    /// How much more gently than its source allows it is swept.
    pub limits: RuleLimits,
    pub mode: Mode,
    pub first_sweep: FirstSweep,
    /// Share of the table (0 to 1) that one sweep may take without approval, from 1,000 rows up.
    pub max_share: f64,
    /// Columns that stay, so that `check` needn't warn of them.
    pub retains: Vec<String>,
    /// The rule anonymises columns that name its own subjects: a row that is done is nobody's, and no hold finds it.
    pub unlinks: bool,
    /// Partitions that are due as a whole are dropped. Only of a rule that deletes.
    pub drops_partitions: bool,
    /// Triggers that may fire.
    pub triggers: Vec<AllowedTrigger>,
    /// Rows stay while these tables have rows that belong to them.
    pub wait_for: Vec<Wait>,
    /// What is written elsewhere when a row is deleted. Only of a rule that deletes.
    pub suppress: Option<Suppress>,
    /// What a confirmed request for erasure does to its rows; absent: what the last stage of the table does.
    pub on_erasure: Option<OnErasure>,
    /// What goes with the rule's rows. Only of a rule that deletes.
    pub dependents: Vec<Dependent>,
    /// Rows are copied there before they go. Only of a rule that deletes.
    pub archive: Option<Archive>,
    /// What becomes of the bytes that rows leave behind; absent: nothing, and no report speaks of it.
    pub residue: Option<Residue>,
    /// What the ledger keeps of the rows that it acts on.
    pub evidence: Evidence,
    /// The legal basis, for the schedule document.
    pub basis: Option<Basis>,
    /// What the data is for.
    pub purpose: Option<String>,
    /// Why the rule is as it is; of one that keeps it is in its action.
    pub reason: Option<String>,
    /// Who answers for the rule: its own `owner` or the policy's.
    pub owner: Option<String>,
    /// What the rule says, in a canonical form: what an approval is an approval of.
    pub canonical: String,
    /// Where the rule is written.
    pub origin: Origin,
}

/// Where a rule is written, so that what a database says about it can point at the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub file: SourceFile,
    /// The header `[[rule]]`.
    pub header: Range<usize>,
    /// The bytes of each value by its key; those of tables as `anonymise.ip`, `subject.account`.
    pub spans: BTreeMap<String, Range<usize>>,
}

impl Origin {
    /// Where the value of `key` is written; the rule's header if the rule doesn't say it.
    pub fn place(&self, key: &str) -> Place {
        self.file.at(self.spans.get(key).unwrap_or(&self.header).clone())
    }
}

/// Why the law allows to keep the data: article 6 (1) GDPR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Basis {
    Consent,
    Contract,
    LegalObligation,
    VitalInterests,
    PublicTask,
    LegitimateInterests,
}

impl Basis {
    /// Each with its word in TOML and JSON.
    pub const ALL: [(&'static str, Self); 6] = [
        ("consent", Self::Consent),
        ("contract", Self::Contract),
        ("legal_obligation", Self::LegalObligation),
        ("vital_interests", Self::VitalInterests),
        ("public_task", Self::PublicTask),
        ("legitimate_interests", Self::LegitimateInterests),
    ];
}

/// What a confirmed request for erasure does to the rows of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnErasure {
    Delete,
    /// By the rule's own strategies.
    Anonymise,
    /// They stay until their end, for a reason that the answer to the request tells.
    Withhold,
}

impl OnErasure {
    /// Each with its word in TOML and JSON.
    pub const ALL: [(&'static str, Self); 3] = [("delete", Self::Delete), ("anonymise", Self::Anonymise), ("withhold", Self::Withhold)];
}

/// How kinds of subject belong together: a row of this table names one person in several ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name of a source in `retentiond.toml`.
    pub source: String,
    pub table: TableName,
    /// Kinds and columns; at least two.
    pub columns: Vec<(String, String)>,
    /// Where it is written.
    pub place: Place,
}

/// Whose rows a rule is about: one of several customers that share a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub column: String,
    /// Compared in the column's own type and collation.
    pub is: String,
}

/// A trigger that may fire when the rule acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedTrigger {
    pub name: String,
    /// Why it does no harm, for whoever reads the rule.
    pub reason: String,
}

/// A table whose rows are waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    pub table: TableName,
    /// Pairs of a column of the rule's own table and the one of this table that names it; never empty.
    pub on: Vec<(String, String)>,
}

/// How a start is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StartFormat {
    /// A native timestamp, with or without a zone.
    Timestamp,
    /// A native date, or `YYYY-MM-DD` in text.
    Date,
    /// Text: dates, times with or without fraction and offset, mixed in one column.
    Iso8601,
    UnixS,
    UnixMs,
    UnixUs,
    /// `YYYYMMDDHHMMSS`, as text, bytes or a number.
    Compact,
}

impl StartFormat {
    /// Each of them.
    pub const ALL: [Self; 7] = [Self::Timestamp, Self::Date, Self::Iso8601, Self::UnixS, Self::UnixMs, Self::UnixUs, Self::Compact];

    /// The word in a rule.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Iso8601 => "iso8601",
            Self::UnixS => "unix_s",
            Self::UnixMs => "unix_ms",
            Self::UnixUs => "unix_us",
            Self::Compact => "compact",
        }
    }
}

/// A value that means "no date".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Never {
    Text(String),
    Integer(i64),
}

/// Whose row it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Subjects {
    /// Held if any of them is held. Never empty.
    Of { subjects: Vec<Subject>, on_null: OnNull },
    /// `subject = "none"`, with the reason that the rule gives.
    Nobody { reason: String },
    /// A `keep` rule that says nothing about subjects.
    Unstated,
}

impl Subjects {
    /// The kinds and columns, none for the other variants.
    pub fn all(&self) -> &[Subject] {
        match self {
            Self::Of { subjects, .. } => subjects,
            Self::Nobody { .. } | Self::Unstated => &[],
        }
    }
}

/// A kind of data subject and the column that names one: of the row, or of the rows that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub kind: String,
    pub at: ColumnAt,
}

/// What NULL in a subject column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNull {
    /// The row is nobody's.
    Nobody,
    /// The row could be anybody's: held while any subject is held in its scope.
    Hold,
}

/// What becomes of a row at its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Delete,
    Anonymise {
        /// In the order of the file; never empty.
        columns: Vec<(String, StrategySpec)>,
        /// A column that is set in the same UPDATE and tells that the row is done.
        mark: Option<String>,
    },
    /// Kept, for this reason; it protects rows from other rules.
    Keep {
        reason: String,
    },
}

impl Action {
    /// The word in TOML, JSON and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Anonymise { .. } => "anonymise",
            Self::Keep { .. } => "keep",
        }
    }

    /// False for `keep`.
    pub fn acts(&self) -> bool {
        !matches!(self, Self::Keep { .. })
    }
}

/// Whether a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Enforce,
    /// Plan and report, change nothing. It protects all the same.
    Observe,
}

/// Whether a new rule waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstSweep {
    Approve,
    Auto,
}

/// The categories of some rules, sorted, each once.
pub fn categories<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Vec<String> {
    rules.into_iter().map(|rule| rule.category.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}
