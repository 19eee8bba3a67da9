//! How a table is cut into ranges: blocks of its heap, or an index on the start.
//!
//! **Trees of tables** (partitions, inheritance children) are walked all heaps at once: a range is the blocks 10 to 19 of
//! each. Every row is in some block of its own heap, so the ranges meet each row exactly once, although places in different
//! heaps are spelt alike. To walk heap after heap instead, a statement through the parent would have to say which heap it
//! means, and the only word for that is `tableoid`, which the planner takes for a column like any other: it scans the
//! blocks of all other heaps in vain for each batch. Naming the heap itself would ask for privileges on each partition
//! that is yet to come. What the planner leaves out of a batch by itself, by bounds and the cut-off, is left out here too.

use std::{collections::HashMap, sync::Mutex};

use serde_json::Value;
use sqlx::{Row as _, postgres::PgRow};

use super::{
    Postgres,
    errors::Failure,
    session::{Access, query},
};
use crate::{
    engine::{
        Error,
        server::{signed, unsigned},
        shape::{Shape, TableKind},
    },
    policy::Dialect,
    sql::{
        Statement, quote_literal,
        selection::{Cell, Range, Selection, TableRef, Way},
        statement,
    },
};

/// Rows in a block where the catalogue has no estimate: as many as fit at most (a line pointer, a header and one short
/// column each), so that batches begin small.
const ROWS_PER_BLOCK: f64 = 226.0;

const WHAT: &str = "cutting a table into batches";

/// What is known of the tables that are being walked.
#[derive(Debug, Default)]
pub(super) struct Heaps(Mutex<HashMap<TableRef, Heaped>>);

/// The heaps of a table: one, or those of a tree that rows of interest can be in.
#[derive(Debug, Clone)]
struct Heaped(Vec<Heap>);

#[derive(Debug, Clone, Copy)]
struct Heap {
    blocks: u64,
    rows_per_block: f64,
}

impl Heaps {
    fn get(&self, table: &TableRef) -> Option<Heaped> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(table).cloned()
    }

    fn set(&self, table: &TableRef, heaps: Heaped) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(table.clone(), heaps);
    }
}

/// A block of 8 KiB holds fewer rows: a batch that may not be larger has to be cut within blocks.
const ROWS_IN_A_BLOCK: u64 = 300;

/// Blocks first: they cost the same whatever is due, and need no index.
pub(super) fn ways(shape: &Shape, start: Option<&str>, max_batch_rows: u64) -> Vec<Way> {
    if !matches!(shape.kind, TableKind::Table | TableKind::Child | TableKind::Partitioned | TableKind::Parent) {
        return Vec::new();
    }
    let heaps = shape.family.addresses().len();
    let tie = || if heaps == 0 { vec!["ctid"] } else { vec!["ctid", "tableoid"] };
    // The least that can be cut from a tree is an item of a block in each heap.
    let least = ROWS_IN_A_BLOCK.max(u64::try_from(heaps).unwrap_or(u64::MAX));
    let indexed = start.filter(|name| shape.index_on(name).is_some()).and_then(|name| shape.column(name));
    let by_start = indexed.map(|column| Way::Columns { columns: vec![column.to_ref()], tie: tie() });
    let physical = if max_batch_rows < least { Way::Columns { columns: Vec::new(), tie: tie() } } else { Way::Blocks };
    std::iter::once(physical).chain(by_start).collect()
}

impl Postgres {
    pub(super) async fn cut(&self, selection: &Selection, rest: &Range, rows: u64) -> Result<Option<Range>, Error> {
        let through = match statement::boundary(selection, rest, rows) {
            Some(boundary) => match self.value_after(selection, rest, rows).await? {
                Cut::At(through) => through,
                Cut::WithinValue => self.rows(WHAT, &boundary).await?.first().map(cells).transpose()?,
            },
            None => {
                let through = self.block_after(selection, rest.after.as_deref(), rows).await?;
                let is_within = |through: &Vec<Cell>| rest.through.as_ref().is_none_or(|end| item(through) < item(end));
                through.filter(is_within)
            }
        };
        Ok(Some(Range { through: through.or_else(|| rest.through.clone()), ..rest.clone() }))
    }

