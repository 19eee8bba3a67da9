//! What only PostgreSQL has: trees of tables, whose rows are found under one name and in many heaps.

use std::collections::BTreeSet;

use retentiond::{
    config::Limits,
    hold::Scope,
    policy::{StartFormat, TableName},
    sql::selection::{Act, Range, Way},
};

use super::ground::{Ground, ids, limits};

/// Messages by the year and by what they are: partitions of partitions, a default one, one whose columns are in another
/// order, and heaps of different sizes. What is due has an id below 1,000.
const PARTITIONED: &str = "
    CREATE TABLE messages (id bigint, sent_at timestamptz, kind text, body text) PARTITION BY RANGE (sent_at);
    CREATE TABLE old PARTITION OF messages FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE mixed PARTITION OF messages FOR VALUES FROM ('2025-01-01') TO ('2027-01-01') PARTITION BY LIST (kind);
    CREATE TABLE mixed_mail PARTITION OF mixed FOR VALUES IN ('mail');
    CREATE TABLE mixed_rest PARTITION OF mixed DEFAULT;
    CREATE TABLE moved (gone int, body text, kind text, sent_at timestamptz, id bigint); ALTER TABLE moved DROP COLUMN gone;
    ALTER TABLE messages ATTACH PARTITION moved FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
    CREATE TABLE rest PARTITION OF messages DEFAULT; CREATE INDEX ON messages (sent_at)";

const FILL: &str = "
    INSERT INTO messages SELECT n, '2023-06-01', 'mail', repeat('x', 300) FROM generate_series(1, 200) AS n;
    INSERT INTO messages SELECT n, timestamptz '2024-06-01' + n % 5 * interval '1 day', 'mail', 'short' FROM generate_series(201, 600) AS n;
    INSERT INTO messages SELECT n, '2025-12-31 23:59:59.999999+00', 'chat', NULL FROM generate_series(601, 650) AS n;
    INSERT INTO messages SELECT n, '2025-06-01', 'mail', NULL FROM generate_series(651, 700) AS n;
    INSERT INTO messages SELECT n, '1999-06-01', 'mail', NULL FROM generate_series(701, 720) AS n;
    INSERT INTO messages SELECT n, '2026-01-01', 'mail', NULL FROM generate_series(1001, 1050) AS n;
    INSERT INTO messages SELECT n, '2026-06-01', 'chat', NULL FROM generate_series(1051, 1060) AS n;
    INSERT INTO messages SELECT n, NULL, 'chat', NULL FROM generate_series(1061, 1065) AS n";

fn kept() -> BTreeSet<i64> {
    (1001..=1065).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_table_is_swept_through_its_parent() {
    let ground = Ground::postgres().await;
    ground.execute(PARTITIONED);
    let rule = ground.with_workspace().await.rule("messages").await.start("sent_at", StartFormat::Timestamp);
    assert_eq!((rule.shape.family.members.len(), rule.selection.members.len()), (7, 7));
    for rows in [7, 100, 10_000] {
        assert_eq!(ground.survivors_of_deleting(&rule, FILL, rows).await, kept(), "by {rows}");
    }
}

/// The smallest batches there are: no more rows than the limit, though places in seven heaps are spelt alike.
#[tokio::test(flavor = "multi_thread")]
async fn batches_are_no_larger_than_their_limit_over_many_heaps() {
    let ground = Ground::postgres().await;
    ground.execute(PARTITIONED);
    let rule = ground.with_workspace().await.rule("messages").await.start("sent_at", StartFormat::Timestamp);
    ground.let_act(&rule.selection, &Act::Delete).await;
    let engine = ground.another_engine(Limits { max_batch_rows: 3, ..limits() }).await;
    for way in engine.ways(&rule.shape, &[], Some("sent_at")) {
        assert!(matches!(&way, Way::Columns { tie, .. } if *tie == ["ctid", "tableoid"]), "{way:?}");
        ground.execute(&format!("DELETE FROM messages; {FILL}"));
        let mut rest = Range::whole(way);
        loop {
            let range = engine.next_range(&rule.selection, &rest, 3).await.expect("a range").expect("a range");
            let mut batch = engine.begin().await.expect("a batch");
            assert!(batch.act(&rule.selection, &range, &Act::Delete).await.expect("no more than three") <= 3);
            batch.commit().await.expect("a commit");
            let Some(through) = range.through else { break };
            rest.after = Some(through);
        }
        assert_eq!(ground.ids("messages"), kept());
    }
}

/// A batch reads the blocks of its range and no others, in the partitions that can have due rows: the server's plan says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_reads_its_blocks_of_the_partitions_that_matter() {
    let ground = Ground::postgres().await;
    ground.execute(&format!("{PARTITIONED}; {FILL}; ANALYZE"));
    let rule = ground.with_workspace().await.rule("messages").await.start("sent_at", StartFormat::Timestamp);
    let range = ground.engine.next_range(&rule.selection, &Range::whole(Way::Blocks), 100).await.expect("a range").expect("a range");
    let (_, plan) = ground.engine.explain(&rule.selection, &range).await.expect("a plan");
    let plan = plan.join("\n");
    assert!(plan.contains("Tid Range Scan on moved") && plan.contains("Tid Range Scan on old"), "{plan}");

    ground.execute("CREATE TABLE later PARTITION OF messages FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')");
    ground.execute("INSERT INTO messages SELECT n, '2027-06-01', 'mail', repeat('x', 1000) FROM generate_series(2001, 4000) AS n");
    let rule = ground.rule("messages").await.start("sent_at", StartFormat::Timestamp);
    let mut ranges = 0;
    let mut rest = Range::whole(Way::Blocks);
    loop {
        let range = ground.engine.next_range(&rule.selection, &rest, 500).await.expect("a range").expect("a range");
        let (_, plan) = ground.engine.explain(&rule.selection, &range).await.expect("a plan");
        assert!(!plan.join("\n").contains("later"), "{plan:?}");
        ranges += 1;
        let Some(through) = range.through else { break };
        rest.after = Some(through);
    }
    assert!(ranges < 10, "{ranges} ranges: what no batch reads was walked");
}

