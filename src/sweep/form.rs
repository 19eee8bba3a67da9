//! The form of a rule: everything that decides which rows it takes, as an approval remembers it.
//!
//! Its digest is what later sweeps are compared with. From the form itself can be told what has changed since, and the
//! rule of then can be planned again, to count how many rows more the rule of now takes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::dragged::fired;
use crate::{
    clock::hex,
    engine::shape::Shape,
    fault,
    policy::{Dialect, Evidence, Mode, Rule, period::Period, resolve},
};

/// A rule with the rules that it meets and the shape of its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    rule: Written,
    /// The other rules of the table, by name.
    others: BTreeMap<String, Written>,
    /// Each column with its type.
    columns: BTreeMap<String, String>,
    /// Foreign keys that point at the table.
    references: Vec<String>,
    /// The triggers that fire, with digests of their bodies.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    triggers: BTreeMap<String, BTreeSet<String>>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    canonical: String,
    /// Its `where` as it was written; the canonical text has what became of it.
    #[serde(rename = "where")]
    condition: Option<String>,
}

/// What became otherwise between two forms, in sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Protections that went or are not what they were.
    pub protections: Vec<String>,
    /// Anything else.
    pub others: Vec<String>,
}

impl Changes {
    /// All of them, those of protections first.
    pub fn sentences(&self) -> impl Iterator<Item = &str> {
        self.protections.iter().chain(&self.others).map(String::as_str)
    }
}

impl Written {
    fn of(rule: &Rule) -> Self {
        Self { canonical: rule.canonical.clone(), condition: rule.condition.as_ref().map(|condition| condition.text.clone()) }
    }

    /// A rule as another one meets it: while it only observes, it overrides nothing.
    fn of_other(rule: &Rule) -> Self {
        let mut written = Self::of(rule);
        if rule.mode == Mode::Observe && !rule.overrides.is_empty() {
            let mut fields: serde_json::Map<String, Value> = serde_json::from_str(&written.canonical).unwrap_or_default();
            fields.insert("overrides".to_owned(), Value::Array(Vec::new()));
            written.canonical = Value::Object(fields).to_string();
        }
        written
    }

    fn overrides_nothing(&self) -> bool {
        self.fields().get("overrides").and_then(Value::as_array).is_none_or(Vec::is_empty)
    }

    /// Nothing became otherwise but periods that are longer, and what `besides` names.
    fn keeps_longer(&self, now: &Self, besides: &[&str]) -> bool {
        self.differing(now).into_iter().all(|(key, before, now)| {
            let (is_new, before_said, now_said) = (before.is_none(), before.clone(), now.clone());
            let period = |said: Option<Value>| said?.as_str()?.parse::<Period>().ok();
            let is_longer = match (key.as_str(), period(before), period(now)) {
                ("keep_for" | "floor", Some(before), Some(now)) => now.is_nowhere_shorter_than(&before),
                // A floor where there was none; a rule without `keep_for` has none either way, for it never ends.
                ("floor", None, Some(_)) => true,
                // What becomes of the bytes of rows that went takes no row more.
                ("residue", None, None) => true,
                // A copy that was not made before takes no row more.
                ("archive", None, None) => is_new,
                // The end of the month or year comes after the start, and what is waited for before the end.
                ("start_at" | "wait_for", None, None) => is_new,
                // To know more of what went takes no row more.
                ("evidence", None, None) => level(now_said.as_ref()) >= level(before_said.as_ref()),
                _ => false,
            };
            is_longer || besides.contains(&key.as_str())
        })
    }

    fn fields(&self) -> BTreeMap<String, Value> {
        serde_json::from_str(&self.canonical).unwrap_or_default()
    }

    /// The keys that say something else, each with what it said and says; `None`: nothing.
    fn differing(&self, now: &Self) -> Vec<(String, Option<Value>, Option<Value>)> {
        let (before, now) = (self.fields(), now.fields());
        let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let both = keys.into_iter().map(|key| (key.clone(), before.get(key).cloned(), now.get(key).cloned()));
        both.filter(|(_, before, now)| before != now).collect()
    }

    /// Those keys, each with a sentence.
    fn differences(&self, now: &Self) -> Vec<(String, String)> {
        let said = |value: Option<Value>| value.unwrap_or_default().to_string();
        let sentence = |(key, before, now)| {
            let sentence = format!("`{key}` was {} and is {}", said(before), said(now));
            (key, sentence)
        };
        self.differing(now).into_iter().map(sentence).collect()
    }
}

/// How much the ledger keeps, as a canonical text says it.
fn level(said: Option<&Value>) -> Evidence {
    said.and_then(Value::as_str).and_then(Evidence::named).unwrap_or_default()
}

impl Form {
    /// The form of a rule among all rules that may match a row of its table.
    /// `along`: what goes with its rows, each as a rule of its own, with its table.
    pub fn of(rule: &Rule, met: &[&Rule], shape: &Shape, along: &[(Rule, &Shape)]) -> Self {
        let named = |(rule, shape): &(Rule, &Shape)| {
            let table = shape.table.table.clone();
            fired(rule, shape).into_iter().map(move |(name, body)| (format!("{name} of {table}"), body))
        };
        let tables = std::iter::once(shape).chain(along.iter().map(|(_, shape)| *shape));
        let others = met.iter().filter(|other| other.id != rule.id);
        Self {
            rule: Written::of(rule),
            others: others.map(|other| (other.id.to_string(), Written::of_other(other))).collect(),
            columns: shape
                .columns
                .iter()
                .map(|column| (column.name.clone(), format!("{}{}", column.declared, if column.nullable { "" } else { " NOT NULL" })))
                .collect(),
            references: tables.flat_map(|shape| &shape.referenced_by).map(|key| format!("{key:?}")).collect(),
            triggers: fired(rule, shape).into_iter().chain(along.iter().flat_map(named)).collect(),
        }
    }

