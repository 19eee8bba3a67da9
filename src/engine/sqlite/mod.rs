//! SQLite: one file, one writer at a time, no server.
//!
//! `database` opens the file and runs statements under their limits; `catalogue` reads shapes; `workspace` and `gate`
//! keep retentiond's own tables; `walk` finds ranges; `batch` is the transaction in which rows change; `holder` names
//! the process that is waited for; `residue` treats what rows leave behind; `create` makes the database of `demo`.
//!
//! What a server would do is done here: statements are bounded by a progress handler, a paused process is not thrown
//! out (whoever waits for it is told its number instead), and a file that was replaced by another is noticed.

mod batch;
mod catalogue;
mod create;
mod database;
mod gate;
mod holder;
mod residue;
mod walk;
mod workspace;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Executor as _, SqlSafeStr as _};

pub use self::create::create;
use self::database::{Database, get, get_count};
use super::{
    Batch, Engine, Error, GateChange, Inspected, LaneMark, Positions, Stamp, Workspace,
    grants::{Grants, Needs, Step},
    residue::{Remains, Treated, Treatment},
    shape::{Shape, TableKind},
};
use crate::{
    config::{Limits, Replicas, SourceUrl},
    hold::Held,
    policy::{Dialect, Residue, TableName, condition::Condition},
    sql::{
        Statement, checked, qualified,
        selection::{Cell, ColumnRef, Counts, KeyPart, Range, Seen, Selection, SubjectTest, Survey, TableRef, Way, WorkspaceRef},
        statement,
    },
};

/// A connected SQLite database.
pub struct Sqlite {
    database: Arc<Database>,
    workspace: WorkspaceRef,
}

impl Sqlite {
    /// Opens the file, which must exist. `workspace` is the prefix of retentiond's own tables.
    ///
    /// # Errors
    /// [`Error::Connect`] if it is not there or no database, [`Error::Unsupported`] on a network file system.
    pub async fn connect(name: &str, url: &SourceUrl, workspace: &str, limits: Limits) -> Result<Self, Error> {
        let database = Database::open(url, limits).await.map_err(|error| match error {
            Error::Lost(message) | Error::Database(message) => Error::Connect { source_name: name.to_owned(), message },
            other => other,
        })?;
        let workspace = WorkspaceRef { dialect: Dialect::Sqlite, name: workspace.to_owned() };
        Ok(Self { database: Arc::new(database), workspace })
    }
}

