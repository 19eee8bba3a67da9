//! Shapes: what each engine tells of a table in the same words.

use retentiond::{
    engine::shape::{ReferentialAction, Shape, TableKind},
    policy::{Dialect, TableName},
    sql::selection::{Act, TypeClass},
};

use super::ground::{Ground, condition};

pub async fn columns_keys_and_indexes(ground: &Ground) {
    let partial = "CREATE UNIQUE INDEX t_name ON t (name) WHERE at > 0; CREATE INDEX t_lower ON t (lower(name), at)";
    ground.execute(&format!(
        "CREATE TABLE t (b integer NOT NULL, a integer NOT NULL, name {}, at bigint, ratio double precision, PRIMARY KEY (a, b));
         CREATE INDEX t_at ON t (at); {}",
        ground.pick("text", "text", "varchar(40) COLLATE utf8mb4_nopad_bin"),
        ground.pick(partial, partial, "CREATE UNIQUE INDEX t_name ON t (name(10))")
    ));
    let shape = ground.shape("t").await;
    assert_eq!((shape.kind, shape.primary_key.as_slice()), (TableKind::Table, &["a".to_owned(), "b".to_owned()][..]));
    let classes: Vec<_> = shape.columns.iter().map(|column| (column.name.as_str(), column.class, column.nullable)).collect();
    use TypeClass::{Float, Integer, Text};
    let expected = [("b", Integer, false), ("a", Integer, false), ("name", Text, true), ("at", Integer, true), ("ratio", Float, true)];
    assert_eq!(classes, expected);
    let granted = |shape: &Shape| (shape.privileges.select, shape.privileges.delete, shape.columns.iter().any(|column| column.updatable));
    let is_sqlite = ground.dialect() == Dialect::Sqlite;
    assert_eq!(granted(&shape), (true, is_sqlite, is_sqlite));
    ground.let_act(&ground.rule("t").await.selection, &Act::Delete).await;
    assert_eq!(granted(&ground.shape("t").await), (true, true, is_sqlite));
    assert!(shape.is_unique("a") && shape.is_unique("name") && !shape.is_unique("at"));
    assert_eq!(shape.index_on("at").map(|index| index.name.as_str()), Some("t_at"));
    assert!(shape.index_on("name").is_none(), "a partial index does not have every row, or every letter");
    if ground.dialect() == Dialect::Mysql {
        return; // It has no index on an expression.
    }
    let by_expression = shape.indexes.iter().find(|index| index.name == "t_lower").expect("the index");
    assert_eq!(by_expression.columns, ["", "at"]);
}

pub async fn foreign_keys_both_ways(ground: &Ground) {
    ground.execute(
        "CREATE TABLE parents (id integer PRIMARY KEY, up integer REFERENCES parents (id) ON DELETE SET NULL);
         CREATE TABLE loose (id integer PRIMARY KEY, parent integer REFERENCES parents (id))",
    );
    let implied = "CREATE TABLE tight (id integer PRIMARY KEY, parent integer REFERENCES parents ON DELETE CASCADE);
                   CREATE INDEX tight_parent ON tight (parent)";
    let named = "CREATE TABLE tight (id integer PRIMARY KEY, parent integer REFERENCES parents (id) ON DELETE CASCADE)";
    ground.execute(ground.pick(implied, implied, named));
    let shape = ground.shape("parents").await;
    let mut keys: Vec<_> = shape
        .referenced_by
        .iter()
        .map(|key| (key.child.table.as_str(), key.child_columns.join(","), key.parent_columns.join(","), key.on_delete, key.child_indexed))
        .collect();
    keys.sort_by_key(|key| key.0);
    let key = |child, column: &str, action, indexed| (child, column.to_owned(), "id".to_owned(), action, indexed);
    // InnoDB makes the indexes itself, and takes no action for RESTRICT.
    let is_mysql = ground.dialect() == Dialect::Mysql;
    let nothing_said = if is_mysql { ReferentialAction::Restrict } else { ReferentialAction::NoAction };
    assert_eq!(
        keys,
        [
            key("loose", "parent", nothing_said, is_mysql),
            key("parents", "up", ReferentialAction::SetNull, is_mysql),
            key("tight", "parent", ReferentialAction::Cascade, true),
        ]
    );
    assert_eq!(shape.references.len(), 1);
    let tight = ground.shape("tight").await;
    assert_eq!(tight.references[0].parent.table, "parents");
    assert!(tight.referenced_by.is_empty());
}

