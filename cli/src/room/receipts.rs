//! Receipts: the depot's signed word that it holds the packs of an upload durably.
//!
//! Owns the depot's signing key of this room, which is read for a moment and leaves it no other way, and the rule that
//! the depot signs only for packs that it has, with the sizes that the head gives. Whether their bytes are the right ones
//! is asked by the scrub, which needs no key. What is signed is [`strongroom_core::receipt`]'s to say.

use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::manifest::PackRef;
use strongroom_core::receipt::Receipt;
use strongroom_core::seal::{SIGNATURE_LEN, SigningKey};
use strongroom_platform::disk::{Disk, durable_replace};
use zeroize::Zeroizing;

use super::{Room, paths};
use crate::failure::{Attempt as _, Failure};

/// A key file's text: 64 hexadecimal digits and the end of the line.
const KEY_BYTES_MAX: u64 = 80;

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

    /// The depot's signature under a receipt for packs, if it has all of them.
    pub(super) fn sign_receipt(&self, receipt: &Receipt, packs: &[PackRef]) -> Result<[u8; SIGNATURE_LEN], Failure> {
        for pack in packs {
            let what = || format!("the depot can't give a receipt for pack {}", pack.pack);
            let found = self.backend().open_pack(pack.pack).and_then(|file| file.bytes()).attempt(what)?;
            if found != pack.bytes {
                return Err(Failure::new(Code::Damaged, format!("{}: it has {found} bytes", what())));
            }
        }
        receipt.sign(&self.depot_key()?).attempt(|| "the depot can't sign a receipt")
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
