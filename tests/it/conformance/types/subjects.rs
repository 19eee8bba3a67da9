//! Who is held, in columns of every type that can name a subject; who can't be told; and which types name nobody.

use std::collections::BTreeSet;

use retentiond::{
    hold::Scope,
    policy::{Dialect, StartFormat},
    sql::{can_be_subject, selection::Act, subject_value_fits, why_no_subject},
};

use super::super::ground::Ground;

/// A type with stored values as SQL, numbered from 1; who of them is held by a value; and values that can't be one of them.
pub struct Subject {
    pub sql_type: &'static str,
    stored: &'static [&'static str],
    held: &'static [(&'static str, &'static [i64])],
    refused: &'static [&'static str],
}

const fn row(
    sql_type: &'static str,
    stored: &'static [&'static str],
    held: &'static [(&'static str, &'static [i64])],
    refused: &'static [&'static str],
) -> Subject {
    Subject { sql_type, stored, held, refused }
}

const POSTGRES: &[Subject] = &[
    row(
        "smallint",
        &["42", "-1"],
        &[("42", &[1]), ("042", &[1]), ("-1", &[2]), ("7", &[])],
        &["4.2", "12abc", "40000", " 42", "+42", "4e1"],
    ),
    row("bigint", &["9007199254740993", "9007199254740992"], &[("9007199254740993", &[1])], &["99999999999999999999", "abc"]),
    row("numeric(10,2)", &["1", "2.5", "'NaN'"], &[("1", &[1]), ("1.000", &[1]), ("02.50", &[2])], &["1.005", "NaN", "Infinity", "1e2"]),
    row("real", &["0.1", "16777216", "'NaN'", "'Infinity'"], &[("0.1", &[1]), ("16777216", &[2]), ("16777217", &[2])], &["NaN", "1e3"]),
    row("double precision", &["0.1", "9007199254740991", "'-Infinity'"], &[("0.10", &[1]), ("9007199254740991", &[2])], &["-Infinity"]),
    row("boolean", &["true", "false"], &[("TRUE", &[1]), ("false", &[2])], &["1", "yes"]),
    row("text", &["'a'", "'A'", "'a '", "'42'", "'042'"], &[("a", &[1]), ("a ", &[3]), ("42", &[4])], &[]),
    row("varchar(5)", &["'abcde'"], &[("abcde", &[1])], &["abcdefgh"]),
    row("varchar(5) COLLATE folded", &["'ABCDE'", "'b'"], &[("abcde", &[1]), ("abcdefgh", &[]), ("B", &[2])], &[]),
    row("char(5) COLLATE folded", &["'AB'"], &[("ab", &[1]), ("ab   ", &[1]), ("abcdefgh", &[])], &[]),
    row("citext", &["'Ann@Example.com'", "'Ünal'"], &[("ANN@example.COM", &[1]), ("ünal", &[2])], &[]),
    row("char(5)", &["'ab'", "'AB'"], &[("ab", &[1]), ("ab     ", &[1])], &["abcdef"]),
    row(
        "uuid",
        &["'6f9619ff-8b86-d011-b42d-00c04fc964ff'"],
        &[
            ("6F9619FF-8B86-D011-B42D-00C04FC964FF", &[1]),
            ("{6f9619ff-8b86-d011-b42d-00c04fc964ff}", &[1]),
            ("6f9619ff8b86d011b42d00c04fc964ff", &[1]),
        ],
        &["6f9619ff", "ann"],
    ),
    row(
        "inet",
        &["'10.1.2.3'", "'10.1.2.3/24'", "'::10.1.2.3'", "'2001:db8::1'", "'::ffff:10.1.2.3'"],
        &[("10.1.2.3", &[1, 2]), ("10.1.2.3/24", &[2]), ("::A01:203", &[3]), ("2001:DB8:0::1", &[4]), ("::ffff:a01:203/128", &[5])],
        &["10.1.2", "ann", "10.1.2.3/33"],
    ),
    row("cidr", &["'10.0.0.0/8'", "'10.1.2.3'"], &[("10.0.0.0/8", &[1]), ("10.1.2.3", &[2]), ("10.0.0.0", &[])], &["10.0.0.1/8"]),
    row(
        "bytea",
        &["'\\x00ff'", "'abc'", "'\\xc3a4'"],
        &[("\\x00FF", &[1]), ("abc", &[2]), ("\\x616263", &[2]), ("ä", &[3])],
        &["\\xabc", "\\xyz"],
    ),
    row("date", &["'2024-02-29'", "'infinity'", "'0044-03-15 BC'"], &[("2024-02-29", &[1])], &["2024-2-29", "29.02.2024"]),
    row("mood", &["'sad'", "'happy'"], &[("sad", &[1])], &["Sad", "x", "sad "]),
    row("bit(3)", &["B'101'", "B'010'"], &[("101", &[1])], &["5", "10", "1010"]),
    row("bit varying(3)", &["B'101'", "B'1'"], &[("1", &[2])], &["1010", "2"]),
    row("positive", &["7", "8"], &[("7", &[1])], &["7.5"]),
    row("quiet", &["'Ann'", "'bob'"], &[("ANN", &[1])], &[]),
];

