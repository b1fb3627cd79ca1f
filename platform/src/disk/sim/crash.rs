//! What a crash leaves of a simulated volume.
//!
//! Every choice is drawn from the volume's own stream, in an order that depends only on names and on what was done, so
//! that the same operations under the same seed always end in the same remains.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

use super::lock;
use super::volume::{Node, Volume, apply};

/// What becomes of that which was not synced when the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All of it is gone: the machine died before it wrote anything on its own.
    Lost,
    /// All of it is there: only the process died.
    Kept,
    /// Only the process died, after a sync that failed: the system gave up what it could not write. It shows it to all
    /// who read, and takes it for written, but it is gone after the next power cut unless it was written again.
    Shown,
    /// The seed decides, for each file and each folder.
    BySeed,
}

impl Volume {
    /// Ends the life of every process that uses the volume.
    pub(super) fn crash(&mut self, unsynced: Unsynced) {
        for (_, steps) in std::mem::take(&mut self.pending) {
            let kept = match unsynced {
                Unsynced::Lost => 0,
                Unsynced::Kept | Unsynced::Shown => steps.len(),
                Unsynced::BySeed => up_to(&mut self.stream, steps.len()),
            };
            for step in steps.iter().take(kept) {
                apply(&mut self.durable, step);
            }
        }
        for node in self.durable.values() {
            if let Node::File(file) = node {
                lock(file).settle(unsynced, &mut self.stream);
            }
        }
        self.names.clone_from(&self.durable);
        self.life += 1;
        self.unlock_all();
        self.is_forgetful = false;
    }
}

/// A number from zero to `most`, both possible.
pub(super) fn up_to(stream: &mut ChaCha12Rng, most: usize) -> usize {
    let choices = (most as u64).saturating_add(1);
    usize::try_from(stream.next_u64() % choices).unwrap_or(most)
}
