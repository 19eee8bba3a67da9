//! Rows that would go with a row, as questions about it: whether one of them is held, or protected.
//!
//! What asks about a row of another table is written as if that table were `t`, and then goes by the name `d1`, that of
//! the rows which go with those by `d2`, and so on.

use super::{acts, in_members, is_referenced, own_protections};
use crate::{
    fault,
    sql::{
        alias::renamed,
        quote_identifier, rows_of,
        selection::{ColumnRef, Dependency, Selection},
    },
};

/// TRUE or FALSE: a row is held that would go along. `None`: none can be.
pub(in crate::sql) fn held(selection: &Selection) -> Option<String> {
    any(held_by_each(selection).collect())
}

/// TRUE or FALSE of each dependency: a row of it is held.
pub(in crate::sql) fn held_by_each(selection: &Selection) -> impl Iterator<Item = String> {
    selection.dependents.iter().map(|dependency| held_in(dependency, 1))
}

/// TRUE or FALSE of each dependency: a row of it is protected, or refers to the row and would not go along.
pub(in crate::sql) fn protecting(selection: &Selection) -> impl Iterator<Item = String> {
    selection.dependents.iter().map(|dependency| protecting_in(dependency, 1))
}

/// What must be true of a row of the dependency: it goes along.
pub(in crate::sql) fn goes(dependency: &Dependency) -> Vec<String> {
    let condition = dependency.rows.condition.as_ref().filter(|_| !fault::seeded("dependent-where-ignored"));
    in_members(&dependency.rows.members).into_iter().chain(condition.map(|condition| acts(&condition.sql))).collect()
}

/// How many rows of each dependency go with the row, and of those that are nested in it, each before what goes with it.
pub(in crate::sql) fn counts(selection: &Selection) -> Vec<String> {
    let counts = selection.dependents.iter().flat_map(|dependency| counts_below(dependency, "t", 1, &[], &[]));
    counts.collect()
}

/// `tables` and `conditions`: of what lies above, by the names that it goes by there.
fn counts_below(dependency: &Dependency, above: &str, depth: usize, tables: &[String], conditions: &[String]) -> Vec<String> {
    let alias = format!("d{depth}");
    let pair = |(theirs, own): &(ColumnRef, ColumnRef)| {
        format!("{above}.{} = {alias}.{}", quote_identifier(&own.name), quote_identifier(&theirs.name))
    };
    let goes = goes(dependency).into_iter().map(|one| renamed(&one, &alias));
    let tables = [tables, &[format!("{} {alias}", rows_of(&dependency.rows))]].concat();
    let conditions: Vec<String> = conditions.iter().cloned().chain(dependency.pairs.iter().map(pair)).chain(goes).collect();
    let count = format!("(SELECT count(*) FROM {} WHERE {})", tables.join(", "), conditions.join(" AND "));
    let nested = dependency.rows.dependents.iter().flat_map(|nested| counts_below(nested, &alias, depth + 1, &tables, &conditions));
    std::iter::once(count).chain(nested).collect()
}

fn held_in(dependency: &Dependency, depth: usize) -> String {
    if fault::seeded("dependent-hold-ignored") {
        return "FALSE".to_owned();
    }
    let below = dependency.rows.dependents.iter().map(|nested| held_in(nested, depth + 1));
    let parts: Vec<String> = std::iter::once(super::held(&dependency.rows)).chain(below).filter(|part| part != "FALSE").collect();
    any(parts).map_or_else(|| "FALSE".to_owned(), |held| exists(dependency, depth, &[goes(dependency), vec![held]].concat()))
}

fn protecting_in(dependency: &Dependency, depth: usize) -> String {
    let goes = goes(dependency);
    let dialect = dependency.rows.workspace.dialect;
    // A row that refers to one of its own table is no obstacle where both go with the same row.
    let siblings: Vec<String> = dependency
        .pairs
        .iter()
        .map(|(theirs, _)| format!("t.{0} = c.{0}", quote_identifier(&theirs.name)))
        .chain(goes.iter().map(|one| renamed(one, "c")))
        .collect();
    let chains = dependency.chains.iter().map(|chain| is_referenced(dialect, chain, Some(&siblings.join(" AND "))));
    let below = dependency.rows.dependents.iter().map(|nested| protecting_in(nested, depth + 1));
    let own = own_protections(&dependency.rows).filter(|_| !fault::seeded("dependent-protection-ignored"));
    let parts: Vec<String> = own.chain(chains).chain(below).filter(|part| part != "FALSE").collect();
    let kept = any(parts).map(|kept| [goes.clone(), vec![kept]].concat().join(" AND "));
    let others = dependency.rows.condition.as_ref().filter(|_| dependency.keeps_others && !goes.is_empty());
    let others = others.map(|condition| format!("({}) IS NOT TRUE", condition.sql));
    let parts: Vec<String> = kept.into_iter().chain(others).map(|part| format!("({part})")).collect();
    any(parts).map_or_else(|| "FALSE".to_owned(), |which| exists(dependency, depth, &[which]))
}

/// TRUE or FALSE: there is such a row of the dependency. The column above stands on the left, because its collation is
/// what a foreign key compares with.
fn exists(dependency: &Dependency, depth: usize, which: &[String]) -> String {
    let alias = format!("d{depth}");
    let pair =
        |(theirs, own): &(ColumnRef, ColumnRef)| format!("t.{} = {alias}.{}", quote_identifier(&own.name), quote_identifier(&theirs.name));
    let pairs: Vec<String> = dependency.pairs.iter().map(pair).collect();
    let which = renamed(&which.join(" AND "), &alias);
    format!("EXISTS (SELECT 1 FROM {} {alias} WHERE {} AND {which})", rows_of(&dependency.rows), pairs.join(" AND "))
}

fn any(parts: Vec<String>) -> Option<String> {
    (!parts.is_empty()).then(|| format!("({})", parts.join(" OR ")))
}
