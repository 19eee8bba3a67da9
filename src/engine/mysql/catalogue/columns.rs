//! Columns, what their types mean to a statement, and what we may do with them.

use sqlx::{Row as _, mysql::MySqlRow};

use super::{about, read};
use crate::{
    engine::{
        Error,
        mysql::session::{Transaction, text, word},
        shape::{Column, Privileges},
    },
    sql::selection::{TableRef, TypeClass},
};

/// The columns, and what we may do with all of them (read) or with any (change).
pub(super) async fn of(transaction: &mut Transaction, table: &TableRef) -> Result<(Vec<Column>, Privileges), Error> {
    let select = "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, EXTRA, \
                  GENERATION_EXPRESSION, PRIVILEGES FROM information_schema.COLUMNS";
    let rows = about(transaction, select, ["TABLE_SCHEMA", "TABLE_NAME"], table, "ORDER BY ORDINAL_POSITION").await?;
    let columns = read(&rows, column)?;
    let granted = read(&rows, |row| word(row, 8))?;
    let may = |privilege: &str, granted: &String| granted.split(',').any(|word| word == privilege);
    let privileges = Privileges {
        select: !granted.is_empty() && granted.iter().all(|granted| may("select", granted)),
        delete: false,
        update: granted.iter().any(|granted| may("update", granted)),
    };
    Ok((columns, privileges))
}

fn column(row: &MySqlRow) -> Result<Column, sqlx::Error> {
    let (name, data_type, mut declared) = (word(row, 0)?, word(row, 1)?, word(row, 2)?);
    let collation = text(row, 3)?;
    let class = class(&data_type, collation.as_deref());
    // Held values are compared in the column's collation, which its type's text has to tell.
    if let (TypeClass::FoldedText, Some(collation)) = (class, &collation) {
        declared = format!("{declared} COLLATE {collation}");
    }
    let longest: Option<u64> = row.try_get(5)?;
    let extra = word(row, 6)?.to_ascii_lowercase();
    Ok(Column {
        name,
        class,
        declared,
        // The others hold more than any text that is written here.
        max_length: longest.filter(|_| is_short(&data_type)).and_then(|longest| u32::try_from(longest).ok()),
        nullable: word(row, 4)? == "YES",
        generated: text(row, 7)?.is_some_and(|expression| !expression.is_empty()),
        touched: extra.contains("on update"),
    })
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
        _ => TypeClass::Other,
    }
}
