//! A column as an expression: itself, and the text of its value.

use super::super::{
    mysql, quote_identifier, quote_literal,
    selection::{ColumnRef, TypeClass},
};
use crate::policy::Dialect;

/// `t."name"`, or the same of another row of the statement.
pub(in crate::sql) fn column(column: &ColumnRef) -> String {
    format!("{}.{}", column.side.alias(), quote_identifier(&column.name))
}

/// The value's text, compared byte by byte; total. What strategies are given, and what patterns are matched with.
///
/// PostgreSQL: addresses come without the length of a full prefix, bytes in the notation that keeps ASCII readable and
/// exists for any bytes. An explicit "C" because patterns refuse nondeterministic collations, and so that neither the
/// column's collation nor the database's decides. MariaDB: the bytes of the text in UTF-8, because its collations take
/// texts for equal that differ in blanks at their ends.
pub(in crate::sql) fn text_of(dialect: Dialect, of: &ColumnRef) -> String {
    let name = column(of);
    match (dialect, of.class) {
        (Dialect::Postgres, TypeClass::Bytes) => format!("(encode({name}, 'escape') COLLATE \"C\")"),
        (Dialect::Postgres, TypeClass::Inet) => format!("(abbrev({name}::inet) COLLATE \"C\")"),
        (Dialect::Postgres, _) => format!("({name}::text COLLATE \"C\")"),
        (Dialect::Sqlite, _) => format!("(CAST({name} AS TEXT) COLLATE BINARY)"),
        (Dialect::Mysql, TypeClass::Bytes) => bytes(of),
        (Dialect::Mysql, _) => format!("CAST(CONVERT({name} USING utf8mb4) AS BINARY)"),
    }
}

/// Whether the column's text matches a pattern; not TRUE for NULL.
pub(in crate::sql) fn matches(dialect: Dialect, of: &ColumnRef, pattern: &str) -> String {
    let text = text_of(dialect, of);
    match dialect {
        Dialect::Postgres => format!("{text} ~ {}", quote_literal(dialect, pattern)),
        Dialect::Sqlite => format!("CASE WHEN {} THEN {text} REGEXP {} ELSE FALSE END", is_ascii(of), quote_literal(dialect, pattern)),
        Dialect::Mysql => format!("{} REGEXP {}", characters(of), quote_literal(dialect, &mysql::pattern(pattern))),
    }
}

/// MariaDB: the value's characters, which patterns are matched with. Any byte is one in Latin-1, so that none is found invalid, which an
/// UPDATE would fail of.
pub(super) fn characters(of: &ColumnRef) -> String {
    match of.class {
        TypeClass::Bytes => format!("(CONVERT({} USING latin1) COLLATE latin1_bin)", bytes(of)),
        _ => format!("(CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin)", column(of)),
    }
}

/// MariaDB: the bytes of a value, without those that fill it up to the length of its type.
fn bytes(of: &ColumnRef) -> String {
    let name = column(of);
    if of.declared.to_ascii_lowercase().starts_with("binary(") { format!("trim(TRAILING 0x00 FROM {name})") } else { name }
}

/// SQLite: whether the column's text is printable ASCII. Any bytes can be stored as text there, and `REGEXP` raises an
/// error for those that aren't UTF-8. Every pattern of ours takes ASCII alone, so nothing else has to be asked. `GLOB`
/// stops at a NUL; hence the second half.
pub(super) fn is_ascii(of: &ColumnRef) -> String {
    is_ascii_text(&text_of(Dialect::Sqlite, of), &column(of))
}

/// The same of any text, and of the value that it is the text of.
pub(super) fn is_ascii_text(text: &str, value: &str) -> String {
    format!("{text} NOT GLOB '*[^ -~]*' AND instr(CAST({value} AS BLOB), x'00') = 0")
}
