//! Who works in a lane: one process, told apart from every other.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Randomness;

/// A process. Equal owners are one process; a process that is gone can be told from one that is only silent if it ran
/// on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub host: String,
    /// Of the host's present boot: process ids and start times mean nothing across boots.
    pub boot: String,
    pub pid: u32,
    /// In clock ticks since boot: tells a process from a later one of the same id.
    pub started: u64,
    /// Random: tells two owners even where all else is alike.
    pub instance: String,
}

impl Owner {
    /// This process.
    pub fn current(randomness: &dyn Randomness) -> Self {
        todo!()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}
