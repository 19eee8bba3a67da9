//! Laws 2 and 3: who is held, and what other rules still protect.

use std::time::Duration;

use retentiond::{engine::GateChange, hold::Scope, policy::StartFormat, sql::selection::Act};

use super::ground::{Ground, Rule, ids, table_scope};

const OLD: &str = "'2020-01-01T00:00:00Z'";

/// Deletes what is due and returns the ids that are left.
async fn left_after(ground: &Ground, rule: &Rule) -> Vec<i64> {
    let way = ground.engine.ways(&rule.shape, &[], None).remove(0);
    ground.sweep(&rule.selection, &way, 100, &Act::Delete).await;
    ground.ids(&rule.shape.table.table).into_iter().collect()
}

/// A table `t (id, at, who)` in which every row ended long ago, and a rule whose subjects of kind `who` are in `who`.
async fn table_of(ground: &Ground, column_type: &str, subjects: &[&str]) -> Rule {
    ground.with_workspace().await;
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at text, who {column_type})"));
    let rows: Vec<String> = subjects.iter().zip(1..).map(|(who, id)| format!("({id}, {OLD}, {who})")).collect();
    ground.execute(&format!("INSERT INTO t VALUES {}", rows.join(", ")));
    ground.rule("t").await.start("at", StartFormat::Iso8601).subject("who", "who")
}

pub async fn a_subject_is_found_in_each_type_of_column(ground: &Ground) {
    let uuid = "'0a1b2c3d-0001-4abc-8def-0123456789ab'";
    for (column_type, held, other, value) in [
        ("integer", "42", "43", "42"),
        ("bigint", "9007199254740993", "9007199254740992", "9007199254740993"),
        (ground.pick("numeric", "numeric", "decimal(10,2)"), "42.5", "42.6", "42.5"),
        ("text", "'42'", "'042'", "42"),
        ("text", "'O''Brien; --'", "'O''Brien'", "O'Brien; --"),
        (ground.pick("varchar(40)", "varchar(40)", "varchar(40) COLLATE utf8mb4_nopad_bin"), "'Zoë'", "'Zoe'", "Zoë"),
        (ground.pick("text", "uuid", "uuid"), uuid, "'0a1b2c3d-0001-4abc-8def-0123456789ac'", "0a1b2c3d-0001-4abc-8def-0123456789ab"),
        (ground.pick("blob", "text", "varbinary(20)"), "'any'", "'other'", "any"),
        (ground.pick("", "text", "char(20) COLLATE utf8mb4_bin"), "'7'", "'8'", "7"),
        (ground.pick("", "integer", "mediumint unsigned"), "7", "8", "7"),
    ] {
        let rule = table_of(ground, column_type, &[held, other, "NULL"]).await;
        ground.hold("h", Scope::Source, &[("who", value)]).await;
        let covered = ground.engine.count_held(&rule.shape.table, &rule.selection.held.subjects, &rule.selection.held.scopes, "h").await;
        assert_eq!(covered.expect("a count"), 1, "{value} in {column_type}");
        assert_eq!(left_after(ground, &rule).await, [1], "{value} in {column_type}");
        ground.execute("DROP TABLE t");
        release(ground, "h").await;
    }
}

pub async fn a_folded_collation_decides_who_is_who(ground: &Ground) {
    let collation = "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    ground.execute(ground.pick("SELECT 1", collation, "SELECT 1"));
    let folded = ground.pick("text COLLATE NOCASE", "text COLLATE folded", "text");
    let rule = table_of(ground, folded, &["'Ann@Example.com'", "'bob@example.com'"]).await;
    ground.hold("h", Scope::Source, &[("who", "ann@example.COM")]).await;
    assert_eq!(left_after(ground, &rule).await, [1]);
}

pub async fn any_of_several_subjects_holds(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, at text, account integer, email text);
         INSERT INTO t VALUES (1, {OLD}, 1, 'a'), (2, {OLD}, 2, 'b'), (3, {OLD}, 3, 'c'), (4, {OLD}, NULL, 'a')"
    ));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).subject("account", "account").subject("email", "email");
    ground.hold("h", Scope::Source, &[("account", "2"), ("email", "a")]).await;
    assert_eq!(left_after(ground, &rule).await, [1, 2, 4]);
}

