//! All chance of a run, drawn from its seed.
//!
//! Owns the streams. Each purpose has one of its own, so that a change of one part of a run does not reshuffle the rest.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// One stream of chance.
#[derive(Debug, Clone)]
pub struct Dice {
    stream: ChaCha12Rng,
}

impl Dice {
    /// The stream of a seed for one purpose.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut key = [0; 32];
        let (number, name) = key.split_at_mut(8);
        number.copy_from_slice(&seed.to_le_bytes());
        for (place, byte) in name.iter_mut().zip(purpose.bytes()) {
            *place = byte;
        }
        Self { stream: ChaCha12Rng::from_seed(key) }
    }

    /// A number below `bound`; zero if that is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.stream.next_u64() % bound }
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in so many of a thousand cases.
    pub fn in_a_thousand(&mut self, cases: u64) -> bool {
        self.below(1_000) < cases
    }

    /// One of several things.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap_or_default();
        all.get(at)
    }
}
