//! Runs the predicates on SQLite over values that nobody wants to meet, and compares them with `policy::start::read`,
//! the same reading in Rust.

use super::{start::Start, *};
use crate::{
    policy::{StartFormat, start::read},
    sql::{
        Statement, canonical_of,
        fixture::{CUTOFF, at, column, end_test, hostile, start_test, zone},
        number_of,
        selection::{Cell, ColumnRef, DoneTest, SubjectTest, TypeClass},
        trial::Trial,
        uuid_of,
    },
};

/// Literals of values that columns hold in the wild, and of values next to the cut-off and to what is plausible.
const VALUES: &[&str] = &[
    "NULL",
    "''",
    "' '",
    "'0'",
    "0",
    "'9999-12-31'",
    "'infinity'",
    "'-infinity'",
    "'nonsense'",
    "'0000-00-00'",
    "'0000-00-00 00:00:00'",
    "x''",
    "x'ff'",
    "CAST(x'ff' AS TEXT)",
    "CAST(x'323032340030312d3031ff' AS TEXT)",
    "'2024-01-01' || char(0)",
    "'２０２４-01-01'",
    "'2024-03-30'",
    "'2024-03-31'",
    "'2024-03-29'",
    "'2023-02-29'",
    "'2024-02-29'",
    "'2024-02-30'",
    "'2024-1-1'",
    "'2024-03-30\n'",
    "'2024-03-31 01:30'",
    "'2024-03-31 01:30:00'",
    "'2024-03-31T01:30:00.1'",
    "'2024-03-31T01:30:00.1234'",
    "'2024-03-31 01:30:00.123400'",
    "'2024-03-31T01:30:00.123399999'",
    "'2024-03-31T01:30:00,1233'",
    "'2024-03-31T01:30:00.123401'",
    "'2024-03-31 01:31'",
    "'2024-03-31 02:30'",
    "'2024-03-31T00:30:00.1234Z'",
    "'2024-03-31T00:30:00.123399999z'",
    "'2024-03-31T00:30Z'",
    "'2024-03-31 00:31Z'",
    "'2024-03-31T06:00:00.123-05'",
    "'2024-03-30T19:30:00.1233-05'",
    "'2024-03-30T19:30:00.1234-0500'",
    "'2024-03-30T19:30-05:00'",
    "'2024-03-31T06:00:00.1233+05:30'",
    "'2024-03-31T06:00:00.1234+05:30'",
    "'2024-03-31 06:00+0530'",
    "'2024-03-31T01:30+01'",
    "'2024-03-30T10:30:00.5-14:00'",
    "'2024-03-31T14:30:00.1+14:00'",
    "'2024-03-31T14:30:00.2+14'",
    "'2024-03-31T24:00:00Z'",
    "'2024-03-31T00:00:60Z'",
    "'2024-03-31T00:30:00+15:00'",
    "'1969-12-31T23:59:59.999999Z'",
    "'0001-01-01T00:00:00Z'",
    "'2124-03-31T23:59:59Z'",
    "'2124-04-01T00:00:00Z'",
    "'20240331013000'",
    "'20240331013001'",
    "20240331013000",
    "20240331013001",
    "x'3230323430333331303133303030'",
    "x'3230323430333331303133303031'",
    "'20240230000000'",
    "'2024033101300'",
    "x'323032342d30312d3031'",
    "1711845000",
    "1711845001",
    "1711845000.1",
    "1711845000.5",
    "'1711845000'",
    "'1711845001'",
    "'-1'",
    "-1",
    "315532799",
    "315532800",
    "'315532799'",
    "4867689599",
    "4867689600",
    "1711845000123",
    "1711845000124",
    "1711845000123.3",
    "1711845000123.5",
    "'1711845000123'",
    "'1711845000124'",
    "1711845000123399",
    "1711845000123400",
    "'1711845000123400'",
    "9223372036854775807",
    "'99999999999999999999'",
    "9e999",
    "-9e999",
    "1e300",
];

const COLUMNS: &[(&str, TypeClass)] = &[
    ("TEXT", TypeClass::Text),
    ("TEXT COLLATE NOCASE", TypeClass::FoldedText),
    ("INTEGER", TypeClass::Integer),
    ("REAL", TypeClass::Float),
    ("NUMERIC", TypeClass::Decimal),
    ("DATETIME", TypeClass::Timestamp),
    ("DATE", TypeClass::Date),
    ("BLOB", TypeClass::Untyped),
];

