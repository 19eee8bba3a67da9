//! Seeded randomness in the few shapes that the generator wants.

use std::ops::RangeInclusive;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Rolls the same way for the same seed.
pub struct Dice(StdRng);

impl Dice {
    /// The sequence that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// True in `percent` of a hundred rolls.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// A whole number, both ends included.
    pub fn number(&mut self, range: RangeInclusive<i64>) -> i64 {
        self.0.random_range(range)
    }

    /// An index into something of that length.
    pub fn index(&mut self, length: usize) -> usize {
        self.0.random_range(0..length)
    }

    /// One of several.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())].clone()
    }
}
