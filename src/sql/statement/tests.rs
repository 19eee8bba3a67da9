//! Statements as text, with every part and hostile names, and run on SQLite.

use std::sync::Arc;

use super::*;
use crate::policy::{StartFormat, Which};
use crate::sql::{
    Statement,
    fixture::{at, column, end_test, hostile, start_test},
    quote_identifier, quote_literal,
    selection::{
        Act, Assignment, ColumnRef, Compute, DateTest, EndTest, HopRef, KeyPart, NewValue, Override, PartTest, Range, Selection,
        SettingTest, Side, TypeClass, Way,
    },
    trial::Trial,
    without_nul,
};

struct Reversed;

impl Compute for Reversed {
    fn compute(&self, old: &str) -> Option<String> {
        Some(old.chars().rev().collect())
    }
}

fn anonymise(mark: Option<ColumnRef>) -> Act {
    let [body, name, mail] = ["body", "name", "mail"].map(|name| column(name, TypeClass::Text, "character varying(20)"));
    let value = "o'ne \\ two".to_owned();
    Act::Anonymise {
        assignments: vec![
            Assignment { column: body, value: NewValue::Null },
            Assignment { column: name, value: NewValue::Fixed { value, replace_null: false } },
            Assignment { column: ColumnRef { nullable: false, ..mail }, value: NewValue::Computed(Arc::new(Reversed)) },
        ],
        mark,
        at: at("2026-05-30T12:00:00Z"),
    }
}

/// The ways of a dialect, each with a range that is bounded on both sides.
fn ranges(dialect: Dialect) -> Vec<Range> {
    let start = column("se\"nt", TypeClass::Integer, "bigint");
    let cells = |number: i64, tie: Cell| Some(vec![Cell::Integer(number), tie]);
    match dialect {
        Dialect::Postgres => vec![
            Range { way: Way::Blocks, after: Some(vec![Cell::Integer(10)]), through: Some(vec![Cell::Integer(20)]) },
            Range {
                way: Way::Columns { columns: vec![start], tie: vec!["ctid"] },
                after: cells(10, Cell::Text("(0,1)".to_owned())),
                through: cells(20, Cell::Text("(7,2)".to_owned())),
            },
        ],
        Dialect::Sqlite => vec![
            Range { way: Way::Rowid("_rowid_"), after: Some(vec![Cell::Integer(10)]), through: Some(vec![Cell::Integer(20)]) },
            Range {
                way: Way::Columns { columns: vec![start], tie: vec!["rowid"] },
                after: cells(10, Cell::Integer(1)),
                through: cells(20, Cell::Integer(2)),
            },
        ],
        Dialect::Mysql => {
            let id = column("i\"d", TypeClass::Integer, "bigint(20) unsigned");
            vec![
                Range { way: Way::Unordered, after: None, through: Some(vec![Cell::Integer(500)]) },
                Range {
                    way: Way::Columns { columns: vec![start, id], tie: Vec::new() },
                    after: cells(10, Cell::Text("1".to_owned())),
                    through: cells(20, Cell::Text("2".to_owned())),
                },
            ]
        }
    }
}

/// A statement for people: a line for each part, then how many values are bound.
fn shown(statement: &Statement) -> String {
    let mut text = statement.text.clone();
    for word in ["FROM", "WHERE", "AND", "OR", "WHEN", "SET", "ORDER BY"] {
        text = text.replace(&format!(" {word} "), &format!("\n{word} "));
    }
    format!("{text}\n-- {} bound", statement.binds.len())
}

