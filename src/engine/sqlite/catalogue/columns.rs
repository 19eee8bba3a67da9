//! Columns: declared types, what they mean for a statement, and how their texts compare.

use std::collections::HashMap;

use sqlparser::{
    ast::{ColumnDef, ColumnOption, Expr, Statement as Parsed},
    dialect::SQLiteDialect,
    parser::Parser,
    tokenizer::{Token, Tokenizer},
};
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
    /// The file can be written to.
    pub writable: bool,
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
            numbered: false,
            computed_from: Vec::new(),
            touched: false,
            updatable: facts.writable,
            insertable: facts.writable,
            fixed: None,
            labels: Vec::new(),
        });
    }
    key.sort();
    Ok((columns, key.into_iter().map(|(_, name)| name).collect()))
}

/// Tells what each generated column is computed from, which only the table's own text says. Where it can't be read, that is
/// every column.
pub(super) async fn with_expressions(
    connection: &mut SqliteConnection,
    table: &str,
    mut columns: Vec<Column>,
) -> Result<Vec<Column>, Error> {
    if !columns.iter().any(|column| column.generated) {
        return Ok(columns);
    }
    let statement = Statement {
        text: "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1".to_owned(),
        binds: vec![Cell::Text(table.to_owned())],
    };
    let rows = look_up(connection, &statement).await?;
    let text: String = rows.first().map(|row| get(row, 0)).transpose()?.unwrap_or_default();
    let expressions = expressions(&text);
    let every: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    for column in columns.iter_mut().filter(|column| column.generated) {
        let known = expressions.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
        column.computed_from = known.map_or_else(|| every.clone(), |(_, names)| names.clone());
        // A column that were computed from itself would be moved by nothing else.
        column.computed_from.retain(|name| !name.eq_ignore_ascii_case(&column.name));
    }
    Ok(columns)
}

/// The generated columns in the text of a table, each with every name in its expression.
fn expressions(text: &str) -> Vec<(String, Vec<String>)> {
    let Ok(statements) = Parser::parse_sql(&SQLiteDialect {}, text) else { return Vec::new() };
    let Some(Parsed::CreateTable(table)) = statements.into_iter().next() else { return Vec::new() };
    let names = |expression: &Expr| {
        let tokens = Tokenizer::new(&SQLiteDialect {}, &expression.to_string()).tokenize().unwrap_or_default();
        tokens.into_iter().filter_map(|token| if let Token::Word(word) = token { Some(word.value) } else { None }).collect()
    };
    let generated = |column: ColumnDef| {
        let expression = column.options.iter().find_map(|option| match &option.option {
            ColumnOption::Generated { generation_expr: Some(expression), .. } => Some(names(expression)),
            _ => None,
        });
        expression.map(|names| (column.name.value, names))
    };
    table.columns.into_iter().filter_map(generated).collect()
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
    for column in columns.iter().filter(|column| matches!(column.class, TypeClass::Text | TypeClass::Untyped | TypeClass::Decimal)) {
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

/// Tells text that compares otherwise than its bytes from text that doesn't. Of columns that may hold more than text, the type
/// says it.
pub(super) fn with_collations(mut columns: Vec<Column>, collations: &HashMap<String, Collation>) -> Vec<Column> {
    for column in &mut columns {
        if let (TypeClass::Untyped | TypeClass::Decimal, Some(folds @ (Collation::NoCase | Collation::RTrim))) =
            (column.class, collations.get(&column.name))
        {
            column.declared = format!("{} COLLATE {}", column.declared, folds.name());
        }
        column.class = match (column.class, collations.get(&column.name)) {
            (TypeClass::Text, Some(Collation::NoCase | Collation::RTrim)) => TypeClass::FoldedText,
            (TypeClass::Text | TypeClass::Untyped | TypeClass::Decimal, Some(Collation::Unknown)) => TypeClass::Other,
            (class, _) => class,
        };
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_column_is_computed_from_is_read_from_the_table() {
        let text =
            "CREATE TABLE t (a text, \"b c\" text, d text GENERATED ALWAYS AS (lower(a) || [b c]) VIRTUAL, e int AS (length(D)) STORED)";
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let read = expressions(text);
        assert_eq!(read.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["d", "e"]);
        assert_eq!(read[0].1, owned(&["lower", "a", "b c"]));
        assert_eq!(read[1].1, owned(&["length", "D"]));
        assert!(expressions("CREATE TABLE nonsense (").is_empty());
    }

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
