//! Whether the clock can be believed: asked before anything acts (law 9).
//!
//! A clock that has jumped ahead makes rows due that are not (law 1), and nothing but another clock can tell. A server has
//! one of its own; where the two differ by more than five minutes, a person has to find out which of them is wrong,
//! and until then the rules of that source wait. SQLite has this machine's clock alone, so there is nothing to compare.

use jiff::{SignedDuration, Unit};

use super::{
    obstacle::{Obstacle, Reason},
    prepare::Target,
};
use crate::clock::Clock;

/// By how much two clocks may differ that somebody keeps: less than any period or window is sensibly measured in.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Compares our clock with that of the source's server.
///
/// # Errors
/// [`Reason::Clock`], or the engine's if it can't be asked.
pub async fn check(clock: &dyn Clock, target: &Target) -> Result<(), Obstacle> {
    if !clock.is_real() {
        return Ok(());
    }
    let before = clock.now();
    let Some(theirs) = target.engine.now().await? else { return Ok(()) };
    let after = clock.now();
    // The server looked at its clock at some time between.
    let ahead = before.duration_since(theirs);
    let behind = theirs.duration_since(after);
    if ahead <= TOLERANCE && behind <= TOLERANCE {
        return Ok(());
    }
    let to_seconds = |difference: SignedDuration| difference.round(Unit::Second).unwrap_or(difference);
    let (difference, which) = if ahead > TOLERANCE { (ahead, "ahead of") } else { (behind, "behind") };
    Err(Obstacle::new(
        Reason::Clock,
        format!(
            "this machine's clock ({after:.0}) is {:#} {which} that of the server of source `{}` ({theirs:.0}): what is due can't \
             be told; set the clock that is wrong, and the rules go on by themselves",
            to_seconds(difference),
            target.config.name
        ),
    ))
}
