//! What plans ask: how many rows are in each class, due, or covered by a hold.

use super::{Binds, all, walk::within};
use crate::{
    policy::Dialect,
    sql::{
        Statement,
        predicate::{class, due, held::covered, implausible, protections},
        qualified,
        selection::{Cell, Range, Selection, SubjectTest, TableRef, WorkspaceRef},
    },
};

/// Counts the classes of law 5 within a range: one row `total, outside, undated, running, due, held, protected, done,
/// implausible`, all whole numbers of 64 bits.
pub fn count(selection: &Selection, range: &Range) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let columns: String = ["outside", "undated", "running", "due", "held", "protected", "done"]
        .iter()
        .map(|class| format!(", {} AS \"{class}\"", counted(dialect, &format!("s.class = '{class}'"))))
        .collect();
    // Without a limit the subquery would be merged into the outer one, and each row classified once for every column.
    let unmerged = match dialect {
        Dialect::Postgres => "OFFSET 0",
        Dialect::Sqlite => "LIMIT -1 OFFSET 0",
        Dialect::Mysql => "LIMIT 9223372036854775807",
    };
    let text = format!(
        "SELECT count(*) AS \"total\"{columns}, {} AS \"implausible\" \
         FROM (SELECT {} AS class, {} AS implausible FROM {} AS t WHERE {} {unmerged}) s",
        counted(dialect, "s.class = 'undated' AND s.implausible"),
        class(selection),
        implausible(selection),
        qualified(dialect, &selection.table),
        all(&within(range, &mut binds)),
    );
    binds.statement(text)
}

/// The due rows of each selection within the range: one row with a 64-bit number for each, in their order. The
/// selections are of one table; with none, no row.
pub fn count_due(selections: &[Selection], range: &Range) -> Statement {
    let Some(first) = selections.first() else { return Statement::plain("SELECT 0 WHERE FALSE") };
    let mut binds = Binds::new(first.workspace.dialect);
    let counts: Vec<String> =
        selections.iter().map(|selection| counted(selection.workspace.dialect, &due(selection).join(" AND "))).collect();
    let table = qualified(first.workspace.dialect, &first.table);
    let text = format!("SELECT {} FROM {table} AS t WHERE {}", counts.join(", "), all(&within(range, &mut binds)));
    binds.statement(text)
}

/// The protected rows within the range, by what protects them: one row with a 64-bit number for each protector, then one
/// for each reference, in their order. A row that several protect is counted for each.
pub fn count_protected(selection: &Selection, range: &Range) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let (mut inner, mut outer) = (String::new(), Vec::new());
    for (index, protects) in protections(selection).enumerate() {
        inner.push_str(&format!(", {protects} AS p{index}"));
        outer.push(counted(dialect, &format!("s.p{index}")));
    }
    let text = format!(
        "SELECT {} FROM (SELECT {} AS class{inner} FROM {} AS t WHERE {}) s WHERE s.class = 'protected'",
        if outer.is_empty() { "count(*)".to_owned() } else { outer.join(", ") },
        class(selection),
        qualified(dialect, &selection.table),
        all(&within(range, &mut binds)),
    );
    binds.statement(text)
}

/// The rows within the range that are due under a selection and not under another of the same table: one row with one
/// 64-bit number.
pub fn count_beyond(selection: &Selection, before: &Selection, range: &Range) -> Statement {
    let mut binds = Binds::new(selection.workspace.dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    conjuncts.push(format!("({}) IS NOT TRUE", due(before).join(" AND ")));
    let table = qualified(selection.workspace.dialect, &selection.table);
    binds.statement(format!("SELECT count(*) FROM {table} AS t WHERE {}", all(&conjuncts)))
}

/// How many rows of the table one hold covers: one row with one 64-bit number.
pub fn count_held(table: &TableRef, workspace: &WorkspaceRef, subjects: &[SubjectTest], scopes: &[String], hold: &str) -> Statement {
    let mut binds = Binds::new(workspace.dialect);
    let hold = binds.add(Cell::Text(hold.to_owned()), "text");
    let covered = covered(workspace, scopes, subjects, Some(&hold));
    let text = format!("SELECT count(*) FROM {} AS t WHERE {covered}", qualified(workspace.dialect, table));
    binds.statement(text)
}

/// How many rows a condition is true of.
fn counted(dialect: Dialect, condition: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!("count(*) FILTER (WHERE {condition})"),
        Dialect::Mysql => format!("count(CASE WHEN {condition} THEN 1 END)"),
    }
}
