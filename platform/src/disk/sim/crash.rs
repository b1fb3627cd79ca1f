//! What a crash leaves of a simulated volume.
//!
//! Every choice is drawn from the volume's own stream, in an order that depends only on names and on what was done, so
//! that the same operations under the same seed always end in the same remains.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::Rng;

use super::lock;
use super::volume::{Content, Node, Volume, apply};

/// The unit in which a device writes: it is written whole, or not.
const SECTOR_BYTES: usize = 512;

/// What becomes of that which was not synced when the power is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All of it is gone: the machine died before it wrote anything on its own.
    Lost,
    /// All of it is there: only the process died.
    Kept,
    /// The seed decides, for each file and each folder.
    BySeed,
}

impl Volume {
    /// Ends the life of every process that uses the volume.
    pub(super) fn crash(&mut self, unsynced: Unsynced) {
        for (_, steps) in std::mem::take(&mut self.pending) {
            let kept = match unsynced {
                Unsynced::Lost => 0,
                Unsynced::Kept => steps.len(),
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
    }
}

impl Content {
    /// Decides about the bytes that were not synced; what is left of them is durable.
    fn settle(&mut self, unsynced: Unsynced, stream: &mut ChaCha12Rng) {
        match unsynced {
            Unsynced::Lost => self.bytes.truncate(self.synced),
            Unsynced::Kept => {}
            Unsynced::BySeed => match up_to(stream, 2) {
                0 => self.bytes.truncate(self.synced),
                1 => {}
                _ => self.tear(stream),
            },
        }
        self.sync();
    }

    fn tear(&mut self, stream: &mut ChaCha12Rng) {
        let unsynced = self.bytes.len().saturating_sub(self.synced);
        self.bytes.truncate(self.synced.saturating_add(up_to(stream, unsynced)));
        let mut at = self.synced;
        while at < self.bytes.len() {
            let end = (at / SECTOR_BYTES + 1).saturating_mul(SECTOR_BYTES).min(self.bytes.len());
            let sector = self.bytes.get_mut(at..end).unwrap_or_default();
            match up_to(stream, 2) {
                0 => sector.fill(0),
                1 => stream.fill_bytes(sector),
                _ => {}
            }
            at = end;
        }
    }
}

/// A number from zero to `most`, both possible.
fn up_to(stream: &mut ChaCha12Rng, most: usize) -> usize {
    let choices = (most as u64).saturating_add(1);
    usize::try_from(stream.next_u64() % choices).unwrap_or(most)
}
