//! What engines that are servers have in common: numbers as they store them, and how long a replica is waited for.

use std::time::Duration;

use tokio::task::JoinHandle;

/// A replica that does not answer for so long counts as one that can't be asked.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// What a task gives within [`PATIENCE`]. Only the waiting ends: the task goes on, so that no statement is cut off, and
/// until it has ended its connection is taken.
#[expect(clippy::disallowed_methods, reason = "no statement is in the future that is given up")]
pub(super) async fn patiently<T>(task: JoinHandle<T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, task).await.ok()?.ok()
}

/// Numbers of ours never get near the sign bit; if one did, it would stay the largest rather than become the smallest.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// No number that we store is negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
