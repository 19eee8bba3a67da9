//! Whole statements: a selection, a range and an act, as text with binds.
//!
//! Values of rows (cursor positions, new values) are bound; cut-offs, names and patterns are written in the text, so
//! that a sweep uses one text for all its ranges. `count` is what plans ask, `look` what is asked of one row, `walk` cuts a table into ranges, `change`
//! is what batches run, `pick` finds the rows that go together, `copy` reads, deletes and puts back whole rows for the archive. A new statement is a
//! function in one of them and a snapshot for each dialect.

mod change;
mod copy;
mod count;
mod look;
mod lookup;
mod opt_out;
mod pick;
#[cfg(test)]
mod tests;
mod walk;

pub use self::{
    change::{CLEAR_NEW_VALUES, CREATE_NEW_VALUES, NEW_VALUES, NewValues, create_new_values, delete, digest, old_values, update},
    copy::{delete_and_return, due_rows, put_back},
    count::{
        count, count_along, count_beyond, count_due, count_held, count_protected, find_due, find_ended, find_later, finds_held, is_kept,
        survey,
    },
    look::{holders, look, seen, shown},
    lookup::{lock_parents, settings},
    opt_out::{create_unique_index, delete_returning, digest_with_opt_outs, find_opt_outs, insert_opt_outs, read_before},
    pick::{Which, pick},
    walk::{any_due, boundary, meets_implausible_first, value_below, value_boundary},
};
use super::{
    Statement, mysql, qualified, quote_identifier,
    selection::{Cell, ColumnRef, TableRef},
};
use crate::policy::Dialect;

/// The statement that a person would run so that sweeps find what is due by an index. On PostgreSQL and MariaDB it locks no
/// writer out.
pub fn create_index(dialect: Dialect, table: &TableRef, columns: &[String]) -> String {
    let names = columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ");
    match dialect {
        Dialect::Postgres => format!("CREATE INDEX CONCURRENTLY ON {} ({names});", qualified(dialect, table)),
        Dialect::Mysql => {
            let quoted = mysql::quote_for_people;
            format!(
                "ALTER TABLE {}.{} ADD INDEX ({}), ALGORITHM=INPLACE, LOCK=NONE;",
                quoted(&table.schema),
                quoted(&table.table),
                columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
            )
        }
        Dialect::Sqlite => {
            let index = quote_identifier(&format!("{}_{}", table.table, columns.join("_")));
            format!("CREATE INDEX {}.{index} ON {} ({names});", quote_identifier(&table.schema), quote_identifier(&table.table))
        }
    }
}

/// Collects the values that go with a text while it is written.
struct Binds {
    dialect: Dialect,
    cells: Vec<Cell>,
}

impl Binds {
    fn new(dialect: Dialect) -> Self {
        Self { dialect, cells: Vec::new() }
    }

    /// Binds a cell and returns its parameter. PostgreSQL gets every value as text and reads it as `type_name`, so that
    /// any type can be a position; the others get it as it is.
    fn add(&mut self, cell: Cell, type_name: &str) -> String {
        self.cells.push(match self.dialect {
            Dialect::Postgres => as_text(cell),
            Dialect::Sqlite | Dialect::Mysql => cell,
        });
        match self.dialect {
            Dialect::Postgres => format!("${}::text::{type_name}", self.cells.len()),
            Dialect::Sqlite => format!("?{}", self.cells.len()),
            Dialect::Mysql => format!("${}", self.cells.len()),
        }
    }

    /// Binds a cell that is compared with a column.
    fn add_as(&mut self, cell: Cell, of: &ColumnRef) -> String {
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => self.add(cell, &of.declared),
            Dialect::Mysql => {
                self.cells.push(cell);
                mysql::parameter(self.cells.len(), &mysql::cast(of))
            }
        }
    }

    /// The text with its values.
    fn statement(self, text: String) -> Statement {
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => Statement { text, binds: self.cells },
            Dialect::Mysql => {
                let (text, binds) = mysql::positional(&text, &self.cells);
                Statement { text, binds }
            }
        }
    }
}

/// A cell as PostgreSQL's own text of it.
fn as_text(cell: Cell) -> Cell {
    match cell {
        Cell::Null | Cell::Text(_) => cell,
        Cell::Integer(number) => Cell::Text(number.to_string()),
        Cell::Real(number) => Cell::Text(number.to_string()),
        Cell::Bytes(bytes) => Cell::Text(bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}"))),
    }
}

/// Joins conjuncts; none of them is TRUE.
fn all(conjuncts: &[String]) -> String {
    if conjuncts.is_empty() { "TRUE".to_owned() } else { conjuncts.join(" AND ") }
}
