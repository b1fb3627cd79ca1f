//! Lineage: which earlier generation a part is stored against.
//!
//! Generation n of a part takes as base the generation n with its lowest non-zero base-4 digit reduced by one, so a
//! chain has at most three forms a digit, and a form repeats the changes of few generations. A part that is stored in
//! full starts anew at generation 0.

use super::params::PartId;

/// The generation against which generation `n` is stored. Generation 0 is always full.
pub const fn base_generation(n: u32) -> Option<u32> {
    if n == 0 {
        return None;
    }
    let mut digit = 1_u32;
    while (n / digit).is_multiple_of(4) {
        digit *= 4;
    }
    Some(n - digit)
}

/// A part's generation and the earlier ones that later generations may name as base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    generations: Vec<(u32, PartId)>,
}

impl Lineage {
    /// A part stored in full.
    pub fn full(id: PartId) -> Self {
        Self { generations: vec![(0, id)] }
    }

    /// A lineage from its generations, newest first. Nothing for an empty list.
    pub fn from_generations(generations: Vec<(u32, PartId)>) -> Option<Self> {
        (!generations.is_empty() && generations.windows(2).all(|pair| matches!(pair, [a, b] if a.0 > b.0)))
            .then_some(Self { generations })
    }

    /// Generations, newest first.
    pub fn generations(&self) -> &[(u32, PartId)] {
        &self.generations
    }

    /// The newest generation.
    pub fn generation(&self) -> u32 {
        self.generations.first().map_or(0, |(generation, _)| *generation)
    }

    /// The newest id.
    pub fn id(&self) -> Option<PartId> {
        self.generations.first().map(|(_, id)| *id)
    }

    /// The next generation and the base that it is stored against, unless that base is not remembered.
    pub fn next_base(&self) -> Option<(u32, PartId)> {
        let next = self.generation().checked_add(1)?;
        let base = base_generation(next)?;
        self.generations.iter().find(|(generation, _)| *generation == base).map(|(_, id)| (next, *id))
    }

    /// The lineage of a part that came back to the content of a remembered generation: nothing need be stored.
    pub fn back_to(&self, id: PartId) -> Option<Self> {
        let at = self.generations.iter().position(|(_, known)| *known == id)?;
        self.generations.get(at..).map(|kept| Self { generations: kept.to_vec() })
    }

    /// The lineage after the next generation is stored as a delta: what no later one can name is forgotten.
    #[must_use]
    pub fn extend(&self, id: PartId) -> Self {
        let next = self.generation() + 1;
        let mut wanted = Vec::new();
        let mut digit = 1_u32;
        while digit <= next {
            wanted.push(next - next % digit);
            digit = digit.saturating_mul(4);
        }
        wanted.push(0);
        let kept = self.generations.iter().filter(|(generation, _)| wanted.contains(generation)).copied();
        Self { generations: std::iter::once((next, id)).chain(kept).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> PartId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        PartId(bytes)
    }

    #[test]
    fn the_base_has_its_lowest_digit_reduced_by_one() {
        let bases: Vec<_> = (0..=20).map(base_generation).collect();
        let want = [0, 1, 2, 0, 4, 5, 6, 4, 8, 9, 10, 8, 12, 13, 14, 0, 16, 17, 18, 16].map(Some);
        assert_eq!(bases[0], None);
        assert_eq!(bases[1..], want);
    }

    #[test]
    fn every_later_generation_finds_its_base_and_chains_stay_short() {
        let mut lineage = Lineage::full(id(0));
        for n in 1..5000 {
            let (next, base) = lineage.next_base().expect("the base is remembered");
            assert_eq!((next, base), (n, id(base_generation(n).unwrap())));
            lineage = lineage.extend(id(n));
            assert!(lineage.generations().len() <= 9);
        }
        let forms = |mut n: u32| {
            let mut forms = 1;
            while let Some(base) = base_generation(n) {
                n = base;
                forms += 1;
            }
            forms
        };
        assert!((0..=31).all(|n| forms(n) <= 8));
        assert!((0..4096).all(|n| forms(n) <= 19));
    }
}
