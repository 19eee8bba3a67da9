//! Law 1 in each notation: what is before the cut-off goes, everything else stays.

use retentiond::policy::{Dialect, Never, StartFormat};

use super::ground::{Ground, ids};

/// A table `t (id, at)` with a row for each value, numbered from 1; deletes and returns the ids that are left.
async fn left_of(ground: &Ground, column_type: &str, format: StartFormat, values: &[&str]) -> Vec<i64> {
    ground.with_workspace().await;
    let column_type = if column_type == "text" { ground.short_text() } else { column_type };
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at {column_type}); CREATE INDEX t_at ON t (at)"));
    let rows: Vec<String> = values.iter().zip(1..).map(|(value, id)| format!("({id}, {value})")).collect();
    let fill = format!("INSERT INTO t (id, at) VALUES {}", rows.join(", "));
    let rule = ground.rule("t").await.start("at", format);
    ground.survivors_of_deleting(&rule, &fill, 3).await.into_iter().collect()
}

pub async fn iso8601_takes_every_notation_in_one_column(ground: &Ground) {
    let due = [
        "'2025-12-31T23:59:59Z'",
        "'2025-12-31 23:59:59'",
        "'2025-12-31T23:59:59.999999Z'",
        "'2026-01-01T00:59:59+01:00'",
        "'2025-12-31T18:59:59-05:00'",
        "'2025-12-30'",
        "'2020-02-29T12:00Z'",
        "'2025-12-31T23:59'",
    ];
    let stays = [
        "'2026-01-01T00:00:00Z'",
        "'2026-01-01T01:00:00+01:00'",
        "'2025-12-31T19:00:00-05:00'",
        "'2026-01-01 00:00:00.000001'",
        "'2025-12-31'",
        "'9999-12-31'",
        "''",
        "NULL",
        "'yesterday'",
        "'0000-00-00'",
        "'-infinity'",
        "'2025-12-31T23:59:59Z; DROP TABLE t'",
        "'2025-13-01T00:00:00Z'",
    ];
    let left = left_of(ground, "text", StartFormat::Iso8601, &[&due[..], &stays].concat()).await;
    assert_eq!(left, (9..=21).collect::<Vec<i64>>());
}

pub async fn what_is_finer_than_a_microsecond_is_the_next_one(ground: &Ground) {
    let due = [
        "'2025-12-31T23:59:59.999999'",
        "'2025-12-31T23:59:59.999999000'",
        "'2025-12-31T23:59:59.999998001'",
        "'2025-12-31T23:59:59,999999000Z'",
        "'2025-12-31T23:59:59.999998999Z'",
        "'2026-01-01 00:59:59.99999900+0100'",
    ];
    let stays = [
        "'2025-12-31T23:59:59.999999001'",
        "'2025-12-31 23:59:59.9999991'",
        "'2025-12-31T23:59:59.999999001Z'",
        "'2025-12-31T23:59:59,9999999Z'",
        "'2026-01-01 00:59:59.99999901+01'",
    ];
    let left = left_of(ground, "text", StartFormat::Iso8601, &[&due[..], &stays].concat()).await;
    assert_eq!(left, (7..=11).collect::<Vec<i64>>());
    ground.execute("DROP TABLE t");
    // A double is read as the shortest decimal that it stands for; between two microseconds there is none at this size.
    let doubles = ["1767225599.999999", "1767225599.5", "1767225599.9999995", "1767225600"];
    assert_eq!(left_of(ground, "double precision", StartFormat::UnixS, &doubles).await, [3, 4]);
    ground.execute("DROP TABLE t");
    let finer_than_a_double = ["1767225599999.999", "1767225599999.998001", "1767225599999.9990001", "1767225600000.0"];
    let decimals = ground.pick("", "numeric", "decimal(30,10)");
    if !decimals.is_empty() {
        assert_eq!(left_of(ground, decimals, StartFormat::UnixMs, &finer_than_a_double).await, [3, 4]);
    }
}

pub async fn plain_dates_count_from_the_next_day(ground: &Ground) {
    let values = ["'2025-12-30'", "'2025-12-31'", "'2026-01-01'", "'1999-01-01'", "NULL"];
    assert_eq!(left_of(ground, "date", StartFormat::Date, &values).await, [2, 3, 5]);
    ground.execute("DROP TABLE t");
    let awkward = ["'2025-12-30'", "'2025-12-31'", "'30.12.2025'", "''", "'2025-12-30T00:00:00Z'"];
    assert_eq!(left_of(ground, "text", StartFormat::Date, &awkward).await, [2, 3, 4, 5]);
    if ground.dialect() == Dialect::Mysql {
        ground.execute("DROP TABLE t");
        let no_dates = ["'2025-12-30'", "'0000-00-00'", "'2025-00-00'", "'2025-12-00'", "'9999-12-31'"];
        assert_eq!(left_of(ground, "date", StartFormat::Date, &no_dates).await, [2, 3, 4, 5]);
    }
}

