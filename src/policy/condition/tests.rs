use proptest::prelude::*;

use super::*;

const DIALECTS: [Dialect; 3] = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql];

fn written(text: &str, dialect: Dialect) -> String {
    match Condition::parse(text, dialect) {
        Ok(condition) => format!("{}  [{}]", condition.sql, condition.columns.join(" ")),
        Err(error) => format!("refused at `{}`: {}", &text[error.span.clone()], error.message),
    }
}

fn assert_all(name: &str, texts: &[&str], dialect: Dialect) {
    let all: String = texts.iter().map(|text| format!("{text}\n    {}\n", written(text, dialect)).replace('\0', "␀")).collect();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, { insta::assert_snapshot!(name, all) });
}

#[test]
fn what_postgresql_gets() {
    assert_all(
        "what_postgresql_gets",
        &[
            "status = 'closed'",
            "Status <> 'closed' AND NOT archived OR \"Status\" IN ('a', 'b')",
            "a AND b AND c AND d",
            "deleted_at IS NULL",
            "kind IS NOT DISTINCT FROM 'spam'",
            "score BETWEEN 1 AND -2.5e3",
            "score + 1 * 2 > 3 - -4",
            "lower(email) LIKE '%@example.com' ESCAPE '!'",
            "name ILIKE 'a%'",
            "coalesce(flag, false)",
            "substring(code from 1 for 2) = 'AB'",
            "trim(leading 'x' from code) = 'a' || 'b'",
            "amount::text = CAST(total AS numeric)::text",
            "CASE WHEN kind = 1 THEN a ELSE b END IS TRUE",
            "CASE kind WHEN 1 THEN 'a' END = 'a'",
            "created < DATE '2026-01-31'",
            "created < TIMESTAMP WITH TIME ZONE '2026-01-31T00:00:00Z'",
            "note = 'it''s'",
            r"note = 'back\slash'' OR 1=1'",
            "\"we\"\"ird; --\" = 1",
            "(a = b) IS NOT TRUE",
            "status = 'tomorrow never dies'",
        ],
        Dialect::Postgres,
    );
}

#[test]
fn what_sqlite_gets() {
    assert_all(
        "what_sqlite_gets",
        &[
            "Status == 'closed'",
            "\"Status\" = 'closed' AND `order` != [group]",
            "archived",
            "name GLOB 'a*'",
            "instr(name, 'x') > 0",
            "CAST(n AS INTEGER) % 2 = 0",
            r"note = 'back\slash'",
            "flag IS TRUE",
            "due NOTNULL",
            "status = 'now'",
        ],
        Dialect::Sqlite,
    );
}

#[test]
fn what_mariadb_gets() {
    assert_all(
        "what_mariadb_gets",
        &[
            "Status = 'closed'",
            "`Status` <> 'closed' AND `order` IN ('a', 'b')",
            "`we``ird\"; --` = 1",
            "note = 'it''s'",
            r"note = 'it\'s; --'",
            r"note = 'back\\slash'",
            r"code LIKE '100\%'",
            "code LIKE '100!%' ESCAPE '!'",
            "a <=> b",
            "a IS NOT DISTINCT FROM 'spam'",
            "a IS DISTINCT FROM 'spam'",
            "trim(LEADING 'x' FROM code) = concat('a', b)",
            "CAST(n AS SIGNED) % 2 = 0",
            "created < TIMESTAMP '2026-01-31 00:00:00'",
            "archived IS TRUE",
        ],
        Dialect::Mysql,
    );
}

