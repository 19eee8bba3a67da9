//! Ranges of a walk, and where the next one ends.
//!
//! Cursors only move on: a range is bounded by positions, never found again from the table's start.

use super::{Binds, all, pick::picked};
use crate::{
    policy::Dialect,
    sql::{
        Statement, mysql,
        predicate::{before_cutoff, column::column, due, in_members, start_is_in_order},
        qualified, quote_identifier,
        selection::{Cell, ColumnRef, EndTest, Range, Selection, Way},
    },
};

/// Conjuncts: the row is in the range.
pub(super) fn within(range: &Range, binds: &mut Binds) -> Vec<String> {
    if let Way::Picked(columns) = &range.way {
        return vec![picked(columns, range.through.as_deref().unwrap_or_default(), binds)];
    }
    let mut conjuncts = Vec::new();
    if let Some(after) = &range.after {
        // Blocks are numbered from 0: the first block that is not behind the range is its bound.
        let operator = if range.way == Way::Blocks { ">=" } else { ">" };
        conjuncts.push(compare(&range.way, operator, after, binds));
    }
    if let Some(through) = range.through.as_ref().filter(|_| range.way != Way::Unordered) {
        let operator = if range.way == Way::Blocks { "<" } else { "<=" };
        conjuncts.push(compare(&range.way, operator, through, binds));
    }
    conjuncts
}

/// Conjuncts: the row is in the range, and in a table that the selection knows.
pub(super) fn met(selection: &Selection, range: &Range, binds: &mut Binds) -> Vec<String> {
    within(range, binds).into_iter().chain(in_members(&selection.members)).collect()
}

/// What ends an act on a way without an order: so many rows.
pub(super) fn at_most(range: &Range) -> String {
    match (&range.way, range.through.as_deref()) {
        (Way::Unordered, Some([Cell::Integer(rows)])) => format!(" LIMIT {rows}"),
        _ => String::new(),
    }
}

/// A comparison with a position: of rows of values, so that one index walk answers it.
fn compare(way: &Way, operator: &str, cells: &[Cell], binds: &mut Binds) -> String {
    if let (Way::Blocks, [Cell::Integer(block), item @ ..]) = (way, cells) {
        let item = if let [Cell::Integer(item)] = item { *item } else { 0 };
        return format!("t.ctid {operator} {}", binds.add(Cell::Text(format!("({block},{item})")), "tid"));
    }
    let terms = terms(way, binds.dialect);
    let bound: Vec<String> = cells.iter().zip(&terms).map(|(cell, term)| term.bind(cell.clone(), binds)).collect();
    let names: Vec<&str> = terms.iter().take(bound.len()).map(|term| term.name.as_str()).collect();
    match (names.as_slice(), bound.as_slice()) {
        ([name], [value]) => format!("{name} {operator} {value}"),
        // A comparison of rows of values finds no range of a heap, so it is said of its first value once more.
        ([place @ "t.ctid", ..], [value, ..]) => {
            let strictly = &operator[..1];
            format!("{place} {strictly}= {value} AND ({}) {operator} ({})", names.join(", "), bound.join(", "))
        }
        _ if binds.dialect == Dialect::Mysql => step_by_step(operator, &names, &bound),
        _ => format!("({}) {operator} ({})", names.join(", "), bound.join(", ")),
    }
}

/// MariaDB uses no index for a comparison of rows of values, so it is written out column by column.
fn step_by_step(operator: &str, names: &[&str], bound: &[String]) -> String {
    let strictly = &operator[..1];
    match (names, bound) {
        ([name, names @ ..], [value, bound @ ..]) if !names.is_empty() => {
            let rest = step_by_step(operator, names, bound);
            format!("({name} {strictly}= {value} AND ({name} {strictly} {value} OR {rest}))")
        }
        ([name], [value]) => format!("{name} {operator} {value}"),
        _ => "FALSE".to_owned(),
    }
}

/// Which of the tables of a tree a row is in.
const TABLE: &str = "t.tableoid";

/// One of the things that a way is ordered by.
struct Term<'a> {
    name: String,
    /// `None`: the engine's own row address.
    column: Option<&'a ColumnRef>,
}

impl Term<'_> {
    fn bind(&self, cell: Cell, binds: &mut Binds) -> String {
        match self.column {
            Some(of) => binds.add_as(cell, of),
            None => binds.add(cell, if self.name == TABLE { "oid" } else { "tid" }),
        }
    }

    /// What stands in the list of a SELECT, so that its cell can be bound again.
    fn position(&self, dialect: Dialect) -> String {
        match (dialect, self.column) {
            (Dialect::Postgres, _) => format!("{}::text", self.name),
            (Dialect::Mysql, Some(of)) => mysql::position(of),
            (Dialect::Sqlite | Dialect::Mysql, _) => self.name.clone(),
        }
    }
}