const MARIADB: &[Subject] = &[
    row("int", &["12", "0"], &[("12", &[1]), ("012", &[1]), ("0", &[2])], &["12abc", "abc", "", "1e1", "4294967296"]),
    row(
        "bigint unsigned",
        &["18446744073709551615", "9007199254740993"],
        &[("18446744073709551615", &[1]), ("9007199254740993", &[2])],
        &["-1"],
    ),
    row("decimal(10,2)", &["1.00", "2.50"], &[("1", &[1]), ("2.5", &[2])], &["1.005", "123456789"]),
    row("float", &["0.1", "16777216"], &[("0.1", &[1]), ("16777217", &[2])], &["NaN"]),
    row("double", &["0.1", "9007199254740991"], &[("0.1", &[1]), ("9007199254740991", &[2])], &["1e3"]),
    row("boolean", &["true", "false"], &[("1", &[1])], &["true"]),
    row("bit(8)", &["b'101'", "b'0'"], &[("5", &[1]), ("0", &[2])], &["256", "b'101'"]),
    row("varchar(20)", &["'Ann'", "'12abc'", "'é'", "'é '"], &[("ANN ", &[1]), ("12", &[]), ("e", &[3, 4])], &[]),
    row("varchar(20) COLLATE utf8mb4_nopad_bin", &["'a'", "'A'", "'a '"], &[("a", &[1]), ("a ", &[3])], &["123456789012345678901"]),
    row("char(20) COLLATE utf8mb4_bin", &["'a'", "'A'"], &[("a", &[1]), ("a   ", &[1])], &[]),
    // No column of the workspace's has this collation, and its character set has not every character.
    row("varchar(20) COLLATE latin2_hungarian_ci", &["'Őr'", "'?'"], &[("őr", &[1]), ("Ж", &[]), ("?", &[2])], &[]),
    row("varchar(20) COLLATE utf8mb4_swedish_ci", &["'Ann'", "'?'"], &[("ann", &[1]), ("Ж", &[])], &[]),
    row("varchar(20) COLLATE latin1_swedish_ci", &["'Ann'", "'?'", "'€'"], &[("ann", &[1]), ("€", &[3])], &["Ж"]),
    row("text", &["concat(repeat('x', 240), 'a')", "concat(repeat('x', 240), 'b')"], &[(LONG, &[1])], &[]),
    row("mood", &["'sad'", "'Happy'"], &[("happy", &[2]), ("SAD ", &[1])], &["x", "1"]),
    row("uuid", &["'6f9619ff-8b86-d011-b42d-00c04fc964ff'"], &[("{6F9619FF-8B86-D011-B42D-00C04FC964FF}", &[1])], &["6f9619ff"]),
    row("inet4", &["'10.1.2.3'"], &[("10.1.2.3", &[1]), ("10.1.2.3/32", &[1])], &["::1", "10.1.2.3/8"]),
    row("inet6", &["'::10.1.2.3'", "'2001:db8::1'"], &[("::a01:203", &[1]), ("2001:DB8:0::1", &[2])], &["10.1.2.3"]),
    row("date", &["'2024-02-29'", "'0000-00-00'"], &[("2024-02-29", &[1])], &["2024-02-30", "20240229"]),
    row("binary(4)", &["x'00ff00ff'", "'ab'"], &[("\\x00FF00FF", &[1]), ("ab", &[2])], &["\\xabc", "abcde"]),
    row("varbinary(20)", &["'any'", "x'ff'"], &[("any", &[1]), ("\\xff", &[2]), ("\\x616e79", &[1])], &[]),
];

