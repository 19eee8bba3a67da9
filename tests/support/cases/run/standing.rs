//! A pack's tables alone, without the program: that a server takes them, and has the rows that the oracle judges.

use super::{Outcome, Real};
use crate::support::{
    cases::{Pack, sql::literal},
    oracle::{Action, Kind},
};

/// Fills the tables of a pack, and compares them with the model.
pub fn stand(pack: &Pack) -> Outcome {
    let mut real = Real::new(pack, None);
    let snapshots = real.snapshots();
    for (number, table) in pack.world.tables.iter().enumerate() {
        let rows = &snapshots[&table.name];
        if rows.len() != table.rows.len() {
            real.disagree(format!("case {number} (table {}) has {} rows, should have {}", table.name, rows.len(), table.rows.len()));
            continue;
        }
        let anonymised =
            table.rules.iter().filter_map(|rule| if let Action::Anonymise { columns, .. } = &rule.action { Some(columns) } else { None });
        let anonymised = anonymised.flatten().map(|(column, _)| *column).collect::<Vec<_>>();
        for (row, model) in rows.iter().zip(&table.rows) {
            for (column, (value, cell)) in row.iter().zip(&model.cells).enumerate() {
                // What may be changed is written in the model as the database writes it; SQLite writes numbers bare, and
                // PostgreSQL shows how it pads.
                let is_padded = table.columns[column].kind == Kind::Padded;
                let as_written = cell.text.as_deref().is_some_and(|text| is_padded || *value == literal(text) || *value == text);
                let is_right = match &cell.text {
                    None => value == "NULL",
                    Some(_) => value != "NULL" && (as_written || !anonymised.contains(&column)),
                };
                if !is_right {
                    let name = &table.columns[column].name;
                    real.disagree(format!("case {number} (table {}, column {name}) has {value} for {:?}", table.name, cell.text));
                }
            }
        }
    }
    Outcome { disagreements: real.disagreements, contents: None }
}
