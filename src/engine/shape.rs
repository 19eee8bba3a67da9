//! The shape of a table: what a catalogue says about it, in the same words for every engine.

use crate::sql::selection::{ColumnRef, TableRef, TypeClass};

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

    /// True if a unique index or key contains `column`.
    pub fn is_unique(&self, column: &str) -> bool {
        self.primary_key.iter().any(|name| name == column)
            || self.indexes.iter().any(|index| index.unique && index.columns.iter().any(|name| name == column))
    }
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
    /// A child or partition of another table.
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
    /// The database writes the present time there whenever the row is changed, unless the statement says otherwise.
    pub touched: bool,
}

impl Column {
    /// What a statement needs of it.
    pub fn to_ref(&self) -> ColumnRef {
        ColumnRef { name: self.name.clone(), class: self.class, declared: self.declared.clone(), nullable: self.nullable }
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
    pub on_delete: bool,
    pub on_update: bool,
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

/// What our role may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privileges {
    pub select: bool,
    pub delete: bool,
    pub update: bool,
}
