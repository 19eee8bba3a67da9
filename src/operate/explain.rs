//! `explain`: one row, what each rule makes of it, and when it will go; or, if it is gone, what the ledger says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    digests::{Answer, Asking, Question},
    holds::names_table,
    report::{ArchiveReport, VERSION},
    world::{Error, World},
};
use crate::{
    diagnostic::suggest::did_you_mean,
    engine::shape::Shape,
    ledger::{Batch, Event},
    policy::{Mode, Rule, Suppress},
    sql::selection::{KeyPart, TypeClass},
    state::State,
    sweep::{
        count::GoesAlong,
        obstacle::Obstacle,
        prepare::{Prepared, Target, prepare_around},
        view::{self, View},
    },
};

/// What is known of one row.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainReport {
    pub version: u32,
    pub source: String,
    pub table: String,
    pub key: BTreeMap<String, String>,
    pub as_of: Timestamp,
    /// There is such a row now.
    pub found: bool,
    /// Holds that cover it.
    pub holds: Vec<Holding>,
    pub rules: Vec<Explained>,
    /// If it is not there: what could have taken it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
}

/// A hold that covers the row.
#[derive(Debug, Clone, Serialize)]
pub struct Holding {
    pub hold: String,
    /// `None`: the state can't be asked, or knows no such hold.
    pub matter: Option<String>,
    /// The kind of subject that is held; `None`: everything in its scope.
    pub kind: Option<String>,
}

/// The row under one rule.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    pub rule: String,
    pub action: String,
    pub mode: &'static str,
    /// The class of law 5; `None` if the rule can't act on any row, for the reason in `blocked`.
    pub verdict: Option<String>,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// The first instant at which it is due, with what is known now. A hold may keep it longer, and a rule that waits for
    /// a person acts later.
    pub due_from: Option<Timestamp>,
    pub protected_by: Vec<String>,
    pub referenced_by: Vec<String>,
    /// What goes with it when it goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependents: Vec<GoesAlong>,
    /// Tables with rows that would go along and are held, and so hold the row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_by_dependents: Vec<String>,
    /// Tables with rows that would go along and are protected, or that would not and refer to the row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protected_by_dependents: Vec<String>,
    pub overridden_by: Vec<String>,
    /// Where the row is copied to before it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveReport>,
    pub blocked: Option<Obstacle>,
    /// What the row leaves behind when it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_out: Option<String>,
}

/// What the ledger says of rows that are not there.
#[derive(Debug, Clone, Serialize)]
pub struct Gone {
    /// What was kept as evidence: `batch`, and nothing of single rows, or `row` if some batch has digests of them.
    pub evidence: &'static str,
    /// What batches say of the very row, where any of them has digests of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<Answer>,
    /// Sweeps that deleted rows of the table, the last first: one of them could have taken the row.
    pub sweeps: Vec<GoneIn>,
}

