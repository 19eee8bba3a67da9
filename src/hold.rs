//! Legal holds: who is held, where, and for which matter. Pure.
//!
//! A hold is written to each source in its scope as rows of the workspace's `held` table, so that the statement that
//! acts reads it itself, behind the gate. [`Held`] is one such row; [`scopes_of_table`] tells which of them concern a
//! table. A new kind of scope is a variant of [`Scope`] and an arm in [`Scope::key`] and [`scopes_of_table`].

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of subject that tenants are held as: the column of a rule's `tenant` names it, and so may any subject of this kind.
pub const TENANT: &str = "tenant";

/// A data subject: a kind that rules name, and a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HeldSubject {
    pub kind: String,
    pub value: String,
}

/// Where a hold reaches. Empty lists mean everywhere; several lists narrow each other only by adding places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldScope {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// `SOURCE.TABLE` or `SOURCE.SCHEMA.TABLE`, resolved against the rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<HeldTable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// A table of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HeldTable {
    pub source: String,
    /// As the catalogue has it, whole: the engine's default schema is written out.
    pub schema: String,
    pub table: String,
}

impl fmt::Display for HeldTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.source, self.schema, self.table)
    }
}

/// A hold as the state keeps it. Its subjects are read beside it, in pages: there may be 100,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Hold {
    pub id: String,
    pub matter: String,
    pub subject_count: u64,
    pub scope: HoldScope,
    pub reason: String,
    pub by: String,
    pub placed_at: Timestamp,
    pub released_at: Option<Timestamp>,
    /// Sources that have not acknowledged it yet.
    pub pending: Vec<String>,
}

/// One reach of a hold inside one source, as the `held` table keys it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every table of the source.
    Source,
    Table {
        schema: String,
        table: String,
    },
    /// Every table that a rule of the category names.
    Category(String),
}

impl Scope {
    /// The text in the `held` table. The parts are quoted as JSON, so that no name can imitate another scope.
    pub fn key(&self) -> String {
        match self {
            Self::Source => "*".to_owned(),
            Self::Table { schema, table } => format!("table:{}", serde_json::json!([schema, table])),
            Self::Category(category) => format!("category:{}", serde_json::json!(category)),
        }
    }

    /// The scope of a [`Scope::key`]; `None`: it is none.
    pub fn from_key(key: &str) -> Option<Self> {
        if key == "*" {
            return Some(Self::Source);
        }
        match key.split_once(':')? {
            ("table", parts) => serde_json::from_str(parts).ok().map(|(schema, table)| Self::Table { schema, table }),
            ("category", category) => serde_json::from_str(category).ok().map(Self::Category),
            _ => None,
        }
    }
}

/// A row of the `held` table. A hold without subjects holds everything in its scope: `subject` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub hold: String,
    pub scope: Scope,
    pub subject: Option<HeldSubject>,
}

impl HoldScope {
    /// The reaches of this scope inside `source`; empty: it does not reach it.
    ///
    /// `categories_of_source` are the categories of the rules on that source.
    pub fn reaches(&self, source: &str, categories_of_source: &[String]) -> Vec<Scope> {
        if self.sources.is_empty() && self.tables.is_empty() && self.categories.is_empty() {
            return vec![Scope::Source];
        }
        let mut reaches = Vec::new();
        if self.sources.iter().any(|name| name == source) {
            reaches.push(Scope::Source);
        }
        for held in self.tables.iter().filter(|held| held.source == source) {
            reaches.push(Scope::Table { schema: held.schema.clone(), table: held.table.clone() });
        }
        for category in self.categories.iter().filter(|category| categories_of_source.contains(category)) {
            reaches.push(Scope::Category(category.clone()));
        }
        reaches
    }
}

/// The keys of the scopes that concern a table: `categories` are those of all rules on it, whatever their `where`.
pub fn scopes_of_table(schema: &str, table: &str, categories: &[String]) -> Vec<String> {
    let mut keys = vec![Scope::Source.key(), Scope::Table { schema: schema.to_owned(), table: table.to_owned() }.key()];
    keys.extend(categories.iter().map(|category| Scope::Category(category.clone()).key()));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_comes_back_from_its_key() {
        for scope in [
            Scope::Source,
            Scope::Table { schema: "a \"b\"".to_owned(), table: "c.d".to_owned() },
            Scope::Category("message log".to_owned()),
        ] {
            assert_eq!(Scope::from_key(&scope.key()), Some(scope));
        }
        assert_eq!(Scope::from_key("tenant:[]"), None);
    }

    #[test]
    fn a_scope_without_lists_is_everywhere_and_lists_add_up() {
        let categories = ["log".to_owned()];
        assert_eq!(HoldScope::default().reaches("app", &categories), [Scope::Source]);
        let scope =
            HoldScope { sources: vec!["crm".to_owned()], categories: vec!["log".to_owned(), "mail".to_owned()], ..HoldScope::default() };
        assert_eq!(scope.reaches("app", &categories), [Scope::Category("log".to_owned())]);
        assert_eq!(scope.reaches("crm", &[]), [Scope::Source]);
        assert_eq!(scope.reaches("other", &[]), []);
    }
}
