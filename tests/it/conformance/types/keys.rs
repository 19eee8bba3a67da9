//! Walks along keys of every type: each due row once, and no batch larger than it was asked to be.

use retentiond::{
    policy::{Dialect, StartFormat},
    sql::selection::{Act, Way},
};

use super::{super::ground::Ground, subjects::permissive};

/// Columns of a key, values of it as SQL, and whether the walk follows the key.
type Key = (&'static str, &'static [&'static str], bool);

const MARIADB: &[Key] = &[
    ("a bigint unsigned", &["18446744073709551615", "0", "9223372036854775808", "9007199254740993", "9007199254740992"], true),
    (
        "a decimal(65,0)",
        &[
            "99999999999999999999999999999999999999999999999999999999999999999",
            "-1",
            "99999999999999999999999999999999999999999999999999999999999999998",
            "0",
        ],
        true,
    ),
    ("a decimal(65,38)", &["0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000002", "-0.1", "5"], true),
    ("a float", &["0.1", "16777216", "0.3", "-0.7"], true),
    ("a double", &["0.1", "0.30000000000000004", "0.3", "1e300", "-5e-324"], true),
    ("a timestamp(6)", &["'2020-01-01 00:00:00.000001'", "'2020-01-01 00:00:00.000002'", "'2020-01-01 00:00:00'", "'2037-01-01'"], true),
    (
        "a datetime(6)",
        &["'0000-00-00'", "'2024-00-15'", "'2024-02-31'", "'9999-12-31 23:59:59.999999'", "'2024-02-31 00:00:00.000001'"],
        true,
    ),
    ("a date", &["'0000-00-00'", "'2024-00-15'", "'2024-02-31'", "'9999-12-31'"], true),
    ("a year", &["2024", "1901", "0"], true),
    (
        "a uuid",
        &["'6f9619ff-8b86-d011-b42d-00c04fc964ff'", "'00000000-8b86-d011-b42d-00c04fc964ff'", "'ffffffff-0000-1000-8000-00c04fc964f0'"],
        true,
    ),
    ("a inet6", &["'::1'", "'::10.1.2.3'", "'2001:db8::1'"], true),
    ("a inet4", &["'10.1.2.3'", "'200.1.2.3'", "'9.1.2.3'"], true),
    ("a varbinary(20)", &["''", "x'00'", "x'ff00'", "'a'", "'A'"], true),
    ("a binary(4)", &["x'00000000'", "x'00ff00ff'", "'a'"], true),
    ("a varchar(20)", &["'Ann'", "'bob'", "'Ünal'", "''", "'a''b'", "'B'"], true),
    ("a varchar(20) COLLATE utf8mb4_nopad_bin", &["'a'", "'A'", "'a '", "''"], true),
    ("a varchar(20) COLLATE latin1_german2_ci", &["'ß'", "'st'", "'sr'"], true),
    ("a char(3)", &["'a'", "'ab'", "'ß'"], true),
    ("a bit(8)", &["b'101'", "b'11111111'", "b'0'"], false),
    // It is sorted by number and compared as a text.
    ("a enum('z','a','m')", &["'a'", "'m'", "'z'"], false),
    ("a set('z','a')", &["''", "'a'", "'z'", "'z,a'"], false),
    ("a time", &["'-800:00:00'", "'10:00:00'", "'9:00:00'"], false),
    ("a float, b varchar(5)", &["0.1, 'a'", "0.1, 'B'", "0.3, 'A'", "0.1, 'c'", "0.1, 'ß'"], true),
    (
        "a timestamp(3), b binary(2), c decimal(4,1)",
        &["'2020-01-01 00:00:00.001', 'a', 1.5", "'2020-01-01 00:00:00.001', 'a', 2", "'2020-01-01', 'b', 0"],
        true,
    ),
];

const SQLITE: &[Key] = &[
    ("a INTEGER NOT NULL", &["9007199254740993", "9007199254740992", "-1", "'text'", "x'00'"], true),
    ("a REAL NOT NULL", &["0.1", "0.30000000000000004", "0.3", "-1", "9e999"], true),
    ("a NUMERIC NOT NULL", &["1", "1.5", "'1.50001'", "'a'"], true),
    ("a TEXT NOT NULL", &["'a'", "'A'", "''", "CAST(x'00' AS TEXT)", "x'ff'"], true),
    ("a TEXT COLLATE NOCASE NOT NULL", &["'a'", "'B'", "'ä'", "'Ä'"], true),
    ("a TEXT COLLATE RTRIM NOT NULL", &["'a'", "' a'", "'b '"], true),
    ("a BLOB NOT NULL", &["x'00'", "x'ff'", "1", "1.5", "'1'", "''"], true),
    ("a TEXT COLLATE NOCASE NOT NULL, b REAL NOT NULL", &["'a', 0.1", "'A', 0.3", "'b', 0.1"], true),
];

/// Blocks are walked whatever the key is; an index on the start has the types of starts.
const POSTGRES: &[Key] = &[
    ("a numeric", &["1.0", "'NaN'", "'Infinity'"], false),
    ("a citext", &["'Ann'", "'bob'"], false),
    ("a text COLLATE folded", &["'Ann'", "'bob'"], false),
    ("a uuid", &["'6f9619ff-8b86-d011-b42d-00c04fc964ff'", "'00000000-8b86-d011-b42d-00c04fc964ff'"], false),
    ("a integer[], b mood", &["'{1,2}', 'sad'", "'{1,2}', 'happy'", "'{}', 'sad'"], false),
    ("a bit(3), b bytea, c inet, d double precision", &["B'101', '\\x00', '::1', 'NaN'", "B'101', '\\x00', '::1', '-0.1'"], false),
];

pub async fn keys_of_every_type_are_walked_once(ground: &Ground) {
    ground.with_workspace().await;
    super::subjects::types_of(ground);
    let dialect = ground.dialect();
    let (keys, rowless) = match dialect {
        Dialect::Sqlite => (SQLITE, " WITHOUT ROWID"),
        Dialect::Postgres => (POSTGRES, ""),
        Dialect::Mysql => (MARIADB, ""),
    };
    for (columns, values, follows) in keys {
        let names: Vec<&str> = columns.split(", ").filter_map(|column| column.split(' ').next()).collect();
        let names = names.join(", ");
        ground.execute(&format!(
            "DROP TABLE IF EXISTS t; CREATE TABLE t ({columns}, id integer NOT NULL, at {}, PRIMARY KEY ({names})){rowless}",
            ground.short_text()
        ));
        let rows: Vec<String> = values.iter().enumerate().map(|(id, key)| format!("({key}, {id}, '2020-01-01')")).collect();
        let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
        let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
        assert_eq!(matches!(way, Way::Columns { .. }), *follows, "{columns}: {way:?}");
        // A block of a heap has no smaller parts that are worth it.
        let sizes: &[u64] = if way == Way::Blocks { &[1_000] } else { &[1, 2, 3] };
        for &size in sizes {
            ground.execute(&format!("{}INSERT INTO t VALUES {}", permissive(dialect), rows.join(", ")));
            let batches = ground.sweep(&rule.selection, &way, size, &Act::Delete).await;
            assert_eq!(batches.iter().sum::<u64>(), values.len() as u64, "{columns} by {size}: {batches:?}");
            assert!(!follows || batches.iter().all(|rows| *rows <= size), "{columns} by {size}: {batches:?}");
            assert!(ground.ids("t").is_empty(), "{columns} by {size}");
        }
    }
}
