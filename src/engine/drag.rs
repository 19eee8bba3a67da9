//! What goes with the rows of a batch: children first, in the batch's own transaction.
//!
//! 1. The due rows of the range are locked, and with them, where foreign keys name them, what may come to refer to them.
//! 2. Whatever belongs to them is locked, level by level: those rows decide too. So does what they look up.
//! 3. *In later statements*, which see what was committed before the locks were had, the rows are asked again: what is due
//!    now stays due until the end of the transaction, but for rows that come to tables without a foreign key.
//! 4. The deepest level goes first. Each statement restates what keeps its own rows: holds, rules, references.
//! 5. The rows themselves go, by the same predicate. If not exactly those go that were found in step 3, something came in
//!    between: nothing of the batch happens, and it is tried again.
//!
//! SQLite locks nothing: nobody else writes while a batch is open.

use super::{Batch, Error};
use crate::{
    fault,
    sql::{
        selection::{Act, Cell, ColumnRef, Dependency, Range, Selection, Way},
        statement::{Which, pick},
    },
};

/// Rows that one statement names.
const NAMED: usize = 1_000;

/// As many as were locked, which is no more than there is room for.
const EVERY: u64 = i64::MAX as u64;

/// What a batch changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acted {
    /// Rows of the selection's own table.
    pub rows: u64,
    /// Rows of other tables that went with them.
    pub dragged: u64,
}

/// Acts on the due rows of the range and on what goes with them; at most `most` rows in all.
///
/// # Errors
/// [`Error::TooManyRows`], also of what goes along: fewer rows will do. [`Error::Conflict`] if something came in between.
pub async fn act_with_dependents(
    batch: &mut dyn Batch,
    selection: &Selection,
    range: &Range,
    act: &Act,
    most: u64,
) -> Result<Acted, Error> {
    let mut room = Room { most, met: 0 };
    let columns = referred(&selection.dependents);
    let locking = !fault::seeded("dependents-unlocked");
    let found = batch.pick(&pick(selection, range, &columns, Which::Due, locking, room.ask())).await?;
    room.take(found.len())?;
    for dependency in &selection.dependents {
        lock(batch, dependency, values(&found, &columns, dependency), locking, &mut room).await?;
    }
    fault::point("dependents.locked");
    for some in found.chunks(NAMED) {
        batch.lock_parents(selection, &named(&columns, some)).await?;
    }
    let mut due = Vec::new();
    for some in found.chunks(NAMED) {
        due.extend(batch.pick(&pick(selection, &named(&columns, some), &columns, Which::Due, false, EVERY)).await?);
    }
    let mut acted = Acted::default();
    for dependency in &selection.dependents {
        acted.dragged += drag(batch, dependency, values(&due, &columns, dependency)).await?;
    }
    fault::point("dependents.gone");
    if fault::seeded("dependents-alone") {
        return Ok(Acted { rows: due.len() as u64, ..acted });
    }
    for some in due.chunks(NAMED) {
        acted.rows += batch.act(selection, &named(&columns, some), act).await?;
    }
    if acted.rows == due.len() as u64 { Ok(acted) } else { Err(in_between()) }
}

/// How many rows a batch has met, and may.
struct Room {
    most: u64,
    met: u64,
}

impl Room {
    /// One more than there is room for, so that too many are noticed and not all of them locked.
    fn ask(&self) -> u64 {
        self.most.saturating_sub(self.met) + 1
    }

    fn take(&mut self, rows: usize) -> Result<(), Error> {
        self.met += rows as u64;
        if self.met > self.most { Err(Error::TooManyRows { rows: self.met, limit: self.most }) } else { Ok(()) }
    }
}

fn in_between() -> Error {
    Error::Conflict("what goes with the rows of a batch changed while it was under way".to_owned())
}

/// The columns of a table by which these name its rows, each once.
fn referred(dependencies: &[Dependency]) -> Vec<ColumnRef> {
    let mut columns: Vec<ColumnRef> = Vec::new();
    for (_, own) in dependencies.iter().flat_map(|dependency| &dependency.pairs) {
        if columns.iter().all(|known| known.name != own.name) {
            columns.push(own.clone());
        }
    }
    columns
}

/// What of the rows found, each with these columns, a dependency's rows bear where they name one.
fn values(found: &[Vec<Cell>], columns: &[ColumnRef], dependency: &Dependency) -> Vec<Vec<Cell>> {
    let places: Vec<usize> =
        dependency.pairs.iter().filter_map(|(_, own)| columns.iter().position(|column| column.name == own.name)).collect();
    let of_row = |row: &Vec<Cell>| places.iter().map(|place| row.get(*place).cloned().unwrap_or(Cell::Null)).collect::<Vec<_>>();
    // NULL names nothing.
    found.iter().map(of_row).filter(|row| row.iter().all(|cell| *cell != Cell::Null)).collect()
}

fn named(columns: &[ColumnRef], rows: &[Vec<Cell>]) -> Range {
    Range { way: Way::Picked(columns.to_vec()), after: None, through: Some(rows.concat()) }
}

fn referring(dependency: &Dependency) -> Vec<ColumnRef> {
    dependency.pairs.iter().map(|(theirs, _)| theirs.clone()).collect()
}

/// Locks the rows that name one of these, whether or not they would go, and what belongs to them.
async fn lock(batch: &mut dyn Batch, dependency: &Dependency, above: Vec<Vec<Cell>>, locking: bool, room: &mut Room) -> Result<(), Error> {
    let columns = referred(&dependency.rows.dependents);
    let mut found = Vec::new();
    for some in above.chunks(NAMED) {
        let range = named(&referring(dependency), some);
        let rows = batch.pick(&pick(&dependency.rows, &range, &columns, Which::All, locking, room.ask())).await?;
        batch.lock_parents(&dependency.rows, &range).await?;
        room.take(rows.len())?;
        found.extend(rows);
    }
    for nested in &dependency.rows.dependents {
        Box::pin(lock(batch, nested, values(&found, &columns, nested), locking, room)).await?;
    }
    Ok(())
}

/// Acts on the rows that name one of these, those first that go with them.
async fn drag(batch: &mut dyn Batch, dependency: &Dependency, above: Vec<Vec<Cell>>) -> Result<u64, Error> {
    let columns = referred(&dependency.rows.dependents);
    let referring = referring(dependency);
    let mut dragged = 0;
    for some in above.chunks(NAMED) {
        let range = named(&referring, some);
        if !dependency.rows.dependents.is_empty() {
            let found = batch.pick(&pick(&dependency.rows, &range, &columns, Which::Matching, false, EVERY)).await?;
            for nested in &dependency.rows.dependents {
                dragged += Box::pin(drag(batch, nested, values(&found, &columns, nested))).await?;
            }
        }
        let mut rows = dependency.rows.clone();
        rows.references.extend(dependency.chains.iter().cloned());
        loop {
            let some = batch.act(&rows, &range, &dependency.act).await?;
            dragged += some;
            // Of rows that refer to one another those go first that nobody refers to.
            if some == 0 || dependency.chains.is_empty() {
                break;
            }
        }
        // What is anonymised stays where it was.
        let is_left = match &dependency.act {
            Act::Delete => !batch.pick(&pick(&dependency.rows, &range, &[], Which::Matching, false, 1)).await?.is_empty(),
            Act::Anonymise { .. } => false,
        };
        if is_left {
            return Err(in_between());
        }
    }
    Ok(dragged)
}
