//! Indexes and foreign keys.

use std::collections::BTreeMap;

use sqlx::{Row as _, mysql::MySqlRow};

use super::{
    WHAT, about, quoted, read,
    relation::{NO_PROCESS, part_of_name},
};
use crate::{
    engine::{
        Error,
        mysql::{
            Flavour,
            errors::DENIED,
            session::{Transaction, text, word},
        },
        shape::{ForeignKey, Index, ReferentialAction, Sight},
    },
    policy::Dialect,
    sql::{qualified, quote_identifier, selection::TableRef},
};

/// The columns of the primary key, and every index.
pub(super) async fn indexes(transaction: &mut Transaction, table: &TableRef, flavour: Flavour) -> Result<(Vec<String>, Vec<Index>), Error> {
    let hidden = match flavour {
        Flavour::MariaDb => "IGNORED = 'YES'",
        Flavour::MySql => "IS_VISIBLE = 'NO'",
    };
    let select = format!(
        "SELECT INDEX_NAME, COLUMN_NAME, NON_UNIQUE = 0, SUB_PART IS NOT NULL, INDEX_TYPE, \"COLLATION\", {hidden} \
         FROM information_schema.STATISTICS"
    );
    let order = "ORDER BY INDEX_NAME, SEQ_IN_INDEX";
    let rows = about(transaction, &select, ["TABLE_SCHEMA", "TABLE_NAME"], table, order).await?;
    let mut indexes: Vec<Index> = Vec::new();
    for part in read(&rows, part)? {
        match indexes.last_mut().filter(|index| index.name == part.index) {
            Some(index) => {
                // The beginning of a column has not the column's order; that no two rows share it is all the more unique.
                index.ordered &= !part.prefix;
                index.columns.push(part.column);
            }
            None => indexes.push(Index {
                name: part.index,
                ordered: part.walkable && !part.prefix && !part.column.is_empty(),
                columns: vec![part.column],
                unique: part.unique,
                partial: false,
            }),
        }
    }
    let primary = indexes.iter().position(|index| index.name == "PRIMARY").map(|at| indexes.remove(at));
    let primary_key = primary.as_ref().map(|index| index.columns.clone()).unwrap_or_default();
    indexes.splice(0..0, primary);
    Ok((primary_key, indexes))
}

struct Part {
    index: String,
    column: String,
    unique: bool,
    prefix: bool,
    walkable: bool,
}

fn part(row: &MySqlRow) -> Result<Part, sqlx::Error> {
    let flag = |index: usize| row.try_get::<i64, _>(index).map(|flag| flag != 0);
    let ascending = text(row, 5)?.as_deref() == Some("A");
    Ok(Part {
        index: word(row, 0)?,
        column: word(row, 1)?,
        unique: flag(2)?,
        prefix: flag(3)?,
        walkable: word(row, 4)? == "BTREE" && ascending && !flag(6)?,
    })
}

/// Foreign keys from the table, and to it. The standard's views show those of tables only that we have privileges on; what
/// is dragged along is dragged along all the same, so InnoDB itself is asked.
///
/// # Errors
/// [`Error::Unsupported`] where we may not.
pub(super) async fn foreign(
    transaction: &mut Transaction,
    table: &TableRef,
    flavour: Flavour,
) -> Result<(Vec<ForeignKey>, Vec<ForeignKey>), Error> {
    let prefix = match flavour {
        Flavour::MariaDb => "INNODB_SYS_FOREIGN",
        Flavour::MySql => "INNODB_FOREIGN",
    };
    let is_table = |column: &str| {
        let (schema, name) = (part_of_name(column, 1), part_of_name(column, -1));
        format!("({schema} = {} AND {name} = {})", quoted(&table.schema), quoted(&table.table))
    };
    let query = format!(
        "SELECT f.ID, {}, {}, {}, {}, CAST(f.TYPE AS SIGNED), c.FOR_COL_NAME, c.REF_COL_NAME, substring_index(f.ID, '/', -1) \
         FROM information_schema.{prefix} f JOIN information_schema.{prefix}_COLS c ON c.ID = f.ID \
         WHERE {} OR {} ORDER BY f.ID, c.POS",
        part_of_name("f.FOR_NAME", 1),
        part_of_name("f.FOR_NAME", -1),
        part_of_name("f.REF_NAME", 1),
        part_of_name("f.REF_NAME", -1),
        is_table("f.FOR_NAME"),
        is_table("f.REF_NAME"),
    );
    let rows = match transaction.ask(WHAT, &query).await {
        Err(failure) if failure.is(&[NO_PROCESS]) => {
            return Err(Error::Unsupported(format!(
                "which tables refer to {}.{} can't be seen without the privilege PROCESS; GRANT PROCESS ON *.* to this account",
                table.schema, table.table
            )));
        }
        rows => rows?,
    };
    let mut keys: BTreeMap<String, ForeignKey> = BTreeMap::new();
    for (id, key, child, parent) in read(&rows, foreign_key)? {
        let known = keys.entry(id).or_insert(key);
        known.child_columns.push(child);
        known.parent_columns.push(parent);
    }
    for key in keys.values_mut().filter(|key| key.parent == *table) {
        key.child_sight = sight(transaction, key).await?;
    }
    let (from, to): (Vec<_>, Vec<_>) = (
        keys.values().filter(|key| key.child == *table).cloned().collect(),
        keys.into_values().filter(|key| key.parent == *table).collect(),
    );
    Ok((from, to))
}

/// Whether we may read the child's columns, asked of the server itself, which knows roles and patterns in grants.
async fn sight(transaction: &mut Transaction, key: &ForeignKey) -> Result<Sight, Error> {
    let is_null: Vec<String> = key.child_columns.iter().map(|column| format!("{} IS NULL", quote_identifier(column))).collect();
    let text = format!("EXPLAIN SELECT 1 FROM {} WHERE {}", qualified(Dialect::Mysql, &key.child), is_null.join(" AND "));
    match transaction.run(WHAT, &text).await {
        Ok(()) => Ok(Sight::All),
        Err(failure) if failure.is(&DENIED) => Ok(Sight::NotGranted),
        Err(failure) => Err(failure.into()),
    }
}

/// A key that has no columns yet, and a pair of them.
fn foreign_key(row: &MySqlRow) -> Result<(String, ForeignKey, String, String), sqlx::Error> {
    let kind: i64 = row.try_get(5)?;
    let action = |cascade: i64, set_null: i64, none: i64| match kind {
        kind if kind & cascade != 0 => ReferentialAction::Cascade,
        kind if kind & set_null != 0 => ReferentialAction::SetNull,
        kind if kind & none != 0 => ReferentialAction::NoAction,
        _ => ReferentialAction::Restrict,
    };
    let key = ForeignKey {
        name: word(row, 8)?,
        child: TableRef { schema: word(row, 1)?, table: word(row, 2)? },
        child_columns: Vec::new(),
        parent: TableRef { schema: word(row, 3)?, table: word(row, 4)? },
        parent_columns: Vec::new(),
        on_delete: action(1, 2, 16),
        on_update: action(4, 8, 32),
        // InnoDB makes the index where there is none.
        child_indexed: true,
        // Asked below, where all the columns are known.
        child_sight: Sight::All,
    };
    Ok((word(row, 0)?, key, word(row, 6)?, word(row, 7)?))
}
