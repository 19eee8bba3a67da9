//! Indexes and foreign keys.

use sqlx::{
    Row as _,
    postgres::{PgRow, types::Oid},
};

use super::{read, rows_about, table_at};
use crate::engine::{
    Error,
    postgres::session::Transaction,
    shape::{ForeignKey, Index, ReferentialAction},
};

/// The indexes of a table, and which columns its primary key has.
pub(super) struct Indexes {
    pub primary_key: Vec<String>,
    pub indexes: Vec<Index>,
}

/// A unique index that is being built enforces uniqueness before it can be read, so both are asked for apart. An index
/// can be walked in order if its first column sorts as ORDER BY does without a further word: default operator class,
/// the column's own collation, ascending with NULLs last or the exact reverse.
const INDEXES: &str = "
    SELECT r.relname::text AS name, i.indisprimary, i.indisunique OR i.indisexclusion AS is_unique, i.indpred IS NOT NULL AS partial,
      ARRAY(SELECT coalesce(a.attname::text, '')
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
            LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
            WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns,
      am.amname = 'btree' AND i.indisvalid AND i.indisready AND o.opcdefault AND i.indoption[0] IN (0, 3)
        AND i.indcollation[0] = coalesce(f.attcollation, i.indcollation[0]) AS ordered
    FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid JOIN pg_am am ON am.oid = r.relam
    JOIN pg_opclass o ON o.oid = i.indclass[0]
    LEFT JOIN pg_attribute f ON f.attrelid = i.indrelid AND f.attnum = i.indkey[0] AND f.attnum > 0
    WHERE i.indrelid = $1 AND i.indislive
    ORDER BY i.indisprimary DESC, r.relname";

pub(super) async fn indexes(transaction: &mut Transaction, relation: Oid) -> Result<Indexes, Error> {
    let rows = rows_about(transaction, INDEXES, relation).await?;
    let indexes = read(&rows, |row| {
        let index = Index {
            name: row.try_get("name")?,
            columns: row.try_get("columns")?,
            unique: row.try_get("is_unique")?,
            partial: row.try_get("partial")?,
            ordered: row.try_get("ordered")?,
        };
        Ok((index, row.try_get::<bool, _>("indisprimary")?))
    })?;
    let primary_key = indexes.iter().find(|(_, primary)| *primary).map(|(index, _)| index.columns.clone()).unwrap_or_default();
    Ok(Indexes { primary_key, indexes: indexes.into_iter().map(|(index, _)| index).collect() })
}

/// Foreign keys from and to a table.
pub(super) struct ForeignKeys {
    pub references: Vec<ForeignKey>,
    pub referenced_by: Vec<ForeignKey>,
}

/// The keys that a partitioned child has once more for each partition are left out, unless that is how they reach us.
const FOREIGN: &str = "
    SELECT k.conname::text AS name, k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update,
      cn.nspname::text AS child_schema, c.relname::text AS child, pn.nspname::text AS parent_schema, p.relname::text AS parent,
      ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY place) AS child_columns,
      ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, place)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum ORDER BY place) AS parent_columns,
      EXISTS (SELECT FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid JOIN pg_am am ON am.oid = r.relam
              WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
                AND (am.amname = 'btree' OR am.amname = 'hash' AND cardinality(k.conkey) = 1)
                AND i.indnkeyatts >= cardinality(k.conkey)
                AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey) AS child_indexed,
      k.conrelid = $1 AS references_other,
      k.confrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint w WHERE w.oid = k.conparentid AND w.confrelid = k.confrelid) AS referenced
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype = 'f' AND (k.conrelid = $1 OR k.confrelid = $1)
    ORDER BY cn.nspname, c.relname, k.conname";

pub(super) async fn foreign(transaction: &mut Transaction, relation: Oid) -> Result<ForeignKeys, Error> {
    let rows = rows_about(transaction, FOREIGN, relation).await?;
    let keys = |direction: &str| {
        let wanted = read(&rows, |row| row.try_get::<bool, _>(direction)?.then(|| foreign_key(row)).transpose())?;
        Ok::<_, Error>(wanted.into_iter().flatten().collect())
    };
    Ok(ForeignKeys { references: keys("references_other")?, referenced_by: keys("referenced")? })
}

fn foreign_key(row: &PgRow) -> Result<ForeignKey, sqlx::Error> {
    let action = |column: &str| row.try_get::<String, _>(column).map(|letter| action(&letter));
    Ok(ForeignKey {
        name: row.try_get("name")?,
        child: table_at(row, 3)?,
        child_columns: row.try_get("child_columns")?,
        parent: table_at(row, 5)?,
        parent_columns: row.try_get("parent_columns")?,
        on_delete: action("on_delete")?,
        on_update: action("on_update")?,
        child_indexed: row.try_get("child_indexed")?,
    })
}

fn action(letter: &str) -> ReferentialAction {
    match letter {
        "r" => ReferentialAction::Restrict,
        "c" => ReferentialAction::Cascade,
        "n" => ReferentialAction::SetNull,
        "d" => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}
