//! How large the next batch is, and how long to wait before it.
//!
//! Batches grow and shrink towards the source's `target_batch_time`. A batch that met a limit is tried again smaller;
//! the size recovers with each success. Durations come from the monotonic clock; no calendar is involved.

use std::time::Duration;

use crate::config::{Limits, Pace};

/// The smallest batch.
const LEAST: u64 = 1;
/// The first batch of a sweep: small enough to be quick anywhere.
const FIRST: u64 = 500;
/// So many times in a row a batch may meet a limit before the sweep gives up.
const TRIES: u32 = 8;

/// Why a sweep waits between two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// So that other writers get their turn.
    Courtesy,
    /// To keep to `max_rows_per_second`.
    Rate,
    /// Until the replicas have caught up.
    ReplicaLag,
}

impl Throttle {
    /// The word in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Courtesy => "courtesy",
            Self::Rate => "rate",
            Self::ReplicaLag => "replica_lag",
        }
    }
}

/// How long to wait before the next batch; it may be no time at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub time: Duration,
    pub why: Throttle,
}

/// The pace of one sweep.
#[derive(Debug, Clone)]
pub struct Pacer {
    limits: Limits,
    rows: u64,
    failures: u32,
}

impl Pacer {
    /// Starts gently.
    pub fn new(limits: Limits) -> Self {
        Self { rows: FIRST.clamp(LEAST, limits.max_batch_rows.max(LEAST)), limits, failures: 0 }
    }

    /// How many rows the next range should span.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Learns from a batch that took `elapsed`, and says how long to wait before the next.
    pub fn succeeded(&mut self, elapsed: Duration, acted: u64) -> Pause {
        self.failures = 0;
        let target = match self.limits.pace {
            Pace::Gentle => self.limits.target_batch_time,
            Pace::Fast => self.limits.target_batch_time * 2,
        };
        // At most doubled or halved at once: one slow batch says little about the next.
        let ratio = (target.as_secs_f64() / elapsed.as_secs_f64().max(1e-4)).clamp(0.5, 2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a size, clamped below")]
        let wanted = (self.rows as f64 * ratio) as u64;
        self.rows = wanted.clamp(LEAST, self.limits.max_batch_rows.max(LEAST));
        let courtesy = match self.limits.pace {
            // A range without due rows held no lock that a writer waits for.
            Pace::Gentle if acted > 0 => elapsed,
            _ => Duration::ZERO,
        };
        let rate = self.rate_pause(acted).saturating_sub(elapsed);
        if rate > courtesy { Pause { time: rate, why: Throttle::Rate } } else { Pause { time: courtesy, why: Throttle::Courtesy } }
    }

    /// Shrinks after a limit was met; `false`: enough tried.
    pub fn met_a_limit(&mut self) -> bool {
        self.failures += 1;
        self.rows = (self.rows / 4).max(LEAST);
        self.failures < TRIES
    }

    fn rate_pause(&self, acted: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a pause")]
        self.limits.max_rows_per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(acted as f64 / rate.max(1) as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { max_batch_rows: 10_000, ..Limits::default() }
    }

    #[test]
    fn quick_batches_grow_to_the_limit_and_slow_ones_shrink() {
        let mut pacer = Pacer::new(limits());
        for _ in 0..20 {
            pacer.succeeded(Duration::from_millis(1), 0);
        }
        assert_eq!(pacer.rows(), 10_000);
        pacer.succeeded(Duration::from_secs(10), 0);
        assert_eq!(pacer.rows(), 5_000);
    }

    #[test]
    fn a_limit_shrinks_the_batch_and_too_many_end_the_sweep() {
        let mut pacer = Pacer::new(limits());
        assert!(pacer.met_a_limit());
        assert_eq!(pacer.rows(), 125);
        assert!((0..10).any(|_| !pacer.met_a_limit()));
        assert_eq!(pacer.rows(), 1);
    }

    #[test]
    fn gentle_waits_as_long_as_the_batch_took_and_fast_does_not() {
        let took = Duration::from_millis(80);
        assert_eq!(Pacer::new(limits()).succeeded(took, 10), Pause { time: took, why: Throttle::Courtesy });
        assert_eq!(Pacer::new(Limits { pace: Pace::Fast, ..limits() }).succeeded(took, 10).time, Duration::ZERO);
    }

    #[test]
    fn a_fixed_rate_holds_at_any_pace() {
        let fast = Limits { pace: Pace::Fast, max_rows_per_second: Some(100), ..limits() };
        let pause = Pacer::new(fast).succeeded(Duration::from_millis(200), 100);
        assert_eq!(pause, Pause { time: Duration::from_millis(800), why: Throttle::Rate });
    }
}
