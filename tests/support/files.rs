//! A database's own files, for tests that look for what must not be there any more.

use std::{fs, path::PathBuf};

use super::product::Data;

/// The files that have the rows of tables and their indexes, with what the database has not written to them yet. Of SQLite its one
/// file with its logs, as whoever uses it last leaves them.
pub fn of_tables(data: &Data, tables: &[&str]) -> Vec<PathBuf> {
    match data {
        Data::Sqlite(database) => {
            let beside = |end: &str| PathBuf::from(format!("{}{end}", database.path().display()));
            ["", "-wal", "-journal"].map(beside).into_iter().filter(|path| path.exists()).collect()
        }
        Data::Postgres(database) => {
            database.execute("CHECKPOINT");
            let named: Vec<String> = tables.iter().map(|table| format!("'{table}'::regclass")).collect();
            let found = format!(
                "WITH t AS (SELECT oid, reltoastrelid FROM pg_class WHERE oid IN ({}))
                 SELECT current_setting('data_directory') || '/' || pg_relation_filepath(f.oid) FROM (
                   SELECT oid FROM t UNION SELECT reltoastrelid FROM t
                   UNION SELECT indexrelid FROM pg_index JOIN t ON indrelid IN (t.oid, t.reltoastrelid)) AS f (oid)
                 WHERE pg_relation_filepath(f.oid) IS NOT NULL",
                named.join(", ")
            );
            database.column(&found).into_iter().flatten().map(PathBuf::from).collect()
        }
        Data::Mariadb(database) => {
            database.execute(&format!("FLUSH TABLES {} FOR EXPORT; UNLOCK TABLES", tables.join(", ")));
            let folder = database.column("SELECT concat(@@datadir, database())").remove(0).expect("a folder");
            tables.iter().map(|table| PathBuf::from(&folder).join(format!("{table}.ibd"))).collect()
        }
    }
}

/// How often a text stands in files.
pub fn count(files: &[PathBuf], text: &str) -> usize {
    let count = |path: &PathBuf| fs::read(path).expect("a file").windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    files.iter().map(count).sum()
}
