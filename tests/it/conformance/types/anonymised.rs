//! What strategies write to columns of every type, what they refuse there, and that nothing beside them moves.

use retentiond::{
    anonymise,
    policy::{Dialect, StartFormat, StrategySpec, Unit},
    secret::Keys,
    sql::selection::{DoneTest, NewValue},
};

use super::{
    super::{
        anonymising::act,
        ground::Ground,
        strategies::{becomes, target},
    },
    subjects::{permissive, types_of},
};

fn fixed(value: &str) -> StrategySpec {
    StrategySpec::Fixed { value: value.to_owned(), replace_null: false }
}

const TRUNCATE: StrategySpec = StrategySpec::TruncateIp { v4: 24, v6: 48 };
const YEAR: StrategySpec = StrategySpec::DateTrunc { unit: Unit::Year };

/// A type, a strategy, old values as SQL with the texts that they become.
type Written = (&'static str, StrategySpec, &'static [(&'static str, Option<&'static str>)]);

fn written(dialect: Dialect) -> Vec<Written> {
    match dialect {
        Dialect::Postgres => vec![
            ("mood", fixed("happy"), &[("'sad'", Some("happy")), ("NULL", None)]),
            ("mood", StrategySpec::Null, &[("'sad'", None)]),
            ("integer[]", fixed("{}"), &[("'{1,2}'", Some("{}")), ("'{}'", Some("{}")), ("NULL", None)]),
            ("json[]", fixed("{}"), &[("ARRAY['1'::json]", Some("{}"))]),
            ("bytea", fixed("\\x00FF"), &[("'abc'", Some("\\x00ff"))]),
            ("bytea", fixed("gone"), &[("'\\xff'", Some("\\x676f6e65"))]),
            ("bit(3)", fixed("000"), &[("B'101'", Some("000"))]),
            ("jsonb", fixed("{}"), &[(r#"'{"a": 1}'"#, Some("{}"))]),
            ("json", fixed("{}"), &[(r#"'{"a": 1}'"#, Some("{}"))]),
            ("cidr", TRUNCATE, &[("'10.1.2.3'", Some("10.1.2.0/32")), ("'2001:db8:a:b::/64'", Some("2001:db8:a::/128"))]),
            ("inet", TRUNCATE, &[("'10.1.2.3/8'", Some("10.1.2.0/32")), ("'::10.1.2.3'", Some("::/128"))]),
            ("citext", StrategySpec::Mask, &[("'Ann@Example.com'", Some("A***@Example.com"))]),
            ("positive", fixed("1"), &[("7", Some("1"))]),
            ("positive", StrategySpec::Round { to: 5 }, &[("7", Some("5"))]),
            ("quiet", StrategySpec::Mask, &[("'Ann'", Some("***"))]),
            ("numeric(3,-1)", StrategySpec::Round { to: 100 }, &[("1230", Some("1200"))]),
        ],
        Dialect::Mysql => vec![
            ("enum('a','b')", fixed("b"), &[("'a'", Some("b")), ("NULL", None)]),
            ("enum('a','b')", StrategySpec::Null, &[("'a'", None)]),
            ("set('a','b','c')", fixed("a,c"), &[("'b'", Some("a,c")), ("''", Some("a,c"))]),
            ("json", fixed("{}"), &[(r#"'{"a": 1}'"#, Some("{}"))]),
            ("inet4", TRUNCATE, &[("'10.1.2.3'", Some("10.1.2.0"))]),
            ("inet6", TRUNCATE, &[("'2001:db8:a:b::1'", Some("2001:db8:a::")), ("'::10.1.2.3'", Some("::"))]),
            ("bigint unsigned", StrategySpec::Round { to: 10 }, &[("18446744073709551615", Some("18446744073709551610"))]),
            ("datetime(6)", YEAR, &[("'2024-03-17 10:00:00.5'", Some("2024-01-01 00:00:00.000000"))]),
            ("varchar(20) COLLATE latin1_german2_ci", StrategySpec::Mask, &[("'Ännchen'", Some("***"))]),
            ("varchar(20) COLLATE latin1_swedish_ci", fixed("ö"), &[("'o'", Some("ö")), ("'Ö'", Some("ö"))]),
        ],
        Dialect::Sqlite => vec![
            ("BLOB", fixed("gone"), &[("x'00ff'", Some("gone")), ("7", Some("gone"))]),
            ("JSON", fixed("{}"), &[(r#"'{"a": 1}'"#, Some("{}"))]),
        ],
    }
}

/// A type and a strategy that can't be used there.
fn refused(dialect: Dialect) -> Vec<(&'static str, StrategySpec)> {
    match dialect {
        Dialect::Postgres => vec![
            ("mood", fixed("sadder")),
            ("mood", StrategySpec::Mask),
            ("positive", StrategySpec::Null),
            ("integer[]", fixed("{1}")),
            ("integer[]", StrategySpec::Mask),
            ("int4range", fixed("empty")),
            ("bit(3)", fixed("10")),
            ("jsonb", fixed("{")),
            ("jsonb", StrategySpec::Mask),
            ("bytea", StrategySpec::Mask),
            ("money", StrategySpec::Round { to: 10 }),
            ("numeric(3,-1)", StrategySpec::Round { to: 7 }),
            ("interval", YEAR),
            ("time", YEAR),
            ("varchar(2)", StrategySpec::Mask),
            ("numeric(4,2)", fixed("1.555")),
            ("xml", fixed("<a/>")),
            ("pair", fixed("(1,2)")),
        ],
        Dialect::Mysql => vec![
            ("enum('a','b')", fixed("c")),
            ("enum('a','b')", StrategySpec::Random),
            ("set('a','b')", fixed("b,a")),
            ("json", StrategySpec::Mask),
            ("json", StrategySpec::Random),
            ("json", fixed("gone")),
            ("bit(3)", fixed("8")),
            ("char(9)", fixed("gone ")),
            ("varchar(9) COLLATE latin1_swedish_ci", fixed("Ж")),
            ("varchar(9) COLLATE koi8r_general_ci", fixed("ö")),
            ("timestamp NULL", fixed("1970-01-01T00:00:00Z")),
            ("tinyint", fixed("128")),
            ("year", YEAR),
            ("geometry", fixed("x")),
        ],
        Dialect::Sqlite => vec![("JSON", fixed("{")), ("INTEGER", StrategySpec::Mask), ("BIGINT", fixed("1.5"))],
    }
}

pub async fn strategies_write_what_each_type_holds(ground: &Ground) {
    ground.with_workspace().await;
    types_of(ground);
    let dialect = ground.dialect();
    for (sql_type, spec, values) in written(dialect) {
        becomes(ground, sql_type, &spec, values).await;
    }
    if dialect == Dialect::Mysql {
        becomes(ground, "bit(8)", &fixed("5"), &[("b'1'", Some("\u{5}"))]).await;
    }
    let mut told = Vec::new();
    for (sql_type, spec) in refused(dialect) {
        ground.execute(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, at text, v {sql_type})"));
        let misfit = anonymise::strategy(&spec, &Keys::default()).expect("a strategy").fits(&target(ground).await).expect_err(sql_type);
        told.push(format!("`{}` can't be used on {sql_type}: {misfit}", spec.name()));
    }
    insta::assert_snapshot!(format!("strategies_refused_{dialect:?}"), told.join("\n"));
}

/// Types with values that a careless rewriting would not leave as they are.
fn bystanders(dialect: Dialect) -> Vec<(&'static str, &'static str)> {
    match dialect {
        Dialect::Postgres => vec![
            ("timestamptz", "'infinity'"),
            ("timestamp(3)", "'0044-03-15 10:20:30.125 BC'"),
            ("date", "'5874897-12-31'"),
            ("time", "'24:00:00'"),
            ("interval", "'1 mon -1 day 00:00:00.000001'"),
            ("numeric", "'1.500'"),
            ("numeric", "'NaN'"),
            ("real", "'-0'"),
            ("double precision", "5e-324"),
            ("money", "'-1.23'"),
            ("char(5)", "'a  '"),
            ("text", "E'\\r\\n a '"),
            ("bytea", "'\\x00ff'"),
            ("bit(3)", "B'101'"),
            ("json", "'{\"b\":1,  \"b\":2.0}'"),
            ("jsonb", "'{\"b\":1.0}'"),
            ("xml", "'<a>x</a>'"),
            ("integer[]", "'[0:1]={1,NULL}'"),
            ("int4range", "'[1,5)'"),
            ("mood", "'sad'"),
            ("pair", "'(1,)'"),
            ("inet", "'10.1.2.3/8'"),
            ("cidr", "'10.0.0.0/8'"),
            ("point", "'(1,-0)'"),
            ("tsvector", "'a:1'"),
            ("quiet", "'Ann'"),
        ],
        Dialect::Mysql => vec![
            ("datetime(6)", "'0000-00-00 00:00:00.000001'"),
            ("date", "'2024-02-31'"),
            ("timestamp(6) NULL", "'2037-01-01 00:00:00.000001'"),
            ("timestamp DEFAULT current_timestamp() ON UPDATE current_timestamp()", "'2001-01-01 00:00:00'"),
            ("time(6)", "'-838:59:59'"),
            ("year", "0"),
            ("float", "0.1"),
            ("double", "-0e0"),
            ("decimal(65,38)", "0.00000000000000000000000000000000000001"),
            ("bit(8)", "b'101'"),
            ("char(5)", "'a'"),
            ("binary(4)", "'a'"),
            ("varchar(9) COLLATE latin1_swedish_ci", "'€'"),
            ("json", "'{\"b\":1,  \"b\":2.0}'"),
            ("blob", "x'00ff5c27'"),
            ("enum('a','')", "''"),
            ("set('a','b')", "'a,b'"),
            ("uuid", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'"),
            ("inet6", "'::10.1.2.3'"),
            ("geometry", "point(1, 2)"),
        ],
        Dialect::Sqlite => vec![
            ("INTEGER", "'7x'"),
            ("REAL", "-0.0"),
            ("TEXT", "CAST(x'ff00' AS TEXT)"),
            ("BLOB", "x'00ff'"),
            ("NUMERIC", "9007199254740993"),
            ("DATETIME", "2460676.5"),
            ("", "1e300"),
        ],
    }
}

pub async fn bystanders_of_every_type_stay(ground: &Ground) {
    ground.with_workspace().await;
    types_of(ground);
    let dialect = ground.dialect();
    let bystanders = bystanders(dialect);
    let columns: Vec<String> = bystanders.iter().enumerate().map(|(number, (sql_type, _))| format!("b{number} {sql_type}")).collect();
    let values: Vec<&str> = bystanders.iter().map(|(_, value)| *value).collect();
    ground.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, at text, name text, {}); {}INSERT INTO t VALUES (1, '2020-01-01', 'Ann', {})",
        columns.join(", "),
        permissive(dialect),
        values.join(", ")
    ));
    let seen = |number: usize| {
        let name = format!("b{number}");
        let bytes = match dialect {
            Dialect::Postgres => format!("encode(record_send(ROW({name})), 'hex')"),
            Dialect::Sqlite => format!("typeof({name}) || hex({name})"),
            Dialect::Mysql => format!("hex(concat({name}))"),
        };
        ground.column(&bytes, "FROM t")
    };
    let before: Vec<_> = (0..bystanders.len()).map(seen).collect();
    assert!(before.iter().flatten().all(Option::is_some), "{before:?}");
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let name = rule.column("name");
    let rule = rule.done(DoneTest::IsNull(name));
    let touched = rule.shape.columns.iter().filter(|column| column.touched).map(|column| (column.name.as_str(), NewValue::Unchanged));
    let act = act(&rule, std::iter::once(("name", NewValue::Null)).chain(touched).collect());
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    assert_eq!(ground.sweep(&rule.selection, &way, 10, &act).await.iter().sum::<u64>(), 1);
    assert_eq!(ground.column("name", "FROM t"), [None]);
    for (number, (sql_type, value)) in bystanders.iter().enumerate() {
        assert_eq!(seen(number), before[number], "{sql_type} {value}");
    }
}
