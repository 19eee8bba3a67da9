//! Holds: placing and releasing them, each in one durable transaction, and reading them.

use jiff::Timestamp;

use super::{Error, State};
use crate::hold::{HeldSubject, Hold, HoldScope, Scope};

/// A hold to be placed.
#[derive(Debug, Clone)]
pub struct NewHold {
    pub matter: String,
    /// Empty: everything in the scope. Duplicates are dropped.
    pub subjects: Vec<HeldSubject>,
    pub scope: HoldScope,
    pub reason: String,
    pub by: String,
    /// The sources that the scope reaches, by name.
    pub sources: Vec<String>,
}

/// A hold that was recorded. It is in force in a source once that source confirms the epoch beside it.
#[derive(Debug, Clone)]
pub struct Placed {
    pub hold: Hold,
    /// Source and the epoch that its gate has to reach.
    pub epochs: Vec<(String, u64)>,
}

/// A hold that was released. Its rows are held until `lapses_at`.
#[derive(Debug, Clone)]
pub struct Released {
    pub hold: Hold,
    pub lapses_at: Timestamp,
}

/// A hold that a source knows and this state does not.
#[derive(Debug, Clone)]
pub struct ImportedHold {
    pub id: String,
    /// Where it was found.
    pub source: String,
    pub scopes: Vec<Scope>,
    pub subjects: Vec<HeldSubject>,
    pub by: String,
    pub reason: String,
}

impl State {
    /// Step 1 of placing a hold: records it durably, with its subjects, and raises the wanted epoch of each source.
    ///
    /// # Errors
    /// [`Error::UnknownSource`], [`Error::UnfitSubject`].
    pub async fn place_hold(&self, new: NewHold) -> Result<Placed, Error> {
        todo!()
    }

    /// Releases a hold; it stays in force until the cool-down (of exact time) is over.
    ///
    /// # Errors
    /// [`Error::UnknownHold`], [`Error::AlreadyReleased`].
    pub async fn release_hold(&self, id: &str, by: &str, reason: &str, cool_down: std::time::Duration) -> Result<Released, Error> {
        todo!()
    }

    /// Takes a hold over from a source's `held` table, as confirmed there. Importing it again, from the same source or
    /// another, adds what is missing.
    ///
    /// # Errors
    /// [`Error::UnknownSource`].
    pub async fn import_hold(&self, import: ImportedHold) -> Result<Hold, Error> {
        todo!()
    }

    /// The holds, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn holds(&self, include_released: bool) -> Result<Vec<Hold>, Error> {
        todo!()
    }

    /// One hold.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn hold(&self, id: &str) -> Result<Option<Hold>, Error> {
        todo!()
    }

    /// Up to `limit` subjects of a hold, in order, those after `after`.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn subjects(&self, id: &str, after: Option<&HeldSubject>, limit: u32) -> Result<Vec<HeldSubject>, Error> {
        todo!()
    }
}
