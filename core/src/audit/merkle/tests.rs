//! The tree against its definition, and against the vectors that every log of RFC 6962 is tested with.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::audit::proof::HashSource;

/// RFC 6962 §2.1 word for word, over leaf hashes held in memory.
pub(in crate::audit) fn naive(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node_hash(&naive(&leaves[..k]), &naive(&leaves[k..]))
        }
    }
}

/// So many leaves, each another one.
pub(in crate::audit) fn leaves(count: u64) -> Vec<TreeHash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

pub(in crate::audit) fn head(leaves: &[TreeHash]) -> TreeHead {
    TreeHead { size: TreeSize(leaves.len() as u64), root: naive(leaves) }
}

/// What a store has: the leaves and what appends told of, and nothing else.
#[derive(Default)]
pub(in crate::audit) struct Rows {
    pub(in crate::audit) frontier: Frontier,
    pub(in crate::audit) hashes: BTreeMap<TileCoordinate, TreeHash>,
}

#[derive(Debug, thiserror::Error)]
#[error("no hash at {0:?}")]
pub(in crate::audit) struct Missing(TileCoordinate);

impl Rows {
    pub(in crate::audit) fn append(&mut self, leaf: TreeHash) -> Appended {
        let appended = self.frontier.append(leaf).unwrap();
        self.hashes.insert(TileCoordinate::leaf(appended.leaf), leaf);
        for (at, hash) in &appended.complete {
            assert!(self.hashes.insert(*at, *hash).is_none(), "told once");
        }
        appended
    }

    pub(in crate::audit) fn of(leaves: &[TreeHash]) -> Self {
        let mut rows = Self::default();
        for leaf in leaves {
            rows.append(*leaf);
        }
        rows
    }
}

impl HashSource for Rows {
    type Error = Missing;

    fn node(&self, at: TileCoordinate) -> Result<TreeHash, Missing> {
        self.hashes.get(&at).copied().ok_or(Missing(at))
    }
}

/// The inputs of the tests of Certificate Transparency.
pub(in crate::audit) fn classic_leaves() -> Vec<TreeHash> {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    inputs.iter().map(|input| leaf_hash(&hex::decode(input).unwrap())).collect()
}

#[test]
fn roots_are_those_of_the_classic_vectors() {
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root().to_string(), roots[0]);
    for (leaf, root) in classic_leaves().iter().zip(&roots[1..]) {
        frontier.append(*leaf).unwrap();
        assert_eq!(frontier.root().to_string(), *root);
    }
}

#[test]
fn the_frontier_has_the_root_of_the_definition_at_every_size() {
    let leaves = leaves(600);
    let mut frontier = Frontier::new();
    for (number, leaf) in (0..).zip(&leaves) {
        assert_eq!(frontier.append(*leaf).unwrap().leaf, LeafIndex(number));
        let size = frontier.size();
        assert_eq!(frontier.head(), head(&leaves[..usize::try_from(size.0).unwrap()]), "{size} leaves");
        assert_eq!(Frontier::decode(&frontier.encode()), Ok(frontier.clone()));
    }
}

#[test]
fn appends_tell_of_every_hash_above_the_leaves_as_soon_as_it_is_complete() {
    let leaves = leaves(65_536 + 300);
    let mut rows = Rows::default();
    for (number, leaf) in (1_u64..).zip(&leaves) {
        let complete = rows.append(*leaf).complete;
        let levels = [256, 65_536].iter().filter(|width| number % **width == 0).count();
        assert_eq!(complete.len(), levels, "after {number} leaves");
    }
    let above = rows.hashes.iter().filter(|(at, _)| at.level > 0);
    let mut count = 0;
    for (at, hash) in above {
        let width = 256_usize.pow(at.level.into());
        let begin = usize::try_from(at.index).unwrap() * width;
        assert_eq!(*hash, naive(&leaves[begin..begin + width]), "{at:?}");
        count += 1;
    }
    assert_eq!(count, 257 + 1);
}

#[test]
fn a_hash_lies_in_the_tile_that_its_place_names() {
    let at = TileCoordinate { level: 1, index: 0x1234 };
    assert_eq!((at.tile(), at.place_in_tile()), (0x12, 0x34));
}

#[test]
fn a_full_log_takes_no_more() {
    let mut bytes = vec![1];
    bytes.extend_from_slice(&TREE_SIZE_MAX.to_be_bytes());
    bytes.extend_from_slice(&[7; 63 * 32]);
    let mut frontier = Frontier::decode(&bytes).unwrap();
    let before = frontier.clone();
    assert_eq!(frontier.append(TreeHash([0; 32])), Err(LogFull));
    assert_eq!(frontier, before);
}

#[test]
fn the_last_append_completes_seven_rows() {
    let mut bytes = vec![1];
    bytes.extend_from_slice(&((1_u64 << 62) - 1).to_be_bytes());
    bytes.extend_from_slice(&[7; 62 * 32]);
    let mut frontier = Frontier::decode(&bytes).unwrap();
    let levels: Vec<u8> = frontier.append(TreeHash([0; 32])).unwrap().complete.iter().map(|(at, _)| at.level).collect();
    assert_eq!(levels, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_frontier_has_one_encoding() {
    let whole = Rows::of(&leaves(11)).frontier.encode();
    assert_eq!(whole.len(), 9 + 3 * 32);
    for len in 0..whole.len() {
        assert!(Frontier::decode(&whole[..len]).is_err(), "cut to {len}");
    }
    assert!(Frontier::decode(&[&whole[..], &[0]].concat()).is_err());
    assert!(Frontier::decode(&[&[2], &whole[1..]].concat()).is_err());
    assert!(Frontier::decode(&[&[1], &[255; 8][..], &[0; 64 * 32]].concat()).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_frontier_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frontier) = Frontier::decode(&bytes) {
            prop_assert_eq!(frontier.encode(), bytes);
            let _ = frontier.root();
        }
    }
}
