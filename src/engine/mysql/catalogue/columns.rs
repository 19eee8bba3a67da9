//! Columns, what their types mean to a statement, and what we may do with them.

use sqlparser::{
    dialect::{MySqlDialect, SQLiteDialect},
    tokenizer::{Token, Tokenizer},
};
use sqlx::{Row as _, mysql::MySqlRow};

use super::{WHAT, about, read};
use crate::{
    engine::{
        Error,
        mysql::{
            Flavour,
            errors::DENIED,
            session::{Transaction, text, word},
        },
        shape::{Column, Privileges},
    },
    policy::Dialect,
    sql::{
        qualified, quote_identifier,
        selection::{TableRef, TypeClass},
    },
};

/// The columns, and whether we may read all of them.
pub(super) async fn of(transaction: &mut Transaction, table: &TableRef, flavour: Flavour) -> Result<(Vec<Column>, Privileges), Error> {
    let select = "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, EXTRA, \
                  GENERATION_EXPRESSION, PRIVILEGES FROM information_schema.COLUMNS";
    let rows = about(transaction, select, ["TABLE_SCHEMA", "TABLE_NAME"], table, "ORDER BY ORDINAL_POSITION").await?;
    let mut columns = read(&rows, column)?;
    if flavour == Flavour::MariaDb {
        tell_documents(transaction, table, &mut columns).await?;
    }
    let granted = read(&rows, |row| word(row, 8))?;
    let privileges = Privileges { select: !granted.is_empty() && granted.iter().all(|granted| may(granted, "select")), delete: false };
    Ok((columns, privileges))
}

/// MariaDB has no type JSON but a text with a check, which only the table's own text shows to everybody who may read it.
async fn tell_documents(transaction: &mut Transaction, table: &TableRef, columns: &mut [Column]) -> Result<(), Error> {
    if !columns.iter().any(|column| column.declared.starts_with("longtext")) {
        return Ok(());
    }
    let show = format!("SHOW CREATE TABLE {}", qualified(Dialect::Mysql, table));
    let text = match transaction.ask(WHAT, &show).await {
        Err(failure) if failure.is(&DENIED) => return Ok(()),
        rows => read(&rows?, |row| word(row, 1))?.concat(),
    };
    let is_document = |column: &&mut Column| text.contains(&format!("CHECK (json_valid({}))", quote_identifier(&column.name)));
    for column in columns.iter_mut().filter(is_document) {
        (column.class, column.declared) = (TypeClass::Json, "json".to_owned());
    }
    Ok(())
}

fn column(row: &MySqlRow) -> Result<Column, sqlx::Error> {
    let (name, data_type, mut declared) = (word(row, 0)?, word(row, 1)?, word(row, 2)?);
    let collation = text(row, 3)?;
    let labels = if matches!(data_type.as_str(), "enum" | "set") { labels_in(&declared) } else { Vec::new() };
    let class = class(&data_type, collation.as_deref());
    // Held values are compared in the column's collation, and new ones written in its character set: its type's text has to tell.
    if let Some(collation) = &collation {
        declared = format!("{declared} COLLATE {collation}");
    }
    let longest: Option<u64> = row.try_get(5)?;
    let expression = text(row, 7)?.filter(|expression| !expression.is_empty());
    let extra = word(row, 6)?.to_ascii_lowercase();
    Ok(Column {
        name,
        class,
        declared,
        // The others hold more than any text that is written here.
        max_length: longest.filter(|_| is_short(&data_type)).and_then(|longest| u32::try_from(longest).ok()),
        nullable: word(row, 4)? == "YES",
        generated: expression.is_some(),
        numbered: false,
        computed_from: expression.map(|expression| names_in(&expression)).unwrap_or_default(),
        touched: extra.contains("on update"),
        updatable: may(&word(row, 8)?, "update"),
        insertable: may(&word(row, 8)?, "insert"),
        fixed: None,
        labels,
    })
}

/// Every name in an expression, which the server writes as our session's mode has it: in double quotes. A name of something
/// else does no harm, unless a column has it.
pub(super) fn names_in(expression: &str) -> Vec<String> {
    let tokens = Tokenizer::new(&MySqlDialect {}, expression).tokenize().unwrap_or_default();
    let name = |token| match token {
        Token::Word(word) => Some(word.value),
        Token::DoubleQuotedString(name) => Some(name),
        _ => None,
    };
    tokens.into_iter().filter_map(name).collect()
}

/// The labels in the text of an ENUM or a SET. No backslash in it escapes anything.
fn labels_in(declared: &str) -> Vec<String> {
    let tokens = Tokenizer::new(&SQLiteDialect {}, declared).tokenize().unwrap_or_default();
    let label = |token| if let Token::SingleQuotedString(label) = token { Some(label) } else { None };
    tokens.into_iter().filter_map(label).collect()
}

/// Whether a privilege is among those that the server lists for a column.
fn may(granted: &str, privilege: &str) -> bool {
    granted.split(',').any(|word| word == privilege)
}

/// Types whose longest text a table's author chose, or that is as short.
fn is_short(data_type: &str) -> bool {
    matches!(data_type, "char" | "varchar" | "tinytext" | "binary" | "varbinary" | "tinyblob")
}

fn class(data_type: &str, collation: Option<&str>) -> TypeClass {
    match data_type {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => TypeClass::Integer,
        "float" | "double" => TypeClass::Float,
        "decimal" => TypeClass::Decimal,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => match collation {
            Some(collation) if collation.ends_with("nopad_bin") || collation == "utf8mb4_0900_bin" => TypeClass::Text,
            // Bytes decide, but for blanks at the end.
            Some(collation) if collation.ends_with("_bin") => TypeClass::PaddedText,
            _ => TypeClass::FoldedText,
        },
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => TypeClass::Bytes,
        "date" => TypeClass::Date,
        "datetime" => TypeClass::Timestamp,
        "timestamp" => TypeClass::TimestampTz,
        "uuid" => TypeClass::Uuid,
        "inet4" | "inet6" => TypeClass::Inet,
        "json" => TypeClass::Json,
        "enum" => TypeClass::Enum,
        "bit" => TypeClass::Bits,
        _ => TypeClass::Other,
    }
}
