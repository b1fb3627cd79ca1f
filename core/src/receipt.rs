//! Receipts: what a depot signs when it says that it holds packs durably.
//!
//! ```text
//!   root      Merkle root over the packs, ascending by id:   pack id 16, root over its ciphertext 32
//!   signed    "strongroom v1 receipt" 00   profile 1   depot 16   source 16   epoch 8   count 4   root 32
//! ```
//!
//! Owns the bytes under the signature; numbers are big-endian. One receipt stands for all packs of one upload in one
//! depot, and names each with the root over its ciphertext, so that possession can be challenged with paths later. Which
//! key a depot signs with, and what a receipt is worth, is not known here.

use crate::digest::Profile;
use crate::id::{DepotId, MerkleRoot, PackId, SourceId};
use crate::merkle::MerkleHasher;
use crate::seal::{SIGNATURE_LEN, SealError, SigningKey, VerifyingKey};

const LABEL: &[u8] = b"strongroom v1 receipt\0";

/// What a depot says of one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The profile of the format.
    pub profile: Profile,
    /// The depot.
    pub depot: DepotId,
    /// The source that the packs belong to.
    pub source: SourceId,
    /// The epoch of the upload that brought them.
    pub epoch: u64,
    /// How many packs there are.
    pub count: u32,
    /// The root over them: [`packs_root`].
    pub root: MerkleRoot,
}

/// The root over packs, each with the root over its ciphertext. They must ascend by id.
pub fn packs_root(profile: Profile, packs: &[(PackId, MerkleRoot)]) -> MerkleRoot {
    let mut hasher = MerkleHasher::new(profile);
    for (pack, root) in packs {
        hasher.update(&pack.0);
        hasher.update(&root.0);
    }
    hasher.finish()
}

impl Receipt {
    /// A depot's word for packs, each with the root over its ciphertext. They must ascend by id.
    pub fn over(
        profile: Profile,
        depot: DepotId,
        source: SourceId,
        epoch: u64,
        packs: &[(PackId, MerkleRoot)],
    ) -> Self {
        let (count, root) = (u32::try_from(packs.len()).unwrap_or(u32::MAX), packs_root(profile, packs));
        Self { profile, depot, source, epoch, count, root }
    }

    /// Signs it with the depot's key.
    pub fn sign(&self, key: &SigningKey) -> Result<[u8; SIGNATURE_LEN], SealError> {
        key.sign(&self.message())
    }

    /// Whether this key signed it.
    pub fn is_signed_by(&self, key: &VerifyingKey, signature: &[u8]) -> bool {
        key.verifies(&self.message(), signature)
    }

    fn message(&self) -> Vec<u8> {
        let mut message = LABEL.to_vec();
        message.push(match self.profile {
            Profile::Blake3 => 0,
            Profile::Fips => 1,
        });
        message.extend_from_slice(&self.depot.0);
        message.extend_from_slice(&self.source.0);
        message.extend_from_slice(&self.epoch.to_be_bytes());
        message.extend_from_slice(&self.count.to_be_bytes());
        message.extend_from_slice(&self.root.0);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(profile: Profile) -> Receipt {
        let packs = [(PackId([1; 16]), MerkleRoot([3; 32])), (PackId([2; 16]), MerkleRoot([4; 32]))];
        Receipt::over(profile, DepotId([5; 16]), SourceId([6; 16]), 7, &packs)
    }

    #[test]
    fn a_signature_is_good_for_its_own_receipt_alone() {
        for profile in [Profile::Blake3, Profile::Fips] {
            let key = SigningKey::from_seed(profile, &[9; 32]).unwrap();
            let receipt = receipt(profile);
            let signature = receipt.sign(&key).unwrap();
            assert!(receipt.is_signed_by(key.verifying_key(), &signature));
            let others = [
                Receipt { depot: DepotId([6; 16]), ..receipt },
                Receipt { source: SourceId([5; 16]), ..receipt },
                Receipt { epoch: 8, ..receipt },
                Receipt { count: 3, ..receipt },
                Receipt { root: MerkleRoot([0; 32]), ..receipt },
            ];
            assert!(others.iter().all(|other| !other.is_signed_by(key.verifying_key(), &signature)));
        }
    }

    #[test]
    fn the_root_names_each_pack_with_its_ciphertext() {
        let root = |pack: u8, root: u8| packs_root(Profile::Blake3, &[(PackId([pack; 16]), MerkleRoot([root; 32]))]);
        assert!(root(1, 1) != root(2, 1) && root(1, 1) != root(1, 2));
    }

    #[test]
    fn the_signed_bytes_are_those_of_the_description() {
        let receipt = receipt(Profile::Blake3);
        let message = receipt.message();
        assert_eq!((receipt.count, &message[67..]), (2, &receipt.root.0[..]));
        assert_eq!(message.len(), 22 + 1 + 16 + 16 + 8 + 4 + 32);
        assert_eq!(&message[..23], b"strongroom v1 receipt\0\0");
        assert_eq!(&message[55..67], [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2]);
    }
}
