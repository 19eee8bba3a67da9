//! Columns and what their types mean to a statement.

use std::collections::HashMap;

use sqlx::{Row as _, postgres::types::Oid};

use super::about;
use crate::{
    engine::{Error, postgres::session::Transaction, shape::Column},
    sql::selection::TypeClass,
};

/// What a column is computed from is told by the column itself up to PostgreSQL 14, and by its expression since.
///
/// A domain is followed to its base type, whose literals don't fail the domain's checks when they are only compared.
const COLUMNS: &str = "
    WITH RECURSIVE typed AS (
      SELECT a.attrelid, a.attnum, a.atttypid AS type, a.atttypmod AS modifier, a.attnotnull AS not_null
      FROM pg_attribute a WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT typed.attrelid, typed.attnum, t.typbasetype, CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE typed.modifier END, typed.not_null OR t.typnotnull
      FROM typed JOIN pg_type t ON t.oid = typed.type WHERE t.typtype = 'd')
    SELECT a.attrelid, a.attname::text AS name, t.typname::text AS type, t.typnamespace = 'pg_catalog'::regnamespace AS built_in,
      t.typtype::text AS kind, pg_type_is_visible(t.oid) AS visible,
      format_type(t.oid, typed.modifier) AS declared, typed.modifier,
      coalesce(c.collisdeterministic, true) AS deterministic,
      NOT typed.not_null AS nullable, a.attgenerated <> '' OR a.attidentity = 'a' AS generated, a.attidentity = 'a' AS numbered,
      has_column_privilege(a.attrelid, a.attnum, 'UPDATE') AS updatable,
      has_column_privilege(a.attrelid, a.attnum, 'INSERT') AS insertable,
      ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
      CASE WHEN a.attgenerated = '' THEN '{}' ELSE ARRAY(
        SELECT DISTINCT b.attname::text FROM pg_depend d
        JOIN pg_attribute b ON d.refclassid = 'pg_class'::regclass AND b.attrelid = d.refobjid AND b.attnum = d.refobjsubid
        LEFT JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid
        WHERE d.refobjid = a.attrelid AND d.refobjsubid <> a.attnum
          AND (d.classid = 'pg_class'::regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum OR e.adrelid = a.attrelid AND e.adnum = a.attnum)
      ) END AS computed_from
    FROM typed JOIN pg_attribute a ON a.attrelid = typed.attrelid AND a.attnum = typed.attnum
    JOIN pg_type t ON t.oid = typed.type LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE t.typtype <> 'd' ORDER BY a.attnum";

pub(super) async fn of(transaction: &mut Transaction, relations: &[Oid]) -> Result<HashMap<Oid, Vec<Column>>, Error> {
    about(transaction, COLUMNS, relations, |row| {
        let (name, built_in, visible): (String, bool, bool) = (row.try_get("type")?, row.try_get("built_in")?, row.try_get("visible")?);
        let kind: String = row.try_get("kind")?;
        let class = if built_in && kind == "b" {
            built_in_class(&name, row.try_get("deterministic")?)
        } else if kind == "e" {
            TypeClass::Enum
        } else if name == "citext" && visible {
            // Out of the search path its operators can't be found, and it would be compared as plain text.
            TypeClass::FoldedText
        } else {
            TypeClass::Other
        };
        let modifier: i32 = row.try_get("modifier")?;
        Ok(Column {
            name: row.try_get("name")?,
            class,
            declared: row.try_get("declared")?,
            max_length: if built_in && matches!(name.as_str(), "varchar" | "bpchar") { length(modifier) } else { None },
            nullable: row.try_get("nullable")?,
            generated: row.try_get("generated")?,
            numbered: row.try_get("numbered")?,
            computed_from: row.try_get("computed_from")?,
            touched: false,
            updatable: row.try_get("updatable")?,
            insertable: row.try_get("insertable")?,
            fixed: None,
            labels: row.try_get("labels")?,
        })
    })
    .await
}

fn built_in_class(name: &str, deterministic: bool) -> TypeClass {
    match name {
        "bool" => TypeClass::Boolean,
        "int2" | "int4" | "int8" => TypeClass::Integer,
        "float4" | "float8" => TypeClass::Float,
        "numeric" => TypeClass::Decimal,
        "text" | "varchar" | "bpchar" if !deterministic => TypeClass::FoldedText,
        "text" | "varchar" => TypeClass::Text,
        "bpchar" => TypeClass::PaddedText,
        "date" => TypeClass::Date,
        "timestamp" => TypeClass::Timestamp,
        "timestamptz" => TypeClass::TimestampTz,
        "uuid" => TypeClass::Uuid,
        "inet" | "cidr" => TypeClass::Inet,
        "bit" | "varbit" => TypeClass::Bits,
        "bytea" => TypeClass::Bytes,
        "json" | "jsonb" => TypeClass::Json,
        _ => TypeClass::Other,
    }
}

/// The modifier of a text type counts four bytes of header; none is negative.
fn length(modifier: i32) -> Option<u32> {
    u32::try_from(modifier.checked_sub(4)?).ok()
}
