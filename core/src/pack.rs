//! Packs: immutable sealed files of frames. Sans-I/O: bytes go in and come out.
//!
//! ```text
//!   ┌────────┬─────────┬─────┬─────────┬────────┬─────────┬─────────┬──────┐
//!   │ header │ frame 0 │  …  │ frame n │ footer │ padding │ trailer │ root │
//!   └────────┴─────────┴─────┴─────────┴────────┴─────────┴─────────┴──────┘
//!     clear    └──────────────── sealed, one data key ────────────┘   clear
//!
//!   header   who can open it, where it belongs, the wrapped data key; fixed length per profile
//!   footer   the directory: lengths of frames, kinds and hints of objects
//!   padding  zeros, sealed, so that the size of the file says little
//!   trailer  where footer and padding lie; fixed length, so that the end of the file is enough to begin with
//!   root     Merkle root over all bytes before it: a scrub needs no key
//! ```
//!
//! A pack is begun with a fresh data key, written once from start to end, and never sealed again: after a crash it is
//! dropped and its contents go into another pack under another key. The agent's image is the same format under a
//! host-bound key. Everything read is hostile until its seal opened; the reader computes object ids anew and believes
//! no hint.

mod directory;
mod header;
mod padding;
mod reader;
mod writer;

pub use directory::{Directory, DirectoryEntry, FrameInfo};
pub use header::{PackHeader, PackIdentity};
pub use padding::padded_len;
pub use reader::{OpenPack, PackReader, Trailer, check_root};
pub use writer::{FrameNumber, PackWriter, SealedPack};

use crate::codec::Malformed;
use crate::error::Code;
use crate::id::KeyId;
use crate::seal::SealError;

/// Length of the clear Merkle root at the end.
pub const ROOT_LEN: usize = 32;

/// A pack can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The bytes are not those of a pack.
    #[error("not a pack")]
    NotAPack,
    /// A later version of the format.
    #[error("pack of unknown version {found}")]
    UnknownVersion {
        /// The version that the header states.
        found: u16,
    },
    /// The pack uses what this reader doesn't know.
    #[error("the pack needs features {flags:#010x} that this program does not know")]
    UnknownFeature {
        /// The unknown incompatible flags.
        flags: u32,
    },
    /// The key at hand is not the one that the header names.
    #[error("the pack is sealed under key {needed}, which is not at hand")]
    WrongKey {
        /// The key that would open it.
        needed: KeyId,
    },
    /// The bytes were changed, cut off or put together from several packs.
    #[error("the pack is damaged: {what}")]
    Damaged {
        /// The part that shows it.
        what: &'static str,
    },
    /// The writer was given more than a pack can hold.
    #[error("a pack can't hold more {what}")]
    Full {
        /// What there is too much of.
        what: &'static str,
    },
    /// The recipient's key is of another profile than the pack.
    #[error("the key belongs to another profile of the format")]
    WrongProfile,
    /// Sealing failed.
    #[error(transparent)]
    Seal(SealError),
    /// The compression library failed, which it only does without memory.
    #[error("compression failed")]
    Compression(#[source] std::io::Error),
}

impl PackError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotAPack | Self::UnknownVersion { .. } | Self::UnknownFeature { .. } => Code::UnknownFormat,
            Self::WrongKey { .. } => Code::WrongKey,
            Self::Damaged { .. } => Code::Damaged,
            Self::Seal(error) => error.code(),
            Self::Full { .. } | Self::WrongProfile | Self::Compression(_) => Code::Internal,
        }
    }
}

impl From<SealError> for PackError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::WrongKey { needed } => Self::WrongKey { needed },
            SealError::Damaged { what } => Self::Damaged { what },
            other => Self::Seal(other),
        }
    }
}

impl From<Malformed> for PackError {
    fn from(malformed: Malformed) -> Self {
        Self::Damaged { what: malformed.what }
    }
}

/// The parts of a pack that are sealed, with the number that enters nonce and associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Frame(u32),
    Footer,
    Padding,
    Trailer,
}

impl Part {
    const fn kind(self) -> u8 {
        match self {
            Self::Frame(_) => 1,
            Self::Footer => 2,
            Self::Padding => 3,
            Self::Trailer => 4,
        }
    }

    /// Frames count from zero; the other parts take the highest numbers, which no frame reaches.
    const fn number(self) -> u64 {
        match self {
            Self::Frame(number) => number as u64,
            Self::Footer => u64::MAX - 2,
            Self::Padding => u64::MAX - 1,
            Self::Trailer => u64::MAX,
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Frame(_) => "frame",
            Self::Footer => "footer",
            Self::Padding => "padding",
            Self::Trailer => "trailer",
        }
    }
}

#[cfg(test)]
mod tests;