#[test]
fn texts() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql] {
        let selection = hostile(dialect);
        let mark = column("done at", TypeClass::TimestampTz, "timestamp with time zone");
        let act = anonymise(Some(mark));
        let whole = ranges(dialect).remove(0);
        let mail = column("mail", TypeClass::Text, "text");
        let text = |text: &str| Cell::Text(text.to_owned());
        let new_values = [NewValues::from([(text("a'b"), Some("b'a".to_owned())), (text("x"), None)])];
        let held = &selection.held;
        let overridden = overridden(&selection);
        let plain = Selection { done: Vec::new(), protectors: Vec::new(), references: Vec::new(), ..selection.clone() };
        let key = [KeyPart { column: column("i\"d", TypeClass::Integer, "bigint"), value: "42".to_owned() }];
        let statements = [
            ("count", count(&selection, &whole)),
            ("survey", survey(&selection, &whole)),
            ("find_ended", find_ended(&selection).unwrap_or_else(|| Statement::plain("no comparison of the bare column"))),
            ("count_due", count_due(std::slice::from_ref(&selection), &whole)),
            ("count_held", count_held(&selection.table, &selection.workspace, &held.subjects, &held.scopes, "hold-1")),
            ("count_protected", count_protected(&overridden, &whole)),
            ("count_beyond", count_beyond(&plain, &overridden, &whole)),
            ("look", look(&overridden, &key)),
            ("holders", holders(&overridden, &key).expect("the source holds somebody")),
            ("delete", delete(&selection, &whole)),
            ("old_values", old_values(&selection, &whole, &mail)),
            ("update", update(&selection, &whole, &act, &new_values)),
        ];
        for (name, statement) in statements {
            insta::assert_snapshot!(format!("{name}_{dialect:?}"), shown(&statement));
        }
        for range in ranges(dialect).into_iter().skip(1) {
            let rest = Range { through: None, ..range.clone() };
            let boundary = boundary(&selection, &rest, 5_000).unwrap();
            insta::assert_snapshot!(format!("boundary_{dialect:?}"), shown(&boundary));
            let first = range.after.as_ref().and_then(|after| after.first()).expect("a range behind another");
            let by_value = [value_boundary(&selection, &rest, 5_000), value_below(&selection, &rest, first)];
            insta::assert_snapshot!(format!("by_value_{dialect:?}"), by_value.iter().flatten().map(shown).collect::<Vec<_>>().join("\n\n"));
            let mut simple = selection.clone();
            (simple.done, simple.protectors, simple.references, simple.condition) = (Vec::new(), Vec::new(), Vec::new(), None);
            simple.held.subjects.clear();
            insta::assert_snapshot!(format!("delete_by_columns_{dialect:?}"), shown(&delete(&simple, &range)));
        }
    }
}

/// The rule and the rules that protect from it are overridden by a third, which a fourth overrides.
fn overridden(selection: &Selection) -> Selection {
    let by = |name: &str, sql: &str, unless| Override {
        rule: crate::policy::RuleId::new("p", name),
        condition: crate::sql::fixture::condition(sql).expect("a condition"),
        unless,
    };
    let overridden = vec![by("spam", "t.\"kind\" = 'spam'", vec![by("vip", "t.\"vip\"", Vec::new())])];
    let mut selection = Selection { overridden: overridden.clone(), ..selection.clone() };
    for protector in &mut selection.protectors {
        protector.overridden.clone_from(&overridden);
        protector.floor.clone_from(&protector.end);
    }
    selection
}

#[test]
fn starts_of_every_kind() {
    let kinds = [
        (TypeClass::TimestampTz, StartFormat::Timestamp),
        (TypeClass::Timestamp, StartFormat::Timestamp),
        (TypeClass::Date, StartFormat::Date),
        (TypeClass::Float, StartFormat::UnixS),
        (TypeClass::Decimal, StartFormat::UnixMs),
        (TypeClass::Text, StartFormat::Iso8601),
        (TypeClass::Text, StartFormat::UnixS),
        (TypeClass::Bytes, StartFormat::Compact),
        (TypeClass::Integer, StartFormat::Compact),
    ];
    for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql] {
        let mut all = String::new();
        for (class, format) in kinds {
            let mut selection = hostile(dialect);
            selection.end = Some(end_test(column("c", class, "type"), format));
            (selection.done, selection.protectors, selection.references, selection.condition) = Default::default();
            selection.held.subjects.clear();
            let statement = delete(&selection, &Range::whole(Way::Blocks));
            all.push_str(&format!("---- {class:?} as {format:?}\n{}\n", shown(&statement)));
        }
        insta::assert_snapshot!(format!("starts_{dialect:?}"), all);
    }
}

#[test]
fn names_and_values_stay_what_they_are() {
    assert_eq!(quote_identifier("a\"b;--"), "\"a\"\"b;--\"");
    assert_eq!(quote_literal(Dialect::Sqlite, "o'dd \\"), "'o''dd \\'");
    assert_eq!(quote_literal(Dialect::Postgres, "o'dd"), "'o''dd'");
    assert_eq!(quote_literal(Dialect::Postgres, "o'dd \\"), "E'o''dd \\\\'");
    assert_eq!(without_nul("DELETE\0 WHERE"), "DELETE\u{FFFD} WHERE");
}

