//! Which rows a rule is about, as data: laws 1 to 4 for one rule on one table.
//!
//! `sweep::plan` makes a [`Selection`] of a rule, its competitors and the table's shape; `sql::statement` turns it into
//! text for each dialect. Plan, explanation and sweep use the same value, so they can't disagree. What a new construct
//! of the rule language needs is a field here and its text in `sql::predicate`.
//!
//! For each row the first that applies (law 5): `outside`, `done`, `undated`, `running`, `held`, `protected`, `due`.

mod act;
mod along;
mod end;

pub use self::act::{Act, Assignment, Compute, Formula, NewValue};
pub use self::along::{Dependency, Reference};
pub use self::end::{DateTest, EndTest, HopRef, PartTest, SettingTest, StartTest};
pub use super::counts::{Counts, Survey};
use crate::policy::{Dialect, RuleId, Step, condition::Condition};

/// What a column holds, as far as statements and strategies care; an engine's shape assigns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeClass {
    Boolean,
    /// Whole numbers of any width; INTEGER affinity on SQLite.
    Integer,
    /// Binary floating point; REAL affinity on SQLite.
    Float,
    /// Exact decimals; NUMERIC affinity on SQLite.
    Decimal,
    /// Text with a deterministic collation.
    Text,
    /// Text whose equality is not that of its bytes: citext, or a nondeterministic or NOCASE collation.
    FoldedText,
    /// `char(n)`: trailing blanks don't count.
    PaddedText,
    Date,
    /// A timestamp without a zone.
    Timestamp,
    TimestampTz,
    Uuid,
    Inet,
    Bytes,
    Json,
    /// One of a list of labels.
    Enum,
    /// A string of bits.
    Bits,
    /// SQLite: no affinity, each value has a type of its own.
    Untyped,
    /// Anything else: arrays, ranges, composite and unknown types.
    Other,
}

/// A column and its type, as a statement needs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRef {
    pub name: String,
    pub class: TypeClass,
    /// The type's own name, to cast a text back to it (`character varying(20)`, `VARCHAR(20)`).
    pub declared: String,
    pub nullable: bool,
    /// The labels of an [`Enum`](TypeClass::Enum), and of MariaDB's SET.
    pub labels: Vec<String>,
    /// Of which row of a statement it is read.
    pub side: Side,
}

impl ColumnRef {
    /// The same column of another row of the statement.
    #[must_use]
    pub fn on(self, side: Side) -> Self {
        Self { side, ..self }
    }
}

/// Which row of a statement a column is read of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Side {
    /// The row that a rule is about.
    #[default]
    Row,
    /// The row of another table that it leads to.
    Parent,
    /// The row of a third table that this one leads to.
    Grandparent,
}

impl Side {
    /// After so many tables of a lookup.
    pub fn behind(hops: usize) -> Self {
        match hops {
            0 => Self::Row,
            1 => Self::Parent,
            _ => Self::Grandparent,
        }
    }

    /// What its row is called in statements.
    pub fn alias(self) -> &'static str {
        match self {
            Self::Row => "t",
            Self::Parent => "p",
            Self::Grandparent => "g",
        }
    }
}

/// A table with its schema written out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableRef {
    pub schema: String,
    pub table: String,
}

/// Where retentiond's own tables are in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceRef {
    pub dialect: Dialect,
    /// A schema on PostgreSQL, a database on MariaDB, a prefix on SQLite.
    pub name: String,
}

