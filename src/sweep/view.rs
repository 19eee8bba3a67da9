//! One row under every rule of its table: where it stands, what protects it, and when it will go. It asks the same
//! selections as plan and sweep, so that they can't disagree.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    count::{GoesAlong, goes_along},
    elsewhere::whole,
    obstacle::Obstacle,
    prepare::{Prepared, Target},
};
use crate::{
    policy::{
        Action, Dated, Never, Rule, StartAt, StartFormat, Term,
        start::{bears_a_date, read, read_number},
        term::{Read, Resolved, Said},
    },
    sql::selection::{EndTest, KeyPart, Seen, Selection, StartTest, TableRef, TypeClass},
};

/// A row under one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub seen: Seen,
    /// The class of law 5, as the counts of the rule have it.
    pub class: String,
    pub start: Option<Timestamp>,
    /// When its period has passed; `None`: it never ends, or bears no date.
    pub end: Option<Timestamp>,
    /// The first instant at which a sweep would find it due, if neither the row nor the rules change and nobody holds it;
    /// `None`: never, or it can't be told.
    pub due_from: Option<Timestamp>,
    /// Rules that protect it now.
    pub protected_by: Vec<String>,
    /// Tables with rows that refer to it, and so protect it.
    pub referenced_by: Vec<String>,
    /// What goes with it when it goes.
    pub along: Vec<GoesAlong>,
    /// Tables with rows that would go along with it and are held.
    pub held_dependents: Vec<String>,
    /// Tables with rows that would go along with it and are protected, or that would not and refer to it.
    pub protected_dependents: Vec<String>,
    /// Rules that override this one for the row.
    pub overridden_by: Vec<String>,
}

/// How many rows have that key, whatever rules there are: none, one, or two for more.
///
/// # Errors
/// The engine's.
pub async fn rows(target: &Target, table: &TableRef, key: &[KeyPart]) -> Result<usize, crate::engine::Error> {
    let no_rule = Selection::of_no_rule(table.clone(), target.workspace());
    Ok(target.engine.look(&no_rule, key).await?.len())
}

/// Looks at the row of that key under a rule that can be enforced; `None`: it went meanwhile.
///
/// # Errors
/// The obstacle of the rule, or one with the database's words.
pub async fn look(target: &Target, prepared: &Prepared, key: &[KeyPart]) -> Result<Option<Seen>, Obstacle> {
    let ready = prepared.outcome.as_ref().map_err(Clone::clone)?;
    Ok(target.engine.look(&ready.planned.selection, key).await?.pop())
}

/// What the rules of a table make of what was seen of a row under each.
pub fn views(seen: Vec<(&Prepared, Seen)>, now: Timestamp) -> Vec<View> {
    let read: BTreeMap<&str, Vec<Read>> =
        seen.iter().map(|(prepared, seen)| (prepared.rule.id.as_str(), read_of(prepared, seen))).collect();
    let resolved = |rule: &Rule, term: &Term| term.resolve(read.get(rule.id.as_str())?);
    let rules: BTreeMap<&str, &Rule> = seen.iter().map(|(prepared, _)| (prepared.rule.id.as_str(), &prepared.rule)).collect();
    seen.iter()
        .map(|(prepared, seen)| {
            let rule = &prepared.rule;
            let end = rule.term.as_ref().filter(|_| seen.class != "undated").and_then(|term| resolved(rule, term));
            let protectors = prepared.outcome.iter().flat_map(|ready| &ready.planned.selection.protectors);
            let protecting: Vec<(&str, bool)> = protectors
                .zip(&seen.protectors)
                .filter(|(_, (protects, _))| *protects)
                .map(|(protector, (_, overridden))| (protector.rule.as_str(), *overridden))
                .collect();
            let references = prepared.outcome.iter().flat_map(|ready| &ready.planned.selection.references);
            let referenced_by: Vec<String> = references
                .zip(&seen.referenced)
                .filter(|(_, refers)| **refers)
                .map(|(reference, _)| reference.child.table.clone())
                .collect();
            let dependents = || {
                let all = prepared.outcome.iter().flat_map(|ready| &ready.planned.selection.dependents);
                all.map(|dependency| dependency.rows.table.table.clone()).zip(&seen.dependents)
            };
            let counted = |ready| goes_along(rule, ready).into_iter().zip(&seen.along).map(|(one, rows)| GoesAlong { rows: *rows, ..one });
            let along = prepared.outcome.as_ref().ok().map(|ready| counted(ready).filter(|one| one.rows > 0).collect::<Vec<_>>());
            let held_dependents: Vec<String> = dependents().filter(|(_, (held, _))| *held).map(|(table, _)| table).collect();
            let protected_dependents: Vec<String> = dependents().filter(|(_, (_, protects))| *protects).map(|(table, _)| table).collect();
            let overrides = prepared.outcome.iter().flat_map(|ready| &ready.planned.selection.overridden);
            let overridden_by = overrides.zip(&seen.overridden).filter(|(_, overrides)| **overrides).map(|(one, _)| one.rule.to_string());
            // Each that protects has to end first; one that is overridden has only its floor left.
            let freed = protecting.iter().map(|(id, overridden)| {
                let other = rules.get(id)?;
                let term = other.term.clone()?;
                let term = if *overridden { term.floor_alone()? } else { term };
                due_from(other, &resolved(other, &term)?)
            });
            let own = end.as_ref().and_then(|end| due_from(rule, end));
            let may_go = rule.action.acts()
                && !matches!(seen.class.as_str(), "outside" | "done" | "undated")
                && referenced_by.is_empty()
                && protected_dependents.is_empty();
            View {
                class: class_of(rule, &seen.class).to_owned(),
                start: end.as_ref().and_then(|end| end.start(&rule.timezone)),
                end: end.as_ref().and_then(|end| ended(rule, end)),
                due_from: may_go
                    .then(|| std::iter::once(own).chain(freed).collect::<Option<Vec<_>>>()?.into_iter().max())
                    .flatten()
                    .map(|at| at.max(now)),
                protected_by: protecting.iter().map(|(id, _)| (*id).to_owned()).collect(),
                referenced_by,
                along: along.unwrap_or_default(),
                held_dependents,
                protected_dependents,
                overridden_by: overridden_by.collect(),
                seen: seen.clone(),
            }
        })
        .collect()
}