pub async fn null_subjects_are_nobody_unless_the_rule_says_so(ground: &Ground) {
    let rule = table_of(ground, "text", &["NULL", "'a'"]).await.null_is_held();
    let everybody = ground.engine.count(&rule.selection, &rule.whole(ground)).await.expect("counts");
    assert_eq!((everybody.held, everybody.due), (0, 2), "nobody is held, so NULL is nobody");
    // Of any kind: who a row without a name belongs to is not known.
    ground.hold("h", Scope::Source, &[("another kind", "b")]).await;
    assert_eq!(left_after(ground, &rule).await, [1]);
}

pub async fn a_hold_without_subjects_holds_everything_in_scope(ground: &Ground) {
    let rule = table_of(ground, "text", &["NULL", "'a'"]).await;
    ground.hold("h", table_scope(&rule.shape.table), &[]).await;
    let covered = ground.engine.count_held(&rule.shape.table, &rule.selection.held.subjects, &rule.selection.held.scopes, "h").await;
    assert_eq!(covered.expect("a count"), 2);
    assert_eq!(left_after(ground, &rule).await, [1, 2]);
}

pub async fn other_scopes_and_kinds_hold_nothing(ground: &Ground) {
    let rule = table_of(ground, "text", &["'a'", "'b'", "'c'"]).await;
    let elsewhere = Scope::Table { schema: rule.shape.table.schema.clone(), table: "elsewhere".to_owned() };
    ground.hold("h1", elsewhere, &[("who", "a")]).await;
    ground.hold("h2", Scope::Source, &[("email", "b")]).await;
    ground.hold("h3", Scope::Category("logs".to_owned()), &[("who", "c")]).await;
    assert_eq!(left_after(ground, &rule).await, [3]);
}

pub async fn released_holds_hold_nothing(ground: &Ground) {
    let rule = table_of(ground, "text", &["'a'"]).await;
    ground.hold("h1", Scope::Source, &[("who", "a")]).await;
    ground.hold("h2", Scope::Source, &[("who", "a")]).await;
    release(ground, "h1").await;
    assert_eq!(left_after(ground, &rule).await, [1], "the other hold still covers the row");
    release(ground, "h2").await;
    assert!(left_after(ground, &rule).await.is_empty());
}

pub async fn a_condition_that_is_unknown_does_not_act(ground: &Ground) {
    let rule = table_of(ground, "text", &["'a'", "'b'", "NULL"]).await.condition(r#"t."who" <> 'b'"#);
    let counts = ground.engine.count(&rule.selection, &rule.whole(ground)).await.expect("counts");
    assert_eq!((counts.outside, counts.due), (2, 1));
    assert_eq!(left_after(ground, &rule).await, [2, 3]);
}

pub async fn protectors_wait_unless_their_condition_is_false(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, at text, due text, flag integer);
         INSERT INTO t VALUES
            (1, {OLD}, {OLD}, 1), (2, {OLD}, {OLD}, 0), (3, {OLD}, {OLD}, NULL),
            (4, {OLD}, '2026-06-01T00:00:00Z', 1), (5, {OLD}, '2026-06-01T00:00:00Z', 0),
            (6, {OLD}, NULL, 1), (7, {OLD}, 'garbage', NULL), (8, {OLD}, NULL, 0)"
    ));
    let rule = || async { ground.rule("t").await.start("at", StartFormat::Iso8601) };
    let flagged = Some(r#"t."flag" = 1"#);

    let until_due = rule().await.protected_by(flagged, Some(("due", StartFormat::Iso8601, super::ground::CUTOFF)));
    let counts = ground.engine.count(&until_due.selection, &until_due.whole(ground)).await.expect("counts");
    assert_eq!((counts.protected, counts.due), (3, 5), "4, 6 and 7 wait");
    let for_ever = rule().await.protected_by(flagged, None);
    let counts = ground.engine.count(&for_ever.selection, &for_ever.whole(ground)).await.expect("counts");
    assert_eq!((counts.protected, counts.due), (5, 3), "1, 3, 4, 6 and 7 wait");

    assert_eq!(left_after(ground, &until_due).await.into_iter().collect::<std::collections::BTreeSet<_>>(), ids([4, 6, 7]));
}

pub async fn release(ground: &Ground, hold: &str) {
    let epoch = ground.engine.workspace().await.expect("a workspace").expect("a workspace").epoch + 1;
    let change = GateChange { epoch, confirmed: 0, add: Vec::new(), remove: vec![hold.to_owned()], patience: Duration::from_secs(10) };
    ground.engine.raise_gate(&change).await.expect("a raised gate");
}