/// What a way is ordered by.
fn terms(way: &Way, dialect: Dialect) -> Vec<Term<'_>> {
    let physical = |name: &str| {
        let name = if dialect == Dialect::Postgres { format!("t.{name}") } else { format!("t.{}", quote_identifier(name)) };
        Term { name, column: None }
    };
    match way {
        Way::Blocks => vec![physical("ctid")],
        Way::Rowid(name) => vec![physical(name)],
        Way::Columns { columns, tie } => {
            columns.iter().map(|of| Term { name: column(of), column: Some(of) }).chain(tie.iter().map(|name| physical(name))).collect()
        }
        Way::Unordered | Way::Picked(_) => Vec::new(),
    }
}

/// The position of the row that is the `rows`th of the range: its cells in the order of the way's columns, the tie last; one
/// cell on a way of rowids. No row: it has fewer. Ways over columns count only rows whose start is
/// before the cut-off, so that the end of an index walk is the end of what can be due.
///
/// On PostgreSQL and MariaDB each cell is text. `None` for [`Way::Blocks`], whose positions are arithmetic, and for
/// [`Way::Unordered`], which has none.
pub fn boundary(selection: &Selection, range: &Range, rows: u64) -> Option<Statement> {
    let dialect = selection.workspace.dialect;
    let mut conjuncts = match &range.way {
        Way::Blocks | Way::Unordered | Way::Picked(_) => return None,
        Way::Rowid(_) => Vec::new(),
        // A position that holds a NULL would compare with nothing and end the walk. Such a row is undated: never due.
        Way::Columns { columns, .. } => {
            let dated = columns.iter().filter(|of| of.nullable).map(|of| format!("{} IS NOT NULL", column(of)));
            before_cutoff(selection).into_iter().chain(dated).collect()
        }
    };
    let mut binds = Binds::new(dialect);
    let terms = terms(&range.way, dialect);
    conjuncts.extend(within(range, &mut binds));
    let skip = i64::try_from(rows.saturating_sub(1)).unwrap_or(i64::MAX);
    let skip = binds.add(Cell::Integer(skip), "bigint");
    let cells: Vec<String> = terms.iter().map(|term| term.position(dialect)).collect();
    let order: Vec<&str> = terms.iter().map(|term| term.name.as_str()).collect();
    let text = format!(
        "SELECT {} FROM {} AS t WHERE {} ORDER BY {} LIMIT 1 OFFSET {skip}",
        cells.join(", "),
        qualified(dialect, &selection.table),
        all(&conjuncts),
        order.join(", "),
    );
    Some(binds.statement(text))
}

/// Whether a way meets every start that is too early to be meant before the first one that can be.
pub fn meets_implausible_first(selection: &Selection, way: &Way) -> bool {
    let on_start =
        |column: &ColumnRef| selection.end.as_ref().and_then(EndTest::own_start).is_some_and(|start| start.column.name == column.name);
    matches!(way, Way::Columns { columns, .. } if columns.first().is_some_and(on_start)) && start_is_in_order(selection)
}

/// The values of a way's first column in the range's rows `rows` and `rows + 1`, among those whose start is before the cut-off.
/// Where they differ, the first is a bound by itself; fewer than two rows: the range ends there.
///
/// `None` for a way that is not one column and a tie. An index of the column alone answers it without sorting, unlike
/// [`boundary`], and without a look at the table.
pub fn value_boundary(selection: &Selection, range: &Range, rows: u64) -> Option<Statement> {
    let skip = i64::try_from(rows.saturating_sub(1)).unwrap_or(i64::MAX);
    values(selection, range, |name, binds| format!("ORDER BY {name} LIMIT 2 OFFSET {}", binds.add(Cell::Integer(skip), "bigint")))
}

/// The greatest value of a way's first column in the range and below `value`, if any: the bound of a range that ends before
/// the rows of that value. `None` as with [`value_boundary`].
pub fn value_below(selection: &Selection, range: &Range, value: &Cell) -> Option<Statement> {
    let Way::Columns { columns, .. } = &range.way else { return None };
    let column = columns.first()?;
    values(selection, range, |name, binds| format!("AND {name} < {} ORDER BY {name} DESC LIMIT 1", binds.add_as(value.clone(), column)))
}

/// Values of a way's first column among the rows of the range whose start is before the cut-off.
fn values(selection: &Selection, range: &Range, end: impl FnOnce(&str, &mut Binds) -> String) -> Option<Statement> {
    let Way::Columns { columns, tie } = &range.way else { return None };
    let ([of], false) = (columns.as_slice(), tie.is_empty()) else { return None };
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let dated = of.nullable.then(|| format!("{} IS NOT NULL", column(of)));
    let mut conjuncts: Vec<String> = before_cutoff(selection).into_iter().chain(dated).collect();
    conjuncts.extend(within(range, &mut binds));
    let term = Term { name: column(of), column: Some(of) };
    let end = end(&term.name, &mut binds);
    let table = qualified(dialect, &selection.table);
    Some(binds.statement(format!("SELECT {} FROM {table} AS t WHERE {} {end}", term.position(dialect), all(&conjuncts))))
}

/// One row with a number, if any row is due: whether a way without an order has anything left.
pub fn any_due(selection: &Selection) -> Statement {
    let dialect = selection.workspace.dialect;
    let table = qualified(dialect, &selection.table);
    Binds::new(dialect).statement(format!("SELECT 1 FROM {table} AS t WHERE {} LIMIT 1", all(&due(selection))))
}
