//! What a source's `held` table lacks, or has too much of: steps 2 and 3 of placing a hold, seen from the state.

use super::{Error, State};
use crate::hold::Held;

/// What has to change in a source so that exactly the holds in force are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synchronisation {
    /// The epoch that the gate has to reach with the change.
    pub epoch: u64,
    /// Holds whose rows ([`State::held_rows`]) have to be there. Some may be there already.
    pub add: Vec<String>,
    /// Holds whose rows have to go.
    pub remove: Vec<String>,
}

impl Synchronisation {
    /// True if the source has what it needs.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

impl State {
    /// What a source lacks. `categories` are those of all rules on it. A hold that reaches the source anew (a new
    /// source, a new category) raises the wanted epoch before this returns, so that no batch runs without it.
    ///
    /// # Errors
    /// [`Error::UnknownSource`].
    pub async fn synchronisation(&self, source: &str, categories: &[String]) -> Result<Synchronisation, Error> {
        todo!()
    }

    /// The rows of these holds in the source's `held` table: each reach with each subject. Ask after
    /// [`State::synchronisation`], whose epoch they belong to.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn held_rows(&self, source: &str, holds: &[String]) -> Result<Vec<Held>, Error> {
        todo!()
    }

    /// Step 3: the source's gate has reached `epoch` with these holds added and removed.
    ///
    /// # Errors
    /// [`Error::UnknownSource`].
    pub async fn confirm(&self, source: &str, epoch: u64, added: &[String], removed: &[String]) -> Result<(), Error> {
        todo!()
    }
}
