//! Whether a source is the one that the state knows: asked before anything acts (law 9).
//!
//! The workspace bears the identity of the state and of the source, and remembers which database it was made in. A
//! database that was restored, copied to another place, or belongs to another installation differs in one of them.

use super::{
    obstacle::{Obstacle, Reason},
    prepare::Target,
};
use crate::{
    engine::Workspace,
    state::{SourceRecord, State},
};

/// Checks stamp and fingerprint; returns the workspace.
///
/// # Errors
/// [`Reason::NoWorkspace`], [`Reason::ForeignState`], [`Reason::OneDatabaseTwice`] or [`Reason::Restored`].
pub async fn check(state: &State, target: &Target) -> Result<Workspace, Obstacle> {
    let name = &target.config.name;
    // The state before the source: a hold that is delivered meanwhile raises the gate before the state says so, so what
    // was confirmed then is in the workspace now, unless it was forgotten.
    let known = state.source(name).await?;
    let others = state.sources().await?;
    let workspace = target.engine.workspace().await?.ok_or_else(|| {
        Obstacle::new(
            Reason::NoWorkspace,
            format!("source `{name}` has no workspace, so it can only be observed; `retentiond source init {name}` makes one"),
        )
    })?;
    let fingerprint = target.engine.fingerprint().await?;
    if let Some(twin) = others.iter().find(|other| other.name != *name && other.fingerprint == fingerprint) {
        return Err(Obstacle::new(
            Reason::OneDatabaseTwice,
            format!("sources `{name}` and `{}` reach one database; remove one of them", twin.name),
        ));
    }
    let adopt = format!("`retentiond state adopt --source {name} --reason … --by …` takes it over");
    match &known {
        Some(record) if stamped(record, state, &workspace) => {
            if workspace.fingerprint != fingerprint || record.fingerprint != fingerprint {
                let message = format!(
                    "source `{name}` is a copy of the database that was initialised, or was moved, or a replica serves in its place; {adopt}"
                );
                return Err(Obstacle::new(Reason::ForeignState, message));
            }
            if workspace.epoch < record.confirmed {
                let message = format!(
                    "source `{name}` has forgotten holds that it had confirmed: it was restored from a backup, or a replica serves that lacks them; {adopt}"
                );
                return Err(Obstacle::new(Reason::Restored, message));
            }
            Ok(workspace)
        }
        _ => Err(Obstacle::new(Reason::ForeignState, format!("source `{name}` bears the stamp of another state; {adopt}"))),
    }
}

fn stamped(record: &SourceRecord, state: &State, workspace: &Workspace) -> bool {
    workspace.stamp.state_id == state.id() && workspace.stamp.source_id == record.source_id
}
