//! The chain: an entry's canonical text, its line of JSON, and the hash that ties it to the one before.

use super::Entry;

/// What stands for the hash before the first entry.
pub const BEGINNING: &str = "";

/// An entry's text that isn't what retentiond writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl Entry {
    /// The entry as a line of an export, without a line feed.
    pub fn to_line(&self) -> String {
        todo!()
    }

    /// The entry of a line; only the very bytes that [`Entry::to_line`] gives are accepted.
    ///
    /// # Errors
    /// [`Unreadable`] says what is wrong with the line.
    pub fn from_line(line: &str) -> Result<Self, Unreadable> {
        todo!()
    }
}
