//! The rules in force, and the last sweep of each: from the configuration and the state, without asking a source.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::{
    policy::Mode,
    state::{Blocked, Pause, SweepRecord},
};

/// Every rule in force.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RulesInForce {
    pub version: u32,
    pub rules: Vec<RuleInForce>,
}

/// One of them.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RuleInForce {
    pub rule: String,
    pub category: String,
    pub source: String,
    pub table: String,
    pub action: String,
    /// `enforce`, or `observe`: it is planned and reported, and changes nothing.
    pub mode: String,
    /// Why its last sweep could not do what it was to do.
    pub blocked: Option<BlockedSince>,
    /// The person who stopped it.
    pub paused: Option<Pause>,
    pub last_sweep: Option<LastSweep>,
}

/// Why a rule is not enforced, and since when.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct BlockedSince {
    pub reason: String,
    pub message: String,
    pub since: Timestamp,
}

impl From<&Blocked> for BlockedSince {
    fn from(Blocked { reason, message, since, .. }: &Blocked) -> Self {
        Self { reason: reason.clone(), message: message.clone(), since: *since }
    }
}

/// The last sweep of a rule, whoever ran it.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct LastSweep {
    /// As the ledger has it.
    pub sweep: String,
    pub rule: String,
    pub started_at: Timestamp,
    /// `None`: it runs, or its process died.
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub acted: Option<u64>,
    pub dragged: Option<u64>,
    pub batches: Option<u64>,
}

impl From<SweepRecord> for LastSweep {
    fn from(record: SweepRecord) -> Self {
        let (ended_at, end) = record.end.unzip();
        let numbers = end.as_ref().map(|end| (end.rows, end.dragged, end.batches));
        Self {
            sweep: record.id,
            rule: record.start.rule,
            started_at: record.started_at,
            ended_at,
            outcome: end.as_ref().map(|end| end.outcome.clone()),
            reason: end.and_then(|end| end.reason),
            acted: numbers.map(|(rows, ..)| rows),
            dragged: numbers.map(|(_, dragged, _)| dragged),
            batches: numbers.map(|(.., batches)| batches),
        }
    }
}

/// The rules in force.
///
/// # Errors
/// The state's.
pub async fn rules(world: &World) -> Result<RulesInForce, Error> {
    let state = world.state().await?;
    let (blocked, pauses, sweeps) = (state.blocked().await?, state.pauses().await?, state.last_sweeps().await?);
    state.close().await;
    let rules = world.rules.iter().map(|rule| {
        let id = rule.id.as_str();
        let blocked = blocked.iter().find(|blocked| blocked.rule == id);
        RuleInForce {
            rule: id.to_owned(),
            category: rule.category.clone(),
            source: rule.source.clone(),
            table: rule.table.to_string(),
            action: rule.action.name().to_owned(),
            mode: if rule.mode == Mode::Observe { "observe" } else { "enforce" }.to_owned(),
            blocked: blocked.map(Into::into),
            paused: pauses.iter().find(|pause| pause.scope.covers(id, &rule.source)).cloned(),
            last_sweep: sweeps.iter().find(|record| record.start.rule == id).cloned().map(Into::into),
        }
    });
    Ok(RulesInForce { version: VERSION, rules: rules.collect() })
}

/// The last sweep of each rule that ever was swept.
///
/// # Errors
/// The state's.
pub async fn last_sweeps(world: &World) -> Result<Vec<LastSweep>, Error> {
    let state = world.state().await?;
    let sweeps = state.last_sweeps().await?.into_iter().map(Into::into).collect();
    state.close().await;
    Ok(sweeps)
}
