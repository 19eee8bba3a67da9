//! One batch on MariaDB: the gate taken shared, which is also the read of its epoch, the act, the mark, COMMIT.

use async_trait::async_trait;
use sqlx::{Row as _, mysql::MySqlRow};

use super::{
    Flavour, Mysql,
    errors::{DUPLICATE, Failure},
    partitions::Taken,
    session::{Transaction, bytes, numbers, text},
    workspace::{known, marking},
};
use crate::{
    config::Limits,
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
        selection::{Act, Cell, ColumnRef, Compute, NewValue, Range, Selection, TableRef, WorkspaceRef},
        statement::{self, NewValues},
    },
};

const WHAT: &str = "a batch";

/// New values that one statement writes.
const VALUES: usize = 1_000;

/// A batch on its own transaction.
pub(super) struct MysqlBatch {
    pub(super) transaction: Transaction,
    pub(super) workspace: WorkspaceRef,
    pub(super) limits: Limits,
    pub(super) flavour: Flavour,
    pub(super) epoch: u64,
    /// What goes with COMMIT.
    pub(super) taken: Option<Taken>,
}

impl Mysql {
    pub(super) async fn open_batch(&self) -> Result<MysqlBatch, Error> {
        let stale = if fault::seeded("gate-read-before-lock") { self.workspace_now().await? } else { None };
        fault::point("gate.asked");
        let mut transaction = Transaction::begin(&self.pool, &self.write).await?;
        // A locking read waits for a place that is under way, and then sees what it has committed.
        let text = format!("SELECT epoch, version FROM {} LOCK IN SHARE MODE", self.workspace.gate());
        let rows = transaction.ask(WHAT, &text).await.map_err(Failure::of_workspace)?;
        fault::point("gate.taken");
        let [row] = rows.as_slice() else { return Err(Error::NoWorkspace) };
        let (epoch, version): (i64, i32) = (|| Ok((row.try_get(0)?, row.try_get(1)?)))().map_err(|error| Failure { what: WHAT, error })?;
        known(version.unsigned_abs())?;
        let epoch = stale.map_or_else(|| unsigned(epoch), |workspace| workspace.epoch);
        fault::point("gate.read");
        let (workspace, limits, flavour) = (self.workspace.clone(), self.limits, self.server.flavour);
        Ok(MysqlBatch { transaction, workspace, limits, flavour, epoch, taken: None })
    }
}

impl MysqlBatch {
    /// The new values of a column: its old ones, whose rows stay locked from here on, and what becomes of each. They are
    /// left in the column's temporary table too, for the UPDATE to look up.
    async fn computed(
        &mut self,
        selection: &Selection,
        range: &Range,
        number: usize,
        column: &ColumnRef,
        compute: &dyn Compute,
    ) -> Result<NewValues, Error> {
        let mut read = OldValues::new();
        let take = |row: MySqlRow| {
            let old = bytes(&row, 0)?.unwrap_or_default();
            let bytes = old.len();
            read.take(old, bytes);
            Ok(())
        };
        self.transaction.each(WHAT, &statement::old_values(selection, range, column), take).await?;
        let mut values = NewValues::new();
        for old in read.all(self.limits.max_batch_rows)? {
            let new = compute.compute(&String::from_utf8_lossy(&old));
            values.push((String::from_utf8(old).map_or_else(|error| Cell::Bytes(error.into_bytes()), Cell::Text), new));
        }
        let table = self.workspace.new_values(number);
        self.transaction.run(WHAT, &statement::create_new_values(&table)).await?;
        for some in values.chunks(VALUES) {
            self.transaction.execute(WHAT, &insert_new_values(&table, some)).await?;
        }
        Ok(values)
    }

