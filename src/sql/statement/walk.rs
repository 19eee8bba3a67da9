//! Ranges of a walk, and where the next one ends.
//!
//! Cursors only move on: a range is bounded by positions, never found again from the table's start.

use super::{Binds, all};
use crate::{
    policy::Dialect,
    sql::{
        Statement,
        predicate::{before_cutoff, column::column},
        qualified, quote_identifier,
        selection::{Cell, Range, Selection, Way},
    },
};

/// Conjuncts: the row is in the range.
pub(super) fn within(range: &Range, binds: &mut Binds) -> Vec<String> {
    let mut conjuncts = Vec::new();
    if let Some(after) = &range.after {
        // Blocks are numbered from 0: the first block that is not behind the range is its bound.
        let operator = if range.way == Way::Blocks { ">=" } else { ">" };
        conjuncts.push(compare(&range.way, operator, after, binds));
    }
    if let Some(through) = &range.through {
        let operator = if range.way == Way::Blocks { "<" } else { "<=" };
        conjuncts.push(compare(&range.way, operator, through, binds));
    }
    conjuncts
}

/// A comparison with a position: of rows of values, so that one index walk answers it.
fn compare(way: &Way, operator: &str, cells: &[Cell], binds: &mut Binds) -> String {
    if let (Way::Blocks, [Cell::Integer(block)]) = (way, cells) {
        return format!("t.ctid {operator} {}", binds.add(Cell::Text(format!("({block},0)")), "tid"));
    }
    let (names, types): (Vec<String>, Vec<String>) = terms(way, binds.dialect).into_iter().unzip();
    let bound: Vec<String> = cells.iter().zip(&types).map(|(cell, type_name)| binds.add(cell.clone(), type_name)).collect();
    match (names.as_slice(), bound.as_slice()) {
        ([name], [value]) => format!("{name} {operator} {value}"),
        _ => format!("({}) {operator} ({})", names.join(", "), bound.join(", ")),
    }
}

/// What a way is ordered by, each with its type on PostgreSQL.
fn terms(way: &Way, dialect: Dialect) -> Vec<(String, String)> {
    let physical = |name: &str| match dialect {
        Dialect::Postgres => (format!("t.{name}"), "tid".to_owned()),
        Dialect::Sqlite => (format!("t.{}", quote_identifier(name)), String::new()),
    };
    match way {
        Way::Blocks => vec![("t.ctid".to_owned(), "tid".to_owned())],
        Way::Rowid(name) => vec![physical(name)],
        Way::Columns { columns, tie } => {
            columns.iter().map(|of| (column(of), of.declared.clone())).chain(tie.iter().map(|name| physical(name))).collect()
        }
    }
}

/// The position of the row that is `rows` places on (from 1) after `after`: its cells in the order of the way's columns,
/// the tie last; one cell on a way of rowids. No row: fewer are left. Ways over columns count only rows whose start is
/// before the cut-off, so that the end of an index walk is the end of what can be due.
///
/// On PostgreSQL each cell is text. `None` for [`Way::Blocks`], whose positions are arithmetic.
pub fn boundary(selection: &Selection, way: &Way, after: Option<&[Cell]>, rows: u64) -> Option<Statement> {
    let dialect = selection.workspace.dialect;
    let mut conjuncts = match way {
        Way::Blocks => return None,
        Way::Rowid(_) => Vec::new(),
        // A position that holds a NULL would compare with nothing and end the walk. Such a row is undated: never due.
        Way::Columns { columns, .. } => {
            let dated = columns.iter().filter(|of| of.nullable).map(|of| format!("{} IS NOT NULL", column(of)));
            before_cutoff(selection).into_iter().chain(dated).collect()
        }
    };
    let mut binds = Binds::new(dialect);
    let terms: Vec<String> = terms(way, dialect).into_iter().map(|(name, _)| name).collect();
    let range = Range { way: way.clone(), after: after.map(<[Cell]>::to_vec), through: None };
    conjuncts.extend(within(&range, &mut binds));
    let skip = i64::try_from(rows.saturating_sub(1)).unwrap_or(i64::MAX);
    let skip = binds.add(Cell::Integer(skip), "bigint");
    let cells: Vec<String> = terms
        .iter()
        .map(|term| match dialect {
            Dialect::Postgres => format!("{term}::text"),
            Dialect::Sqlite => term.clone(),
        })
        .collect();
    let text = format!(
        "SELECT {} FROM {} AS t WHERE {} ORDER BY {} LIMIT 1 OFFSET {skip}",
        cells.join(", "),
        qualified(dialect, &selection.table),
        all(&conjuncts),
        terms.join(", "),
    );
    Some(Statement { text, binds: binds.cells })
}
