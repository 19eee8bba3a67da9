//! Every strategy on columns of every type that it fits: what it leaves, that it knows its own work again, and that a
//! second sweep finds nothing to do.

use std::collections::BTreeSet;

use retentiond::{
    anonymise::{self, Target},
    engine::shape::Shape,
    policy::{Dialect, JsonPath, StartFormat, StrategySpec, Unit},
    secret::Keys,
    sql::selection::{Act, Assignment, DoneTest},
};

use super::ground::{CUTOFF, Ground};

/// The column `v` of a table `t`, and what the strategy is told of it.
pub async fn target(ground: &Ground) -> Target {
    target_of(ground, &ground.shape("t").await, "v")
}

fn target_of(ground: &Ground, shape: &Shape, name: &str) -> Target {
    let column = shape.column(name).expect("the column");
    Target {
        column: column.to_ref(),
        dialect: ground.dialect(),
        timezone: "Europe/Berlin".to_owned(),
        max_length: column.max_length,
        unique: shape.is_unique(name),
        generated: column.generated,
    }
}

/// Asserts that a column of this type, with these values (as SQL), holds those texts after a sweep, and that every row is
/// done then.
pub async fn becomes(ground: &Ground, sql_type: &str, spec: &StrategySpec, values: &[(&str, Option<&str>)]) {
    let rows: Vec<String> = values.iter().enumerate().map(|(id, (old, _))| format!("({id}, '2020-01-01', {old})")).collect();
    ground.execute(&format!(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, at text, v {sql_type}); INSERT INTO t VALUES {}",
        rows.join(", ")
    ));
    let target = target(ground).await;
    let strategy = anonymise::strategy(spec, &Keys::default()).expect("a strategy");
    strategy.fits(&target).expect("it fits");
    let done = strategy.done(&target).expect("the value tells");
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).done(done);
    let assignments = vec![Assignment { column: target.column.clone(), value: strategy.value(&target) }];
    let act = Act::Anonymise { assignments, mark: None, at: CUTOFF.parse().expect("an instant") };
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    ground.sweep(&rule.selection, &way, 100, &act).await;
    let expected: Vec<Option<String>> = values.iter().map(|(_, new)| new.map(str::to_owned)).collect();
    assert_eq!(ground.column("v", "FROM t ORDER BY id"), expected, "{spec:?} on {sql_type}");
    let counts = ground.engine.count(&rule.selection, &rule.whole(ground)).await.expect("counts");
    assert_eq!((counts.done, counts.due), (values.len() as u64, 0), "{spec:?} on {sql_type} knows its own work");
    assert_eq!(ground.sweep(&rule.selection, &way, 100, &act).await.iter().sum::<u64>(), 0, "{spec:?} on {sql_type} acts again");
}

pub async fn masks_keep_the_shape(ground: &Ground) {
    ground.with_workspace().await;
    let values = [
        ("'ann@example.com'", Some("a***@example.com")),
        ("'ünal@example.com'", Some("****@example.com")),
        ("'+46 70 123 45 67'", Some("+** ** *** ** 67")),
        ("'Ann o''Hara'", Some("***")),
        ("'a***@example.com'", Some("a***@example.com")),
        ("''", Some("")),
        ("NULL", None),
    ];
    for sql_type in
        ["text", "varchar(40)", ground.pick("TEXT COLLATE NOCASE", "text COLLATE \"en-x-icu\"", "text COLLATE utf8mb4_unicode_ci")]
    {
        becomes(ground, sql_type, &StrategySpec::Mask, &values).await;
    }
    // Servers take no longer text: where the mask would be, less is left.
    let cut = ground.pick("a***@example.com", "***", "***");
    becomes(ground, "varchar(13)", &StrategySpec::Mask, &[("'a@example.com'", Some(cut)), ("'bert@e.com'", Some("b***@e.com"))]).await;
    becomes(
        ground,
        ground.pick("", "char(20)", "char(20)"),
        &StrategySpec::Mask,
        &[("'0701234567'", Some("********67")), ("'-'", Some("***"))],
    )
    .await;
}

