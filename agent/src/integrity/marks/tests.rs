//! Marks against a way of finding suspects that is too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use strongroom_platform::disk::SimDisk;
use strongroom_platform::rng::SimEntropy;

use super::*;

fn suspects(marks: &[Mark], limits: MarkLimits) -> Vec<(u64, Suspicion, BTreeSet<usize>)> {
    let spool = Spool::new(Arc::new(SimDisk::from_seed(1)), "spool", &SimEntropy::from_seed(1)).unwrap();
    let taken = Marks::new(Arc::new(spool), limits);
    for some in marks.chunks(7) {
        taken.take(&mut some.to_vec()).unwrap();
    }
    let mut groups = taken.groups().unwrap();
    let mut found = Vec::new();
    while let Some(suspect) = groups.next_suspect().unwrap() {
        found.push((suspect.digest, suspect.suspicion, suspect.classes.into_iter().collect()));
    }
    found
}

/// The same without sorting or spilling.
fn plainly(marks: &[Mark]) -> Vec<(u64, Suspicion, BTreeSet<usize>)> {
    let mut by_digest: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for mark in marks {
        by_digest.entry(mark.digest).or_default().insert(mark.say);
    }
    let mut found = Vec::new();
    for (digest, says) in by_digest {
        let says: Vec<Say> = says.into_iter().map(Say::unpack).collect();
        let count = |fits: fn(&Say) -> bool| says.iter().filter(|say| fits(say)).count();
        let least = says.iter().map(|say| if let Say::Needs { least, .. } = say { *least } else { 0 }).max();
        let suspicion = if count(|say| matches!(say, Say::Wanted { .. })) > 0 && !says.contains(&Say::Here) {
            Suspicion::Missing
        } else if count(|say| matches!(say, Say::Edge { .. })) > 1 {
            Suspicion::Twice
        } else if count(|say| matches!(say, Say::End { .. })) < least.unwrap_or(0) as usize {
            Suspicion::FewEnds
        } else {
            continue;
        };
        let class = |say: &Say| match say {
            Say::Wanted { class } | Say::Edge { class, .. } | Say::Needs { class, .. } => Some(*class),
            Say::Here | Say::End { .. } => None,
        };
        found.push((digest, suspicion, says.iter().filter_map(class).collect()));
    }
    found
}

fn say() -> impl Strategy<Value = Say> {
    prop_oneof![
        Just(Say::Here),
        (0_usize..4).prop_map(|class| Say::Wanted { class }),
        (0_usize..4, 0_u64..3).prop_map(|(class, record)| Say::Edge { class, record }),
        (0_usize..4, 0_u32..3).prop_map(|(class, least)| Say::Needs { class, least }),
        (0_u64..4).prop_map(|end| Say::End { end }),
    ]
}

proptest! {
    #[test]
    fn suspects_are_the_same_whatever_is_spilled(
        marks in prop::collection::vec((0_u64..40, say()), 0..600),
        buffer in 1_usize..60,
        kept in 0_usize..80,
    ) {
        let marks: Vec<Mark> = marks.into_iter().map(|(digest, say)| Mark::new(digest, say)).collect();
        prop_assert_eq!(suspects(&marks, MarkLimits { buffer, kept }), plainly(&marks));
    }
}

#[test]
fn what_is_said_survives_its_packing() {
    for say in [
        Say::Here,
        Say::Wanted { class: 77 },
        Say::Edge { class: (1 << CLASS_BITS) - 1, record: REST_MASK },
        Say::Needs { class: 3, least: u32::MAX },
        Say::End { end: 9 },
    ] {
        assert_eq!(Say::unpack(say.pack()), say);
    }
}
