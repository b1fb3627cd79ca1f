//! The clear head of a manifest, version 1.
//!
//! ```text
//!   version        2   1                         sequence         8   from 1
//!   compatible     4   none yet                  previous        32   hash of the head before; zeros at 1
//!   read-only      4   none yet                  snapshot id     16
//!   incompatible   4   bit 0: FIPS profile       snapshot root   32
//!   home domain   16                             flags            1   bit 0 complete · bit 1 list of packs
//!   source id     16                                                  restarts · bit 2 interval follows
//!   environment   32                             started          8   µs since 1970, UTC, signed
//!   places        32                             finished         8
//!   wrap kind      1   of the body's data key    interval      0/16   lo, hi
//!   epoch          4                             totals              varint: records, plaintext bytes
//!   key id         8                             classes             varint count, then each:
//!   wrapped key   80 or 113                                            class id 16, tags 2, class root 32
//!   signer         8   key id                    packs added         varint count, then each:
//!   body hash     32                                                   pack id 16, varint size, root 32
//!   body length    8                             packs dropped       varint count, then each: pack id 16
//! ```
//!
//! Numbers are big-endian where no varint is named. Classes ascend by id, packs too, so one head has one encoding.

use serde::{Deserialize, Serialize};

use super::ManifestError;
use crate::codec::{Malformed, Reader, put_varint};
use crate::digest::Profile;
use crate::id::{
    ClassId, ClassRoot, DomainId, EnvironmentHash, HeadHash, KeyId, MerkleRoot, PackId, PlacesHash, SnapshotId,
    SnapshotRoot, SourceId,
};
use crate::merkle::labelled_hash;
use crate::seal::{EpochNumber, Scope, WrapKind, WrappedKey, wrapped_len};
use crate::time::WallTime;

pub(super) const VERSION: u16 = 1;
const INCOMPATIBLE_FIPS: u32 = 1;
const FLAG_COMPLETE: u8 = 1;
const FLAG_RESTART: u8 = 2;
const FLAG_INTERVAL: u8 = 4;
const WHAT: &str = "head";

/// What policy may know of a class: a closed list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassTags(u16);

impl ClassTags {
    /// Restored first.
    pub const TIER_1: Self = Self(1);
    /// Restored second.
    pub const TIER_2: Self = Self(2);
    /// Restored last.
    pub const TIER_3: Self = Self(4);
    /// History of other records.
    pub const HISTORY: Self = Self(8);
    /// Data about people.
    pub const PERSONAL: Self = Self(16);
    /// Credentials and the like.
    pub const SECRET: Self = Self(32);
    const ALL: u16 = 63;

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn from_bits(bits: u16) -> Result<Self, Malformed> {
        if bits & !Self::ALL == 0 { Ok(Self(bits)) } else { Err(Malformed::new(WHAT)) }
    }
}

/// What the head says of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassHead {
    /// The class.
    pub class: ClassId,
    /// What policy may know.
    pub tags: ClassTags,
    /// The root of its records.
    pub root: ClassRoot,
}

/// A pack as heads list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackRef {
    /// The pack.
    pub pack: PackId,
    /// Its size as a file.
    pub bytes: u64,
    /// The root over its ciphertext.
    pub root: MerkleRoot,
}

/// Between which true times a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// No earlier.
    pub lo: WallTime,
    /// No later.
    pub hi: WallTime,
}

/// Sums over a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotTotals {
    /// Records of all classes.
    pub records: u64,
    /// Bytes of records and blobs before compression.
    pub plaintext_bytes: u64,
}

