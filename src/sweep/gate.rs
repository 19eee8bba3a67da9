//! The gate: how law 2 is kept.
//!
//! **Placing a hold** takes three steps. (1) In the state, one durable transaction records the hold and raises the wanted
//! epoch of every source in its scope to E. (2) In each source, one transaction takes the gate *exclusively*, writes the
//! hold's rows to `held`, raises the gate's epoch to at least E, and commits. (3) The state notes that the source has
//! confirmed E. Only when every source has is success reported.
//!
//! **A batch** begins its transaction, takes the gate *shared*, reads the gate's epoch G in a later statement, acts (the
//! acting statement reads `held` itself), marks its lane, and commits.
//!
//! **Why it is right.** The exclusive lock of a place and the shared lock of a batch meet in the lock manager of the
//! *target*, and both are held to the end of their transactions. If the batch was first, the place waits, so the batch
//! has ended before success is reported. If the place was first, the batch's statements come after its commit: a
//! statement's snapshot is taken when the statement starts, and the acting one starts after the gate was had, so it sees
//! the rows of `held`. Nothing is assumed of clocks, leases or of any process being alive. A process that is killed or
//! cut off leaves its session to the server, which keeps the lock until the session ends: the place waits. One that is
//! paused inside a transaction is ended by the server's own limit on idle transactions (PostgreSQL), or the place times
//! out unconfirmed and names the process (SQLite).
//!
//! A source that was restored from a backup has forgotten holds, and its epoch is behind what it had confirmed. That is
//! compared by every batch and, behind the exclusive lock, by every place: otherwise a later place would lift the epoch
//! over the gap.
//!
//! Since `held` is read by the acting statement, the epochs are not what makes a confirmed hold visible; they tell when
//! state and source have come apart, and nothing may act then: [`admit`] compares them. The model `model_gate` of the
//! tests explores every interleaving of this protocol with crash, pause and partition, and finds a counterexample for
//! each step that is left out.

use std::time::Duration;

use super::obstacle::{Obstacle, Reason};
use crate::{
    engine::{Engine, GateChange},
    fault,
    state::{GateNumbers, State},
};

/// How long a place waits for the batches that hold the gate before it is told to be pending.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a batch does with the epoch it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Every confirmed hold is in force in this transaction.
    Enter,
    /// The source is ahead of what was read of the state: read the state again.
    Reload,
    /// The source is behind what it had confirmed: it was restored from a backup.
    Restored,
}

/// Compares the gate's epoch with what the state said.
pub fn admit(epoch: u64, numbers: GateNumbers) -> Admission {
    if epoch < numbers.confirmed {
        Admission::Restored
    } else if epoch > numbers.wanted {
        Admission::Reload
    } else {
        Admission::Enter
    }
}

/// Brings a source up to date: steps 2 and 3 for every hold that reaches it and has not arrived, and the removal of what
/// has lapsed. Does nothing where nothing is to be done.
///
/// # Errors
/// An [`Obstacle`] with [`Reason::HoldPending`] if the gate could not be had; the holds stay pending. Where nothing but released
/// holds was to be removed, no hold is pending, and the reason is the database's own.
pub async fn synchronise(
    state: &State,
    engine: &dyn Engine,
    source: &str,
    categories: &[String],
    patience: Duration,
) -> Result<GateNumbers, Obstacle> {
    /// Another process may give a hold a later epoch between two of our reads; the next round brings it.
    const ROUNDS: u32 = 10;
    for _ in 0..ROUNDS {
        let due = state.synchronisation(source, categories).await?;
        if due.is_empty() {
            break;
        }
        let rows = state.held_rows(source, &due.add).await?;
        let change = GateChange { epoch: due.epoch, confirmed: due.confirmed, add: rows, remove: due.remove.clone(), patience };
        if !fault::seeded("gate-skipped-by-place") {
            engine.raise_gate(&change).await.map_err(|error| not_raised(source, &change, error))?;
        }
        state.confirm(source, due.epoch, &due.add, &due.remove).await?;
        fault::point("hold.confirmed");
    }
    Ok(state.gate(source).await?)
}

fn not_raised(source: &str, change: &GateChange, error: crate::engine::Error) -> Obstacle {
    match error {
        crate::engine::Error::Restored => {
            let adopt = format!("`retentiond state adopt --source {source}` writes them again, with a reason");
            Obstacle::new(Reason::Restored, format!("source `{source}`: {error}; {adopt}"))
        }
        _ if change.add.is_empty() && change.epoch <= change.confirmed => {
            let message = format!("a released hold could not be removed from source `{source}`: {error}");
            Obstacle { message, ..error.into() }
        }
        _ => Obstacle::new(Reason::HoldPending, format!("a hold could not be written to source `{source}`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_enters_only_between_what_was_confirmed_and_what_is_wanted() {
        let numbers = GateNumbers { wanted: 5, confirmed: 4 };
        assert_eq!(admit(3, numbers), Admission::Restored);
        assert_eq!(admit(4, numbers), Admission::Enter);
        assert_eq!(admit(5, numbers), Admission::Enter);
        assert_eq!(admit(6, numbers), Admission::Reload);
    }
}
