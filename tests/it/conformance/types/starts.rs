//! Starts of every type: what is before the cut-off goes, on every way and in batches of one row; everything else stays.

use std::collections::BTreeSet;

use retentiond::{
    policy::{Dialect, StartFormat},
    sql::selection::{Act, Way},
};

use super::{
    super::ground::Ground,
    subjects::{permissive, types_of},
};

/// A type, how times are written in it, and values as SQL: those that are due, and those that stay.
type Start = (&'static str, StartFormat, &'static [&'static str], &'static [&'static str]);

const POSTGRES: &[Start] = &[
    (
        "timestamptz",
        StartFormat::Timestamp,
        &["'2025-12-31 23:59:59.999999+00'", "'0044-03-15 12:00:00+00 BC'", "'4714-11-24 00:00:00+00 BC'", "'1800-01-01 00:00:00+00'"],
        &["'2026-01-01 00:00:00+00'", "'infinity'", "'-infinity'", "'294276-12-31 23:59:59.999999+00'", "'10000-01-01+00'", "NULL"],
    ),
    (
        "timestamp",
        StartFormat::Timestamp,
        &["'2025-12-31 23:59:59.999999'", "'0044-03-15 12:00:00 BC'"],
        &["'2026-01-01 00:00:00'", "'infinity'", "'-infinity'", "'294276-12-31'", "NULL"],
    ),
    (
        "date",
        StartFormat::Date,
        &["'2025-12-30'", "'0044-03-15 BC'", "'4714-11-24 BC'"],
        &["'2025-12-31'", "'infinity'", "'-infinity'", "'5874897-12-31'", "'10000-01-01'"],
    ),
    (
        "numeric",
        StartFormat::UnixS,
        &["1767225599.999999", "1767225599"],
        &["1767225600", "'NaN'", "'Infinity'", "'-Infinity'", "-1", "1e50"],
    ),
    ("double precision", StartFormat::UnixS, &["1767225599.5"], &["1767225600", "'NaN'", "'Infinity'", "'-Infinity'", "1e300", "0"]),
    ("integer", StartFormat::UnixS, &["1767225599"], &["1767225600", "0", "-1", "2147483647"]),
    ("numeric(14,0)", StartFormat::Compact, &["20251231235959"], &["20260101000000", "20251331000000", "1"]),
    ("char(14)", StartFormat::Compact, &["'20251231235959'"], &["'20260101000000'", "'2025'", "''"]),
    ("bytea", StartFormat::Compact, &["'20251231235959'"], &["'20260101000000'", "'\\x00ff'"]),
    (
        "citext",
        StartFormat::Iso8601,
        &["'2025-12-31T23:59:59Z'"],
        &["'2026-01-01T00:00:00Z'", "'infinity'", "'12025-01-01'", "'0044-03-15 BC'"],
    ),
    ("text COLLATE folded", StartFormat::Iso8601, &["'2025-12-30'"], &["'2026-01-01'", "'x'"]),
    ("moment", StartFormat::Timestamp, &["'2025-12-31 23:59:59+00'"], &["'2026-01-01+00'", "'infinity'"]),
    ("epoch", StartFormat::UnixMs, &["1767225599999"], &["1767225600000", "1"]),
];

const MARIADB: &[Start] = &[
    (
        "datetime(6)",
        StartFormat::Timestamp,
        &["'2025-12-31 23:59:59.999999'", "'1000-01-01'"],
        &["'2026-01-01 00:00:00'", "'0000-00-00'", "'2024-00-15'", "'2024-02-31'", "'9999-12-31 23:59:59.999999'", "NULL"],
    ),
    ("datetime", StartFormat::Timestamp, &["'2025-12-31 23:59:59'"], &["'2026-01-01 00:00:00'", "'2024-00-15'", "'0000-00-00'"]),
    (
        "timestamp(3) NULL",
        StartFormat::Timestamp,
        &["'2025-12-31 23:59:59.999'"],
        &["'2026-01-01 00:00:00'", "'0000-00-00'", "'2038-01-19 03:14:07'"],
    ),
    ("date", StartFormat::Date, &["'2025-12-30'"], &["'2025-12-31'", "'0000-00-00'", "'2024-00-15'", "'2024-02-31'", "'9999-12-31'"]),
    ("bigint unsigned", StartFormat::UnixMs, &["1767225599999"], &["1767225600000", "18446744073709551615", "0"]),
    ("int", StartFormat::UnixS, &["1767225599"], &["1767225600", "-1", "2147483647"]),
    ("decimal(20,6)", StartFormat::UnixS, &["1767225599.999999"], &["1767225600", "-1", "99999999999999"]),
    ("double", StartFormat::UnixS, &["1767225599.5"], &["1767225600", "1e300", "-1e300", "0"]),
    ("decimal(14,0)", StartFormat::Compact, &["20251231235959"], &["20260101000000", "1"]),
    ("binary(14)", StartFormat::Compact, &["'20251231235959'"], &["'20260101000000'", "''", "x'00ff'"]),
    ("char(14)", StartFormat::Compact, &["'20251231235959'"], &["'20260101000000'", "'2025123123595x'"]),
    (
        "varchar(40) COLLATE latin1_german2_ci",
        StartFormat::Iso8601,
        &["'2025-12-31T23:59:59Z'"],
        &["'2026-01-01T00:00:00Z'", "'0000-00-00'", "'ü'"],
    ),
    ("varchar(40)", StartFormat::UnixS, &["'1767225599'"], &["'1767225600'", "'1767225599x'", "'99999999999999999999'"]),
    ("longtext", StartFormat::Iso8601, &["'2025-12-30'"], &["'2026-01-01'"]),
];

const SQLITE: &[Start] = &[
    (
        "DATETIME",
        StartFormat::Iso8601,
        &["'2025-12-31 23:59:59'", "'2025-12-30'"],
        // A Julian day, an epoch and bytes are no ISO 8601.
        &["2460676.5", "1700000000", "x'00ff'", "'2026-01-01'", "'0000-00-00'", "'-infinity'", "'12025-01-01'", "''", "NULL"],
    ),
    (
        "INTEGER",
        StartFormat::UnixS,
        &["1767225599", "'1767225599'", "1767225599.5"],
        &["1767225600", "'soon'", "x'31'", "2460676.5", "9e999", "-9e999"],
    ),
    ("", StartFormat::Iso8601, &["'2025-12-31T23:59:59Z'", "x'323032352d31322d3330'"], &["20251230", "x'00'", "'2026-01-01'"]),
    ("TEXT COLLATE NOCASE", StartFormat::Compact, &["'20251231235959'"], &["'20260101000000'", "x'ff'"]),
];

pub async fn starts_of_every_type_end_at_the_cut_off(ground: &Ground) {
    ground.with_workspace().await;
    types_of(ground);
    let dialect = ground.dialect();
    if dialect == Dialect::Postgres {
        ground.execute("CREATE DOMAIN moment AS timestamptz CHECK (value > '2000-01-01'); CREATE DOMAIN epoch AS positive");
    }
    for (sql_type, format, due, stays) in of(dialect) {
        ground.execute(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, at {sql_type})"));
        if !matches!(*sql_type, "longtext") {
            ground.execute("CREATE INDEX t_at ON t (at)");
        }
        let rows: Vec<String> = due.iter().chain(*stays).enumerate().map(|(id, at)| format!("({id}, {at})")).collect();
        let rule = ground.rule("t").await.start("at", *format);
        let expected: BTreeSet<i64> = (due.len()..rows.len()).map(|id| i64::try_from(id).expect("few")).collect();
        for way in ground.engine.ways(&rule.shape, &[], Some("at")) {
            // One row a batch: each value is a place to go on from. A block of a heap has no smaller parts that are worth it.
            let size = if way == Way::Blocks { 1_000 } else { 1 };
            ground.execute(&format!("DELETE FROM t; {}INSERT INTO t VALUES {}", permissive(dialect), rows.join(", ")));
            ground.sweep(&rule.selection, &way, size, &Act::Delete).await;
            assert_eq!(ground.ids("t"), expected, "{sql_type} as {format:?} on {way:?}");
        }
    }
}

/// The types of an engine as a table for people, with the formats that are tested in them.
pub fn table(dialect: Dialect) -> String {
    let mut table = "`start_format` | counts | does not |\n|---|---|---|---|\n".to_owned();
    let code = |values: &[&str]| {
        let bare = |value: &str| value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value).to_owned();
        let shown = values.iter().map(|value| bare(value)).filter(|value| !value.is_empty() && value != "NULL");
        shown.map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
    };
    for (sql_type, format, due, stays) in of(dialect) {
        let sql_type = if sql_type.is_empty() { "none" } else { sql_type };
        let implausible: Vec<&str> = stays.iter().copied().filter(|value| !is_later(value)).collect();
        table.push_str(&format!("| `{sql_type}` | `{}` | {} | {} |\n", format.name(), code(due), code(&implausible)));
    }
    table
}

/// A start that only has not ended.
fn is_later(value: &str) -> bool {
    ["2026", "1767225600", "2025-12-31", "2038", "2147483647"].iter().any(|later| value.trim_start_matches('\'').starts_with(later))
}

fn of(dialect: Dialect) -> &'static [Start] {
    match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MARIADB,
    }
}
