//! Who is held, of random values, against what the server itself says of the column and the value.

use retentiond::{
    hold::Scope,
    policy::{Dialect, StartFormat},
    sql::subject_value_fits,
};

use super::{super::ground::Ground, subjects::types_of};
use crate::support::cases::dice::Dice;

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Numbers,
    Texts,
    Uuids,
    Addresses,
    Bytes,
}

/// A type, its values, and how the server is asked whether a column `who` is a value, whose literal stands at `$`.
type Compared = (&'static str, Values, &'static str);

const POSTGRES: &[Compared] = &[
    ("smallint", Values::Numbers, "who = $::numeric"),
    ("bigint", Values::Numbers, "who = $::numeric"),
    ("numeric", Values::Numbers, "who = $::numeric"),
    ("numeric(6,2)", Values::Numbers, "who = $::numeric"),
    ("real", Values::Numbers, "who = $::real"),
    ("double precision", Values::Numbers, "who = $::double precision"),
    ("text", Values::Texts, "who = $"),
    ("varchar(3)", Values::Texts, "who = $::varchar"),
    ("text COLLATE folded", Values::Texts, "who = $"),
    ("varchar(3) COLLATE folded", Values::Texts, "who = $::varchar"),
    ("char(3)", Values::Texts, "who = $::bpchar"),
    ("citext", Values::Texts, "who = $::citext"),
    ("quiet", Values::Texts, "who = $::citext"),
    ("uuid", Values::Uuids, "who = $::uuid"),
    ("text", Values::Uuids, "who = $"),
    (
        "inet",
        Values::Addresses,
        "who = $::inet OR masklen($::inet) = CASE family($::inet) WHEN 4 THEN 32 ELSE 128 END AND host(who) = host($::inet)",
    ),
    ("cidr", Values::Addresses, "who = $::cidr"),
    ("bytea", Values::Bytes, "who = $::bytea"),
];

const MARIADB: &[Compared] = &[
    ("tinyint", Values::Numbers, "who = CAST($ AS DECIMAL(65,30))"),
    ("bigint unsigned", Values::Numbers, "who = CAST($ AS DECIMAL(65,30))"),
    ("decimal(6,2)", Values::Numbers, "who = CAST($ AS DECIMAL(65,30))"),
    ("float", Values::Numbers, "who = CAST($ AS FLOAT)"),
    ("double", Values::Numbers, "who = CAST($ AS DOUBLE)"),
    ("varchar(3) COLLATE utf8mb4_general_ci", Values::Texts, "who = $"),
    ("varchar(3) COLLATE utf8mb4_unicode_ci", Values::Texts, "who = $"),
    ("varchar(3) COLLATE utf8mb4_nopad_bin", Values::Texts, "who = $"),
    ("varchar(3) COLLATE utf8mb4_bin", Values::Texts, "who = $"),
    ("char(3) COLLATE utf8mb4_unicode_520_nopad_ci", Values::Texts, "who = $"),
    ("varchar(3) COLLATE utf8mb4_german2_ci", Values::Texts, "who = $"),
    ("varchar(3) COLLATE latin1_german2_ci", Values::Texts, "who = CONVERT($ USING latin1) COLLATE latin1_german2_ci"),
    ("varbinary(9)", Values::Texts, "who = $"),
    ("uuid", Values::Uuids, "who = CAST(replace(replace($, '{', ''), '}', '') AS UUID)"),
    ("inet6", Values::Addresses, "who = CAST(substring_index($, '/', 1) AS INET6)"),
    ("inet4", Values::Addresses, "who = CAST(substring_index($, '/', 1) AS INET4)"),
];

const SQLITE: &[Compared] = &[
    ("INTEGER", Values::Numbers, "who = $"),
    ("NUMERIC", Values::Numbers, "who = $"),
    ("REAL", Values::Numbers, "who = $"),
    ("TEXT", Values::Numbers, "who = $"),
    ("TEXT", Values::Texts, "who = $"),
    ("TEXT COLLATE NOCASE", Values::Texts, "who = $"),
    ("TEXT COLLATE RTRIM", Values::Texts, "who = $"),
    ("STRING COLLATE NOCASE", Values::Texts, "who = $"),
];

