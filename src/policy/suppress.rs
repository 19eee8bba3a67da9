//! `suppress`: what is written to another table in the transaction in which a row is deleted, so that an opt-out outlives
//! the row that it came from.
//!
//! A new kind of value is a variant of [`OptOutValue`], its key in `raw::suppress`, and what becomes of it in
//! `sweep::suppress`.

use super::{StrategySpec, TableName};

/// Where opt-outs go and what is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppress {
    pub table: TableName,
    /// Columns of that table, in the order of the file; never empty, and at least one comes from the row.
    pub columns: Vec<(String, OptOutValue)>,
}

impl Suppress {
    /// For people: where the opt-out of a row goes and what it is made of.
    pub fn in_words(&self) -> String {
        let read: Vec<String> = self.columns.iter().filter_map(|(_, value)| value.in_words()).collect();
        format!("its opt-out is kept in {}: {}", self.table, read.join(", "))
    }

    /// The columns of the rule's own table that are read, each with the column that is written from it.
    pub fn read(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().filter_map(|(column, value)| Some((value.from()?, column.as_str())))
    }
}

/// What a column of an opt-out gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptOutValue {
    /// The keyed hash of what the row has in `from`; `strategy` is always `hmac`.
    Hashed { from: String, strategy: StrategySpec },
    /// What the row has in `from`.
    Copied { from: String },
    /// The same for every row.
    Fixed(String),
    /// When the row was deleted.
    Now,
}

impl OptOutValue {
    fn in_words(&self) -> Option<String> {
        match self {
            Self::Hashed { from, .. } => Some(format!("a keyed hash of {from}")),
            Self::Copied { from } => Some(from.clone()),
            Self::Fixed(_) | Self::Now => None,
        }
    }

    /// The column of the rule's own table that it comes from.
    pub fn from(&self) -> Option<&str> {
        match self {
            Self::Hashed { from, .. } | Self::Copied { from } => Some(from),
            Self::Fixed(_) | Self::Now => None,
        }
    }
}