pub async fn dates_are_truncated_in_the_zone_that_they_have(ground: &Ground) {
    ground.with_workspace().await;
    let month = StrategySpec::DateTrunc { unit: Unit::Month };
    let texts = [
        ("'2024-03-17'", Some("2024-03-01")),
        ("'2024-03-17 23:45:06.5'", Some("2024-03-01 00:00:00.0")),
        ("'2024-03-01T00:30:00+02:00'", Some("2024-03-01T00:00:00+02:00")),
        ("'in March'", None),
        ("''", Some("")),
        ("NULL", None),
    ];
    becomes(ground, "text", &month, &texts).await;
    becomes(ground, "text NOT NULL", &month, &[("'in March'", Some("")), ("'2024-03-17'", Some("2024-03-01"))]).await;
    let year = StrategySpec::DateTrunc { unit: Unit::Year };
    if ground.dialect() == Dialect::Sqlite {
        becomes(ground, "DATETIME NOT NULL", &year, &[("'2024-03-17 10:00:00'", Some("2024-01-01 00:00:00")), ("1710633600", Some(""))])
            .await;
        return;
    }
    if ground.dialect() == Dialect::Mysql {
        return dates_are_truncated_on_mariadb(ground).await;
    }
    let dates = [
        ("'2024-03-17'", Some("2024-01-01")),
        ("'0044-03-15 BC'", Some("0044-01-01 BC")),
        ("'4714-11-24 BC'", Some("4000-01-01 BC")),
        ("'5874897-12-31'", Some("200000-01-01")),
        ("'infinity'", Some("infinity")),
        ("'-infinity'", Some("-infinity")),
        ("NULL", None),
    ];
    becomes(ground, "date", &year, &dates).await;
    let naive = [("'2024-03-17 23:45:06.5'", Some("2024-03-01 00:00:00")), ("'infinity'", Some("infinity"))];
    becomes(ground, "timestamp(3)", &month, &naive).await;
    // The rule's zone is Europe/Berlin; the texts are in UTC.
    let instants = [
        ("'2024-03-01 00:30:00+02'", Some("2024-01-31 23:00:00+00")),
        ("'2024-02-29 23:30:00+00'", Some("2024-02-29 23:00:00+00")),
        ("'2024-07-17 10:00:00+00'", Some("2024-06-30 22:00:00+00")),
        ("'infinity'", Some("infinity")),
    ];
    becomes(ground, "timestamptz", &month, &instants).await;
    // A day that begins an hour late, and one whose first hour comes twice.
    let day = StrategySpec::DateTrunc { unit: Unit::Day };
    becomes(ground, "timestamptz(0)", &day, &[("'2024-03-31 10:00:00+00'", Some("2024-03-30 23:00:00+00"))]).await;
}

/// Dates that don't exist tell nothing and stay. The server may know no zone, so that instants are only truncated in UTC.
async fn dates_are_truncated_on_mariadb(ground: &Ground) {
    let (month, year) = (StrategySpec::DateTrunc { unit: Unit::Month }, StrategySpec::DateTrunc { unit: Unit::Year });
    let dates = [
        ("'2024-03-17'", Some("2024-01-01")),
        ("'0001-02-03'", Some("0001-01-01")),
        ("'9999-12-31'", Some("9999-01-01")),
        ("'0000-00-00'", Some("0000-00-00")),
        ("'2024-03-00'", Some("2024-03-00")),
        ("NULL", None),
    ];
    becomes(ground, "date", &year, &dates).await;
    becomes(ground, "datetime", &month, &[("'2024-03-17 23:45:06'", Some("2024-03-01 00:00:00"))]).await;
    becomes(ground, "datetime(3)", &month, &[("'2024-03-17 23:45:06.5'", Some("2024-03-01 00:00:00.000"))]).await;
    ground.execute("DROP TABLE t; CREATE TABLE t (id integer PRIMARY KEY, at text, v timestamp NULL DEFAULT NULL)");
    let strategy = anonymise::strategy(&month, &Keys::default()).expect("a strategy");
    let berlin = target(ground).await;
    assert!(strategy.fits(&berlin).is_err());
    strategy.fits(&Target { timezone: "UTC".to_owned(), ..berlin }).expect("it fits");
}

