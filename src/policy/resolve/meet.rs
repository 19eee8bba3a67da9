//! Rules that meet: under one id, or on one table.

use std::{cell::RefCell, collections::BTreeMap};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{
    Context,
    elsewhere::{self, Tables, columns_of_term},
    undo,
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Place},
    policy::{Action, OptOutValue, Rule, Term, raw::RawFile},
};

/// Reports policies and rules that share an id. Looks at what is written, so that a rule with other mistakes counts too.
pub(super) fn identities(files: &[RawFile], found: &RefCell<Diagnostics>) {
    let mut policies: BTreeMap<&str, Place> = BTreeMap::new();
    for file in files {
        let Some(id) = &file.policy.id else { continue };
        distinct(&mut policies, &id.value, file.file.at(id.span.clone()), "policies", found);
        let mut rules: BTreeMap<&str, Place> = BTreeMap::new();
        for id in file.rules.iter().filter_map(|rule| rule.id.as_ref()) {
            distinct(&mut rules, &id.value, file.file.at(id.span.clone()), "rules", found);
        }
    }
}

fn distinct<'a>(known: &mut BTreeMap<&'a str, Place>, id: &'a str, place: Place, what: &str, found: &RefCell<Diagnostics>) {
    match known.get(id) {
        None => {
            known.insert(id, place);
        }
        Some(first) => {
            let twice = Diagnostic::error("duplicate-id", place, format!("there are two {what} with the id `{id}`"));
            found.borrow_mut().push(twice.label("again here").also(first.clone(), "first here").help("give one of them another id"));
        }
    }
}

/// Reports what rules on one table do to each other.
pub(super) fn tables(rules: &[Rule], context: &Context, found: &RefCell<Diagnostics>) {
    let mut tables: Tables<'_> = BTreeMap::new();
    for rule in rules {
        let schema = rule.table.schema.as_deref().unwrap_or_else(|| default_schema(&rule.source, context));
        tables.entry((&rule.source, schema, &rule.table.table)).or_default().push(rule);
    }
    elsewhere::columns(&tables, context, found);
    elsewhere::ends_that_go(&tables, context, found);
    elsewhere::along_and_read(&tables, context, found);
    for rules in tables.values() {
        for rule in rules {
            changed_columns(rule, rules, found);
            never_acts(rule, rules, found);
        }
        for (index, rule) in rules.iter().enumerate() {
            rules[index + 1..].iter().for_each(|other| undo::pair(rule, other, found));
        }
    }
}

/// Where a table of the source without a schema is; of a source that could not be read they are all in one place.
pub(super) fn default_schema<'a>(source: &str, context: &'a Context) -> &'a str {
    context.sources.get(source).and_then(|facts| facts.schema.as_deref()).unwrap_or_default()
}

/// A column that a rule changes must not decide anything: what was decided once would be decided otherwise afterwards.
fn changed_columns(rule: &Rule, others: &[&Rule], found: &RefCell<Diagnostics>) {
    let Action::Anonymise { columns, mark } = &rule.action else { return };
    let is_subject = |column: &str| rule.subjects.all().iter().any(|subject| subject.at.of_row() == Some(column));
    let anonymised = columns.iter().map(|(column, _)| (column, rule.origin.place(&format!("anonymise.{column}")), "anonymised"));
    let marked = mark.iter().map(|column| (column, rule.origin.place("mark"), "set as the mark"));
    for (column, place, how) in anonymised.chain(marked) {
        // A subject of its own is the one column that a rule may unlink rows from, if it says so.
        let may_unlink = how == "anonymised" && is_subject(column);
        for other in others {
            let is_settled =
                |what: &str| may_unlink && rule.unlinks && what == SUBJECT || what == SUPPRESS && hashes_alike(rule, other, column);
            for (what, read) in readings(other, column).into_iter().filter(|(what, _)| !is_settled(what)) {
                let message = format!("`{column}` can't be {how}: it is {what} of `{}`", other.id);
                let error = Diagnostic::error("column-changed-and-read", place.clone(), message).label("changed here");
                let way_out = (may_unlink && what == SUBJECT)
                    .then_some("say `unlinks = true` if no hold on the subject is to find the row afterwards");
                found.borrow_mut().push(error.also(read, "read here").maybe_help(way_out.map(str::to_owned)));
            }
        }
    }
    for column in columns.iter().map(|(column, _)| column).filter(|column| mark.as_ref() == Some(*column)) {
        let message = format!("`{column}` can't be both anonymised and the mark");
        let error = Diagnostic::error("column-changed-and-read", rule.origin.place("mark"), message);
        found.borrow_mut().push(error.also(rule.origin.place(&format!("anonymise.{column}")), "anonymised here"));
    }
}

/// What was anonymised to the very pseudonym that an opt-out would be is that opt-out still.
fn hashes_alike(rule: &Rule, other: &Rule, column: &str) -> bool {
    let Action::Anonymise { columns, .. } = &rule.action else { return false };
    let anonymised = columns.iter().find(|(name, _)| name == column).map(|(_, strategy)| strategy);
    let alike = |value: &OptOutValue| match value {
        OptOutValue::Hashed { from, strategy } if from == column => Some(strategy) == anonymised,
        value => value.from() != Some(column),
    };
    other.suppress.iter().flat_map(|suppress| &suppress.columns).all(|(_, value)| alike(value))
}