pub async fn triggers_are_told(ground: &Ground) {
    ground.execute("CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer); CREATE TABLE log (id integer)");
    ground.execute(ground.pick(
        "CREATE TRIGGER on_delete AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.id); END;
         CREATE TRIGGER on_update BEFORE UPDATE OF a ON t BEGIN INSERT INTO log VALUES (old.id); END;
         CREATE TRIGGER on_insert AFTER INSERT ON t BEGIN DELETE FROM log; END",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER on_delete AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TRIGGER on_update BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TRIGGER on_insert AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
        "CREATE TRIGGER on_delete AFTER DELETE ON t FOR EACH ROW INSERT INTO log VALUES (old.id);
         CREATE TRIGGER on_update BEFORE UPDATE ON t FOR EACH ROW INSERT INTO log VALUES (old.id);
         CREATE TRIGGER on_insert AFTER INSERT ON t FOR EACH ROW DELETE FROM log",
    ));
    // Who may only read needs not know what fires.
    ground.let_act(&ground.rule("t").await.selection, &Act::Delete).await;
    let shape = ground.shape("t").await;
    let acting: Vec<_> = shape
        .triggers
        .iter()
        .filter(|trigger| trigger.on_delete || trigger.on_update)
        .map(|trigger| (trigger.name.as_str(), trigger.on_delete, trigger.on_update, trigger.update_columns.join(","), trigger.enabled))
        .collect();
    // On MariaDB every update fires, whatever it changes.
    let watched = ground.pick("a", "a", "").to_owned();
    assert_eq!(acting, [("on_delete", true, false, String::new(), true), ("on_update", false, true, watched, true)]);
}

pub async fn views_are_not_tables(ground: &Ground) {
    ground.execute("CREATE TABLE t (id integer PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t");
    let shape = ground.shape("v").await;
    assert_eq!(shape.kind, TableKind::View);
    assert!(ground.engine.ways(&shape, &["id".to_owned()], None).is_empty(), "a view can't be walked");
}

pub async fn names_are_exact(ground: &Ground) {
    ground.execute(r#"CREATE TABLE "Mixed.Case" (id integer PRIMARY KEY, "From" text)"#);
    assert!(ground.engine.inspect(&TableName::bare("mixed.case")).await.expect("an answer").is_none());
    let shape = ground.shape("Mixed.Case").await;
    assert!(shape.column("From").is_some() && shape.column("from").is_none());
    let whole = TableName { schema: Some(shape.table.schema.clone()), table: "Mixed.Case".to_owned() };
    assert!(ground.engine.inspect(&whole).await.expect("an answer").is_some());
    let elsewhere = TableName { schema: Some("elsewhere".to_owned()), table: "Mixed.Case".to_owned() };
    assert!(ground.engine.inspect(&elsewhere).await.expect("an answer").is_none());
    assert_eq!(ground.engine.tables().await.expect("tables"), [whole]);
}

pub async fn conditions_are_prepared(ground: &Ground) {
    ground.execute("CREATE TABLE t (id integer PRIMARY KEY, flag integer)");
    let table = ground.shape("t").await.table;
    let right = condition(r#"t."flag" = 1"#);
    let wrong = ["no_such_function(1)", r#"t."flag" ="#, "t.missing = 1"].map(condition);
    // One that fails says nothing of those after it.
    let asked = wrong.iter().flat_map(|wrong| [wrong, &right]).map(|condition| (&table, condition)).collect::<Vec<_>>();
    let prepared = ground.engine.prepare_conditions(&asked).await.expect("answers");
    let answers = prepared.iter().map(Result::is_ok).collect::<Vec<_>>();
    assert_eq!(answers, [false, true, false, true, false, true], "{prepared:?}");
}
