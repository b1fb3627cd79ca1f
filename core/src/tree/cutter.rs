//! Borders: where one part of a tree ends and the next begins.
//!
//! A part ends at the item with the smallest keyed hash among those that would give it between T/2 and 3T/2 items. No
//! cut is forced by a size, so a change moves borders only near itself. Where fewer than 3T/2 items are left, they
//! form the last part whole: an append touches that part alone.

use std::collections::VecDeque;

struct Item<T> {
    hash: u64,
    value: T,
}

/// Cuts an ordered stream of items into parts.
pub struct Cutter<T> {
    shortest: usize,
    longest: usize,
    waiting: VecDeque<Item<T>>,
}

impl<T> Cutter<T> {
    /// A cutter whose parts aim at `target` items.
    pub fn new(target: u32) -> Self {
        let target = target.max(2) as usize;
        Self { shortest: target / 2, longest: target + target / 2, waiting: VecDeque::with_capacity(target * 2) }
    }

    /// Takes the next item with its border hash. Gives a part when the window is full.
    #[inline]
    pub fn push(&mut self, hash: u64, value: T) -> Option<Vec<T>> {
        self.waiting.push_back(Item { hash, value });
        (self.waiting.len() >= self.longest).then(|| self.cut())
    }

    /// Items that wait for their part.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The last part, if anything is left.
    pub fn finish(self) -> Option<Vec<T>> {
        (!self.waiting.is_empty()).then(|| self.waiting.into_iter().map(|item| item.value).collect())
    }

    fn cut(&mut self) -> Vec<T> {
        let window = self.waiting.iter().enumerate().skip(self.shortest.saturating_sub(1));
        let end = window.min_by_key(|(at, item)| (item.hash, *at)).map_or(self.longest, |(at, _)| at + 1);
        self.waiting.drain(..end).map(|item| item.value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(hashes: &[u64], target: u32) -> Vec<Vec<u64>> {
        let mut cutter = Cutter::new(target);
        let mut out: Vec<_> = hashes.iter().filter_map(|hash| cutter.push(*hash, *hash)).collect();
        out.extend(cutter.finish());
        out
    }

    fn scattered(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    proptest! {
        #[test]
        fn parts_keep_their_bounds_and_lose_nothing(n in 0_u64..3000, target in 8_u32..100) {
            let hashes: Vec<_> = (0..n).map(scattered).collect();
            let cut = parts(&hashes, target);
            prop_assert_eq!(cut.concat(), hashes);
            let (shortest, longest) = (target as usize / 2, target as usize + target as usize / 2);
            for (at, part) in cut.iter().enumerate() {
                prop_assert!(part.len() <= longest);
                prop_assert!(part.len() >= shortest || at + 1 == cut.len());
            }
        }
    }

    #[test]
    fn an_insert_touches_few_parts() {
        let hashes: Vec<_> = (0..40_000).map(scattered).collect();
        let before: std::collections::BTreeSet<_> = parts(&hashes, 72).into_iter().collect();
        let (mut touched, mut worst) = (0, 0);
        for trial in 0..400_u64 {
            let mut changed = hashes.clone();
            changed.insert(((trial * 97) % 39_000) as usize, scattered(1_000_000 + trial));
            let new = parts(&changed, 72).into_iter().filter(|part| !before.contains(part)).count();
            touched += new;
            worst = worst.max(new);
        }
        assert!(touched < 400 * 3 / 2, "{touched} parts for 400 inserts");
        assert!(worst <= 8, "{worst} parts for one insert");
    }

    #[test]
    fn an_append_touches_the_last_part_only() {
        let mut hashes: Vec<_> = (0..10_000).map(scattered).collect();
        let before = parts(&hashes, 72);
        hashes.push(scattered(77_777));
        let after = parts(&hashes, 72);
        assert_eq!(before[..before.len() - 1], after[..before.len() - 1]);
    }
}
