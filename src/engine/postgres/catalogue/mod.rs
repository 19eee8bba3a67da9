//! The shape of a table, read from PostgreSQL's catalogue.
//!
//! One file for each subject: `relation` (what kind of thing the name belongs to, and what we may do with it), `columns`,
//! `keys` (indexes and foreign keys), `triggers` (and rules, which act like them). What else decides whether a rule can
//! be enforced is a query there and a field of [`Shape`].

mod columns;
mod keys;
mod relation;
mod triggers;

use sqlx::{
    Row as _,
    postgres::{PgRow, types::Oid},
};

use super::{
    Postgres,
    errors::Failure,
    session::{Access, Transaction},
};
use crate::{
    engine::{Error, shape::Shape},
    policy::TableName,
    sql::selection::TableRef,
};

const WHAT: &str = "reading the catalogue";

impl Postgres {
    pub(super) async fn shape_of(&self, table: &TableName) -> Result<Option<Shape>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let schemas = table.schema.as_ref().map_or(self.schemas.as_slice(), std::slice::from_ref);
        let Some(relation) = relation::find(&mut transaction, schemas, &table.table).await? else {
            transaction.commit().await?;
            return Ok(None);
        };
        relation::check_replica_identity(&mut transaction, &relation).await?;
        let columns = columns::of(&mut transaction, relation.oid).await?;
        let indexes = keys::indexes(&mut transaction, relation.oid).await?;
        let foreign = keys::foreign(&mut transaction, relation.oid).await?;
        let triggers = triggers::of(&mut transaction, relation.oid).await?;
        transaction.commit().await?;
        Ok(Some(Shape {
            table: relation.table,
            kind: relation.kind,
            columns,
            primary_key: indexes.primary_key,
            indexes: indexes.indexes,
            references: foreign.references,
            referenced_by: foreign.referenced_by,
            triggers,
            row_security: relation.row_security,
            privileges: relation.privileges,
            rowid: None,
            estimated_rows: relation.estimated_rows,
        }))
    }

    pub(super) async fn table_names(&self) -> Result<Vec<TableName>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let names = sqlx::query(
            "SELECT n.nspname::text, c.relname::text \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> ALL ($1) \
               AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE') \
             ORDER BY n.nspname, c.relname",
        );
        let rows = transaction.rows(WHAT, names.bind(vec![self.workspace.name.clone()])).await?;
        transaction.commit().await?;
        read(&rows, |row| Ok(TableName { schema: Some(row.try_get(0)?), table: row.try_get(1)? }))
    }
}

/// Rows as values.
fn read<T>(rows: &[PgRow], value: impl Fn(&PgRow) -> Result<T, sqlx::Error>) -> Result<Vec<T>, Error> {
    rows.iter().map(value).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error }.into())
}

/// The rows of one of this room's queries, whose one parameter is the relation.
async fn rows_about(transaction: &mut Transaction, sql: &'static str, relation: Oid) -> Result<Vec<PgRow>, Error> {
    Ok(transaction.rows(WHAT, sqlx::query(sql).bind(relation)).await?)
}

/// Two columns of names as a table.
fn table_at(row: &PgRow, index: usize) -> Result<TableRef, sqlx::Error> {
    Ok(TableRef { schema: row.try_get(index)?, table: row.try_get(index + 1)? })
}
