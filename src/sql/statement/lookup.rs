//! What is asked of tables that a row leads to: locks on the rows that decide, and the periods that are set there.

use super::{Binds, all, walk::met};
use crate::{
    fault,
    policy::Dialect,
    sql::{
        Statement,
        predicate::{column::column, due, lookup::leads},
        qualified, quote_identifier, rows_of,
        selection::{ColumnRef, HopRef, Range, Selection, Side, TableRef, Way},
    },
};

/// Locks every row of another table that decides whether a row of the range is acted on, so that it stays what it is until the
/// batch has ended: a later statement sees it as it was locked. One row with a number each; none where nothing is to be locked.
///
/// A statement at READ COMMITTED looks at other tables as they were when it began. Without the locks a row there could change, and be committed,
/// while the act waits for a row of its own, and the act would go by what was.
///
/// Rows that are not there can't be locked. One that comes after the act began is as if it had come after the batch.
pub fn lock_parents(selection: &Selection, range: &Range) -> Vec<Statement> {
    let dialect = selection.workspace.dialect;
    let lock = |through: &[HopRef]| {
        let (first, rest) = through.split_first()?;
        let mut binds = Binds::new(dialect);
        let mut conjuncts = met(selection, range, &mut binds);
        if range.way == Way::Unordered {
            conjuncts.extend(due(selection));
        }
        let named = |(number, (own, _)): (usize, &(String, String))| format!("t.{} AS k{number}", quote_identifier(own));
        let own: Vec<String> = first.pairs.iter().enumerate().map(named).collect();
        let keys = format!("SELECT DISTINCT {} FROM {} AS t WHERE {}", own.join(", "), rows_of(selection), all(&conjuncts));
        let pair = |(number, (_, theirs)): (usize, &(String, String))| format!("o.k{number} = p.{}", quote_identifier(theirs));
        let on: Vec<String> = first.pairs.iter().enumerate().map(pair).collect();
        let side = Side::behind(through.len());
        let join = if dialect == Dialect::Mysql { "STRAIGHT_JOIN" } else { "JOIN" };
        let further: String = rest
            .iter()
            .enumerate()
            .map(|(number, hop)| {
                let (from, to) = (Side::behind(number + 1), Side::behind(number + 2));
                format!(" {join} {} AS {} ON {}", qualified(dialect, &hop.table), to.alias(), leads(hop, from, to))
            })
            .collect();
        let rows = format!("FROM ({keys}) o {join} {} AS p ON {}{further}", qualified(dialect, &first.table), on.join(" AND "));
        Some(binds.statement(match dialect {
            Dialect::Postgres => format!("SELECT count(*) FROM (SELECT 1 {rows} FOR SHARE OF {}) s", side.alias()),
            _ => format!("SELECT count(*) {rows} LOCK IN SHARE MODE"),
        }))
    };
    // On SQLite nobody else writes while a batch does.
    if dialect == Dialect::Sqlite || fault::seeded("parents-unlocked") {
        return Vec::new();
    }
    let ways = selection.lookups();
    let prefixes = ways.into_iter().flat_map(|through| (1..=through.len()).map(move |hops| &through[..hops]));
    let mut locked: Vec<&[HopRef]> = Vec::new();
    for prefix in prefixes {
        if !locked.contains(&prefix) {
            locked.push(prefix);
        }
    }
    locked.into_iter().filter_map(lock).collect()
}

/// The distinct values of a column as texts, one a row, at most `most` and one more: the periods that are set.
pub fn settings(dialect: Dialect, table: &TableRef, of: &ColumnRef, most: u64) -> Statement {
    let name = column(&of.clone().on(Side::Row));
    let text = match dialect {
        Dialect::Postgres => "d.v::text".to_owned(),
        Dialect::Sqlite => "CAST(d.v AS TEXT)".to_owned(),
        Dialect::Mysql => "CAST(d.v AS CHAR)".to_owned(),
    };
    let distinct =
        format!("SELECT DISTINCT {name} AS v FROM {} AS t WHERE {name} IS NOT NULL LIMIT {}", qualified(dialect, table), most + 1);
    Statement::plain(format!("SELECT {text} FROM ({distinct}) d"))
}
