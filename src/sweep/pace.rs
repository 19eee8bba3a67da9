//! How large the next batch is, and how long to wait before it.
//!
//! Batches grow and shrink towards the source's `target_batch_time`. A batch that met a limit is tried again smaller;
//! the size recovers with each success. Where another session was in the way (a lock, a deadlock), the next try waits a
//! little longer each time: what was rolled back has let everybody pass who queued behind it, and they are to get through.
//! Durations come from the monotonic clock; no calendar is involved.

use std::time::Duration;

use crate::config::{Limits, Pace};

/// The smallest batch.
const LEAST: u64 = 1;
/// The first batch of a sweep: small enough to be quick anywhere.
pub const FIRST: u64 = 500;
/// So many times in a row a batch may meet a limit before the sweep gives up.
const TRIES: u32 = 8;
/// After the first batch that another session was in the way of; doubled with each further one, up to `lock_timeout`.
const GIVE_WAY: Duration = Duration::from_millis(50);
/// While dead rows pile up, a sweep works this fraction of the time.
const SLOWED: u32 = 10;

/// Why a sweep waits between two batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// So that other writers get their turn.
    Courtesy,
    /// To keep to `max_rows_per_second`.
    Rate,
    /// Until the replicas have caught up.
    ReplicaLag,
    /// Another session had a lock that a batch wanted, and is to get its work done.
    Contention,
    /// Dead rows pile up faster than vacuum removes them.
    DeadRows,
    /// Until others have walked the parts of the table that they took.
    OtherWorkers,
}

impl Throttle {
    /// The word in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Courtesy => "courtesy",
            Self::Rate => "rate",
            Self::ReplicaLag => "replica_lag",
            Self::Contention => "contention",
            Self::DeadRows => "dead_rows",
            Self::OtherWorkers => "other_workers",
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
    slowed: bool,
    /// Who keep to the rate together.
    workers: u64,
    fixed: Fixed,
}

/// What a batch costs whatever its size: the round trips of a network above all.
///
/// Two batches of different sizes tell it; and no batch can have been quicker. Without it a distant server's batches would
/// shrink to single rows, which saves it nothing.
#[derive(Debug, Clone, Default)]
struct Fixed {
    time: Duration,
    quickest: Option<Duration>,
    last: Option<(u64, Duration)>,
}

impl Fixed {
    /// Learns from a batch of about so many rows; returns what of its time grows with them.
    fn part_of(&mut self, rows: u64, elapsed: Duration) -> Duration {
        let quickest = self.quickest.map_or(elapsed, |quickest| quickest.min(elapsed));
        if let Some((other, took)) = self.last.replace((rows, elapsed)).filter(|(other, _)| *other != rows) {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let a_row = (elapsed.as_secs_f64() - took.as_secs_f64()) / (rows as f64 - other as f64);
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let grows = a_row.max(0.0) * rows as f64;
            self.time = Duration::from_secs_f64((elapsed.as_secs_f64() - grows).max(0.0));
        }
        self.time = self.time.min(quickest);
        self.quickest = Some(quickest);
        elapsed.saturating_sub(self.time)
    }
}

impl Pacer {
    /// Starts gently.
    pub fn new(limits: Limits) -> Self {
        Self {
            rows: FIRST.clamp(LEAST, limits.max_batch_rows.max(LEAST)),
            limits,
            failures: 0,
            slowed: false,
            workers: 1,
            fixed: Fixed::default(),
        }
    }

    /// How many rows the next range should span.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The pace of the source, or the rule's where that is gentler.
    pub fn pace(&self) -> Pace {
        self.limits.pace
    }