const LONG: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
                    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxA";

const SQLITE: &[Subject] = &[
    row("INTEGER", &["42", "'42abc'", "9007199254740993"], &[("042", &[1]), ("42abc", &[2]), ("9007199254740993", &[3])], &[]),
    row("REAL", &["0.1", "16777217"], &[("0.1", &[1]), ("16777217", &[2])], &[]),
    row("NUMERIC", &["'1.0'", "'1e2'"], &[("1", &[1]), ("100", &[2])], &[]),
    row("TEXT", &["'a'", "'A'", "42"], &[("a", &[1]), ("42", &[3])], &[]),
    row("TEXT COLLATE NOCASE", &["'Ann'", "'Ä'"], &[("ann", &[1]), ("ä", &[])], &[]),
    row("TEXT COLLATE RTRIM", &["'ann  '"], &[("ann ", &[1]), ("ANN", &[])], &[]),
    row("STRING COLLATE NOCASE", &["'Ann'", "7"], &[("ann", &[1]), ("7", &[2])], &[]),
    row("BLOB COLLATE NOCASE", &["'Ann'"], &[("ann", &[1])], &[]),
    row("BLOB", &["x'00ff'", "'a'", "x'616e6e'", "42", "42.0"], &[("\\x00FF", &[1]), ("ann", &[3]), ("42", &[4, 5]), ("a", &[2])], &[]),
    row("BINARY(16)", &["x'00ff'"], &[("\\x00ff", &[1])], &[]),
];

/// Types in which nobody can be named, by engine.
const NOBODY: [&[&str]; 3] = [
    &[],
    &["jsonb", "json", "timestamptz", "timestamp", "time", "interval", "integer[]", "int4range", "xml", "money", "point", "pair", "name"],
    &["json", "datetime", "timestamp NULL", "time", "set('a','b')", "geometry"],
];

/// What the types above are made of.
pub fn types_of(ground: &Ground) {
    match ground.dialect() {
        Dialect::Postgres => ground.execute(
            "DROP EXTENSION IF EXISTS citext CASCADE; DROP COLLATION IF EXISTS folded CASCADE; DROP TYPE IF EXISTS mood, pair CASCADE;
             DROP DOMAIN IF EXISTS number, positive, quiet CASCADE; CREATE EXTENSION citext;
             CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a integer, b integer);
             CREATE DOMAIN number AS bigint CHECK (value <> 13); CREATE DOMAIN positive AS number NOT NULL CHECK (value > 0);
             CREATE DOMAIN quiet AS citext CHECK (value <> '')",
        ),
        Dialect::Sqlite | Dialect::Mysql => {}
    }
}

/// The type as this engine writes it.
fn written(sql_type: &str, dialect: Dialect) -> &str {
    if sql_type == "mood" && dialect == Dialect::Mysql { "enum('sad','Happy')" } else { sql_type }
}

