//! A column as an expression: itself, and the text of its value.

use super::super::{
    quote_identifier, quote_literal,
    selection::{ColumnRef, TypeClass},
};
use crate::policy::Dialect;

/// `t."name"`.
pub(in crate::sql) fn column(column: &ColumnRef) -> String {
    format!("t.{}", quote_identifier(&column.name))
}

/// The value's text, compared byte by byte; total. What strategies are given, and what patterns are matched with.
///
/// PostgreSQL: addresses come without the length of a full prefix, bytes in the notation that keeps ASCII readable and
/// exists for any bytes. An explicit "C" because patterns refuse nondeterministic collations, and so that neither the
/// column's collation nor the database's decides.
pub(in crate::sql) fn text_of(dialect: Dialect, of: &ColumnRef) -> String {
    let name = column(of);
    match (dialect, of.class) {
        (Dialect::Postgres, TypeClass::Bytes) => format!("(encode({name}, 'escape') COLLATE \"C\")"),
        (Dialect::Postgres, TypeClass::Inet) => format!("(abbrev({name}::inet) COLLATE \"C\")"),
        (Dialect::Postgres, _) => format!("({name}::text COLLATE \"C\")"),
        (Dialect::Sqlite, _) => format!("(CAST({name} AS TEXT) COLLATE BINARY)"),
    }
}

/// Whether the column's text matches a pattern; not TRUE for NULL.
pub(in crate::sql) fn matches(dialect: Dialect, of: &ColumnRef, pattern: &str) -> String {
    let (text, pattern) = (text_of(dialect, of), quote_literal(dialect, pattern));
    match dialect {
        Dialect::Postgres => format!("{text} ~ {pattern}"),
        Dialect::Sqlite => format!("CASE WHEN {} THEN {text} REGEXP {pattern} ELSE FALSE END", is_ascii(of)),
    }
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