#[test]
fn an_index_to_make() {
    let table = |dialect| hostile(dialect).table;
    assert_eq!(
        create_index(Dialect::Postgres, &table(Dialect::Postgres), &["sent_at".to_owned()]),
        "CREATE INDEX CONCURRENTLY ON \"o'dd\".\"ta\"\"ble; --\" (\"sent_at\");"
    );
    assert_eq!(
        create_index(Dialect::Sqlite, &table(Dialect::Sqlite), &["sent_at".to_owned()]),
        "CREATE INDEX \"main\".\"ta\"\"ble; --_sent_at\" ON \"ta\"\"ble; --\" (\"sent_at\");"
    );
}

#[test]
fn the_digest_is_that_of_the_predicate_whatever_the_range() {
    let selection = hostile(Dialect::Postgres);
    let mut later = selection.clone();
    later.held.scopes.push("category:\"x\"".to_owned());
    assert_ne!(digest(&selection, &Act::Delete), digest(&later, &Act::Delete));
    let act = |at: &str| match anonymise(Some(column("m", TypeClass::Text, "text"))) {
        Act::Anonymise { assignments, mark, .. } => Act::Anonymise { assignments, mark, at: at.parse().unwrap() },
        Act::Delete => unreachable!(),
    };
    assert_eq!(digest(&selection, &act("2026-01-01T00:00:00Z")), digest(&selection, &act("2027-01-01T00:00:00Z")));
}

/// One row for each class of law 5, with what its id says.
const ROWS: &str = "
    (1, 'open', 1000, 1, 'a', 'b', 'a@example.org', 0, NULL),
    (2, NULL, 1000, 1, 'a', 'b', 'a@example.org', 0, NULL),
    (3, 'closed', 1000000000000, 1, NULL, 'o''ne \\ two', NULL, 0, NULL),
    (4, 'closed', NULL, 1, 'a', 'b', 'a@example.org', 0, NULL),
    (5, 'closed', 1000, 1, 'a', 'b', 'a@example.org', 0, NULL),
    (6, 'closed', 1711845000124, 1, 'a', 'b', 'a@example.org', 0, NULL),
    (7, 'closed', 1711845000123, 42, 'a', 'b', 'a@example.org', 0, '20000101000000'),
    (8, 'closed', 1711845000123, NULL, 'a', 'b', 'a@example.org', 0, '20000101000000'),
    (9, 'closed', 1711845000123, 1, 'a', 'b', 'a@example.org', 1, '20000101000000'),
    (10, 'closed', 1711845000123, 1, 'a', 'b', 'a@example.org', NULL, '20000101000000'),
    (11, 'closed', 1711845000123, 1, 'a', 'b', 'a@example.org', 0, NULL),
    (12, 'closed', 1711845000123, 1, 'a', 'b', 'a@example.org', 0, '20000101000000'),
    (13, 'closed', 1711845000123, 1, 'a', 'b', 'a@example.org', 0, '20000101000000'),
    (14, 'closed', 1711845000123, 1, 'a', NULL, NULL, 0, '20000101000000')";

/// A table with every row, where 42 is held and 12 has a child.
async fn populated(selection: &Selection) -> Trial {
    let mut trial = Trial::open().await;
    let table = quote_identifier(&selection.table.table);
    trial
        .text(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, state TEXT, \"se\"\"nt\" INTEGER, owner INTEGER, body TEXT, name TEXT, mail TEXT, \
             paid INTEGER, \"paid at\" TEXT, marked TEXT)"
        ))
        .await;
    trial.text(&format!("INSERT INTO {table} SELECT *, NULL FROM (VALUES {ROWS})")).await;
    trial.text("CREATE TABLE child (parent INTEGER)").await;
    trial.text("INSERT INTO child VALUES (12)").await;
    let held = selection.workspace.held();
    trial.text(&format!("CREATE TABLE {held} (hold TEXT, scope TEXT, kind TEXT, value TEXT, number NUMERIC, uuid TEXT)")).await;
    trial
        .text(&format!("INSERT INTO {held} VALUES ('hold-1', '*', 'account', '42', 42, NULL), ('hold-2', 'else', '', '', NULL, NULL)"))
        .await;
    trial
}

