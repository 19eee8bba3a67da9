//! Tables of every size: none and one row, as many columns as the engine takes, values of a mebibyte.

use std::sync::Arc;

use retentiond::{
    engine::Error,
    policy::StartFormat,
    sql::selection::{Act, DoneTest, NewValue},
};

use super::{
    anonymising::{Scrambled, act},
    ground::{Ground, ids},
};

const OLD: &str = "'2020-01-01T00:00:00Z'";
const NEW: &str = "'2026-06-01T00:00:00Z'";

pub async fn one_row_and_none(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at {}); CREATE INDEX t_at ON t (at)", ground.short_text()));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    for way in ground.engine.ways(&rule.shape, &[], Some("at")) {
        for (row, acted, left) in [(OLD, 1, ids([])), (NEW, 0, ids([1]))] {
            ground.execute(&format!("INSERT INTO t VALUES (1, {row})"));
            let sum: u64 = ground.sweep(&rule.selection, &way, 5, &Act::Delete).await.iter().sum();
            assert_eq!((sum, ground.ids("t")), (acted, left), "{way:?}");
            ground.execute("DELETE FROM t");
            assert_eq!(ground.sweep(&rule.selection, &way, 5, &Act::Delete).await.iter().sum::<u64>(), 0, "{way:?}");
        }
    }
}

/// A table with as many columns as can be: 2,000 on SQLite, 1,600 on PostgreSQL, 1,017 in InnoDB.
pub async fn as_many_columns_as_a_table_may_have(ground: &Ground) {
    ground.with_workspace().await;
    let columns: usize = ground.pick("2000", "1600", "1017").parse().expect("a number");
    let more = (0..columns - 3).map(|number| format!(", c{number} smallint")).collect::<String>();
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at {}, note text{more})", ground.short_text()));
    let last = format!("c{}", columns - 4);
    ground.execute(&format!("INSERT INTO t (id, at, note, {last}) VALUES (1, {OLD}, 'a', 7), (2, {NEW}, 'b', 7), (3, {OLD}, 'c', 7)"));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    assert_eq!(rule.shape.columns.len(), columns);
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    let values = vec![("note", NewValue::Computed(Arc::new(Scrambled))), (last.as_str(), NewValue::Null)];
    ground.sweep(&rule.selection, &way, 2, &act(&rule, values)).await;
    let values = ground.column(&format!("note || coalesce({last}, 0)"), "FROM t ORDER BY id");
    assert_eq!(values, ["x:a0", "b7", "x:c0"].map(|text| Some(text.to_owned())));
    ground.sweep(&rule.selection, &way, 2, &Act::Delete).await;
    assert_eq!(ground.ids("t"), ids([2]));
}

/// New values are computed from old ones here, and only so many of those are taken in at a time.
pub async fn values_of_a_mebibyte(ground: &Ground) {
    ground.with_workspace().await;
    let (wide, text) = (
        ground.pick("printf('%.*c', 1048576, 'w')", "repeat('w', 1048576)", "repeat('w', 1048576)"),
        ground.pick("text", "text", "longtext"),
    );
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at {}, note {text}, gone integer)", ground.short_text()));
    (1..=12).for_each(|id| ground.execute(&format!("INSERT INTO t VALUES ({id}, {OLD}, {id} || {wide}, NULL)")));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let gone = rule.column("gone");
    let rule = rule.done(DoneTest::Marked(gone.clone()));
    let act = match act(&rule, vec![("note", NewValue::Computed(Arc::new(Scrambled)))]) {
        Act::Anonymise { assignments, at, .. } => Act::Anonymise { assignments, mark: Some(gone), at },
        Act::Delete => unreachable!("it was made above"),
    };
    ground.let_act(&rule.selection, &act).await;
    let mut batch = ground.engine.begin().await.expect("a batch");
    let error = batch.act(&rule.selection, &rule.whole(ground), &act).await.expect_err("too much for the memory");
    assert!(matches!(error, Error::TooWide { .. }) && error.is_transient() && !error.is_contention(), "{error}");
    let _ = batch.rollback().await;

    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    let changed = ground.sweep(&rule.selection, &way, 3, &act).await;
    assert_eq!(changed.iter().sum::<u64>(), 12, "{changed:?}");
    assert_eq!(ground.column("count(*)", "FROM t WHERE note LIKE 'x:%' AND length(note) > 1048576"), [Some("12".to_owned())]);
    let again = ground.rule("t").await.start("at", StartFormat::Iso8601);
    ground.sweep(&again.selection, &way, 100, &Act::Delete).await;
    assert_eq!(ground.ids("t"), ids([]));
}
