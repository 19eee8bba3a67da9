//! Rules that override others: whether there are such rules, on the same table, and in no circle.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use super::{Context, meet::default_schema, rule::overridden};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, suggest},
    policy::{Mode, Rule, RuleId, raw::RawFile},
};

/// Reports overrides of rules that are not there, and of the rule itself. Looks at what is written, so that a rule with
/// other mistakes is found too.
pub(super) fn names(files: &[RawFile], found: &RefCell<Diagnostics>) {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut complete = true;
    for file in files {
        complete &= !file.broken;
        for rule in &file.rules {
            match (&file.policy.id, &rule.id) {
                (Some(policy), Some(id)) => drop(known.insert(RuleId::new(&policy.value, &id.value).to_string())),
                // What it is called could not be read: it may be the one that is named.
                _ => complete = false,
            }
        }
    }
    for file in files {
        for rule in &file.rules {
            let own = file.policy.id.as_ref().zip(rule.id.as_ref()).map(|(policy, id)| RuleId::new(&policy.value, &id.value));
            for (id, span) in overridden(file, rule) {
                let place = file.file.at(span);
                if own.as_ref() == Some(&id) {
                    let itself = Diagnostic::error("override-itself", place, format!("`{id}` can't override itself"));
                    found.borrow_mut().push(itself.help("name the rules that are not to count for the rows of this one"));
                } else if complete && !known.contains(id.as_str()) {
                    let unknown = Diagnostic::error("unknown-rule", place, format!("there is no rule `{id}` to override"));
                    let help = suggest::did_you_mean(id.as_str(), known.iter().map(String::as_str));
                    found.borrow_mut().push(unknown.maybe_help(help));
                }
            }
        }
    }
}

/// Reports overrides of rules on other tables, circles, and rules that can never act because they are overridden.
pub(super) fn meet(rules: &[Rule], context: &Context, found: &RefCell<Diagnostics>) {
    let by_id: BTreeMap<&RuleId, &Rule> = rules.iter().map(|rule| (&rule.id, rule)).collect();
    for rule in rules {
        for other in rule.overrides.iter().filter_map(|id| by_id.get(id).copied()).filter(|other| other.id != rule.id) {
            let place = rule.origin.place(&format!("overrides.{}", other.id));
            let report = |diagnostic: Diagnostic| found.borrow_mut().push(diagnostic);
            if table(rule, context) != table(other, context) {
                let message = format!("`{}` can't override `{}`, which is on another table", rule.id, other.id);
                let error = Diagnostic::error("override-elsewhere", place, message);
                report(
                    error
                        .label(format!("this rule is on {}.{}", rule.source, rule.table))
                        .also(other.origin.place("table"), format!("the other on {}.{}", other.source, other.table)),
                );
            } else if let Some(way) = way(other, rule, &by_id) {
                // Every rule of a circle lies on it; the first by name tells it.
                if way.iter().all(|id| rule.id <= **id) {
                    let names: Vec<String> = way.iter().map(|id| format!("`{id}`")).collect();
                    let message = format!("`{}` overrides {}: a circle", rule.id, names.join(", which overrides "));
                    let error = Diagnostic::error("override-circle", place, message).label("leads back to this rule");
                    report(error.help("which of them counts for a row that all match? Let only that one override the others"));
                }
            } else if other.action.acts() && rule.mode == Mode::Enforce && same_condition(rule, other) {
                let message = format!("`{}` can never act: `{}` overrides it for every row that it matches", other.id, rule.id);
                let warning = Diagnostic::warning("never-acts", other.origin.place("id"), message).label("never acts");
                report(warning.also(place, "overridden here").help("remove it, or give one of them another `where`"));
            }
        }
    }
}

fn table<'a>(rule: &'a Rule, context: &'a Context) -> (&'a str, &'a str, &'a str) {
    let schema = rule.table.schema.as_deref().unwrap_or_else(|| default_schema(&rule.source, context));
    (&rule.source, schema, &rule.table.table)
}

/// The rules on a way of overrides from one rule to another, both included; `None`: there is no way.
fn way<'a>(from: &'a Rule, to: &'a Rule, by_id: &BTreeMap<&RuleId, &'a Rule>) -> Option<Vec<&'a RuleId>> {
    let mut seen: BTreeSet<&RuleId> = BTreeSet::new();
    let mut open = vec![vec![from]];
    while let Some(way) = open.pop() {
        let last = *way.last()?;
        if last.id == to.id {
            return Some(way.into_iter().map(|rule| &rule.id).collect());
        }
        if seen.insert(&last.id) {
            let next = last.overrides.iter().filter_map(|id| by_id.get(id).copied());
            open.extend(next.map(|rule| way.iter().copied().chain([rule]).collect()));
        }
    }
    None
}

fn same_condition(one: &Rule, other: &Rule) -> bool {
    let sql = |rule: &Rule| rule.condition.as_ref().map(|condition| condition.sql.clone());
    sql(one) == sql(other) && one.tenant == other.tenant
}
