//! `check`: everything that can be known before acting.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::{
    diagnostic::Place,
    policy::{Action, Rule},
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
            of_rules.chain(self.sources.iter().filter_map(|source| source.blocked.as_ref()))
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
    let mut report = CheckReport { version: VERSION, rules: Vec::new(), sources: Vec::new() };
    for name in world.config.sources.keys() {
        let blocked = match world.connect(name).await {
            Ok(target) => {
                report.rules.extend(rules(world, &target, now).await?);
                let blocked = match &state {
                    Some(state) => match identity::check(state, &target).await {
                        Ok(_) => time::check(&*world.clock, &target).await.err(),
                        Err(obstacle) => Some(obstacle),
                    },
                    None => {
                        let message =
                            format!("there is no state yet, so this source can only be observed; `retentiond source init {name}` makes it");
                        Some(Obstacle::new(Reason::NoWorkspace, message))
                    }
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

async fn rules(world: &World, target: &Target, now: Timestamp) -> Result<Vec<CheckedRule>, Error> {
    let prepared = prepare(target, &world.rules, &world.config.keys, now).await?;
    Ok(prepared.iter().map(|one| checked(target, one, &prepared)).collect())
}

fn checked(target: &Target, prepared: &Prepared, all: &[Prepared]) -> CheckedRule {
    let rule = &prepared.rule;
    let (warnings, suggestions) = advice(target, prepared, all);
    CheckedRule {
        rule: rule.id.to_string(),
        source: rule.source.clone(),
        table: rule.table.to_string(),
        action: rule.action.name().to_owned(),
        place: prepared.outcome.as_ref().err().and_then(|obstacle| Written::at(obstacle.place.as_ref()?)),
        blocked: prepared.outcome.as_ref().err().cloned(),
        warnings,
        suggestions,
    }
}

/// What a sweep would cost without an index, and the statement that makes one without locking the table.
fn advice(target: &Target, prepared: &Prepared, all: &[Prepared]) -> (Vec<String>, Vec<String>) {
    let Prepared { rule, table: Some(shape), outcome: Ok(_) } = prepared else { return Default::default() };
    let mut warnings = Vec::new();
    let mut suggestions = Vec::new();
    if let Some(term) = rule.term.as_ref().filter(|_| rule.action.acts())
        && shape.index_on(&term.start.column).is_none()
    {
        warnings
            .push(format!("no index starts with `{}`, so every sweep reads the whole table, also when nothing is due", term.start.column));
        suggestions.push(crate::sql::statement::create_index(target.engine.dialect(), &shape.table, &term.start.column));
    }
    for key in shape.referenced_by.iter().filter(|key| !key.child_indexed && matches!(rule.action, Action::Delete)) {
        warnings.push(format!(
            "{} refers to this table by ({}) without an index, so each deleted row scans it",
            key.child.table,
            key.child_columns.join(", ")
        ));
    }
    let same = |one: &&Prepared| one.table.as_ref().is_some_and(|other| other.table == shape.table);
    let of_table: Vec<&Rule> = all.iter().filter(same).map(|one| &one.rule).collect();
    warnings.extend(unlisted(rule, &of_table, shape));
    (warnings, suggestions)
}

/// Columns that an anonymising rule leaves as they are without anybody saying so: no rule of the table anonymises, retains or
/// reads them, and they are in no key.
fn unlisted(rule: &Rule, of_table: &[&Rule], shape: &crate::engine::shape::Shape) -> Option<String> {
    if !matches!(rule.action, Action::Anonymise { .. }) {
        return None;
    }
    let is_key = |name: &String| shape.primary_key.contains(name) || shape.references.iter().any(|key| key.child_columns.contains(name));
    let known = |name: &String| is_key(name) || of_table.iter().any(|rule| names(rule, name));
    let left: Vec<&str> = shape.columns.iter().map(|column| &column.name).filter(|name| !known(name)).map(String::as_str).collect();
    (!left.is_empty()).then(|| format!("these columns stay as they are; list them in `retains` if that is meant: {}", left.join(", ")))
}

/// Whether a rule says anything of a column.
fn names(rule: &Rule, name: &String) -> bool {
    let is_changed = match &rule.action {
        Action::Anonymise { columns, mark } => columns.iter().any(|(column, _)| column == name) || mark.as_ref() == Some(name),
        Action::Delete | Action::Keep { .. } => false,
    };
    is_changed
        || rule.retains.contains(name)
        || rule.key.contains(name)
        || rule.condition.as_ref().is_some_and(|condition| condition.columns.contains(name))
        || rule.subjects.all().iter().any(|subject| subject.column == *name)
        || rule.term.as_ref().is_some_and(|term| term.start.column == *name)
}