#[tokio::test(flavor = "multi_thread")]
async fn inheritance_children_are_swept_through_their_parent() {
    let ground = Ground::postgres().await;
    ground.execute(
        "CREATE TABLE mother (id bigint, sent_at timestamptz NOT NULL); CREATE TABLE father (note text);
         CREATE TABLE daughter (extra int) INHERITS (mother); CREATE TABLE son () INHERITS (mother, father);
         CREATE TABLE grandson (own text) INHERITS (son); ALTER TABLE daughter ALTER COLUMN sent_at DROP NOT NULL;
         CREATE INDEX ON mother (sent_at); CREATE INDEX ON daughter (sent_at); CREATE INDEX ON son (sent_at)",
    );
    let rule = ground.with_workspace().await.rule("mother").await.start("sent_at", StartFormat::Timestamp);
    assert!(rule.shape.column("sent_at").expect("a column").nullable, "a daughter takes NULL");
    assert!(rule.shape.index_on("sent_at").is_none(), "the grandson has no index");
    let fill =
        "INSERT INTO mother VALUES (1, '2025-01-01'), (2, '2026-01-01'); INSERT INTO daughter VALUES (3, '2025-01-01', 1), (4, NULL, 2);
         INSERT INTO son VALUES (5, '2025-01-01', 'x'), (6, '2027-01-01', 'y'); INSERT INTO grandson VALUES (7, '2024-01-01', 'x', 'z')";
    assert_eq!(ground.survivors_of_deleting(&rule, fill, 2).await, ids([2, 4, 6]));
    ground.execute("CREATE INDEX ON grandson (sent_at)");
    let rule = ground.rule("mother").await.start("sent_at", StartFormat::Timestamp);
    assert_eq!(ground.engine.ways(&rule.shape, &[], Some("sent_at")).len(), 2);
    assert_eq!(ground.survivors_of_deleting(&rule, fill, 1).await, ids([2, 4, 6]));
    let kin = |table: &retentiond::engine::shape::Shape| {
        let names: BTreeSet<_> = table.family.kin.iter().map(|table| table.table.clone()).collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(kin(&ground.shape("grandson").await), "father grandson mother son");
    assert_eq!(kin(&ground.shape("father").await), "father grandson mother son");
}

/// A new partition may have triggers and rules that no plan has seen: until the next plan its rows are nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_comes_during_a_sweep_waits_for_the_next() {
    let ground = Ground::postgres().await;
    ground.execute(PARTITIONED);
    let rule = ground.with_workspace().await.rule("messages").await.start("sent_at", StartFormat::Timestamp);
    ground.execute("CREATE TABLE first PARTITION OF messages FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')");
    ground.execute("INSERT INTO messages VALUES (1, '2020-06-01', 'mail', NULL), (2, '2024-06-01', 'mail', NULL)");
    for way in ground.engine.ways(&rule.shape, &[], Some("sent_at")) {
        assert_eq!(
            ground.engine.count(&rule.selection, &retentiond::sql::selection::Range::whole(way.clone())).await.expect("counts").total,
            1
        );
        ground.sweep(&rule.selection, &way, 100, &Act::Delete).await;
        assert_eq!(ground.ids("messages"), ids([1]));
        ground.execute("INSERT INTO messages VALUES (2, '2024-06-01', 'mail', NULL)");
    }
    ground.execute("ALTER TABLE messages DETACH PARTITION old");
    for way in ground.engine.ways(&rule.shape, &[], Some("sent_at")) {
        ground.sweep(&rule.selection, &way, 100, &Act::Delete).await;
    }
    assert_eq!((ground.ids("messages"), ground.ids("old")), (ids([1]), ids([2])), "what was detached is not the table's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_keeps_the_columns_that_it_is_made_by() {
    let ground = Ground::postgres().await;
    ground.execute(
        "CREATE TABLE t (id int, day date, word text, other text, plain text) PARTITION BY RANGE (day, (lower(word)));
         CREATE TABLE part PARTITION OF t FOR VALUES FROM (MINVALUE, MINVALUE) TO (MAXVALUE, MAXVALUE) PARTITION BY HASH (id);
         CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         ALTER TABLE part_0 ALTER COLUMN other SET NOT NULL; CREATE UNIQUE INDEX ON part_0 (plain);
         CREATE TABLE up (a int, b int); CREATE TABLE down (double int GENERATED ALWAYS AS (a * 2) STORED) INHERITS (up)",
    );
    let fixed = async |table: &str| {
        let shape = ground.shape(table).await;
        let fixed: Vec<String> = shape.columns.iter().filter(|column| column.fixed.is_some()).map(|column| column.name.clone()).collect();
        fixed.join(" ")
    };
    assert_eq!(
        (fixed("t").await, fixed("part_0").await, fixed("up").await),
        ("id day word other".to_owned(), String::new(), "a".to_owned())
    );
    assert!(ground.shape("t").await.is_unique("plain"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_has_of_its_own_is_the_trees() {
    let ground = Ground::postgres().await;
    ground.execute(&format!(
        "{PARTITIONED}; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
         CREATE TRIGGER row_of_old AFTER DELETE ON old FOR EACH ROW EXECUTE FUNCTION f();
         CREATE TRIGGER statement_of_old AFTER DELETE ON old EXECUTE FUNCTION f();
         CREATE TRIGGER everywhere AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION f();
         ALTER TABLE ONLY messages DISABLE TRIGGER everywhere;
         ALTER TABLE old ADD PRIMARY KEY (id); CREATE TABLE notes (of_old bigint REFERENCES old, of_all bigint);
         CREATE UNIQUE INDEX ON messages (id, sent_at, kind);
         CREATE TABLE all_notes (id bigint, at timestamptz, kind text, FOREIGN KEY (id, at, kind) REFERENCES messages (id, sent_at, kind))"
    ));
    let shape = ground.shape("messages").await;
    let mut enabled: Vec<_> = shape.triggers.iter().filter(|trigger| trigger.enabled).map(|trigger| trigger.name.as_str()).collect();
    enabled.dedup();
    assert_eq!(enabled, ["everywhere", "row_of_old"]);
    let children: Vec<_> = shape.referenced_by.iter().map(|key| (key.child.table.as_str(), key.parent.table.as_str())).collect();
    assert_eq!(children, [("all_notes", "messages"), ("notes", "old")]);

    ground.execute(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;
         CREATE TABLE near (id int); CREATE FOREIGN TABLE far () INHERITS (near) SERVER s",
    );
    let refused = ground.engine.inspect(&TableName::bare("near")).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("far, a foreign table")));
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_protectors_of_a_member_reach_its_rows_alone() {
    let ground = Ground::postgres().await;
    ground.execute(&format!("{PARTITIONED}; {FILL}"));
    ground.with_workspace().await;
    let (old, mail) = (ground.shape("old").await, ground.shape("mixed_mail").await);
    let mut rule = ground.rule("messages").await.start("sent_at", StartFormat::Timestamp).protected_by(None, None);
    rule.selection.protectors[0].only = mail.family.members.iter().map(|member| member.address).collect();
    let only = old.family.members.iter().map(|member| member.address).collect();
    let scope = super::ground::table_scope(&old.table);
    rule.selection.held.elsewhere.push(retentiond::sql::selection::Elsewhere { scopes: vec![scope.key()], only });
    ground.hold("h", scope, &[]).await;
    ground.hold("nobody's", Scope::Category("other".to_owned()), &[]).await;
    let expected: BTreeSet<i64> = kept().into_iter().chain(201..=600).chain(651..=700).collect();
    assert_eq!(ground.sweep(&rule.selection, &Way::Blocks, 100, &Act::Delete).await.iter().sum::<u64>(), 270);
    assert_eq!(ground.ids("messages"), expected);
}
