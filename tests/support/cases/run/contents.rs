//! What the databases of alike packs hold, compared with each other and not by way of the oracle.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Real,
    snapshots::{Listed, Snapshots},
};
use crate::support::cases::{rows, sql::literal, stock, table::Engine};

/// The tables of a pack of the shared stock as one database has them.
#[derive(Debug)]
pub struct Contents(Vec<Held>);

/// A table's rows in words that all engines have in common.
#[derive(Debug)]
struct Held {
    engine: Engine,
    table: String,
    columns: Vec<String>,
    /// By the number of the row; several where the table has the same row several times.
    rows: BTreeMap<String, Vec<Vec<Option<String>>>>,
}

impl Real<'_> {
    /// What snapshots say, for other engines to be compared with.
    pub(super) fn contents(&self, snapshots: &Snapshots) -> Contents {
        let pack = self.pack;
        let held = |(position, listed): (usize, Listed)| {
            // Bystanders come behind the tables of the cases, and have nothing that engines write otherwise.
            let (types, table) = (pack.cases.get(position).map(|case| &case.types), pack.world.tables.get(position));
            let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
            for row in &snapshots[&listed.name] {
                let row = table.map_or_else(|| row.clone(), |table| rows::comparable(table, row));
                let name = |column: usize| types.map_or("", |types| types[column].as_str());
                let row = row.iter().enumerate().map(|(column, value)| stock::common(name(column), value)).collect::<Vec<_>>();
                rows.entry(row[listed.number].clone().unwrap_or_default()).or_default().push(row);
            }
            rows.values_mut().for_each(|twins| twins.sort());
            Held { engine: pack.engine, table: listed.name, columns: listed.columns, rows }
        };
        Contents(self.listed().into_iter().enumerate().map(held).collect())
    }
}

impl Contents {
    /// Whether there is a table, and a row in one.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|held| held.rows.is_empty())
    }

    /// Each difference from what another engine has, with its table, row and column and the engines.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        assert_eq!(self.0.len(), other.0.len(), "contents of one pack");
        self.0.iter().zip(&other.0).flat_map(|(left, right)| left.differences(right)).collect()
    }
}

impl Held {
    fn differences(&self, other: &Self) -> Vec<String> {
        assert_eq!((&self.table, &self.columns), (&other.table, &other.columns), "one table");
        let numbers = self.rows.keys().chain(other.rows.keys()).collect::<BTreeSet<_>>();
        numbers.into_iter().flat_map(|number| self.differences_of(other, number)).collect()
    }

    fn differences_of(&self, other: &Self, number: &str) -> Vec<String> {
        let of = |held: &Self| held.rows.get(number).cloned().unwrap_or_default();
        let (left, right) = (of(self), of(other));
        let place = format!("table {}, row {number}", self.table);
        let (one, another) = (self.engine, other.engine);
        if left.len() != right.len() {
            return vec![format!("{place}: {one:?} has {} of it, {another:?} has {}", left.len(), right.len())];
        }
        let said = |value: &Option<String>| value.as_deref().map_or("NULL".to_owned(), literal);
        let mut found = Vec::new();
        for (left, right) in left.iter().zip(&right) {
            for (column, (left, right)) in self.columns.iter().zip(left.iter().zip(right)) {
                if left != right {
                    found.push(format!("{place}, column {column}: {one:?} has {}, {another:?} has {}", said(left), said(right)));
                }
            }
        }
        found
    }
}
