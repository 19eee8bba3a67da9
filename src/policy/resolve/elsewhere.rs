//! What rules read in tables that are not their own, and what becomes of it there.

use std::{cell::RefCell, collections::BTreeMap};

use super::{Context, meet::default_schema};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    policy::{Action, ColumnAt, Dependent, Rule, TableName, Then},
};

/// The rules of each table, by source, schema and name.
pub(super) type Tables<'a> = BTreeMap<(&'a str, &'a str, &'a str), Vec<&'a Rule>>;

/// A column by which rules find rows of another table must not be changed there: they would find others afterwards, or none.
pub(super) fn columns(tables: &Tables<'_>, context: &Context, found: &RefCell<Diagnostics>) {
    for rule in tables.values().flatten() {
        for (table, column, how, key) in read_elsewhere(rule) {
            let schema = table.schema.as_deref().unwrap_or_else(|| default_schema(&rule.source, context));
            for other in tables.get(&(rule.source.as_str(), schema, table.table.as_str())).into_iter().flatten() {
                let Action::Anonymise { columns, mark } = &other.action else { continue };
                if columns.iter().any(|(changed, _)| changed == column) || mark.as_deref() == Some(column) {
                    let message = format!("`{column}` can't be changed: {}", how.replace("RULE", rule.id.as_str()));
                    let changed = if mark.as_deref() == Some(column) { "mark".to_owned() } else { format!("anonymise.{column}") };
                    let error = Diagnostic::error("column-changed-and-read", other.origin.place(&changed), message).label("changed here");
                    found.borrow_mut().push(error.also(rule.origin.place(&key), "read here"));
                }
            }
        }
    }
}

/// Each column of another table that a rule reads: the table, the column, in which words, and the key where it is said.
fn read_elsewhere(rule: &Rule) -> Vec<(&TableName, &str, &'static str, String)> {
    let mut read = Vec::new();
    for (number, wait) in rule.wait_for.iter().enumerate() {
        let key = |own: &String| format!("wait_for.{number}.{own}");
        read.extend(wait.on.iter().map(|(own, theirs)| (&wait.table, theirs.as_str(), "rows of `RULE` wait by it", key(own))));
    }
    for (place, dependent) in Dependent::all(&rule.dependents) {
        let of_condition = dependent.condition.iter().flat_map(|condition| &condition.columns);
        let columns = dependent.on.iter().map(|(_, theirs)| theirs).chain(of_condition);
        read.extend(
            columns.map(|column| (&dependent.table, column.as_str(), "rows go along with `RULE` by it", format!("dependents.{place}"))),
        );
    }
    for (at, key) in columns_of_term(rule) {
        read.extend(at.read_elsewhere().map(|(table, column)| (table, column, "`RULE` looks up by it when its rows end", key.clone())));
    }
    for subject in rule.subjects.all() {
        let key = format!("subject.{}", subject.kind);
        read.extend(
            subject.at.read_elsewhere().map(|(table, column)| (table, column, "`RULE` looks up by it whose its rows are", key.clone())),
        );
    }
    read
}

/// Each column that is read to tell when rows end, with the key where it is said.
pub(super) fn columns_of_term(rule: &Rule) -> impl Iterator<Item = (&ColumnAt, String)> {
    let ends = rule.term.iter().flat_map(|term| &term.ends).enumerate();
    ends.flat_map(|(number, end)| {
        let dates = end.start.dates.iter().enumerate().map(move |(index, date)| (&date.at, format!("start.{number}.{index}")));
        dates.chain(end.setting().map(|setting| (&setting.at, format!("keep_for.{number}"))))
    })
}

/// Warns of a rule whose rows could never end once the rows are gone that say when.
pub(super) fn ends_that_go(tables: &Tables<'_>, context: &Context, found: &RefCell<Diagnostics>) {
    for rule in tables.values().flatten().filter(|rule| rule.action.acts()) {
        let required = rule.term.iter().flat_map(|term| term.required());
        for ((end, date), hop) in required.flat_map(|(place, date)| date.at.through.iter().map(move |hop| (place, hop))) {
            let key = format!("start.{end}.{date}");
            let schema = hop.table.schema.as_deref().unwrap_or_else(|| default_schema(&rule.source, context));
            let others = tables.get(&(rule.source.as_str(), schema, hop.table.table.as_str())).into_iter().flatten();
            let waits = |other: &Rule| {
                let mut along = Dependent::all(&other.dependents).into_iter().map(|(_, dependent)| &dependent.table);
                other.wait_for.iter().any(|wait| wait.table.table == rule.table.table) || along.any(|table| table.table == rule.table.table)
            };
            for other in others.filter(|other| matches!(other.action, Action::Delete) && !waits(other)) {
                let message = format!("`{}` may leave rows of `{}` that never end: it deletes what says when they do", other.id, rule.id);
                let warning = Diagnostic::warning("end-deleted", other.origin.place("table"), message).label("deleted from here");
                let help = format!(
                    "let it wait: wait_for = [{{ table = \"{}\", on = {{ … }} }}], or keep these rows at least as long",
                    rule.table
                );
                found.borrow_mut().push(warning.also(rule.origin.place(&key), "looked up here").help(help));
            }
        }
    }
}

/// What goes along goes first, so it can't be what says of the row when it ends, or whose it is: without it the row would stay.
pub(super) fn along_and_read(tables: &Tables<'_>, context: &Context, found: &RefCell<Diagnostics>) {
    for rule in tables.values().flatten() {
        let required = rule.term.iter().flat_map(|term| term.required());
        let dates = required.map(|((end, date), dated)| (&dated.at, format!("start.{end}.{date}")));
        let settings = columns_of_term(rule).filter(|(_, key)| key.starts_with("keep_for."));
        let subjects = rule.subjects.all().iter().map(|subject| (&subject.at, format!("subject.{}", subject.kind)));
        let looked_up =
            dates.chain(settings).chain(subjects).flat_map(|(at, key)| at.through.iter().map(move |hop| (&hop.table, key.clone())));
        for (table, key) in looked_up {
            let schema = |table: &TableName| table.schema.clone().unwrap_or_else(|| default_schema(&rule.source, context).to_owned());
            let goes = |dependent: &Dependent| {
                matches!(dependent.then, Then::Delete) && dependent.table.table == table.table && schema(&dependent.table) == schema(table)
            };
            let along = Dependent::all(&rule.dependents);
            for (place, _) in along.into_iter().filter(|(_, dependent)| goes(dependent)) {
                let message = format!("rows of `{table}` can't go along: they say when the row ends, or whose it is");
                let error =
                    Diagnostic::error("read-and-dragged", rule.origin.place(&format!("dependents.{place}")), message).label("goes first");
                let help = format!(
                    "give `{table}` a rule of its own, whose rows go after these: wait_for = [{{ table = \"{}\", on = {{ … }} }}]",
                    rule.table
                );
                found.borrow_mut().push(error.also(rule.origin.place(&key), "read here").help(help));
            }
        }
    }
}
