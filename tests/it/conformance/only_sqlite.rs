//! What only SQLite has: rowids, affinities, a file that can be replaced.

use retentiond::{
    config::SourceUrl,
    engine::{self, Error, shape::TableKind},
    policy::{StartFormat, TableName},
    sql::selection::{Act, TypeClass, Way},
};

use super::ground::{Ground, WORKSPACE, ids, limits};
use crate::support::sqlite::Sqlite;

#[tokio::test(flavor = "multi_thread")]
async fn the_rowid_is_read_under_a_name_that_no_column_hides() {
    let ground = Ground::sqlite().await;
    ground.execute(
        "CREATE TABLE plain (x); CREATE TABLE one (rowid TEXT, x); CREATE TABLE two (RowId TEXT, _rowid_ TEXT);
         CREATE TABLE hidden (rowid TEXT, _rowid_ TEXT, oid TEXT); CREATE TABLE rowless (id TEXT PRIMARY KEY) WITHOUT ROWID",
    );
    for (table, expected) in [("plain", Some("rowid")), ("one", Some("_rowid_")), ("two", Some("oid")), ("hidden", None), ("rowless", None)]
    {
        assert_eq!(ground.shape(table).await.rowid, expected, "{table}");
    }
    assert!(ground.engine.ways(&ground.shape("hidden").await, &[], None).is_empty());
    assert!(matches!(ground.engine.ways(&ground.shape("rowless").await, &[], None)[..], [Way::Columns { ref tie, .. }] if tie.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_declared_type_and_a_collation_mean() {
    let ground = Ground::sqlite().await;
    ground.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, big BIGINT NOT NULL, name VARCHAR(20) COLLATE NOCASE, code TEXT COLLATE RTRIM,
             plain TEXT COLLATE BINARY, at DATETIME, day DATE, ratio REAL, price DECIMAL(8,2), raw BLOB, bare,
             twice INTEGER GENERATED ALWAYS AS (big * 2));
         CREATE INDEX by_name ON t (name COLLATE BINARY); CREATE INDEX by_code ON t (code); CREATE INDEX down ON t (at DESC)",
    );
    let shape = ground.shape("t").await;
    let classes: Vec<TypeClass> = shape.columns.iter().map(|column| column.class).collect();
    use TypeClass::{Date, Decimal, Float, FoldedText, Integer, Text, Timestamp, Untyped};
    let expected = [Integer, Integer, FoldedText, FoldedText, Text, Timestamp, Date, Float, Decimal, Untyped, Untyped, Integer];
    assert_eq!(classes, expected);
    let nullable: Vec<bool> = shape.columns.iter().map(|column| column.nullable).collect();
    assert_eq!(&nullable[..3], [false, false, true], "the rowid under another name is never NULL");
    assert_eq!(shape.columns.iter().filter(|column| column.generated).count(), 1);
    assert!(shape.index_on("name").is_none(), "that index has another order than the column");
    assert!(shape.index_on("code").is_some());
    assert!(shape.index_on("at").is_none(), "it can't be walked upwards together with the rowid");
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_of_tables() {
    let ground = Ground::sqlite().await;
    ground.execute(
        "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT) STRICT; CREATE VIRTUAL TABLE words USING fts5(text);
         CREATE TABLE quirky (id TEXT PRIMARY KEY, x TEXT)",
    );
    for (table, expected) in [
        ("counted", TableKind::Table),
        ("words", TableKind::Foreign),
        ("words_data", TableKind::System),
        ("sqlite_sequence", TableKind::System),
    ] {
        assert_eq!(ground.shape(table).await.kind, expected, "{table}");
    }
    assert!(ground.shape("quirky").await.columns[0].nullable, "a primary key that is not INTEGER takes NULL");
    let tables: Vec<String> = ground.engine.tables().await.expect("tables").into_iter().map(|name| name.table).collect();
    assert_eq!(tables, ["counted", "quirky", "words"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_keys_are_enforced_by_our_connection() {
    let ground = Ground::sqlite().await;
    ground.with_workspace().await;
    ground.execute(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, at TEXT); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);
         INSERT INTO p VALUES (1, '2020-01-01'); INSERT INTO c VALUES (1, 1)",
    );
    let rule = ground.rule("p").await.start("at", StartFormat::Iso8601);
    let mut batch = ground.engine.begin().await.expect("a batch");
    let error = batch.act(&rule.selection, &rule.whole(&ground), &Act::Delete).await.expect_err("a child is there");
    assert!(matches!(error, Error::Database(_)), "{error}");
    batch.rollback().await.expect("a rollback");
    assert_eq!(ground.ids("p"), ids([1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_is_found_however_its_child_spells_it() {
    let ground = Ground::sqlite().await;
    ground.execute("CREATE TABLE Parents (Id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES pArEnTs (ID) ON DELETE CASCADE)");
    let shape = ground.shape("Parents").await;
    assert_eq!(shape.referenced_by.len(), 1);
    assert_eq!((&*shape.referenced_by[0].parent.table, &*shape.referenced_by[0].parent_columns[0]), ("Parents", "Id"));
    ground.execute("CREATE TRIGGER gone AFTER DELETE ON PARENTS BEGIN DELETE FROM c; END");
    assert_eq!(ground.shape("Parents").await.triggers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_replaced_is_not_mistaken_for_the_one_that_was_opened() {
    let ground = Ground::sqlite().await;
    ground.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let before = ground.engine.fingerprint().await.expect("a fingerprint");
    let path = ground.sqlite_path();
    let other = path.with_extension("restored");
    Sqlite::at(&other).execute("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    std::fs::rename(&other, &path).expect("a rename");
    assert_ne!(ground.engine.fingerprint().await.expect("a fingerprint"), before);
    let error = ground.engine.inspect(&TableName::bare("t")).await.expect_err("another file");
    assert!(matches!(&error, Error::Lost(message) if message.contains("replaced")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_database_is_not_created() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("text.db"), "this is no database, and long enough to be read as the header of one. ".repeat(20))
        .expect("a file");
    for name in ["missing.db", "text.db"] {
        let url = SourceUrl::parse(&format!("sqlite:{name}"), folder.path()).expect("an address");
        let error = engine::connect("app", &url, WORKSPACE, limits()).await.err().expect(name);
        assert!(matches!(error, Error::Connect { .. }), "{name}: {error}");
    }
    assert!(!folder.path().join("missing.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_journal_serves_as_well() {
    let database = Sqlite::create();
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT); INSERT INTO t VALUES (1, '2020-01-01'), (2, '2026-06-01')");
    let mut application = database.connect().await;
    sqlx::query("PRAGMA journal_mode = DELETE").execute(&mut application).await.expect("nobody else is connected");
    // From here on only what leaves the journal mode as it is may look at the file.
    let ground = Ground::over(database).await;
    ground.with_workspace().await;
    let other = ground.another_engine(limits()).await;
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    let mut batch = ground.engine.begin().await.expect("a batch");
    batch.act(&rule.selection, &rule.whole(&ground), &Act::Delete).await.expect("an act");
    let busy = other.raise_gate(&engine::GateChange { epoch: 1, ..Default::default() }).await.expect_err("the batch has the gate");
    assert!(matches!(&busy, Error::GateBusy { holder } if holder.contains(&std::process::id().to_string())), "{busy}");
    batch.commit().await.expect("a commit");
    assert_eq!(other.raise_gate(&engine::GateChange { epoch: 1, ..Default::default() }).await.expect("a raised gate"), 1);
    let counts = ground.engine.count(&rule.selection, &rule.whole(&ground)).await.expect("counts");
    assert_eq!((counts.total, counts.due), (1, 0));
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut application).await.expect("the mode");
    assert_eq!(mode, "delete", "it is the application's to choose");
    other.close().await;
}
