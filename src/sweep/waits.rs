//! `wait_for`: rows stay while another table has rows that belong to them.
//!
//! What is waited for protects a row as a child does that refers to it, so it becomes a
//! [`Reference`] of the selection: counted, explained and asked again by the acting statement. Unlike
//! a foreign key nothing in the database stands behind it: a row that comes after the statement began finds its parent gone, as it would if
//! the application had deleted that one itself a moment before.

use super::{
    elsewhere::{self, WAITED_FOR},
    obstacle::Obstacle,
    plan::Surroundings,
};
use crate::{
    fault,
    policy::{Rule, Wait},
    sql::selection::Reference,
};

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
        let waited = elsewhere::visible(rule, &wait.table, WAITED_FOR, around.base()).map_err(|obstacle| obstacle.at(rule, &key))?;
        let mut pairs = Vec::new();
        for pair in &wait.on {
            let at = |obstacle: Obstacle| obstacle.at(rule, &format!("{key}.{}", pair.0));
            let compared = elsewhere::pairs(std::slice::from_ref(pair), (around.shape, &wait.table), waited).map_err(at)?;
            pairs.extend(compared.into_iter().map(|(own, theirs)| (theirs, own)));
        }
        Ok(Reference { child: waited.table.clone(), pairs, own: waited.table == around.shape.table })
    };
    rule.wait_for.iter().enumerate().map(reference).collect()
}
