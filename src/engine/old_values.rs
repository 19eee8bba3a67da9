//! The values that are read because new ones are computed here, and the rows that are copied: as many of them as memory may hold.

use super::Error;
use crate::sql::selection::Cell;

/// So many bytes of old values a batch reads; the new ones are about as many again. Far below what a server takes in one
/// statement (MariaDB: 16 MiB).
pub(super) const MOST_BYTES: usize = 4 << 20;

/// Collects values one by one. What goes beyond the limit is counted and not kept, so that a statement can be read to its
/// end whatever it returns.
pub(super) struct OldValues<T> {
    kept: Vec<T>,
    count: u64,
    bytes: usize,
}

impl<T> OldValues<T> {
    pub fn new() -> Self {
        Self { kept: Vec::new(), count: 0, bytes: 0 }
    }

    /// Takes a value of so many bytes.
    pub fn take(&mut self, value: T, bytes: usize) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= MOST_BYTES || self.kept.is_empty() {
            self.kept.push(value);
        }
    }

    /// All of them. A single one may be as large as it is.
    ///
    /// # Errors
    /// [`Error::TooManyRows`] and [`Error::TooWide`]: fewer rows will do.
    pub fn all(self, max_rows: u64) -> Result<Vec<T>, Error> {
        if self.count > max_rows {
            return Err(Error::TooManyRows { rows: self.count, limit: max_rows });
        }
        if self.bytes > MOST_BYTES && self.count > 1 {
            return Err(Error::TooWide { bytes: self.bytes, limit: MOST_BYTES });
        }
        Ok(self.kept)
    }
}

impl OldValues<Vec<Cell>> {
    /// Takes a row.
    pub fn take_row(&mut self, row: Vec<Cell>) {
        let bytes = row.iter().map(size).sum();
        self.take(row, bytes);
    }
}

/// About what a value takes in memory.
fn size(cell: &Cell) -> usize {
    size_of::<Cell>()
        + match cell {
            Cell::Null | Cell::Integer(_) | Cell::Real(_) => 0,
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
        }
}

/// Rows that one statement puts back: within what any engine takes as parameters.
pub(super) fn rows_at_once(columns: usize) -> usize {
    (10_000 / columns.max(1)).clamp(1, 500)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_not_kept() {
        let mut values = OldValues::new();
        (0..100).for_each(|number| values.take(number, MOST_BYTES / 10));
        assert_eq!(values.kept.len(), 10);
        assert!(matches!(values.all(1_000), Err(Error::TooWide { .. })));
    }

    #[test]
    fn one_value_may_be_of_any_size() {
        let mut values = OldValues::new();
        values.take("huge", MOST_BYTES * 3);
        assert_eq!(values.all(1).expect("one value"), ["huge"]);
    }
}
