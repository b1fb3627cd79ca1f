//! Sealing: who may open what, in code.
//!
//! Owns the primitives and the keys of `KEYS-AND-TREES.md` §1: HPKE to a domain's epoch key, authenticated encryption
//! under a data key that is used for one pack only, the keyring that keeps the epochs' private keys wrapped, and the
//! signatures of manifest heads. Nothing here reads a file or draws its own randomness; secrets are wiped when dropped
//! and never printed.
//!
//! ```text
//!   key service ──unwrap──► epoch private key ──HPKE open──► data key ──AES-256-GCM──► frames of one pack
//!   (key file, token …)     (keyring, keys/)                 (pack header)
//!
//!   agent: epoch public key ──HPKE seal──► data key of a new pack          seals, and opens nothing that left the host
//!          host key         ──AES-256-GCM─► data key of an image pack      opens on the host alone
//! ```
//!
//! What is sealed is bound to its [`Scope`]: format, home domain, environment and allowed places. Bytes that were moved
//! to another place, pack or position do not open.

mod aead;
pub mod hpke;
mod keyfile;
mod keyring;
mod keys;
mod scope;
mod scratch;
mod service;
mod sign;

pub use aead::OpeningKey;
pub(crate) use aead::{Aead, aead_overhead};
pub use keyfile::{KeyFileError, MasterKey, PassphraseCost};
pub use keyring::{Keyring, KeyringError, OpenKeyring, Recovery};
pub use keys::{EpochNumber, EpochPrivateKey, EpochPublicKey, HostKey, OpensDataKeys, Recipient, WrapKind, WrappedKey};
pub(crate) use keys::{new_data_key, wrapped_len};
pub use scope::Scope;
pub use scratch::{ScratchKey, ScratchKeyError};
pub use service::{KeyService, KeyServiceError, ServiceKind};
pub use sign::{SIGNATURE_LEN, SigningKey, VerifyingKey};

use crate::entropy::EntropyError;
use crate::error::Code;
use crate::id::KeyId;

/// Sealing or opening did not happen.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key at hand is not the one that the sealed bytes ask for.
    #[error("sealed under key {needed}, which is not at hand")]
    WrongKey {
        /// The key that would open.
        needed: KeyId,
    },
    /// The key fits and the bytes do not: they were changed, or belong to another place.
    #[error("{what} does not open: it was changed or belongs elsewhere")]
    Damaged {
        /// What was to be opened.
        what: &'static str,
    },
    /// A key that can't be one.
    #[error("{what} is not a usable key")]
    BadKey {
        /// Which key.
        what: &'static str,
    },
    /// The cryptographic library refused an operation that can't fail on sound input.
    #[error("the cryptographic library refused to {action}")]
    Refused {
        /// What was asked of it.
        action: &'static str,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl SealError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::WrongKey { .. } => Code::WrongKey,
            Self::Damaged { .. } | Self::BadKey { .. } => Code::Damaged,
            Self::Refused { .. } | Self::Entropy(_) => Code::Internal,
        }
    }
}
