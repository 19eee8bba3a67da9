//! Columns: declared types, what they mean for a statement, and how their texts compare.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use crate::{
    engine::{
        Error,
        shape::Column,
        sqlite::database::{get, look_up},
    },
    policy::Dialect,
    sql::{
        Statement, qualified, quote_identifier,
        selection::{Cell, TableRef, TypeClass},
    },
};

/// What decides about columns besides themselves.
pub(super) struct Facts {
    /// An ordinary table: it can be asked how its columns compare.
    pub plain: bool,
    pub without_rowid: bool,
    /// The primary key has an index of its own; where it has none, it is the rowid under another name.
    pub key_is_index: bool,
}

/// How the texts of a column compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collation {
    Binary,
    NoCase,
    RTrim,
    /// A collation that the application defines: it does not exist on our connection.
    Unknown,
}

impl Collation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Binary => "BINARY",
            Self::NoCase => "NOCASE",
            Self::RTrim => "RTRIM",
            Self::Unknown => "",
        }
    }
}

/// The columns in the table's order, and the names of the primary key's in key order.
pub(super) async fn read(connection: &mut SqliteConnection, table: &TableRef, facts: &Facts) -> Result<(Vec<Column>, Vec<String>), Error> {
    let statement = Statement {
        text: r#"SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid"#.to_owned(),
        binds: vec![Cell::Text(table.table.clone())],
    };
    const HIDDEN_IN_VIRTUAL_TABLE: i64 = 1;
    let mut columns = Vec::new();
    let mut key = Vec::new();
    for row in look_up(connection, &statement).await? {
        let name: String = get(&row, 0)?;
        let declared: String = get(&row, 1)?;
        let (not_null, place, hidden): (bool, i64, i64) = (get(&row, 2)?, get(&row, 3)?, get(&row, 4)?);
        if hidden == HIDDEN_IN_VIRTUAL_TABLE {
            continue;
        }
        // A primary key of several columns, or of a type other than INTEGER, takes NULL for historical reasons.
        let never_null = not_null || (place > 0 && (facts.without_rowid || !facts.key_is_index));
        if place > 0 {
            key.push((place, name.clone()));
        }
        columns.push(Column {
            name,
            class: class(&declared),
            declared,
            max_length: None,
            nullable: !never_null,
            generated: hidden > 0,
            touched: false,
        });
    }
    key.sort();
    Ok((columns, key.into_iter().map(|(_, name)| name).collect()))
}

/// The class of a declared type, by SQLite's own rules of affinity; dates and times have NUMERIC affinity, but say what
/// their texts mean.
fn class(declared: &str) -> TypeClass {
    let declared = declared.to_ascii_uppercase();
    let name = declared.split('(').next().unwrap_or_default().trim();
    if declared.contains("INT") {
        TypeClass::Integer
    } else if ["CHAR", "CLOB", "TEXT"].iter().any(|part| declared.contains(part)) {
        TypeClass::Text
    } else if declared.contains("BLOB") || name.is_empty() || name == "ANY" {
        // ANY has no affinity in a STRICT table, the only kind where anybody declares it.
        TypeClass::Untyped
    } else if ["REAL", "FLOA", "DOUB"].iter().any(|part| declared.contains(part)) {
        TypeClass::Float
    } else if name == "JSON" {
        TypeClass::Json
    } else if name == "DATE" {
        TypeClass::Date
    } else if name.starts_with("DATETIME") || name.starts_with("TIMESTAMP") {
        TypeClass::Timestamp
    } else {
        TypeClass::Decimal
    }
}

/// How each text column compares. No pragma tells it of a column without an index, so SQLite is asked to compare: a
/// compound SELECT takes the collation of its first part, here the column without any of its rows.
pub(super) async fn collations(
    connection: &mut SqliteConnection,
    table: &TableRef,
    columns: &[Column],
    facts: &Facts,
) -> Result<HashMap<String, Collation>, Error> {
    let mut collations = HashMap::new();
    if !facts.plain {
        return Ok(collations);
    }
    let table = qualified(Dialect::Sqlite, table);
    for column in columns.iter().filter(|column| matches!(column.class, TypeClass::Text | TypeClass::Untyped)) {
        let name = quote_identifier(&column.name);
        let probe = format!("SELECT c = 'A', c = 'a ' FROM (SELECT {name} AS c FROM {table} WHERE 0 UNION ALL SELECT 'a')");
        let collation = match look_up(connection, &Statement::plain(probe)).await {
            Ok(rows) => match rows.first().map(|row| Ok::<_, Error>((get(row, 0)?, get(row, 1)?))).transpose()? {
                Some((true, _)) => Collation::NoCase,
                Some((_, true)) => Collation::RTrim,
                _ => Collation::Binary,
            },
            Err(Error::Database(_)) => Collation::Unknown,
            Err(other) => return Err(other),
        };
        collations.insert(column.name.clone(), collation);
    }
    Ok(collations)
}

/// Tells text that compares otherwise than its bytes from text that doesn't.
pub(super) fn with_collations(mut columns: Vec<Column>, collations: &HashMap<String, Collation>) -> Vec<Column> {
    for column in &mut columns {
        column.class = match (column.class, collations.get(&column.name)) {
            (TypeClass::Text, Some(Collation::NoCase | Collation::RTrim)) => TypeClass::FoldedText,
            (TypeClass::Text | TypeClass::Untyped, Some(Collation::Unknown)) => TypeClass::Other,
            (class, _) => class,
        };
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_have_the_affinity_that_sqlite_gives_them() {
        for (declared, expected) in [
            ("INTEGER", TypeClass::Integer),
            ("BIGINT UNSIGNED", TypeClass::Integer),
            ("FLOATING POINT", TypeClass::Integer),
            ("CHARINT", TypeClass::Integer),
            ("varchar(20)", TypeClass::Text),
            ("CLOB", TypeClass::Text),
            ("", TypeClass::Untyped),
            ("BLOB", TypeClass::Untyped),
            ("ANY", TypeClass::Untyped),
            ("double precision", TypeClass::Float),
            ("DATE", TypeClass::Date),
            ("JSON", TypeClass::Json),
            ("DATETIME", TypeClass::Timestamp),
            ("timestamp(6) with time zone", TypeClass::Timestamp),
            ("DECIMAL(10,2)", TypeClass::Decimal),
            ("UUID", TypeClass::Decimal),
            ("STRING", TypeClass::Decimal),
        ] {
            assert_eq!(class(declared), expected, "{declared}");
        }
    }
}
