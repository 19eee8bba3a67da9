//! Whether an anonymised row, or one of its columns, needs nothing more.

use super::{
    super::{
        mysql, quote_literal,
        selection::{ColumnRef, DoneTest, TypeClass},
    },
    column::{column, matches, text_of},
    document, formula,
};
use crate::policy::Dialect;

/// TRUE, or not: the row is done. `None` for a rule that has no tests (`delete`), whose rows never are.
pub(in crate::sql) fn done(dialect: Dialect, tests: &[DoneTest]) -> Option<String> {
    let parts: Vec<String> = tests.iter().map(|test| one(dialect, test)).collect();
    (!parts.is_empty()).then(|| format!("({})", parts.join(" AND ")))
}

/// TRUE, or not: this column of the row is done. `None` where its value can't tell.
pub(in crate::sql) fn done_in(dialect: Dialect, tests: &[DoneTest], of: &ColumnRef) -> Option<String> {
    tests.iter().find(|test| column_of(test).is_some_and(|tested| tested.name == of.name)).map(|test| one(dialect, test))
}

/// The column whose value tells, by itself.
fn column_of(test: &DoneTest) -> Option<&ColumnRef> {
    match test {
        DoneTest::IsNull(column)
        | DoneTest::Equals { column, .. }
        | DoneTest::Matches { column, .. }
        | DoneTest::Unchanged { column, .. } => Some(column),
        DoneTest::Document { column, .. } => Some(column),
        DoneTest::Marked(_) => None,
    }
}

fn one(dialect: Dialect, test: &DoneTest) -> String {
    match test {
        DoneTest::IsNull(of) => format!("{} IS NULL", column(of)),
        DoneTest::Equals { column: of, value, null_is_done } => {
            let null = if *null_is_done { "IS NULL OR" } else { "IS NOT NULL AND" };
            format!("({} {null} {})", column(of), equals(dialect, of, value))
        }
        DoneTest::Matches { column: of, pattern } => format!("({} IS NULL OR {})", column(of), matches(dialect, of, pattern)),
        DoneTest::Unchanged { column: of, formula } => {
            format!("({0} IS NULL OR {0} = {1})", column(of), formula::applied(dialect, of, formula))
        }
        DoneTest::Document { column: of, places } => document::done(dialect, of, places),
        DoneTest::Marked(of) => marked(dialect, of),
    }
}

/// Text by its bytes, so that a value which the column's collation only takes for the new one is replaced too;
/// everything else in the column's type.
fn equals(dialect: Dialect, of: &ColumnRef, value: &str) -> String {
    use TypeClass::{Bytes, Enum, FoldedText, Json, Other, PaddedText, Text};
    let literal = quote_literal(dialect, value);
    match (dialect, of.class) {
        // Arrays, and `json`, of which no two values can be compared.
        (Dialect::Postgres, Other) => format!("{} = {literal}", text_of(dialect, of)),
        (Dialect::Postgres, Json) if of.declared == "json" => format!("{} = {literal}", text_of(dialect, of)),
        (Dialect::Postgres, Text | FoldedText) => format!("{} = {literal}", text_of(dialect, of)),
        (Dialect::Sqlite, Text | FoldedText) => format!("{} = {literal} COLLATE BINARY", column(of)),
        (Dialect::Mysql, Text | FoldedText | PaddedText | Bytes | Json | Enum | Other) => format!("{} = {literal}", text_of(dialect, of)),
        (Dialect::Mysql, _) => format!("{} = {}", column(of), mysql::literal(of, value)),
        _ => format!("{} = {literal}", column(of)),
    }
}

fn marked(dialect: Dialect, of: &ColumnRef) -> String {
    use TypeClass::{Boolean, Decimal, Float, Integer};
    let name = column(of);
    match (dialect, of.class) {
        (Dialect::Postgres, Boolean) => format!("{name} IS TRUE"),
        (_, Boolean | Integer | Float | Decimal) => format!("({name} IS NOT NULL AND {name} <> 0)"),
        _ => format!("{name} IS NOT NULL"),
    }
}
