//! What a rule means, as text that is the same for the same meaning.

use serde_json::{Value, json};

use super::meaning;
use crate::policy::{
    Action, Dependent, Evidence, Normalise, OnNull, Rule, RuleId, StartAt, StrategySpec, Subjects, Tenant, Term, Then, Wait,
};

/// Everything that decides which rows a rule concerns and what becomes of them, as JSON with its members in this order.
/// Comments, the order of keys and files, and what is only for people are not in it.
pub(super) fn canonical(rule: &Rule) -> String {
    let end = rule.term.as_ref().and_then(Term::only);
    let mut said = json!({
        "id": rule.id.as_str(),
        "category": rule.category,
        "source": rule.source,
        "schema": rule.table.schema,
        "table": rule.table.table,
        "key": rule.key,
        "where": rule.condition.as_ref().map(|condition| &condition.sql),
        "subject": subjects(&rule.subjects),
        "overrides": overrides(rule),
        "start": end.map(|end| meaning::start(&end.start)),
        "keep_for": end.map(|end| meaning::keep_for(&end.keep_for)),
        "floor": end.and_then(|end| end.floor.as_ref()).map(ToString::to_string),
        "timezone": rule.timezone.iana_name(),
        "action": action(&rule.action),
        "max_share": rule.max_share,
    });
    // Left out where it says nothing, as it was before it could be said.
    if let Some(start_at) = end.map(|end| end.start_at).filter(|start_at| *start_at != StartAt::Start) {
        said["start_at"] = json!(start_at.to_string());
    }
    if let Some(term) = rule.term.as_ref().filter(|_| end.is_none()) {
        said["ends"] = meaning::ends(term);
    }
    if let Some(Tenant { column, is }) = &rule.tenant {
        said["tenant"] = json!({ "column": column, "is": is });
    }
    if !rule.triggers.is_empty() {
        let names: std::collections::BTreeSet<&str> = rule.triggers.iter().map(|trigger| trigger.name.as_str()).collect();
        said["triggers"] = json!(names);
    }
    if !rule.wait_for.is_empty() {
        said["wait_for"] = waits(&rule.wait_for);
    }
    if let Some(suppress) = &rule.suppress {
        said["suppress"] = super::suppress::canonical(suppress);
    }
    if !rule.dependents.is_empty() {
        said["dependents"] = dependents(&rule.dependents);
    }
    if let Some(archive) = &rule.archive {
        said["archive"] = json!({ "to": archive.to.as_str(), "keep_for": archive.keep_for.to_string() });
    }
    if let Some(residue) = rule.residue {
        said["residue"] = json!(residue.name());
    }
    if rule.evidence != Evidence::Batch {
        said["evidence"] = json!(rule.evidence.name());
    }
    if rule.drops_partitions {
        said["partitions"] = json!("drop");
    }
    said.to_string()
}

fn waits(waits: &[Wait]) -> Value {
    let wait = |wait: &Wait| {
        let mut on = wait.on.clone();
        on.sort_unstable();
        json!({ "schema": wait.table.schema, "table": wait.table.table, "on": on })
    };
    let mut said: Vec<Value> = waits.iter().map(wait).collect();
    said.sort_by_key(Value::to_string);
    Value::Array(said)
}

/// The `where` as it was written, because that is what can be read again.
fn dependents(declared: &[Dependent]) -> Value {
    let dependent = |dependent: &Dependent| {
        let mut on = dependent.on.clone();
        on.sort_unstable();
        let mut said = json!({ "schema": dependent.table.schema, "table": dependent.table.table, "on": on, "then": dependent.then.name() });
        if let Some(condition) = &dependent.condition {
            said["where"] = json!(condition.text);
        }
        if let Then::Anonymise(columns) = &dependent.then {
            let mut columns: Vec<(&str, Value)> = columns.iter().map(|(column, spec)| (column.as_str(), strategy(spec))).collect();
            columns.sort_by_key(|(column, _)| *column);
            said["anonymise"] = json!(columns);
        }
        if dependent.unlinks {
            said["unlinks"] = json!(true);
        }
        if !dependent.dependents.is_empty() {
            said["dependents"] = dependents(&dependent.dependents);
        }
        said
    };
    let mut said: Vec<Value> = declared.iter().map(dependent).collect();
    said.sort_by_key(Value::to_string);
    Value::Array(said)
}

fn overrides(rule: &Rule) -> Vec<&str> {
    let mut overrides: Vec<&str> = rule.overrides.iter().map(RuleId::as_str).collect();
    overrides.sort_unstable();
    overrides
}

fn subjects(subjects: &Subjects) -> Value {
    match subjects {
        Subjects::Of { subjects, on_null } => {
            let mut of: Vec<(&str, Value)> =
                subjects.iter().map(|subject| (subject.kind.as_str(), meaning::column_at(&subject.at))).collect();
            of.sort_by_key(|(kind, at)| (*kind, at.to_string()));
            let on_null = match on_null {
                OnNull::Nobody => "nobody",
                OnNull::Hold => "hold",
            };
            json!({ "of": of, "on_null": on_null })
        }
        Subjects::Nobody { .. } => json!("none"),
        Subjects::Unstated => Value::Null,
    }
}

fn action(action: &Action) -> Value {
    match action {
        Action::Delete => json!("delete"),
        Action::Keep { .. } => json!("keep"),
        Action::Anonymise { columns, mark } => {
            let mut columns: Vec<(&str, Value)> = columns.iter().map(|(column, spec)| (column.as_str(), strategy(spec))).collect();
            columns.sort_by_key(|(column, _)| *column);
            json!({ "anonymise": columns, "mark": mark })
        }
    }
}

pub(super) fn strategy(spec: &StrategySpec) -> Value {
    match spec {
        StrategySpec::Null => json!({ "strategy": "null" }),
        StrategySpec::Fixed { value, replace_null } => json!({ "strategy": "fixed", "value": value, "replace_null": replace_null }),
        StrategySpec::Hmac { key, normalise } => {
            let normalise = normalise.map(|normalise| match normalise {
                Normalise::Email => "email",
            });
            json!({ "strategy": "hmac", "key": key, "normalise": normalise })
        }
        StrategySpec::Random | StrategySpec::Mask => json!({ "strategy": spec.name() }),
        StrategySpec::DateTrunc { unit } => json!({ "strategy": "date_trunc", "unit": unit.name() }),
        StrategySpec::Json { places } => {
            let mut places: Vec<(String, Value)> = places.iter().map(|(path, spec)| (path.to_string(), strategy(spec))).collect();
            places.sort_by(|one, other| one.0.cmp(&other.0));
            json!({ "strategy": "json", "paths": places })
        }
        StrategySpec::Round { to } => json!({ "strategy": "round", "to": to }),
        StrategySpec::TruncateIp { v4, v6 } => json!({ "strategy": "truncate_ip", "v4": v4, "v6": v6 }),
    }
}
