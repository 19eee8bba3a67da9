//! The shape of a table, read from the server's `information_schema`.
//!
//! One file for each subject: `relation` (what kind of thing the name belongs to, and what we may do with it), `columns`,
//! `keys` (indexes and foreign keys), `triggers`, `partitions`. What else decides whether a rule can be enforced is a query there and a
//! field of [`Shape`]. Each is asked about one table at a time, because only then does the server look at no other.

mod columns;
mod keys;
mod partitions;
mod relation;
mod triggers;

use std::collections::BTreeSet;

use sqlx::mysql::MySqlRow;

use super::{
    Mysql,
    errors::Failure,
    session::{Access, Transaction, word},
};
use crate::{
    engine::{
        Error, Inspected,
        shape::{Family, RowSecurity, Shape},
    },
    policy::{Dialect, TableName},
    sql::{quote_literal, selection::TableRef},
};

const WHAT: &str = "reading the catalogue";

impl Mysql {
    pub(super) async fn shapes_of(&self, tables: &[TableName]) -> Result<Vec<Inspected>, Error> {
        // Nothing is changed; a DELETE can't even be planned in a transaction that may only read.
        let mut transaction = self.begin_with(Access::Write).await?;
        let mut shapes = Vec::with_capacity(tables.len());
        for table in tables {
            let schema = table.schema.clone().unwrap_or_else(|| self.server.database.clone());
            let shape = self.shape_of(&mut transaction, &TableRef { schema, table: table.table.clone() }).await;
            // What is wrong with this table says nothing of the others.
            shapes.push(match shape {
                Err(error @ (Error::Unsupported(_) | Error::Database(_))) => Err(error),
                shape => Ok(shape?),
            });
        }
        transaction.rollback().await?;
        Ok(shapes)
    }

    async fn shape_of(&self, transaction: &mut Transaction, table: &TableRef) -> Result<Option<Shape>, Error> {
        let Some(relation) = relation::find(transaction, table).await? else { return Ok(None) };
        let (columns, mut privileges) = columns::of(transaction, table, self.server.flavour).await?;
        privileges.delete = relation::may_delete(transaction, table, relation.kind).await?;
        let (primary_key, indexes) = keys::indexes(transaction, table, self.server.flavour).await?;
        let (columns, undroppable) = partitions::settle(transaction, table, columns, &primary_key).await?;
        let (references, referenced_by) = keys::foreign(transaction, table, self.server.flavour).await?;
        Ok(Some(Shape {
            table: table.clone(),
            kind: relation.kind,
            columns,
            primary_key,
            indexes,
            references,
            referenced_by,
            triggers: triggers::of(transaction, table, self.server.flavour).await?,
            row_security: RowSecurity::Off,
            privileges,
            rowid: None,
            estimated_rows: relation.estimated_rows,
            estimated_bytes: relation.estimated_bytes,
            undroppable,
            family: Family::default(),
        }))
    }

    /// The standard's views show tables only that we have a privilege on; InnoDB shows all of its own, where we may ask it.
    pub(super) async fn table_names(&self) -> Result<Vec<TableName>, Error> {
        let database = &self.server.database;
        let granted = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA = {}",
            quoted(database)
        );
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(WHAT, &granted).await?;
        let mut names: BTreeSet<String> = read(&rows, |row| word(row, 0))?.into_iter().collect();
        match transaction.ask(WHAT, &relation::all_of(database, self.server.flavour)).await {
            Ok(rows) => names.extend(read(&rows, |row| word(row, 0))?),
            Err(failure) if failure.is(&[relation::NO_PROCESS]) => {}
            Err(failure) => return Err(failure.into()),
        }
        transaction.commit().await?;
        Ok(names.into_iter().map(|table| TableName { schema: Some(database.clone()), table }).collect())
    }
}

/// Rows as values.
fn read<T>(rows: &[MySqlRow], value: impl Fn(&MySqlRow) -> Result<T, sqlx::Error>) -> Result<Vec<T>, Error> {
    rows.iter().map(value).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error }.into())
}

/// What one of this room's queries says about a table: its text ends where a condition on the table's schema and name
/// follows, by the names of their columns.
async fn about(
    transaction: &mut Transaction,
    select: &str,
    [schema, name]: [&str; 2],
    table: &TableRef,
    order: &str,
) -> Result<Vec<MySqlRow>, Error> {
    let text = format!("{select} WHERE {schema} = {} AND {name} = {} {order}", quoted(&table.schema), quoted(&table.table));
    Ok(transaction.ask(WHAT, &text).await?)
}

pub(super) fn quoted(text: &str) -> String {
    quote_literal(Dialect::Mysql, text)
}
