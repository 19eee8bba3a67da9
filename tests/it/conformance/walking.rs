//! Walks: every due row once, whatever the table's keys and names are, and in bounded statements.

use std::time::Duration;

use retentiond::{
    config::Limits,
    engine::Error,
    policy::StartFormat,
    sql::selection::{Act, Counts, Range, Way},
};

use super::ground::{Ground, ids, limits};

const OLD: &str = "'2020-01-01T00:00:00Z'";
const NEW: &str = "'2026-06-01T00:00:00Z'";

pub async fn ties_on_one_instant_are_cut_into_batches(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at {}); CREATE INDEX t_at ON t (at)", ground.short_text()));
    let rows: Vec<String> = (1..=60).map(|id| format!("({id}, {})", if id % 10 == 0 { NEW } else { OLD })).collect();
    let fill = format!("INSERT INTO t VALUES {}", rows.join(", "));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    assert_eq!(ground.survivors_of_deleting(&rule, &fill, 7).await, ids([10, 20, 30, 40, 50, 60]));

    let by_start = ground.engine.ways(&rule.shape, &[], Some("at")).into_iter().find(|way| matches!(way, Way::Columns { .. }));
    ground.execute(&format!("DELETE FROM t; {fill}"));
    let batches = ground.sweep(&rule.selection, &by_start.expect("a way along the index"), 7, &Act::Delete).await;
    assert!(batches.iter().all(|rows| *rows <= 7), "no batch takes the whole tie: {batches:?}");
    assert_eq!(batches.iter().sum::<u64>(), 54);
}

/// A bound between two values needs no order among the rows of one; whole days need one all the same. Runs of rows with one start,
/// of every length around that of a batch, stand behind each other.
pub async fn runs_of_ties_are_met_once(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute("CREATE TABLE t (id integer PRIMARY KEY, at bigint); CREATE INDEX t_at ON t (at)");
    let runs = [1, 1, 1, 6, 7, 8, 1, 13, 14, 15, 1, 2, 40, 1, 1];
    let starts = runs.iter().enumerate().flat_map(|(run, length)| std::iter::repeat_n(1_500_000_000 + run, *length));
    let rows: Vec<String> = starts.enumerate().map(|(id, at)| format!("({id}, {at})")).collect();
    let count = u64::try_from(rows.len()).expect("a few");
    let rule = ground.rule("t").await.start("at", StartFormat::UnixS);
    for way in ground.engine.ways(&rule.shape, &[], Some("at")) {
        ground.execute(&format!("DELETE FROM t; INSERT INTO t VALUES {}", rows.join(", ")));
        let by_start = matches!(&way, Way::Columns { columns, .. } if columns.iter().any(|column| column.name == "at"));
        let batches = ground.sweep(&rule.selection, &way, 7, &Act::Delete).await;
        assert_eq!(batches.iter().sum::<u64>(), count, "{way:?}: {batches:?}");
        // How many rows blocks have is an estimate.
        assert!(!by_start || batches.iter().all(|rows| *rows <= 7), "{way:?}: {batches:?}");
    }
}

/// What a sweep watches that counted nothing is what counting says.
pub async fn a_survey_agrees_with_the_counts(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at {}, kind integer)", ground.short_text()));
    let starts = [OLD, NEW, "NULL", "'no date'", "''", "'0001-01-01'", "'9999-12-31'"];
    let rows: Vec<String> = (0..70).map(|id| format!("({id}, {}, {})", starts[id % starts.len()], id / starts.len() % 2)).collect();
    ground.execute(&format!("INSERT INTO t VALUES {}", rows.join(", ")));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).condition(r#"t."kind" = 1"#);
    let whole = rule.whole(ground);
    let counts = ground.engine.count(&rule.selection, &whole).await.expect("counts");
    let survey = ground.engine.survey(&rule.selection, &whole).await.expect("a survey");
    assert!(counts.implausible > 0 && counts.outside > 0);
    assert_eq!((survey.rows, survey.implausible), (counts.total, counts.implausible));
}

