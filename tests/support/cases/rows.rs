//! Rows as they are read, made comparable with what the oracle says.

use std::collections::BTreeSet;

use super::sql::literal;
use crate::support::oracle::{Action, Cell, Kind, Strategy, Table};

/// A row as it should be read afterwards: as it was, with what the oracle has changed.
pub fn expected(table: &Table, before: &[String], row: usize, after: &[Cell]) -> Vec<String> {
    let mut values = comparable(table, before);
    for (column, cell) in after.iter().enumerate() {
        if cell.text != table.rows[row].cells[column].text {
            values[column] = match &cell.text {
                _ if table.columns[column].kind == Kind::Mark => "set".to_owned(),
                None => "NULL".to_owned(),
                Some(number) if is_bare(&before[column]) => number.clone(),
                Some(text) => literal(text),
            };
        }
    }
    values
}

/// SQLite writes numbers without quotes.
fn is_bare(literal: &str) -> bool {
    !literal.starts_with('\'') && literal != "NULL"
}

/// A row in which a mark is only set or not, and what was random is called so.
pub fn comparable(table: &Table, row: &[String]) -> Vec<String> {
    let is_random = random_columns(table);
    let value = |(column, value): (usize, &String)| {
        if table.columns[column].kind == Kind::Mark && value != "NULL" {
            "set".to_owned()
        } else if is_random.contains(&column) && looks_random(value) {
            literal("random")
        } else {
            value.clone()
        }
    };
    row.iter().enumerate().map(value).collect()
}

/// Whether two rows got one value where each should have had its own.
pub fn has_repeated_random(table: &Table, rows: &[Vec<String>]) -> bool {
    random_columns(table).into_iter().any(|column| {
        let mut seen = BTreeSet::new();
        rows.iter().map(|row| &row[column]).filter(|value| looks_random(value)).any(|value| !seen.insert(value))
    })
}

fn random_columns(table: &Table) -> BTreeSet<usize> {
    let anonymised =
        table.rules.iter().filter_map(|rule| if let Action::Anonymise { columns, .. } = &rule.action { Some(columns) } else { None });
    anonymised.flatten().filter(|(_, strategy)| *strategy == Strategy::Random).map(|(column, _)| *column).collect()
}

/// No value of the generator's own looks like that.
fn looks_random(literal: &str) -> bool {
    let text = literal.trim_matches('\'');
    (20..=32).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