    /// The same with triggers of another table that fire too.
    #[must_use]
    pub fn firing(mut self, triggers: BTreeMap<String, BTreeSet<String>>) -> Self {
        for (name, bodies) in triggers {
            self.triggers.entry(name).or_default().extend(bodies);
        }
        self
    }

    /// The form of a [`Form::to_text`]; `None`: a version that kept none wrote it.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As the state keeps it.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts, lists and maps by text have a JSON form")
    }

    /// What later sweeps are compared with. Only meaning counts: how a `where` is spelt does not.
    pub fn digest(&self) -> String {
        let others = self.others.values().map(|other| other.canonical.clone());
        let columns = self.columns.iter().map(|(name, declared)| format!("{name}:{declared}"));
        let parts = std::iter::once(self.rule.canonical.clone()).chain(others).chain(columns).chain(self.references.iter().cloned());
        let triggers = self.triggers.iter().map(|(name, body)| format!("trigger {name}:{body:?}"));
        digest_of(parts.chain(triggers))
    }

    /// A trigger fires that did not, or whose body was another: what a person said may fire, was something else.
    pub fn fires_otherwise(&self, now: &Self) -> bool {
        now.triggers.iter().any(|(name, body)| self.triggers.get(name) != Some(body)) && !fault::seeded("trigger-body-ignored")
    }

    /// True if every row that the rule takes now, it would have taken in this form too, then or later.
    ///
    /// It is said only of changes of which it is sure without a look at the rows: longer periods and floors, and rules that
    /// are new on the table, which can only protect, unless they override another. The shape of the table must be the same.
    pub fn allows(&self, now: &Self) -> bool {
        let known = |(id, before): (&String, &Written)| now.others.get(id).is_some_and(|after| before.keeps_longer(after, &["max_share"]));
        let mut new = now.others.iter().filter(|(id, _)| !self.others.contains_key(*id));
        self.columns == now.columns
            && self.references == now.references
            && !self.fires_otherwise(now)
            && self.rule.keeps_longer(&now.rule, &[])
            && self.others.iter().all(known)
            && new.all(|(_, new)| new.overrides_nothing())
    }

    /// What became otherwise since.
    pub fn changes(&self, now: &Self) -> Changes {
        let mut changes = Changes::default();
        for (key, sentence) in self.rule.differences(&now.rule) {
            const PROTECTIONS: [&str; 8] = ["archive", "evidence", "floor", "overrides", "start_at", "subject", "suppress", "wait_for"];
            let protects = PROTECTIONS.contains(&key.as_str());
            if protects { &mut changes.protections } else { &mut changes.others }.push(sentence);
        }
        for (id, before) in &self.others {
            match now.others.get(id) {
                None => changes.protections.push(format!("{id} is gone, and protects nothing any more")),
                Some(after) => {
                    changes.protections.extend(before.differences(after).into_iter().map(|(_, sentence)| format!("{id}: {sentence}")))
                }
            }
        }
        changes.others.extend(now.others.keys().filter(|id| !self.others.contains_key(*id)).map(|id| format!("{id} is new on the table")));
        for (name, declared) in &self.columns {
            match now.columns.get(name) {
                None => changes.others.push(format!("the column `{name}` is gone")),
                Some(other) if other != declared => changes.others.push(format!("the column `{name}` was {declared} and is {other}")),
                Some(_) => {}
            }
        }
        let new = now.columns.keys().filter(|name| !self.columns.contains_key(*name));
        changes.others.extend(new.map(|name| format!("the column `{name}` is new")));
        for (name, body) in &now.triggers {
            match self.triggers.get(name) {
                None => changes.others.push(format!("the trigger `{name}` fires")),
                Some(before) if before != body => changes.others.push(format!("the trigger `{name}` has another body")),
                Some(_) => {}
            }
        }
        if self.references != now.references {
            changes.others.push("the foreign keys that point at the table are others".to_owned());
        }
        changes
    }

    /// The rule of then with the rules that it met, to be planned beside the rule of now. `None`: it acted in another way,
    /// so that every row it takes now is one more.
    pub fn rules(&self, now: &Rule, dialect: Dialect) -> Option<(Rule, Vec<Rule>)> {
        let read = |written: &Written| resolve::recall(&written.canonical, written.condition.as_deref(), dialect);
        let same_act = self.rule.fields().get("action") == Written::of(now).fields().get("action");
        let rule = Rule { action: now.action.clone(), ..read(&self.rule).filter(|_| same_act)? };
        let mut rules = vec![rule.clone()];
        for other in self.others.values() {
            rules.push(read(other)?);
        }
        Some((rule, rules))
    }
}

/// A digest of a list of texts; the length goes before each, so that no two lists read alike.
pub fn digest_of(parts: impl IntoIterator<Item = String>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}