fn numbers(rows: &[Vec<Cell>]) -> Vec<i64> {
    let number = |cell: &Cell| if let Cell::Integer(number) = cell { *number } else { panic!("{cell:?} is no whole number") };
    rows.iter().flatten().map(number).collect()
}

#[tokio::test]
async fn sqlite_counts_and_deletes_the_same_rows() {
    let selection = hostile(Dialect::Sqlite);
    let mut trial = populated(&selection).await;
    let all = Range::whole(Way::Rowid("rowid"));
    // total, outside, undated, running, due, held, protected, done, implausible
    assert_eq!(numbers(&trial.run(&count(&selection, &all)).await), [14, 2, 2, 1, 2, 2, 4, 1, 1]);
    assert_eq!(numbers(&trial.run(&count_due(&[selection.clone(), selection.clone()], &all)).await), [2, 2]);
    let held = &selection.held;
    let count_held = count_held(&selection.table, &selection.workspace, &held.subjects, &held.scopes, "hold-1");
    assert_eq!(numbers(&trial.run(&count_held).await), [2]);
    trial.run(&delete(&selection, &Range { after: Some(vec![Cell::Integer(13)]), ..all.clone() })).await;
    trial.run(&delete(&selection, &Range { through: Some(vec![Cell::Integer(12)]), ..all.clone() })).await;
    let ids = format!("SELECT id FROM {} ORDER BY id", quote_identifier(&selection.table.table));
    assert_eq!(numbers(&trial.text(&ids).await), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    trial.run(&delete(&selection, &all)).await;
    assert_eq!(numbers(&trial.text(&ids).await), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
}

#[tokio::test]
async fn sqlite_anonymises_what_has_a_new_value_and_nothing_twice() {
    let mut selection = hostile(Dialect::Sqlite);
    let mut trial = populated(&selection).await;
    let table = quote_identifier(&selection.table.table);
    let all = Range::whole(Way::Rowid("rowid"));
    trial.text(&format!("UPDATE {table} SET mail = 'new@example.org' WHERE id = 13")).await;
    trial
        .text(&format!(
            "INSERT INTO {table} SELECT 15, state, \"se\"\"nt\", 1, 'a', 'b', 'c', 0, \"paid at\", NULL FROM {table} WHERE id = 13"
        ))
        .await;
    let act = anonymise(Some(column("marked", TypeClass::Text, "TEXT")));
    let mail = column("mail", TypeClass::Text, "TEXT");
    let mut old = trial.run(&old_values(&selection, &all, &mail)).await;
    old.sort_by_key(|row| format!("{:?}", matches!(&row[0], Cell::Text(text) if text == "c")));
    assert_eq!(old, [[Cell::Text("new@example.org".to_owned())], [Cell::Text("c".to_owned())]]);

    // 15 has no entry: as if it had come after the values were read.
    trial.text(CREATE_NEW_VALUES).await;
    trial.text(&format!("INSERT INTO {NEW_VALUES} VALUES (0, 'new@example.org', NULL)")).await;
    let update = update(&selection, &all, &act, &[]);
    trial.run(&update).await;
    let read = format!("SELECT id, body, name, mail, marked FROM {table} WHERE id > 12 ORDER BY id");
    let text = |text: &str| Cell::Text(text.to_owned());
    let after = [
        vec![Cell::Integer(13), Cell::Null, text("o'ne \\ two"), text(""), text("2026-05-30T12:00:00Z")],
        vec![Cell::Integer(14), Cell::Null, Cell::Null, Cell::Null, text("2026-05-30T12:00:00Z")],
        vec![Cell::Integer(15), text("a"), text("b"), text("c"), Cell::Null],
    ];
    assert_eq!(trial.text(&read).await, after);

    // The mark decides alone: nothing of the three is due again, although 13's mail is no digest.
    selection.done = vec![crate::sql::selection::DoneTest::Marked(column("marked", TypeClass::Text, "TEXT"))];
    assert_eq!(numbers(&trial.run(&count_due(std::slice::from_ref(&selection), &all)).await), [1]);
}

#[tokio::test]
async fn sqlite_walks_every_due_row_once_whatever_ties() {
    let mut selection = hostile(Dialect::Sqlite);
    let mut trial = populated(&selection).await;
    let table = quote_identifier(&selection.table.table);
    (selection.condition, selection.done, selection.protectors, selection.references) = Default::default();
    selection.held.subjects.clear();
    trial.text(&format!("CREATE INDEX by_start ON {table} (\"se\"\"nt\")")).await;
    let start = column("se\"nt", TypeClass::Integer, "INTEGER");
    for way in [Way::Columns { columns: vec![start], tie: vec!["rowid"] }, Way::Rowid("rowid")] {
        let mut rest = Range::whole(way);
        let mut due = Vec::new();
        loop {
            let next = boundary(&selection, &rest, 3).unwrap();
            let through = trial.run(&next).await.into_iter().next();
            let range = Range { through: through.clone(), ..rest.clone() };
            due.extend(numbers(&trial.run(&count_due(std::slice::from_ref(&selection), &range)).await));
            match through {
                Some(cells) => rest.after = Some(cells),
                None => break,
            }
        }
        assert_eq!(due.iter().sum::<i64>(), 9, "{due:?}");
        assert!(due.iter().all(|&rows| rows <= 3), "{due:?}");
        assert!(due.len() >= 4);
    }
    let by_index = boundary(&selection, &Range::whole(ranges(Dialect::Sqlite)[1].way.clone()), 3).unwrap();
    let plan = trial.run(&Statement { text: format!("EXPLAIN QUERY PLAN {}", by_index.text), ..by_index }).await;
    let Cell::Text(step) = &plan[0][3] else { panic!("{plan:?}") };
    assert!(plan.len() == 1 && step.contains("by_start"), "{step}");
}

/// Ends that are looked up, put together and set, and subjects of other tables, with what is locked for them.
#[test]
fn lookups() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql] {
        let hop = |table: &str, own: &str, theirs: &str| HopRef {
            table: TableRef { schema: "s\"x".to_owned(), table: table.to_owned() },
            pairs: vec![(own.to_owned(), theirs.to_owned())],
        };
        let to_account = vec![hop("acc\"ounts", "own\"er", "i\"d")];
        let to_tenant = vec![to_account[0].clone(), hop("tenants", "ten\"ant", "id")];
        let date = |through: &[HopRef], name: &str, optional| {
            let column = column(name, TypeClass::Integer, "bigint").on(Side::behind(through.len()));
            EndTest::Date(Box::new(DateTest { through: through.to_vec(), start: start_test(column, StartFormat::UnixMs), optional }))
        };
        let part = |end, optional| PartTest { end, optional };
        let latest = EndTest::Of {
            which: Which::Latest,
            parts: vec![part(date(&to_account, "clo\"sed", false), false), part(date(&to_tenant, "left", true), true)],
        };
        let set = EndTest::Setting(Box::new(SettingTest {
            through: to_tenant.clone(),
            column: column("da\"ys", TypeClass::Integer, "bigint").on(Side::Grandparent),
            periods: vec![(vec![30, 31], date(&[], "at", false)), (vec![365], date(&[], "at", false))],
            forever: vec![0],
            unset: Some(date(&[], "at", false)),
            dates: date(&[], "at", false),
        }));
        let mut all = String::new();
        for (name, end) in [("latest", latest), ("set", set)] {
            let mut selection = hostile(dialect);
            (selection.done, selection.protectors, selection.references, selection.condition) = Default::default();
            selection.held.subjects.truncate(1);
            selection.held.subjects[0].through.clone_from(&to_account);
            selection.held.subjects[0].column.side = Side::Parent;
            selection.shown = vec![(to_tenant.clone(), column("left", TypeClass::Integer, "bigint").on(Side::Grandparent))];
            selection.end = Some(end);
            let range = Range {
                way: Way::Columns { columns: vec![column("id", TypeClass::Integer, "bigint")], tie: Vec::new() },
                after: Some(vec![Cell::Integer(7)]),
                through: None,
            };
            all.push_str(&format!("---- {name}\n{}\n", shown(&delete(&selection, &range))));
            for lock in lock_parents(&selection, &range) {
                all.push_str(&format!("-- locked\n{}\n", shown(&lock)));
            }
            let key = [KeyPart { column: column("id", TypeClass::Integer, "bigint"), value: "7".to_owned() }];
            for one in super::shown(&selection, &key) {
                all.push_str(&format!("-- shown\n{}\n", shown(&one)));
            }
        }
        insta::assert_snapshot!(format!("lookups_{dialect:?}"), all);
    }
}
