//! Exact counts of the classes of law 5, in bounded statements: memory does not grow with the table, and no statement
//! runs longer than its limit.

use std::time::Instant;

use super::{
    obstacle::Obstacle,
    pace::Pacer,
    prepare::{Ready, Target},
    stop::StopSignal,
    walk::Walk,
};
use crate::{
    config::{Limits, Pace},
    engine,
    policy::{Action, Dependent, Rule},
    sql::selection::{Counts, Range, Selection},
};

/// Reading takes no lock that a writer waits for, so its ranges are larger than batches.
const RANGE_ROWS: u64 = 50_000;

/// Counts one rule's classes.
///
/// # Errors
/// An [`Obstacle`] with the database's words, or why it was asked to stop.
pub async fn count(target: &Target, rule: &Rule, ready: &Ready, stop: &StopSignal) -> Result<Counts, Obstacle> {
    let mut counts = Counts::default();
    let selection = &ready.planned.selection;
    let mut pass = Pass::new(target, ready, stop)?;
    while let Some(range) = pass.next().await? {
        match target.engine.count(selection, &range).await {
            Ok(found) => {
                counts.add(&found);
                pass.passed(&range);
            }
            Err(error) => pass.smaller(error).await?,
        }
    }
    if let Action::Keep { .. } = rule.action {
        // A kept row that has reached its end needs nothing more, whoever else holds or protects it.
        counts.done += std::mem::take(&mut counts.due) + std::mem::take(&mut counts.held) + std::mem::take(&mut counts.protected);
    }
    Ok(counts)
}

/// Counts the due rows of several selections on one table, such as one rule at several instants.
///
/// # Errors
/// An [`Obstacle`] with the database's words, or why it was asked to stop.
pub async fn count_due(target: &Target, ready: &Ready, selections: &[Selection], stop: &StopSignal) -> Result<Vec<u64>, Obstacle> {
    let mut sums = vec![0; selections.len()];
    let mut pass = Pass::new(target, ready, stop)?;
    while let Some(range) = pass.next().await? {
        match target.engine.count_due(selections, &range).await {
            Ok(found) => {
                sums.iter_mut().zip(found).for_each(|(sum, rows)| *sum += rows);
                pass.passed(&range);
            }
            Err(error) => pass.smaller(error).await?,
        }
    }
    Ok(sums)
}

/// What keeps rows from a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, serde::Deserialize)]
pub struct ProtectedBy {
    /// The rule that protects; `None`: rows of a table that refer to these, or that would go along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Rows that it protects; one that several protect counts for each.
    pub rows: u64,
}

/// Counts the protected rows of a rule by what protects them; what protects none is left out.
///
/// # Errors
/// An [`Obstacle`] with the database's words.
pub async fn count_protected(target: &Target, ready: &Ready) -> Result<Vec<ProtectedBy>, Obstacle> {
    let selection = &ready.planned.selection;
    let rules = selection.protectors.iter().map(|protector| (Some(protector.rule.to_string()), None));
    let references = selection.references.iter().map(|reference| (None, Some(reference.child.table.clone())));
    let dependents = selection.dependents.iter().map(|dependency| (None, Some(dependency.rows.table.table.clone())));
    let mut by: Vec<ProtectedBy> =
        rules.chain(references).chain(dependents).map(|(rule, table)| ProtectedBy { rule, table, rows: 0 }).collect();
    if by.is_empty() {
        return Ok(by);
    }
    let never = StopSignal::never();
    let mut pass = Pass::new(target, ready, &never)?;
    while let Some(range) = pass.next().await? {
        match target.engine.count_protected(selection, &range).await {
            Ok(found) => {
                by.iter_mut().zip(found).for_each(|(by, rows)| by.rows += rows);
                pass.passed(&range);
            }
            Err(error) => pass.smaller(error).await?,
        }
    }
    by.retain(|by| by.rows > 0);
    Ok(by)
}

/// Rows of another table that go with the due rows of a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, serde::Deserialize)]
pub struct GoesAlong {
    pub table: String,
    /// `delete`, or for rows that stay `anonymise` or `detach`.
    pub then: String,
    pub rows: u64,
}

