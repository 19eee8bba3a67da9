//! One batch on PostgreSQL: the gate taken shared, its epoch read, the act, the mark, COMMIT.

use async_trait::async_trait;
use sqlx::{Row as _, postgres::PgRow};

use super::{
    Postgres,
    errors::Failure,
    session::{Transaction, query},
    workspace::known,
};
use crate::{
    engine::{
        Batch, Error, LaneMark, Partition,
        old_values::{OldValues, rows_at_once},
        opt_outs::{self, Gone, Inserts, OptedOut},
        server::{signed, unsigned},
    },
    fault,
    policy::Dialect,
    sql::{
        Statement,
        opt_out::OptOut,
        selection::{Act, Cell, ColumnRef, NewValue, Range, Selection, TableRef, WorkspaceRef},
        statement::{self, NewValues},
    },
};

const WHAT: &str = "a batch";

/// A batch on its own transaction.
pub(super) struct PostgresBatch {
    pub(super) transaction: Transaction,
    /// What goes with the mark.
    pub(super) taken: Option<Partition>,
    workspace: WorkspaceRef,
    max_rows: u64,
    epoch: u64,
}

impl Postgres {
    pub(super) async fn open_batch(&self) -> Result<PostgresBatch, Error> {
        let stale = if fault::seeded("gate-read-before-lock") { self.workspace_now().await? } else { None };
        fault::point("gate.asked");
        // Opened and locked in one round trip; what is read comes in the next.
        let opening = format!("{}; LOCK TABLE {} IN ROW SHARE MODE", self.write, self.workspace.gate());
        let mut transaction = Transaction::begin(&self.pool, &opening).await.map_err(Failure::of_workspace)?;
        fault::point("gate.taken");

        // A statement of its own: its snapshot is taken now that no place can be under way, so it sees every one that
        // has reported success. In one statement with the lock, the snapshot would be older than the wait.
        let epoch = match stale {
            Some(workspace) => workspace.epoch,
            None => self.gate_epoch(&mut transaction).await?,
        };
        fault::point("gate.read");
        Ok(PostgresBatch { transaction, taken: None, workspace: self.workspace.clone(), max_rows: self.limits.max_batch_rows, epoch })
    }

    async fn gate_epoch(&self, transaction: &mut Transaction) -> Result<u64, Error> {
        let text = format!("SELECT epoch, version FROM {}", self.workspace.gate());
        let rows = transaction.ask(WHAT, &text).await.map_err(Failure::of_workspace)?;
        let [row] = rows.as_slice() else { return Err(Error::NoWorkspace) };
        let (epoch, version): (i64, i32) = (|| Ok((row.try_get(0)?, row.try_get(1)?)))().map_err(|error| Failure { what: WHAT, error })?;
        known(version.unsigned_abs())?;
        Ok(unsigned(epoch))
    }
}

impl PostgresBatch {
    /// The new values of a column: its old ones, whose rows stay locked from here on, and what becomes of each.
    async fn computed(
        &mut self,
        selection: &Selection,
        range: &Range,
        column: &ColumnRef,
        value: &NewValue,
    ) -> Result<Option<NewValues>, Error> {
        let NewValue::Computed(compute) = value else { return Ok(None) };
        let old = statement::old_values(selection, range, column);
        let mut texts = OldValues::new();
        let take = |row: PgRow| {
            let text: String = row.try_get(0)?;
            let bytes = text.len();
            texts.take(text, bytes);
            Ok(())
        };
        self.transaction.each(WHAT, query(&old), take).await?;
        Ok(Some(
            texts
                .all(self.max_rows)?
                .into_iter()
                .map(|old| {
                    let new = compute.compute(&old);
                    (Cell::Text(old), new)
                })
                .collect(),
        ))
    }

    /// The rows that a statement returns of those it deletes.
    async fn gone(&mut self, statement: &Statement, opt_out: &OptOut) -> Result<Vec<Gone>, Error> {
        let mut read = OldValues::new();
        let (names, values) = (opt_out.names.len(), opt_out.read.len());
        let take = |row: PgRow| {
            let text = |at: usize| row.try_get::<Option<String>, _>(at);
            let value = |at: usize| Ok(text(at)?.map_or(Cell::Null, Cell::Text));
            let values = (names..names + values).map(value).collect::<Result<_, sqlx::Error>>()?;
            opt_outs::take(&mut read, Gone { names: (0..names).map(text).collect::<Result<_, _>>()?, values });
            Ok(())
        };
        self.transaction.each(WHAT, query(statement), take).await?;
        read.all(self.max_rows)
    }

    /// An estimate of a range's rows may be wrong; a transaction's size may not.
    fn check_size(&self, rows: u64) -> Result<(), Error> {
        if rows > self.max_rows { Err(Error::TooManyRows { rows, limit: self.max_rows }) } else { Ok(()) }
    }
}

