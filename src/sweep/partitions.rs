//! `partitions = "drop"`: what of a table goes as a whole.
//!
//! A partition is dropped only if the rule's own [`Selection`] finds every row of it
//! due; anything else in it is swept row by row, as if the rule said nothing of partitions. What a sweep would do is told
//! beforehand by the same questions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    dragged::fired,
    obstacle::{Obstacle, Reason},
    prepare::{Ready, Target},
};
use crate::{
    engine::{
        self, Partition,
        shape::{Shape, TableKind},
    },
    policy::Rule,
    sql::selection::{Range, Selection, Way},
};

/// What becomes of partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Drops {
    /// The rule says nothing of them.
    #[default]
    Never,
    /// Those that are due as a whole are dropped.
    Whole,
    /// None can be dropped, for this reason: all rows go one by one.
    None(String),
}

/// A partition that a sweep would look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Prospect {
    pub name: String,
    /// As the catalogue writes them.
    pub bounds: String,
    /// It would be dropped.
    pub dropped: bool,
    /// `None`: not countable.
    pub rows: Option<u64>,
    /// Why its due rows would go one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// What the rule asks for, as far as its table allows it.
///
/// # Errors
/// [`Reason::Unsupported`] if there can't be any partition to drop.
pub fn drops(rule: &Rule, shape: &Shape, selection: &Selection) -> Result<Drops, Obstacle> {
    if !rule.drops_partitions {
        return Ok(Drops::Never);
    }
    if shape.kind != TableKind::Partitioned {
        let why = format!("{} has no partitions that could be dropped; leave `partitions` out", rule.table);
        return Err(Obstacle::new(Reason::Unsupported, why).at(rule, "partitions"));
    }
    if rule.archive.is_some() {
        return Ok(Drops::None("the rows are copied to the archive first".to_owned()));
    }
    if let Some(wait) = rule.wait_for.first() {
        return Ok(Drops::None(format!("rows of {} are waited for", wait.table)));
    }
    if let Some(hop) = selection.lookups().iter().find_map(|through| through.first()) {
        return Ok(Drops::None(format!("rows of {} are looked up", hop.table.table)));
    }
    if let Some(suppress) = &rule.suppress {
        return Ok(Drops::None(format!("each row leaves an opt-out in {}", suppress.table)));
    }
    if let Some(dependent) = rule.dependents.first() {
        return Ok(Drops::None(format!("rows of {} go along", dependent.table)));
    }
    if let Some((name, _)) = fired(rule, shape).into_iter().next() {
        return Ok(Drops::None(format!("the trigger `{name}` fires for every row")));
    }
    if let Some(why) = &shape.undroppable {
        return Ok(Drops::None(why.clone()));
    }
    // Its keys ask every parent that goes whether somebody refers to it; DROP asks none.
    Ok(match shape.referenced_by.first() {
        Some(key) => Drops::None(format!("{} refers to the table (`{}`)", key.child.table, key.name)),
        None => Drops::Whole,
    })
}

/// The partitions that may be dropped, by their bounds and their owner.
///
/// # Errors
/// The engine's.
pub async fn candidates(target: &Target, ready: &Ready) -> Result<Vec<Partition>, engine::Error> {
    if ready.drops != Drops::Whole {
        return Ok(Vec::new());
    }
    let found = target.engine.partitions_before_cutoff(&ready.planned.selection).await?;
    Ok(found.into_iter().filter(|partition| partition.foreign_owner.is_none()).collect())
}

/// What a sweep would make of each partition whose bounds come before the cut-off.
///
/// # Errors
/// The engine's.
pub async fn prospects(target: &Target, ready: &Ready) -> Result<Vec<Prospect>, engine::Error> {
    if ready.drops != Drops::Whole {
        return Ok(Vec::new());
    }
    let mut prospects = Vec::new();
    for partition in target.engine.partitions_before_cutoff(&ready.planned.selection).await? {
        if let Some(owner) = &partition.foreign_owner {
            let kept = Some(format!("it belongs to {owner}"));
            prospects.push(Prospect { name: partition.table.table, bounds: partition.bounds, dropped: false, rows: None, kept });
            continue;
        }
        let counts = match target.engine.count(&partition.of(&ready.planned.selection), &Range::whole(Way::Blocks)).await {
            Ok(counts) => counts,
            Err(error) if error.is_transient() => {
                let kept = Some(format!("it can't be counted in one statement: {error}"));
                prospects.push(Prospect { name: partition.table.table, bounds: partition.bounds, dropped: false, rows: None, kept });
                continue;
            }
            Err(error) => return Err(error),
        };
        let kept = (counts.due < counts.total).then(|| format!("{} of its {} rows are not due", counts.total - counts.due, counts.total));
        if counts.total > 0 {
            let dropped = kept.is_none();
            prospects.push(Prospect { name: partition.table.table, bounds: partition.bounds, dropped, rows: Some(counts.total), kept });
        }
    }
    Ok(prospects)
}
