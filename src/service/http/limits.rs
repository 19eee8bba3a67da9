//! How often somebody may ask: a bucket of tokens for each token and each peer, pure of any clock.

use std::{collections::HashMap, time::Instant};

/// So many are remembered; beyond it those that are full are forgotten, and then all.
const REMEMBERED: usize = 4096;
/// Requests at once, and a second, of one who was let in.
const ADMITTED: (f64, f64) = (100.0, 20.0);
/// The same of one who was not.
const REFUSED: (f64, f64) = (10.0, 0.5);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// One who was let in, by name.
    Admitted(String),
    /// An address that came with a wrong token, or none.
    Refused(std::net::IpAddr),
    /// A user of this machine who came by the socket with a wrong token, or none.
    RefusedUser(Option<u32>),
}

#[derive(Debug, Default)]
pub(super) struct Limits(HashMap<Who, Bucket>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limits {
    /// Takes one; `false`: there is none left.
    pub(super) fn take(&mut self, who: Who, now: Instant) -> bool {
        let (size, rate) = if matches!(who, Who::Admitted(_)) { ADMITTED } else { REFUSED };
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&who) {
            self.0.retain(|who, bucket| matches!(who, Who::Admitted(_)) || bucket.filled(now, REFUSED) < REFUSED.0);
            if self.0.len() >= REMEMBERED {
                self.0.clear();
            }
        }
        let bucket = self.0.entry(who).or_insert(Bucket { left: size, at: now });
        bucket.left = bucket.filled(now, (size, rate));
        bucket.at = now;
        let has = bucket.left >= 1.0;
        bucket.left -= f64::from(u8::from(has));
        has
    }
}

impl Bucket {
    fn filled(&self, now: Instant, (size, rate): (f64, f64)) -> f64 {
        (self.left + now.saturating_duration_since(self.at).as_secs_f64() * rate).min(size)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;

    #[test]
    fn a_bucket_runs_empty_and_fills_again_by_itself() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        let who = Who::Refused(Ipv4Addr::LOCALHOST.into());
        assert_eq!((0..20).filter(|_| limits.take(who.clone(), start)).count(), 10);
        assert!(!limits.take(who.clone(), start + Duration::from_secs(1)));
        assert!(limits.take(who, start + Duration::from_secs(2)));
        let named = |name: &str| Who::Admitted(name.to_owned());
        assert_eq!((0..200).filter(|_| limits.take(named("a"), start)).count(), 100);
        assert!(limits.take(named("b"), start));
        assert_eq!((0..200).filter(|_| limits.take(named("a"), start + Duration::from_secs(1))).count(), 20);
    }

    #[test]
    fn it_does_not_grow_with_its_callers() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        for number in 0..20_000_u32 {
            limits.take(Who::Refused(Ipv4Addr::from(number).into()), now);
            assert!(limits.0.len() <= REMEMBERED);
        }
    }
}