pub async fn a_value_is_held_where_the_server_finds_it_equal(ground: &Ground) {
    ground.with_workspace().await;
    types_of(ground);
    let dialect = ground.dialect();
    let compared = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MARIADB,
    };
    for (number, (sql_type, values, question)) in compared.iter().enumerate() {
        let mut dice = Dice::new(number as u64);
        ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at text, who {sql_type})"));
        let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).subject("who", "who");
        let of = rule.column("who");
        let fits = |value: &String| !value.is_empty() && subject_value_fits(&of, dialect, value).is_ok();
        let stored: Vec<String> =
            (0..2_000).map(|_| values.random(&mut dice)).filter(fits).filter(|value| is_storable(value, sql_type)).take(60).collect();
        assert!(stored.len() >= 10, "{sql_type}: {stored:?}");
        let rows: Vec<String> = stored.iter().enumerate().map(|(id, who)| format!("({id}, '2020-01-01', {})", quoted(who))).collect();
        ground.execute(&format!("INSERT INTO t VALUES {}", rows.join(", ")));
        let (mut equal, mut misfits) = (0, 0);
        for _ in 0..40 {
            let value = if dice.chance(30) { dice.pick(&stored) } else { values.random(&mut dice) };
            if value.is_empty() {
                continue;
            }
            ground.hold("h", Scope::Source, &[("who", &value)]).await;
            let covered =
                ground.engine.count_held(&rule.shape.table, &rule.selection.held.subjects, &rule.selection.held.scopes, "h").await;
            let covered = covered.expect("a count").to_string();
            let expected = if fits(&value) {
                ground.column("count(*)", &format!("FROM t WHERE {}", question.replace('$', &quoted(&value)))).remove(0).expect("a count")
            } else {
                misfits += 1;
                "0".to_owned()
            };
            assert_eq!(covered, expected, "{value:?} in {sql_type} among {stored:?}");
            equal += usize::from(expected != "0");
            super::super::holds::release(ground, "h").await;
        }
        assert!(equal >= 3, "{sql_type}: {equal} values were equal to any, {misfits} could not be");
        ground.execute("DROP TABLE t");
    }
}

/// A column may take less than can be compared with it.
fn is_storable(value: &str, sql_type: &str) -> bool {
    let longest = if sql_type.contains("(3)") { 3 } else { 9_999 };
    let is_latin = !sql_type.contains("latin1") || value.chars().all(|sign| sign <= 'ÿ');
    let is_whole = !sql_type.contains("int") || !value.contains('.');
    // MariaDB reads no braces, and no prefix.
    let is_bare = (sql_type != "uuid" || !value.contains('{')) && (sql_type != "inet6" && sql_type != "inet4" || !value.contains('/'));
    value.chars().count() <= longest && is_latin && is_whole && is_bare
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

impl Values {
    fn random(self, dice: &mut Dice) -> String {
        match self {
            Self::Numbers => {
                let digits =
                    dice.pick(&["0", "1", "01", "12", "-1", "-0", "100", "16777216", "16777217", "9007199254740993", "127", "128"]);
                let fraction = dice.pick(&["", "", "", ".0", ".5", ".50", ".1", ".125", ".005"]);
                let spoilt = dice.pick(&["", "", "", "", "", "abc", " ", "e1", "."]);
                format!("{digits}{fraction}{spoilt}")
            }
            Self::Texts => {
                let signs =
                    ["a", "A", "ä", "Ä", "a\u{308}", "ß", "s", "S", " ", "ı", "i", "I", "'", "%", "_", "\\", "\t", "é", "e", "Ж", "ẞ", "."];
                (0..dice.number(1..=4)).map(|_| dice.pick(&signs)).collect()
            }
            Self::Uuids => {
                let uuid = format!("0a1b2c3d-0000-4abc-8def-00000000000{}", dice.number(0..=9));
                match dice.number(0..=5) {
                    0 => uuid.to_uppercase(),
                    1 => format!("{{{uuid}}}"),
                    2 => uuid.replace('-', ""),
                    3 => uuid.replace('-', "x"),
                    _ => uuid,
                }
            }
            Self::Addresses => {
                let address = dice.pick(&[
                    "10.1.2.3",
                    "10.1.2.0",
                    "::1",
                    "::10.1.2.3",
                    "::a01:203",
                    "2001:db8::",
                    "2001:DB8:0:0::",
                    "::ffff:10.1.2.3",
                    "1:0:0:2::",
                    "::1:0",
                ]);
                format!("{address}{}", dice.pick(&["", "", "", "", "/32", "/24", "/128", "/33", "/200"]))
            }
            Self::Bytes => dice.pick(&["\\x", "\\x00", "\\xAB", "\\xab", "\\xabc", "a", "ab", "\\x61", "\\x6162", "\\xzz"]).to_owned(),
        }
    }
}