    /// The rows that a statement returns of those it deletes.
    async fn gone(&mut self, statement: &Statement, opt_out: &OptOut) -> Result<Vec<Gone>, Error> {
        let mut read = OldValues::new();
        let (names, values) = (opt_out.names.len(), opt_out.read.len());
        let take = |row: MySqlRow| {
            let value = |at: usize| {
                let cell = |bytes: Vec<u8>| String::from_utf8(bytes).map_or_else(|error| Cell::Bytes(error.into_bytes()), Cell::Text);
                Ok(bytes(&row, at)?.map_or(Cell::Null, cell))
            };
            let values = (names..names + values).map(value).collect::<Result<_, sqlx::Error>>()?;
            opt_outs::take(&mut read, Gone { names: (0..names).map(|at| text(&row, at)).collect::<Result<_, _>>()?, values });
            Ok(())
        };
        self.transaction.each(WHAT, statement, take).await?;
        read.all(self.limits.max_batch_rows)
    }

    /// The opt-outs whose keys the table lacks, each once.
    async fn missing(&mut self, opt_out: &OptOut, rows: &[Vec<Cell>]) -> Result<Vec<Vec<Cell>>, Error> {
        let found = self.transaction.rows(WHAT, &statement::find_opt_outs(opt_out, rows)).await?;
        let found = found.first().map(numbers).transpose().map_err(|error| Failure { what: WHAT, error })?.unwrap_or_default();
        let key = |row: &[Cell]| opt_out.key.iter().filter_map(|at| opt_out.cell(*at, row).cloned()).collect::<Vec<_>>();
        let mut keys: Vec<Vec<Cell>> = Vec::new();
        let mut missing = Vec::new();
        for (row, _) in rows.iter().zip(found).filter(|(_, found)| *found == 0) {
            if !keys.contains(&key(row)) {
                keys.push(key(row));
                missing.push(row.clone());
            }
        }
        Ok(missing)
    }

    /// An estimate of a range's rows may be wrong; a transaction's size may not.
    fn check_size(&self, rows: u64) -> Result<(), Error> {
        let limit = self.limits.max_batch_rows;
        if rows > limit { Err(Error::TooManyRows { rows, limit }) } else { Ok(()) }
    }
}

fn insert_new_values(table: &str, values: &[(Cell, Option<String>)]) -> Statement {
    let cells = |(old, new): &(Cell, Option<String>)| [old.clone(), new.clone().map_or(Cell::Null, Cell::Text)];
    Statement {
        text: format!("INSERT INTO {table} (old, new) VALUES {}", vec!["(?, ?)"; values.len()].join(", ")),
        binds: values.iter().flat_map(cells).collect(),
    }
}

#[async_trait]
impl Inserts for MysqlBatch {
    async fn insert(&mut self, opt_out: &OptOut, rows: &[Vec<Cell>]) -> Result<Result<(), String>, Error> {
        let missing = self.missing(opt_out, rows).await?;
        if missing.is_empty() {
            return Ok(Ok(()));
        }
        self.transaction.run(WHAT, "SAVEPOINT attempt").await?;
        let insert = statement::insert_opt_outs(Dialect::Mysql, opt_out, &missing);
        let failure = match self.transaction.attempt_execute(WHAT, &insert).await {
            Ok(_) => return self.transaction.run(WHAT, "RELEASE SAVEPOINT attempt").await.map(Ok).map_err(Error::from),
            Err(failure) if failure.is_about_a_row() => failure,
            Err(failure) => return Err(failure.into()),
        };
        self.transaction.run(WHAT, "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt").await?;
        // Somebody else may have written it in between. Which of several keys was meant the server says in words only.
        if rows.len() == 1 && failure.is(&[DUPLICATE]) && self.missing(opt_out, rows).await?.is_empty() {
            return Ok(Ok(()));
        }
        Ok(Err(Error::from(failure).to_string()))
    }
}

