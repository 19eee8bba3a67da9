//! The counting pass: how many rows of each rule are in each state, and for how long the oldest has been due.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    plan::sources_of,
    world::{Error, World},
};
use crate::{
    metrics::HORIZONS,
    sql::selection::{Counts, Selection},
    state::State,
    sweep::{
        approval,
        count::{count, count_due},
        guard,
        obstacle::Obstacle,
        prepare::{Prepared, Ready, Target, prepare, replan},
        stop::StopSignal,
    },
};

/// What was found of one rule.
#[derive(Debug)]
pub struct Measured {
    pub rule: String,
    pub at: Timestamp,
    pub rows: Counts,
    /// For how long the oldest row that is due has been due; zero if none is.
    pub oldest_overdue: Duration,
    /// Rows that come due within each of the [`HORIZONS`]; `None`: it can't be told.
    pub coming_due: Option<Vec<u64>>,
    /// What the counts say against acting.
    pub blocked: Option<Obstacle>,
}

/// Counts every rule that can be planned, one after the other, and tells of each as soon as it is counted. A rule or
/// source that can't be counted is left out: attending to the source says why.
///
/// # Errors
/// The [`Stop`](crate::sweep::stop::Stop) that was asked for, as an obstacle.
pub async fn measure(world: &World, state: &State, stop: &StopSignal, mut tell: impl FnMut(Measured)) -> Result<(), Obstacle> {
    for source in sources_of(&world.rules) {
        let target = match world.connect(&source).await {
            Ok(target) => target,
            Err(error) => {
                tracing::warn!(source, %error, "the source could not be counted");
                continue;
            }
        };
        let measured = measure_source(world, state, &target, stop, &mut tell).await;
        target.engine.close().await;
        if let Err(error) = measured {
            tracing::warn!(source, %error, "the source could not be counted");
        }
        if let Some(stop) = stop.asked() {
            return Err(stop.into());
        }
    }
    Ok(())
}

async fn measure_source(
    world: &World,
    state: &State,
    target: &Target,
    stop: &StopSignal,
    tell: &mut impl FnMut(Measured),
) -> Result<(), Error> {
    let prepared = prepare(target, &world.rules, &world.config.keys, world.now()).await?;
    for one in &prepared {
        let Ok(ready) = &one.outcome else { continue };
        match measure_rule(world, state, target, &prepared, one, ready, stop).await {
            Ok(measured) => tell(measured),
            Err(obstacle) => tracing::warn!(rule = %one.rule.id, message = %obstacle.message, "the rule could not be counted"),
        }
        if stop.asked().is_some() {
            break;
        }
    }
    Ok(())
}

async fn measure_rule(
    world: &World,
    state: &State,
    target: &Target,
    prepared: &[Prepared],
    one: &Prepared,
    ready: &Ready,
    stop: &StopSignal,
) -> Result<Measured, Obstacle> {
    let at = world.now();
    let rows = count(target, &one.rule, ready, stop).await?;
    let mut search = AgeSearch::new(at);
    while let Some(ages) = search.ages().filter(|_| rows.due > 0) {
        let then =
            |age: &SignedDuration| at.checked_sub(*age).ok().and_then(|then| replan(target, one, prepared, &world.config.keys, then));
        let selections: Option<Vec<Selection>> = ages.iter().map(then).collect();
        let due = match selections {
            Some(selections) => count_due(target, ready, &selections, stop).await?,
            // A plan that can't be made for an earlier time tells of no row.
            None => vec![0; ages.len()],
        };
        search.learn(&ages, &due);
    }
    let oldest_overdue = search.found();
    let is_any_coming = one.rule.action.acts() && rows.running + rows.protected > 0;
    let coming_due = match is_any_coming {
        true => coming_due(world, target, prepared, one, ready, stop).await?,
        false => Some(vec![0; HORIZONS.len()]),
    };
    let blocked = guard::plausible(&one.rule, rows.implausible, rows.total).err();
    let waits = match one.rule.action.acts() {
        true => approval::waits(&one.rule, ready, state.approval(one.rule.id.as_str()).await?.as_ref(), Some(&rows)),
        false => None,
    };
    let blocked = blocked.or_else(|| waits.map(|guard| guard.obstacle(&one.rule, Some(&rows))));
    Ok(Measured { rule: one.rule.id.to_string(), at, rows, oldest_overdue, coming_due, blocked })
}

