//! The walk: which way through the table, and the range that comes next. Cursors move forward; nothing is ever scanned
//! from the start again.

use super::obstacle::{Obstacle, Reason};
use crate::{
    engine::Engine,
    sql::selection::{Counts, Range, Selection, Way},
};

/// From this share of due rows on, walking the whole table in physical order is cheaper than jumping by the index:
/// measured, an index on time costs four times as much where physical order is another.
const MANY_DUE: f64 = 0.1;

/// How much of a table is due, as far as is known.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub due: u64,
    pub of: u64,
}

impl Share {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    fn is_large(self) -> bool {
        self.due as f64 >= self.of as f64 * MANY_DUE
    }
}

impl From<&Counts> for Share {
    fn from(counts: &Counts) -> Self {
        Self { due: counts.due, of: counts.total }
    }
}

/// A walk through a table.
#[derive(Debug)]
pub struct Walk {
    /// What is left of it.
    rest: Range,
    at_end: bool,
    /// Every row is met once: where there is no order, only a range of all rows does that.
    once: bool,
    /// Where there is no order: rows that were due when the walk began and were not acted on yet. It bounds a walk that
    /// begins again and again, whatever an act makes of its rows.
    left: Option<u64>,
}

impl Walk {
    /// Chooses the way: physical when much is due or nothing else serves, else the index on the start.
    ///
    /// # Errors
    /// [`Reason::NoWay`] if the table can't be walked in bounded statements.
    pub fn choose(ways: &[Way], share: Option<Share>) -> Result<Self, Obstacle> {
        let way = if share.is_some_and(Share::is_large) { ways.first() } else { ways.last() };
        let way = way.cloned().ok_or_else(|| {
            Obstacle::new(Reason::NoWay, "the table has no row address and no key to walk it by; name columns in `key = [\"…\"]`")
        })?;
        Ok(Self::within(Range::whole(way)))
    }

    /// A walk through a part of a table.
    pub fn within(rest: Range) -> Self {
        Self { rest, at_end: false, once: false, left: None }
    }

    /// A walk that is at its end.
    pub fn ended(way: Way) -> Self {
        Self { at_end: true, ..Self::within(Range::whole(way)) }
    }

    /// The way it takes.
    pub fn way(&self) -> &Way {
        &self.rest.way
    }

    /// The whole table in physical order: for counting.
    ///
    /// # Errors
    /// [`Reason::NoWay`] as above.
    pub fn physical(ways: &[Way]) -> Result<Self, Obstacle> {
        Ok(Self { once: true, ..Self::choose(&ways[..ways.len().min(1)], None)? })
    }

    /// The next range of about `rows` rows; asked again without [`Walk::passed`] it gives the same place, in another size.
    ///
    /// # Errors
    /// The engine's.
    pub async fn next(&mut self, engine: &dyn Engine, selection: &Selection, rows: u64) -> Result<Option<Range>, crate::engine::Error> {
        if self.at_end {
            return Ok(None);
        }
        if self.rest.way == Way::Unordered {
            let whole = Range::whole(Way::Unordered);
            if self.once {
                return Ok(Some(whole));
            }
            let left = match self.left {
                Some(left) => left,
                None => engine.count_due(std::slice::from_ref(selection), &whole).await?.into_iter().sum(),
            };
            self.left = Some(left);
            if left == 0 {
                return Ok(None);
            }
            return engine.next_range(selection, &whole, rows.min(left)).await;
        }
        engine.next_range(selection, &self.rest, rows).await
    }

    /// What is left once it has passed a range; `None`: nothing, or only what the range's act leaves can tell.
    pub fn beyond(&self, range: &Range) -> Option<Range> {
        let goes_on = range.through != self.rest.through && self.rest.way != Way::Unordered;
        goes_on.then(|| Range { after: range.through.clone(), ..self.rest.clone() })
    }

    /// Moves the cursor past a range in which so many rows were acted on.
    pub fn passed(&mut self, range: &Range, rows: u64) {
        self.left = self.left.map(|left| left.saturating_sub(rows.max(1)));
        match self.beyond(range) {
            Some(rest) => self.rest = rest,
            // Where there is no order the next one is another of the same, until the engine finds no more.
            None => self.at_end = self.rest.way != Way::Unordered || range.through.is_none(),
        }
    }
}