/// A guess is about right, or none.
pub async fn a_guess_tells_a_full_table_from_one_with_little_to_do(ground: &Ground) {
    ground.with_workspace().await;
    for (due, table) in [(1, "little"), (950, "much")] {
        ground.execute(&format!(
            "CREATE TABLE {table} (id integer PRIMARY KEY, at bigint NOT NULL); CREATE INDEX {table}_at ON {table} (at)"
        ));
        let rows: Vec<String> =
            (0..1_000).map(|id| format!("({id}, {})", if id < due { 1_500_000_000 + id } else { 1_900_000_000 + id })).collect();
        ground.execute(&format!("INSERT INTO {table} VALUES {}", rows.join(", ")));
        ground.execute(&format!("{} {table}", ground.pick("ANALYZE", "ANALYZE", "ANALYZE TABLE")));
        let rule = ground.rule(table).await.start("at", StartFormat::UnixS);
        let guess = ground.engine.guess_ended(&rule.selection).await.expect("a guess, or none");
        assert!(guess.is_none_or(|guess| guess.abs_diff(due) < 100), "{table}: {guess:?}");
        assert_eq!(guess.is_none(), ground.pick("no", "yes", "yes") == "no", "only SQLite has none");
    }
}

pub async fn composite_keys(ground: &Ground) {
    ground.with_workspace().await;
    let (text, rowless) = (ground.short_text(), ground.pick(" WITHOUT ROWID", "", ""));
    ground.execute(&format!(
        "CREATE TABLE t (tenant {text}, id integer, at {text}, PRIMARY KEY (tenant, id)){rowless}; CREATE INDEX t_at ON t (at)"
    ));
    let rows: Vec<String> = (1..=20)
        .map(|id| format!("('{}', {id}, {})", if id % 2 == 0 { "a" } else { "B'" }.replace('\'', "''"), if id > 15 { NEW } else { OLD }))
        .collect();
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let left = ground.survivors_of_deleting(&rule, &format!("INSERT INTO t VALUES {}", rows.join(", ")), 3).await;
    assert_eq!(left, ids([16, 17, 18, 19, 20]));
}

pub async fn no_key_at_all(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute("CREATE TABLE t (id integer, at text)");
    let fill = format!("INSERT INTO t VALUES (1, {OLD}), (1, {OLD}), (2, {NEW}), (NULL, {OLD}), (3, {OLD}), (2, {NEW})");
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    assert_eq!(ground.survivors_of_deleting(&rule, &fill, 2).await, ids([2]));
    assert_eq!(ground.column("count(*)", "FROM t"), [Some("2".to_owned())]);
}

