//! Proofs against the recursion of the RFC, for every size and place up to some; and no other path than the right one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::audit::merkle::tests::{Missing, Rows, classic_leaves, head, leaves, naive};

const SIZES: usize = 130;

/// RFC 6962 §2.1.1, word for word.
fn naive_path(m: usize, leaves: &[TreeHash]) -> Vec<TreeHash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sibling) =
        if m < left.len() { (naive_path(m, left), right) } else { (naive_path(m - left.len(), right), left) };
    path.push(naive(sibling));
    path
}

/// RFC 6962 §2.1.2, word for word.
fn naive_subproof(m: usize, leaves: &[TreeHash], is_known: bool) -> Vec<TreeHash> {
    if m == leaves.len() {
        return if is_known { Vec::new() } else { vec![naive(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sibling) = if m <= left.len() {
        (naive_subproof(m, left, is_known), right)
    } else {
        (naive_subproof(m - left.len(), right, false), left)
    };
    path.push(naive(sibling));
    path
}

fn size(leaves: &[TreeHash]) -> TreeSize {
    TreeSize(leaves.len() as u64)
}

#[test]
fn every_leaf_of_every_size_has_the_path_of_the_definition_and_no_other_leaf_takes_it() {
    let leaves = leaves(SIZES as u64);
    let rows = Rows::of(&leaves);
    for end in 1..=SIZES {
        let (log, head) = (&leaves[..end], head(&leaves[..end]));
        for (at, leaf) in log.iter().enumerate() {
            let place = LeafIndex(at as u64);
            let path = prove_inclusion(&rows, place, size(log)).unwrap();
            assert_eq!(path, naive_path(at, log), "leaf {at} of {end}");
            assert_eq!(verify_inclusion(leaf, place, &head, &path), Ok(()));
            for other in (0..end as u64 + 2).filter(|other| *other != place.0) {
                assert!(verify_inclusion(leaf, LeafIndex(other), &head, &path).is_err(), "{at} as {other} of {end}");
            }
        }
        assert_eq!(root_at(&rows, size(log)).unwrap(), head.root);
    }
    assert_eq!(root_at(&rows, TreeSize(0)).unwrap(), empty_root());
}

#[test]
fn every_size_follows_every_older_one_by_the_path_of_the_definition() {
    let leaves = leaves(SIZES as u64);
    let rows = Rows::of(&leaves);
    for new in 0..=SIZES {
        for old in 0..=new {
            let path = prove_consistency(&rows, TreeSize(old as u64), TreeSize(new as u64)).unwrap();
            if old > 0 {
                assert_eq!(path, naive_subproof(old, &leaves[..new], true), "{old} to {new}");
            }
            let (old_head, new_head) = (head(&leaves[..old]), head(&leaves[..new]));
            assert_eq!(verify_consistency(&old_head, &new_head, &path), Ok(()), "{old} to {new}");
            assert_eq!(verify_consistency(&new_head, &old_head, &path).is_ok(), old == new);
            let forged = TreeHead { root: TreeHash([9; 32]), ..old_head };
            assert!(verify_consistency(&forged, &new_head, &path).is_err(), "{old} to {new}");
            let forged = TreeHead { root: TreeHash([9; 32]), ..new_head };
            assert_eq!(verify_consistency(&old_head, &forged, &path).is_ok(), old == 0 && new > 0, "{old} to {new}");
        }
    }
}

#[test]
fn equal_sizes_have_equal_roots_and_the_empty_log_has_its_own() {
    let other = |size| TreeHead { size: TreeSize(size), root: TreeHash([9; 32]) };
    let (none, one) = (head(&[]), head(&leaves(1)));
    assert_eq!(verify_consistency(&none, &none, &[]), Ok(()));
    assert_eq!(verify_consistency(&none, &other(7), &[]), Ok(()));
    for (old, new) in [(none, other(0)), (other(0), none), (other(0), other(0)), (other(0), one), (one, other(1))] {
        assert_eq!(verify_consistency(&old, &new, &[]), Err(ProofRefuted::OldRootDiffers));
    }
    for (old, new) in [(none, none), (none, one), (one, one)] {
        let path = [TreeHash([0; 32])];
        assert_eq!(verify_consistency(&old, &new, &path), Err(ProofRefuted::PathLength { found: 1 }));
    }
}

#[test]
fn paths_are_those_of_the_classic_vectors() {
    let leaves = classic_leaves();
    let rows = Rows::of(&leaves);
    let text = |path: Vec<TreeHash>| path.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        text(prove_inclusion(&rows, LeafIndex(5), TreeSize(8)).unwrap()),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        text(prove_consistency(&rows, TreeSize(6), TreeSize(8)).unwrap()),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        text(prove_consistency(&rows, TreeSize(2), TreeSize(5)).unwrap()),
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ]
    );
}

/// Counts what is read.
struct Counted<'a> {
    rows: &'a Rows,
    read: RefCell<Vec<TileCoordinate>>,
}

