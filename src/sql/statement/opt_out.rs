//! What a batch runs whose rows leave opt-outs behind. The rows that go say themselves what they were: another statement
//! could read what was there before somebody changed it.

use sha2::{Digest as _, Sha256};

use super::{
    Binds,
    change::{digest, literal, mark_value},
    walk::{at_most, within},
};
use crate::{
    clock::hex,
    policy::Dialect,
    sql::{
        Statement,
        alias::without_alias,
        opt_out::{OptOut, OptOutColumn, Written},
        predicate::{
            column::{column, text_of},
            due,
        },
        qualified, quote_identifier,
        selection::{Act, Cell, ColumnRef, Range, Selection, TypeClass},
    },
};

/// Deletes the due rows of the range, but for those whose opt-outs can't be written, and returns of each what names it
/// and what its opt-out is made of.
///
/// What it returns is what was deleted, whoever changed the row since the range was found (law 4).
pub fn delete_returning(selection: &Selection, range: &Range, opt_out: &OptOut) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let conjuncts = conjuncts(selection, range, opt_out, &mut binds).join(" AND ");
    let (table, returned) = (qualified(dialect, &selection.table), returned(dialect, opt_out));
    binds.statement(match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!("DELETE FROM {table} AS t WHERE {conjuncts} RETURNING {returned}"),
        Dialect::Mysql => {
            let plain = |text: &str| without_alias(text, &selection.table);
            format!("DELETE FROM {table} WHERE {}{} RETURNING {}", plain(&conjuncts), at_most(range), plain(&returned))
        }
    })
}

/// What [`delete_returning`] would return, read by a statement of its own. Rows may have changed by the next: the seeded fault
/// `opt-outs-read-before` makes this mistake.
pub fn read_before(selection: &Selection, range: &Range, opt_out: &OptOut) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let conjuncts = conjuncts(selection, range, opt_out, &mut binds).join(" AND ");
    let (table, returned) = (qualified(dialect, &selection.table), returned(dialect, opt_out));
    binds.statement(format!("SELECT {returned} FROM {table} AS t WHERE {conjuncts}{}", at_most(range)))
}

fn conjuncts(selection: &Selection, range: &Range, opt_out: &OptOut, binds: &mut Binds) -> Vec<String> {
    let dialect = selection.workspace.dialect;
    let mut conjuncts = within(range, binds);
    conjuncts.extend(due(selection));
    for values in &opt_out.except {
        let same: Vec<String> = opt_out.read.iter().zip(values).map(|(of, value)| is(dialect, of, value, binds)).collect();
        conjuncts.push(format!("NOT ({})", same.join(" AND ")));
    }
    conjuncts
}

/// Whether a column has exactly this value, NULL included.
fn is(dialect: Dialect, of: &ColumnRef, value: &Cell, binds: &mut Binds) -> String {
    let parameter = binds.add(value.clone(), "text");
    match dialect {
        Dialect::Postgres => format!("{} IS NOT DISTINCT FROM {parameter}", text_of(dialect, of)),
        Dialect::Sqlite => format!("({} COLLATE BINARY IS {parameter})", column(of)),
        Dialect::Mysql => format!("{} <=> {parameter}", text_of(dialect, of)),
    }
}

/// First what names the row, as text, then what is read of it.
fn returned(dialect: Dialect, opt_out: &OptOut) -> String {
    // What SQLite returns knows no alias, and its values have types of their own, whatever the column.
    let name = |of: &ColumnRef| match dialect {
        Dialect::Sqlite => format!("CAST({} AS TEXT)", quote_identifier(&of.name)),
        Dialect::Postgres | Dialect::Mysql => text_of(dialect, of),
    };
    let value = |of: &ColumnRef| if dialect == Dialect::Sqlite { quote_identifier(&of.name) } else { text_of(dialect, of) };
    opt_out.names.iter().map(name).chain(opt_out.read.iter().map(value)).collect::<Vec<_>>().join(", ")
}

/// Writes opt-outs, each as [`OptOut::of`] gave it. An entry with the same key is left as it is; any other constraint of the
/// table is not for us to pass over. MariaDB can't tell one key from another, so only what [`find_opt_outs`] did not find is written.
pub fn insert_opt_outs(dialect: Dialect, opt_out: &OptOut, rows: &[Vec<Cell>]) -> Statement {
    let mut binds = Binds::new(dialect);
    let mut tuples = Vec::new();
    for row in rows {
        let mut cells = row.iter();
        let mut values = Vec::new();
        for written in &opt_out.columns {
            values.push(match &written.value {
                Written::Hashed(..) | Written::Copied(_) => {
                    let cell = cells.next().cloned().unwrap_or(Cell::Null);
                    binds.add(cell, if is_text(&written.column) { "text" } else { &written.column.declared })
                }
                Written::Fixed(value) => literal(dialect, &written.column, value),
                Written::Now(at) => mark_value(&written.column, *at, &mut binds),
            });
        }
        tuples.push(format!("({})", values.join(", ")));
    }
    let names: Vec<String> = opt_out.columns.iter().map(|written| quote_identifier(&written.column.name)).collect();
    let key: Vec<&str> = opt_out.key.iter().map(|at| names[*at].as_str()).collect();
    let there = match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!(" ON CONFLICT ({}) DO NOTHING", key.join(", ")),
        Dialect::Mysql => String::new(),
    };
    binds.statement(format!(
        "INSERT INTO {} ({}) VALUES {}{there}",
        qualified(dialect, &opt_out.table),
        names.join(", "),
        tuples.join(", ")
    ))
}

/// MariaDB: for each of the opt-outs whether the table has an entry with its key.
pub fn find_opt_outs(opt_out: &OptOut, rows: &[Vec<Cell>]) -> Statement {
    let dialect = Dialect::Mysql;
    let mut binds = Binds::new(dialect);
    let mut entries = Vec::new();
    for row in rows {
        let mut same = Vec::new();
        for at in &opt_out.key {
            let OptOutColumn { column, value } = &opt_out.columns[*at];
            let value = match value {
                Written::Fixed(value) => literal(dialect, column, value),
                Written::Now(at) => mark_value(column, *at, &mut binds),
                Written::Hashed(..) | Written::Copied(_) => binds.add(opt_out.cell(*at, row).cloned().unwrap_or(Cell::Null), ""),
            };
            same.push(format!("s.{} = {value}", quote_identifier(&column.name)));
        }
        entries.push(format!("EXISTS (SELECT 1 FROM {} s WHERE {})", qualified(dialect, &opt_out.table), same.join(" AND ")));
    }
    binds.statement(format!("SELECT {}", entries.join(", ")))
}

/// SHA-256 in hex of the texts that act, the same for all ranges of a way.
pub fn digest_with_opt_outs(selection: &Selection, opt_out: &OptOut) -> String {
    let one = vec![vec![Cell::Null; opt_out.columns.len()]];
    let insert = insert_opt_outs(selection.workspace.dialect, opt_out, &one).text;
    hex(&Sha256::digest(format!("{} and {insert}", digest(selection, &Act::Delete))))
}

/// The statement that a person would run so that entries can be told apart.
pub fn create_unique_index(dialect: Dialect, table: &super::TableRef, columns: &[String]) -> String {
    super::create_index(dialect, table, columns).replacen("INDEX", "UNIQUE INDEX", 1)
}

fn is_text(of: &ColumnRef) -> bool {
    matches!(of.class, TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText | TypeClass::Untyped)
}