    /// The bound of the range of at most `rows` rows, if it can be a value by itself.
    ///
    /// An entry of an index does not end with the ctid, so that a bound with a tie has the rows sorted; most values are those of
    /// few rows, and then there is a bound between two of them.
    async fn value_after(&self, selection: &Selection, rest: &Range, rows: u64) -> Result<Cut, Error> {
        let Some(boundary) = statement::value_boundary(selection, rest, rows) else { return Ok(Cut::WithinValue) };
        let found = self.rows(WHAT, &boundary).await?.iter().map(cells).collect::<Result<Vec<_>, _>>()?;
        let [value, next] = found.as_slice() else { return Ok(Cut::At(None)) };
        if value != next {
            return Ok(Cut::At(Some(value.clone())));
        }
        let below = value.first().and_then(|value| statement::value_below(selection, rest, value));
        let Some(below) = below else { return Ok(Cut::WithinValue) };
        let found = self.rows(WHAT, &below).await?.first().map(cells).transpose()?;
        Ok(found.map_or(Cut::WithinValue, |below| Cut::At(Some(below))))
    }

    /// The bound of the range of about `rows` rows that begins at block `after`; `None` where the heap ends within it.
    ///
    /// The end is read again where it comes near, because our own updates move rows there; the last range is open, so a
    /// heap that grows faster than it is walked doesn't keep the walk from ending.
    ///
    /// A batch that has to be smaller than a block is cut within it, by the numbers of its items.
    async fn block_after(&self, selection: &Selection, after: Option<&[Cell]>, rows: u64) -> Result<Option<Vec<Cell>>, Error> {
        let (from, item) = match after {
            None => (0, 0),
            Some(place) => item(place).ok_or_else(|| Error::Unsupported("a place in a walk that is no block of a heap".to_owned()))?,
        };
        let known = if from == 0 { None } else { self.heaps.get(&selection.table) };
        let (is_known, mut heaps) = match known {
            Some(heaps) => (true, heaps),
            None => (false, self.measure(selection).await?),
        };
        if is_known && from + heaps.step(from, rows) >= heaps.blocks() {
            heaps = self.measure(selection).await?;
        }
        if from < heaps.blocks() && heaps.is_smaller_than_a_block(from, rows) {
            // Items are numbered from 1, in each heap.
            let next = item.max(1) + (rows / heaps.number_at(from)).max(1);
            if next < ROWS_IN_A_BLOCK {
                return Ok(Some(vec![Cell::Integer(signed(from)), Cell::Integer(signed(next))]));
            }
        }
        let through = from + heaps.step(from, rows);
        Ok((through < heaps.blocks()).then(|| vec![Cell::Integer(signed(through))]))
    }

    /// The sizes of the table's heaps. Of a tree those count that the planner would look into for due rows: what it leaves
    /// out by partition bounds or constraints costs a batch nothing.
    async fn measure(&self, selection: &Selection) -> Result<Heaped, Error> {
        let TableRef { schema, table } = &selection.table;
        let which = if selection.members.is_empty() {
            format!("(n.nspname, c.relname) = ({}, {})", literal(schema), literal(table))
        } else {
            let addresses: Vec<String> = selection.members.iter().map(u32::to_string).collect();
            let members = format!("c.oid IN ({}) AND c.relkind = 'r'", addresses.join(", "));
            match &selection.end {
                Some(_) => {
                    let due = statement::find_due(selection, &Range::whole(Way::Blocks));
                    format!("{members} AND (n.nspname, c.relname) IN ({})", self.looked_into(due).await?)
                }
                None => members,
            }
        };
        let size = format!(
            "SELECT (pg_relation_size(c.oid) / current_setting('block_size')::bigint)::bigint, \
               CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples::float8 / c.relpages END \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {which}"
        );
        let rows = self.rows(WHAT, &Statement::plain(size)).await?;
        if rows.is_empty() && selection.members.is_empty() {
            return Err(Error::Database(format!("the table {schema}.{table} is gone")));
        }
        let heap = |row: &PgRow| {
            let (blocks, density): (i64, Option<f64>) = (row.try_get(0)?, row.try_get(1)?);
            Ok(Heap { blocks: unsigned(blocks), rows_per_block: density.unwrap_or(ROWS_PER_BLOCK) })
        };
        let heaps: Vec<Heap> = rows.iter().map(heap).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error })?;
        let heaps = Heaped(heaps);
        self.heaps.set(&selection.table, heaps.clone());
        Ok(heaps)
    }

    /// The relations in the server's plan for a statement, as a list of pairs: not those of which the catalogue tells that
    /// none of their rows matters.
    pub(super) async fn looked_into(&self, asked: Statement) -> Result<String, Error> {
        let explain = Statement { text: format!("EXPLAIN (VERBOSE, FORMAT JSON) {}", asked.text), binds: asked.binds };
        let mut transaction = self.begin_with(Access::Read).await?;
        transaction.run(WHAT, "SET LOCAL enable_partition_pruning = on; SET LOCAL constraint_exclusion = partition").await?;
        let rows = transaction.rows(WHAT, query(&explain)).await?;
        transaction.commit().await?;
        let row = rows.first().ok_or(Failure { what: WHAT, error: sqlx::Error::RowNotFound })?;
        // The server calls it JSON, which is text.
        let plan: String = row.try_get_unchecked(0).map_err(|error| Failure { what: WHAT, error })?;
        let plan: Value = serde_json::from_str(&plan).map_err(|error| Error::Database(format!("a plan that is no JSON: {error}")))?;
        let mut relations = Vec::new();
        named(&plan, &mut relations);
        // A list must not be empty; no table has no name.
        relations.push(("", ""));
        Ok(relations.iter().map(|(schema, table)| format!("({}, {})", literal(schema), literal(table))).collect::<Vec<_>>().join(", "))
    }
}

