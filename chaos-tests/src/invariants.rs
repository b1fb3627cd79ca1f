//! What must hold at every moment of a run, each with its source.
//!
//! Owns the findings. An invariant is told of what happened, and answers at once when it is broken; some are settled at
//! the end of a run, when everybody has caught up.

mod digests;
mod effects;
mod elections;
mod leaders;
mod logs;
mod promises;
mod states;
mod time;
mod votes;

use std::fmt;

use strongroom_coordinator::id::{GroupIdentity, MemberId, Position};
use strongroom_coordinator::member::Member;
use strongroom_coordinator::raft::Standing;
use strongroom_proto::peers::v1::Envelope;

use digests::Digests;
pub(crate) use effects::Effects;
use elections::Elections;
use leaders::Leaders;
use logs::Logs;
use promises::Promises;
use states::States;
use time::Time;
use votes::Votes;

/// Something that must hold, and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub seen: String,
}

impl Broken {
    /// A finding.
    pub fn new(invariant: &'static str, seen: String) -> Self {
        Self { invariant, seen }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.invariant, self.seen)
    }
}

impl std::error::Error for Broken {}

/// All invariants of a group.
#[derive(Default)]
pub(crate) struct Invariants {
    elections: Elections,
    leaders: Leaders,
    logs: Logs,
    states: States,
    digests: Digests,
    promises: Promises,
    votes: Votes,
    time: Time,
    /// What clients asked for.
    pub(crate) effects: Effects,
    /// The group that was founded.
    pub(crate) group: Option<GroupIdentity>,
}

impl Invariants {
    pub(crate) fn standing(&mut self, id: Option<MemberId>, standing: Standing) -> Result<(), Broken> {
        self.elections.standing(id, standing)
    }

    pub(crate) fn applied(&mut self, host: usize, at: Position, outcome: u64) -> Result<(), Broken> {
        self.leaders.applied(at);
        self.states.applied(host, at, outcome)
    }

    pub(crate) fn look_at(&mut self, host: usize, member: &Member) -> Result<(), Broken> {
        self.digests.look_at(host, member)?;
        self.logs.look_at(host, member)?;
        self.leaders.look_at(host, member)?;
        self.promises.look_at(host, member)?;
        self.time.look_at(host, member)
    }

    pub(crate) fn said(&mut self, envelope: &Envelope) -> Result<(), Broken> {
        self.votes.said(envelope)
    }

    /// From here on a member must not be heard any more.
    pub(crate) fn silence(&mut self, id: MemberId) {
        self.votes.silence(id);
    }

    /// A member's disk confirms what it does not keep: what it forgets is no fault of its own.
    pub(crate) fn excuse(&mut self, id: MemberId) {
        self.promises.excuse(id);
        self.votes.excuse(id);
    }

    /// Settles what can only be told when everybody has caught up.
    pub(crate) fn settled(&self, host: usize, member: &Member) -> Result<(), Broken> {
        Digests::settled(host, member)?;
        self.effects.settled(member)
    }
}