const FORMATS: &[StartFormat] = &[
    StartFormat::Timestamp,
    StartFormat::Date,
    StartFormat::Iso8601,
    StartFormat::UnixS,
    StartFormat::UnixMs,
    StartFormat::UnixUs,
    StartFormat::Compact,
];

/// What SQL says of a row's start: undated, implausible, ended.
type Verdict = (bool, bool, bool);

#[tokio::test]
async fn every_stored_value_is_read_as_in_rust() {
    let mut trial = Trial::open().await;
    let mut seen = std::collections::BTreeMap::<Verdict, usize>::new();
    for (table, (declared, class)) in COLUMNS.iter().enumerate() {
        trial.text(&format!("CREATE TABLE t{table} (id INTEGER PRIMARY KEY, c {declared})")).await;
        for (id, value) in VALUES.iter().enumerate() {
            trial.text(&format!("INSERT INTO t{table} VALUES ({id}, {value})")).await;
        }
        for &format in FORMATS {
            let test = start_test(column("c", *class, declared), format);
            let start = Start::new(Dialect::Sqlite, &test);
            let rows = trial
                .text(&format!(
                    "SELECT t.id, {}, {}, ({}) IS TRUE, CAST(t.c AS BLOB), typeof(t.c), CAST(t.c AS REAL) FROM t{table} t ORDER BY t.id",
                    start.undated(),
                    start.implausible(),
                    start.ended().join(" AND ")
                ))
                .await;
            assert_eq!(rows.len(), VALUES.len());
            for row in rows {
                let [Cell::Integer(id), undated, implausible, ended, text, Cell::Text(storage), number] = row.as_slice() else {
                    panic!("{row:?}")
                };
                let verdict = (truth(undated), truth(implausible), truth(ended));
                let text = if let Cell::Bytes(bytes) = text { bytes.as_slice() } else { &[] };
                let number = if let Cell::Real(number) = number { *number } else { f64::NAN };
                let expected = expected(format, *class, text, storage, number);
                let value = VALUES[usize::try_from(*id).unwrap()];
                assert_eq!(verdict, expected, "{value} as {storage} in {declared}, read as {format:?}");
                *seen.entry(verdict).or_default() += 1;
            }
        }
    }
    // Absent, implausible, running, ended: each is met often.
    assert_eq!(seen.len(), 4);
    assert!(seen.values().all(|&times| times > 100), "{seen:?}");
}

fn truth(cell: &Cell) -> bool {
    match cell {
        Cell::Integer(0) => false,
        Cell::Integer(1) => true,
        other => panic!("not a truth value: {other:?}"),
    }
}

/// The reading in Rust of what SQLite has stored.
fn expected(format: StartFormat, class: TypeClass, bytes: &[u8], storage: &str, number: f64) -> Verdict {
    let is_epoch = matches!(format, StartFormat::UnixS | StartFormat::UnixMs | StartFormat::UnixUs);
    let text = std::str::from_utf8(bytes).unwrap_or("\u{FFFD}");
    if storage == "null" || bytes.is_empty() || matches!(text, "9999-12-31" | "0") || (storage == "real" && number == 0.0) {
        return (true, false, false);
    }
    let is_number = matches!(storage, "integer" | "real");
    let is_numeric_column =
        matches!(class, TypeClass::Integer | TypeClass::Float | TypeClass::Decimal | TypeClass::Timestamp | TypeClass::Date);
    let instant = match storage {
        "real" if is_epoch => real(number, format),
        "blob" if class != TypeClass::Untyped => None,
        "text" if is_epoch && is_numeric_column => None,
        _ => read(text, format, Some(&zone())),
    };
    let plausible = instant.is_some_and(|instant| {
        (!is_epoch || instant >= at("1980-01-01T00:00:00Z"))
            && instant < at("2124-04-01T00:00:00Z")
            && !(is_number && !is_epoch && format != StartFormat::Compact)
    });
    (!plausible, !plausible, plausible && instant.is_some_and(|instant| instant < at(CUTOFF)))
}

/// The instant of a fractional epoch; `None` for what no instant can be.
fn real(value: f64, format: StartFormat) -> Option<jiff::Timestamp> {
    let micros = value
        * match format {
            StartFormat::UnixS => 1e6,
            StartFormat::UnixMs => 1e3,
            _ => 1.0,
        };
    #[expect(clippy::cast_possible_truncation, reason = "out of range is no instant")]
    jiff::Timestamp::from_microsecond(micros.round() as i64).ok()
}

