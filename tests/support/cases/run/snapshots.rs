//! The tables of a pack as they are read: every value a literal, in the way of its engine.

use std::collections::HashMap;

use super::{Connected, Real};
use crate::support::cases::{along::COLUMNS, sql::identifier};

/// The rows of a table as the database writes them, each value as a literal.
pub(super) type Snapshot = Vec<Vec<String>>;

/// The tables of a pack by their names.
pub(super) type Snapshots = HashMap<String, Snapshot>;

/// Between two values of a row: a character that no value has.
const BETWEEN: char = '\u{1f}';

/// A table to read.
pub(super) struct Listed {
    pub name: String,
    pub columns: Vec<String>,
    /// The column that numbers the rows.
    pub number: usize,
}

impl Real<'_> {
    /// Tables that no rule names.
    pub(super) fn bystanders(&self) -> Vec<String> {
        let mut all = vec!["nobody's".to_owned()];
        all.extend(self.pack.cases.iter().flat_map(|case| case.bystanders.iter().cloned()));
        all
    }

    /// Every table of the pack: those of the cases, then the bystanders.
    pub(super) fn listed(&self) -> Vec<Listed> {
        let cases = self.pack.cases.iter().zip(&self.pack.world.tables);
        let swept = cases.map(|(case, table)| {
            let columns = table.columns.iter().map(|column| column.name.clone()).collect();
            Listed { name: table.name.clone(), columns, number: case.number_column }
        });
        let children = self.bystanders().into_iter().map(|name| {
            let columns: &[&str] = match name.as_str() {
                "nobody's" => &["id", "at"],
                log if log.starts_with("log of") => &["what"],
                _ => &["id", "parent"],
            };
            Listed { name, columns: columns.iter().map(|column| (*column).to_owned()).collect(), number: 0 }
        });
        let along = self.pack.cases.iter().flat_map(|case| case.along.iter().flat_map(|along| &along.levels));
        let along = along.map(|level| Listed { name: level.name.clone(), columns: COLUMNS.map(str::to_owned).to_vec(), number: 0 });
        swept.chain(children).chain(along).collect()
    }

    /// Every table of the pack, in the order of the generator's rows.
    pub(super) fn snapshots(&self) -> Snapshots {
        let listed = self.listed();
        let queries = listed.iter().map(|table| self.rows_of(table)).collect::<Vec<_>>();
        let tables = match &self.database {
            Connected::Sqlite(database) => database.columns(&queries),
            Connected::Postgres(database) => database.columns(&queries),
            Connected::Mariadb(database) => database.columns(&queries),
        };
        let values = |row: Option<String>| row.expect("quoted values").split(BETWEEN).map(ToOwned::to_owned).collect();
        let snapshots = tables.into_iter().map(|rows| rows.into_iter().map(values).collect());
        listed.into_iter().map(|table| table.name).zip(snapshots).collect()
    }

    /// The query for the rows of a table, each as one text.
    fn rows_of(&self, table: &Listed) -> String {
        let columns = table.columns.iter().map(|column| identifier(column)).collect::<Vec<_>>();
        let (name, order) = (identifier(&table.name), &columns[table.number]);
        match &self.database {
            Connected::Sqlite(_) => {
                let quoted = columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>();
                format!("SELECT {} FROM {name} ORDER BY {order}, 1", quoted.join(" || char(31) || "))
            }
            Connected::Mariadb(_) => {
                // Its own `quote` escapes with backslashes.
                let quoted = |column: &String| format!("coalesce('''' || replace(CAST({column} AS char), '''', '''''') || '''', 'NULL')");
                let quoted = columns.iter().map(quoted).collect::<Vec<_>>().join(&format!(" || '{BETWEEN}' || "));
                format!("SELECT {quoted} FROM {name} ORDER BY {order}, 1")
            }
            Connected::Postgres(_) => {
                let format = vec!["%L"; columns.len()].join(&BETWEEN.to_string());
                format!("SELECT format('{format}', {}) FROM {name} ORDER BY {order}, 1", columns.join(", "))
            }
        }
    }
}
