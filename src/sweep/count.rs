//! Exact counts of the classes of law 5, in bounded statements: memory does not grow with the table, and no statement
//! runs longer than its limit.

use super::{
    obstacle::Obstacle,
    pace::Pacer,
    prepare::{Ready, Target},
    walk::Walk,
};
use crate::{
    policy::{Action, Rule},
    sql::selection::{Counts, Range, Selection},
};

/// Reading takes no lock that a writer waits for, so its ranges are larger than batches.
const RANGE_ROWS: u64 = 50_000;

/// Counts one rule's classes.
///
/// # Errors
/// An [`Obstacle`] with the database's words.
pub async fn count(target: &Target, rule: &Rule, ready: &Ready) -> Result<Counts, Obstacle> {
    let mut counts = Counts::default();
    let selection = &ready.planned.selection;
    over_ranges(target, ready, async |range| {
        counts.add(&target.engine.count(selection, &range).await?);
        Ok(())
    })
    .await?;
    if let Action::Keep { .. } = rule.action {
        // A kept row that has reached its end needs nothing more, whoever else holds or protects it.
        counts.done += std::mem::take(&mut counts.due) + std::mem::take(&mut counts.held) + std::mem::take(&mut counts.protected);
    }
    Ok(counts)
}

/// Counts the due rows of several selections on one table, such as one rule at several instants.
///
/// # Errors
/// An [`Obstacle`] with the database's words.
pub async fn count_due(target: &Target, ready: &Ready, selections: &[Selection]) -> Result<Vec<u64>, Obstacle> {
    let mut sums = vec![0; selections.len()];
    over_ranges(target, ready, async |range| {
        for (sum, rows) in sums.iter_mut().zip(target.engine.count_due(selections, &range).await?) {
            *sum += rows;
        }
        Ok(())
    })
    .await?;
    Ok(sums)
}

/// Counts the rows that are due under a rule and would not be under another selection on its table.
///
/// # Errors
/// An [`Obstacle`] with the database's words.
pub async fn count_beyond(target: &Target, ready: &Ready, before: &Selection) -> Result<u64, Obstacle> {
    let mut sum = 0;
    over_ranges(target, ready, async |range| {
        sum += target.engine.count_beyond(&ready.planned.selection, before, &range).await?;
        Ok(())
    })
    .await?;
    Ok(sum)
}

/// Walks the whole table once, in ranges that shrink where a statement meets its limit.
async fn over_ranges(
    target: &Target,
    ready: &Ready,
    mut each: impl AsyncFnMut(Range) -> Result<(), crate::engine::Error>,
) -> Result<(), Obstacle> {
    let mut walk = Walk::physical(&ready.ways)?;
    let mut pacer =
        Pacer::new(crate::config::Limits { max_batch_rows: RANGE_ROWS, pace: crate::config::Pace::Fast, ..target.config.limits });
    // Without a start the walk is bounded by no cut-off: along a key, too, it meets every row.
    let every_row = Selection { start: None, ..ready.planned.selection.clone() };
    loop {
        let range = match walk.next(&*target.engine, &every_row, pacer.rows()).await {
            Ok(Some(range)) => range,
            Ok(None) => return Ok(()),
            Err(error) if error.is_transient() && pacer.met_a_limit() => continue,
            Err(error) => return Err(error.into()),
        };
        let started = std::time::Instant::now();
        match each(range.clone()).await {
            Ok(()) => {
                pacer.succeeded(started.elapsed(), 0);
                walk.passed(&range);
            }
            Err(error) if error.is_transient() && pacer.met_a_limit() => {}
            Err(error) => return Err(error.into()),
        }
    }
}
