//! What the daemon does for a source between sweeps: it delivers the holds that are pending there, settles what a crash
//! left open, and finds out which rules can be enforced.

use super::world::World;
use crate::{
    policy::Rule,
    state::{self, Owner, Pause, State},
    sweep::{
        approval, gate, guard, identity,
        obstacle::{Obstacle, Reason},
        prepare::{Prepared, Target, categories, prepare},
        settle::{self, Recovered},
        time,
    },
};

/// A source as it was found.
#[derive(Debug)]
pub struct Attended {
    pub source: String,
    /// Why it could not be asked; `None`: it answered.
    pub away: Option<String>,
    /// Its tables that no rule is about; `None`: they could not be listed.
    pub uncovered_tables: Option<u64>,
    /// Each rule of the source, with what keeps it from being enforced.
    pub rules: Vec<(String, Option<Obstacle>)>,
    /// Batches of before that were found to have committed.
    pub recovered: Vec<Recovered>,
}

impl Attended {
    /// A source that could not be asked.
    pub fn unanswered(source: String, why: String) -> Self {
        Self { source, away: Some(why), uncovered_tables: None, rules: Vec::new(), recovered: Vec::new() }
    }
}

/// Attends to one source. Nothing here acts on rows.
pub async fn attend(world: &World, state: &State, owner: &Owner, source: &str) -> Attended {
    let of_source: Vec<&Rule> = world.rules.iter().filter(|rule| rule.source == source).collect();
    let all = |obstacle: &Obstacle| of_source.iter().map(|rule| (rule.id.to_string(), Some(obstacle.clone()))).collect();
    let target = match world.connect(source).await {
        Ok(target) => target,
        Err(error) => {
            let rules = all(&Obstacle::new(Reason::Connection, error.to_string()));
            return Attended { rules, ..Attended::unanswered(source.to_owned(), error.to_string()) };
        }
    };
    let uncovered_tables = uncovered_tables(&target, &of_source).await;
    let mut recovered = Vec::new();
    let rules = match bring_up_to_date(world, state, owner, &target, &mut recovered).await {
        Ok(()) => match prepare(&target, &world.rules, &world.config.keys, world.now()).await {
            Ok(prepared) => verdicts(state, &prepared).await.unwrap_or_else(|error| all(&error.into())),
            Err(error) => all(&error.into()),
        },
        Err(obstacle) => all(&obstacle),
    };
    target.engine.close().await;
    Attended { source: source.to_owned(), away: None, uncovered_tables, rules, recovered }
}

/// Is it the source that the state knows? Then what is open there is settled, and holds are delivered.
async fn bring_up_to_date(
    world: &World,
    state: &State,
    owner: &Owner,
    target: &Target,
    recovered: &mut Vec<Recovered>,
) -> Result<(), Obstacle> {
    let source = &target.config.name;
    identity::check(state, target).await?;
    recovered.extend(settle::settle_source(state, target, owner).await?);
    gate::synchronise(state, &*target.engine, source, &categories(&world.rules, source), gate::PATIENCE).await?;
    // Last, because a hold binds whatever the time is.
    time::check(&*world.clock, target).await
}

/// What a sweep would meet before its first row.
async fn verdicts(state: &State, prepared: &[Prepared]) -> Result<Vec<(String, Option<Obstacle>)>, state::Error> {
    let pauses = state.pauses().await?;
    let mut verdicts = Vec::new();
    for one in prepared {
        let pause = pauses.iter().find(|pause| pause.scope.covers(one.rule.id.as_str(), &one.rule.source));
        let verdict = verdict(state, one, pause).await;
        verdicts.push((one.rule.id.to_string(), verdict.err()));
    }
    Ok(verdicts)
}

async fn verdict(state: &State, prepared: &Prepared, pause: Option<&Pause>) -> Result<(), Obstacle> {
    let ready = prepared.outcome.as_ref().map_err(Clone::clone)?;
    if !prepared.rule.action.acts() {
        return Ok(());
    }
    guard::mode(&prepared.rule)?;
    guard::not_paused(pause)?;
    let approval = state.approval(prepared.rule.id.as_str()).await?;
    approval::waits(&prepared.rule, ready, approval.as_ref(), None).map_or(Ok(()), |guard| Err(guard.obstacle(&prepared.rule, None)))
}

async fn uncovered_tables(target: &Target, rules: &[&Rule]) -> Option<u64> {
    let tables = target.engine.tables().await.ok()?;
    let covered = |name: &crate::policy::TableName| {
        rules.iter().any(|rule| rule.table.table == name.table && (rule.table.schema.is_none() || rule.table.schema == name.schema))
    };
    Some(tables.iter().filter(|name| !covered(name)).count() as u64)
}