#[async_trait]
impl Inserts for PostgresBatch {
    async fn insert(&mut self, opt_out: &OptOut, rows: &[Vec<Cell>]) -> Result<Result<(), String>, Error> {
        let statement = statement::insert_opt_outs(Dialect::Postgres, opt_out, rows);
        match self.transaction.try_execute(WHAT, query(&statement)).await? {
            Ok(_) => Ok(Ok(())),
            Err(failure) if failure.is_about_a_row() => Ok(Err(Error::from(failure).to_string())),
            Err(failure) => Err(failure.into()),
        }
    }
}

#[async_trait]
impl Batch for PostgresBatch {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    async fn act(&mut self, selection: &Selection, range: &Range, act: &Act) -> Result<u64, Error> {
        self.lock_parents(selection, range).await?;
        let statement = match act {
            Act::Delete => statement::delete(selection, range),
            Act::Anonymise { assignments, .. } => {
                let mut computed = Vec::new();
                for assignment in assignments {
                    computed.extend(self.computed(selection, range, &assignment.column, &assignment.value).await?);
                }
                statement::update(selection, range, act, &computed)
            }
        };
        let rows = self.transaction.execute(WHAT, query(&statement)).await?;
        self.check_size(rows)?;
        Ok(rows)
    }

    async fn delete_with_opt_outs(&mut self, selection: &Selection, range: &Range, opt_out: &OptOut) -> Result<OptedOut, Error> {
        let before = match fault::seeded("opt-outs-read-before") {
            true => Some(self.gone(&statement::read_before(selection, range, opt_out), opt_out).await?),
            false => None,
        };
        self.lock_parents(selection, range).await?;
        let gone = self.gone(&statement::delete_returning(selection, range, opt_out), opt_out).await?;
        opt_outs::write(self, opt_out, &before.unwrap_or(gone)).await
    }

    async fn lock_parents(&mut self, selection: &Selection, range: &Range) -> Result<(), Error> {
        for lock in statement::lock_parents(selection, range) {
            self.transaction.rows(WHAT, query(&lock)).await?;
        }
        Ok(())
    }

    async fn pick(&mut self, statement: &Statement) -> Result<Vec<Vec<Cell>>, Error> {
        let rows = self.transaction.rows(WHAT, query(statement)).await?;
        let text = |row: &PgRow, index| Ok(row.try_get::<Option<String>, _>(index)?.map_or(Cell::Null, Cell::Text));
        let cells = |row: &PgRow| (0..row.len()).map(|index| text(row, index)).collect();
        Ok(rows.iter().map(cells).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error })?)
    }

    async fn delete_and_return(&mut self, selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Result<Vec<Vec<Cell>>, Error> {
        self.lock_parents(selection, range).await?;
        whole_rows(&mut self.transaction, &statement::delete_and_return(selection, range, columns), self.max_rows).await
    }

    async fn put_back(&mut self, table: &TableRef, columns: &[ColumnRef], rows: &[Vec<Cell>]) -> Result<u64, Error> {
        let mut put = 0;
        for rows in rows.chunks(rows_at_once(columns.len())) {
            let insert = statement::put_back(self.workspace.dialect, table, columns, rows);
            put += self.transaction.execute("putting rows back", query(&insert)).await?;
        }
        Ok(put)
    }

    async fn take_partition(&mut self, selection: &Selection, partition: &Partition) -> Result<Option<u64>, Error> {
        self.take(selection, partition).await
    }

    async fn mark(&mut self, lane: &str, fence: u64, mark: &LaneMark) -> Result<(), Error> {
        if let Some(partition) = self.taken.take() {
            self.drop_taken(&partition).await?;
        }
        if !fault::seeded("mark-omitted") {
            let fenced = if fault::seeded("fence-ignored") { "fence IS NOT NULL OR fence" } else { "fence" };
            let update = Statement {
                text: format!(
                    "UPDATE {} SET seq = $1::bigint, rows = $2::bigint, intent_hash = $3 WHERE lane = $4 AND ({fenced} = $5::bigint)",
                    self.workspace.lane()
                ),
                binds: vec![
                    Cell::Integer(signed(mark.seq)),
                    Cell::Integer(signed(mark.rows)),
                    Cell::Text(mark.intent_hash.clone()),
                    Cell::Text(lane.to_owned()),
                    Cell::Integer(signed(fence)),
                ],
            };
            if self.transaction.execute(WHAT, query(&update)).await? != 1 {
                return Err(Error::Fenced);
            }
        }
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), Error> {
        self.transaction.commit().await
    }

    async fn rollback(self: Box<Self>) -> Result<(), Error> {
        self.transaction.rollback().await
    }
}

/// The rows of a statement whose columns are texts.
pub(super) async fn whole_rows(transaction: &mut Transaction, statement: &Statement, max_rows: u64) -> Result<Vec<Vec<Cell>>, Error> {
    let mut rows = OldValues::new();
    let take = |row: PgRow| {
        let cell = |index| Ok(row.try_get::<Option<String>, _>(index)?.map_or(Cell::Null, Cell::Text));
        rows.take_row((0..row.len()).map(cell).collect::<Result<_, sqlx::Error>>()?);
        Ok(())
    };
    transaction.each(WHAT, query(statement), take).await?;
    rows.all(max_rows)
}
