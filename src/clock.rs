//! Time and randomness as parameters.
//!
//! Nothing else in the crate may ask the system for the time or for randomness (`clippy.toml` bans it), because a
//! retention daemon whose tests can't move the clock can't be tested, and because a sweep must use one frozen instant.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, Unit};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinHandle;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present instant, in whole microseconds.
    ///
    /// Whole microseconds are what the databases store; with a finer instant a cut-off could fall between two values
    /// that a database can't tell apart.
    fn now(&self) -> Timestamp;

    /// True if it means to tell the time of the world, and so may be compared with another machine's clock.
    fn is_real(&self) -> bool {
        false
    }
}

/// A clock that several tasks share.
pub type SharedClock = Arc<dyn Clock>;

/// Rounds down to whole microseconds: a cut-off computed from an earlier instant is never early.
pub fn whole_microseconds(instant: Timestamp) -> Timestamp {
    instant.round(jiff::TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Floor)).unwrap_or(instant)
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may ask the system for the time")]
    fn now(&self) -> Timestamp {
        whole_microseconds(Timestamp::now())
    }

    fn is_real(&self) -> bool {
        true
    }
}

/// The system's clock, wrong by so much: what the tests give to a process that is to notice.
#[derive(Debug, Clone, Copy)]
pub struct WrongClock(pub SignedDuration);

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add(self.0).unwrap_or(Timestamp::MAX)
    }

    fn is_real(&self) -> bool {
        true
    }
}

/// A clock that stands still: for tests, and for `plan --as-of`.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        whole_microseconds(self.0)
    }
}

/// Gives random bytes: identifiers and the salts of the ledger's commitments.
pub trait Randomness: Send + Sync {
    /// Fills `bytes` with bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

/// Randomness that several tasks share.
pub type SharedRandomness = Arc<dyn Randomness>;

/// `N` random bytes in lower-case hex.
pub fn random_hex<const N: usize>(randomness: &dyn Randomness) -> String {
    let mut bytes = [0_u8; N];
    randomness.fill(&mut bytes);
    hex(&bytes)
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a task gives within `patience`. Only the waiting ends: the task goes on, so that no statement is cut off, and
/// until it has ended its connection is taken.
#[expect(clippy::disallowed_methods, reason = "no statement is in the future that is given up")]
pub async fn within<T>(patience: Duration, task: JoinHandle<T>) -> Option<T> {
    tokio::time::timeout(patience, task).await.ok()?.ok()
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(clippy::disallowed_methods, reason = "the one place that may ask the system for randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::make_rng::<StdRng>().fill_bytes(bytes);
    }
}

/// Randomness that repeats itself: for tests.
#[derive(Debug)]
pub struct SeededRandomness(std::sync::Mutex<StdRng>);

impl SeededRandomness {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(std::sync::Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Randomness for SeededRandomness {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(bytes);
    }
}