pub async fn hostile_names(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(r#"CREATE TABLE "select ""; DROP TABLE t; --" (id integer PRIMARY KEY, "Order" text, "order'; --" text)"#);
    ground.execute(&format!(r#"INSERT INTO "select ""; DROP TABLE t; --" VALUES (1, {OLD}, 'x'), (2, {NEW}, 'x'), (3, {OLD}, 'held')"#));
    let rule = ground.rule("select \"; DROP TABLE t; --").await;
    let rule = rule.start("Order", StartFormat::Iso8601).subject("it's", "order'; --").condition(r#"t."order'; --" <> 'y'"#);
    ground.hold("h'1", retentiond::hold::Scope::Source, &[("it's", "held")]).await;
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    ground.sweep(&rule.selection, &way, 10, &Act::Delete).await;
    assert_eq!(ground.ids(r#""select ""; DROP TABLE t; --""#), ids([2, 3]));
}

pub async fn counting_by_ranges_adds_up_to_the_table(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute("CREATE TABLE t (id integer PRIMARY KEY, at text, account text, kind text)");
    let rows: Vec<String> = (1..=100)
        .map(|id| {
            let at = match id % 4 {
                0 => "NULL",
                1 => NEW,
                _ => OLD,
            };
            format!("({id}, {at}, 'a{}', '{}')", id % 3, if id % 5 == 0 { "spam" } else { "ham" })
        })
        .collect();
    ground.execute(&format!("INSERT INTO t VALUES {}", rows.join(", ")));
    ground.hold("h", retentiond::hold::Scope::Source, &[("account", "a1")]).await;
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).subject("account", "account");
    let rule = rule.condition(r#"t."kind" = 'ham'"#).protected_by(Some(r#"t."account" = 'a2'"#), None);
    let whole = ground.engine.count(&rule.selection, &rule.whole(ground)).await.expect("counts");
    assert_eq!(whole.total, 100);
    assert_eq!(whole.outside + whole.undated + whole.running + whole.due + whole.held + whole.protected + whole.done, 100);
    assert_eq!(whole.outside, 20);
    assert!(whole.due > 0 && whole.held > 0 && whole.protected > 0 && whole.undated > 0 && whole.running > 0);
    let due = ground.engine.count_due(std::slice::from_ref(&rule.selection), &rule.whole(ground)).await.expect("a forecast");
    assert_eq!(due, [whole.due]);

    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    let mut parts = Counts::default();
    let mut rest = Range::whole(way);
    while let Some(range) = ground.engine.next_range(&rule.selection, &rest, 9).await.expect("a range") {
        parts.add(&ground.engine.count(&rule.selection, &range).await.expect("counts"));
        rest.after = range.through;
        if rest.after.is_none() {
            break;
        }
    }
    assert_eq!(parts, whole);
}

pub async fn an_empty_table_has_no_range(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at {}); CREATE INDEX t_at ON t (at)", ground.short_text()));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    for way in ground.engine.ways(&rule.shape, &[], Some("at")) {
        assert_eq!(ground.sweep(&rule.selection, &way, 5, &Act::Delete).await.iter().sum::<u64>(), 0, "{way:?}");
    }
    let counts = ground.engine.count(&rule.selection, &rule.whole(ground)).await.expect("counts");
    assert_eq!(counts, Counts::default());
}

pub async fn a_batch_larger_than_its_limit_changes_nothing(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at text); INSERT INTO t VALUES (1, {OLD}), (2, {OLD}), (3, {OLD})"));
    let engine = ground.another_engine(Limits { max_batch_rows: 2, ..limits() }).await;
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    ground.let_act(&rule.selection, &Act::Delete).await;
    let mut batch = engine.begin().await.expect("a batch");
    let error = batch.act(&rule.selection, &rule.whole(ground), &Act::Delete).await.expect_err("too many");
    assert!(matches!(error, Error::TooManyRows { rows: 3, limit: 2 }) && error.is_transient(), "{error}");
    batch.rollback().await.expect("a rollback");
    assert_eq!(ground.ids("t"), ids([1, 2, 3]));
    engine.close().await;
}

pub async fn statements_have_a_limit(ground: &Ground) {
    ground.with_workspace().await;
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i FROM n";
    let numbers = ground.pick(numbers, numbers, "SELECT seq AS i FROM seq_1_to_3000");
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at text); INSERT INTO t SELECT i, {OLD} FROM ({numbers}) AS n"));
    let engine = ground.another_engine(Limits { statement_timeout: Duration::from_millis(50), ..limits() }).await;
    // Some 10^10 steps: no machine does them within the limit.
    let endless = r#"(SELECT count(*) FROM t AS a, t AS b, t AS c WHERE a.id + b.id + c.id + t."id" > 0) > 0"#;
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).condition(endless);
    let error = engine.count(&rule.selection, &rule.whole(ground)).await.expect_err("a limit");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");

    ground.let_act(&rule.selection, &Act::Delete).await;
    let mut batch = engine.begin().await.expect("a batch");
    let error = batch.act(&rule.selection, &rule.whole(ground), &Act::Delete).await.expect_err("a limit");
    assert!(matches!(error, Error::Timeout { .. }) && error.is_transient(), "{error}");
    // What the engine left of the transaction must not be taken for one.
    let mark = retentiond::engine::LaneMark { seq: 1, rows: 1, intent_hash: "h".to_owned() };
    assert!(batch.mark("lane", 1, &mark).await.is_err());
    assert!(batch.commit().await.is_err());
    assert_eq!(ground.column("count(*)", "FROM t"), [Some("3000".to_owned())]);
    engine.close().await;
}
