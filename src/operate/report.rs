//! The reports on rules that `plan` and `sweep` return, and their JSON.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::waiting::Waiting;
use crate::{
    policy::Suppress,
    sql::selection::{Counts, EndTest, Way},
    state::Pause,
    sweep::{
        Ended, OptOuts,
        count::{GoesAlong, ProtectedBy},
        obstacle::{Obstacle, Outcome, Reason},
        partitions::{Drops, Prospect},
        prepare::Prepared,
        residue::ResidueReport,
    },
};

/// The version of every JSON output; it changes only if something is taken away.
pub const VERSION: u32 = 1;

/// What is known of one rule.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RuleReport {
    pub rule: String,
    pub category: String,
    pub source: String,
    pub table: String,
    pub action: String,
    /// The instant that starts are compared with.
    pub cutoff: Option<Timestamp>,
    pub as_of: Timestamp,
    /// `None`: not counted, or not countable.
    pub rows: Option<Counts>,
    pub blocked: Option<Obstacle>,
    /// What protects the rows that are protected; only in a plan that counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_by: Vec<ProtectedBy>,
    /// What goes with the due rows; only in a plan that counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependents: Vec<GoesAlong>,
    /// What a sweep would wait for a person for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waiting>,
    /// The person who stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// Which way a sweep would walk: `physical`, or the columns of an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<String>,
    /// Partitions whose bounds come before the cut-off, of a rule that drops them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Prospect>,
    /// Why a rule that would drop partitions drops none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_by_row: Option<String>,
    /// What each row that goes leaves behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_out: Option<String>,
    /// Where the rows are copied to before they go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveReport>,
    /// Rows due by the end of each coming month, now first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Vec<Forecast>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub swept: Option<Swept>,
}

/// Where rows are copied to before they go.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct ArchiveReport {
    /// The archive's address.
    pub to: String,
    /// How long a copy is kept, from the moment that it was made.
    pub keep_for: String,
}

impl ArchiveReport {
    /// What the rule says.
    pub fn of(rule: &crate::policy::Rule) -> Option<Self> {
        rule.archive.as_ref().map(|archive| Self { to: archive.to.to_string(), keep_for: archive.keep_for.to_string() })
    }
}

/// Rows that will have become due by an instant.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Forecast {
    pub at: Timestamp,
    pub due: u64,
}

/// What a sweep did.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Swept {
    pub acted: u64,
    pub dragged: u64,
    pub batches: u64,
    pub outcome: Outcome,
    pub reason: Option<Reason>,
    pub message: Option<String>,
    pub duration_seconds: f64,
    /// What became of the opt-outs of rows that went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_outs: Option<OptOuts>,
    /// What became of what they left behind, of a rule that speaks of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residue: Option<ResidueReport>,
}

impl From<&Ended> for Swept {
    fn from(ended: &Ended) -> Self {
        Self {
            acted: ended.acted,
            dragged: ended.dragged,
            batches: ended.batches,
            outcome: ended.outcome,
            reason: ended.obstacle.as_ref().map(|obstacle| obstacle.reason),
            message: ended.obstacle.as_ref().map(|obstacle| obstacle.message.clone()),
            duration_seconds: ended.duration.as_secs_f64(),
            opt_outs: ended.opt_outs.clone(),
            residue: ended.residue.clone(),
        }
    }
}

impl RuleReport {
    /// What planning found, before anything was counted.
    pub fn of(prepared: &Prepared, as_of: Timestamp) -> Self {
        let rule = &prepared.rule;
        let ready = prepared.outcome.as_ref().ok();
        Self {
            rule: rule.id.to_string(),
            category: rule.category.clone(),
            source: rule.source.clone(),
            table: rule.table.to_string(),
            action: rule.action.name().to_owned(),
            cutoff: ready.and_then(|ready| ready.planned.selection.end.as_ref()).and_then(EndTest::cutoff),
            as_of,
            rows: None,
            blocked: prepared.outcome.as_ref().err().cloned(),
            protected_by: Vec::new(),
            dependents: Vec::new(),
            waits: None,
            paused: None,
            way: None,
            partitions: Vec::new(),
            row_by_row: ready.and_then(|ready| if let Drops::None(why) = &ready.drops { Some(why.clone()) } else { None }),
            opt_out: rule.suppress.as_ref().map(Suppress::in_words),
            archive: ArchiveReport::of(rule),
            forecast: None,
            swept: None,
        }
    }

    /// A rule whose source could not be asked.
    pub fn unreachable(rule: &crate::policy::Rule, obstacle: Obstacle, as_of: Timestamp) -> Self {
        Self::of(&Prepared { rule: rule.clone(), table: None, elsewhere: Arc::default(), outcome: Err(obstacle) }, as_of)
    }
}

/// A way in words.
pub fn way_name(way: &Way) -> String {
    match way {
        Way::Blocks | Way::Rowid(_) => "physical".to_owned(),
        Way::Unordered => "unordered".to_owned(),
        Way::Picked(columns) if columns.is_empty() => "physical".to_owned(),
        Way::Columns { columns, .. } if columns.is_empty() => "physical".to_owned(),
        Way::Columns { columns, .. } | Way::Picked(columns) => {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            format!("index on {}", names.join(", "))
        }
    }
}

/// All rules of a command.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct RulesReport {
    pub version: u32,
    pub rules: Vec<RuleReport>,
}

impl RulesReport {
    /// 1 if one failed, else 3 if one was left undone on purpose or refused, else 0.
    pub fn exit_status(&self) -> u8 {
        let mut status = 0;
        for rule in &self.rules {
            let outcome = match (&rule.swept, &rule.blocked) {
                (Some(swept), _) => Some((swept.outcome, swept.reason)),
                (None, Some(obstacle)) => Some((obstacle.reason.outcome(), Some(obstacle.reason))),
                (None, None) => None,
            };
            match outcome {
                Some((Outcome::Failed, _)) => return 1,
                // A rule that observes does what it was told to.
                None | Some((Outcome::Complete | Outcome::NothingDue, _)) | Some((_, Some(Reason::Observe))) => {}
                Some(_) => status = 3,
            }
        }
        status
    }
}
