//! Rows as a whole: read for the archive, deleted and returned by one statement, and put back.
//!
//! The values are texts on PostgreSQL and MariaDB, in a form of which the same engine makes the same value again, and
//! on SQLite what they are. The statement that reads and the one that deletes write them alike, so that a value
//! that changed in between shows.

use super::{
    Binds,
    walk::{at_most, within},
};
use crate::{
    policy::Dialect,
    sql::{
        Statement,
        alias::without_alias,
        predicate::due,
        qualified, quote_identifier,
        selection::{Cell, ColumnRef, Range, Selection, TableRef, TypeClass},
    },
};

/// The due rows of the range, with these columns.
pub fn due_rows(selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Statement {
    let dialect = selection.workspace.dialect;
    let (due, binds) = due_in(selection, range);
    let text = format!("SELECT {} FROM {} AS t WHERE {due}", values(dialect, columns), qualified(dialect, &selection.table));
    binds.statement(text)
}

/// Deletes the due rows of the range and returns them, as [`due_rows`] does.
///
/// What is deleted and what is returned are the same rows in the same state, whatever else happens in the table: so what
/// is compared with the copy is what goes (law 7). No row goes that a hold covers, as in `delete`.
pub fn delete_and_return(selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Statement {
    let dialect = selection.workspace.dialect;
    let (due, binds) = due_in(selection, range);
    let (table, values) = (qualified(dialect, &selection.table), values(dialect, columns));
    binds.statement(match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!("DELETE FROM {table} AS t WHERE {due} RETURNING {values}"),
        Dialect::Mysql => {
            let due = without_alias(&due, &selection.table);
            format!("DELETE FROM {table} WHERE {due}{} RETURNING {values}", at_most(range))
        }
    })
}

/// Puts rows back, each with a value for each of the columns.
pub fn put_back(dialect: Dialect, table: &TableRef, columns: &[ColumnRef], rows: &[Vec<Cell>]) -> Statement {
    let mut binds = Binds::new(dialect);
    let mut tuples = Vec::with_capacity(rows.len());
    for row in rows {
        let values: Vec<String> = columns.iter().zip(row).map(|(of, cell)| assigned(&mut binds, of, cell.clone())).collect();
        tuples.push(format!("({})", values.join(", ")));
    }
    let names: Vec<String> = columns.iter().map(|of| quote_identifier(&of.name)).collect();
    // What the application's database counted by itself has its number back too.
    let overriding = if dialect == Dialect::Postgres { " OVERRIDING SYSTEM VALUE" } else { "" };
    let (table, names, tuples) = (qualified(dialect, table), names.join(", "), tuples.join(", "));
    binds.statement(format!("INSERT INTO {table} ({names}){overriding} VALUES {tuples}"))
}

fn due_in(selection: &Selection, range: &Range) -> (String, Binds) {
    let mut binds = Binds::new(selection.workspace.dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    (conjuncts.join(" AND "), binds)
}

/// No alias stands before the names: what is returned of a deleted row goes by none on SQLite.
fn values(dialect: Dialect, columns: &[ColumnRef]) -> String {
    columns.iter().map(|of| value(dialect, of)).collect::<Vec<_>>().join(", ")
}

fn value(dialect: Dialect, of: &ColumnRef) -> String {
    let name = quote_identifier(&of.name);
    match dialect {
        Dialect::Postgres => format!("{name}::text"),
        Dialect::Sqlite => name,
        Dialect::Mysql => match kind(of) {
            Kind::Bytes => format!("concat('\\x', lower(hex({name})))"),
            // By itself it would be the bytes of its bits.
            Kind::Bits => format!("CONVERT({name} + 0 USING utf8mb4)"),
            // By itself, a FLOAT keeps six digits.
            Kind::Fraction => format!("CONVERT(CAST({name} AS DOUBLE) USING utf8mb4)"),
            Kind::Text => format!("CONVERT({name} USING utf8mb4)"),
        },
    }
}

fn assigned(binds: &mut Binds, of: &ColumnRef, cell: Cell) -> String {
    match binds.dialect {
        Dialect::Postgres | Dialect::Sqlite => binds.add(cell, &of.declared),
        Dialect::Mysql => {
            let parameter = binds.add(cell, "");
            match kind(of) {
                Kind::Bytes => format!("unhex(substr({parameter}, 3))"),
                Kind::Bits => format!("CAST({parameter} AS UNSIGNED)"),
                Kind::Fraction => format!("CAST({parameter} AS DOUBLE)"),
                Kind::Text => parameter,
            }
        }
    }
}

/// How MariaDB writes and reads a value without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bytes,
    Bits,
    Fraction,
}

fn kind(of: &ColumnRef) -> Kind {
    const SHAPES: [&str; 8] =
        ["geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection"];
    match of.class {
        TypeClass::Bytes => Kind::Bytes,
        TypeClass::Bits => Kind::Bits,
        TypeClass::Float => Kind::Fraction,
        TypeClass::Other if SHAPES.iter().any(|shape| of.declared.to_ascii_lowercase().starts_with(shape)) => Kind::Bytes,
        _ => Kind::Text,
    }
}