/// A sweep that deleted rows of the table.
#[derive(Debug, Clone, Serialize)]
pub struct GoneIn {
    pub rule: String,
    pub sweep: String,
    /// It took rows that start before this instant, and no others.
    pub cutoff: Option<Timestamp>,
    pub batches: u64,
    pub rows: u64,
    /// Those of them that were copied to an archive before.
    #[serde(skip_serializing_if = "is_zero")]
    pub archived: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// Explains the row of `table` (`SOURCE.TABLE`, as rules name it) whose columns have these values.
///
/// # Errors
/// [`Error::Asked`] if no rule is about the table, a column does not exist, or the key names several rows.
pub async fn explain(world: &World, table: &str, key: &[(String, String)]) -> Result<ExplainReport, Error> {
    let rule = world.rules.iter().find(|rule| names_table(rule, table)).ok_or_else(|| {
        let known: Vec<String> = world.rules.iter().map(|rule| format!("{}.{}", rule.source, rule.table)).collect();
        let hint = did_you_mean(table, known.iter().map(String::as_str)).map(|hint| format!("; {hint}")).unwrap_or_default();
        Error::Asked(format!("no rule is about the table `{table}` (SOURCE.TABLE){hint}"))
    })?;
    let state = world.existing_state().await?;
    let target = world.connect(&rule.source).await?;
    let report = explain_at(world, &target, state.as_ref(), rule, key).await;
    target.engine.close().await;
    if let Some(state) = state {
        state.close().await;
    }
    report
}

async fn explain_at(
    world: &World,
    target: &Target,
    state: Option<&State>,
    rule: &Rule,
    key: &[(String, String)],
) -> Result<ExplainReport, Error> {
    let now = world.now();
    let of_table = |other: &Rule| other.table.table == rule.table.table;
    let prepared = prepare_around(target, &world.rules, of_table, &world.config.keys, now).await?;
    let own = prepared.iter().find(|one| one.rule.id == rule.id).and_then(|one| one.table.clone());
    let shape = own.ok_or_else(|| Error::Asked(format!("source `{}` has no table {}", rule.source, rule.table)))?;
    let key_parts = key_parts(&shape, key)?;
    let mut report = ExplainReport {
        version: VERSION,
        source: rule.source.clone(),
        table: rule.table.to_string(),
        key: key.iter().cloned().collect(),
        as_of: now,
        found: false,
        holds: Vec::new(),
        rules: Vec::new(),
        gone: None,
    };
    let same_table = prepared.iter().filter(|one| one.table.as_ref().is_some_and(|table| table.table == shape.table));
    report.found = match view::rows(target, &shape.table, &key_parts).await? {
        0 => false,
        1 => true,
        _ => return Err(Error::Asked("the key names several rows; name more columns".to_owned())),
    };
    if !report.found {
        report.gone = match state {
            Some(state) => {
                let question = Question::Row { source: rule.source.clone(), table: shape.table.table.clone(), key: key.to_vec() };
                let (sweeps, answer) = sweeps(state, &rule.source, &shape.table.table, Asking::new(&question, &world.config.keys)).await?;
                let named = Some(answer).filter(|answer| answer.asked > 0 || !only_counted(answer));
                let evidence = if named.is_some() { "row" } else { "batch" };
                Some(Gone { evidence, named, sweeps })
            }
            None => None,
        };
        return Ok(report);
    }
    let mut seen = Vec::new();
    for one in same_table {
        match view::look(target, one, &key_parts).await {
            Ok(row) => seen.extend(row.map(|row| (one, row))),
            Err(obstacle) => report.rules.push(unknown(&one.rule, obstacle)),
        }
    }
    if let Some((_, row)) = seen.first() {
        report.holds = holdings(state, &row.holds).await?;
    }
    let rules: Vec<&Prepared> = seen.iter().map(|(one, _)| *one).collect();
    report.rules.extend(rules.iter().zip(view::views(seen, now)).map(|(one, view)| explained(&one.rule, view)));
    report.rules.sort_by(|one, other| one.rule.cmp(&other.rule));
    Ok(report)
}

fn key_parts(shape: &Shape, key: &[(String, String)]) -> Result<Vec<KeyPart>, Error> {
    let part = |(name, value): &(String, String)| {
        let column = shape.column(name).ok_or_else(|| {
            let hint = did_you_mean(name, shape.columns.iter().map(|column| column.name.as_str()));
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Error::Asked(format!("{} has no column `{name}`{hint}", shape.table.table))
        })?;
        let column = column.to_ref();
        if column.class == TypeClass::Integer && value.parse::<i64>().is_err() {
            return Err(Error::Asked(format!("`{name}` is {}: its value must be a whole number", column.declared)));
        }
        Ok(KeyPart { column, value: value.clone() })
    };
    key.iter().map(part).collect()
}

fn unknown(rule: &Rule, obstacle: Obstacle) -> Explained {
    Explained {
        rule: rule.id.to_string(),
        action: rule.action.name().to_owned(),
        mode: mode(rule),
        verdict: None,
        start: None,
        end: None,
        due_from: None,
        protected_by: Vec::new(),
        referenced_by: Vec::new(),
        dependents: Vec::new(),
        held_by_dependents: Vec::new(),
        protected_by_dependents: Vec::new(),
        overridden_by: Vec::new(),
        archive: ArchiveReport::of(rule),
        blocked: Some(obstacle),
        opt_out: rule.suppress.as_ref().map(Suppress::in_words),
    }
}

fn explained(rule: &Rule, view: View) -> Explained {
    Explained {
        rule: rule.id.to_string(),
        action: rule.action.name().to_owned(),
        mode: mode(rule),
        verdict: Some(view.class),
        start: view.start,
        end: view.end,
        due_from: view.due_from,
        protected_by: view.protected_by,
        referenced_by: view.referenced_by,
        dependents: view.along,
        held_by_dependents: view.held_dependents,
        protected_by_dependents: view.protected_dependents,
        overridden_by: view.overridden_by,
        archive: ArchiveReport::of(rule),
        blocked: None,
        opt_out: rule.suppress.as_ref().map(Suppress::in_words),
    }
}

fn mode(rule: &Rule) -> &'static str {
    match rule.mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
    }
}

async fn holdings(state: Option<&State>, holds: &[(String, String)]) -> Result<Vec<Holding>, Error> {
    let mut holdings = Vec::new();
    for (hold, kind) in holds {
        let matter = match state {
            Some(state) => state.hold(hold).await?.map(|hold| hold.matter),
            None => None,
        };
        holdings.push(Holding { hold: hold.clone(), matter, kind: Some(kind.clone()).filter(|kind| !kind.is_empty()) });
    }
    Ok(holdings)
}

/// The sweeps that deleted rows of a table, from the batches in the ledger.
async fn sweeps(state: &State, source: &str, table: &str, mut asking: Asking<'_>) -> Result<(Vec<GoneIn>, Answer), Error> {
    const PAGE: u32 = 1_000;
    let mut sweeps: Vec<GoneIn> = Vec::new();
    let mut after = 0;
    loop {
        let page = state.entries_of(source, "batch_applied", after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for entry in &page {
            let Event::BatchApplied(batch) = &entry.event else { continue };
            asking.ask(state, entry, batch).await?;
            if batch.table == table && batch.action == "delete" {
                add(&mut sweeps, batch, entry.at);
            }
        }
    }
    sweeps.reverse();
    Ok((sweeps, asking.answer()))
}

/// No batch was asked, because none has digests of rows.
fn only_counted(answer: &Answer) -> bool {
    answer.not_asked.keys().all(|why| why.starts_with("at `evidence = "))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn add(sweeps: &mut Vec<GoneIn>, batch: &Batch, at: Timestamp) {
    let archived = if batch.archive.is_some() { batch.rows } else { 0 };
    match sweeps.iter_mut().rev().find(|one| one.sweep == batch.sweep) {
        Some(one) => {
            one.batches += 1;
            one.rows += batch.rows;
            one.archived += archived;
            one.last_at = at;
        }
        None => sweeps.push(GoneIn {
            rule: batch.rule.clone(),
            sweep: batch.sweep.clone(),
            cutoff: batch.cutoff,
            batches: 1,
            rows: batch.rows,
            archived,
            first_at: at,
            last_at: at,
        }),
    }
}