/// Each of these is refused in every dialect, whatever the parser makes of it.
const HOSTILE: &[&str] = &[
    "",
    "  ",
    "true; DROP TABLE users",
    "true) OR (true",
    "true --",
    "true /* all */",
    "true OR true -- x\n",
    "1",
    "'yes'",
    "NULL",
    "a + 1",
    "a || 'x'",
    "a AND 1",
    "NOT 'x'",
    "now() > created",
    "created < current_timestamp",
    "created < CURRENT_DATE",
    "localtime = a",
    "random() < 0.5",
    "pg_sleep(10) IS NULL",
    "pg_catalog.pg_sleep(10) IS NULL",
    "public.lower(a) = 'x'",
    "load_extension('x') IS NULL",
    "set_config('a', 'b', false) = 'b'",
    "count(*) > 1",
    "sum(a) > 1",
    "max(a) = a",
    "lower(DISTINCT a) = 'x'",
    "lower(a ORDER BY a) = 'x'",
    "lower(*) = 'x'",
    "lower(a) OVER () = 'x'",
    "lower(a) FILTER (WHERE true) = 'x'",
    "row_number() OVER () = 1",
    "a IN (SELECT id FROM users)",
    "EXISTS (SELECT 1)",
    "a = (SELECT 1)",
    "a = ANY (ARRAY[1])",
    "a = ALL ('{1}')",
    "a IN ()",
    "a IN (1, NULL)",
    "a = NULL",
    "NULL <> a",
    "a = $1",
    "a = ?",
    "a = :name",
    "a = @x",
    "a = E'\\'' OR true",
    "a = $$x$$",
    "a = $tag$x$tag$",
    "a = U&'\\0041'",
    "a = N'x'",
    "a = X'41'",
    "a = B'1'",
    "a = 0x1F",
    "a = 1_000",
    "users.a = 1",
    "public.users.a = 1",
    "t.a = 1",
    "a = b = c",
    "a = b IS NULL",
    "a < b IN (true)",
    "a = NOT b",
    "a || b + 1 = 'x'",
    "- a || b = 'x'",
    "a & 1 = 1",
    "a | 1 = 1",
    "a ^ 2 = 1",
    "a << 1 = 2",
    "~a = 1",
    "a ~ '(a+)+$'",
    "a REGEXP 'x'",
    "a MATCH 'x'",
    "a SIMILAR TO 'x'",
    "a -> 'x' = 'y'",
    "a ->> 'x' = 'y'",
    "a @> 'x'",
    "a COLLATE NOCASE = 'x'",
    "a AT TIME ZONE 'UTC' < b",
    "extract(year from a) = 2020",
    "a < interval '1 day'",
    "(a, b) = (1, 2)",
    "ROW(a, b) = ROW(1, 2)",
    "ARRAY[a] = ARRAY[1]",
    "a[1] = 1",
    "(a).b = 1",
    "CAST(a AS regclass) IS NULL",
    "CAST('users' AS users) IS NULL",
    "CAST(a AS varchar(3)) = 'x'",
    "TRY_CAST(a AS text) = 'x'",
    "a LIKE ANY ('x')",
    "a = 1 UNION SELECT 1",
    "a = 1 LIMIT 1",
    "a = 1, b = 2",
    "a := 1",
    "a = 1 RETURNING *",
    "SELECT 1",
    "DELETE FROM users",
    "a = 'x",
    "a = \"x",
    "a = 'x\0'",
    "(a = 1",
    "a =",
    "= a",
    "*",
    "a.* IS NULL",
    "{fn now()} = a",
    "nextval('s') = 1",
    "current_user = 'root'",
    "xml '<a/>' IS NULL",
    "regclass 'users' IS NULL",
];

#[test]
fn nothing_but_the_list_gets_through() {
    for dialect in DIALECTS {
        for text in HOSTILE {
            let outcome = Condition::parse(text, dialect);
            if *text == "current_user = 'root'" && dialect != Dialect::Postgres {
                // To SQLite and to the parser of MariaDB's dialect it can only be a column, and is written as one.
                assert_eq!(outcome.map(|condition| condition.columns), Ok(vec!["current_user".to_owned()]));
                continue;
            }
            let error = outcome.expect_err(&format!("{text} in {dialect:?}"));
            assert!(text.get(error.span.clone()).is_some(), "{text}: {:?}", error.span);
        }
    }
}

#[test]
fn why_each_is_refused() {
    assert_all("why_each_is_refused", HOSTILE, Dialect::Postgres);
}

#[test]
fn what_one_dialect_lacks_is_refused_there() {
    assert!(Condition::parse("a ILIKE 'x'", Dialect::Sqlite).is_err());
    assert!(Condition::parse("a GLOB 'x'", Dialect::Postgres).is_err());
    assert!(Condition::parse("DATE '2026-01-31' < a", Dialect::Sqlite).is_err());
    assert!(Condition::parse("`a` = 1", Dialect::Postgres).is_err());
    assert!(Condition::parse("md5(a) = 'x'", Dialect::Sqlite).is_err());
    assert!(Condition::parse("a || b = 'x'", Dialect::Mysql).is_err());
    assert!(Condition::parse("a = 1 || b = 2", Dialect::Mysql).is_err());
    assert!(Condition::parse("a = 1 && b = 2", Dialect::Mysql).is_err());
    assert!(Condition::parse("\"a\" = 'x'", Dialect::Mysql).is_err());
    assert!(Condition::parse("a <=> b", Dialect::Postgres).is_err());
    assert!(Condition::parse("created < TIMESTAMP '2026-01-31T00:00:00Z'", Dialect::Mysql).is_err());
}

