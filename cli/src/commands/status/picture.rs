//! What `status` has seen, before anybody judges it.

use serde::Serialize;
use strongroom_core::time::WallTime;

/// An installation at one moment.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) cluster: String,
    pub(super) epoch: u64,
    pub(super) term: u64,
    pub(super) leader: String,
    pub(super) members: Vec<MemberSeen>,
    pub(super) sources: Vec<SourceSeen>,
    pub(super) agents: Vec<AgentSeen>,
    pub(super) depots: Vec<DepotSeen>,
    pub(super) audit: AuditSeen,
    pub(super) certificates: Vec<CertificateSeen>,
    /// Whether a scheduler plans; where none does, runs are started by hand.
    pub(super) is_planned: bool,
    /// Whether it is a room: one process, whose member sees no time pass between two verbs.
    pub(super) is_room: bool,
    /// This host's clock.
    pub(super) now: WallTime,
}

/// A member, as the leader sees it and as it sees itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct MemberSeen {
    pub(super) member: String,
    pub(super) name: String,
    pub(super) region: String,
    /// voter, learner, leaving
    pub(super) part: String,
    pub(super) address: String,
    /// Entries that the leader has and does not know the member to have.
    pub(super) behind: u64,
    /// Its own word for its role; none if it did not answer.
    pub(super) role: Option<String>,
    pub(super) term: Option<u64>,
    pub(super) version: Option<String>,
}

/// A source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct SourceSeen {
    pub(super) source: String,
    pub(super) name: String,
    pub(super) protected: bool,
    /// Since the cut of the newest protected snapshot; none without one.
    pub(super) age_ms: Option<u64>,
    pub(super) rpo_ms: u64,
    pub(super) debt_ms: u64,
    pub(super) paused: bool,
    pub(super) disabled: bool,
    pub(super) running: Option<String>,
    pub(super) queued: Option<String>,
    pub(super) failures: u32,
    /// By how much the run that is under way takes longer than it may.
    pub(super) over_ms: u64,
    pub(super) missed: u64,
    /// Why it runs or does not; none where no scheduler plans.
    pub(super) because: Option<String>,
    /// Microseconds since 1970; shown as a time.
    #[serde(serialize_with = "time_or_null")]
    pub(super) next_start: Option<WallTime>,
}

/// An agent that is part of the installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct AgentSeen {
    pub(super) agent: String,
    pub(super) name: String,
    pub(super) site: String,
    pub(super) sources: u32,
    pub(super) version: Option<String>,
    /// Since it was last heard of over its stream; none if it has no stream to the leader.
    pub(super) heard_ago_ms: Option<u64>,
    #[serde(skip)]
    pub(super) identity: String,
}

/// A depot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct DepotSeen {
    pub(super) depot: String,
    pub(super) name: String,
    pub(super) site: String,
    /// active, draining, lost
    pub(super) state: String,
    pub(super) capacity_bytes: u64,
    #[serde(skip)]
    pub(super) identity: String,
}

/// The audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct AuditSeen {
    pub(super) events: u64,
    /// Events that the newest checkpoint promises.
    pub(super) signed: u64,
    /// How long ago the oldest event happened that no checkpoint promises; none if all are promised.
    pub(super) unsigned_ms: Option<u64>,
}

/// The newest certificate of an identity that belongs to the installation, if it should have been renewed by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CertificateSeen {
    pub(super) identity: String,
    /// Whose it is: its name.
    pub(super) name: String,
    #[serde(serialize_with = "time")]
    pub(super) ends: WallTime,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn time<S: serde::Serializer>(time: &WallTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
fn time_or_null<S: serde::Serializer>(time: &Option<WallTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
