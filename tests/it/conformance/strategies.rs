//! Every strategy on columns of every type that it fits: what it leaves, that it knows its own work again, and that a
//! second sweep finds nothing to do.

use retentiond::{
    anonymise::{self, Target},
    policy::{StartFormat, StrategySpec},
    secret::Keys,
    sql::selection::{Act, Assignment},
};

use super::ground::{CUTOFF, Ground};

/// The column `v` of a table `t`, and what the strategy is told of it.
async fn target(ground: &Ground) -> Target {
    let shape = ground.shape("t").await;
    let column = shape.column("v").expect("the column");
    Target {
        column: column.to_ref(),
        dialect: ground.dialect(),
        max_length: column.max_length,
        unique: shape.is_unique("v"),
        generated: column.generated,
    }
}

/// Asserts that a column of this type, with these values (as SQL), holds those texts after a sweep, and that every row is
/// done then.
async fn becomes(ground: &Ground, sql_type: &str, spec: &StrategySpec, values: &[(&str, Option<&str>)]) {
    let rows: Vec<String> = values.iter().enumerate().map(|(id, (old, _))| format!("({id}, '2020-01-01', {old})")).collect();
    ground.execute(&format!(
        "DROP TABLE IF EXISTS t; CREATE TABLE t (id integer PRIMARY KEY, at text, v {sql_type}); INSERT INTO t VALUES {}",
        rows.join(", ")
    ));
    let target = target(ground).await;
    let strategy = anonymise::strategy(spec, &Keys::default()).expect("a strategy");
    strategy.fits(&target).expect("it fits");
    let done = strategy.done(&target).expect("the value tells");
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).done(done);
    let assignments = vec![Assignment { column: target.column.clone(), value: strategy.value(&target) }];
    let act = Act::Anonymise { assignments, mark: None, at: CUTOFF.parse().expect("an instant") };
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    ground.sweep(&rule.selection, &way, 100, &act).await;
    let expected: Vec<Option<String>> = values.iter().map(|(_, new)| new.map(str::to_owned)).collect();
    assert_eq!(ground.column("v", "FROM t ORDER BY id"), expected, "{spec:?} on {sql_type}");
    let counts = ground.engine.count(&rule.selection, &rule.whole(ground)).await.expect("counts");
    assert_eq!((counts.done, counts.due), (values.len() as u64, 0), "{spec:?} on {sql_type} knows its own work");
    assert_eq!(ground.sweep(&rule.selection, &way, 100, &act).await.iter().sum::<u64>(), 0, "{spec:?} on {sql_type} acts again");
}

pub async fn masks_keep_the_shape(ground: &Ground) {
    ground.with_workspace().await;
    let values = [
        ("'ann@example.com'", Some("a***@example.com")),
        ("'ünal@example.com'", Some("****@example.com")),
        ("'+46 70 123 45 67'", Some("+** ** *** ** 67")),
        ("'Ann o''Hara'", Some("***")),
        ("'a***@example.com'", Some("a***@example.com")),
        ("''", Some("")),
        ("NULL", None),
    ];
    for sql_type in ["text", "varchar(40)", ground.pick("TEXT COLLATE NOCASE", "text COLLATE \"en-x-icu\"")] {
        becomes(ground, sql_type, &StrategySpec::Mask, &values).await;
    }
    // PostgreSQL takes no longer text: where the mask would be, less is left.
    let cut = ground.pick("a***@example.com", "***");
    becomes(ground, "varchar(13)", &StrategySpec::Mask, &[("'a@example.com'", Some(cut)), ("'bert@e.com'", Some("b***@e.com"))]).await;
    becomes(ground, ground.pick("", "char(20)"), &StrategySpec::Mask, &[("'0701234567'", Some("********67")), ("'-'", Some("***"))]).await;
}
