//! `check`: everything that can be known before acting.
//!
//! `walked` is how a sweep would find its rows, `dragged` what its statement would set off, `advice` what that costs and what
//! would help, `residue` what stands against treating what rows leave behind. Something else to tell of a rule is a file here and a field of [`CheckedRule`].

mod advice;
pub mod dragged;
pub mod identities;
mod residue;
pub mod walked;

use jiff::Timestamp;
use serde::Serialize;

use self::{
    advice::{Advice, advice},
    dragged::Dragged,
    identities::{CheckedIdentity, identities},
    walked::Walked,
};
use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::{
    diagnostic::Place,
    state::State,
    sweep::{
        identity,
        obstacle::{Obstacle, Outcome, Reason},
        prepare::{Prepared, Target, prepare},
        time,
    },
};

/// What `check` found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    pub version: u32,
    pub rules: Vec<CheckedRule>,
    pub sources: Vec<CheckedSource>,
    /// `[[identity]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<CheckedIdentity>,
}

/// One rule.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedRule {
    pub rule: String,
    pub source: String,
    pub table: String,
    pub action: String,
    /// Why it can't be enforced.
    pub blocked: Option<Obstacle>,
    /// What in the files that is about.
    pub place: Option<Written>,
    /// How a sweep would find the rows; absent where the rule never acts or can't be enforced.
    pub walk: Option<Walked>,
    /// What its statement would set off beside its own rows.
    pub dragged: Vec<Dragged>,
    /// What it costs, or might cost, in sentences.
    pub warnings: Vec<String>,
    /// Statements that a person may run to help.
    pub suggestions: Vec<String>,
}

/// A place in a file; line and column count from 1.
#[derive(Debug, Clone, Serialize)]
pub struct Written {
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl Written {
    fn at(place: &Place) -> Option<Self> {
        let (line, column) = place.line_and_column()?;
        Some(Self { file: place.file.path().display().to_string(), line, column })
    }
}

/// One source.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedSource {
    pub source: String,
    pub blocked: Option<Obstacle>,
}

impl CheckReport {
    /// 2 if a rule can't be enforced, 1 if a source can't be reached, 3 if one waits for a person, else 0.
    pub fn exit_status(&self) -> u8 {
        let obstacles = || {
            let of_rules = self.rules.iter().filter_map(|rule| rule.blocked.as_ref());
            let of_sources = self.sources.iter().filter_map(|source| source.blocked.as_ref());
            of_rules.chain(of_sources).chain(self.identities.iter().filter_map(|identity| identity.blocked.as_ref()))
        };
        let ends = |outcome| obstacles().any(|obstacle| obstacle.reason.outcome() == outcome && obstacle.reason != Reason::NoWorkspace);
        match () {
            () if ends(Outcome::Refused) => 2,
            () if ends(Outcome::Failed) => 1,
            () if ends(Outcome::Guarded) => 3,
            () => 0,
        }
    }
}

/// Checks every rule against its database.
///
/// # Errors
/// The state's, if there is one and it can't be opened.
pub async fn check(world: &World) -> Result<CheckReport, Error> {
    let state = world.existing_state().await?;
    let now = world.now();
    let mut report = CheckReport { version: VERSION, rules: Vec::new(), sources: Vec::new(), identities: Vec::new() };
    for name in world.config.sources.keys() {
        let blocked = match world.connect(name).await {
            Ok(target) => {
                // What is wrong with one source says nothing of the others.
                let blocked = match rules(world, &target, now).await {
                    Ok(rules) => {
                        report.rules.extend(rules);
                        report.identities.extend(identities(world, &target).await?);
                        stands_against(world, state.as_ref(), &target, name).await
                    }
                    Err(Error::Engine(error)) => Some(Obstacle::from(error)),
                    Err(error) => return Err(error),
                };
                target.engine.close().await;
                blocked
            }
            Err(error) => Some(Obstacle::new(Reason::Connection, error.to_string())),
        };
        report.sources.push(CheckedSource { source: name.clone(), blocked });
    }
    Ok(report)
}

/// What stands against acting on a source whose rules could be looked at.
async fn stands_against(world: &World, state: Option<&State>, target: &Target, name: &str) -> Option<Obstacle> {
    let Some(state) = state else {
        let message = format!("there is no state yet, so this source can only be observed; `retentiond source init {name}` makes it");
        return Some(Obstacle::new(Reason::NoWorkspace, message));
    };
    match identity::check(state, target).await {
        Ok(_) => time::check(&*world.clock, target).await.err(),
        Err(obstacle) => Some(obstacle),
    }
}

async fn rules(world: &World, target: &Target, now: Timestamp) -> Result<Vec<CheckedRule>, Error> {
    let prepared = prepare(target, &world.rules, &world.config.keys, now).await?;
    let mut rules = Vec::with_capacity(prepared.len());
    for one in &prepared {
        rules.push(checked(target, one, &prepared).await?);
    }
    Ok(rules)
}

async fn checked(target: &Target, prepared: &Prepared, all: &[Prepared]) -> Result<CheckedRule, Error> {
    let rule = &prepared.rule;
    let walk = match &prepared.outcome {
        Ok(ready) if rule.action.acts() => walked::walked(target, ready).await?,
        _ => None,
    };
    let dragged = match &prepared.table {
        Some(shape) if rule.action.acts() => dragged::dragged(&*target.engine, rule, shape).await?,
        _ => Vec::new(),
    };
    let Advice { mut warnings, suggestions } = advice(target, prepared, all, &dragged);
    warnings.extend(residue::warnings(target, prepared, all).await?);
    Ok(CheckedRule {
        rule: rule.id.to_string(),
        source: rule.source.clone(),
        table: rule.table.to_string(),
        action: rule.action.name().to_owned(),
        place: prepared.outcome.as_ref().err().and_then(|obstacle| Written::at(obstacle.place.as_ref()?)),
        blocked: prepared.outcome.as_ref().err().cloned(),
        walk,
        dragged,
        warnings,
        suggestions,
    })
}