/// A head's facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// What its body is bound to.
    pub scope: Scope,
    /// The source.
    pub source: SourceId,
    /// The body's data key, wrapped.
    pub key: WrappedKey,
    /// The key that signed.
    pub signer: KeyId,
    /// Hash over the sealed body.
    pub body_hash: [u8; 32],
    /// Length of the sealed body.
    pub body_bytes: u64,
    /// Place in the source's chain, from 1.
    pub sequence: u64,
    /// Hash of the head before; none at sequence 1.
    pub previous: Option<HeadHash>,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Root over all classes and blobs.
    pub root: SnapshotRoot,
    /// Whether everything that was to be captured was.
    pub complete: bool,
    /// Whether the list of packs begins anew: all that are needed are added here.
    pub restarts_packs: bool,
    /// The source host's clock when reading began.
    pub started: WallTime,
    /// The source host's clock when all was read.
    pub finished: WallTime,
    /// The measured interval, once clocks are measured.
    pub interval: Option<Interval>,
    /// Sums.
    pub totals: SnapshotTotals,
    /// The classes, ascending by id.
    pub classes: Vec<ClassHead>,
    /// Packs that this snapshot needs and its predecessor did not, ascending by id.
    pub packs_added: Vec<PackRef>,
    /// Packs that its predecessor needed and this one does not, ascending by id.
    pub packs_dropped: Vec<PackId>,
}

impl ManifestHead {
    /// The name under which the next head knows this one.
    pub fn hash(&self) -> HeadHash {
        HeadHash(labelled_hash(self.scope.profile, "manifest head", &self.encode()))
    }

