//! The shape of a table: what a catalogue says about it, in the same words for every engine.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::{
    clock::hex,
    sql::selection::{ColumnRef, TableRef, TypeClass},
};

/// Everything about a table that decides whether and how a rule can be enforced on it.
#[derive(Debug, Clone)]
pub struct Shape {
    pub table: TableRef,
    pub kind: TableKind,
    /// In the table's order.
    pub columns: Vec<Column>,
    /// Columns of the primary key in key order; empty: none.
    pub primary_key: Vec<String>,
    pub indexes: Vec<Index>,
    /// Foreign keys of this table.
    pub references: Vec<ForeignKey>,
    /// Foreign keys of other tables (or of this one) that point here.
    pub referenced_by: Vec<ForeignKey>,
    pub triggers: Vec<Trigger>,
    pub row_security: RowSecurity,
    pub privileges: Privileges,
    /// SQLite: the name under which a rowid can be read, where the table has one that no column hides.
    pub rowid: Option<&'static str>,
    /// The engine's own estimate of the number of rows.
    pub estimated_rows: Option<u64>,
    /// What the rows take on the disk, as far as the engine tells.
    pub estimated_bytes: Option<u64>,
    /// Why no partition of it can be dropped, where the way in which it is cut is the reason; a clause.
    pub undroppable: Option<String>,
    /// PostgreSQL: the tables that share rows with this one.
    pub family: Family,
}

/// The partitions and inheritance children whose rows are rows of a table as well, and all whose rows those are too. Empty
/// where a table has neither: then its rows are its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// The table itself first, then all of its descendants.
    pub members: Vec<Member>,
    /// Every ancestor of a member, and the members.
    pub kin: Vec<TableRef>,
}

/// One of the tables that a tree consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub table: TableRef,
    /// What `tableoid` says of its rows.
    pub address: u32,
    /// Rows lie in it, and not in its own members only.
    pub has_rows: bool,
    /// Columns in whose order all of its rows can be walked by an index.
    pub indexed: Vec<String>,
}

impl Family {
    /// The addresses under which a statement meets this table's rows; empty: there is but one.
    pub fn addresses(&self) -> Vec<u32> {
        let addresses = self.members.iter().map(|member| member.address);
        if self.members.len() > 1 { addresses.collect() } else { Vec::new() }
    }

    /// The addresses of the rows that belong to another table too; `None`: there can't be any.
    pub fn shared_with(&self, other: &Self) -> Option<Vec<u32>> {
        let theirs: BTreeSet<u32> = other.members.iter().map(|member| member.address).collect();
        let shared: Vec<u32> = self.members.iter().map(|member| member.address).filter(|address| theirs.contains(address)).collect();
        (!shared.is_empty()).then_some(shared)
    }
}

impl Shape {
    /// The column of that exact name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// An index that can be walked in the order of `column` and covers every row.
    pub fn index_on(&self, column: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.ordered && !index.partial && index.columns.first().is_some_and(|first| first == column))
    }

    /// What changes when these columns do: they, and what is computed from them.
    pub fn moved_by<'a>(&'a self, changed: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut moved: BTreeSet<&str> = changed.into_iter().collect();
        loop {
            // Names in expressions are written as their authors liked.
            let is_moved = |name: &String| moved.iter().any(|moved| moved.eq_ignore_ascii_case(name));
            let from_moved = |column: &&Column| column.computed_from.iter().any(is_moved);
            let next: Vec<&str> = self.columns.iter().filter(from_moved).map(|column| column.name.as_str()).collect();
            let before = moved.len();
            moved.extend(next);
            if moved.len() == before {
                return moved;
            }
        }
    }

    /// True if no two rows can have the same values of these columns.
    pub fn is_key(&self, columns: &[String]) -> bool {
        let covers = |key: &[String]| !key.is_empty() && key.iter().all(|name| columns.contains(name));
        covers(&self.primary_key) || self.indexes.iter().any(|index| index.unique && !index.partial && covers(&index.columns))
    }

    /// True if a unique index or key contains `column`.
    pub fn is_unique(&self, column: &str) -> bool {
        self.primary_key.iter().any(|name| name == column)
            || self.indexes.iter().any(|index| index.unique && index.columns.iter().any(|name| name == column))
    }
}

