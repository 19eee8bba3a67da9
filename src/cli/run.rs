//! `retentiond run`.

use super::{Done, failure::Failure};
use crate::{operate::world::World, service};

/// Runs the daemon to its end: 0 if it drained, 1 if it was asked to stop twice.
pub async fn run(world: World) -> Done {
    let drained = service::run(world).await.map_err(Failure::from)?;
    Ok(u8::from(!drained))
}
