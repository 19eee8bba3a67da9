//! What rows leave behind when they go, and how a database is asked to be rid of it.
//!
//! Each engine does it in its own file `residue`, which says what was found by looking into the database's own files for
//! values that had been deleted. A treatment that can't be had is told and no failure: the rows are gone.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{policy::Residue, sql::selection::TableRef};

/// What is to be done about the residue of some tables.
#[derive(Debug, Clone)]
pub struct Treatment {
    pub tables: Vec<TableRef>,
    pub level: Residue,
    /// The time that all of it may take.
    pub within: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treated {
    Done,
    /// Something is in the way, as a clause for a person.
    NotYet(String),
}

/// Something of deleted rows that stays where a treatment does not reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Remains {
    /// In which place.
    #[serde(rename = "where")]
    pub place: String,
    /// Until when or until what.
    pub until: String,
}

impl Remains {
    pub(super) fn new(place: impl Into<String>, until: impl Into<String>) -> Self {
        Self { place: place.into(), until: until.into() }
    }

    /// What no database reaches.
    pub(super) fn beyond() -> Self {
        Self::new(
            "backups, snapshots of disks, and the blocks of the disk that files gave back",
            "whatever keeps them lets them go: retentiond can't reach them",
        )
    }
}

/// Between two looks at what is in the way.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// What is in the way is waited for no longer than that.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
