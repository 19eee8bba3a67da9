//! The one transaction in which rows change.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Row as _, Sqlite, SqliteConnection, pool::PoolConnection, sqlite::SqliteRow};

use super::{
    database::{Database, cell, count_cell},
    workspace,
};
use crate::{
    engine::{
        Batch, Error, LaneMark,
        old_values::{OldValues, rows_at_once},
        opt_outs::{self, Gone, Inserts, OptedOut},
    },
    fault,
    policy::Dialect,
    sql::{
        Statement,
        opt_out::OptOut,
        selection::{Act, Cell, ColumnRef, Compute, NewValue, Range, Selection, TableRef, WorkspaceRef},
        statement,
    },
};

/// New values in one statement.
const ROWS_PER_INSERT: usize = 300;

/// A transaction that holds the gate. Dropped without [`Batch::commit`], its connection is closed, which rolls back.
pub(super) struct SqliteBatch {
    database: Arc<Database>,
    workspace: WorkspaceRef,
    /// `None` once an error has ended the transaction.
    ///
    /// SQLite itself rolls back on some errors, the time limit among them. A statement sent after that would commit at
    /// once and alone, so after any error nothing more is sent.
    connection: Option<PoolConnection<Sqlite>>,
    epoch: u64,
    /// The connection overwrites what it deletes.
    overwrites: bool,
}

impl SqliteBatch {
    pub(super) async fn begin(database: Arc<Database>, workspace: WorkspaceRef) -> Result<Self, Error> {
        let connection = database.connection().await?;
        let mut batch = Self { database, workspace, connection: Some(connection), epoch: 0, overwrites: false };
        let too_early = if fault::seeded("gate-read-before-lock") { Some(batch.read_epoch().await?) } else { None };
        fault::point("gate.asked");
        batch.execute(&Statement::plain("BEGIN IMMEDIATE")).await?;
        fault::point("gate.taken");
        batch.epoch = match too_early {
            Some(epoch) => epoch,
            None => batch.read_epoch().await?,
        };
        fault::point("gate.read");
        Ok(batch)
    }