pub async fn subjects_are_found_in_columns_of_every_type(ground: &Ground) {
    ground.with_workspace().await;
    types_of(ground);
    let dialect = ground.dialect();
    let (subjects, nobody) = of(dialect);
    for Subject { sql_type, stored, held, refused } in subjects {
        ground.execute(&format!(
            "DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, at text, who {})",
            written(sql_type, dialect)
        ));
        let rows: Vec<String> = stored.iter().zip(1..).map(|(who, id)| format!("({id}, '2020-01-01', {who})")).collect();
        ground.execute(&format!("SET_MODE; INSERT INTO t VALUES {}", rows.join(", ")).replace("SET_MODE; ", permissive(dialect)));
        let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).subject("who", "who");
        let of = rule.column("who");
        assert!(can_be_subject(of.class, dialect), "{sql_type}");
        let mut anyone = BTreeSet::new();
        let mut holds = Vec::new();
        for (value, ids) in *held {
            assert_eq!(subject_value_fits(&of, dialect, value), Ok(()), "{value} in {sql_type}");
            let hold = format!("{sql_type} {}", holds.len());
            ground.hold(&hold, Scope::Source, &[("who", value)]).await;
            let covered =
                ground.engine.count_held(&rule.shape.table, &rule.selection.held.subjects, &rule.selection.held.scopes, &hold).await;
            assert_eq!(covered.expect("a count"), ids.len() as u64, "{value} in {sql_type}");
            anyone.extend(ids.iter().copied());
            holds.push(hold);
        }
        // What can't be one of its values is an error when it is placed. Where it is placed all the same, nobody is held by it.
        for value in *refused {
            assert!(value.is_empty() || subject_value_fits(&of, dialect, value).is_err(), "{value} in {sql_type}");
            let hold = format!("{sql_type} {}", holds.len());
            ground.hold(&hold, Scope::Source, &[("who", value)]).await;
            let covered =
                ground.engine.count_held(&rule.shape.table, &rule.selection.held.subjects, &rule.selection.held.scopes, &hold).await;
            assert_eq!(covered.expect("a count"), 0, "{value} in {sql_type}");
            holds.push(hold);
        }
        let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
        ground.sweep(&rule.selection, &way, 100, &Act::Delete).await;
        assert_eq!(ground.ids("t"), anyone, "{sql_type}");
        ground.execute("DROP TABLE t");
        for hold in holds {
            super::super::holds::release(ground, &hold).await;
        }
    }
    let mut told = Vec::new();
    for sql_type in nobody {
        ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, who {sql_type})"));
        let of = ground.rule("t").await.column("who");
        assert!(!can_be_subject(of.class, dialect), "{sql_type}");
        told.push(format!("{sql_type}: {}", why_no_subject(&of, dialect)));
        ground.execute("DROP TABLE t");
    }
    if !told.is_empty() {
        insta::assert_snapshot!(format!("types_that_name_nobody_{dialect:?}"), told.join("\n"));
    }
}

/// A session that takes dates which don't exist.
pub fn permissive(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Mysql { "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,ALLOW_INVALID_DATES'; " } else { "" }
}

/// The types of an engine as a table for people: how a subject may be written, and what can't be one.
pub fn table(dialect: Dialect) -> String {
    let mut table = "`--subject KIND:…` | an error when it is placed |\n|---|---|---|\n".to_owned();
    let code = |texts: Vec<&str>| {
        let short = texts.into_iter().filter(|text| (1..40).contains(&text.len())).map(|text| format!("`{text}`"));
        short.collect::<Vec<_>>().join(", ")
    };
    for Subject { sql_type, held, refused, .. } in of(dialect).0 {
        let found: Vec<&str> = held.iter().filter(|(_, ids)| !ids.is_empty()).map(|(value, _)| *value).collect();
        if found.iter().any(|value| value.len() < 40) {
            table.push_str(&format!("| `{sql_type}` | {} | {} |\n", code(found), code(refused.to_vec())));
        }
    }
    for sql_type in of(dialect).1 {
        table.push_str(&format!("| `{sql_type}` | refused as a subject | |\n"));
    }
    table
}

fn of(dialect: Dialect) -> (&'static [Subject], &'static [&'static str]) {
    match dialect {
        Dialect::Sqlite => (SQLITE, NOBODY[0]),
        Dialect::Postgres => (POSTGRES, NOBODY[1]),
        Dialect::Mysql => (MARIADB, NOBODY[2]),
    }
}
