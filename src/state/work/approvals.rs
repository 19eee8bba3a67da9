//! Approvals: which form of a rule a person let go, and for how many rows.

use jiff::Timestamp;

use super::super::{Error, State};

/// The last approval of a rule. It holds for exactly this digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub rule: String,
    pub digest: String,
    /// `None`: any number.
    pub max_rows: Option<u64>,
    pub by: String,
    pub at: Timestamp,
}

impl State {
    /// Enters an approval; it takes the place of an earlier one.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn approve(&self, rule: &str, digest: &str, max_rows: Option<u64>, by: &str) -> Result<(), Error> {
        todo!()
    }

    /// The last approval of a rule.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn approval(&self, rule: &str) -> Result<Option<Approval>, Error> {
        todo!()
    }
}
