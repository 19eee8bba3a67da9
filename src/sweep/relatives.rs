//! Rules that meet a rule on rows, but not on its table: those of its partitions, its children, its parents.
//!
//! A row of a partition is a row of the partitioned table, so the rules of both match it, whichever of them is swept: law 3
//! waits for the latest end of all, and law 2 for holds in the scope of either. Of the rules of another table those rows
//! are concerned that are rows of both, which `tableoid` tells; and because one statement asks for all, a rule that reads a
//! column which this table lacks can't be evaluated, and protects everything.

use super::{
    obstacle::{Obstacle, Reason},
    plan::{Surroundings, changed_columns},
};
use crate::{
    engine::shape::Shape,
    fault,
    hold::{Scope, scopes_of_table},
    policy::{self, Rule, resolve::readings},
    sql::selection::{Elsewhere, TableRef},
};

/// A rule of another table with rows of this one.
#[derive(Debug, Clone)]
pub struct Relative<'a> {
    pub rule: &'a Rule,
    pub table: &'a TableRef,
    /// What `tableoid` says of the rows of this table that are the other's as well; empty: all are.
    pub only: Vec<u32>,
}

/// Those of the rules, each with its table's shape, that are on another table and share rows with this one.
pub fn relatives<'a>(shape: &Shape, all: impl Iterator<Item = (&'a Rule, &'a Shape)>) -> Vec<Relative<'a>> {
    let relative = |(rule, other): (&'a Rule, &'a Shape)| {
        let only = shape.family.shared_with(&other.family).filter(|_| other.table != shape.table)?;
        let only = if only.len() == shape.family.members.len() { Vec::new() } else { only };
        Some(Relative { rule, table: &other.table, only })
    };
    if fault::seeded("relatives-ignored") { Vec::new() } else { all.filter_map(relative).collect() }
}

/// Where holds of other tables reach rows of this one. Tables of the tree that no rule names any more are held whole: a
/// hold may be older than what the rules say now.
pub fn held_elsewhere(around: &Surroundings<'_>) -> Vec<Elsewhere> {
    let mut elsewhere: Vec<(&TableRef, Elsewhere)> = Vec::new();
    for Relative { rule, table, only } in around.relatives {
        let rules = around.relatives.iter().filter(|relative| relative.table == *table).map(|relative| relative.rule);
        if elsewhere.iter().all(|(known, _)| known != table) {
            let mut scopes = scopes_of_table(&table.schema, &rule.table.table, &policy::categories(rules));
            scopes.retain(|scope| *scope != Scope::Source.key());
            elsewhere.push((table, Elsewhere { scopes, only: only.clone() }));
        }
    }
    let is_known = |table: &TableRef| *table == around.shape.table || elsewhere.iter().any(|(known, _)| **known == *table);
    let unnamed = around.shape.family.kin.iter().filter(|table| !is_known(table));
    let scopes: Vec<String> =
        unnamed.map(|table| Scope::Table { schema: table.schema.clone(), table: table.table.clone() }.key()).collect();
    let of_rules = elsewhere.into_iter().map(|(_, elsewhere)| elsewhere).collect::<Vec<_>>();
    let of_none = Some(Elsewhere { scopes, only: Vec::new() }).filter(|elsewhere| !elsewhere.scopes.is_empty());
    of_rules.into_iter().chain(of_none).collect()
}

/// What the rule changes must not decide anything in another table of the tree either: the files can't tell, because only
/// the catalogue knows that the tables are related.
///
/// # Errors
/// [`Reason::Strategy`] with the column and who reads it.
pub fn nothing_that_is_read(rule: &Rule, around: &Surroundings<'_>) -> Result<(), Obstacle> {
    for column in changed_columns(rule, around.shape).map(|column| &column.name) {
        for other in around.relatives.iter().map(|relative| relative.rule) {
            if let Some((what, _)) = readings(other, column).into_iter().next() {
                let message = format!("`{column}` can't be changed: it is {what} of {}, on a table with rows of this one", other.id);
                return Err(Obstacle::new(Reason::Strategy, message).at(rule, &format!("anonymise.{column}")));
            }
        }
    }
    Ok(())
}