pub async fn epochs_in_numbers_and_in_text(ground: &Ground) {
    for (format, before, at, before_1980, far) in [
        (StartFormat::UnixS, "1767225599", "1767225600", "315532799", "99999999999"),
        (StartFormat::UnixMs, "1767225599999", "1767225600000", "315532799999", "99999999999999"),
        (StartFormat::UnixUs, "1767225599999999", "1767225600000000", "315532799999999", "99999999999999999"),
    ] {
        let numbers = [before, at, before_1980, far, "0", "-1", "NULL"];
        assert_eq!(left_of(ground, "bigint", format, &numbers).await, [2, 3, 4, 5, 6, 7], "{format:?} as number");
        ground.execute("DROP TABLE t");
        let mut quoted: Vec<String> = numbers[..6].iter().map(|number| format!("'{number}'")).collect();
        quoted.extend(["''".to_owned(), "'12x'".to_owned(), "'99999999999999999999999'".to_owned(), "NULL".to_owned()]);
        let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
        assert_eq!(left_of(ground, "text", format, &quoted).await, (2..=10).collect::<Vec<i64>>(), "{format:?} as text");
        ground.execute("DROP TABLE t");
    }
}

pub async fn compact_in_text_and_in_numbers(ground: &Ground) {
    let text = ["'20251231235959'", "'20260101000000'", "'20251231'", "'2025123123595x'", "''", "NULL"];
    assert_eq!(left_of(ground, "text", StartFormat::Compact, &text).await, [2, 3, 4, 5, 6]);
    ground.execute("DROP TABLE t");
    let numbers = ["20251231235959", "20260101000000", "20251231", "NULL"];
    assert_eq!(left_of(ground, "bigint", StartFormat::Compact, &numbers).await, [2, 3, 4]);
    if ground.dialect() == Dialect::Mysql {
        for bytes in ["binary(14)", "varbinary(14)"] {
            ground.execute("DROP TABLE t");
            assert_eq!(left_of(ground, bytes, StartFormat::Compact, &text).await, [2, 3, 4, 5, 6], "{bytes}");
        }
    }
}

pub async fn native_timestamps(ground: &Ground) {
    let values = ["'2025-12-31 23:59:59'", "'2026-01-01 00:00:00'", "'2025-12-31 23:59:59.999999'", "'1970-01-01 00:00:00'", "NULL"];
    let format = if ground.dialect() == Dialect::Sqlite { StartFormat::Iso8601 } else { StartFormat::Timestamp };
    assert_eq!(left_of(ground, ground.pick("timestamp", "timestamp", "datetime(6)"), format, &values).await, [2, 5]);
    if ground.dialect() == Dialect::Mysql {
        ground.execute("DROP TABLE t");
        let values = [
            "'2025-12-31 23:59:59'",
            "'2026-01-01 00:00:00'",
            "'2025-12-31 23:59:59.999999'",
            "'1970-01-01 00:00:01'",
            "NULL",
            "'2038-01-19 03:14:07'",
            "'0000-00-00 00:00:00'",
        ];
        assert_eq!(left_of(ground, "timestamp(6) NULL DEFAULT NULL", format, &values).await, [2, 5, 6, 7]);
        ground.execute("DROP TABLE t");
        let no_dates = ["'0000-00-00 00:00:00'", "'2025-00-00 10:00:00'", "'2025-12-00 00:00:00'", "'9999-12-31 23:59:59'"];
        assert_eq!(left_of(ground, "datetime", format, &no_dates).await, [1, 2, 3, 4]);
    }
}

pub async fn values_that_mean_no_date(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, at text);
         INSERT INTO t VALUES (1, '1999-12-31'), (2, '1999-12-30'), (3, NULL), (4, ''), (5, 'soon'), (6, '2026-06-01')",
    );
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).never(vec![Never::Text("1999-12-31".to_owned())]);
    let counts = ground.engine.count(&rule.selection, &rule.whole(ground)).await.expect("counts");
    assert_eq!((counts.total, counts.undated, counts.running, counts.due, counts.implausible), (6, 4, 1, 1, 1));
    assert_eq!(ground.survivors_of_deleting(&rule, "INSERT INTO t VALUES (1, '1999-12-31'), (2, '1999-12-30')", 10).await, ids([1]));
}
