//! What a name belongs to, and whether its rows can be deleted by us.

use sqlx::Row as _;

use super::{WHAT, about};
use crate::{
    engine::{
        Error,
        mysql::{
            Flavour,
            errors::{DENIED, Failure},
            session::{Transaction, text, word},
        },
        shape::TableKind,
    },
    policy::Dialect,
    sql::{qualified, quote_literal, selection::TableRef},
};

/// A relation that can be read like a table.
pub(super) struct Relation {
    pub kind: TableKind,
    pub estimated_rows: Option<u64>,
    pub estimated_bytes: Option<u64>,
}

/// What the name belongs to; `None`: to nothing.
///
/// # Errors
/// [`Error::Unsupported`] if what is deleted there would not be gone, or could not be rolled back.
pub(super) async fn find(transaction: &mut Transaction, table: &TableRef) -> Result<Option<Relation>, Error> {
    let select =
        "SELECT TABLE_TYPE, ENGINE, CREATE_OPTIONS, TABLE_ROWS, TABLE_SCHEMA, TABLE_NAME, DATA_LENGTH FROM information_schema.TABLES";
    let rows = about(transaction, select, ["TABLE_SCHEMA", "TABLE_NAME"], table, "").await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let read = || Ok((word(row, 0)?, text(row, 1)?, word(row, 2)?, row.try_get::<Option<u64>, _>(3)?, word(row, 4)?, word(row, 5)?));
    let estimated_bytes = row.try_get::<Option<u64>, _>(6).map_err(|error| Failure { what: WHAT, error })?;
    let (kind, engine, options, estimated_rows, schema, name) = read().map_err(|error| Failure { what: WHAT, error })?;
    // The server takes names for equal that the catalogue writes otherwise; ours are exact.
    if (&schema, &name) != (&table.schema, &table.table) {
        return Ok(None);
    }
    let kind = match kind.as_str() {
        _ if ["mysql", "information_schema", "performance_schema", "sys"].contains(&schema.as_str()) => TableKind::System,
        "VIEW" | "SYSTEM VIEW" => TableKind::View,
        "SEQUENCE" => TableKind::System,
        "SYSTEM VERSIONED" => {
            return Err(Error::Unsupported(format!(
                "{schema}.{name} keeps a history of its rows, so that what is deleted would not be gone"
            )));
        }
        _ if options.to_ascii_lowercase().contains("partitioned") => TableKind::Partitioned,
        _ => TableKind::Table,
    };
    if matches!(kind, TableKind::Table | TableKind::Partitioned) && engine.as_deref() != Some("InnoDB") {
        let engine = engine.unwrap_or_else(|| "an unknown engine".to_owned());
        return Err(Error::Unsupported(format!(
            "{schema}.{name} is stored by {engine}, which can't roll back; ALTER TABLE … ENGINE = InnoDB would make it possible"
        )));
    }
    Ok(Some(Relation { kind, estimated_rows, estimated_bytes }))
}

/// An account without PROCESS asks InnoDB what it knows.
pub(super) const NO_PROCESS: u16 = 1227;

/// Names as InnoDB keeps them, `database/table`: written as those of files are; the one sign that stands for itself is the
/// slash between them.
pub(super) fn part_of_name(column: &str, part: i8) -> String {
    decoded(&format!("substring_index({column}, '/', {part})"))
}

fn decoded(name: &str) -> String {
    format!("CONVERT(CONVERT(CAST({name} AS BINARY) USING filename) USING utf8mb4)")
}

/// What to ask InnoDB for the names of all tables of a database, each once. A partition's name has the table's before a
/// sharp; what begins with one, or belongs to a full-text index, is nobody's table.
pub(super) fn all_of(database: &str, flavour: Flavour) -> String {
    let tables = match flavour {
        Flavour::MariaDb => "INNODB_SYS_TABLES",
        Flavour::MySql => "INNODB_TABLES",
    };
    let table = "substring_index(substring_index(NAME, '/', -1), '#', 1)";
    format!(
        "SELECT DISTINCT {} FROM information_schema.{tables} WHERE {} = {} AND {table} <> '' AND {table} NOT LIKE 'FTS|_0%' ESCAPE '|'",
        decoded(table),
        part_of_name("NAME", 1),
        quote_literal(Dialect::Mysql, database)
    )
}

/// Asked of the server itself, which knows roles and patterns in grants: it plans a DELETE only for who may run it.
pub(super) async fn may_delete(transaction: &mut Transaction, table: &TableRef, kind: TableKind) -> Result<bool, Error> {
    if !matches!(kind, TableKind::Table | TableKind::Partitioned) {
        return Ok(false);
    }
    let text = format!("EXPLAIN DELETE FROM {} WHERE FALSE", qualified(Dialect::Mysql, table));
    match transaction.run(WHAT, &text).await {
        Ok(()) => Ok(true),
        Err(failure) if failure.is(&DENIED) => Ok(false),
        // The server is read-only for everybody, which is said where something is to be changed.
        Err(failure) if failure.is(&[1290]) => Ok(true),
        Err(failure) => Err(failure.into()),
    }
}