pub async fn numbers_are_rounded_within_their_type(ground: &Ground) {
    ground.with_workspace().await;
    let ten = StrategySpec::Round { to: 10 };
    let small = [("14", Some("10")), ("15", Some("20")), ("-15", Some("-20")), ("-4", Some("0")), ("20", Some("20")), ("NULL", None)];
    for sql_type in ["integer", "bigint", "integer NOT NULL"] {
        let values = if sql_type.ends_with("NULL") { &small[..5] } else { &small };
        becomes(ground, sql_type, &ten, values).await;
    }
    let largest = [("9223372036854775807", Some("9223372036854775800")), ("-9223372036854775808", Some("-9223372036854775800"))];
    becomes(ground, "bigint", &ten, &largest).await;
    becomes(ground, "bigint", &StrategySpec::Round { to: 7 }, &[("10", Some("7")), ("11", Some("14")), ("-11", Some("-14"))]).await;
    let decimals = ground.pick("REAL", "double precision", "double");
    let whole = |sqlite: &'static str, server: &'static str| Some(ground.pick(sqlite, server, server));
    becomes(ground, decimals, &ten, &[("14.99", whole("10.0", "10")), ("-25.5", whole("-30.0", "-30")), ("5", whole("10.0", "10"))]).await;
    becomes(ground, decimals, &ten, &[("1e300", whole("100000000000000.0", "100000000000000"))]).await;
    becomes(ground, "numeric(5,2)", &ten, &[("999.99", whole("1000", "990.00")), ("4.99", whole("0", "0.00"))]).await;
    if ground.dialect() == Dialect::Postgres {
        becomes(ground, "smallint", &ten, &[("32767", Some("32760")), ("-32768", Some("-32760"))]).await;
        becomes(ground, "numeric", &ten, &[("14.5", Some("10")), ("'NaN'", Some("NaN")), ("'-Infinity'", Some("-Infinity"))]).await;
        becomes(ground, "double precision", &ten, &[("'NaN'", Some("NaN")), ("'Infinity'", Some("Infinity"))]).await;
    } else if ground.dialect() == Dialect::Mysql {
        becomes(ground, "smallint", &ten, &[("32767", Some("32760")), ("-32768", Some("-32760"))]).await;
        becomes(ground, "tinyint unsigned", &ten, &[("255", Some("250")), ("4", Some("0"))]).await;
        becomes(ground, "bigint unsigned", &ten, &[("18446744073709551615", Some("18446744073709551610"))]).await;
    } else {
        becomes(ground, "INTEGER", &ten, &[("'many'", None), ("''", None), ("14.5", Some("10")), ("x'00'", None)]).await;
        becomes(ground, "INTEGER NOT NULL", &ten, &[("'many'", Some("")), ("16", Some("20"))]).await;
    }
}

/// A mark makes the whole row act, also where the value of a column is NULL.
pub async fn null_stays_null_beside_a_column_that_changes(ground: &Ground) {
    ground.with_workspace().await;
    let date = ground.pick("DATE", "timestamptz", "date");
    ground.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, at text, v text, n integer, d {date}, gone text);
         INSERT INTO t VALUES (1, '2020-01-01', NULL, NULL, NULL, NULL)"
    ));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let shape = ground.shape("t").await;
    let specs = [("v", StrategySpec::Random), ("n", StrategySpec::Round { to: 10 }), ("d", StrategySpec::DateTrunc { unit: Unit::Year })];
    let assignments = specs.map(|(name, spec)| {
        let target = target_of(ground, &shape, name);
        let strategy = anonymise::strategy(&spec, &Keys::default()).expect("a strategy");
        Assignment { column: target.column.clone(), value: strategy.value(&target) }
    });
    let mark = rule.column("gone");
    let rule = rule.done(DoneTest::Marked(mark.clone()));
    let act = Act::Anonymise { assignments: assignments.into(), mark: Some(mark), at: CUTOFF.parse().expect("an instant") };
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    assert_eq!(ground.sweep(&rule.selection, &way, 100, &act).await.iter().sum::<u64>(), 1);
    for column in ["v", "n", "d"] {
        assert_eq!(ground.column(column, "FROM t"), [None], "{column}");
    }
}

