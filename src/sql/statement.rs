//! Whole statements: a selection, a range and an act, as text with binds.
//!
//! Values of rows (cursor positions, new values) are bound; cut-offs, names and patterns are written in the text, so
//! that a sweep uses one text for all its ranges.

use std::collections::BTreeMap;

use super::{
    Statement,
    selection::{Act, Cell, ColumnRef, Range, Selection, SubjectTest, TableRef, Way, WorkspaceRef},
};

/// New texts by old ones, for one column; `None` writes NULL.
pub type NewValues = BTreeMap<String, Option<String>>;

/// Counts the classes of law 5 within a range: one row `total, outside, undated, running, due, held, protected, done,
/// implausible`, all whole numbers of 64 bits.
pub fn count(selection: &Selection, range: &Range) -> Statement {
    todo!()
}

/// The due rows of each selection within the range: one row with a 64-bit number for each, in their order. The
/// selections differ in their cut-offs only; never empty.
pub fn count_due(selections: &[Selection], range: &Range) -> Statement {
    todo!()
}

/// How many rows of the table one hold covers: one row with one 64-bit number.
pub fn count_held(table: &TableRef, workspace: &WorkspaceRef, subjects: &[SubjectTest], scopes: &[String], hold: &str) -> Statement {
    todo!()
}

/// Deletes the due rows of the range.
pub fn delete(selection: &Selection, range: &Range) -> Statement {
    todo!()
}

/// The distinct texts that `column` has in due rows of the range and that are not done yet: rows of one text. On
/// PostgreSQL it locks those rows; on SQLite the transaction already has the database.
pub fn old_values(selection: &Selection, range: &Range, column: &ColumnRef) -> Statement {
    todo!()
}

/// Anonymises the due rows of the range.
///
/// `computed` has the new values of each column whose value is computed, in the order of the act's assignments: on
/// PostgreSQL they are bound as JSON, on SQLite the engine has put them in [`NEW_VALUES`] and they are not looked at.
/// A row with an old value that has no entry is left alone.
pub fn update(selection: &Selection, range: &Range, act: &Act, computed: &[NewValues]) -> Statement {
    todo!()
}

/// SQLite: the temporary table of new values, `(col, old, new)`; `col` counts the computed columns of the act from 0.
pub const NEW_VALUES: &str = "temp.retentiond_new";

/// SQLite: creates [`NEW_VALUES`] where the connection lacks it.
pub const CREATE_NEW_VALUES: &str =
    "CREATE TEMP TABLE IF NOT EXISTS retentiond_new (col INTEGER, old TEXT, new TEXT, PRIMARY KEY (col, old)) WITHOUT ROWID";

/// SQLite: empties [`NEW_VALUES`].
pub const CLEAR_NEW_VALUES: &str = "DELETE FROM temp.retentiond_new";

/// SQLite: adds one row to [`NEW_VALUES`]; binds `col`, `old` and `new`.
pub const ADD_NEW_VALUE: &str = "INSERT INTO temp.retentiond_new (col, old, new) VALUES (?1, ?2, ?3)";

/// The position of the row that is `rows` places on (from 1) after `after`: its cells in the order of the way's columns,
/// the tie last; one cell on a way of rowids. No row: fewer are left. Ways over columns count only rows whose start is
/// before the cut-off, so that the end of an index walk is the end of what can be due.
///
/// `None` for [`Way::Blocks`], whose positions are arithmetic.
pub fn boundary(selection: &Selection, way: &Way, after: Option<&[Cell]>, rows: u64) -> Option<Statement> {
    todo!()
}
