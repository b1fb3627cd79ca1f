//! One event of the audit log, and its bytes.
//!
//! ```text
//!   version         1   1
//!   log index           varint: the entry of the replicated log that led to it
//!   accrued             varint: milliseconds of cluster time
//!   wall                varint, zigzag: µs since 1970, UTC, on the leader's clock
//!   actor               varint length ≤ 256, text
//!   action              varint length ≤ 64, text
//!   object              varint length ≤ 256, text, may be empty
//!   request        32   digest of the request
//!   decision        1   0 allowed · 1 denied · 2 system
//!   policy         32   hash of the policy that decided
//!   result              varint length ≤ 16, text; empty is done
//! ```
//!
//! One event has one encoding, and only what is such an encoding is read. Events hold identities and digests and never
//! content of records; order follows from the place in the log, not from the wall clock, which is there for people.

mod text;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use self::text::{ACTION_BYTES_MAX, ACTOR_BYTES_MAX, OBJECT_BYTES_MAX, RESULT_BYTES_MAX};
pub use self::text::{ActionName, Actor, ObjectName, ResultCode, TextRefused};
use super::merkle::leaf_hash;
use crate::codec::{Malformed, Reader, put_bytes, put_varint, unzigzag, zigzag};
use crate::id::{PolicyHash, RequestDigest, TreeHash};
use crate::time::WallTime;

const VERSION: u8 = 1;
const WHAT: &str = "audit event";

/// Longest encoding of an event: the texts at their longest, with two bytes of length each, three varints of ten bytes,
/// two hashes, version and decision.
pub const EVENT_BYTES_MAX: usize =
    ACTOR_BYTES_MAX + ACTION_BYTES_MAX + OBJECT_BYTES_MAX + RESULT_BYTES_MAX + 4 * 2 + 3 * 10 + 2 * 32 + 2;

/// Bytes that are no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Written by a release that knows more.
    #[error("an audit event of unknown version {found}")]
    UnknownVersion {
        /// Its version.
        found: u8,
    },
    /// Not of the format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A text that no event has.
    #[error(transparent)]
    Text(#[from] TextRefused),
}

/// The place of an entry in the replicated log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryIndex(pub u64);

/// How it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Policy allowed it.
    Allowed,
    /// Policy forbade it, or did not allow it.
    Denied,
    /// Nobody asked: the system acted by itself.
    System,
}

impl Decision {
    const fn byte(self) -> u8 {
        match self {
            Self::Allowed => 0,
            Self::Denied => 1,
            Self::System => 2,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Allowed),
            1 => Some(Self::Denied),
            2 => Some(Self::System),
            _ => None,
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// The entry of the replicated log that led to it.
    pub index: EntryIndex,
    /// Cluster time that had accrued, in milliseconds.
    pub accrued_ms: u64,
    /// The leader's wall clock.
    pub wall: WallTime,
    /// Who asked.
    pub actor: Actor,
    /// For what.
    pub action: ActionName,
    /// Of what.
    pub object: ObjectName,
    /// The request, by its digest.
    pub request: RequestDigest,
    /// How it was decided.
    pub decision: Decision,
    /// By which policy.
    pub policy: PolicyHash,
    /// What became of it.
    pub result: ResultCode,
}

impl AuditEvent {
    /// The bytes of the event: what the log's leaf is the hash of.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(EVENT_BYTES_MAX);
        out.push(VERSION);
        put_varint(&mut out, self.index.0);
        put_varint(&mut out, self.accrued_ms);
        put_varint(&mut out, zigzag(self.wall.0));
        put_bytes(&mut out, self.actor.as_str().as_bytes());
        put_bytes(&mut out, self.action.as_str().as_bytes());
        put_bytes(&mut out, self.object.as_str().as_bytes());
        out.extend_from_slice(&self.request.0);
        out.push(self.decision.byte());
        out.extend_from_slice(&self.policy.0);
        put_bytes(&mut out, self.result.as_str().as_bytes());
        out
    }

    /// Reads an event; all bytes must be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        let mut reader = Reader::new(bytes, WHAT);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(EventError::UnknownVersion { found: version });
        }
        let event = Self {
            index: EntryIndex(reader.varint()?),
            accrued_ms: reader.varint()?,
            wall: WallTime(unzigzag(reader.varint()?)),
            actor: Actor::new(text(&mut reader, ACTOR_BYTES_MAX)?)?,
            action: ActionName::new(text(&mut reader, ACTION_BYTES_MAX)?)?,
            object: ObjectName::new(text(&mut reader, OBJECT_BYTES_MAX)?)?,
            request: RequestDigest(reader.array()?),
            decision: Decision::from_byte(reader.u8()?).ok_or(reader.malformed())?,
            policy: PolicyHash(reader.array()?),
            result: ResultCode::new(text(&mut reader, RESULT_BYTES_MAX)?)?,
        };
        reader.finish()?;
        Ok(event)
    }

    /// The hash by which the log knows the event.
    pub fn leaf_hash(&self) -> TreeHash {
        leaf_hash(&self.encode())
    }
}

/// A text behind its length.
fn text<'a>(reader: &mut Reader<'a>, bytes_max: usize) -> Result<&'a str, Malformed> {
    let len = reader.bounded(bytes_max as u64)?;
    str::from_utf8(reader.take(len)?).map_err(|_| reader.malformed())
}

/// For people and programs that read; the order of the fields is part of the export's format.
impl Serialize for AuditEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("AuditEvent", 10)?;
        fields.serialize_field("index", &self.index)?;
        fields.serialize_field("accrued_ms", &self.accrued_ms)?;
        fields.serialize_field("wall", &self.wall.to_rfc3339())?;
        fields.serialize_field("actor", &self.actor)?;
        fields.serialize_field("action", &self.action)?;
        fields.serialize_field("object", &self.object)?;
        fields.serialize_field("request", &self.request)?;
        fields.serialize_field("decision", &self.decision)?;
        fields.serialize_field("policy", &self.policy)?;
        fields.serialize_field("result", &self.result)?;
        fields.end()
    }
}

#[cfg(test)]
pub(super) mod tests;
