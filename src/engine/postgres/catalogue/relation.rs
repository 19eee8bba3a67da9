//! What a name belongs to, whether rows of it can be hidden from us, and what we may do with them.

use std::collections::HashMap;

use sqlx::{Row as _, postgres::types::Oid};

use super::{WHAT, read, table_at};
use crate::{
    engine::{
        Error,
        postgres::session::Transaction,
        shape::{Privileges, RowSecurity, TableKind},
    },
    policy::TableName,
    sql::selection::TableRef,
};

/// A relation that can be read like a table.
pub(super) struct Relation {
    pub oid: Oid,
    pub table: TableRef,
    pub kind: TableKind,
    pub row_security: RowSecurity,
    pub privileges: Privileges,
    pub estimated_rows: Option<u64>,
    pub estimated_bytes: Option<u64>,
}

/// The first of the schemas that has the name decides, unless a schema is named. `$1` are the schemas that are named,
/// `$2` the names, `$3` the schemas where others are looked for, in order.
const FIND: &str = "
    SELECT DISTINCT ON (w.place) w.place, c.oid, n.nspname::text, c.relname::text, c.relkind::text,
      n.nspname IN ('pg_catalog', 'information_schema') OR n.nspname LIKE 'pg\\_%'
        OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS system,
      EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS child,
      EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS parent,
      am.amname::text,
      c.relrowsecurity, row_security_active(c.oid) AS row_security_active,
      has_schema_privilege(n.oid, 'USAGE') AS usage,
      has_table_privilege(c.oid, 'SELECT') OR NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')) AS selects,
      has_table_privilege(c.oid, 'DELETE') AS deletes,
      CASE WHEN c.reltuples < 0 THEN NULL
           WHEN c.relkind = 'r' AND c.relpages > 0
             THEN c.reltuples::float8 / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::bigint)
           ELSE c.reltuples::float8 END AS estimated_rows,
      pg_table_size(c.oid) AS bytes
    FROM unnest($1, $2) WITH ORDINALITY AS w (schema, name, place)
    JOIN pg_namespace n ON n.nspname = w.schema OR w.schema IS NULL AND n.nspname = ANY ($3)
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    LEFT JOIN pg_am am ON am.oid = c.relam
    ORDER BY w.place, array_position($3, n.nspname::text)";

/// What the names belong to and how that is stored, by the place of the name.
pub(super) async fn find(
    transaction: &mut Transaction,
    schemas: &[String],
    tables: &[TableName],
) -> Result<HashMap<usize, (Relation, Option<String>)>, Error> {
    let named: Vec<Option<String>> = tables.iter().map(|table| table.schema.clone()).collect();
    let names: Vec<String> = tables.iter().map(|table| table.table.clone()).collect();
    let rows = transaction.rows(WHAT, sqlx::query(FIND).bind(named).bind(names).bind(schemas.to_vec())).await?;
    let relations = read(&rows, |row| {
        let usage: bool = row.try_get("usage")?;
        let may = |privilege| Ok::<_, sqlx::Error>(usage && row.try_get::<bool, _>(privilege)?);
        let relkind: String = row.try_get("relkind")?;
        let relation = Relation {
            oid: row.try_get(1)?,
            table: table_at(row, 2)?,
            kind: kind(&relkind, row.try_get("system")?, row.try_get("child")?, row.try_get("parent")?),
            row_security: row_security(row.try_get("relrowsecurity")?, row.try_get("row_security_active")?),
            privileges: Privileges { select: may("selects")?, delete: may("deletes")? },
            estimated_rows: row.try_get::<Option<f64>, _>("estimated_rows")?.map(whole),
            estimated_bytes: row.try_get::<Option<i64>, _>("bytes")?.and_then(|bytes| u64::try_from(bytes).ok()),
        };
        // The server counts places from one.
        let place = usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or_default();
        Ok((place, (relation, row.try_get::<Option<String>, _>("amname")?)))
    })?;
    Ok(relations.into_iter().collect())
}

/// # Errors
/// [`Error::Unsupported`] if the rows are not where a statement of ours would look for them.
pub(super) fn check_method(relation: &Relation, method: Option<&str>) -> Result<(), Error> {
    match method {
        Some(method) if method != "heap" && matches!(relation.kind, TableKind::Table | TableKind::Child | TableKind::Parent) => {
            let TableRef { schema, table } = &relation.table;
            Err(Error::Unsupported(format!("{schema}.{table} is stored by the access method \"{method}\", which retentiond does not know")))
        }
        _ => Ok(()),
    }
}

/// A published table whose rows the subscribers can't tell apart: the server would refuse every DELETE and UPDATE.
const WITHOUT_IDENTITY: &str = "
    SELECT c.oid, p.pubname::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname
    JOIN pg_publication p ON p.pubname = t.pubname AND (p.pubdelete OR p.pubupdate)
    WHERE c.oid = ANY ($1) AND c.relkind = 'r'
      AND (c.relreplident = 'n'
        OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
        OR c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident))
    ORDER BY p.pubname";

/// The publications that each of the relations breaks.
pub(super) async fn without_identity(transaction: &mut Transaction, relations: &[Oid]) -> Result<HashMap<Oid, Vec<String>>, Error> {
    super::about(transaction, WITHOUT_IDENTITY, relations, |row| row.try_get(1)).await
}

/// # Errors
/// [`Error::Unsupported`] with what to run, if the table is published without a replica identity.
pub(super) fn check_identity(table: &TableRef, publication: Option<&String>) -> Result<(), Error> {
    let Some(publication) = publication else { return Ok(()) };
    let table = crate::sql::qualified(crate::policy::Dialect::Postgres, table);
    Err(Error::Unsupported(format!(
        "publication \"{publication}\" publishes {table}, which has no replica identity, so the server refuses to change its rows; \
         run ALTER TABLE {table} REPLICA IDENTITY FULL, or give it a primary key"
    )))
}

fn kind(relkind: &str, system: bool, child: bool, parent: bool) -> TableKind {
    match relkind {
        _ if system => TableKind::System,
        "v" => TableKind::View,
        "m" => TableKind::MaterializedView,
        "f" => TableKind::Foreign,
        "p" => TableKind::Partitioned,
        _ if parent => TableKind::Parent,
        _ if child => TableKind::Child,
        _ => TableKind::Table,
    }
}

/// The server's own answer covers superusers, BYPASSRLS, owners and FORCE.
fn row_security(enabled: bool, active: bool) -> RowSecurity {
    match (enabled, active) {
        (false, _) => RowSecurity::Off,
        (true, false) => RowSecurity::Bypassed,
        (true, true) => RowSecurity::Applies,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, clamped by the cast")]
pub(super) fn whole(estimate: f64) -> u64 {
    estimate.round() as u64
}