    /// The bytes of the head.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.classes.len() * 50 + self.packs_added.len() * 52);
        let incompatible = match self.scope.profile {
            Profile::Blake3 => 0,
            Profile::Fips => INCOMPATIBLE_FIPS,
        };
        out.extend_from_slice(&VERSION.to_be_bytes());
        for flags in [0, 0, incompatible] {
            out.extend_from_slice(&flags.to_be_bytes());
        }
        out.extend_from_slice(&self.scope.domain.0);
        out.extend_from_slice(&self.source.0);
        out.extend_from_slice(&self.scope.environment.0);
        out.extend_from_slice(&self.scope.places.0);
        out.push(self.key.kind as u8);
        out.extend_from_slice(&self.key.epoch.0.to_be_bytes());
        out.extend_from_slice(&self.key.key_id.0);
        out.extend_from_slice(&self.key.bytes);
        out.extend_from_slice(&self.signer.0);
        out.extend_from_slice(&self.body_hash);
        out.extend_from_slice(&self.body_bytes.to_be_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.previous.map_or([0; 32], |previous| previous.0));
        out.extend_from_slice(&self.snapshot.0);
        out.extend_from_slice(&self.root.0);
        self.encode_facts(&mut out);
        out
    }

    fn encode_facts(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.push(
            flag(self.complete, FLAG_COMPLETE)
                | flag(self.restarts_packs, FLAG_RESTART)
                | flag(self.interval.is_some(), FLAG_INTERVAL),
        );
        let interval = self.interval.map(|interval| [interval.lo, interval.hi]);
        for time in [self.started, self.finished].iter().chain(interval.iter().flatten()) {
            out.extend_from_slice(&time.0.to_be_bytes());
        }
        put_varint(out, self.totals.records);
        put_varint(out, self.totals.plaintext_bytes);
        put_varint(out, self.classes.len() as u64);
        for class in &self.classes {
            out.extend_from_slice(&class.class.0);
            out.extend_from_slice(&class.tags.0.to_be_bytes());
            out.extend_from_slice(&class.root.0);
        }
        put_varint(out, self.packs_added.len() as u64);
        for pack in &self.packs_added {
            out.extend_from_slice(&pack.pack.0);
            put_varint(out, pack.bytes);
            out.extend_from_slice(&pack.root.0);
        }
        put_varint(out, self.packs_dropped.len() as u64);
        self.packs_dropped.iter().for_each(|pack| out.extend_from_slice(&pack.0));
    }

    /// Reads a head; all bytes must be used.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut reader = Reader::new(bytes, WHAT);
        let version = reader.u16()?;
        if version != VERSION {
            return Err(ManifestError::UnknownVersion { found: version.into() });
        }
        let (_compatible, _read_only, incompatible) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let unknown = incompatible & !INCOMPATIBLE_FIPS;
        if unknown != 0 {
            return Err(ManifestError::UnknownFeature { flags: unknown });
        }
        let profile = if incompatible == 0 { Profile::Blake3 } else { Profile::Fips };
        Ok(Self::decode_known(profile, reader)?)
    }

    fn decode_known(profile: Profile, mut reader: Reader<'_>) -> Result<Self, Malformed> {
        let domain = DomainId(reader.array()?);
        let source = SourceId(reader.array()?);
        let environment = EnvironmentHash(reader.array()?);
        let places = PlacesHash(reader.array()?);
        let kind = WrapKind::from_byte(reader.u8()?)?;
        let key = WrappedKey {
            kind,
            epoch: EpochNumber(reader.u32()?),
            key_id: KeyId(reader.array()?),
            bytes: reader.take(wrapped_len(profile))?.to_vec(),
        };
        let (signer, body_hash, body_bytes) = (KeyId(reader.array()?), reader.array()?, reader.u64()?);
        let sequence = reader.u64()?;
        let previous: [u8; 32] = reader.array()?;
        let previous = (previous != [0; 32]).then_some(HeadHash(previous));
        if sequence == 0 || previous.is_none() != (sequence == 1) {
            return Err(reader.malformed());
        }
        let (snapshot, root) = (SnapshotId(reader.array()?), SnapshotRoot(reader.array()?));
        let flags = reader.u8()?;
        if flags & !(FLAG_COMPLETE | FLAG_RESTART | FLAG_INTERVAL) != 0 {
            return Err(reader.malformed());
        }
        let (started, finished) = (time(&mut reader)?, time(&mut reader)?);
        let interval = match flags & FLAG_INTERVAL {
            0 => None,
            _ => Some(Interval { lo: time(&mut reader)?, hi: time(&mut reader)? }),
        };
        let totals = SnapshotTotals { records: reader.varint()?, plaintext_bytes: reader.varint()? };
        let head = Self {
            scope: Scope { profile, domain, environment, places },
            source,
            key,
            signer,
            body_hash,
            body_bytes,
            sequence,
            previous,
            snapshot,
            root,
            complete: flags & FLAG_COMPLETE != 0,
            restarts_packs: flags & FLAG_RESTART != 0,
            started,
            finished,
            interval,
            totals,
            classes: list(&mut reader, 50, class)?,
            packs_added: list(&mut reader, 49, pack)?,
            packs_dropped: list(&mut reader, PackId::LEN, |reader| Ok(PackId(reader.array()?)))?,
        };
        reader.finish()?;
        if head.is_ordered() { Ok(head) } else { Err(Malformed::new(WHAT)) }
    }

    /// Whether classes and packs ascend, so that none stands twice.
    pub(super) fn is_ordered(&self) -> bool {
        self.classes.is_sorted_by(|a, b| a.class < b.class)
            && self.packs_added.is_sorted_by(|a, b| a.pack < b.pack)
            && self.packs_dropped.is_sorted_by(|a, b| a < b)
    }
}

fn time(reader: &mut Reader<'_>) -> Result<WallTime, Malformed> {
    Ok(WallTime(i64::from_be_bytes(reader.array()?)))
}

fn class(reader: &mut Reader<'_>) -> Result<ClassHead, Malformed> {
    Ok(ClassHead {
        class: ClassId(reader.array()?),
        tags: ClassTags::from_bits(reader.u16()?)?,
        root: ClassRoot(reader.array()?),
    })
}

fn pack(reader: &mut Reader<'_>) -> Result<PackRef, Malformed> {
    Ok(PackRef { pack: PackId(reader.array()?), bytes: reader.varint()?, root: MerkleRoot(reader.array()?) })
}

/// A counted list whose items take at least `least` bytes each.
fn list<T>(
    reader: &mut Reader<'_>,
    least: usize,
    item: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.bounded((reader.remaining() / least) as u64)?;
    (0..count).map(|_| item(reader)).collect()
}