/// The predicate of one rule on one table.
#[derive(Debug, Clone)]
pub struct Selection {
    pub table: TableRef,
    /// PostgreSQL: what `tableoid` may say of a row. These are the members of the table's tree that the plan knows: a
    /// partition that is attached later waits for the next plan, with its own triggers and rules. Empty: any.
    pub members: Vec<u32>,
    /// MariaDB: the one partition whose rows are looked at, where it is not the whole table.
    pub part: Option<String>,
    pub workspace: WorkspaceRef,
    /// The rule's `where`; it must be true.
    pub condition: Option<Condition>,
    /// Rules for whose rows this one counts as not matching.
    pub overridden: Vec<Override>,
    /// `None` only for a `keep` rule without a period: then nothing is ever due.
    pub end: Option<EndTest>,
    /// When this row needs nothing more; empty for `delete`. All must hold.
    pub done: Vec<DoneTest>,
    pub held: HeldTest,
    /// The other rules of the table whose end this rule waits for.
    pub protectors: Vec<Protector>,
    /// Foreign keys that forbid a delete while a child is there: such rows count as protected. Empty for other acts.
    pub references: Vec<Reference>,
    /// What goes with these rows. A row is held or protected if something is that would go with it.
    pub dependents: Vec<Dependency>,
    /// These rows end with those that they belong to: they have no start of their own.
    pub follows: bool,
    /// What decides the end of a row: columns to show when one is looked at, with the ways to them.
    pub shown: Vec<(Vec<HopRef>, ColumnRef)>,
}

/// How a value tells that an anonymised column is done. NULL is done, unless `null_is_done` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DoneTest {
    IsNull(ColumnRef),
    /// Equal to this value, in the column's type.
    Equals {
        column: ColumnRef,
        value: String,
        null_is_done: bool,
    },
    /// The value's text matches this regular expression (the subset that every engine shares).
    Matches {
        column: ColumnRef,
        pattern: String,
    },
    /// The formula would leave it as it is.
    Unchanged {
        column: ColumnRef,
        formula: Formula,
    },
    /// Every one of these places in a JSON document is done.
    Document {
        column: ColumnRef,
        places: Vec<PlaceTest>,
    },
    /// The rule's `mark` column is set: decides alone.
    Marked(ColumnRef),
}

/// How the values at a place of a document tell that they are done. Nothing at the place is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceTest {
    pub path: Vec<Step>,
    pub null_is_done: bool,
    /// Absent: no string is done.
    pub text: Option<TextTest>,
}

/// How a string tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTest {
    Equals(String),
    /// As in [`DoneTest::Matches`].
    Matches(String),
}

/// Whether a hold covers a row, asked of the `held` table by the acting statement itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldTest {
    /// Keys of [`crate::hold::Scope`]s that concern this table. Empty: the source has no workspace, so nothing is held
    /// there, and nothing may act.
    pub scopes: Vec<String>,
    /// Scopes of other tables that concern those rows only which are rows of theirs too.
    pub elsewhere: Vec<Elsewhere>,
    /// All subjects that any rule of this table names.
    pub subjects: Vec<SubjectTest>,
}

/// What concerns some members of a tree only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    pub scopes: Vec<String>,
    /// What `tableoid` says of the rows.
    pub only: Vec<u32>,
}

/// A subject column, compared in its own type and collation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectTest {
    pub kind: String,
    /// The way to the rows that have the column; empty: the row itself. Without any such row it counts as held while any subject is held in scope.
    pub through: Vec<HopRef>,
    pub column: ColumnRef,
    /// NULL counts as held while any subject is held in scope.
    pub null_is_held: bool,
}

impl Selection {
    /// Every row of a table, under no rule at all: nothing is ever due.
    pub fn of_no_rule(table: TableRef, workspace: WorkspaceRef) -> Self {
        Self {
            table,
            members: Vec::new(),
            part: None,
            workspace,
            condition: None,
            overridden: Vec::new(),
            end: None,
            done: Vec::new(),
            held: HeldTest::default(),
            protectors: Vec::new(),
            references: Vec::new(),
            dependents: Vec::new(),
            follows: false,
            shown: Vec::new(),
        }
    }

    /// Every way to rows of other tables by which it is decided whether a row is acted on, each once.
    pub fn lookups(&self) -> Vec<&[HopRef]> {
        let protectors = self.protectors.iter().flat_map(|protector| protector.end.iter().chain(&protector.floor));
        let ends = self.end.iter().chain(protectors).flat_map(EndTest::lookups);
        let mut ways: Vec<&[HopRef]> = Vec::new();
        for way in ends.chain(self.held.subjects.iter().map(|subject| subject.through.as_slice())) {
            if !way.is_empty() && !ways.contains(&way) {
                ways.push(way);
            }
        }
        ways
    }
}