#[test]
fn texts_and_dates_that_postgresql_reads_as_the_present_are_refused() {
    for text in [
        "'now'",
        "' Now '",
        "'today 12:00'",
        "'12:00 tomorrow'",
        "'yesterday allballs'",
        "DATE 'today'",
        "DATE '1/2/2026'",
        "TIMESTAMP 'now'",
    ] {
        assert!(Condition::parse(&format!("created < {text}"), Dialect::Postgres).is_err(), "{text}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("{}a{} = 1", "(".repeat(2_000), ")".repeat(2_000));
    let sum = format!("{}a = 1", "a+".repeat(2_000));
    let long = vec!["a"; 1_500].join("=");
    let chain = vec!["a"; 600].join(" AND ");
    for dialect in DIALECTS {
        assert!(Condition::parse(&deep, dialect).is_err());
        assert!(Condition::parse(&sum, dialect).is_err());
        assert!(Condition::parse(&long, dialect).is_err());
        assert!(Condition::parse(&format!("{sum} ~ 1"), dialect).is_err());
        assert!(Condition::parse(&" ".repeat(5_000), dialect).is_err());
        assert_eq!(Condition::parse(&chain, dialect).map(|condition| condition.columns), Ok(vec!["a".to_owned()]));
    }
}

/// Splits what was written into tokens, with the strings and names taken out, by rules of its own.
fn bare_words(sql: &str) -> Vec<String> {
    let mut bare = String::new();
    let mut characters = sql.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\'' || character == '"' {
            while let Some(inside) = characters.next() {
                if inside == character && characters.next_if_eq(&character).is_none() {
                    break;
                }
            }
        } else {
            bare.push(character);
        }
    }
    bare.split(|character: char| !(character.is_alphanumeric() || character == '_' || character == '.')).map(str::to_owned).collect()
}

proptest! {
    /// Whatever is thrown together from pieces of SQL: what is accepted holds no word that is not on the list, and reads
    /// the same when it is read again.
    #[test]
    fn only_known_words_reach_the_server(pieces in prop::collection::vec(prop::sample::select(vec![
        "a", "\"B\"", "c", "'x'", "'it''s'", "'\\'", "1", "2.5", "=", "<", "AND", "OR", "NOT", "IS NULL", "(", ")", "IN (1, 2)", "LIKE", "||", "+", "-",
        "lower(", "now()", "current_date", "CAST(a AS text)", "::text", "random()", ",", "--", "/*", "*/", ";", "$1", "?", "SELECT 1", "$$", "E'\\''",
        "CASE WHEN", "THEN", "END", "BETWEEN", "pg_sleep(1)", "~", "->", "[1]", ".", "COLLATE", "true",
    ]), 1..9)) {
        let text = pieces.join(" ");
        for dialect in DIALECTS {
            let Ok(condition) = Condition::parse(&text, dialect) else { continue };
            for word in bare_words(&condition.sql).into_iter().filter(|word| !word.is_empty()) {
                const KNOWN: &[&str] = &["t.", "E", "AND", "OR", "NOT", "IS", "NULL", "TRUE", "FALSE", "IN", "LIKE", "BETWEEN", "CASE", "WHEN", "THEN", "END", "CAST", "AS", "text", "TEXT", "lower", "pg_catalog.lower"];
                prop_assert!(KNOWN.contains(&word.as_str()) || word.parse::<f64>().is_ok(), "{word} in {}", condition.sql);
            }
            prop_assert!(!condition.sql.contains("--") && !condition.sql.contains(';'), "{}", condition.sql);
        }
    }

    /// A text of any characters stays one literal.
    #[test]
    fn any_text_stays_inside_its_quotes(value in "[^\0]{0,12}") {
        let text = format!("a = '{}'", value.replace('\'', "''"));
        let sqlite = Condition::parse(&text, Dialect::Sqlite).expect("a comparison");
        prop_assert_eq!(sqlite.sql, format!("(t.\"a\" = '{}')", value.replace('\'', "''")));
        let postgres = Condition::parse(&text, Dialect::Postgres).expect("a comparison");
        let expected = if value.contains('\\') {
            format!("(t.\"a\" = E'{}')", value.replace('\'', "''").replace('\\', "\\\\"))
        } else {
            format!("(t.\"a\" = '{}')", value.replace('\'', "''"))
        };
        prop_assert_eq!(postgres.sql, expected);
        let text = format!("a = '{}'", value.replace('\\', "\\\\").replace('\'', "''"));
        let mysql = Condition::parse(&text, Dialect::Mysql).expect("a comparison");
        prop_assert_eq!(mysql.sql, format!("(t.\"a\" = '{}')", value.replace('\'', "''")));
    }

    /// A name of any characters stays one name.
    #[test]
    fn any_name_stays_inside_its_quotes(name in "[^\0]{1,12}") {
        let text = format!("\"{}\" = 1", name.replace('"', "\"\""));
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let condition = Condition::parse(&text, dialect).expect("a comparison");
            prop_assert_eq!(&condition.sql, &format!("(t.\"{}\" = 1)", name.replace('"', "\"\"")));
            prop_assert_eq!(&condition.columns, &vec![name.clone()]);
        }
        let condition = Condition::parse(&format!("`{}` = 1", name.replace('`', "``")), Dialect::Mysql).expect("a comparison");
        prop_assert_eq!(&condition.sql, &format!("(t.\"{}\" = 1)", name.replace('"', "\"\"")));
        prop_assert_eq!(&condition.columns, &vec![name]);
    }
}
