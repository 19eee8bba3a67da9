//! Opt-outs, as data: what is written to another table of the row that a batch deletes. `sweep::suppress` makes one of a
//! rule and the shapes of its tables, `statement` its text.

use std::sync::Arc;

use jiff::Timestamp;

use super::selection::{Cell, ColumnRef, Compute, TableRef};

/// Where the opt-outs of a rule go.
#[derive(Debug, Clone)]
pub struct OptOut {
    pub table: TableRef,
    pub columns: Vec<OptOutColumn>,
    /// The places in `columns` of those that a unique key consists of: an entry that agrees in them is there already.
    pub key: Vec<usize>,
    /// The columns of the rule's own table that are read of each row that goes.
    pub read: Vec<ColumnRef>,
    /// The columns that name such a row for a person; empty: it has no name.
    pub names: Vec<ColumnRef>,
    /// What `read` has in rows whose opt-outs the database would not take: they stay.
    pub except: Vec<Vec<Cell>>,
}

/// A column that is written.
#[derive(Debug, Clone)]
pub struct OptOutColumn {
    pub column: ColumnRef,
    pub value: Written,
}

/// What is written.
#[derive(Clone)]
pub enum Written {
    /// What is computed here of the text in that place of `read`: a key must not reach the server.
    Hashed(usize, Arc<dyn Compute>),
    /// What is in that place of `read`.
    Copied(usize),
    Fixed(String),
    Now(Timestamp),
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hashed(..) => "Hashed",
            Self::Copied(_) => "Copied",
            Self::Fixed(_) => "Fixed",
            Self::Now(_) => "Now",
        })
    }
}

impl Written {
    /// The place in `read` that it comes from.
    pub fn from(&self) -> Option<usize> {
        match self {
            Self::Hashed(from, _) | Self::Copied(from) => Some(*from),
            Self::Fixed(_) | Self::Now(_) => None,
        }
    }
}

impl OptOut {
    /// What is written of a row with these values, a cell for each column that comes from the row; `None`: the row has no
    /// address whose opt-out could be kept.
    pub fn of(&self, values: &[Cell]) -> Option<Vec<Cell>> {
        let value = |from: usize| values.get(from).unwrap_or(&Cell::Null);
        let is_blank =
            |at: &usize| self.columns[*at].value.from().is_some_and(|from| text(value(from)).is_none_or(|text| text.trim().is_empty()));
        if self.key.iter().any(is_blank) {
            return None;
        }
        let written = |column: &OptOutColumn| match &column.value {
            Written::Hashed(from, compute) => {
                Some(text(value(*from)).and_then(|text| compute.compute(&text)).map_or(Cell::Null, Cell::Text))
            }
            Written::Copied(from) => Some(value(*from).clone()),
            Written::Fixed(_) | Written::Now(_) => None,
        };
        Some(self.columns.iter().filter_map(written).collect())
    }

    /// What [`OptOut::of`] gave for a column that comes from the row.
    pub fn cell<'a>(&self, column: usize, row: &'a [Cell]) -> Option<&'a Cell> {
        let before = self.columns[..column].iter().filter(|column| column.value.from().is_some()).count();
        row.get(before).filter(|_| self.columns[column].value.from().is_some())
    }

    /// The same, without the rows that have these values.
    #[must_use]
    pub fn without(&self, values: impl IntoIterator<Item = Vec<Cell>>) -> Self {
        let mut except = self.except.clone();
        for values in values {
            if !except.contains(&values) {
                except.push(values);
            }
        }
        Self { except, ..self.clone() }
    }
}

/// A value's text; `None`: NULL.
fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Real(number) => Some(number.to_string()),
        Cell::Text(text) => Some(text.clone()),
        Cell::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}