impl HashSource for Counted<'_> {
    type Error = Missing;

    fn node(&self, at: TileCoordinate) -> Result<TreeHash, Missing> {
        self.read.borrow_mut().push(at);
        self.rows.node(at)
    }
}

#[test]
fn a_proof_over_several_rows_reads_from_two_tiles_of_each_and_no_hash_twice() {
    let leaves = leaves(65_536 * 2 + 256 * 77 + 201);
    let rows = Rows::of(&leaves);
    let head = rows.frontier.head();
    let places = [0, 1, 255, 256, 65_535, 65_536, 100_000, 131_071, 131_072, 150_783, 150_784, head.size.0 - 1];
    for place in places {
        let counted = Counted { rows: &rows, read: RefCell::default() };
        let path = prove_inclusion(&counted, LeafIndex(place), head.size).unwrap();
        let at = usize::try_from(place).unwrap();
        assert_eq!(verify_inclusion(&leaves[at], LeafIndex(place), &head, &path), Ok(()), "leaf {place}");
        assert_is_frugal(&counted.read.into_inner());
        let counted = Counted { rows: &rows, read: RefCell::default() };
        let path = prove_consistency(&counted, TreeSize(place), head.size).unwrap();
        let older = TreeHead { size: TreeSize(place), root: root_at(&rows, TreeSize(place)).unwrap() };
        assert_eq!(verify_consistency(&older, &head, &path), Ok(()), "from {place}");
        assert_is_frugal(&counted.read.into_inner());
    }
}

fn assert_is_frugal(read: &[TileCoordinate]) {
    let once: BTreeSet<TileCoordinate> = read.iter().copied().collect();
    assert_eq!(once.len(), read.len(), "no hash twice");
    let mut tiles: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
    for at in &once {
        tiles.entry(at.level).or_default().insert(at.tile());
    }
    assert!(tiles.values().all(|tiles| tiles.len() <= 2), "{tiles:?}");
}

#[test]
fn what_the_store_lacks_and_what_lies_beyond_the_log_is_no_proof() {
    let rows = Rows::of(&leaves(5));
    assert!(matches!(prove_inclusion(&rows, LeafIndex(5), TreeSize(5)), Err(ProofError::OutOfRange { .. })));
    assert!(matches!(prove_inclusion(&rows, LeafIndex(0), TreeSize(9)), Err(ProofError::Unreadable { .. })));
    assert!(matches!(prove_inclusion(&rows, LeafIndex(0), TreeSize(u64::MAX)), Err(ProofError::OutOfRange { .. })));
    assert!(matches!(prove_consistency(&rows, TreeSize(6), TreeSize(5)), Err(ProofError::OutOfRange { .. })));
    assert!(matches!(prove_consistency(&rows, TreeSize(1), TreeSize(u64::MAX)), Err(ProofError::OutOfRange { .. })));
    assert!(matches!(root_at(&rows, TreeSize(6)), Err(ProofError::Unreadable { .. })));
    assert!(matches!(root_at(&rows, TreeSize(u64::MAX)), Err(ProofError::OutOfRange { .. })));
}

