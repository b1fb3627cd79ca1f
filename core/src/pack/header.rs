//! The clear header of a pack.
//!
//! ```text
//!   magic          8   53 52 50 41 43 4b 0d 0a  "SRPACK\r\n"
//!   version        2   1
//!   compatible     4   flags that any reader may ignore; none yet
//!   read-only      4   flags that a reader may ignore, since it changes nothing; none yet
//!   incompatible   4   bit 0: FIPS profile
//!   pack id       16
//!   source id     16
//!   home domain   16
//!   environment   32   hash of its name
//!   places        32   hash of the label of allowed places
//!   wrap kind      1   1 HPKE to an epoch, 2 host key
//!   epoch          4   0 under a host key
//!   key id         8
//!   wrapped key   80 in the BLAKE3 profile, 113 in the FIPS profile
//! ```
//!
//! All numbers are big-endian. Everything before the wrapped key is bound to it as associated data, so a header can't be
//! changed without the data key being lost; the pack id, scope and profile are bound to every sealed part besides.

use crate::codec::Reader;
use crate::digest::Profile;
use crate::id::{DomainId, EnvironmentHash, KeyId, PackId, PlacesHash, SourceId};
use crate::seal::{EpochNumber, Scope, WrapKind, WrappedKey, wrapped_len};

use super::{PackError, Part};

const MAGIC: &[u8; 8] = b"SRPACK\r\n";
const VERSION: u16 = 1;
const INCOMPATIBLE_FIPS: u32 = 1;
const CLEAR_LEN: usize = 8 + 2 + 3 * 4 + 3 * 16 + 2 * 32 + 1 + 4 + KeyId::LEN;

/// What a pack is, before anything is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackIdentity {
    /// The pack's random id, and the name of its file.
    pub pack: PackId,
    /// Whose records it holds.
    pub source: SourceId,
    /// What its seals are bound to.
    pub scope: Scope,
}

impl PackIdentity {
    /// The associated data of one part: label, part kind, scope, pack, part number.
    pub(super) fn aad(&self, part: Part) -> Vec<u8> {
        let mut aad = Vec::with_capacity(18 + 1 + Scope::LEN + PackId::LEN + 8);
        aad.extend_from_slice(b"strongroom pack v1");
        aad.push(part.kind());
        self.scope.encode(&mut aad);
        aad.extend_from_slice(&self.pack.0);
        aad.extend_from_slice(&part.number().to_be_bytes());
        aad
    }
}

/// The header as it stands in the file: clear, and believed only once the data key is unwrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackHeader {
    /// What the pack is.
    pub identity: PackIdentity,
    /// The data key, and who can open it.
    pub key: WrappedKey,
    /// Flags that readers may ignore, as they stand in the file: they are bound to the wrapped key.
    ignored_flags: [u32; 2],
}

impl PackHeader {
    /// Bytes that hold the header of any profile: what a reader asks for first.
    pub const LEN_MAX: usize = Self::len(Profile::Fips);

    /// The length of the header in a profile.
    pub const fn len(profile: Profile) -> usize {
        CLEAR_LEN + wrapped_len(profile)
    }

    /// A header without flags.
    pub(super) const fn new(identity: PackIdentity, key: WrappedKey) -> Self {
        Self { identity, key, ignored_flags: [0; 2] }
    }

    /// The bytes before the wrapped key, which it is bound to.
    pub(super) fn clear_bytes(&self) -> Vec<u8> {
        let PackIdentity { pack, source, scope } = self.identity;
        let incompatible = match scope.profile {
            Profile::Blake3 => 0,
            Profile::Fips => INCOMPATIBLE_FIPS,
        };
        let mut out = Vec::with_capacity(Self::LEN_MAX);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        for flags in [self.ignored_flags[0], self.ignored_flags[1], incompatible] {
            out.extend_from_slice(&flags.to_be_bytes());
        }
        out.extend_from_slice(&pack.0);
        out.extend_from_slice(&source.0);
        out.extend_from_slice(&scope.domain.0);
        out.extend_from_slice(&scope.environment.0);
        out.extend_from_slice(&scope.places.0);
        out.push(self.key.kind as u8);
        out.extend_from_slice(&self.key.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.key.key_id.0);
        out
    }

    /// The whole header.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.clear_bytes();
        out.extend_from_slice(&self.key.bytes);
        out
    }

    /// Reads a header from the first bytes of a file; more than the header may be given.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(PackError::NotAPack)?;
        let mut reader = Reader::new(rest, "header");
        let version = reader.u16()?;
        if version != VERSION {
            return Err(PackError::UnknownVersion { found: version });
        }
        let ignored_flags = [reader.u32()?, reader.u32()?];
        let incompatible = reader.u32()?;
        let unknown = incompatible & !INCOMPATIBLE_FIPS;
        if unknown != 0 {
            return Err(PackError::UnknownFeature { flags: unknown });
        }
        let profile = if incompatible == INCOMPATIBLE_FIPS { Profile::Fips } else { Profile::Blake3 };
        let pack = PackId(reader.array()?);
        let source = SourceId(reader.array()?);
        let scope = Scope {
            profile,
            domain: DomainId(reader.array()?),
            environment: EnvironmentHash(reader.array()?),
            places: PlacesHash(reader.array()?),
        };
        let kind = WrapKind::from_byte(reader.u8()?)?;
        let epoch = EpochNumber(reader.u32()?);
        let key_id = KeyId(reader.array()?);
        let wrapped = reader.take(wrapped_len(profile))?.to_vec();
        Ok(Self {
            identity: PackIdentity { pack, source, scope },
            key: WrappedKey { kind, epoch, key_id, bytes: wrapped },
            ignored_flags,
        })
    }
}
