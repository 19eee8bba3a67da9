//! The state at start: opened, or made where that can do no harm.

use crate::{
    operate::world::{Error, World},
    state::{self, State},
};

/// Opens the state. Where there is none it is made only if every source answers and none bears the stamp of another: a
/// state that was lost must not be replaced by an empty one that knows no holds.
pub(super) async fn state(world: &World) -> Result<State, Error> {
    match world.state().await {
        Ok(state) => return Ok(state),
        Err(state::Error::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let address = world.config.state.redacted();
    for name in world.config.sources.keys() {
        let target = world.connect(name).await.map_err(|error| {
            Error::LeftUndone(format!(
                "there is no state at {address}, and source `{name}` can't be asked whether it bears the stamp of a lost one: {error}"
            ))
        })?;
        let workspace = target.engine.workspace().await;
        target.engine.close().await;
        if let Some(workspace) = workspace? {
            return Err(Error::LeftUndone(format!(
                "there is no state at {address}, but source `{name}` bears the stamp of state {}: either the state was lost, or `[state] url` \
                 is wrong; `retentiond state adopt --reason … --by …` starts a new one that takes the sources and their holds over",
                workspace.stamp.state_id
            )));
        }
    }
    tracing::info!(%address, "there was no state, and no source bears the stamp of one: made a new one");
    Ok(world.create_state().await?)
}
