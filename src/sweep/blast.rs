//! The blast radius of a change: what became otherwise since a rule was approved, and how many rows more it takes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::count_beyond,
    dependents::ROOT,
    elsewhere::Elsewhere,
    form::Form,
    plan::{self, Surroundings},
    prepare::{Prepared, Ready, Target, along},
};
use crate::{engine::shape::Shape, policy::Rule, secret::Keys, sql::selection::Selection, state::Approval};

/// What a change of a rule, of its competitors or of its table would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Blast {
    /// Rows that are due now and would not be under what was approved; `None`: it could not be counted.
    pub rows_more: Option<u64>,
    /// Protections that went or are not what they were, in sentences.
    pub protections: Vec<String>,
    /// What else changed, in sentences.
    pub changes: Vec<String>,
}

/// Compares a rule with the form that was approved. `due`: its due rows now.
pub async fn radius(
    target: &Target,
    prepared: &Prepared,
    ready: &Ready,
    approval: &Approval,
    keys: &Keys,
    now: Timestamp,
    due: u64,
) -> Blast {
    let before = Form::from_text(&approval.form);
    let changes = before.as_ref().map(|before| before.changes(&ready.form)).unwrap_or_default();
    let rows_more = match (before, &prepared.table) {
        (Some(before), Some(shape)) => match before.rules(&prepared.rule, target.engine.dialect()) {
            Some((rule, rules)) => rows_more(target, (shape, &prepared.elsewhere), &rule, &rules, ready, keys, now).await,
            None => Some(due),
        },
        _ => None,
    };
    Blast { rows_more, protections: changes.protections, changes: changes.others }
}

async fn rows_more(
    target: &Target,
    (shape, elsewhere): (&Shape, &Elsewhere),
    rule: &Rule,
    rules: &[Rule],
    ready: &Ready,
    keys: &Keys,
    now: Timestamp,
) -> Option<u64> {
    // Those that keep what goes along are on tables of their own.
    let along: Vec<&Shape> = along(rule, elsewhere).into_iter().map(|(_, shape)| shape).collect();
    let is_of = |rule: &Rule, shape: &Shape| {
        shape.table.table == rule.table.table && rule.table.schema.as_ref().is_none_or(|schema| *schema == shape.table.schema)
    };
    let another = |rule: &Rule| along.iter().copied().find(|shape| is_of(rule, shape));
    let everyone: Vec<(&Rule, &Shape)> = rules.iter().map(|rule| (rule, another(rule).unwrap_or(shape))).collect();
    let rules: Vec<&Rule> = rules.iter().filter(|rule| another(rule).is_none()).collect();
    let (everyone, rules, within) = (&everyone, &rules, ROOT);
    let workspace = target.workspace();
    let has_workspace = !ready.planned.selection.held.scopes.is_empty();
    let around =
        Surroundings { shape, rules, relatives: &[], elsewhere, everyone, within, workspace: &workspace, has_workspace, keys, now };
    let before: Selection = plan::plan(rule, around).ok()?.selection;
    match count_beyond(target, ready, &before).await {
        Ok(rows) => Some(rows),
        Err(obstacle) => {
            tracing::warn!(rule = %rule.id, message = %obstacle.message, "the rows that a change would take could not be counted");
            None
        }
    }
}
