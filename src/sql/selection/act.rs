//! What becomes of the selected rows, as data.

use jiff::Timestamp;

use super::ColumnRef;
use crate::policy::Unit;

/// What happens to the selected rows.
#[derive(Debug, Clone)]
pub enum Act {
    Delete,
    /// `at` is the present instant, for a `mark` that holds a time.
    Anonymise {
        assignments: Vec<Assignment>,
        mark: Option<ColumnRef>,
        at: Timestamp,
    },
}

/// A column and what it gets.
#[derive(Debug, Clone)]
pub struct Assignment {
    pub column: ColumnRef,
    pub value: NewValue,
}

/// A new value of a column.
#[derive(Clone)]
pub enum NewValue {
    Null,
    /// This text, in the column's type; NULL stays NULL unless `replace_null`.
    Fixed {
        value: String,
        replace_null: bool,
    },
    /// Another for each row, made by the database: a UUID, or that many hexadecimal digits of text. NULL stays NULL.
    Random {
        digits: u32,
    },
    /// Itself: the database would write something else there by itself whenever the row is changed.
    Unchanged,
    /// What the database makes of the old value. NULL stays NULL.
    Formula(Formula),
    /// Computed here from the old value's text, because a key must not reach the server, or because the engines have
    /// no function for it. NULL stays NULL.
    Computed(std::sync::Arc<dyn Compute>),
}

impl std::fmt::Debug for NewValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Fixed { .. } => f.write_str("Fixed"),
            Self::Random { .. } => f.write_str("Random"),
            Self::Unchanged => f.write_str("Unchanged"),
            Self::Formula(formula) => formula.fmt(f),
            Self::Computed(_) => f.write_str("Computed"),
        }
    }
}

/// What a database makes of a value by itself. A second time it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Formula {
    /// Native dates and timestamps: the beginning of the unit, in this zone if the value is an instant.
    Truncated { unit: Unit, zone: String },
    /// The nearest multiple of `to`, halves away from zero; no further from zero than `largest`, itself a multiple.
    Rounded { to: u64, largest: Option<i128> },
}

/// Computes new values in the daemon.
pub trait Compute: Send + Sync {
    /// The new text for an old one; `None` writes NULL, or the empty text where the column can't be NULL. Idempotent: what it returns, it returns unchanged.
    fn compute(&self, old: &str) -> Option<String>;
}
