//! Manifests: one file a snapshot, with a clear signed head and a sealed body.
//!
//! ```text
//!   magic (8)  head length (4)  head  signature (64)  sealed body
//!   53 52 4d 41 4e 49 0d 0a     clear                 AES-256-GCM under a data key of its own
//! ```
//!
//! The head carries opaque ids, roots, sizes and the list of packs needed, as a difference from its predecessor: enough
//! to rebuild a catalogue and to collect garbage without any key. It is signed by the source's key and chained by
//! sequence and hash. Names, schemas and counts by name are in the body, whose hash the head states.
//!
//! ```text
//!   bytes ──parse──► UnverifiedManifest ──verify(signers, predecessor)──► VerifiedManifest ──open_body(keys)──► body
//! ```
//!
//! Only a verified manifest gives its head away as fact; the unverified one says so in its name.

mod body;
mod head;
mod packs;
mod seal;
mod signed;
mod verify;

pub use body::{BlobEntry, ClassEntry, ClockReadings, Finding, IntegrationState, ManifestBody, NodeRef, Severity};
pub use head::{ClassHead, ClassTags, Interval, ManifestHead, PackRef, SnapshotTotals};
pub use packs::NeededPacks;
pub use seal::{ManifestDraft, SealedManifest, snapshot_root};
pub use signed::SignedHead;
pub use verify::{Predecessor, UnverifiedManifest, VerifiedManifest};

use crate::codec::Malformed;
use crate::error::Code;
use crate::id::{KeyId, PackId};
use crate::seal::SealError;

const MAGIC: &[u8; 8] = b"SRMANI\r\n";

/// A manifest can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are not those of a manifest.
    #[error("not a manifest")]
    NotAManifest,
    /// A later version of the format.
    #[error("manifest of unknown version {found}")]
    UnknownVersion {
        /// The version that the head or body states.
        found: u32,
    },
    /// The manifest uses what this reader doesn't know.
    #[error("the manifest needs features {flags:#010x} that this program does not know")]
    UnknownFeature {
        /// The unknown incompatible flags.
        flags: u32,
    },
    /// The head is signed by a key that is not registered for the source.
    #[error("the manifest is signed by key {signer}, which is not registered for its source")]
    UnknownSigner {
        /// The key that the head names.
        signer: KeyId,
    },
    /// The signature is not that of the head.
    #[error("the manifest's signature is not that of key {signer}")]
    BadSignature {
        /// The key that the head names.
        signer: KeyId,
    },
    /// The head does not follow its predecessor.
    #[error(
        "manifest {found} does not follow its predecessor: expected sequence {expected} and the predecessor's hash"
    )]
    BrokenChain {
        /// The sequence that comes next.
        expected: u64,
        /// The sequence of the head.
        found: u64,
    },
    /// The head drops a pack that no head before it has added, or adds one again.
    #[error("the manifest's list of packs does not continue its predecessor's at pack {pack}")]
    BrokenPackList {
        /// The pack that does not fit.
        pack: PackId,
    },
    /// The key at hand is not the one that the head names.
    #[error("the manifest's body is sealed under key {needed}, which is not at hand")]
    WrongKey {
        /// The key that would open it.
        needed: KeyId,
    },
    /// The bytes were changed or cut off.
    #[error("the manifest is damaged: {what}")]
    Damaged {
        /// The part that shows it.
        what: &'static str,
    },
    /// Recipient, signing key and scope are not of one profile.
    #[error("the keys belong to another profile of the format")]
    WrongProfile,
    /// The body is longer than readers accept.
    #[error("a manifest's body of {bytes} bytes is longer than the format allows")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Sealing or signing failed.
    #[error(transparent)]
    Seal(SealError),
    /// The body can't be expressed as JSON.
    #[error("the manifest's body can't be written")]
    Encoding(#[source] serde_json::Error),
    /// The compression library failed, which it only does without memory.
    #[error("compression failed")]
    Compression(#[source] std::io::Error),
}

impl ManifestError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotAManifest | Self::UnknownVersion { .. } | Self::UnknownFeature { .. } => Code::UnknownFormat,
            Self::WrongKey { .. } => Code::WrongKey,
            Self::UnknownSigner { .. }
            | Self::BadSignature { .. }
            | Self::BrokenChain { .. }
            | Self::BrokenPackList { .. }
            | Self::Damaged { .. } => Code::Damaged,
            Self::Seal(error) => error.code(),
            Self::WrongProfile | Self::TooLong { .. } | Self::Encoding(_) | Self::Compression(_) => Code::Internal,
        }
    }
}

impl From<SealError> for ManifestError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::WrongKey { needed } => Self::WrongKey { needed },
            SealError::Damaged { what } => Self::Damaged { what },
            other => Self::Seal(other),
        }
    }
}

impl From<Malformed> for ManifestError {
    fn from(malformed: Malformed) -> Self {
        Self::Damaged { what: malformed.what }
    }
}

#[cfg(test)]
mod tests;