/// A table of one row whose `c` is this, and the workspace's `held` with these rows.
async fn one_row(declared: &str, value: &str, held: &str) -> Trial {
    let mut trial = Trial::open().await;
    trial.text(&format!("CREATE TABLE x (c {declared})")).await;
    trial.text(&format!("INSERT INTO x VALUES ({value})")).await;
    trial.text("CREATE TABLE w_held (hold TEXT, scope TEXT, kind TEXT, value TEXT, number NUMERIC, uuid TEXT, canonical TEXT)").await;
    if !held.is_empty() {
        trial.text(&format!("INSERT INTO w_held VALUES {held}")).await;
    }
    trial
}

#[tokio::test]
async fn a_subject_is_held_in_its_columns_own_type() {
    let account = |value: &str| {
        let number = number_of(value).unwrap_or("NULL");
        let uuid = uuid_of(value).map_or("NULL".to_owned(), |uuid| format!("'{uuid}'"));
        let canonical = canonical_of(value).map_or("NULL".to_owned(), |canonical| format!("'{canonical}'"));
        format!("('h', '*', 'account', '{value}', {number}, {uuid}, {canonical})")
    };
    let everything = "('h', '*', '', '', NULL, NULL, NULL)".to_owned();
    let elsewhere = "('h', 'table:[\"main\",\"y\"]', '', '', NULL, NULL, NULL)".to_owned();
    for (class, declared, value, held, is_held) in [
        (TypeClass::Integer, "INTEGER", "42", account("42"), true),
        (TypeClass::Integer, "INTEGER", "42", account("042"), true),
        (TypeClass::Integer, "INTEGER", "42", account("43"), false),
        (TypeClass::Integer, "INTEGER", "9007199254740993", account("9007199254740993"), true),
        (TypeClass::Integer, "INTEGER", "9007199254740993", account("9007199254740992"), false),
        (TypeClass::Integer, "INTEGER", "'ann'", account("ann"), true),
        (TypeClass::Text, "TEXT", "42", account("42"), true),
        (TypeClass::Text, "TEXT", "'042'", account("42"), false),
        (TypeClass::Text, "TEXT", "'Ann'", account("ann"), false),
        (TypeClass::Text, "TEXT", "x'616e6e'", account("ann"), true),
        (TypeClass::FoldedText, "TEXT COLLATE NOCASE", "'Ann'", account("ann"), true),
        (TypeClass::FoldedText, "TEXT COLLATE RTRIM", "'ann '", account("ann"), true),
        (TypeClass::Untyped, "BLOB", "42", account("42"), true),
        (TypeClass::Untyped, "BLOB", "42.0", account("42"), true),
        (TypeClass::Untyped, "BLOB", "x'616e6e'", account("ann"), true),
        (TypeClass::Untyped, "BLOB", "x'00ff'", account("\\x00FF"), true),
        (TypeClass::Untyped, "BLOB", "x'00ff'", account("\\x00fe"), false),
        (TypeClass::Decimal, "STRING COLLATE NOCASE", "'Ann'", account("ann"), true),
        (TypeClass::Decimal, "UUID", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'", account("6F9619FF-8B86-D011-B42D-00C04FC964FF"), true),
        (TypeClass::Uuid, "UUID", "'6F9619FF-8B86-D011-B42D-00C04FC964FF'", account("{6f9619ff-8b86-d011-b42d-00c04fc964ff}"), true),
        (TypeClass::Integer, "INTEGER", "NULL", account("42"), false),
        (TypeClass::Integer, "INTEGER", "7", everything, true),
        (TypeClass::Integer, "INTEGER", "7", elsewhere, false),
    ] {
        let mut trial = one_row(declared, value, &held).await;
        let mut selection = hostile(Dialect::Sqlite);
        selection.workspace.name = "w".to_owned();
        selection.held.subjects = vec![SubjectTest {
            kind: "account".to_owned(),
            through: Vec::new(),
            column: column("c", class, declared),
            null_is_held: false,
        }];
        let rows = trial.text(&format!("SELECT {} FROM x t", super::held(&selection))).await;
        assert_eq!(rows, [[Cell::Integer(is_held.into())]], "{value} in {declared}, {held}");
    }
}

#[tokio::test]
async fn nobody_is_held_with_any_subject_where_the_rule_says_so() {
    for (held, null_is_held, is_held) in [
        ("('h', '*', 'mail', 'a', NULL, NULL, NULL)", true, true),
        ("('h', '*', 'mail', 'a', NULL, NULL, NULL)", false, false),
        ("('h', 'category:\"other\"', 'mail', 'a', NULL, NULL, NULL)", true, false),
        ("", true, false),
    ] {
        let mut trial = one_row("INTEGER", "NULL", held).await;
        let mut selection = hostile(Dialect::Sqlite);
        selection.workspace.name = "w".to_owned();
        let subject = column("c", TypeClass::Integer, "INTEGER");
        selection.held.subjects = vec![SubjectTest { kind: "account".to_owned(), through: Vec::new(), column: subject, null_is_held }];
        let rows = trial.text(&format!("SELECT {} FROM x t", super::held(&selection))).await;
        assert_eq!(rows, [[Cell::Integer(is_held.into())]], "{held}");
    }
}

#[tokio::test]
async fn a_protecting_condition_protects_unless_it_is_false_and_an_end_that_is_unknown_never_comes() {
    let start = || end_test(column("c", TypeClass::Integer, "INTEGER"), StartFormat::UnixS);
    for (value, condition, end, protects) in [
        ("1", Some("t.c = 1"), None, true),
        ("1", Some("t.c = 2"), None, false),
        ("NULL", Some("t.c = 2"), None, true),
        ("1711845000", None, Some(start()), false),
        ("1711845001", None, Some(start()), true),
        ("NULL", None, Some(start()), true),
        ("'nonsense'", None, Some(start()), true),
        ("1", None, Some(start()), true),
        ("1711845001", Some("t.c IS NULL"), Some(start()), false),
        ("1", None, None, true),
    ] {
        let mut trial = one_row("INTEGER", value, "").await;
        let condition = condition.and_then(crate::sql::fixture::condition);
        let protector =
            Protector { rule: crate::policy::RuleId::new("p", "r"), only: Vec::new(), condition, overridden: Vec::new(), floor: None, end };
        let rows = trial.text(&format!("SELECT {} FROM x t", protects_row(&protector))).await;
        assert_eq!(rows, [[Cell::Integer(protects.into())]], "{value}, {protector:?}");
    }
}

fn protects_row(protector: &Protector) -> String {
    super::protects(Dialect::Sqlite, protector)
}

#[tokio::test]
async fn done_tells_by_the_bytes_and_by_the_mark() {
    let text = |declared: &str| column("c", TypeClass::Text, declared);
    let equals = |column: ColumnRef, null_is_done| DoneTest::Equals { column, value: "gone".to_owned(), null_is_done };
    let hex = DoneTest::Matches { column: text("TEXT"), pattern: "^[0-9a-f]{64}$".to_owned() };
    let digest = format!("'{}'", "a0".repeat(32));
    let folded = column("c", TypeClass::FoldedText, "TEXT COLLATE NOCASE");
    let mark = |class, declared| DoneTest::Marked(column("c", class, declared));
    for (declared, value, test, is_done) in [
        ("TEXT", "NULL", DoneTest::IsNull(text("TEXT")), true),
        ("TEXT", "''", DoneTest::IsNull(text("TEXT")), false),
        ("TEXT", "'gone'", equals(text("TEXT"), true), true),
        ("TEXT", "NULL", equals(text("TEXT"), true), true),
        ("TEXT", "NULL", equals(text("TEXT"), false), false),
        ("TEXT COLLATE NOCASE", "'Gone'", equals(folded, true), false),
        ("TEXT", &digest, hex.clone(), true),
        ("TEXT", "NULL", hex.clone(), true),
        ("TEXT", "'ann@example.org'", hex.clone(), false),
        ("TEXT", "CAST(x'ff' AS TEXT)", hex.clone(), false),
        ("TEXT", "'a' || char(0) || CAST(x'ff' AS TEXT)", hex, false),
        ("INTEGER", "0", mark(TypeClass::Integer, "INTEGER"), false),
        ("INTEGER", "1", mark(TypeClass::Integer, "INTEGER"), true),
        ("INTEGER", "NULL", mark(TypeClass::Integer, "INTEGER"), false),
        ("DATETIME", "'2026-01-01T00:00:00Z'", mark(TypeClass::Timestamp, "DATETIME"), true),
        ("DATETIME", "NULL", mark(TypeClass::Timestamp, "DATETIME"), false),
    ] {
        let mut trial = one_row(declared, value, "").await;
        let done = done::done(Dialect::Sqlite, std::slice::from_ref(&test)).unwrap();
        let rows = trial.run(&Statement::plain(format!("SELECT {done} IS TRUE FROM x t"))).await;
        assert_eq!(rows, [[Cell::Integer(is_done.into())]], "{value}, {test:?}");
    }
}
