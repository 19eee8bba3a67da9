//! Every type of each engine goes into an archive and comes back as exactly what it was.

use super::{
    CLOSED,
    archives::{archived, folder},
    policy, sweep,
};
use crate::support::product::{Kind, Product};

/// A column's type, and values of it.
type Typed = (&'static str, &'static [&'static str]);

const SQLITE: &[Typed] = &[
    ("", &["9007199254740993", "-9223372036854775808", "0.1", "1e300", "9e999", "-0.0", "'1'", "x'00ff'", "NULL", "''", "char(97, 0, 98)"]),
    ("integer", &["1", "'one'", "0.5"]),
    ("real", &["1", "0.30000000000000004", "5e-324"]),
    ("numeric", &["1.50", "'1.5x'"]),
    ("text", &["'o''brien \\ \"q\" ü 🦀'", "1", "x'c3'"]),
    ("blob", &["x''", "'text'"]),
    ("boolean", &["1"]),
    ("integer GENERATED ALWAYS AS (id * 2)", &[]),
];

const POSTGRES: &[Typed] = &[
    ("smallint", &["-32768"]),
    ("bigint", &["9223372036854775807"]),
    ("numeric(30,10)", &["12345678901234567890.0123456789", "'NaN'"]),
    ("numeric", &["1.10", "0.00000000000000000000000001"]),
    ("real", &["0.1", "'Infinity'", "3.4028235e38"]),
    ("double precision", &["0.30000000000000004", "5e-324", "'-0'", "'NaN'"]),
    ("text", &["E'o''brien \\\\ \"q\" \\n\\t ü 🦀'", "''", "NULL"]),
    ("varchar(5)", &["'ab   '"]),
    ("char(5)", &["'ab'"]),
    ("bytea", &["'\\x00ff5c78'", "''"]),
    ("boolean", &["true"]),
    ("date", &["'infinity'", "'0044-03-15 BC'"]),
    ("timestamp", &["'2024-02-29 23:59:59.999999'", "'-infinity'"]),
    ("timestamptz", &["'2024-02-29 23:59:59.999999+05:30'"]),
    ("time", &["'24:00:00'"]),
    ("timetz", &["'12:00:00.000001-08'"]),
    ("interval", &["'1 year -2 mons 3 days -04:05:06.789'"]),
    ("uuid", &["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
    ("inet", &["'10.0.0.1/24'", "'::1'"]),
    ("cidr", &["'10.0.0.0/24'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("json", &["'{\"b\" : 1,  \"a\": [1.10, null]}'"]),
    ("jsonb", &["'{\"b\": 1, \"a\": 1.10}'"]),
    ("integer[]", &["'{{1,2},{3,NULL}}'", "'[0:1]={1,2}'"]),
    ("text[]", &["ARRAY['a\"b', 'c,d', NULL, '', 'NULL', E'\\\\']"]),
    ("int4range", &["'[1,5)'", "'empty'"]),
    ("mood", &["'sad \"x\"'"]),
    ("pair", &["ROW(1, 'a,\"b\" (c)')"]),
    ("bit(3)", &["B'101'"]),
    ("varbit", &["B''", "B'10'"]),
    ("money", &["'-12.34'"]),
    ("point", &["'(0.1,0.2)'"]),
    ("tsvector", &["'a:1 b:2,3'"]),
    ("bigint GENERATED ALWAYS AS IDENTITY", &[]),
    ("bigint GENERATED ALWAYS AS (id * 2) STORED", &[]),
];

const MARIADB: &[Typed] = &[
    ("tinyint", &["-128"]),
    ("bigint unsigned", &["18446744073709551615"]),
    ("decimal(65,30)", &["12345678901234567890123456789012345.012345678901234567890123456789"]),
    ("float", &["0.1", "3.40282e38"]),
    ("double", &["0.30000000000000004", "5e-324"]),
    ("double(10,2)", &["1.25"]),
    ("bit(12)", &["b'101010101010'"]),
    ("varchar(20) CHARACTER SET latin1", &["'äöü €'"]),
    ("varchar(20)", &["'o''brien \"q\" ü 🦀'", "''", "NULL", "'a '"]),
    ("char(5)", &["'ab'"]),
    ("text", &["concat('a', char(0), char(10), '\\\\', 'b')"]),
    ("blob", &["x'00ff5c'", "''"]),
    ("binary(4)", &["x'01'"]),
    ("date", &["'0001-01-01'", "'9999-12-31'"]),
    ("datetime(6)", &["'2024-02-29 23:59:59.999999'"]),
    ("datetime", &["'2024-02-29 23:59:59'"]),
    ("timestamp(3) NULL", &["'2024-02-29 23:59:59.999'"]),
    ("time(6)", &["'-838:59:58.999999'"]),
    ("year", &["2024", "0"]),
    ("enum('a','b''c')", &["'b''c'"]),
    ("set('a','b')", &["'a,b'", "''"]),
    ("json", &["'{\"b\" : 1,  \"a\": [1.10, null]}'"]),
    ("inet6", &["'2001:db8::1'"]),
    ("uuid", &["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
    ("point", &["point(0.1, 0.2)"]),
    ("bigint GENERATED ALWAYS AS (id * 2) STORED", &[]),
];

/// A table with a column for each type and a row for each value; everything is due.
fn typed(kind: Kind, types: &[Typed]) -> Product {
    let product = Product::new(kind, "[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0").at(super::NOW);
    std::fs::create_dir(folder(&product)).expect("a folder");
    let columns: Vec<String> = types.iter().enumerate().map(|(number, (sql_type, _))| format!("c{number} {sql_type}")).collect();
    let time = kind.pick("text", "timestamptz", "datetime(6)");
    let prelude = kind.pick("", "CREATE TYPE mood AS ENUM ('sad \"x\"', 'ok'); CREATE TYPE pair AS (a int, b text);", "");
    product
        .data
        .execute(&format!("{prelude} CREATE TABLE typed (id bigint PRIMARY KEY, email text, closed_at {time}, {})", columns.join(", ")));
    let values = types.iter().enumerate().flat_map(|(number, (_, values))| values.iter().map(move |value| (number, value)));
    for (id, (number, value)) in values.enumerate() {
        product
            .data
            .execute(&format!("INSERT INTO typed (id, email, closed_at, c{number}) VALUES ({id}, 'e', '2020-01-01 00:00:00', {value})"));
    }
    product.rules("p", &policy(&[&archived(&product, &CLOSED.replace("\"accounts\"", "\"typed\""))]));
    product.init();
    product
}

/// Every value, in a text that no two values share.
fn contents(product: &Product, types: &[Typed]) -> Vec<String> {
    let exact = |number: usize, sql_type: &str| match product.kind {
        Kind::Sqlite => format!(
            "typeof(c{number}) || coalesce(CASE typeof(c{number}) WHEN 'real' THEN printf('%!.17g', c{number}) ELSE hex(c{number}) END, '-')"
        ),
        Kind::Postgres => format!("coalesce(c{number}::text, '-')"),
        Kind::Mariadb => {
            let value = match sql_type {
                sql_type if sql_type.starts_with("float") || sql_type.starts_with("double") => format!("CAST(c{number} AS DOUBLE)"),
                sql_type if sql_type.starts_with("bit") => format!("c{number} + 0"),
                sql_type
                    if ["bi", "po", "bl", "va", "ch", "te"].iter().any(|begin| sql_type.starts_with(begin))
                        && !sql_type.starts_with("bigint") =>
                {
                    format!("hex(c{number})")
                }
                _ => format!("c{number}"),
            };
            format!("coalesce({value}, '-')")
        }
    };
    let queries: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(number, (sql_type, _))| format!("SELECT CAST({} AS text) FROM typed ORDER BY id", exact(number, sql_type)))
        .collect();
    let columns = product.data.columns(&queries);
    columns.iter().zip(types).map(|(values, (sql_type, _))| format!("{sql_type}: {}", values.join(" | "))).collect()
}

fn all_come_back(kind: Kind, types: &[Typed]) {
    let product = typed(kind, types);
    let (before, rows) = (contents(&product, types), product.data.number("SELECT count(*) FROM typed"));
    sweep(&product, "", 0);
    assert_eq!(product.data.number("SELECT count(*) FROM typed"), 0);
    product.cli("archive verify").expect(0);
    if kind != Kind::Sqlite {
        product.data.execute(&format!("GRANT INSERT ON typed TO {}", product.data.role()));
    }
    for copy in super::archives::copies(&product) {
        let object = copy["object"].as_str().expect("a name");
        product.run(["archive", "restore", object, "--by", "b", "--reason", "r"]).expect(0);
    }
    assert_eq!(product.data.number("SELECT count(*) FROM typed"), rows);
    for (was, is) in before.iter().zip(contents(&product, types)) {
        assert_eq!(*was, is, "{kind:?}");
    }
}

#[test]
fn every_value_of_sqlite_comes_back() {
    // Text that is not UTF-8 can't be written as JSON: it refuses, below.
    all_come_back(Kind::Sqlite, SQLITE);
}

#[test]
fn every_type_of_postgresql_comes_back() {
    all_come_back(Kind::Postgres, POSTGRES);
}

#[test]
fn every_type_of_mariadb_comes_back() {
    all_come_back(Kind::Mariadb, MARIADB);
}

/// What can't be written down is not deleted.
#[test]
fn text_that_is_none_stays() {
    let product = typed(Kind::Sqlite, &[("text", &["'good'", "CAST(x'ff' AS text)"])]);
    let report = sweep(&product, "", 1);
    assert_eq!(super::ended(&report), "failed database", "{report}");
    assert!(report.to_string().contains("not UTF-8"), "{report}");
    assert_eq!(product.data.number("SELECT count(*) FROM typed"), 2);
}