#[async_trait]
impl Batch for MysqlBatch {
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
                    if let NewValue::Computed(compute) = &assignment.value {
                        computed.push(self.computed(selection, range, computed.len(), &assignment.column, &**compute).await?);
                    }
                }
                statement::update(selection, range, act, &computed)
            }
        };
        let rows = self.transaction.execute(WHAT, &statement).await?;
        self.check_size(rows)?;
        Ok(rows)
    }

    async fn delete_with_opt_outs(&mut self, selection: &Selection, range: &Range, opt_out: &OptOut) -> Result<OptedOut, Error> {
        self.lock_parents(selection, range).await?;
        let gone = self.gone(&statement::delete_returning(selection, range, opt_out), opt_out).await?;
        opt_outs::write(self, opt_out, &gone).await
    }

    async fn lock_parents(&mut self, selection: &Selection, range: &Range) -> Result<(), Error> {
        for lock in statement::lock_parents(selection, range) {
            self.transaction.rows(WHAT, &lock).await?;
        }
        Ok(())
    }

    async fn pick(&mut self, statement: &Statement) -> Result<Vec<Vec<Cell>>, Error> {
        let rows = self.transaction.rows(WHAT, statement).await?;
        let cells = |row: &MySqlRow| (0..row.len()).map(|index| Ok(text(row, index)?.map_or(Cell::Null, Cell::Text))).collect();
        Ok(rows.iter().map(cells).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error })?)
    }

    async fn delete_and_return(&mut self, selection: &Selection, range: &Range, columns: &[ColumnRef]) -> Result<Vec<Vec<Cell>>, Error> {
        self.lock_parents(selection, range).await?;
        whole_rows(&mut self.transaction, &statement::delete_and_return(selection, range, columns), self.limits.max_batch_rows).await
    }

    async fn put_back(&mut self, table: &TableRef, columns: &[ColumnRef], rows: &[Vec<Cell>]) -> Result<u64, Error> {
        let mut put = 0;
        for rows in rows.chunks(rows_at_once(columns.len())) {
            let insert = statement::put_back(self.workspace.dialect, table, columns, rows);
            put += self.transaction.execute("putting rows back", &insert).await?;
        }
        Ok(put)
    }

    async fn take_partition(&mut self, selection: &Selection, partition: &Partition) -> Result<Option<u64>, Error> {
        self.take(selection, partition).await
    }

    async fn mark(&mut self, lane: &str, fence: u64, mark: &LaneMark) -> Result<(), Error> {
        if self.taken.is_some() {
            return self.announce(lane, fence, mark).await;
        }
        if !fault::seeded("mark-omitted") {
            let fenced = if fault::seeded("fence-ignored") { "fence IS NOT NULL OR fence" } else { "fence" };
            let mut update = marking(&self.workspace, lane, mark);
            update.text.push_str(&format!(" AND ({fenced} = ?)"));
            update.binds.push(Cell::Integer(signed(fence)));
            if self.transaction.execute(WHAT, &update).await? != 1 {
                return Err(Error::Fenced);
            }
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), Error> {
        match self.taken.take() {
            Some(taken) => self.drop_taken(taken).await,
            None => self.transaction.commit().await,
        }
    }

    async fn rollback(mut self: Box<Self>) -> Result<(), Error> {
        match self.taken.take() {
            Some(taken) => self.leave(taken).await,
            None => self.transaction.rollback().await,
        }
    }
}

/// The rows of a statement whose columns are texts.
pub(super) async fn whole_rows(transaction: &mut Transaction, statement: &Statement, max_rows: u64) -> Result<Vec<Vec<Cell>>, Error> {
    let mut rows = OldValues::new();
    let take = |row: MySqlRow| {
        let cell = |index| {
            Ok(match bytes(&row, index)?.map(String::from_utf8) {
                None => Cell::Null,
                Some(Ok(text)) => Cell::Text(text),
                Some(Err(error)) => return Err(sqlx::Error::Decode(Box::new(error.utf8_error()))),
            })
        };
        rows.take_row((0..row.len()).map(cell).collect::<Result<_, sqlx::Error>>()?);
        Ok(())
    };
    transaction.each(WHAT, statement, take).await?;
    rows.all(max_rows)
}