/// Counts what goes with the due rows of a rule, in the order of its `dependents`, each before what is nested in it.
///
/// # Errors
/// An [`Obstacle`] with the database's words.
pub async fn count_along(target: &Target, rule: &Rule, ready: &Ready) -> Result<Vec<GoesAlong>, Obstacle> {
    let mut along = goes_along(rule, ready);
    if along.is_empty() {
        return Ok(along);
    }
    let never = StopSignal::never();
    let mut pass = Pass::new(target, ready, &never)?;
    while let Some(range) = pass.next().await? {
        match target.engine.count_along(&ready.planned.selection, &range).await {
            Ok(found) => {
                along.iter_mut().zip(found).for_each(|(along, rows)| along.rows += rows);
                pass.passed(&range);
            }
            Err(error) => pass.smaller(error).await?,
        }
    }
    Ok(along)
}

/// What goes with the rows of a rule, uncounted.
pub fn goes_along(rule: &Rule, ready: &Ready) -> Vec<GoesAlong> {
    let declared = Dependent::all(&rule.dependents).into_iter().map(|(_, dependent)| dependent.then.name());
    let tables = ready.planned.selection.along().into_iter().map(|dependency| dependency.rows.table.table.clone());
    tables.zip(declared).map(|(table, then)| GoesAlong { table, then: then.to_owned(), rows: 0 }).collect()
}

/// Counts the rows that are due under a rule and would not be under another selection on its table.
///
/// # Errors
/// An [`Obstacle`] with the database's words.
pub async fn count_beyond(target: &Target, ready: &Ready, before: &Selection) -> Result<u64, Obstacle> {
    let mut sum = 0;
    let never = StopSignal::never();
    let mut pass = Pass::new(target, ready, &never)?;
    while let Some(range) = pass.next().await? {
        match target.engine.count_beyond(&ready.planned.selection, before, &range).await {
            Ok(rows) => {
                sum += rows;
                pass.passed(&range);
            }
            Err(error) => pass.smaller(error).await?,
        }
    }
    Ok(sum)
}

/// One walk over the whole table, in ranges that shrink where a statement meets its limit.
struct Pass<'a> {
    target: &'a Target,
    stop: &'a StopSignal,
    walk: Walk,
    pacer: Pacer,
    every_row: Selection,
    started: Instant,
}

impl<'a> Pass<'a> {
    fn new(target: &'a Target, ready: &Ready, stop: &'a StopSignal) -> Result<Self, Obstacle> {
        let limits = Limits { max_batch_rows: RANGE_ROWS, pace: Pace::Fast, ..target.config.limits };
        // Without a start the walk is bounded by no cut-off: along a key, too, it meets every row.
        let every_row = Selection { end: None, ..ready.planned.selection.clone() };
        Ok(Self { target, stop, walk: Walk::physical(&ready.ways)?, pacer: Pacer::new(limits), every_row, started: Instant::now() })
    }

    /// The range that comes next, or comes again smaller.
    async fn next(&mut self) -> Result<Option<Range>, Obstacle> {
        loop {
            if let Some(stop) = self.stop.asked() {
                return Err(stop.into());
            }
            match self.walk.next(&*self.target.engine, &self.every_row, self.pacer.rows()).await {
                Ok(range) => {
                    self.started = Instant::now();
                    return Ok(range);
                }
                Err(error) => self.smaller(error).await?,
            }
        }
    }

    /// The range was counted.
    fn passed(&mut self, range: &Range) {
        self.pacer.succeeded(self.started.elapsed(), 0);
        self.walk.passed(range, 0);
    }

    /// A limit was met: the next range is smaller and comes a little later, unless that was tried too often.
    async fn smaller(&mut self, error: engine::Error) -> Result<(), Obstacle> {
        if !error.is_transient() {
            return Err(error.into());
        }
        let pause = self.pacer.met_a_limit(error.is_contention()).ok_or(error)?;
        self.stop.pause(pause.time).await;
        Ok(())
    }
}
