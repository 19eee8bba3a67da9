//! `residue`: what becomes of the bytes that rows leave behind when they go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a rule asks for it; each level asks for more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Residue {
    /// The rows are gone for every query; nothing is done about their bytes.
    Logical,
    /// What the database can do in place, beside everybody's work.
    Compacted,
    /// The table is written anew without them, in a window.
    Rewritten,
}

impl Residue {
    /// Each with its word in TOML and JSON.
    pub const ALL: [(&'static str, Self); 3] = [("logical", Self::Logical), ("compacted", Self::Compacted), ("rewritten", Self::Rewritten)];

    /// The word in TOML, JSON and ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logical => "logical",
            Self::Compacted => "compacted",
            Self::Rewritten => "rewritten",
        }
    }

    /// The level of a word.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(word, _)| *word == name).map(|(_, level)| level)
    }
}
