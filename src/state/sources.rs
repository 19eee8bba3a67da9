//! The sources that the state knows, and the two epochs of each.

use super::{Error, State};

/// A source as the state knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    pub name: String,
    /// The identity in its workspace's stamp.
    pub source_id: String,
    /// Which database it is, whatever address it is reached by.
    pub fingerprint: String,
    /// The epoch that its gate has to reach before every hold is in force there.
    pub wanted: u64,
    /// The epoch that its gate is known to have reached.
    pub confirmed: u64,
}

/// What a batch compares the gate's epoch with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateNumbers {
    /// E: a gate beyond it knows holds that this state does not.
    pub wanted: u64,
    /// C: a gate behind it was restored.
    pub confirmed: u64,
}

impl State {
    /// Remembers a source whose workspace was initialised. Doing it again with the same identity changes nothing.
    ///
    /// # Errors
    /// [`Error::OtherSource`] if the name, identity or fingerprint belongs to another.
    pub async fn register_source(&self, name: &str, source_id: &str, fingerprint: &str, by: &str) -> Result<(), Error> {
        todo!()
    }

    /// Takes a source over (new, renamed, restored, or of a lost state): the name then belongs to this database, its
    /// wanted epoch is at least `epoch`, nothing is confirmed, and every hold in its scope is to be written there anew.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn adopt_source(
        &self,
        name: &str,
        source_id: &str,
        fingerprint: &str,
        epoch: u64,
        by: &str,
        reason: &str,
    ) -> Result<(), Error> {
        todo!()
    }

    /// The source of that name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn source(&self, name: &str) -> Result<Option<SourceRecord>, Error> {
        todo!()
    }

    /// All sources, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sources(&self) -> Result<Vec<SourceRecord>, Error> {
        todo!()
    }

    /// The epochs of a source, both from one read.
    ///
    /// # Errors
    /// [`Error::UnknownSource`].
    pub async fn gate(&self, source: &str) -> Result<GateNumbers, Error> {
        todo!()
    }
}