fn json(places: &[(&str, StrategySpec)]) -> StrategySpec {
    let places = places.iter().map(|(path, spec)| (JsonPath::parse(path).expect("a path"), spec.clone())).collect();
    StrategySpec::Json { places }
}

pub async fn places_in_documents_change_and_nothing_else(ground: &Ground) {
    ground.with_workspace().await;
    let spec = json(&[
        ("$.user.email", StrategySpec::Mask),
        ("$.orders[*].ip", StrategySpec::TruncateIp { v4: 24, v6: 48 }),
        ("$[\"it's\"]", StrategySpec::Fixed { value: "o'hara \"x\"".to_owned(), replace_null: true }),
        ("$.born", StrategySpec::DateTrunc { unit: Unit::Year }),
        ("$.note", StrategySpec::Null),
    ]);
    // As PostgreSQL writes them: there the text of a document is not kept.
    let values = [
        (r#"{"user": {"name": "Ann", "email": "ann@example.com"}}"#, r#"{"user": {"name": "Ann", "email": "a***@example.com"}}"#),
        (r#"{"n": 12345678901234567890.50, "note": {"a": [1]}}"#, r#"{"n": 12345678901234567890.50, "note": null}"#),
        (
            r#"{"orders": [{"ip": "10.1.2.3"}, 7, {"ip": "10.1.2.0"}, {}]}"#,
            r#"{"orders": [{"ip": "10.1.2.0"}, 7, {"ip": "10.1.2.0"}, {}]}"#,
        ),
        (r#"{"born": "2024-03-17", "it's": null}"#, r#"{"born": "2024-01-01", "it's": "o'hara \"x\""}"#),
        (r#"{"born": "in March", "user": {"email": 12345}}"#, r#"{"born": null, "user": {"email": "***45"}}"#),
        (r#"{"user": {"email": "ünal@example.com"}}"#, r#"{"user": {"email": "****@example.com"}}"#),
        (r#"{"user": [{"email": "ann@example.com"}]}"#, r#"{"user": [{"email": "ann@example.com"}]}"#),
        (r#"{"orders": {"ip": "10.1.2.3"}}"#, r#"{"orders": {"ip": "10.1.2.3"}}"#),
        (r#"{"user": {"email": "a***@example.com"}, "orders": []}"#, r#"{"user": {"email": "a***@example.com"}, "orders": []}"#),
        ("[]", "[]"),
        ("\"ann@example.com\"", "\"ann@example.com\""),
        ("null", "null"),
    ];
    let quoted: Vec<String> = values.iter().map(|(old, _)| format!("'{}'", old.replace('\'', "''"))).collect();
    let mut values: Vec<(&str, Option<&str>)> = quoted.iter().zip(&values).map(|(old, (_, new))| (old.as_str(), Some(*new))).collect();
    values.push(("NULL", None));
    if ground.dialect() == Dialect::Mysql {
        becomes_marked(ground, "json", &spec, &values).await;
        return becomes_marked(ground, "longtext", &spec, &values).await;
    }
    for sql_type in [ground.pick("TEXT", "jsonb", ""), ground.pick("JSON NOT NULL", "jsonb NOT NULL", "")] {
        let values = if sql_type.ends_with("NOT NULL") { &values[..12] } else { &values };
        becomes(ground, sql_type, &spec, values).await;
    }
}

/// In SQLite documents are text, and text may be anything. PostgreSQL has that where the column is of `json` or text, MariaDB
/// everywhere, and then a mark says what is done.
pub async fn documents_that_can_not_be_read_leave_nothing(ground: &Ground) {
    ground.with_workspace().await;
    let spec = json(&[("$.user", StrategySpec::Mask), ("$[*].user", StrategySpec::Null)]);
    let values = [
        ("'{\"user\": '", Some("null")),
        ("'ann@example.com'", Some("null")),
        ("'{\"user\":\"ann@a.com\",\"user\":\"bob@b.com\"}'", Some("{\"user\":\"a***@a.com\",\"user\":\"b***@b.com\"}")),
        ("'{\"us\\u0065r\":\"ann@a.com\"}'", Some("{\"us\\u0065r\":\"a***@a.com\"}")),
        ("'{\"user\":\"\\u0000\"}'", Some("{\"user\":\"***\"}")),
        ("' [ { \"user\" : 1 } , 1e400 ] '", Some(" [ { \"user\" : null } , 1e400 ] ")),
        ("''", Some("")),
        ("NULL", None),
    ];
    if ground.dialect() == Dialect::Sqlite {
        becomes(ground, "TEXT", &spec, &values).await;
        becomes(ground, "JSON", &spec, &values).await;
        return;
    }
    becomes_marked(ground, ground.pick("", "text", "longtext"), &spec, &values).await;
    becomes_marked(ground, "json", &spec, &values[2..6]).await;
}

/// As [`becomes`], where the value can't be asked whether it is done.
async fn becomes_marked(ground: &Ground, sql_type: &str, spec: &StrategySpec, values: &[(&str, Option<&str>)]) {
    let (mark, unset) = (ground.pick("", "boolean", "datetime"), ground.pick("", "FALSE", "NULL"));
    let rows: Vec<String> = values.iter().enumerate().map(|(id, (old, _))| format!("({id}, '2020-01-01', {old}, {unset})")).collect();
    ground.execute(&format!(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, at text, v {sql_type}, gone {mark}); INSERT INTO t VALUES {}",
        rows.join(", ")
    ));
    let target = target(ground).await;
    let strategy = anonymise::strategy(spec, &Keys::default()).expect("a strategy");
    strategy.fits(&target).expect("it fits");
    assert_eq!(strategy.done(&target), None, "{sql_type} can't be asked");
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let mark = rule.column("gone");
    let rule = rule.done(DoneTest::Marked(mark.clone()));
    let assignments = vec![Assignment { column: target.column.clone(), value: strategy.value(&target) }];
    let act = Act::Anonymise { assignments, mark: Some(mark), at: CUTOFF.parse().expect("an instant") };
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    ground.sweep(&rule.selection, &way, 100, &act).await;
    let expected: Vec<Option<String>> = values.iter().map(|(_, new)| new.map(str::to_owned)).collect();
    assert_eq!(ground.column("v", "FROM t ORDER BY id"), expected, "{sql_type}");
    assert_eq!(ground.sweep(&rule.selection, &way, 100, &act).await.iter().sum::<u64>(), 0, "{sql_type} acts again");
}

/// Every row gets a value of its own, also rows that had one value, and a mark.
pub async fn random_values_are_all_different(ground: &Ground) {
    ground.with_workspace().await;
    let types: &[(&str, usize)] = match ground.dialect() {
        Dialect::Sqlite => &[("text UNIQUE", 32), ("varchar(20)", 32), ("", 32)],
        Dialect::Mysql => {
            &[("text UNIQUE", 32), ("varchar(20) NOT NULL UNIQUE", 20), ("char(40)", 32), ("uuid", 36), ("varbinary(40)", 32)]
        }
        Dialect::Postgres => &[("text UNIQUE", 32), ("varchar(20) NOT NULL UNIQUE", 20), ("char(40)", 32), ("uuid", 36)],
    };
    for (sql_type, length) in types {
        let old = |number: u32| match *sql_type {
            "uuid" => "'00000000-0000-4000-8000-000000000000'".to_owned(),
            unique if unique.ends_with("UNIQUE") => format!("'Ann {number}'"),
            _ => "'Ann'".to_owned(),
        };
        let rows: Vec<String> = (0..50).map(|number| format!("({number}, '2020-01-01', {}, NULL)", old(number))).collect();
        ground.execute(&format!(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, at text, v {sql_type}, gone text); INSERT INTO t VALUES {}",
            rows.join(", ")
        ));
        let target = target(ground).await;
        let strategy = anonymise::strategy(&StrategySpec::Random, &Keys::default()).expect("a strategy");
        strategy.fits(&target).expect("it fits");
        assert_eq!(strategy.done(&target), None, "nothing tells");
        let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
        let mark = rule.column("gone");
        let rule = rule.done(DoneTest::Marked(mark.clone()));
        let assignments = vec![Assignment { column: target.column.clone(), value: strategy.value(&target) }];
        let act = Act::Anonymise { assignments, mark: Some(mark), at: CUTOFF.parse().expect("an instant") };
        let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
        assert_eq!(ground.sweep(&rule.selection, &way, 7, &act).await.iter().sum::<u64>(), 50);
        let values: BTreeSet<String> = ground.column("v", "FROM t").into_iter().map(|value| value.expect("a value")).collect();
        assert_eq!(values.len(), 50, "{sql_type}");
        assert!(values.iter().all(|value| value.len() == *length && !value.contains("Ann")), "{sql_type}: {values:?}");
        assert_eq!(ground.sweep(&rule.selection, &way, 7, &act).await.iter().sum::<u64>(), 0, "{sql_type} acts again");
    }
}

/// Each strategy says of itself where it can't be used.
pub async fn what_does_not_fit_is_refused(ground: &Ground) {
    let fits = async |sql_type: &str, spec: &StrategySpec| {
        ground.execute(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, at text, v {sql_type})"));
        anonymise::strategy(spec, &Keys::default()).expect("a strategy").fits(&target(ground).await).is_ok()
    };
    let all = [
        StrategySpec::Null,
        StrategySpec::Fixed { value: "1".to_owned(), replace_null: false },
        StrategySpec::Random,
        StrategySpec::TruncateIp { v4: 24, v6: 48 },
        StrategySpec::Mask,
        StrategySpec::DateTrunc { unit: Unit::Day },
        StrategySpec::Round { to: 10 },
        json(&[("$.a", StrategySpec::Mask)]),
    ];
    for spec in &all {
        assert!(!fits("text GENERATED ALWAYS AS (at) STORED", spec).await, "{spec:?} on a generated column");
        if *spec != StrategySpec::Null && ground.dialect() == Dialect::Postgres {
            assert!(!fits("integer[]", spec).await, "{spec:?} on an array");
            assert!(!fits("int4range", spec).await, "{spec:?} on a range");
        }
        if *spec != StrategySpec::Null && ground.dialect() == Dialect::Mysql {
            assert_eq!(fits("bit(8)", spec).await, matches!(spec, StrategySpec::Fixed { .. }), "{spec:?} on bits");
            assert!(!fits("time", spec).await, "{spec:?} on a time of day");
        }
        let may_be_unique = matches!(spec, StrategySpec::Null | StrategySpec::Random);
        let sql_type = match spec {
            StrategySpec::Round { .. } => "integer",
            // A document may become longer, and the `text` of MariaDB has an end.
            StrategySpec::Json { .. } => ground.pick("text", "text", "longtext"),
            _ => "text",
        };
        assert_eq!(fits(&format!("{sql_type} UNIQUE"), spec).await, may_be_unique, "{spec:?} on a unique column");
        assert_eq!(fits(&format!("{sql_type} NOT NULL"), spec).await, *spec != StrategySpec::Null, "{spec:?} on NOT NULL");
    }
}
