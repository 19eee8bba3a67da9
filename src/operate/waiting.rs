//! What a rule waits for a person for, told before a sweep finds out: by `plan`, `sweep` and `approve`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{report::RuleReport, world::World};
use crate::{
    sql::selection::Counts,
    state::{self, State},
    sweep::{
        approval::{self, Guard},
        blast::{self, Blast},
        obstacle::{Obstacle, Reason},
        prepare::{Prepared, Target},
    },
};

/// What a rule waits for.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Waiting {
    pub guard: Guard,
    #[serde(flatten)]
    pub obstacle: Obstacle,
    /// What a change since the last approval would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blast: Option<Blast>,
}

/// Looks at a rule that can be enforced; one that can't waits for nobody.
///
/// # Errors
/// The state's.
pub async fn waiting(
    world: &World,
    state: Option<&State>,
    target: &Target,
    prepared: &Prepared,
    counts: Option<&Counts>,
    now: Timestamp,
) -> Result<Option<Waiting>, state::Error> {
    let Prepared { rule, outcome: Ok(ready), .. } = prepared else { return Ok(None) };
    if !rule.action.acts() {
        return Ok(None);
    }
    let approval = match state {
        Some(state) => state.approval(rule.id.as_str()).await?,
        None => None,
    };
    let Some(guard) = approval::waits(rule, ready, approval.as_ref(), counts) else { return Ok(None) };
    let blast = match (&approval, counts) {
        (Some(approval), Some(counts)) if guard == Guard::Changed => {
            Some(blast::radius(target, prepared, ready, approval, &world.config.keys, now, counts.due).await)
        }
        _ => None,
    };
    Ok(Some(Waiting { guard, obstacle: guard.obstacle(rule, counts), blast }))
}

/// Fills in what a report says of persons: what the rule waits for, and who paused it. A state that can't be asked is
/// said in their place.
pub async fn complete(world: &World, state: Option<&State>, target: &Target, prepared: &Prepared, report: &mut RuleReport) {
    let rule = &prepared.rule;
    match waiting(world, state, target, prepared, report.rows.as_ref(), report.as_of).await {
        Ok(waits) => report.waits = waits,
        Err(error) => report.blocked = report.blocked.take().or(Some(Obstacle::new(Reason::State, error.to_string()))),
    }
    if let Some(state) = state {
        match state.pause_of(rule.id.as_str(), &rule.source).await {
            Ok(pause) => report.paused = pause,
            Err(error) => report.blocked = report.blocked.take().or(Some(Obstacle::new(Reason::State, error.to_string()))),
        }
    }
}
