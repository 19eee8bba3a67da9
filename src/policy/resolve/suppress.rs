//! `suppress` of one rule: what can be known without a database.

use std::{collections::BTreeMap, ops::Range};

use serde_json::{Value, json};

use super::{Context, canonical::strategy, rule::Check};
use crate::policy::{
    Normalise, OptOutValue, StrategySpec, Suppress, TableName,
    raw::{RawAction, RawOptOut, RawSuppress},
};

/// The places of its parts.
pub(super) fn spans(raw: &RawSuppress) -> BTreeMap<String, Range<usize>> {
    let mut spans = BTreeMap::new();
    spans.extend(raw.table.iter().map(|table| ("suppress".to_owned(), table.span.clone())));
    for column in raw.columns.iter().flatten() {
        let place = column.column.span.clone();
        spans.insert(format!("suppress.{}", column.column.value), place.clone());
        if let Some(from) = column.value.from() {
            spans.entry(format!("suppress.from.{from}")).or_insert(place);
        }
    }
    spans
}

impl Check<'_> {
    /// What goes elsewhere when a row is deleted. `None` only if something was reported.
    pub(super) fn suppress(&self, context: &Context) -> Option<Option<Suppress>> {
        let raw = self.raw;
        let Some(at) = &raw.suppress else { return (!raw.written.contains("suppress")).then_some(None) };
        if raw.action.as_ref().is_some_and(|action| action.value != RawAction::Delete) {
            self.misplaced(&raw.suppress, "only a rule that deletes writes opt-outs", "say `action = \"delete\"`, or leave it out");
            return Some(None);
        }
        at.value.columns.iter().flatten().filter_map(|column| column.key.as_ref()).for_each(|key| self.known_key(key, context));
        let suppress = resolved(&at.value)?;
        if suppress.read().next().is_none() {
            let error = self.error("invalid-value", &at.span, "`suppress` writes nothing of the row that goes");
            self.report(error.help("say which column it comes from: email_hash = { from = \"email\", … }"));
            return None;
        }
        if raw.dependents.is_some() {
            let error = self.error("unsupported", &at.span, "a rule with `dependents` can't write opt-outs");
            self.report(error.help(
                "let a rule of its own delete what goes along, and let this one wait for it: wait_for = [{ table = \"…\", on = { … } }]",
            ));
        }
        if let Some(drops) = raw.drops_partitions.as_ref().filter(|drops| !drops.shared) {
            let error = self.error("misplaced-key", &drops.span, "rows that go with their partition would write no opt-outs");
            self.report(error.help("leave `partitions` out").also(self.place(&at.span), "opt-outs are written here"));
        }
        Some(Some(suppress))
    }
}

/// What was read, if all of it could be.
fn resolved(raw: &RawSuppress) -> Option<Suppress> {
    let table = TableName { schema: raw.schema.as_ref().map(|at| at.value.clone()), table: raw.table.as_ref()?.value.clone() };
    let column = |column: &RawOptOut| (column.column.value.clone(), column.value.clone());
    Some(Suppress { table, columns: raw.columns.as_ref()?.iter().map(column).collect() })
}

/// As the canonical text of the rule has it.
pub(super) fn canonical(suppress: &Suppress) -> Value {
    let mut columns: Vec<(&str, Value)> = suppress.columns.iter().map(|(column, value)| (column.as_str(), said(value))).collect();
    columns.sort_by_key(|(column, _)| *column);
    json!({ "schema": suppress.table.schema, "table": suppress.table.table, "columns": columns })
}

fn said(value: &OptOutValue) -> Value {
    match value {
        OptOutValue::Hashed { from, strategy: spec } => json!({ "from": from, "hashed": strategy(spec) }),
        OptOutValue::Copied { from } => json!({ "from": from }),
        OptOutValue::Fixed(value) => json!({ "fixed": value }),
        OptOutValue::Now => json!({ "now": true }),
    }
}

/// The same read again.
pub(super) fn recall(said: &Value) -> Option<Suppress> {
    let text = |said: &Value| said.as_str().map(str::to_owned);
    let value = |said: &Value| match (text(&said["from"]), text(&said["fixed"])) {
        (Some(from), None) if said["hashed"].is_null() => Some(OptOutValue::Copied { from }),
        (Some(from), None) => {
            let normalise = (said["hashed"]["normalise"] == "email").then_some(Normalise::Email);
            Some(OptOutValue::Hashed { from, strategy: StrategySpec::Hmac { key: text(&said["hashed"]["key"])?, normalise } })
        }
        (None, Some(value)) => Some(OptOutValue::Fixed(value)),
        _ => Some(OptOutValue::Now),
    };
    let column = |pair: &Value| Some((text(&pair[0])?, value(&pair[1])?));
    let columns = said["columns"].as_array()?.iter().map(column).collect::<Option<_>>()?;
    Some(Suppress { table: TableName { schema: text(&said["schema"]), table: text(&said["table"])? }, columns })
}
