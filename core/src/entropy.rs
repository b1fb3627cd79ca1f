//! Where random bytes come from, as the core sees it.
//!
//! Keys, nonces and ids are drawn through this trait and never from the machine, so that a run is a function of its
//! seed. The package `platform` implements it: once over the operating system, once over a seed.

use std::error::Error;

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`, whole or not at all.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// No random bytes are to be had; nothing may be sealed until they are.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct EntropyError {
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl EntropyError {
    /// An error of the source below.
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Box::new(source) }
    }
}

/// Draws an array, for a key or an id.
pub fn random_array<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod testing {
    //! Entropy from a seed, for the core's own tests; `platform` has the one that simulations use.

    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Entropy, EntropyError};

    /// BLAKE3 output under a seed, one stretch a call.
    pub(crate) struct Seeded {
        seed: u64,
        calls: AtomicU64,
    }

    impl Seeded {
        pub(crate) fn new(seed: u64) -> Self {
            Self { seed, calls: AtomicU64::new(0) }
        }
    }

    impl Entropy for Seeded {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&self.seed.to_be_bytes());
            hasher.update(&self.calls.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            hasher.finalize_xof().fill(bytes);
            Ok(())
        }
    }
}
