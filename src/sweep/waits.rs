//! `wait_for`: rows stay while another table has rows that belong to them.
//!
//! What is waited for protects a row as a child does that refers to it, so it becomes a
//! [`Reference`] of the selection: counted, explained and asked again by the acting statement. Unlike
//! a foreign key nothing in the database stands behind it: a row that comes after the statement began finds its parent gone, as it would if
//! the application had deleted that one itself a moment before.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    obstacle::{Obstacle, Reason},
    plan::{Surroundings, column},
};
use crate::{
    engine::shape::{RowSecurity, Shape, TableKind},
    fault,
    policy::{Rule, TableName, Wait},
    sql::selection::{ColumnRef, Reference, TypeClass},
};

/// The tables that a rule waits for, as the catalogue has them; one that is not there is not in it.
pub type Waited = BTreeMap<TableName, Result<Arc<Shape>, Obstacle>>;

/// What the rule waits for, as the selection asks for it.
///
/// # Errors
/// An [`Obstacle`] if a table or column is not there, if some of its rows might not be seen, or if two columns can't be compared.
pub fn references(rule: &Rule, around: &Surroundings<'_>) -> Result<Vec<Reference>, Obstacle> {
    if fault::seeded("wait-ignored") {
        return Ok(Vec::new());
    }
    let reference = |(number, wait): (usize, &Wait)| {
        let key = format!("wait_for.{number}");
        let waited = visible(rule, wait, around).map_err(|obstacle| obstacle.at(rule, &key))?;
        let mut pairs = Vec::new();
        for (own, theirs) in &wait.on {
            let at = |obstacle: Obstacle| obstacle.at(rule, &format!("{key}.{own}"));
            let (mine, other) = (column(around.shape, own, "on").map_err(at)?, column(waited, theirs, "on").map_err(at)?);
            if !comparable(&mine, &other) {
                let message = format!(
                    "`on` compares `{own}` ({}) with `{theirs}` of {} ({}), which are of different types",
                    mine.declared, wait.table, other.declared
                );
                return Err(at(Obstacle::new(Reason::Unsupported, message)));
            }
            pairs.push((theirs.clone(), own.clone()));
        }
        Ok(Reference { child: waited.table.clone(), pairs })
    };
    rule.wait_for.iter().enumerate().map(reference).collect()
}

/// The table, if every row of it can be seen.
fn visible<'a>(rule: &Rule, wait: &Wait, around: &Surroundings<'a>) -> Result<&'a Shape, Obstacle> {
    let table = &wait.table;
    let shape = match around.waited.get(table) {
        Some(Ok(shape)) => shape,
        Some(Err(obstacle)) => {
            return Err(Obstacle::new(obstacle.reason, format!("rows of {table} are waited for; but {}", obstacle.message)));
        }
        None => {
            let message = format!("source `{}` has no table {table}, whose rows are waited for", rule.source);
            return Err(Obstacle::new(Reason::MissingTable, message));
        }
    };
    let but = |reason, why: String| Err(Obstacle::new(reason, format!("rows of {table} are waited for; but {why}")));
    if matches!(shape.kind, TableKind::View | TableKind::MaterializedView | TableKind::Foreign | TableKind::System) {
        return but(Reason::NotATable, "that is no table of the application's own; name the tables behind it instead".to_owned());
    }
    if !shape.privileges.select {
        let why = format!("this role may not SELECT on {table}; `retentiond grants {}` prints what it needs", rule.source);
        return but(Reason::Privileges, why);
    }
    if shape.row_security == RowSecurity::Applies {
        let why = format!("row security on {table} applies to this role, so rows may be invisible; use a role with BYPASSRLS");
        return but(Reason::RowSecurity, why);
    }
    Ok(shape)
}

/// Whether the server compares the two as what they are, and not as what it makes of one of them.
fn comparable(one: &ColumnRef, other: &ColumnRef) -> bool {
    use TypeClass::{Decimal, FoldedText, Integer, Other, PaddedText, Text, Untyped};
    let family = |class: TypeClass| match class {
        Integer | Decimal => Integer,
        Text | FoldedText | PaddedText => Text,
        class => class,
    };
    match (family(one.class), family(other.class)) {
        // Values have types of their own there, whatever the column.
        (Untyped, _) | (_, Untyped) => true,
        (Other, Other) => one.declared == other.declared,
        (one, other) => one == other,
    }
}
