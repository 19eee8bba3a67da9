//! How a table is cut into ranges: blocks of its heap, or an index on the start.

use std::{collections::HashMap, sync::Mutex};

use sqlx::{Row as _, postgres::PgRow};

use super::{Postgres, errors::Failure};
use crate::{
    engine::{
        Error,
        shape::{Shape, TableKind},
    },
    sql::{
        Statement,
        selection::{Cell, Range, Selection, TableRef, Way},
        statement,
    },
};

/// Rows in a block where the catalogue has no estimate: as many as fit at most (a line pointer, a header and one short
/// column each), so that batches begin small.
const ROWS_PER_BLOCK: f64 = 226.0;

const WHAT: &str = "cutting a table into batches";

/// What is known of the heaps that are being walked.
#[derive(Debug, Default)]
pub(super) struct Heaps(Mutex<HashMap<TableRef, Heap>>);

#[derive(Debug, Clone, Copy)]
struct Heap {
    blocks: u64,
    rows_per_block: f64,
}

impl Heaps {
    fn get(&self, table: &TableRef) -> Option<Heap> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(table).copied()
    }

    fn set(&self, table: &TableRef, heap: Heap) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(table.clone(), heap);
    }
}

/// A block of 8 KiB holds fewer rows: a batch that may not be larger has to be cut within blocks.
const ROWS_IN_A_BLOCK: u64 = 300;

/// Blocks first: they cost the same whatever is due, and need no index.
pub(super) fn ways(shape: &Shape, start: Option<&str>, max_batch_rows: u64) -> Vec<Way> {
    // The rows of a parent, or of a partitioned table, are in several heaps, each with a ctid of the same spelling.
    if !matches!(shape.kind, TableKind::Table | TableKind::Child) {
        return Vec::new();
    }
    let indexed = start.filter(|name| shape.index_on(name).is_some()).and_then(|name| shape.column(name));
    let by_start = indexed.map(|column| Way::Columns { columns: vec![column.to_ref()], tie: Some("ctid") });
    let physical = if max_batch_rows < ROWS_IN_A_BLOCK { Way::Columns { columns: Vec::new(), tie: Some("ctid") } } else { Way::Blocks };
    std::iter::once(physical).chain(by_start).collect()
}

impl Postgres {
    pub(super) async fn cut(&self, selection: &Selection, way: &Way, after: Option<&[Cell]>, rows: u64) -> Result<Option<Range>, Error> {
        let through = match statement::boundary(selection, way, after, rows) {
            Some(boundary) => self.rows(WHAT, &boundary).await?.first().map(cells).transpose()?,
            None => self.block_after(&selection.table, after, rows).await?.map(|block| vec![block]),
        };
        Ok(Some(Range { way: way.clone(), after: after.map(<[Cell]>::to_vec), through }))
    }

    /// The bound of the range of about `rows` rows that begins at block `after`; `None` where the heap ends within it.
    ///
    /// The end is read again where it comes near, because our own updates move rows there; the last range is open, so a
    /// heap that grows faster than it is walked doesn't keep the walk from ending.
    async fn block_after(&self, table: &TableRef, after: Option<&[Cell]>, rows: u64) -> Result<Option<Cell>, Error> {
        let from = match after {
            None => 0,
            Some([Cell::Integer(block)]) => u64::try_from(*block).unwrap_or(0),
            Some(_) => return Err(Error::Unsupported("a place in a walk that is no block of a heap".to_owned())),
        };
        let known = if from == 0 { None } else { self.heaps.get(table) };
        let mut heap = match known {
            Some(heap) => heap,
            None => self.measure(table).await?,
        };
        if from + heap.step(rows) >= heap.blocks && known.is_some() {
            heap = self.measure(table).await?;
        }
        let through = from + heap.step(rows);
        Ok((through < heap.blocks).then(|| Cell::Integer(through.cast_signed())))
    }

    async fn measure(&self, table: &TableRef) -> Result<Heap, Error> {
        let size = Statement {
            text: "SELECT (pg_relation_size(c.oid) / current_setting('block_size')::bigint)::bigint, \
                     CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples::float8 / c.relpages END \
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"
                .to_owned(),
            binds: vec![Cell::Text(table.schema.clone()), Cell::Text(table.table.clone())],
        };
        let rows = self.rows(WHAT, &size).await?;
        let row = rows.first().ok_or_else(|| Error::Database(format!("the table {}.{} is gone", table.schema, table.table)))?;
        let (blocks, density): (i64, Option<f64>) =
            (|| Ok((row.try_get(0)?, row.try_get(1)?)))().map_err(|error| Failure { what: WHAT, error })?;
        let heap = Heap { blocks: u64::try_from(blocks).unwrap_or(0), rows_per_block: density.unwrap_or(ROWS_PER_BLOCK) };
        self.heaps.set(table, heap);
        Ok(heap)
    }
}

impl Heap {
    /// Blocks that hold about `rows` rows; at least one.
    fn step(&self, rows: u64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an estimate, clamped by the cast"
        )]
        let blocks = (rows as f64 / self.rows_per_block) as u64;
        // A heap has at most 2^32 blocks.
        blocks.clamp(1, u64::from(u32::MAX))
    }
}

/// A row of texts as cells.
fn cells(row: &PgRow) -> Result<Vec<Cell>, Error> {
    let cell = |index| row.try_get::<Option<String>, _>(index).map(|text| text.map_or(Cell::Null, Cell::Text));
    (0..row.len()).map(cell).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error }.into())
}
