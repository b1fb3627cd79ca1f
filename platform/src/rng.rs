//! Where random bytes come from.
//!
//! Owns the only call that asks the operating system for randomness. Keys, nonces, ids and jitter are drawn through the
//! core's [`Entropy`], so that a simulation is a function of its seed. Nothing here is stored, logged or printed.

mod sim;
mod system;

pub use sim::SimEntropy;
pub(crate) use sim::stream_of;
pub use strongroom_core::entropy::{Entropy, EntropyError, random_array};
pub use system::SystemEntropy;

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
