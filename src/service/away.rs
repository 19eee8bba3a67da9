//! A source that does not answer: when it is tried again, and what of it is news.

use std::time::Duration;

use crate::clock::Randomness;

/// The first wait; each further one is twice as long. A server that is only restarted is back by then.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait: so long it may take until a server that is back is noticed.
const LAST: Duration = Duration::from_secs(60);

/// One that did not answer the last time.
#[derive(Debug, Default)]
pub(super) struct Away {
    tries: u32,
    why: String,
}

impl Away {
    /// How often in a row it did not answer.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// Whether this is not what was said the last time.
    pub(super) fn is_news(&mut self, why: &str) -> bool {
        let is_news = self.tries == 0 || self.why != why;
        why.clone_into(&mut self.why);
        is_news
    }

    /// It did not answer. How long to wait: between half and the whole of the time that belongs to the try, so that many
    /// processes don't come to a server all at once when it is back.
    pub(super) fn next(&mut self, randomness: &dyn Randomness) -> Duration {
        let whole = FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(LAST);
        self.tries = self.tries.saturating_add(1);
        let mut bytes = [0_u8; 4];
        randomness.fill(&mut bytes);
        let part = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededRandomness;

    /// Always the same byte.
    struct Fixed(u8);

    impl Randomness for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn waits_grow_to_a_minute_and_are_spread() {
        let waits = |randomness: &dyn Randomness| {
            let mut away = Away::default();
            std::iter::repeat_with(|| away.next(randomness)).take(40).collect::<Vec<_>>()
        };
        let (shortest, longest) = (waits(&Fixed(0)), waits(&Fixed(u8::MAX)));
        assert_eq!(longest[..7], [1, 2, 4, 8, 16, 32, 60].map(Duration::from_secs));
        assert!(longest[7..].iter().all(|wait| *wait == LAST));
        assert!(shortest.iter().zip(&longest).all(|(short, long)| *short * 2 == *long));
        let spread = waits(&SeededRandomness::new(7));
        assert!(spread.iter().zip(shortest.iter().zip(&longest)).all(|(wait, (short, long))| short <= wait && wait <= long));
        assert!(spread[7..].windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn what_was_said_is_no_news() {
        let mut away = Away::default();
        let mut said = |why| {
            let is_news = away.is_news(why);
            away.next(&Fixed(0));
            is_news
        };
        assert_eq!(["refused", "refused", "no password", "no password", "refused"].map(&mut said), [true, false, true, false, true]);
    }
}
