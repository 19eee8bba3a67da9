//! What a copy is: whose rows, how many, their hashes, and until when it stays. No value of a row is in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ObjectName;

/// The version of manifests that this code writes.
pub const VERSION: u32 = 1;

/// What a copy is. Texts of times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    /// The copy's whole name.
    pub object: String,
    /// The identity of the state whose ledger knows of it.
    pub state: String,
    pub rule: String,
    pub category: String,
    pub source: String,
    /// `sqlite`, `postgres` or `mysql`: whose text forms the values have.
    pub dialect: String,
    pub schema: String,
    pub table: String,
    /// Rows that start before it were due; absent where the rule's period differs by row.
    pub cutoff: Option<Timestamp>,
    /// Which way the table was walked, and where on it the rows lay, if that can be said without a value of a row.
    pub range: String,
    pub archived_at: Timestamp,
    pub keep_for: String,
    /// When the copy itself ends.
    pub ends_at: Timestamp,
    pub rows: u64,
    /// Of the compressed file.
    pub bytes: u64,
    /// Of the compressed file; the ledger has the same.
    pub sha256: String,
    /// Of the lines, each with its line feed.
    pub lines_sha256: String,
    /// In the order of the table.
    pub columns: Vec<ManifestColumn>,
    /// Whose rows they are: what holds are compared with.
    pub subjects: Vec<ManifestSubject>,
    /// Keys of the scopes that concern the table.
    pub scopes: Vec<String>,
}

/// A column of the table as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestColumn {
    pub name: String,
    /// As the catalogue writes it.
    #[serde(rename = "type")]
    pub declared: String,
    /// What kind of type it is, for those who compare and write its values.
    pub class: String,
    /// Computed by the database.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generated: bool,
}

/// A kind of data subject, and the column that names one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSubject {
    pub kind: String,
    pub column: String,
    /// The column is one of another table, which is not in the copy: nobody can tell whose a row is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looked_up: bool,
    /// A row without one could be anybody's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub null_is_held: bool,
}

impl Manifest {
    /// Its file.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("texts, numbers and lists have a JSON form");
        text.push('\n');
        text
    }

    /// What [`Manifest::to_text`] wrote; `None`: another did, or a later version.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|manifest: &Self| manifest.version == VERSION && manifest.name().is_some())
    }

    /// The copy's name.
    pub fn name(&self) -> Option<ObjectName> {
        ObjectName::from_full(&self.object)
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}