    /// Learns from a batch that took `elapsed`, and says how long to wait before the next.
    pub fn succeeded(&mut self, elapsed: Duration, acted: u64) -> Pause {
        self.failures = 0;
        let target = match self.limits.pace {
            Pace::Gentle => self.limits.target_batch_time,
            Pace::Fast => self.limits.target_batch_time * 2,
        };
        // At most doubled or halved at once: one slow batch says little about the next.
        let work = self.fixed.part_of(self.rows, elapsed);
        let ratio = (target.as_secs_f64() / work.as_secs_f64().max(1e-4)).clamp(0.5, 2.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a size, clamped below")]
        let wanted = (self.rows as f64 * ratio) as u64;
        self.rows = wanted.clamp(LEAST, self.limits.max_batch_rows.max(LEAST));
        let courtesy = match self.limits.pace {
            // A range without due rows held no lock that a writer waits for.
            Pace::Gentle if acted > 0 && self.slowed => Pause { time: elapsed * (SLOWED - 1), why: Throttle::DeadRows },
            Pace::Gentle if acted > 0 => Pause { time: elapsed, why: Throttle::Courtesy },
            _ => Pause { time: Duration::ZERO, why: Throttle::Courtesy },
        };
        let rate = self.rate_pause(acted).saturating_sub(elapsed);
        if rate > courtesy.time { Pause { time: rate, why: Throttle::Rate } } else { courtesy }
    }

    /// Shrinks after a limit was met, and says how long to wait before the next try, which is no time at all where nobody
    /// was in the way; `None`: enough tried.
    pub fn met_a_limit(&mut self, contended: bool) -> Option<Pause> {
        let back_off = GIVE_WAY.saturating_mul(1 << self.failures.min(TRIES)).min(self.limits.lock_timeout);
        self.failures += 1;
        self.rows = (self.rows / 4).max(LEAST);
        let time = if contended { back_off } else { Duration::ZERO };
        (self.failures < TRIES).then_some(Pause { time, why: Throttle::Contention })
    }

    /// From now on at a fraction of the pace, or at the whole of it again.
    pub fn slow_down(&mut self, slowed: bool) {
        self.slowed = slowed;
    }

    /// From now on so many walk the table, and keep to the rate together.
    pub fn shared_by(&mut self, workers: u64) {
        self.workers = workers.max(1);
    }

    fn rate_pause(&self, acted: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a pause")]
        self.limits
            .max_rows_per_second
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(acted as f64 * self.workers as f64 / rate.max(1) as f64))
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
        assert!(pacer.met_a_limit(false).is_some());
        assert_eq!(pacer.rows(), 125);
        assert!((0..10).any(|_| pacer.met_a_limit(false).is_none()));
        assert_eq!(pacer.rows(), 1);
    }

    /// The sizes that batches settle at where one takes `fixed` and a millisecond for each row.
    fn settled(fixed: Duration) -> u64 {
        let mut pacer = Pacer::new(limits());
        for _ in 0..30 {
            let took = fixed + Duration::from_millis(pacer.rows());
            pacer.succeeded(took, 1);
        }
        pacer.rows()
    }

    #[test]
    fn a_distant_server_gets_batches_of_the_same_size() {
        let near = settled(Duration::ZERO);
        assert_eq!(near, 250);
        assert!(settled(Duration::from_millis(1_200)).abs_diff(near) < 10);
        let mut pacer = Pacer::new(limits());
        for _ in 0..30 {
            pacer.succeeded(Duration::from_millis(1_200), 1);
        }
        assert!(pacer.rows() >= 5_000, "where rows cost nothing, fewer of them save nothing: {}", pacer.rows());
    }

    #[test]
    fn slow_rows_and_a_hiccup_shrink_batches_all_the_same() {
        let mut pacer = Pacer::new(limits());
        for _ in 0..10 {
            let took = Duration::from_millis(20 * pacer.rows());
            pacer.succeeded(took, 1);
        }
        assert_eq!(pacer.rows(), 12);
        pacer.succeeded(Duration::from_secs(10), 1);
        assert!(pacer.rows() <= 12);
    }

    #[test]
    fn the_size_recovers_with_each_success() {
        let mut pacer = Pacer::new(limits());
        while pacer.met_a_limit(true).is_some() {}
        let sizes: Vec<u64> = (0..14)
            .map(|_| {
                pacer.succeeded(Duration::from_millis(1), 1);
                pacer.rows()
            })
            .collect();
        assert_eq!(sizes, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 10_000]);
        assert_eq!(pacer.met_a_limit(true).map(|pause| pause.time), Some(GIVE_WAY), "and so does its patience");
    }

    #[test]
    fn others_get_longer_each_time_to_get_through() {
        let mut pacer = Pacer::new(Limits { lock_timeout: Duration::from_millis(150), ..limits() });
        let waits: Vec<Pause> = std::iter::from_fn(|| pacer.met_a_limit(true)).take(4).collect();
        let contention = |milliseconds| Pause { time: Duration::from_millis(milliseconds), why: Throttle::Contention };
        assert_eq!(waits, [50, 100, 150, 150].map(contention));
        assert_eq!(Pacer::new(limits()).met_a_limit(false), Some(contention(0)), "nobody was in the way");
    }

    #[test]
    fn dead_rows_slow_a_gentle_sweep_down() {
        let took = Duration::from_millis(80);
        let mut pacer = Pacer::new(limits());
        pacer.slow_down(true);
        assert_eq!(pacer.succeeded(took, 10), Pause { time: took * 9, why: Throttle::DeadRows });
        pacer.slow_down(false);
        assert_eq!(pacer.succeeded(took, 10), Pause { time: took, why: Throttle::Courtesy });
        let mut fast = Pacer::new(Limits { pace: Pace::Fast, ..limits() });
        fast.slow_down(true);
        assert_eq!(fast.succeeded(took, 10).time, Duration::ZERO);
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
