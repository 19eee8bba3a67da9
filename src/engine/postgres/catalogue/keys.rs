//! Indexes and foreign keys.

use std::collections::HashMap;

use sqlx::{
    Row as _,
    postgres::{PgRow, types::Oid},
};

use super::{about, table_at};
use crate::engine::{
    Error,
    postgres::session::Transaction,
    shape::{ForeignKey, Index, ReferentialAction, Sight},
};

/// A unique index that is being built enforces uniqueness before it can be read, so both are asked for apart. An index
/// can be walked in order if its first column sorts as ORDER BY does without a further word: default operator class,
/// the column's own collation, ascending with NULLs last or the exact reverse.
const INDEXES: &str = "
    SELECT i.indrelid, r.relname::text AS name, i.indisprimary, i.indisunique OR i.indisexclusion AS is_unique, i.indpred IS NOT NULL AS partial,
      ARRAY(SELECT coalesce(a.attname::text, '')
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
            LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum > 0
            WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns,
      am.amname = 'btree' AND i.indisvalid AND i.indisready AND o.opcdefault AND i.indoption[0] IN (0, 3)
        AND i.indcollation[0] = coalesce(f.attcollation, i.indcollation[0]) AS ordered
    FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid JOIN pg_am am ON am.oid = r.relam
    JOIN pg_opclass o ON o.oid = i.indclass[0]
    LEFT JOIN pg_attribute f ON f.attrelid = i.indrelid AND f.attnum = i.indkey[0] AND f.attnum > 0
    WHERE i.indrelid = ANY ($1) AND i.indislive
    ORDER BY i.indisprimary DESC, r.relname";

/// Each index, and whether it is the primary key's.
pub(super) async fn indexes(transaction: &mut Transaction, relations: &[Oid]) -> Result<HashMap<Oid, Vec<(Index, bool)>>, Error> {
    about(transaction, INDEXES, relations, |row| {
        let index = Index {
            name: row.try_get("name")?,
            columns: row.try_get("columns")?,
            unique: row.try_get("is_unique")?,
            partial: row.try_get("partial")?,
            ordered: row.try_get("ordered")?,
        };
        Ok((index, row.try_get("indisprimary")?))
    })
    .await
}

/// Which end of a foreign key a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    References,
    ReferencedBy,
}

/// A foreign key as one of its ends sees it.
#[derive(Debug, Clone)]
pub(super) struct Foreign {
    /// The constraint, and the one that it is there for: of a partition, that of its parent.
    pub oid: Oid,
    pub of: Oid,
    pub direction: Direction,
    pub key: ForeignKey,
}

/// The keys that a partitioned child has once more for each partition are left out, unless that is how they reach us. A
/// key that refers to its own table is there from both ends.
const FOREIGN: &str = "
    SELECT ends.relation, ends.references_other, k.conname::text AS name, k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update,
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
      CASE WHEN row_security_active(c.oid) THEN 'hidden'
           WHEN NOT has_schema_privilege(cn.oid, 'USAGE') THEN 'forbidden'
           WHEN (SELECT bool_and(has_column_privilege(k.conrelid, u.attnum, 'SELECT')) FROM unnest(k.conkey) AS u (attnum)) THEN 'seen'
           ELSE 'forbidden' END AS child_sight,
      k.oid AS key, k.conparentid AS key_of
    FROM pg_constraint k
    CROSS JOIN LATERAL (VALUES (k.conrelid, true), (k.confrelid, false)) AS ends (relation, references_other)
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype = 'f' AND ends.relation = ANY ($1)
      AND (ends.references_other OR NOT EXISTS (SELECT FROM pg_constraint w WHERE w.oid = k.conparentid AND w.confrelid = k.confrelid))
    ORDER BY cn.nspname, c.relname, k.conname";

/// Foreign keys from and to the relations.
pub(super) async fn foreign(transaction: &mut Transaction, relations: &[Oid]) -> Result<HashMap<Oid, Vec<Foreign>>, Error> {
    about(transaction, FOREIGN, relations, |row| {
        let direction = if row.try_get("references_other")? { Direction::References } else { Direction::ReferencedBy };
        Ok(Foreign { oid: row.try_get("key")?, of: row.try_get("key_of")?, direction, key: foreign_key(row)? })
    })
    .await
}

fn foreign_key(row: &PgRow) -> Result<ForeignKey, sqlx::Error> {
    let sight = match row.try_get::<String, _>("child_sight")?.as_str() {
        "seen" => Sight::All,
        "hidden" => Sight::RowSecurity,
        _ => Sight::NotGranted,
    };
    let action = |column: &str| row.try_get::<String, _>(column).map(|letter| action(&letter));
    Ok(ForeignKey {
        name: row.try_get("name")?,
        child: table_at(row, 5)?,
        child_columns: row.try_get("child_columns")?,
        parent: table_at(row, 7)?,
        parent_columns: row.try_get("parent_columns")?,
        on_delete: action("on_delete")?,
        on_update: action("on_update")?,
        child_indexed: row.try_get("child_indexed")?,
        child_sight: sight,
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
