//! What engines that are servers have in common: numbers as they store them, and how long a replica is waited for.

use std::time::Duration;

/// A replica that does not answer for so long counts as one that can't be asked.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Numbers of ours never get near the sign bit; if one did, it would stay the largest rather than become the smallest.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// No number that we store is negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
