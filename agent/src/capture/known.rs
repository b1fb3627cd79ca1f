//! The records of the old tree, by digest: tells rows that need no further work.
//!
//! A fixed table with a memory budget. What does not fit is merely not known: its rows are sorted and merged like new
//! ones, and found equal there. So the budget bounds memory and never changes the outcome. 96 bits of the keyed digest
//! are compared; that a changed row is taken for an old one has a chance below 2^-70 for a million rows, and no
//! attacker can better it without the id key.

use std::sync::atomic::{AtomicU64, Ordering};

use strongroom_core::id::RecordDigest;

/// Slots that are looked at for one record. What finds no place is not known: many equal rows cost no more than others.
const PROBES_MAX: usize = 64;

#[derive(Clone, Copy, Default)]
struct Slot {
    digest: [u32; 3],
    /// Position in the old tree plus one; 0 for an empty slot.
    position: u32,
}

/// The records of one class of the old tree.
pub(super) struct Known {
    slots: Vec<Slot>,
    seen: Vec<AtomicU64>,
    records: u64,
}

impl Known {
    /// A table for a class with so many records, within a budget of bytes.
    pub(super) fn new(records: u64, budget_bytes: usize) -> Self {
        let most = (budget_bytes / size_of::<Slot>()).max(16);
        let wanted = usize::try_from(records).unwrap_or(usize::MAX).saturating_mul(4) / 3 + 16;
        let slots = wanted.min(most).next_power_of_two();
        let slots = if slots > most { slots / 2 } else { slots };
        let words = usize::try_from(records.div_ceil(64)).unwrap_or(0);
        Self {
            slots: vec![Slot::default(); slots],
            seen: std::iter::repeat_with(AtomicU64::default).take(words).collect(),
            records: 0,
        }
    }

    /// Adds the next record of the old tree.
    pub(super) fn push(&mut self, digest: RecordDigest) {
        let position = self.records;
        self.records += 1;
        let full = self.records.saturating_mul(4) > self.slots.len() as u64 * 3;
        let Ok(position) = u32::try_from(position + 1) else { return };
        if full {
            return;
        }
        let (mut at, digest) = self.start(digest);
        for _ in 0..PROBES_MAX {
            let Some(slot) = self.slots.get_mut(at) else { return };
            if slot.position == 0 {
                *slot = Slot { digest, position };
                return;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Brings the memory that [`Self::mark`] will look at closer, and gives something of it, so that the load is made.
    #[inline]
    pub(super) fn touch(&self, digest: RecordDigest) -> u32 {
        self.slots.get(self.start(digest).0).map_or(0, |slot| slot.position)
    }

    /// Marks a record as seen and says true, if it is one of the old tree that was not seen yet.
    #[inline]
    pub(super) fn mark(&self, digest: RecordDigest) -> bool {
        let (mut at, digest) = self.start(digest);
        for _ in 0..PROBES_MAX {
            let Some(slot) = self.slots.get(at) else { return false };
            if slot.position == 0 {
                return false;
            }
            if slot.digest == digest && self.mark_position(u64::from(slot.position - 1)) {
                return true;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        false
    }

    /// Whether the record at a position of the old tree was seen.
    #[inline]
    pub(super) fn is_seen(&self, position: u64) -> bool {
        let word = usize::try_from(position / 64).ok().and_then(|word| self.seen.get(word));
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (position % 64) & 1 == 1)
    }

    fn mark_position(&self, position: u64) -> bool {
        let word = usize::try_from(position / 64).ok().and_then(|word| self.seen.get(word));
        let bit = 1 << (position % 64);
        word.is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    fn start(&self, digest: RecordDigest) -> (usize, [u32; 3]) {
        let word = |at: usize| {
            let bytes = digest.0.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        (word(0) as usize & (self.slots.len() - 1), [word(4), word(8), word(12)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u32) -> RecordDigest {
        let mut bytes = [0; 16];
        for (at, part) in bytes.chunks_mut(4).enumerate() {
            part.copy_from_slice(
                &n.wrapping_mul(0x9e37_79b9).rotate_left(u32::try_from(at).unwrap() * 7).to_le_bytes(),
            );
        }
        RecordDigest(bytes)
    }

    #[test]
    fn equal_records_are_seen_once_each() {
        let mut known = Known::new(4, 1 << 16);
        for n in [1, 7, 7, 9] {
            known.push(digest(n));
        }
        assert!(known.mark(digest(7)) && known.mark(digest(7)) && !known.mark(digest(7)));
        assert!(known.mark(digest(9)) && !known.mark(digest(8)));
        assert_eq!([0, 1, 2, 3].map(|at| known.is_seen(at)), [false, true, true, true]);
    }

    #[test]
    fn what_exceeds_the_budget_is_merely_unknown() {
        let mut known = Known::new(10_000, 1024);
        (0..10_000).for_each(|n| known.push(digest(n)));
        let found = (0..10_000).filter(|n| known.mark(digest(*n))).count();
        assert!((32..=64).contains(&found), "{found}");
        assert!(!known.mark(digest(123_456)));
    }
}
