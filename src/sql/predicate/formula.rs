//! What a database makes of a value by itself: total, and a second time without effect, so that a value which it leaves
//! as it is is done.

use super::{super::quote_literal, column::column};
use crate::{
    fault,
    policy::{Dialect, Unit},
    sql::selection::{ColumnRef, Formula, TypeClass},
};

/// The formula of the column's value; NULL for NULL.
pub(in crate::sql) fn applied(dialect: Dialect, of: &ColumnRef, formula: &Formula) -> String {
    match (formula, dialect) {
        (Formula::Truncated { unit, .. }, Dialect::Mysql) => truncated_on_mysql(of, *unit),
        (Formula::Truncated { unit, zone }, _) => truncated(of, *unit, zone),
        (Formula::Rounded { to, largest }, Dialect::Mysql) => rounded_on_mysql(of, *to, *largest),
        (Formula::Rounded { to, largest }, Dialect::Postgres) => rounded_on_postgres(of, *to, *largest),
        (Formula::Rounded { to, .. }, Dialect::Sqlite) => rounded_on_sqlite(of, *to),
    }
}

/// Infinite dates stay; those that PostgreSQL's timestamps don't reach become the last that they do.
fn truncated(of: &ColumnRef, unit: Unit, zone: &str) -> String {
    let (name, declared) = (column(of), &of.declared);
    let kind = match of.class {
        TypeClass::TimestampTz => "timestamptz",
        _ => "timestamp",
    };
    let bounded = format!("greatest(least({name}, '200000-01-01'::{declared}), '4000-01-01 BC'::{declared})::{kind}");
    let zone = if of.class == TypeClass::TimestampTz { format!(", {}", quote_literal(Dialect::Postgres, zone)) } else { String::new() };
    format!("CASE WHEN isfinite({name}) THEN date_trunc('{}', {bounded}{zone})::{declared} ELSE {name} END", unit.name())
}

/// Dates that don't exist, such as `0000-00-00`, stay: they tell nothing.
fn truncated_on_mysql(of: &ColumnRef, unit: Unit) -> String {
    let name = column(of);
    let first = match unit {
        Unit::Year => "%Y-01-01",
        Unit::Month => "%Y-%m-01",
        Unit::Day => "%Y-%m-%d",
    };
    let kind = if of.class == TypeClass::Date { "DATE" } else { "DATETIME(6)" };
    format!(
        "CASE WHEN dayofmonth(last_day({name})) > 0 AND dayofmonth({name}) > 0 THEN CAST(date_format({name}, '{first}') AS {kind}) ELSE {name} END"
    )
}

/// By remainders, which are exact: a quotient would be rounded to four digits first.
fn rounded_on_mysql(of: &ColumnRef, to: u64, largest: Option<i128>) -> String {
    let name = column(of);
    let round = if fault::seeded("round-down") { "TRUE" } else { &format!("abs({name} % {to}) * 2 < {to}") };
    let nearest = format!("{name} - {name} % {to} + CASE WHEN {round} THEN 0 WHEN {name} > 0 THEN {to} ELSE -{to} END");
    match largest {
        Some(largest) => format!(
            "CASE WHEN {name} IS NULL THEN NULL WHEN {name} >= {largest} THEN {largest} WHEN {name} <= -{largest} THEN -{largest} ELSE {nearest} END"
        ),
        None => format!("({nearest})"),
    }
}

/// Computed as `numeric`, where nothing overflows.
fn rounded_on_postgres(of: &ColumnRef, to: u64, largest: Option<i128>) -> String {
    let (name, declared) = (column(of), &of.declared);
    let round = if fault::seeded("round-down") { "trunc" } else { "round" };
    let nearest = format!("{round}({name}::numeric / {to}) * {to}");
    let bounded = largest.map_or(nearest.clone(), |largest| format!("greatest(least({nearest}, {largest}), -{largest})"));
    // For NULL too the bounds would be the result: `least` and `greatest` pass over it.
    let stays = match of.class {
        TypeClass::Integer => format!("{name} IS NULL"),
        _ => format!("{name} IS NULL OR {name}::numeric IN ('NaN', 'Infinity', '-Infinity')"),
    };
    format!("CASE WHEN {stays} THEN {name} ELSE ({bounded})::{declared} END")
}

/// Whole numbers are computed as such. Those with a fraction keep to 10^14, so that every multiple is exact. What is no
/// number leaves nothing.
fn rounded_on_sqlite(of: &ColumnRef, to: u64) -> String {
    let name = column(of);
    let largest = i64::try_from(to).map_or(0, |to| i64::MAX / to * to);
    let largest_real = 100_000_000_000_000 / to * to;
    let half = if fault::seeded("round-down") { "TRUE" } else { &format!("abs({name} % {to}) * 2 < {to}") };
    let round = if fault::seeded("round-down") { "trunc" } else { "round" };
    let nothing = if of.nullable { "NULL" } else { "''" };
    format!(
        "CASE typeof({name}) WHEN 'integer' THEN {name} - {name} % {to} + CASE WHEN {half} OR {name} NOT BETWEEN -{largest} AND {largest} \
         THEN 0 WHEN {name} > 0 THEN {to} ELSE -{to} END \
         WHEN 'real' THEN CASE WHEN {name} BETWEEN -{largest_real}.0 AND {largest_real}.0 THEN {round}({name} / {to}.0) * {to}.0 \
         WHEN {name} > 0 THEN {largest_real}.0 ELSE -{largest_real}.0 END \
         WHEN 'null' THEN NULL ELSE {nothing} END"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::fixture::column as fixture;

    #[test]
    fn each_formula_as_text() {
        let rounded = |largest| Formula::Rounded { to: 7, largest };
        let truncated = Formula::Truncated { unit: Unit::Month, zone: "o'clock".to_owned() };
        let texts = [
            applied(Dialect::Postgres, &fixture("a\"ge", TypeClass::Integer, "smallint"), &rounded(Some(32_767))),
            applied(Dialect::Postgres, &fixture("a\"ge", TypeClass::Decimal, "numeric"), &rounded(None)),
            applied(Dialect::Sqlite, &fixture("a\"ge", TypeClass::Integer, "INTEGER"), &rounded(None)),
            applied(Dialect::Postgres, &fixture("bo\"rn", TypeClass::Date, "date"), &truncated),
            applied(Dialect::Postgres, &fixture("bo\"rn", TypeClass::TimestampTz, "timestamp with time zone"), &truncated),
        ];
        insta::assert_snapshot!(texts.join("\n\n"));
    }
}