/// SHA-256 of a text, in lower-case hex.
pub fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// What kind of relation the name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    Table,
    View,
    MaterializedView,
    /// A foreign or virtual table: it can't be rolled back.
    Foreign,
    Partitioned,
    /// A table with inheritance children.
    Parent,
    /// A child or partition of another table, without any of its own.
    Child,
    /// A table that belongs to the system or to an extension.
    System,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub class: TypeClass,
    /// The type as the catalogue writes it.
    pub declared: String,
    /// The longest text that fits, in characters.
    pub max_length: Option<u32>,
    pub nullable: bool,
    /// Computed by the database: it can't be assigned.
    pub generated: bool,
    /// It is so because the database numbers the rows: who inserts one may say the number all the same.
    pub numbered: bool,
    /// The columns that it is computed from: it changes with them.
    pub computed_from: Vec<String>,
    /// The database writes the present time there whenever the row is changed, unless the statement says otherwise.
    pub touched: bool,
    /// Our role may change it.
    pub updatable: bool,
    /// Our role may say what it gets in a row that it inserts.
    pub insertable: bool,
    /// Why no rule can change it, as a clause: rows would move between partitions, or not all members of a tree would take
    /// the same.
    pub fixed: Option<String>,
    /// The labels of an enum.
    pub labels: Vec<String>,
}

impl Column {
    /// What a statement needs of it.
    pub fn to_ref(&self) -> ColumnRef {
        let Self { name, class, declared, nullable, labels, .. } = self;
        ColumnRef {
            name: name.clone(),
            class: *class,
            declared: declared.clone(),
            nullable: *nullable,
            labels: labels.clone(),
            side: crate::sql::selection::Side::Row,
        }
    }
}

/// An index. Expressions in it appear as empty names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    pub columns: Vec<String>,
    pub unique: bool,
    /// It has a WHERE: some rows are not in it.
    pub partial: bool,
    /// It can be walked in order (B-tree, valid, ascending first column).
    pub ordered: bool,
}

/// A foreign key, from child to parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    pub name: String,
    pub child: TableRef,
    pub child_columns: Vec<String>,
    pub parent: TableRef,
    pub parent_columns: Vec<String>,
    pub on_delete: ReferentialAction,
    pub on_update: ReferentialAction,
    /// An index of the child starts with the key's columns: without one each deleted parent scans the child.
    pub child_indexed: bool,
    /// Whether we see the child's rows: where a key forbids the delete, a parent waits for them.
    pub child_sight: Sight,
}

/// What happens to children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferentialAction {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// A trigger that a person wrote (those of foreign keys are not listed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    pub name: String,
    /// SHA-256 of the trigger and of the function that it runs, in lower-case hex, so that a changed body shows; `None`: we
    /// may not see it.
    pub digest: Option<String>,
    pub on_delete: bool,
    pub on_update: bool,
    pub on_insert: bool,
    /// Empty: any column.
    pub update_columns: Vec<String>,
    pub enabled: bool,
}

/// Whether rows can be hidden from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSecurity {
    Off,
    /// On, but it does not apply to our role.
    Bypassed,
    /// On and applied: we can't know what we don't see.
    Applies,
}

/// Whether our role sees the rows of another table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    All,
    /// It may not read the key's columns.
    NotGranted,
    /// Row security applies, and might hide some.
    RowSecurity,
}

/// What our role may do with the table; what it may change of it, each [`Column`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privileges {
    /// All columns: rows are found by their place too, which no privilege on a column covers.
    pub select: bool,
    pub delete: bool,
}
