//! A request as the log carries it.
//!
//! ```text
//!   version   1   1
//!   request       postcard of: session and sequence, acknowledged below, actor, decision, stamp
//!   command       postcard of the command, to the end
//! ```
//!
//! Owns the persisted form, its bound and its strictness. Whatever the bytes, decoding gives a request or a refusal, and
//! the same one on every member.

use serde::{Deserialize, Serialize};
use strongroom_core::id::{ClientSession, PolicyHash, RequestDigest};
use strongroom_core::time::WallTime;

use super::command::Command;
use super::outcome::Refusal;
use super::text::Subject;

/// Longest encoded request. Raft sends entries whole; a head with its list of packs is the longest of them.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// The accrued time that one entry may add at most: a leader whose clock is wrong by years moves the group a minute.
pub const ACCRUED_STEP_MS_MAX: u64 = 60_000;

const VERSION: u8 = 1;

/// A request's number within its session, counted by the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sequence(pub u64);

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// The group itself: its scheduler, its watchdogs.
    System,
    /// Whoever holds a certificate of this identity.
    Identity(Subject),
}

impl Actor {
    /// The actor as the audit log names it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::System => "system",
            Self::Identity(subject) => subject.as_str(),
        }
    }
}

/// What policy said to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The request may take effect.
    Allowed,
    /// It may not. Such a request is in the log for the audit's sake, and is rejected by every member.
    Denied,
}

/// How the leader decided upon the request, and by which policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What they said.
    pub verdict: Verdict,
    /// Hash of the set of policies; zeros where none was asked.
    pub policy_hash: PolicyHash,
}

impl Default for Decision {
    /// Allowed, and no policy was asked.
    fn default() -> Self {
        Self { verdict: Verdict::Allowed, policy_hash: PolicyHash([0; PolicyHash::LEN]) }
    }
}

/// When the leader proposed the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Accrued cluster time in milliseconds. All durations count in it.
    pub accrued_ms: u64,
    /// The leader's wall clock, for people; nothing is decided by it.
    pub wall: WallTime,
}

impl Default for Stamp {
    fn default() -> Self {
        Self { accrued_ms: 0, wall: WallTime(0) }
    }
}

impl Stamp {
    /// The stamp after an entry that was given one: accrued time never goes back, and forward by a bounded step.
    #[must_use]
    pub fn advanced(self, given: Self) -> Self {
        let furthest = self.accrued_ms.saturating_add(ACCRUED_STEP_MS_MAX);
        Self { accrued_ms: given.accrued_ms.clamp(self.accrued_ms, furthest), wall: given.wall }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's session and the request's number in it; none only for commands that are idempotent by nature.
    pub session: Option<(ClientSession, Sequence)>,
    /// The client will never again ask for outcomes below this number.
    pub acknowledged_below: Sequence,
    /// Who asked.
    pub actor: Actor,
    /// How it was decided.
    pub decision: Decision,
    /// When it was proposed.
    pub stamp: Stamp,
    /// What is to be done.
    pub command: Command,
}

/// A request that is longer than the log takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request takes {bytes} bytes; {REQUEST_BYTES_MAX} is the most")]
pub struct RequestTooLong {
    /// Bytes that it would take.
    pub bytes: usize,
}

#[derive(Serialize, Deserialize)]
struct Head {
    session: Option<(ClientSession, Sequence)>,
    acknowledged_below: Sequence,
    actor: Actor,
    decision: Decision,
    stamp: Stamp,
}

impl Request {
    /// The bytes for the log.
    pub fn encode(&self) -> Result<Vec<u8>, RequestTooLong> {
        let head = Head {
            session: self.session,
            acknowledged_below: self.acknowledged_below,
            actor: self.actor.clone(),
            decision: self.decision,
            stamp: self.stamp,
        };
        // Serialising into memory can't fail: no type of a request refuses to be written.
        let bytes = postcard::to_extend(&head, vec![VERSION]).and_then(|out| postcard::to_extend(&self.command, out));
        let bytes = bytes.map_err(|_| RequestTooLong { bytes: usize::MAX })?;
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(RequestTooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The request that the bytes hold, and the BLAKE3-256 of its encoded command.
    pub fn decode(bytes: &[u8]) -> Result<(Self, RequestDigest), Refusal> {
        let (version, rest) = bytes.split_first().ok_or(Refusal::Malformed)?;
        if *version != VERSION {
            return Err(Refusal::UnknownVersion);
        }
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let (head, command_bytes) = postcard::take_from_bytes::<Head>(rest).map_err(|_| Refusal::Malformed)?;
        let (command, rest) = postcard::take_from_bytes(command_bytes).map_err(|_| Refusal::Malformed)?;
        if !rest.is_empty() {
            return Err(Refusal::Malformed);
        }
        let Head { session, acknowledged_below, actor, decision, stamp } = head;
        let request = Self { session, acknowledged_below, actor, decision, stamp, command };
        Ok((request, RequestDigest(*blake3::hash(command_bytes).as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(accrued_ms: u64) -> Stamp {
        Stamp { accrued_ms, wall: WallTime(0) }
    }

    #[test]
    fn accrued_time_never_goes_back_and_leaps_no_further_than_a_minute() {
        let now = stamp(100_000);
        assert_eq!(now.advanced(stamp(5)).accrued_ms, 100_000);
        assert_eq!(now.advanced(stamp(159_999)).accrued_ms, 159_999);
        assert_eq!(now.advanced(stamp(u64::MAX)).accrued_ms, 160_000);
        assert_eq!(stamp(u64::MAX).advanced(stamp(0)).accrued_ms, u64::MAX);
    }

    #[test]
    fn an_unknown_version_is_told_from_malformed_bytes() {
        assert_eq!(Request::decode(&[2, 0, 0]), Err(Refusal::UnknownVersion));
        assert_eq!(Request::decode(&[1, 0, 0]), Err(Refusal::Malformed));
        assert_eq!(Request::decode(&[]), Err(Refusal::Malformed));
    }
}
