//! `approve`: a person lets a waiting rule go, as it is now and for the rows that are due now.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    report::VERSION,
    waiting::{Waiting, waiting},
    world::{Error, World},
};
use crate::sweep::{
    approval::{self, Guard},
    count::count,
    guard,
    prepare::{Target, prepare_around},
    stop::StopSignal,
};

/// What was approved, or that nothing waited.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct ApproveReport {
    pub version: u32,
    pub rule: String,
    pub source: String,
    pub table: String,
    pub action: String,
    /// Rows that are due now.
    pub due: u64,
    pub total: u64,
    pub waited: Option<Waiting>,
    pub approved: Option<Approved>,
}

/// An approval.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Approved {
    /// Over the rule's text, the rules it meets, the shape of its table, guard, cut-off and rows.
    pub digest: String,
    /// The part of it that every later sweep is compared with.
    pub rule_digest: String,
    pub guard: Guard,
    pub cutoff: Option<Timestamp>,
    pub max_rows: Option<u64>,
    pub by: String,
}

/// Approves a rule in the name of `by`, if it waits.
///
/// # Errors
/// [`Error::Asked`] for a rule that does not exist or never acts, [`Error::LeftUndone`] for one that can't be enforced.
pub async fn approve(world: &World, rule: &str, by: &str) -> Result<ApproveReport, Error> {
    let rule = world.chosen(&[rule.to_owned()])?.remove(0);
    if !rule.action.acts() {
        return Err(Error::Asked(format!("{} keeps rows and never acts, so there is nothing to approve", rule.id)));
    }
    let target = world.connect(&rule.source).await?;
    let report = approve_at(world, &target, rule.id.as_str(), by).await;
    target.engine.close().await;
    report
}

async fn approve_at(world: &World, target: &Target, rule: &str, by: &str) -> Result<ApproveReport, Error> {
    let now = world.now();
    let prepared = prepare_around(target, &world.rules, |one| one.id.as_str() == rule, &world.config.keys, now).await?;
    let Some(prepared) = prepared.into_iter().find(|one| one.rule.id.as_str() == rule) else {
        return Err(Error::Asked(format!("there is no rule `{rule}`")));
    };
    let ready = prepared.outcome.as_ref().map_err(|obstacle| Error::LeftUndone(obstacle.message.clone()))?;
    let rule = &prepared.rule;
    let counts = count(target, rule, ready, &StopSignal::never()).await?;
    guard::plausible(rule, counts.implausible, counts.total)?;
    let state = world.state().await?;
    let waited = waiting(world, Some(&state), target, &prepared, Some(&counts), now).await?;
    let approved = match &waited {
        None => None,
        Some(Waiting { guard, .. }) => {
            let approval = approval::approve(&state, rule, ready, *guard, Some(&counts), by).await?;
            let (digest, rule_digest) = (approval.digest, approval.rule_digest);
            Some(Approved { digest, rule_digest, guard: *guard, cutoff: approval.cutoff, max_rows: approval.max_rows, by: approval.by })
        }
    };
    state.close().await;
    Ok(ApproveReport {
        version: VERSION,
        rule: rule.id.to_string(),
        source: rule.source.clone(),
        table: rule.table.to_string(),
        action: rule.action.name().to_owned(),
        due: counts.due,
        total: counts.total,
        waited,
        approved,
    })
}
