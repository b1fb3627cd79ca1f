//! A set of operations, as bits.
//!
//! Owns the set and its short name. A search takes operations nearly in the order of their invocations, so all words
//! before some place are full and all words behind another are empty; a [`BitsKey`] keeps only what lies between. So
//! the memo of a long history costs no more for each entry than that of a short one.

const WORD_BITS: usize = 64;

/// A set that grows and shrinks.
#[derive(Debug, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    /// All words before this one are full, and this one is not.
    full: usize,
    /// All words from this one on are empty, and the one before is not.
    end: usize,
}

/// What a set held at one time: equal sets have equal keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BitsKey {
    full: usize,
    words: Box<[u64]>,
}

impl Bits {
    /// An empty set of numbers below `len`.
    pub(super) fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(WORD_BITS)], full: 0, end: 0 }
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.words.get(number / WORD_BITS).is_some_and(|word| word & mask(number) != 0)
    }

    pub(super) fn insert(&mut self, number: usize) {
        let at = number / WORD_BITS;
        if let Some(word) = self.words.get_mut(at) {
            *word |= mask(number);
            self.end = self.end.max(at + 1);
        }
        while self.words.get(self.full) == Some(&u64::MAX) {
            self.full += 1;
        }
    }

    pub(super) fn remove(&mut self, number: usize) {
        let at = number / WORD_BITS;
        if let Some(word) = self.words.get_mut(at) {
            *word &= !mask(number);
            self.full = self.full.min(at);
        }
        while self.end > 0 && self.words.get(self.end - 1) == Some(&0) {
            self.end -= 1;
        }
    }

    pub(super) fn key(&self) -> BitsKey {
        let words = self.words.get(self.full..self.end).unwrap_or_default();
        BitsKey { full: self.full, words: words.into() }
    }
}

impl BitsKey {
    /// Whether every number of this set is in `other`.
    pub(super) fn is_subset(&self, other: &Self) -> bool {
        (other.full..self.full + self.words.len()).all(|at| self.word(at) & !other.word(at) == 0)
    }

    fn word(&self, at: usize) -> u64 {
        match at.checked_sub(self.full) {
            None => u64::MAX,
            Some(at) => self.words.get(at).copied().unwrap_or(0),
        }
    }
}

fn mask(number: usize) -> u64 {
    1 << (number % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const LEN: usize = 200;

    fn bits(numbers: &BTreeSet<usize>) -> Bits {
        let mut bits = Bits::new(LEN);
        for number in numbers {
            bits.insert(*number);
        }
        bits
    }

    fn numbers() -> impl Strategy<Value = BTreeSet<usize>> {
        // Sets with full words in front are what searches make.
        (0..LEN, prop::collection::btree_set(0..LEN, 0..12)).prop_map(|(full, more)| (0..full).chain(more).collect())
    }

    proptest! {
        #[test]
        fn a_key_depends_on_the_set_alone(kept in numbers(), gone in numbers()) {
            let mut detour = bits(&gone.union(&kept).copied().collect());
            gone.difference(&kept).for_each(|number| detour.remove(*number));
            prop_assert_eq!(detour.key(), bits(&kept).key());
            prop_assert!((0..LEN).all(|number| detour.contains(number) == kept.contains(&number)));
        }

        #[test]
        fn different_sets_have_different_keys_and_know_their_subsets(one in numbers(), other in numbers()) {
            let (one_key, other_key) = (bits(&one).key(), bits(&other).key());
            prop_assert_eq!(one_key == other_key, one == other);
            prop_assert_eq!(one_key.is_subset(&other_key), one.is_subset(&other));
            let both = bits(&one.union(&other).copied().collect()).key();
            prop_assert!(one_key.is_subset(&both) && other_key.is_subset(&both));
        }
    }
}