    async fn read_epoch(&mut self) -> Result<u64, Error> {
        let connection = self.connection.as_mut().ok_or_else(ended)?;
        let found = workspace::read_on(&self.database, connection, &self.workspace).await?;
        found.map(|workspace| workspace.epoch).ok_or(Error::NoWorkspace)
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, Error> {
        let connection = self.connection.as_mut().ok_or_else(ended)?;
        let result = self.database.execute(connection, statement).await;
        if result.is_err() {
            self.give_up();
        }
        result
    }

    async fn texts(&mut self, statement: &Statement) -> Result<Vec<String>, Error> {
        let connection = self.connection.as_mut().ok_or_else(ended)?;
        let mut texts = OldValues::new();
        let take = |row: SqliteRow| {
            if let Some(text) = row.try_get::<Option<String>, _>(0)? {
                let bytes = text.len();
                texts.take(text, bytes);
            }
            Ok(())
        };
        let read = self.database.each(connection, statement, take).await;
        let read = read.and_then(|()| texts.all(self.database.limits().max_batch_rows));
        if read.is_err() {
            self.give_up();
        }
        read
    }

    /// Computes the new value of each old one here, where the keys are, and leaves them for the UPDATE to look up.
    async fn prepare_new_values(
        &mut self,
        selection: &Selection,
        range: &Range,
        computed: &[(&ColumnRef, &dyn Compute)],
    ) -> Result<(), Error> {
        self.execute(&Statement::plain(statement::CREATE_NEW_VALUES)).await?;
        self.execute(&Statement::plain(statement::CLEAR_NEW_VALUES)).await?;
        for (place, (column, compute)) in (0_i64..).zip(computed) {
            let old_values = self.texts(&statement::old_values(selection, range, column)).await?;
            for old_values in old_values.chunks(ROWS_PER_INSERT) {
                self.execute(&insert_new_values(place, old_values, *compute)).await?;
            }
        }
        Ok(())
    }

    /// The rows that a statement returns of those it deletes.
    async fn gone(&mut self, statement: &Statement, opt_out: &OptOut) -> Result<Vec<Gone>, Error> {
        let connection = self.connection.as_mut().ok_or_else(ended)?;
        let mut read = OldValues::new();
        let mut unread = None;
        let (names, values) = (opt_out.names.len(), opt_out.read.len());
        let take = |row: SqliteRow| {
            let names_of = (0..names).map(|at| row.try_get::<Option<String>, _>(at)).collect::<Result<_, _>>()?;
            match (names..names + values).map(|at| cell(&row, at)).collect() {
                Ok(values) => opt_outs::take(&mut read, Gone { names: names_of, values }),
                Err(error) => unread = Some(error),
            }
            Ok(())
        };
        let outcome = self.database.each(connection, statement, take).await;
        let outcome = outcome.and_then(|()| unread.map_or(Ok(()), Err)).and_then(|()| read.all(self.database.limits().max_batch_rows));
        if outcome.is_err() {
            self.give_up();
        }
        outcome
    }

    /// Gives the connection back to the pool, as those in it are.
    async fn give_back(&mut self) -> Result<(), Error> {
        if self.overwrites {
            self.execute(&Statement::plain("PRAGMA secure_delete = OFF")).await?;
        }
        drop(self.connection.take());
        Ok(())
    }

    /// Closes the connection, which rolls back. It takes no runtime, so it serves `drop` as well.
    fn give_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

#[async_trait]
impl Inserts for SqliteBatch {
    async fn insert(&mut self, opt_out: &OptOut, rows: &[Vec<Cell>]) -> Result<Result<(), String>, Error> {
        self.execute(&Statement::plain("SAVEPOINT attempt")).await?;
        let connection = self.connection.as_mut().ok_or_else(ended)?;
        let statement = statement::insert_opt_outs(Dialect::Sqlite, opt_out, rows);
        match self.database.try_execute(connection, &statement).await {
            Ok(Ok(())) => {
                self.execute(&Statement::plain("RELEASE attempt")).await?;
                Ok(Ok(()))
            }
            Ok(Err(why)) => {
                // Where the table's own constraint has ended the transaction, there is no such savepoint, and that is an error.
                self.execute(&Statement::plain("ROLLBACK TO attempt")).await?;
                self.execute(&Statement::plain("RELEASE attempt")).await?;
                Ok(Err(why))
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Batch for SqliteBatch {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    async fn overwrite(&mut self) -> Result<(), Error> {
        if !fault::seeded("residue-not-overwritten") {
            self.execute(&Statement::plain("PRAGMA secure_delete = ON")).await?;
            self.overwrites = true;
        }
        Ok(())
    }

    async fn act(&mut self, selection: &Selection, range: &Range, act: &Act) -> Result<u64, Error> {
        let rows = match act {
            Act::Delete => self.execute(&statement::delete(selection, range)).await?,
            Act::Anonymise { assignments, .. } => {
                let computed: Vec<(&ColumnRef, &dyn Compute)> = assignments
                    .iter()
                    .filter_map(|assignment| match &assignment.value {
                        NewValue::Computed(compute) => Some((&assignment.column, &**compute)),
                        _ => None,
                    })
                    .collect();
                if !computed.is_empty() {
                    self.prepare_new_values(selection, range, &computed).await?;
                }
                let rows = self.execute(&statement::update(selection, range, act, &[])).await?;
                if !computed.is_empty() {
                    self.execute(&Statement::plain(statement::CLEAR_NEW_VALUES)).await?;
                }
                rows
            }
        };
        let limit = self.database.limits().max_batch_rows;
        if rows > limit {
            self.give_up();
            return Err(Error::TooManyRows { rows, limit });
        }
        Ok(rows)
    }

    async fn delete_with_opt_outs(&mut self, selection: &Selection, range: &Range, opt_out: &OptOut) -> Result<OptedOut, Error> {
        let gone = self.gone(&statement::delete_returning(selection, range, opt_out), opt_out).await?;
        opt_outs::write(self, opt_out, &gone).await
    }

    async fn lock_parents(&mut self, _selection: &Selection, _range: &Range) -> Result<(), Error> {
        // Nobody else writes.
        Ok(())
    }

    async fn pick(&mut self, statement: &Statement) -> Result<Vec<Vec<Cell>>, Error> {
        let connection = self.connection.as_mut().ok_or_else(ended)?;
        let rows = self.database.fetch(connection, statement).await;
        let cells = |row: &SqliteRow| (0..row.len()).map(|index| cell(row, index)).collect();
        let picked = rows.and_then(|rows| rows.iter().map(cells).collect());
        if picked.is_err() {
            self.give_up();
        }
        picked
    }

    async fn delete_and_return(&mut self, selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Result<Vec<Vec<Cell>>, Error> {
        let connection = self.connection.as_mut().ok_or_else(ended)?;
        let rows = whole_rows(&self.database, connection, &statement::delete_and_return(selection, range, columns)).await;
        if rows.is_err() {
            self.give_up();
        }
        rows
    }

    async fn put_back(&mut self, table: &TableRef, columns: &[ColumnRef], rows: &[Vec<Cell>]) -> Result<u64, Error> {
        let mut put = 0;
        for rows in rows.chunks(rows_at_once(columns.len())) {
            put += self.execute(&statement::put_back(self.workspace.dialect, table, columns, rows)).await?;
        }
        Ok(put)
    }

    async fn mark(&mut self, lane: &str, fence: u64, mark: &LaneMark) -> Result<(), Error> {
        if fault::seeded("mark-omitted") {
            return Ok(());
        }
        let guard = if fault::seeded("fence-ignored") { "?5 = ?5" } else { "fence = ?5" };
        let update = Statement {
            text: format!("UPDATE {} SET seq = ?1, rows = ?2, intent_hash = ?3 WHERE lane = ?4 AND {guard}", self.workspace.lane()),
            binds: vec![
                count_cell(mark.seq),
                count_cell(mark.rows),
                Cell::Text(mark.intent_hash.clone()),
                Cell::Text(lane.to_owned()),
                count_cell(fence),
            ],
        };
        if self.execute(&update).await? != 1 {
            self.give_up();
            return Err(Error::Fenced);
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Error> {
        self.execute(&Statement::plain("COMMIT")).await?;
        // What was committed stays so: a connection that can't be given back is closed.
        let _ = self.give_back().await;
        Ok(())
    }

    async fn rollback(mut self: Box<Self>) -> Result<(), Error> {
        if self.connection.is_some() {
            self.execute(&Statement::plain("ROLLBACK")).await?;
            self.give_back().await?;
        }
        Ok(())
    }
}

/// The rows of a statement, with every value as it is stored.
pub(super) async fn whole_rows(
    database: &Database,
    connection: &mut SqliteConnection,
    statement: &Statement,
) -> Result<Vec<Vec<Cell>>, Error> {
    let mut rows = OldValues::new();
    let mut unreadable = None;
    let take = |row: SqliteRow| {
        match (0..row.len()).map(|index| cell(&row, index)).collect() {
            Ok(row) => rows.take_row(row),
            Err(error) => unreadable = Some(error),
        }
        Ok(())
    };
    database.each(connection, statement, take).await?;
    match unreadable {
        Some(error) => Err(error),
        None => rows.all(database.limits().max_batch_rows),
    }
}

impl Drop for SqliteBatch {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn ended() -> Error {
    Error::Lost("an error has ended the transaction".to_owned())
}

fn insert_new_values(place: i64, old_values: &[String], compute: &dyn Compute) -> Statement {
    let mut values = Vec::with_capacity(old_values.len());
    let mut binds = vec![Cell::Integer(place)];
    for old in old_values {
        values.push(format!("(?1, ?{}, ?{})", binds.len() + 1, binds.len() + 2));
        binds.push(Cell::Text(old.clone()));
        binds.push(compute.compute(old).map_or(Cell::Null, Cell::Text));
    }
    Statement { text: format!("INSERT INTO {} (col, old, new) VALUES {}", statement::NEW_VALUES, values.join(", ")), binds }
}