#[async_trait]
impl Engine for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn fingerprint(&self) -> Result<String, Error> {
        self.database.fingerprint()
    }

    async fn now(&self) -> Result<Option<Timestamp>, Error> {
        Ok(None)
    }

    async fn replicas(&self, _which: &Replicas) -> Result<Positions, Error> {
        Ok(Positions::default())
    }

    async fn inspect_all(&self, tables: &[TableName]) -> Result<Vec<Inspected>, Error> {
        let mut shapes = catalogue::inspect(&self.database, tables).await?;
        for shape in shapes.iter_mut().flatten().flatten() {
            if workspace::is_own(&self.workspace, &shape.table.table) {
                shape.kind = TableKind::System;
            }
        }
        Ok(shapes)
    }

    async fn tables(&self) -> Result<Vec<TableName>, Error> {
        let mut tables = catalogue::tables(&self.database).await?;
        tables.retain(|name| !workspace::is_own(&self.workspace, &name.table));
        Ok(tables)
    }

    async fn prepare_conditions(&self, conditions: &[(&TableRef, &Condition)]) -> Result<Vec<Result<(), String>>, Error> {
        let mut connection = self.database.connection().await?;
        let mut prepared = Vec::with_capacity(conditions.len());
        for (table, condition) in conditions {
            let text = format!("SELECT 1 FROM {} AS t WHERE {}", qualified(Dialect::Sqlite, table), condition.sql);
            match connection.prepare(checked(&text).into_sql_str()).await.map_err(database::database_error) {
                Ok(_) => prepared.push(Ok(())),
                Err(Error::Database(words)) => prepared.push(Err(words)),
                Err(error) => return Err(error),
            }
        }
        Ok(prepared)
    }

    fn ways(&self, shape: &Shape, key: &[String], start: Option<&str>) -> Vec<Way> {
        walk::ways(shape, key, start)
    }

    async fn next_range(&self, selection: &Selection, rest: &Range, rows: u64) -> Result<Option<Range>, Error> {
        walk::next_range(&self.database, selection, rest, rows).await
    }

    async fn explain(&self, selection: &Selection, range: &Range) -> Result<(String, Vec<String>), Error> {
        let found = statement::find_due(selection, range);
        let explained = Statement { text: format!("EXPLAIN QUERY PLAN {}", found.text), binds: found.binds };
        let mut connection = self.database.connection().await?;
        let rows = self.database.fetch(&mut connection, &explained).await?;
        let lines = rows.iter().map(|row| get(row, 3)).collect::<Result<_, _>>()?;
        Ok((found.text, lines))
    }

    async fn count(&self, selection: &Selection, range: &Range) -> Result<Counts, Error> {
        let row = self.database.first(&statement::count(selection, range)).await?.ok_or_else(no_row)?;
        let number = |index| get_count(&row, index);
        Ok(Counts {
            total: number(0)?,
            outside: number(1)?,
            undated: number(2)?,
            running: number(3)?,
            due: number(4)?,
            held: number(5)?,
            protected: number(6)?,
            done: number(7)?,
            implausible: number(8)?,
        })
    }

    async fn survey(&self, selection: &Selection, range: &Range) -> Result<Survey, Error> {
        let row = self.database.first(&statement::survey(selection, range)).await?.ok_or_else(no_row)?;
        Ok(Survey { rows: get_count(&row, 0)?, implausible: get_count(&row, 1)? })
    }

    async fn count_due(&self, selections: &[Selection], range: &Range) -> Result<Vec<u64>, Error> {
        if selections.is_empty() {
            return Ok(Vec::new());
        }
        let row = self.database.first(&statement::count_due(selections, range)).await?.ok_or_else(no_row)?;
        (0..selections.len()).map(|index| get_count(&row, index)).collect()
    }

    async fn count_protected(&self, selection: &Selection, range: &Range) -> Result<Vec<u64>, Error> {
        let row = self.database.first(&statement::count_protected(selection, range)).await?.ok_or_else(no_row)?;
        (0..selection.protectors.len() + selection.references.len() + selection.dependents.len())
            .map(|index| get_count(&row, index))
            .collect()
    }

    async fn count_along(&self, selection: &Selection, range: &Range) -> Result<Vec<u64>, Error> {
        let row = self.database.first(&statement::count_along(selection, range)).await?.ok_or_else(no_row)?;
        (0..selection.along().len()).map(|index| get_count(&row, index)).collect()
    }

    async fn count_beyond(&self, selection: &Selection, before: &Selection, range: &Range) -> Result<u64, Error> {
        get_count(&self.database.first(&statement::count_beyond(selection, before, range)).await?.ok_or_else(no_row)?, 0)
    }

    async fn due_rows(&self, selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Result<Vec<Vec<Cell>>, Error> {
        let mut connection = self.database.connection().await?;
        batch::whole_rows(&self.database, &mut connection, &statement::due_rows(selection, range, columns)).await
    }

    async fn look(&self, selection: &Selection, key: &[KeyPart]) -> Result<Vec<Seen>, Error> {
        let mut connection = self.database.connection().await?;
        let rows = self.database.fetch(&mut connection, &statement::look(selection, key)).await?;
        let holders = match statement::holders(selection, key) {
            Some(holders) => self.database.fetch(&mut connection, &holders).await?,
            None => Vec::new(),
        };
        let holders = holders.iter().map(texts).collect::<Result<Vec<_>, _>>()?;
        let mut shown = Vec::new();
        for statement in statement::shown(selection, key) {
            let rows = self.database.fetch(&mut connection, &statement).await?;
            shown.push(rows.iter().map(texts).collect::<Result<Vec<_>, Error>>()?);
        }
        rows.iter().map(|row| statement::seen(selection, texts(row)?, holders.clone(), shown.clone()).ok_or_else(no_row)).collect()
    }

    async fn settings(&self, table: &TableRef, of: &ColumnRef, most: u64) -> Result<Vec<String>, Error> {
        let mut connection = self.database.connection().await?;
        let rows = self.database.fetch(&mut connection, &statement::settings(Dialect::Sqlite, table, of, most)).await?;
        Ok(rows.iter().map(texts).collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().flatten().collect())
    }

    async fn count_held(&self, table: &TableRef, subjects: &[SubjectTest], scopes: &[String], hold: &str) -> Result<u64, Error> {
        let statement = statement::count_held(table, &self.workspace, subjects, scopes, hold);
        get_count(&self.database.first(&statement).await?.ok_or_else(no_row)?, 0)
    }

    async fn workspace(&self) -> Result<Option<Workspace>, Error> {
        workspace::read(&self.database, &self.workspace).await
    }

    async fn init_workspace(&self, stamp: &Stamp) -> Result<Workspace, Error> {
        workspace::init(&self.database, &self.workspace, stamp).await
    }

    /// There are no privileges inside a file.
    async fn grants(&self, _role: Option<&str>, _needs: &[Needs], _replicas: &Replicas) -> Result<Grants, Error> {
        let why = "SQLite knows no privileges: the process has to read and write the file, and the folder that it is in (for the journal)";
        Ok(Grants { role: None, steps: vec![Step { why: why.to_owned(), statements: Vec::new() }] })
    }

    async fn restamp(&self, stamp: &Stamp, epoch: u64) -> Result<(), Error> {
        workspace::restamp(&self.database, &self.workspace, stamp, epoch).await
    }

    async fn held(&self) -> Result<Vec<Held>, Error> {
        workspace::held(&self.database, &self.workspace).await
    }

    async fn raise_gate(&self, change: &GateChange) -> Result<u64, Error> {
        gate::raise(&self.database, &self.workspace, change).await
    }

    async fn begin(&self) -> Result<Box<dyn Batch>, Error> {
        Ok(Box::new(batch::SqliteBatch::begin(Arc::clone(&self.database), self.workspace.clone()).await?))
    }

    async fn settle(&self, lane: &str, fence: u64) -> Result<LaneMark, Error> {
        gate::settle(&self.database, &self.workspace, lane, fence).await
    }

    async fn lanes(&self) -> Result<Vec<(String, LaneMark)>, Error> {
        workspace::lanes(&self.database, &self.workspace).await
    }

    fn rewriting(&self, _bytes: Option<u64>) -> Option<String> {
        Some(
            "VACUUM writes the whole file anew: it takes as much room again (twice as much with a write-ahead log), and gives rows of tables \
             without an INTEGER PRIMARY KEY other rowids"
                .to_owned(),
        )
    }

    fn treats_all_at_once(&self) -> bool {
        true
    }

    async fn treat(&self, treatment: &Treatment) -> Result<Treated, Error> {
        self.treat_file(treatment).await
    }

    async fn remains(&self, level: Residue) -> Result<Vec<Remains>, Error> {
        Ok(self.remains_of_file(level))
    }

    async fn close(&self) {
        self.database.close().await;
    }
}

/// A row of texts.
fn texts(row: &sqlx::sqlite::SqliteRow) -> Result<Vec<Option<String>>, Error> {
    (0..sqlx::Row::len(row)).map(|index| get(row, index)).collect()
}

fn no_row() -> Error {
    Error::Database("a statement returned no row, or not the columns it was asked for".to_owned())
}
