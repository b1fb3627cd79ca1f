//! The file `format`: what a depot is.
//!
//! ```text
//!   {"format": "strongroom depot", "version": 1, "profile": "blake3", "domain": "…",
//!    "compatible": 0, "read_only": 0, "incompatible": 0}
//! ```
//!
//! Three flag words, as in packs: what a reader may ignore, what a reader may ignore as long as it changes nothing, and
//! what it must know. Written once, when the depot is made.

use serde::{Deserialize, Serialize};
use strongroom_core::digest::Profile;
use strongroom_core::error::Code;
use strongroom_core::id::DomainId;

const FORMAT: &str = "strongroom depot";
const VERSION: u64 = 1;

/// What a depot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepotFormat {
    /// The algorithms in use.
    pub profile: Profile,
    /// Whose packs it holds.
    pub domain: DomainId,
}

/// The file `format` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// There is no depot here.
    #[error("there is no depot here")]
    NoDepot,
    /// The file is not one of ours.
    #[error("this folder holds something else than a depot")]
    NotADepot,
    /// A later version.
    #[error("depot of unknown version {found}")]
    UnknownVersion {
        /// The version that the file states.
        found: u64,
    },
    /// The depot uses what this program doesn't know.
    #[error("the depot needs features {flags:#010x} that this program does not know")]
    UnknownFeature {
        /// The unknown flags.
        flags: u32,
    },
    /// The file breaks its format.
    #[error("the depot's format file is damaged")]
    Damaged,
}

impl FormatError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::NoDepot => Code::NoRoom,
            Self::NotADepot | Self::UnknownVersion { .. } | Self::UnknownFeature { .. } => Code::UnknownFormat,
            Self::Damaged => Code::Damaged,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: String,
    version: u64,
    profile: Profile,
    domain: DomainId,
    compatible: u32,
    read_only: u32,
    incompatible: u32,
}

impl DepotFormat {
    /// The file's content.
    pub fn to_json(&self) -> Result<Vec<u8>, FormatError> {
        let document = Document {
            format: FORMAT.into(),
            version: VERSION,
            profile: self.profile,
            domain: self.domain,
            compatible: 0,
            read_only: 0,
            incompatible: 0,
        };
        let mut json = serde_json::to_vec_pretty(&document).map_err(|_| FormatError::Damaged)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads the file's content. Unknown read-only flags are refused too: whoever opens a depot may write to it.
    pub fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let envelope: Envelope = serde_json::from_slice(json).map_err(|_| FormatError::NotADepot)?;
        if envelope.format != FORMAT {
            return Err(FormatError::NotADepot);
        }
        if envelope.version != VERSION {
            return Err(FormatError::UnknownVersion { found: envelope.version });
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| FormatError::Damaged)?;
        let unknown = document.read_only | document.incompatible;
        if unknown != 0 {
            return Err(FormatError::UnknownFeature { flags: unknown });
        }
        Ok(Self { profile: document.profile, domain: document.domain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_foreign_later_and_damaged_depots_apart() {
        let format = DepotFormat { profile: Profile::Fips, domain: DomainId([1; 16]) };
        let json = String::from_utf8(format.to_json().unwrap()).unwrap();
        assert_eq!(DepotFormat::from_json(json.as_bytes()).unwrap(), format);
        let read = |from: &str, to: &str| DepotFormat::from_json(json.replace(from, to).as_bytes()).unwrap_err();
        assert!(matches!(read("strongroom", "weakroom"), FormatError::NotADepot));
        assert!(matches!(read("\"version\": 1", "\"version\": 7"), FormatError::UnknownVersion { found: 7 }));
        assert!(matches!(read("\"incompatible\": 0", "\"incompatible\": 4"), FormatError::UnknownFeature { flags: 4 }));
        assert!(matches!(read("\"fips\"", "\"rot13\""), FormatError::Damaged));
        assert!(matches!(DepotFormat::from_json(b"\0\0"), Err(FormatError::NotADepot)));
    }
}
