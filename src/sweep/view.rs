//! One row under every rule of its table: where it stands, what protects it, and when it will go. It asks the same
//! selections as plan and sweep, so that they can't disagree.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    obstacle::Obstacle,
    prepare::{Prepared, Target},
};
use crate::{
    policy::{
        Action, Rule, StartFormat, Term,
        start::{bears_a_date, read, read_number},
    },
    sql::selection::{KeyPart, Seen, Selection, StartTest, TableRef, TypeClass},
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
    let starts: BTreeMap<&str, Option<Timestamp>> =
        seen.iter().map(|(prepared, seen)| (prepared.rule.id.as_str(), start(prepared, seen))).collect();
    let rules: BTreeMap<&str, &Rule> = seen.iter().map(|(prepared, _)| (prepared.rule.id.as_str(), &prepared.rule)).collect();
    seen.iter()
        .map(|(prepared, seen)| {
            let rule = &prepared.rule;
            let start = starts[rule.id.as_str()];
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
            let overrides = prepared.outcome.iter().flat_map(|ready| &ready.planned.selection.overridden);
            let overridden_by = overrides.zip(&seen.overridden).filter(|(_, overrides)| **overrides).map(|(one, _)| one.rule.to_string());
            // Each that protects has to end first; one that is overridden has only its floor left.
            let freed = protecting.iter().map(|(id, overridden)| {
                let other = rules.get(id)?;
                let term = other.term.clone()?;
                let term = if *overridden { term.floor_alone()? } else { term };
                due_from(other, &term, starts.get(id).copied().flatten()?)
            });
            let own = rule.term.as_ref().and_then(|term| due_from(rule, term, start?));
            let may_go = rule.action.acts() && !matches!(seen.class.as_str(), "outside" | "done" | "undated") && referenced_by.is_empty();
            View {
                class: class_of(rule, &seen.class).to_owned(),
                start,
                end: rule.term.as_ref().zip(start).and_then(|(term, start)| end(rule, term, start)),
                due_from: may_go
                    .then(|| std::iter::once(own).chain(freed).collect::<Option<Vec<_>>>()?.into_iter().max())
                    .flatten()
                    .map(|at| at.max(now)),
                protected_by: protecting.iter().map(|(id, _)| (*id).to_owned()).collect(),
                referenced_by,
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
fn end(rule: &Rule, term: &Term, start: Timestamp) -> Option<Timestamp> {
    Some(term.end(start, &rule.timezone)).filter(|end| *end < Timestamp::MAX)
}

/// The first instant whose cut-off is after the start. It is the end, but for starts in a fold, which become due together
/// a little later: the cut-off never moves back, so bisection finds it.
fn due_from(rule: &Rule, term: &Term, start: Timestamp) -> Option<Timestamp> {
    /// No fold repeats more than a day.
    const LATEST: SignedDuration = SignedDuration::from_hours(26);
    let end = end(rule, term, start)?;
    let is_due =
        |micros: i64| end.checked_add(SignedDuration::from_micros(micros)).is_ok_and(|now| term.cutoff(now, &rule.timezone) > start);
    let (mut low, mut high) = (0, i64::try_from(LATEST.as_micros()).unwrap_or(i64::MAX));
    while low < high {
        let middle = low + (high - low) / 2;
        if is_due(middle) { high = middle } else { low = middle + 1 }
    }
    end.checked_add(SignedDuration::from_micros(low)).ok()
}

/// The start of a row under a rule; `None`: it bears no date, or one that is written in a way that only the database reads.
fn start(prepared: &Prepared, seen: &Seen) -> Option<Timestamp> {
    let test: &StartTest = prepared.outcome.as_ref().ok()?.planned.selection.start.as_ref()?;
    // MariaDB shows the instant of a TIMESTAMP without an offset, in the zone of the session, which is UTC.
    let term = prepared.rule.term.as_ref()?;
    let zone = if test.column.class == TypeClass::TimestampTz && test.format == StartFormat::Timestamp {
        Some(&TimeZone::UTC)
    } else {
        term.start.naive.as_ref()
    };
    let text = seen.start.as_deref().filter(|_| !matches!(seen.class.as_str(), "undated"))?;
    let start = read_number(text, test.format).or_else(|| read(text, test.format, zone))?;
    Some(if bears_a_date(text, test.format) { term.start_of_date(start) } else { start })
}