/// Counts what is not due now and would be, were the rule planned at each horizon: all of them in one walk.
async fn coming_due(
    world: &World,
    target: &Target,
    prepared: &[Prepared],
    one: &Prepared,
    ready: &Ready,
    stop: &StopSignal,
) -> Result<Option<Vec<u64>>, Obstacle> {
    let now = world.now();
    let at = |(_, days): (&str, i64)| {
        let then = now.checked_add(SignedDuration::from_hours(24 * days)).ok()?;
        replan(target, one, prepared, &world.config.keys, then)
    };
    let Some(later) = HORIZONS.into_iter().map(at).collect::<Option<Vec<Selection>>>() else { return Ok(None) };
    let selections: Vec<Selection> = [ready.planned.selection.clone()].into_iter().chain(later).collect();
    let due = count_due(target, ready, &selections, stop).await?;
    // Less is due later where a rule that protects begins to match meanwhile.
    Ok(due.split_first().map(|(now, later)| later.iter().map(|rows| rows.saturating_sub(*now)).collect()))
}

/// Finds the greatest age at which some row was due already, rounded down by 4 % at most, by asking for eight ages at a
/// time: in SQL the starts of all formats could not be compared with one another.
struct AgeSearch {
    round: u32,
    /// In seconds. Some row was due for so long, once the first round has found one.
    known: f64,
    /// No row was.
    beyond: f64,
}

impl AgeSearch {
    const ROUNDS: u32 = 3;
    const AGES: u8 = 8;
    /// What is due for less is not told from what has just become due.
    const LEAST: f64 = 60.0;

    fn new(now: Timestamp) -> Self {
        Self { round: 0, known: 0.0, beyond: now.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64().max(2.0 * Self::LEAST) }
    }

    /// The ages to ask for, rising; `None`: enough is known.
    fn ages(&self) -> Option<Vec<SignedDuration>> {
        // The first round asks for the least and the greatest age too.
        let (least, first, steps) = match self.round {
            0 => (Self::LEAST, 0, Self::AGES - 1),
            1..Self::ROUNDS if self.known > 0.0 => (self.known, 1, Self::AGES + 1),
            _ => return None,
        };
        let ratio = (self.beyond / least).powf(1.0 / f64::from(steps));
        let age = |step: u8| SignedDuration::from_secs_f64(least * ratio.powi(i32::from(step)));
        Some((first..first + Self::AGES).map(age).collect())
    }

    /// Learns how many rows were due at each age. What was due at one was due at every smaller one.
    fn learn(&mut self, ages: &[SignedDuration], due: &[u64]) {
        self.round += 1;
        let last = due.iter().rposition(|rows| *rows > 0);
        let after = last.map_or(0, |last| last + 1);
        self.known = last.map_or(self.known, |last| ages[last].as_secs_f64());
        self.beyond = ages.get(after).map_or(self.beyond, SignedDuration::as_secs_f64);
    }

    fn found(&self) -> Duration {
        Duration::from_secs_f64(self.known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seconds: Option<f64>) -> f64 {
        let mut search = AgeSearch::new("2026-03-01T00:00:00Z".parse().unwrap());
        while let Some(ages) = search.ages() {
            let due = |age: &SignedDuration| u64::from(seconds.is_some_and(|seconds| age.as_secs_f64() <= seconds));
            search.learn(&ages, &ages.iter().map(due).collect::<Vec<_>>());
        }
        search.found().as_secs_f64()
    }

    #[test]
    fn the_oldest_is_found_to_within_four_per_cent_and_never_too_old() {
        for seconds in [60.0, 61.0, 3_600.0, 86_400.0 * 7.0, 86_400.0 * 365.25 * 3.0, 86_400.0 * 365.25 * 50.0] {
            let found = found(Some(seconds));
            assert!(found <= seconds && found >= seconds * 0.96, "{found} for {seconds}");
        }
        assert_eq!(found(None), 0.0);
        assert_eq!(found(Some(59.0)), 0.0);
    }
}
