//! `pause` and `resume`: a person stops rules, sources or everything, and lets them go on. It lasts, whatever restarts in
//! between, and takes effect at the next batch.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::state::{Pause, PauseScope};

/// What is to be paused or resumed: at least one of them.
#[derive(Debug, Clone, Default)]
pub struct PauseRequest {
    /// Names of rules.
    pub rules: Vec<String>,
    /// Names of sources.
    pub sources: Vec<String>,
    pub all: bool,
    pub reason: String,
    pub by: String,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct PauseReport {
    pub version: u32,
    /// What was paused, or let go on, by this.
    pub changed: Vec<PauseScope>,
    /// What was paused already, or was not paused by itself.
    pub unchanged: Vec<PauseScope>,
    /// Every pause now in force.
    pub paused: Vec<Pause>,
}

/// Pauses.
///
/// # Errors
/// [`Error::Asked`] for a rule or source that does not exist.
pub async fn pause(world: &World, request: &PauseRequest) -> Result<PauseReport, Error> {
    world.chosen(&request.rules)?;
    for source in &request.sources {
        world.source(source)?;
    }
    change(world, request, true).await
}

/// Ends pauses of exactly these scopes: a rule whose source is paused stays so. What is no longer configured can be
/// resumed all the same.
///
/// # Errors
/// [`Error::Asked`] for a rule or source that neither exists nor is paused.
pub async fn resume(world: &World, request: &PauseRequest) -> Result<PauseReport, Error> {
    let state = world.state().await?;
    let paused = state.pauses().await?;
    state.close().await;
    let is_paused = |scope: PauseScope| paused.iter().any(|pause| pause.scope == scope);
    for rule in request.rules.iter().filter(|rule| !is_paused(PauseScope::Rule((*rule).clone()))) {
        world.chosen(std::slice::from_ref(rule))?;
    }
    for source in request.sources.iter().filter(|source| !is_paused(PauseScope::Source((*source).clone()))) {
        world.source(source)?;
    }
    change(world, request, false).await
}

async fn change(world: &World, request: &PauseRequest, pausing: bool) -> Result<PauseReport, Error> {
    let rules = request.rules.iter().cloned().map(PauseScope::Rule);
    let sources = request.sources.iter().cloned().map(PauseScope::Source);
    let scopes: Vec<PauseScope> = request.all.then_some(PauseScope::All).into_iter().chain(sources).chain(rules).collect();
    if scopes.is_empty() {
        return Err(Error::Asked("name rules, `--source NAME` or `--all`".to_owned()));
    }
    let state = world.state().await?;
    let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
    for scope in scopes {
        let has_changed = if pausing {
            state.pause(&scope, &request.reason, &request.by).await?
        } else {
            state.resume(&scope, &request.reason, &request.by).await?
        };
        if has_changed { &mut changed } else { &mut unchanged }.push(scope);
    }
    let paused = state.pauses().await?;
    state.close().await;
    Ok(PauseReport { version: VERSION, changed, unchanged, paused })
}