/// A rule that overrides another, for the rows that it matches: those for which its condition is true, and for which no
/// third rule overrides it.
#[derive(Debug, Clone)]
pub struct Override {
    pub rule: RuleId,
    pub condition: Condition,
    /// Rules that override this one; overrides make no circle.
    pub unless: Vec<Override>,
}

/// A rule that protects rows until its own end. It protects unless its condition is false, or it is overridden; what it
/// has of a floor protects all the same.
#[derive(Debug, Clone)]
pub struct Protector {
    pub rule: RuleId,
    /// What `tableoid` says of the rows that it matches at most, where it is a rule of another table of the tree; empty: any.
    pub only: Vec<u32>,
    pub condition: Option<Condition>,
    pub overridden: Vec<Override>,
    /// The comparison with the end of its floor alone.
    pub floor: Option<EndTest>,
    /// `None`: it never ends. A row that is undated here never ends either.
    pub end: Option<EndTest>,
}

/// A value that marks a place in a walk, as its engine reads and writes it. Never logged.
#[derive(Clone, PartialEq)]
pub enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    /// Text, or on PostgreSQL and MariaDB the text form of any type.
    Text(String),
    Bytes(Vec<u8>),
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cell(…)")
    }
}

/// The order in which a sweep walks a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// PostgreSQL: blocks of the heap, by TID ranges. The cell of a bound is the number of blocks that lie before it:
    /// a range `after` 10 `through` 20 is the blocks 10 to 19. Of a tree of tables it is those blocks of each heap.
    Blocks,
    /// SQLite: rowids, by the name under which this table's can be read.
    Rowid(&'static str),
    /// Columns in index order. With a `tie`, the engine's own row address (`ctid`, in a tree of tables with `tableoid`, or
    /// the name of the rowid) comes last, so that any number of rows with one value can be cut into batches.
    ///
    /// A bound with fewer cells than there are columns is a bound of the first of them alone: no row has a value on its
    /// other side that is not behind it, whatever its further columns.
    Columns { columns: Vec<ColumnRef>, tie: Vec<&'static str> },
    /// MariaDB: no order at all, for a table without a key. The cell of the upper bound is how many rows an act may take;
    /// it takes those that it comes upon first. There is no lower bound, and each range begins at the table's start.
    Unordered,
    /// Rows that were picked beforehand, by the values of these columns: the cells of the upper bound are those of all rows,
    /// one after the other. There is no lower bound.
    Picked(Vec<ColumnRef>),
}

/// A part of a table, open below and closed above: `after < row <= through`; a missing bound is no bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    pub way: Way,
    pub after: Option<Vec<Cell>>,
    pub through: Option<Vec<Cell>>,
}

impl Range {
    /// The whole table.
    pub fn whole(way: Way) -> Self {
        Self { way, after: None, through: None }
    }
}

/// A column that names a row, and the value that is looked for there, as text.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPart {
    pub column: ColumnRef,
    pub value: String,
}

/// What a selection says of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The class of law 5, by its name.
    pub class: String,
    /// Of each of the selection's [`Selection::shown`] the texts of the column, in each row that the row leads to; NULL where there is none.
    pub shown: Vec<Vec<Option<String>>>,
    /// Of each of the selection's overrides: it overrides the rule for the row.
    pub overridden: Vec<bool>,
    /// Of each protector: it protects the row, and whether it is overridden there, so that only its floor does.
    pub protectors: Vec<(bool, bool)>,
    /// Of each reference: a child refers to the row.
    pub referenced: Vec<bool>,
    /// Of each dependency: a row of it is held, and one is protected.
    pub dependents: Vec<(bool, bool)>,
    /// The rows that go along, in the order of [`Selection::along`].
    pub along: Vec<u64>,
    /// Holds that cover the row, each with the kind of subject that is held; empty: everything in its scope.
    pub holds: Vec<(String, String)>,
}
