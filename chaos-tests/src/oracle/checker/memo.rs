//! What a search has tried already.
//!
//! Owns the table of visited places: which answered operations were taken, what state that led to, and which lost ones
//! it took to get there. A place where the same was reached with fewer lost operations offers every continuation that
//! this one offers, so it stands for this one too. Memory grows by one entry a step, so the budget of steps bounds it.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasherDefault, Hash};

use super::bits::BitsKey;

/// The places that were visited. The hasher has a fixed key, and nothing depends on the order within the table.
pub(super) struct Memo<T> {
    visited: HashMap<(BitsKey, T), Vec<BitsKey>, BuildHasherDefault<DefaultHasher>>,
}

/// Whether a place is worth a visit, and what it took to know.
pub(super) struct Visit {
    pub(super) is_new: bool,
    pub(super) comparisons: u64,
}

impl<T: Eq + Hash> Memo<T> {
    pub(super) fn new() -> Self {
        Self { visited: HashMap::default() }
    }

    /// Notes a place, unless one that offers as much was visited before.
    pub(super) fn visit(&mut self, taken: BitsKey, state: T, lost_taken: BitsKey) -> Visit {
        let known = self.visited.entry((taken, state)).or_default();
        let comparisons = known.len() as u64;
        if known.iter().any(|fewer| fewer.is_subset(&lost_taken)) {
            return Visit { is_new: false, comparisons };
        }
        known.retain(|more| !lost_taken.is_subset(more));
        known.push(lost_taken);
        Visit { is_new: true, comparisons }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bits::Bits;
    use super::*;

    fn set(numbers: &[usize]) -> BitsKey {
        let mut bits = Bits::new(8);
        for number in numbers {
            bits.insert(*number);
        }
        bits.key()
    }

    #[test]
    fn a_place_with_fewer_lost_operations_stands_for_one_with_more() {
        let mut memo = Memo::new();
        assert!(memo.visit(set(&[0]), 'a', set(&[1, 2])).is_new);
        assert!(!memo.visit(set(&[0]), 'a', set(&[1, 2, 3])).is_new);
        assert!(memo.visit(set(&[0]), 'a', set(&[1, 3])).is_new);
        assert!(!memo.visit(set(&[0]), 'a', set(&[1, 2])).is_new);
        assert!(memo.visit(set(&[0]), 'a', set(&[1])).is_new);
        assert!(!memo.visit(set(&[0]), 'a', set(&[1, 2])).is_new);
    }

    #[test]
    fn another_state_is_another_place() {
        let mut memo = Memo::new();
        assert!(memo.visit(set(&[0]), 'a', set(&[])).is_new);
        assert!(memo.visit(set(&[0]), 'b', set(&[])).is_new);
        assert!(memo.visit(set(&[1]), 'a', set(&[])).is_new);
    }
}
