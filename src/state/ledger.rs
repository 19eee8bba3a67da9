//! The ledger as it is stored: appended behind one head, read in pages.

use super::{Error, State};
use crate::ledger::{Entry, Event, Texts};

impl State {
    /// Appends one entry. Texts that the entry only commits to are given to [`Texts::commit`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn append(&self, event: impl FnOnce(&mut Texts<'_>) -> Event + Send) -> Result<Entry, Error> {
        todo!()
    }

    /// Up to `limit` entries after entry `after`, in order.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if an entry isn't what retentiond writes.
    pub async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        todo!()
    }

    /// Number and hash of the last entry.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn head(&self) -> Result<(u64, String), Error> {
        todo!()
    }
}
