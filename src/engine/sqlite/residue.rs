//! What rows leave behind in a file.
//!
//! | what was looked for in the file and its log | `logical` | `compacted` | `rewritten` |
//! |---|---|---|---|
//! | the values of rows that went: in the table, in its indexes, in overflow pages | there | gone | gone |
//! | copies that earlier splits of pages had left in their unused parts (none if the application overwrites too) | there | there | gone |
//! | the write-ahead log | there | empty | empty |
//!
//! **`compacted`.** `PRAGMA secure_delete = ON` is a setting of a connection, so what retentiond deletes is overwritten as it
//! goes, in the same transaction ([`Batch::overwrite`](crate::engine::Batch::overwrite)); `FAST` left overflow pages as they
//! were. What comes afterwards is the write-ahead log, which has older images of the pages: a checkpoint that truncates
//! it, for which no reader may be on it. Free pages go back to the file system where `auto_vacuum = INCREMENTAL` lets them.
//!
//! **`rewritten`.** VACUUM writes the whole file anew: every table of it, whichever asked. It gives rows without a primary key
//! of their own new numbers (rowid). Its copy is a temporary file, for memory must not grow with the table.

use std::time::Instant;

use sqlx::SqliteConnection;

use super::{
    Sqlite,
    database::{Database, get},
};
use crate::{
    engine::{
        Error,
        residue::{Remains, Treated, Treatment},
    },
    policy::Residue,
    sql::Statement,
};

/// Pages that are given back in one statement.
const PAGES_AT_ONCE: u32 = 1_000;

impl Sqlite {
    pub(super) async fn treat_file(&self, treatment: &Treatment) -> Result<Treated, Error> {
        let started = Instant::now();
        let mut connection = self.database.own_connection().await?;
        match treatment.level {
            Residue::Logical => return Ok(Treated::Done),
            Residue::Compacted => give_back(&self.database, &mut connection, treatment, started).await?,
            Residue::Rewritten => {
                // Or splits of pages would leave copies of what stays in the new file, where no later deletion reaches them.
                for setting in ["PRAGMA temp_store = FILE", "PRAGMA secure_delete = ON"] {
                    self.database.execute(&mut connection, &Statement::plain(setting)).await?;
                }
                self.database.execute_within(&mut connection, "VACUUM", treatment.within).await?;
            }
        }
        let log = self.database.fetch(&mut connection, &Statement::plain("PRAGMA wal_checkpoint(TRUNCATE)")).await?;
        let is_busy = log.first().map(|row| get::<i64>(row, 0)).transpose()?.is_some_and(|busy| busy != 0);
        Ok(if is_busy {
            Treated::NotYet("another connection reads or writes and keeps the write-ahead log, which still has the old pages".to_owned())
        } else {
            Treated::Done
        })
    }

    pub(super) fn remains_of_file(&self, level: Residue) -> Vec<Remains> {
        let in_file = match level {
            Residue::Logical => {
                Some(Remains::new("free pages and unused parts of pages", "they are used again, or VACUUM writes the file anew"))
            }
            Residue::Compacted => Some(Remains::new(
                "unused parts of pages, where the application's own earlier changes left copies of values (none where it sets `secure_delete`)",
                "they are used again, or VACUUM writes the file anew (`residue = \"rewritten\"`)",
            )),
            Residue::Rewritten => None,
        };
        let log = (level == Residue::Logical).then(|| {
            Remains::new("the write-ahead log, where there is one", "a checkpoint has passed and it is overwritten from its beginning")
        });
        in_file.into_iter().chain(log).chain([Remains::beyond()]).collect()
    }
}

/// A little at a time, so that other writers get in between.
async fn give_back(database: &Database, connection: &mut SqliteConnection, treatment: &Treatment, started: Instant) -> Result<(), Error> {
    let free = |rows: &[sqlx::sqlite::SqliteRow]| rows.first().map(|row| get::<i64>(row, 0)).transpose();
    let mut before = i64::MAX;
    while started.elapsed() < treatment.within {
        let left = free(&database.fetch(connection, &Statement::plain("PRAGMA freelist_count")).await?)?.unwrap_or_default();
        if left == 0 || left >= before {
            break;
        }
        before = left;
        database.fetch(connection, &Statement::plain(format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))).await?;
    }
    Ok(())
}
