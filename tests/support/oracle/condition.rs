//! Conditions in three-valued logic, judged on the text of a row's cells.

use super::{Column, Kind, Row};

/// A boolean expression on one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Compare { column: usize, operator: Operator, value: String },
    OneOf { column: usize, values: Vec<String> },
    IsNull(usize),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Unequal,
    Less,
    AtLeast,
}

impl Condition {
    /// True, false, or `None` for unknown.
    pub fn judge(&self, columns: &[Column], row: &Row) -> Option<bool> {
        match self {
            Self::Compare { column, operator, value } => {
                let order = compare(columns[*column].kind, row.cells[*column].text.as_deref()?, value);
                Some(match operator {
                    Operator::Equal => order.is_eq(),
                    Operator::Unequal => order.is_ne(),
                    Operator::Less => order.is_lt(),
                    Operator::AtLeast => order.is_ge(),
                })
            }
            Self::OneOf { column, values } => {
                let text = row.cells[*column].text.as_deref()?;
                Some(values.iter().any(|value| compare(columns[*column].kind, text, value).is_eq()))
            }
            Self::IsNull(column) => Some(row.cells[*column].text.is_none()),
            Self::Not(inner) => inner.judge(columns, row).map(|known| !known),
            Self::And(left, right) => match (left.judge(columns, row), right.judge(columns, row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.judge(columns, row), right.judge(columns, row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

fn compare(kind: Kind, left: &str, right: &str) -> std::cmp::Ordering {
    if kind == Kind::Number {
        let number = |text: &str| text.parse::<i64>().expect("a number column holds whole numbers");
        return number(left).cmp(&number(right));
    }
    left.cmp(right)
}