/// The item of a block that a place is before: its first, where the place is a block.
fn item(place: &[Cell]) -> Option<(u64, u64)> {
    match place {
        [Cell::Integer(block)] => Some((unsigned(*block), 0)),
        [Cell::Integer(block), Cell::Integer(item)] => Some((unsigned(*block), unsigned(*item))),
        _ => None,
    }
}

/// Every relation that a plan names.
fn named<'a>(plan: &'a Value, relations: &mut Vec<(&'a str, &'a str)>) {
    match plan {
        Value::Array(parts) => parts.iter().for_each(|part| named(part, relations)),
        Value::Object(node) => {
            let said = |key: &str| node.get(key).and_then(Value::as_str);
            relations.extend(said("Schema").zip(said("Relation Name")));
            node.values().for_each(|part| named(part, relations));
        }
        _ => {}
    }
}

pub(super) fn literal(text: &str) -> String {
    quote_literal(Dialect::Postgres, text)
}

impl Heaped {
    /// Where the longest of them ends.
    fn blocks(&self) -> u64 {
        self.0.iter().map(|heap| heap.blocks).max().unwrap_or(0)
    }

    /// Those that go on at a block.
    fn at(&self, block: u64) -> impl Iterator<Item = &Heap> {
        self.0.iter().filter(move |heap| heap.blocks > block)
    }

    /// How many of them go on there; at least one.
    fn number_at(&self, block: u64) -> u64 {
        u64::try_from(self.at(block).count()).unwrap_or(u64::MAX).max(1)
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn is_smaller_than_a_block(&self, block: u64, rows: u64) -> bool {
        (rows as f64) < self.rows_per_block(block)
    }

    /// Rows in that block of all heaps that have it.
    fn rows_per_block(&self, block: u64) -> f64 {
        let rows: f64 = self.at(block).map(|heap| heap.rows_per_block).sum();
        if rows > 0.0 { rows } else { ROWS_PER_BLOCK }
    }

    /// Blocks from there on that hold about `rows` rows; at least one.
    fn step(&self, block: u64, rows: u64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an estimate, clamped by the cast"
        )]
        let blocks = (rows as f64 / self.rows_per_block(block)) as u64;
        // A heap has at most 2^32 blocks.
        blocks.clamp(1, u64::from(u32::MAX))
    }
}

/// Where a range on an index may end.
enum Cut {
    /// Behind all rows of a value; `None`: at the end of what is before the cut-off.
    At(Option<Vec<Cell>>),
    /// Among rows of one value, which are too many for one range.
    WithinValue,
}

/// A row of texts as cells.
fn cells(row: &PgRow) -> Result<Vec<Cell>, Error> {
    let cell = |index| row.try_get::<Option<String>, _>(index).map(|text| text.map_or(Cell::Null, Cell::Text));
    (0..row.len()).map(cell).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error }.into())
}
