//! Receipts: the depot's signed word that it holds the packs of an upload durably, and the check of that word.
//!
//! ```text
//!   packs      each: pack id 16 · bytes 8 · root over its ciphertext 32; ascending by id
//!   root       Merkle root over the packs
//!   signed     hash of "receipt" over: depot id 16 · source id 16 · epoch 8 · root 32
//! ```
//!
//! Owns the depot's signing key of this room, which is read for a moment and leaves it no other way, and the rule that
//! the depot signs only for packs that it has, with the sizes that the head gives. Whether their bytes are the right ones
//! is asked by the scrub, which needs no key.

use strongroom_core::digest::Profile;
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::id::{DepotId, MerkleRoot, SourceId};
use strongroom_core::manifest::PackRef;
use strongroom_core::merkle::{labelled_hash, merkle_root};
use strongroom_core::seal::{SIGNATURE_LEN, SigningKey, VerifyingKey};
use strongroom_platform::disk::{Disk, durable_replace};
use zeroize::Zeroizing;

use super::{Room, paths};
use crate::failure::{Attempt as _, Failure};

/// A key file's text: 64 hexadecimal digits and the end of the line.
const KEY_BYTES_MAX: u64 = 80;

/// What a receipt is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipted {
    /// The depot.
    pub(super) depot: DepotId,
    /// The source.
    pub(super) source: SourceId,
    /// The epoch of the upload.
    pub(super) epoch: u64,
    /// The root over the packs.
    pub(super) root: MerkleRoot,
}

impl Receipted {
    fn message(&self, profile: Profile) -> [u8; 32] {
        let epoch = self.epoch.to_be_bytes();
        let bytes = [self.depot.as_bytes(), self.source.as_bytes(), &epoch[..], self.root.as_bytes()].concat();
        labelled_hash(profile, "receipt", &bytes)
    }

    /// Whether the depot whose key it is signed this.
    pub(super) fn is_signed_by(&self, key: &VerifyingKey, profile: Profile, signature: &[u8]) -> bool {
        key.verifies(&self.message(profile), signature)
    }
}

/// The root over packs that ascend by id.
pub(super) fn root_of(profile: Profile, packs: &[PackRef]) -> MerkleRoot {
    let of_pack = |pack: &PackRef| [&pack.pack.0[..], &pack.bytes.to_be_bytes(), pack.root.as_bytes()].concat();
    merkle_root(profile, &packs.iter().flat_map(of_pack).collect::<Vec<u8>>())
}

impl Room {
    /// Draws the key with which the depot of a new room signs.
    pub(super) fn make_depot_key(&self) -> Result<(), Failure> {
        let what = || "can't make the depot's key";
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(random_array(self.entropy()).attempt(what)?);
        let text = Zeroizing::new(format!("{}\n", hex::encode(*seed)));
        durable_replace(self.disk(), paths::DEPOT_KEY, text.as_bytes()).attempt(what)
    }

    /// The key with which the depot signs.
    pub(super) fn depot_key(&self) -> Result<SigningKey, Failure> {
        let seed = read_key(self.disk().as_ref(), paths::DEPOT_KEY, "the depot's key")?;
        SigningKey::from_seed(self.settings().profile, &seed).attempt(|| "the depot's key can't be used")
    }

    /// The depot's signature under a receipt, if it has all packs.
    pub(super) fn sign_receipt(
        &self,
        receipted: &Receipted,
        packs: &[PackRef],
    ) -> Result<[u8; SIGNATURE_LEN], Failure> {
        for pack in packs {
            let what = || format!("the depot can't give a receipt for pack {}", pack.pack);
            let found = self.backend().open_pack(pack.pack).and_then(|file| file.bytes()).attempt(what)?;
            if found != pack.bytes {
                return Err(Failure::new(Code::Damaged, format!("{}: it has {found} bytes", what())));
            }
        }
        let message = receipted.message(self.settings().profile);
        self.depot_key()?.sign(&message).attempt(|| "the depot can't sign a receipt")
    }
}

/// Reads a key file of this host.
pub(super) fn read_key(disk: &dyn Disk, path: &str, what: &str) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let text = disk.read(path, KEY_BYTES_MAX).attempt(|| format!("can't read {what}"))?;
    let text = Zeroizing::new(String::from_utf8(text).unwrap_or_default());
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_end(), &mut *bytes)
        .map_err(|_| Failure::new(Code::Damaged, format!("{path} is no key")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use strongroom_core::id::PackId;

    use super::*;

    fn pack(number: u8) -> PackRef {
        PackRef { pack: PackId([number; 16]), bytes: number.into(), root: MerkleRoot([number; 32]) }
    }

    #[test]
    fn a_receipt_is_worth_nothing_for_anything_else_than_it_names() {
        for profile in [Profile::Blake3, Profile::Fips] {
            let key = SigningKey::from_seed(profile, &[7; 32]).unwrap();
            let root = root_of(profile, &[pack(1), pack(2)]);
            let given = Receipted { depot: DepotId([1; 16]), source: SourceId([2; 16]), epoch: 3, root };
            let signature = key.sign(&given.message(profile)).unwrap();
            assert!(given.is_signed_by(key.verifying_key(), profile, &signature));
            let others = [
                Receipted { depot: DepotId([9; 16]), ..given },
                Receipted { source: SourceId([9; 16]), ..given },
                Receipted { epoch: 4, ..given },
                Receipted { root: root_of(profile, &[pack(1), pack(3)]), ..given },
            ];
            for other in others {
                assert!(!other.is_signed_by(key.verifying_key(), profile, &signature), "{other:?}");
            }
        }
    }

    #[test]
    fn a_pack_of_another_size_or_content_has_another_root() {
        let root = root_of(Profile::Blake3, &[pack(1)]);
        let changed = [PackRef { bytes: 9, ..pack(1) }, PackRef { root: MerkleRoot([9; 32]), ..pack(1) }];
        assert!(changed.iter().all(|pack| root_of(Profile::Blake3, &[*pack]) != root));
    }
}
