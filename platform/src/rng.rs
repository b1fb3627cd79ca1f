//! Where random bytes come from.
//!
//! Owns the only call that asks the operating system for randomness. Keys, nonces, ids and jitter are drawn through
//! [`Entropy`], so that a simulation is a function of its seed. Nothing here is stored, logged or printed.

mod sim;
mod system;

use thiserror::Error;

pub use sim::SimEntropy;
pub(crate) use sim::stream_of;
pub use system::SystemEntropy;

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`, whole or not at all.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system gave no random bytes; nothing may be sealed until it does.
#[derive(Debug, Error)]
#[error("the operating system gives no random bytes")]
pub struct EntropyError {
    #[source]
    source: getrandom::Error,
}

/// Draws an array, for a key or an id.
pub fn random_array<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let sources: [Box<dyn Entropy>; 2] = [Box::new(SystemEntropy), Box::new(SimEntropy::from_seed(7))];
        for entropy in sources {
            let first: [u8; 32] = random_array(entropy.as_ref()).unwrap();
            let second: [u8; 32] = random_array(entropy.as_ref()).unwrap();
            assert_ne!(first, second);
        }
    }
}