/// A change of a path.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, usize, u8),
    Drop(Index),
    Repeat(Index),
    Swap(Index, Index),
    Push([u8; 32]),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 0..32_usize, 0..8_u8).prop_map(|(at, byte, bit)| Change::Flip(at, byte, bit)),
        any::<Index>().prop_map(Change::Drop),
        any::<Index>().prop_map(Change::Repeat),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Swap(a, b)),
        any::<[u8; 32]>().prop_map(Change::Push),
    ]
}

/// The changed path, if it is another one.
fn changed(path: &[TreeHash], change: &Change) -> Option<Vec<TreeHash>> {
    let mut other = path.to_vec();
    match change {
        Change::Push(hash) => other.push(TreeHash(*hash)),
        _ if path.is_empty() => {}
        Change::Flip(at, byte, bit) => other[at.index(path.len())].0[*byte] ^= 1 << bit,
        Change::Drop(at) => drop(other.remove(at.index(path.len()))),
        Change::Repeat(at) => other.insert(at.index(path.len()), path[at.index(path.len())]),
        Change::Swap(a, b) => other.swap(a.index(path.len()), b.index(path.len())),
    }
    (other != path).then_some(other)
}

proptest! {
    #[test]
    fn a_changed_path_shows_no_leaf(len in 1_u64..400, at: Index, change in change()) {
        let leaves = leaves(len);
        let at = at.index(leaves.len());
        let path = naive_path(at, &leaves);
        if let Some(other) = changed(&path, &change) {
            let verified = verify_inclusion(&leaves[at], LeafIndex(at as u64), &head(&leaves), &other);
            prop_assert!(verified.is_err());
        }
    }

    #[test]
    fn a_changed_path_shows_no_extension(len in 1_u64..400, old: Index, change in change()) {
        let leaves = leaves(len);
        let old = old.index(leaves.len()) + 1;
        let path = naive_subproof(old, &leaves, true);
        if let Some(other) = changed(&path, &change) {
            let verified = verify_consistency(&head(&leaves[..old]), &head(&leaves), &other);
            prop_assert!(verified.is_err());
        }
    }

    #[test]
    fn a_log_with_another_past_is_no_extension(len in 2_u64..200, old: Index, at: Index) {
        let mut leaves = leaves(len);
        let old = old.index(leaves.len() - 1) + 1;
        let older = head(&leaves[..old]);
        leaves[at.index(old)] = TreeHash([1; 32]);
        let path = naive_subproof(old, &leaves, true);
        prop_assert!(verify_consistency(&older, &head(&leaves), &path).is_err());
    }

    #[test]
    fn hostile_numbers_and_paths_are_refused(
        numbers in any::<[u64; 2]>(),
        path in proptest::collection::vec(any::<[u8; 32]>().prop_map(TreeHash), 0..70),
    ) {
        let head = |size| TreeHead { size: TreeSize(size), root: TreeHash([0; 32]) };
        let [a, b] = numbers;
        prop_assert!(verify_inclusion(&TreeHash([1; 32]), LeafIndex(a), &head(b), &path).is_err());
        prop_assert!(verify_consistency(&head(a), &head(b), &path).is_err() || (a == b && path.is_empty()));
    }
}

#[test]
fn the_largest_numbers_are_walked_to_the_end() {
    let head = |size| TreeHead { size: TreeSize(size), root: TreeHash([0; 32]) };
    for len in 0..70 {
        let path = vec![TreeHash([5; 32]); len];
        for leaf in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            assert!(verify_inclusion(&TreeHash([1; 32]), LeafIndex(leaf), &head(u64::MAX), &path).is_err());
            let old = head(leaf);
            assert!(leaf == u64::MAX || verify_consistency(&old, &head(u64::MAX), &path).is_err());
        }
    }
}
