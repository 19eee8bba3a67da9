//! What plans ask: how many rows are in each class, due, or covered by a hold.

use super::{
    Binds, all,
    walk::{met, within},
};
use crate::{
    policy::Dialect,
    sql::{
        Statement,
        predicate::{
            before_cutoff, class,
            dependents::counts,
            due,
            held::{covered, covered_one_by_one, in_scope},
            implausible, protections,
        },
        qualified, rows_of,
        selection::{Cell, HeldTest, Range, Selection, SubjectTest, TableRef, WorkspaceRef},
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
        rows_of(selection),
        all(&met(selection, range, &mut binds)),
    );
    binds.statement(text)
}

/// What a sweep watches that counted nothing beforehand, for a small part of the price of [`count`]: one row with two
/// 64-bit numbers, the rows of the range, and those among them whose start can't be meant.
pub fn survey(selection: &Selection, range: &Range) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    // In this order: hardly any row has to be classified.
    let implausible = format!("CASE WHEN {} THEN {} = 'undated' ELSE FALSE END", implausible(selection), class(selection));
    let text = format!(
        "SELECT count(*), {} FROM {} AS t WHERE {}",
        counted(dialect, &implausible),
        rows_of(selection),
        all(&met(selection, range, &mut binds)),
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
    let table = rows_of(first);
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
        rows_of(selection),
        all(&met(selection, range, &mut binds)),
    );
    binds.statement(text)
}

/// What goes with the due rows of the range: one row with a 64-bit number for each of [`Selection::along`].
pub fn count_along(selection: &Selection, range: &Range) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    let integer = if dialect == Dialect::Mysql { "SIGNED" } else { "bigint" };
    let sums: Vec<String> = counts(selection).iter().map(|count| format!("CAST(coalesce(sum({count}), 0) AS {integer})")).collect();
    let sums = if sums.is_empty() { "count(*)".to_owned() } else { sums.join(", ") };
    binds.statement(format!("SELECT {sums} FROM {} AS t WHERE {}", rows_of(selection), all(&conjuncts)))
}

/// The rows within the range that are due under a selection and not under another of the same table: one row with one
/// 64-bit number.
pub fn count_beyond(selection: &Selection, before: &Selection, range: &Range) -> Statement {
    let mut binds = Binds::new(selection.workspace.dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    conjuncts.push(format!("({}) IS NOT TRUE", due(before).join(" AND ")));
    let table = rows_of(selection);
    binds.statement(format!("SELECT count(*) FROM {table} AS t WHERE {}", all(&conjuncts)))
}

/// A row for each due row of the range: what a DBA asks the plan of.
pub fn find_due(selection: &Selection, range: &Range) -> Statement {
    let mut binds = Binds::new(selection.workspace.dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    let table = rows_of(selection);
    binds.statement(format!("SELECT 1 FROM {table} AS t WHERE {}", all(&conjuncts)))
}

/// A row for each row that starts before the cut-off, or bears no date: what the plan of tells how many the database takes
/// them for. `None` where no comparison of the bare column finds them.
pub fn find_ended(selection: &Selection) -> Option<Statement> {
    let dialect = selection.workspace.dialect;
    let table = rows_of(selection);
    before_cutoff(selection).map(|ended| Binds::new(dialect).statement(format!("SELECT 1 FROM {table} AS t WHERE {ended}")))
}

/// Whether a table has a row that is not due, or none at all: one row with 1, or none. It looks no further than to the first.
pub fn is_kept(selection: &Selection) -> Statement {
    let table = rows_of(selection);
    let due = due(selection).join(" AND ");
    Statement::plain(format!(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM {table} AS t WHERE ({due}) IS NOT TRUE) OR NOT EXISTS (SELECT 1 FROM {table} AS t)"
    ))
}

/// Whether a hold covers any row of a selection's, in questions that name the `held` table once each, as a session that has locked
/// it must: each finds one row, or none. The first asks whether anything is held there at all; without an answer the others needn't be asked.
/// Empty: nothing can be held.
pub fn finds_held(selection: &Selection) -> Vec<Statement> {
    let (workspace, test) = (&selection.workspace, &selection.held);
    if test.scopes.is_empty() {
        return Vec::new();
    }
    let any = format!("SELECT 1 FROM {} h WHERE {} LIMIT 1", workspace.held(), in_scope(workspace.dialect, test));
    let ways = covered_one_by_one(workspace, test);
    let ways = ways.iter().map(|way| format!("SELECT 1 FROM {} AS t WHERE {way} LIMIT 1", rows_of(selection)));
    std::iter::once(any).chain(ways).map(Statement::plain).collect()
}

/// A row for each row that is not before the cut-off. It is never run: what the database would look into for it can hold
/// such rows, by its own word. `None`: the start can't be compared bare.
pub fn find_later(selection: &Selection) -> Option<Statement> {
    let before = before_cutoff(selection)?;
    let table = rows_of(selection);
    Some(Statement::plain(format!("SELECT 1 FROM {table} AS t WHERE NOT ({before})")))
}

/// How many rows of the table one hold covers: one row with one 64-bit number.
pub fn count_held(table: &TableRef, workspace: &WorkspaceRef, subjects: &[SubjectTest], scopes: &[String], hold: &str) -> Statement {
    let mut binds = Binds::new(workspace.dialect);
    let hold = binds.add(Cell::Text(hold.to_owned()), "text");
    let held = HeldTest { scopes: scopes.to_vec(), elsewhere: Vec::new(), subjects: subjects.to_vec() };
    let covered = covered(workspace, &held, Some(&hold));
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