/// How a rule reads the column of a subject.
pub const SUBJECT: &str = "a subject";

/// How a rule reads the column of which it keeps an opt-out.
pub const SUPPRESS: &str = "read in `suppress`";

/// Each way in which a rule reads a column, and where it says so.
pub fn readings(rule: &Rule, column: &str) -> Vec<(&'static str, Place)> {
    let mut readings = Vec::new();
    for (at, key) in columns_of_term(rule).filter(|(at, _)| at.read_of_row().any(|name| name == column)) {
        let how = if key.starts_with("keep_for") {
            "read in `keep_for`"
        } else if at.of_row().is_some() {
            "the start"
        } else {
            "read to look up the start"
        };
        readings.push((how, rule.origin.place(&key)));
    }
    if rule.condition.as_ref().is_some_and(|condition| condition.columns.iter().any(|name| name == column)) {
        readings.push(("read in the `where`", rule.origin.place("where")));
    }
    if rule.tenant.as_ref().is_some_and(|tenant| tenant.column == column) {
        readings.push(("read in the `tenant`", rule.origin.place("tenant")));
    }
    for subject in rule.subjects.all().iter().filter(|subject| subject.at.read_of_row().any(|name| name == column)) {
        let how = if subject.at.of_row().is_some() { SUBJECT } else { "read to look up a subject" };
        readings.push((how, rule.origin.place(&format!("subject.{}", subject.kind))));
    }
    for (number, _) in rule.wait_for.iter().enumerate().filter(|(_, wait)| wait.on.iter().any(|(own, _)| own == column)) {
        readings.push(("read in `wait_for`", rule.origin.place(&format!("wait_for.{number}.{column}"))));
    }
    if rule.suppress.as_ref().is_some_and(|suppress| suppress.read().any(|(from, _)| from == column)) {
        readings.push((SUPPRESS, rule.origin.place(&format!("suppress.from.{column}"))));
    }
    if rule.dependents.iter().any(|dependent| dependent.on.iter().any(|(own, _)| own == column)) {
        readings.push(("read in `dependents`", rule.origin.place("dependents.0")));
    }
    if rule.key.iter().any(|name| name == column) {
        readings.push(("in the `key`", rule.origin.place(&format!("key.{column}"))));
    }
    readings
}

/// Warns of a rule that can't ever act, whatever the rows are.
fn never_acts(rule: &Rule, others: &[&Rule], found: &RefCell<Diagnostics>) {
    let Some(term) = rule.term.as_ref().filter(|_| rule.action.acts()) else { return };
    let warn = |message: String, other: &Rule, label: &str| {
        let warning = Diagnostic::warning("never-acts", rule.origin.place("id"), message).label("never acts");
        found.borrow_mut().push(warning.also(other.origin.place("id"), label).help("give one of them another `where`, or remove one"));
    };
    // One that matches every row of this rule, and of which no other rule makes exceptions.
    let by_condition = |other: &Rule| match (&other.condition, &rule.condition) {
        (None, _) => true,
        (Some(other), Some(mine)) => other.sql == mine.sql,
        (Some(_), None) => false,
    };
    let covers = |other: &Rule| by_condition(other) && (other.tenant.is_none() || other.tenant == rule.tenant);
    let overridden = |other: &Rule| others.iter().any(|third| third.overrides.contains(&other.id));
    for other in others.iter().filter(|other| other.id != rule.id && covers(other) && !overridden(other)) {
        match (&other.action, &other.term) {
            (Action::Keep { .. }, None) => {
                warn(
                    format!("`{}` can never act: `{}` keeps every row {} for ever", rule.id, other.id, rows_of(other)),
                    other,
                    "keeps them",
                );
            }
            (Action::Delete, Some(deletion))
                if matches!(rule.action, Action::Anonymise { .. }) && one_start(term, deletion) && !sooner(rule, other) =>
            {
                warn(format!("`{}` can never act: when its rows end, `{}` deletes them", rule.id, other.id), other, "deletes every row");
            }
            _ => {}
        }
    }
}

fn rows_of(rule: &Rule) -> &'static str {
    if rule.condition.is_none() && rule.tenant.is_none() { "of the table" } else { "that it matches" }
}

/// Whether both count from the same start, for periods that are the same for every row.
fn one_start(one: &Term, other: &Term) -> bool {
    matches!((one.only(), other.only()), (Some(one), Some(other)) if one.start == other.start && one.fixed().is_some() && other.fixed().is_some())
}

/// Whether some row of one start ends under `rule` before it ends under `other`. Months have different lengths, so starts
/// of a whole year are tried.
fn sooner(rule: &Rule, other: &Rule) -> bool {
    let end = |rule: &Rule, start: Timestamp| rule.term.as_ref()?.length().map(|length| length.end(start, &TimeZone::UTC));
    (0..366).map(|day| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)).any(|start| end(rule, start) < end(other, start))
}
