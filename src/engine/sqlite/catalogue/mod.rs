//! What SQLite's catalogue says about a table, as a [`Shape`].
//!
//! One subject a file: `columns` (types and collations), `keys` (indexes and foreign keys), `triggers`. Everything is
//! read through the pragmas' table-valued forms, in one read transaction, from the schema `main` alone: attached
//! databases are not supported, and no temporary table or trigger of another connection can reach ours. SQLite compares
//! names without case; the names in a shape are the catalogue's own, exact.

mod columns;
mod keys;
mod triggers;

use sqlx::SqliteConnection;

use super::database::{Database, get, get_count, look_up};
use crate::{
    engine::{
        Error, Inspected,
        shape::{Column, Family, Privileges, RowSecurity, Shape, TableKind},
    },
    policy::TableName,
    sql::{
        Statement, qualified, quote_identifier,
        selection::{Cell, TableRef},
    },
};

/// The one schema that is looked at.
pub(super) const SCHEMA: &str = "main";

/// A line of `pragma_table_list`.
struct Listed {
    kind: TableKind,
    without_rowid: bool,
}

/// Looks at tables in one read transaction; each look has the time of one statement.
pub(super) async fn inspect(database: &Database, names: &[TableName]) -> Result<Vec<Inspected>, Error> {
    let mut connection = database.connection().await?;
    database.execute(&mut connection, &Statement::plain("BEGIN")).await?;
    let mut shapes = Vec::with_capacity(names.len());
    for name in names {
        if name.schema.as_deref().is_some_and(|schema| schema != SCHEMA) {
            shapes.push(Ok(None));
            continue;
        }
        database.begin_look_up(&mut connection).await?;
        shapes.push(read(database, &mut connection, &name.table).await);
    }
    database.execute(&mut connection, &Statement::plain("ROLLBACK")).await?;
    Ok(shapes)
}

/// Tables and views that a person made, in alphabetical order.
pub(super) async fn tables(database: &Database) -> Result<Vec<TableName>, Error> {
    let mut connection = database.connection().await?;
    let list = Statement::plain(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    );
    let rows = database.fetch(&mut connection, &list).await?;
    rows.iter().map(|row| Ok(TableName { schema: Some(SCHEMA.to_owned()), table: get(row, 0)? })).collect()
}

async fn read(database: &Database, connection: &mut SqliteConnection, name: &str) -> Result<Option<Shape>, Error> {
    let Some(listed) = listed(connection, name).await? else { return Ok(None) };
    let table = TableRef { schema: SCHEMA.to_owned(), table: name.to_owned() };
    let indexes = keys::indexes(connection, name).await?;
    let facts = columns::Facts {
        plain: listed.kind == TableKind::Table,
        without_rowid: listed.without_rowid,
        key_is_index: indexes.iter().any(|index| index.is_primary),
        writable: database.is_writable(),
    };
    let (columns, primary_key) = columns::read(connection, &table, &facts).await?;
    let collations = columns::collations(connection, &table, &columns, &facts).await?;
    let columns = columns::with_collations(columns, &collations);
    let columns = columns::with_expressions(connection, name, columns).await?;
    let rowid = rowid_name(&listed, &columns);
    let mut shape = Shape {
        kind: listed.kind,
        indexes: indexes.into_iter().map(|index| index.into_shape(&collations)).collect(),
        references: keys::references(connection, name).await?,
        referenced_by: keys::referenced_by(connection, name).await?,
        triggers: triggers::read(connection, name, &columns).await?,
        row_security: RowSecurity::Off,
        privileges: Privileges { select: true, delete: database.is_writable() },
        estimated_rows: None,
        estimated_bytes: None,
        undroppable: None,
        family: Family::default(),
        rowid,
        primary_key,
        columns,
        table,
    };
    shape.estimated_rows = estimate(connection, &shape).await?;
    Ok(Some(shape))
}

async fn listed(connection: &mut SqliteConnection, name: &str) -> Result<Option<Listed>, Error> {
    let statement = Statement {
        text: "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1".to_owned(),
        binds: vec![Cell::Text(name.to_owned())],
    };
    let rows = look_up(connection, &statement).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let kind = match get::<String>(row, 0)?.as_str() {
        _ if name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_")) => TableKind::System,
        "table" => TableKind::Table,
        "view" => TableKind::View,
        "virtual" => TableKind::Foreign,
        _ => TableKind::System,
    };
    Ok(Some(Listed { kind, without_rowid: get(row, 1)? }))
}

/// The name under which the rowid can be read: the first that no column takes.
fn rowid_name(listed: &Listed, columns: &[Column]) -> Option<&'static str> {
    if listed.kind != TableKind::Table || listed.without_rowid {
        return None;
    }
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
}

/// `ANALYZE` knows the number of rows; else the span of the rowids bounds it, which is read from both ends of the tree.
async fn estimate(connection: &mut SqliteConnection, shape: &Shape) -> Result<Option<u64>, Error> {
    if shape.kind != TableKind::Table {
        return Ok(None);
    }
    let analysed = Statement::plain("SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND name = 'sqlite_stat1'");
    if !look_up(connection, &analysed).await?.is_empty() {
        let statistics = Statement {
            text: "SELECT CAST(stat AS INTEGER) FROM sqlite_stat1 WHERE tbl = ?1 ORDER BY 1 DESC LIMIT 1".to_owned(),
            binds: vec![Cell::Text(shape.table.table.clone())],
        };
        if let Some(row) = look_up(connection, &statistics).await?.first() {
            return get_count(row, 0).map(Some);
        }
    }
    let Some(rowid) = shape.rowid else { return Ok(None) };
    let table = qualified(crate::policy::Dialect::Sqlite, &shape.table);
    let rowid = quote_identifier(rowid);
    let ends = Statement::plain(format!("SELECT (SELECT min({rowid}) FROM {table}), (SELECT max({rowid}) FROM {table})"));
    let rows = look_up(connection, &ends).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (first, last): (Option<i64>, Option<i64>) = (get(row, 0)?, get(row, 1)?);
    Ok(Some(first.zip(last).map_or(0, |(first, last)| last.abs_diff(first).saturating_add(1))))
}
