//! A signed head by itself: the bytes of a manifest up to its body.
//!
//! Owns the check of a head whose body is elsewhere, for those who keep the catalogue. The signature is over the same
//! bytes as that of the file, so one signature serves both; the body stays bound by its hash in the head.

use super::head::ManifestHead;
use super::{MAGIC, ManifestError};
use crate::codec::Reader;
use crate::id::{HeadHash, SourceId};
use crate::seal::{SIGNATURE_LEN, VerifyingKey};

/// A head that its source signed. Its place in the chain is for the caller to check.
#[derive(Clone, Debug)]
pub struct SignedHead {
    head: ManifestHead,
    hash: HeadHash,
    bytes: u64,
}

impl SignedHead {
    /// The bytes of a manifest file that come before the body, if it has them.
    pub fn of_manifest(manifest: &[u8]) -> Option<&[u8]> {
        let len = manifest.strip_prefix(MAGIC)?.first_chunk::<4>().copied()?;
        let head = usize::try_from(u32::from_be_bytes(len)).ok()?;
        manifest.get(..(MAGIC.len() + len.len() + SIGNATURE_LEN).checked_add(head)?)
    }

    /// The source that the head claims to be of, to find the key to check it with.
    pub fn claimed_source(bytes: &[u8]) -> Result<SourceId, ManifestError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ManifestError::NotAManifest)?;
        let mut reader = Reader::new(rest, "signed head");
        let len = reader.u32()? as usize;
        Ok(ManifestHead::decode(reader.take(len)?)?.source)
    }

    /// Reads the bytes and checks the signature against the source's key. All bytes must be used.
    pub fn verify(bytes: &[u8], signer: &VerifyingKey) -> Result<Self, ManifestError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ManifestError::NotAManifest)?;
        let mut reader = Reader::new(rest, "signed head");
        let len = reader.u32()? as usize;
        let head = ManifestHead::decode(reader.take(len)?)?;
        let under_signature = bytes.get(..bytes.len() - reader.remaining()).unwrap_or_default();
        let signature = reader.take(SIGNATURE_LEN)?;
        reader.finish()?;
        if head.signer != signer.id() {
            return Err(ManifestError::UnknownSigner { signer: head.signer });
        }
        if !signer.verifies(under_signature, signature) {
            return Err(ManifestError::BadSignature { signer: head.signer });
        }
        let hash = head.hash();
        Ok(Self { head, hash, bytes: bytes.len() as u64 })
    }

    /// The head's facts.
    pub const fn head(&self) -> &ManifestHead {
        &self.head
    }

    /// The name under which the next head knows this one.
    pub const fn hash(&self) -> HeadHash {
        self.hash
    }

    /// Bytes of the whole manifest, body included.
    pub const fn manifest_bytes(&self) -> u64 {
        self.bytes.saturating_add(self.head.body_bytes)
    }
}
