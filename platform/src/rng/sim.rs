//! Random bytes that are a function of one number.
//!
//! The stream is `ChaCha` with 12 rounds over the seed: the same on every machine and in every release, so that a seed
//! in a bug report goes on meaning what it meant.

use std::sync::{Mutex, PoisonError};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Entropy, EntropyError};

/// The generator of one simulated run. Never to be used for a key that protects anything.
#[derive(Debug)]
pub struct SimEntropy {
    stream: Mutex<ChaCha12Rng>,
}

impl SimEntropy {
    /// The stream that belongs to `seed`, from its start.
    pub fn from_seed(seed: u64) -> Self {
        Self { stream: Mutex::new(stream_of(seed)) }
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
        Ok(())
    }
}

/// The generator that simulated parts of this package draw from.
pub(crate) fn stream_of(seed: u64) -> ChaCha12Rng {
    let mut key = [0; 32];
    let (start, _) = key.split_at_mut(size_of::<u64>());
    start.copy_from_slice(&seed.to_le_bytes());
    ChaCha12Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::random_array;

    #[test]
    fn a_seed_always_gives_the_same_bytes() {
        let first: [u8; 8] = random_array(&SimEntropy::from_seed(42)).unwrap();
        let again: [u8; 8] = random_array(&SimEntropy::from_seed(42)).unwrap();
        let other: [u8; 8] = random_array(&SimEntropy::from_seed(43)).unwrap();
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn the_stream_of_a_seed_is_the_same_in_every_release() {
        let bytes: [u8; 8] = random_array(&SimEntropy::from_seed(0)).unwrap();
        assert_eq!(bytes, [0x9b, 0xf4, 0x9a, 0x6a, 0x07, 0x55, 0xf9, 0x53]);
    }
}
