//! Partitions: by what a table is cut into them.

use super::{about, columns::names_in};
use crate::{
    engine::{
        Error,
        mysql::{
            errors::Failure,
            session::{Transaction, text},
        },
        shape::Column,
    },
    sql::selection::TableRef,
};

/// The columns as the partitions allow: one that decides where a row lies can't be changed, because the row would move, and
/// a walk meet it again. `key` is the primary key, by which a table is cut that says no column. With them, why no partition
/// can be dropped, if none can.
pub(super) async fn settle(
    transaction: &mut Transaction,
    table: &TableRef,
    mut columns: Vec<Column>,
    key: &[String],
) -> Result<(Vec<Column>, Option<String>), Error> {
    let select = "SELECT DISTINCT PARTITION_EXPRESSION, SUBPARTITION_EXPRESSION, SUBPARTITION_METHOD, PARTITION_METHOD \
                  FROM information_schema.PARTITIONS";
    let rows = about(transaction, select, ["TABLE_SCHEMA", "TABLE_NAME"], table, "AND PARTITION_METHOD IS NOT NULL").await?;
    let mut names: Vec<String> = Vec::new();
    let mut undroppable = None;
    for row in &rows {
        let read = || Ok((text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?.unwrap_or_default()));
        let (by, then, method, first) = read().map_err(|error| Failure { what: super::WHAT, error })?;
        if method.is_some() {
            undroppable = Some("its partitions have parts of their own".to_owned());
        } else if !["RANGE", "LIST"].iter().any(|droppable| first.starts_with(droppable)) {
            undroppable = Some(format!("a table that is partitioned by {first} has none to drop"));
        }
        for expression in [Some(by.unwrap_or_default()), method.map(|_| then.unwrap_or_default())].into_iter().flatten() {
            if expression.trim().is_empty() { names.extend(key.iter().cloned()) } else { names.extend(names_in(&expression)) }
        }
    }
    let is_named = |column: &Column| names.iter().any(|name| name.trim_matches('`').eq_ignore_ascii_case(&column.name));
    for column in columns.iter_mut().filter(|column| is_named(column)) {
        column.fixed = Some("the table is partitioned by it".to_owned());
    }
    Ok((columns, undroppable))
}
