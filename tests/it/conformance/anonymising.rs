//! The anonymising act: new values, what counts as done, and what is left alone.

use std::sync::Arc;

use retentiond::{
    policy::StartFormat,
    sql::selection::{Act, Assignment, Compute, DoneTest, NewValue},
};

use super::ground::{CUTOFF, Ground, Rule};

const OLD: &str = "'2020-01-01T00:00:00Z'";
const NEW: &str = "'2026-06-01T00:00:00Z'";

/// Stands for a strategy with a key: idempotent, and nothing that a server could compute.
pub struct Scrambled;

impl Compute for Scrambled {
    fn compute(&self, old: &str) -> Option<String> {
        match old {
            "erase" => None,
            done if done.starts_with("x:") => Some(done.to_owned()),
            other => Some(format!("x:{}", other.chars().rev().collect::<String>())),
        }
    }
}

pub fn act(rule: &Rule, values: Vec<(&str, NewValue)>) -> Act {
    let assignments = values.into_iter().map(|(column, value)| Assignment { column: rule.column(column), value }).collect();
    Act::Anonymise { assignments, mark: None, at: CUTOFF.parse().expect("an instant") }
}

async fn sweep(ground: &Ground, rule: &Rule, act: &Act) -> u64 {
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    ground.sweep(&rule.selection, &way, 100, act).await.into_iter().sum()
}

fn texts(values: &[Option<&str>]) -> Vec<Option<String>> {
    values.iter().map(|value| value.map(str::to_owned)).collect()
}

pub async fn null_and_fixed_values(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, at text, ip text, note varchar(10), age integer);
         INSERT INTO t VALUES (1, {OLD}, '10.0.0.1', 'hello', 30), (2, {NEW}, '10.0.0.2', 'hello', 30), (3, {OLD}, NULL, NULL, NULL)"
    ));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let fixed = |value: &str, replace_null| NewValue::Fixed { value: value.to_owned(), replace_null };
    let act = act(&rule, vec![("ip", NewValue::Null), ("note", fixed("it's gone", false)), ("age", fixed("-1", true))]);
    sweep(ground, &rule, &act).await;
    assert_eq!(ground.column("ip", "FROM t ORDER BY id"), texts(&[None, Some("10.0.0.2"), None]));
    assert_eq!(ground.column("note", "FROM t ORDER BY id"), texts(&[Some("it's gone"), Some("hello"), None]));
    assert_eq!(ground.column("age", "FROM t ORDER BY id"), texts(&[Some("-1"), Some("30"), Some("-1")]));
}

pub async fn computed_values(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, at text, email text, name text);
         INSERT INTO t VALUES (1, {OLD}, 'ab''c', 'N'), (2, {OLD}, 'ab''c', 'M'), (3, {NEW}, 'keep', 'K'), (4, {OLD}, NULL, 'O'), (5, {OLD}, 'erase', '')"
    ));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let scrambled = || NewValue::Computed(Arc::new(Scrambled));
    let act = act(&rule, vec![("email", scrambled()), ("name", scrambled())]);
    sweep(ground, &rule, &act).await;
    let email = texts(&[Some("x:c'ba"), Some("x:c'ba"), Some("keep"), None, None]);
    assert_eq!(ground.column("email", "FROM t ORDER BY id"), email);
    assert_eq!(ground.column("name", "FROM t ORDER BY id"), texts(&[Some("x:N"), Some("x:M"), Some("K"), Some("x:O"), Some("x:")]));
}

pub async fn what_is_done_is_left_alone(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, at text, email text, ip text);
         INSERT INTO t VALUES (1, {OLD}, 'abc', NULL), (2, {OLD}, 'x:cba', '10.0.0.1'), (3, {OLD}, 'x:cba', NULL), (4, {OLD}, NULL, NULL)"
    ));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let (email, ip) = (rule.column("email"), rule.column("ip"));
    let rule = rule.done(DoneTest::Matches { column: email, pattern: "^x:[a-z]*$".to_owned() }).done(DoneTest::IsNull(ip));
    let act = act(&rule, vec![("email", NewValue::Computed(Arc::new(Scrambled))), ("ip", NewValue::Null)]);
    let counts = ground.engine.count(&rule.selection, &rule.whole(ground)).await.expect("counts");
    assert_eq!((counts.done, counts.due), (2, 2));
    assert_eq!(sweep(ground, &rule, &act).await, 2);
    assert_eq!(sweep(ground, &rule, &act).await, 0, "a second sweep finds nothing to do");
    assert_eq!(ground.column("email", "FROM t ORDER BY id"), texts(&[Some("x:cba"), Some("x:cba"), Some("x:cba"), None]));
    assert_eq!(ground.column("ip", "FROM t ORDER BY id"), texts(&[None, None, None, None]));
}