/// The class as counts have it: a kept row that has reached its end needs nothing more, whoever else protects it.
fn class_of<'a>(rule: &Rule, class: &'a str) -> &'a str {
    match (&rule.action, class) {
        (Action::Keep { .. }, "due" | "held" | "protected") => "done",
        _ => class,
    }
}

/// When its period has passed; `None`: never.
fn ended(rule: &Rule, end: &Resolved) -> Option<Timestamp> {
    Some(end.end(&rule.timezone)).filter(|end| *end < Timestamp::MAX)
}

/// The first instant whose cut-off is after the start. It is the end, but for starts in a fold, which become due together
/// a little later: the cut-off never moves back, so bisection finds it.
fn due_from(rule: &Rule, end: &Resolved) -> Option<Timestamp> {
    /// No fold repeats more than a day.
    const LATEST: SignedDuration = SignedDuration::from_hours(26);
    let at = ended(rule, end)?;
    let is_due = |micros: i64| at.checked_add(SignedDuration::from_micros(micros)).is_ok_and(|now| end.is_due(now, &rule.timezone));
    let (mut low, mut high) = (0, i64::try_from(LATEST.as_micros()).unwrap_or(i64::MAX));
    while low < high {
        let middle = low + (high - low) / 2;
        if is_due(middle) { high = middle } else { low = middle + 1 }
    }
    at.checked_add(SignedDuration::from_micros(low)).ok()
}

/// What a row says of every end of a rule, in the order of its selection's columns; nothing where the rule can't be enforced.
fn read_of(prepared: &Prepared, seen: &Seen) -> Vec<Read> {
    let (Ok(ready), Some(term)) = (&prepared.outcome, &prepared.rule.term) else { return Vec::new() };
    let mut shown = ready.planned.selection.shown.iter().zip(&seen.shown);
    let mut tests = ready.planned.selection.end.iter().flat_map(EndTest::starts);
    let mut read = Vec::new();
    for end in &term.ends {
        let dates = end.start.dates.iter().filter_map(|date| {
            let (test, (_, texts)) = (tests.next()?, shown.next()?);
            Some(texts.iter().map(|text| said(date, end.start_at, test, text.as_deref())).collect())
        });
        let dates = dates.collect();
        let settings =
            end.setting().and_then(|_| shown.next()).map(|(_, texts)| texts.iter().map(|text| whole(text.as_deref()?)).collect());
        read.push(Read { dates, settings: settings.unwrap_or_default() });
    }
    read
}

/// What one text says of a date.
fn said(date: &Dated, start_at: StartAt, test: &StartTest, text: Option<&str>) -> Said {
    let is_never = |text: &str| {
        date.never.iter().any(|never| match never {
            Never::Text(never) => never == text,
            Never::Integer(never) => never.to_string() == text,
        })
    };
    let Some(text) = text.filter(|text| !text.is_empty() && !is_never(text)) else { return Said::Missing };
    // MariaDB shows the instant of a TIMESTAMP without an offset, in the zone of the session, which is UTC.
    let is_instant = test.column.class == TypeClass::TimestampTz && test.format == StartFormat::Timestamp;
    let zone = if is_instant { Some(&TimeZone::UTC) } else { date.naive.as_ref() };
    match read_number(text, test.format).or_else(|| read(text, test.format, zone)) {
        Some(start) if bears_a_date(text, test.format) => Said::At(start_at.start_of_date(start)),
        Some(start) => Said::At(start),
        None => Said::Unreadable,
    }
}
