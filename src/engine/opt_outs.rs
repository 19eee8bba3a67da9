//! Writing the opt-outs of rows that were deleted, in the transaction that deleted them.
//!
//! All of them are written at once. Where the database refuses some for what they are (too long, a CHECK, NULL where none may
//! be), the rows are halved until those are found; what is wrong with the statement itself is an error like any other. An engine
//! tries some rows with `Inserts`, under a savepoint of its own.

use async_trait::async_trait;

use super::{Error, old_values::OldValues};
use crate::sql::{opt_out::OptOut, selection::Cell};

/// Rows of one INSERT.
const ROWS: usize = 200;

/// So many rows that the database refuses are looked for; more of them are no exception but the rule.
pub const MOST_REFUSED: usize = 100;

/// What became of a range whose rows leave opt-outs behind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OptedOut {
    /// Rows that were deleted.
    pub rows: u64,
    /// Those among them that had no address, so that there was nothing to keep.
    pub without_address: u64,
    /// Those whose opt-outs the database would not take. The transaction must not be committed unless there are none.
    pub refused: Vec<Refused>,
}

/// A row whose opt-out the database would not take.
#[derive(Clone, PartialEq)]
pub struct Refused {
    /// Its key, for a person; `None`: nothing names it. Never in a ledger or metric.
    pub row: Option<String>,
    /// What its opt-out was made of.
    pub values: Vec<Cell>,
    /// The database's words, without values.
    pub why: String,
}

impl std::fmt::Debug for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refused").field("why", &self.why).finish_non_exhaustive()
    }
}

/// A row that was deleted.
pub(super) struct Gone {
    /// The values of the columns that name it.
    pub names: Vec<Option<String>>,
    pub values: Vec<Cell>,
}

impl Gone {
    fn name(&self, opt_out: &OptOut) -> Option<String> {
        let part = |(column, value): (&crate::sql::selection::ColumnRef, &Option<String>)| {
            format!("{}={}", column.name, value.as_deref().unwrap_or("NULL"))
        };
        let parts: Vec<String> = opt_out.names.iter().zip(&self.names).map(part).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// The rows that were deleted, as they are read.
pub(super) type Read = OldValues<Gone>;

/// Takes one of them.
pub(super) fn take(read: &mut Read, gone: Gone) {
    let size = |cell: &Cell| match cell {
        Cell::Text(text) => text.len(),
        Cell::Bytes(bytes) => bytes.len(),
        Cell::Null | Cell::Integer(_) | Cell::Real(_) => 8,
    };
    let bytes = gone.values.iter().map(size).sum::<usize>() + gone.names.iter().flatten().map(String::len).sum::<usize>();
    read.take(gone, bytes);
}

/// A transaction that can try to write.
#[async_trait]
pub(super) trait Inserts: Send {
    /// Writes these, or leaves everything as it was and returns the database's words where it refuses one of them for what
    /// it is.
    async fn insert(&mut self, opt_out: &OptOut, rows: &[Vec<Cell>]) -> Result<Result<(), String>, Error>;
}

/// Writes the opt-outs of rows that were deleted.
pub(super) async fn write(into: &mut dyn Inserts, opt_out: &OptOut, gone: &[Gone]) -> Result<OptedOut, Error> {
    let mut done = OptedOut { rows: gone.len() as u64, ..OptedOut::default() };
    let mut places = Vec::new();
    let mut rows = Vec::new();
    for (place, gone) in gone.iter().enumerate() {
        match opt_out.of(&gone.values) {
            Some(row) => {
                places.push(place);
                rows.push(row);
            }
            None => done.without_address += 1,
        }
    }
    if crate::fault::seeded("opt-outs-omitted") {
        return Ok(done);
    }
    let mut open: Vec<std::ops::Range<usize>> = (0..rows.len()).step_by(ROWS).map(|at| at..rows.len().min(at + ROWS)).rev().collect();
    while let Some(some) = open.pop() {
        let Err(why) = into.insert(opt_out, &rows[some.clone()]).await? else { continue };
        if some.len() > 1 {
            let middle = some.start + some.len() / 2;
            open.extend([middle..some.end, some.start..middle]);
            continue;
        }
        let gone = &gone[places[some.start]];
        done.refused.push(Refused { row: gone.name(opt_out), values: gone.values.clone(), why });
        if done.refused.len() >= MOST_REFUSED {
            break;
        }
    }
    Ok(done)
}
