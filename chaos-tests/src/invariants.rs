//! What must hold at every moment of a run, each with its source.
//!
//! Owns the findings. An invariant is told of what happened, and answers at once when it is broken.

mod elections;
mod states;

use std::fmt;

use strongroom_coordinator::id::{ClusterEpoch, ClusterId, MemberId, Position};
use strongroom_coordinator::member::Member;
use strongroom_coordinator::raft::Standing;

use elections::Elections;
use states::States;

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
    states: States,
    /// The group that was founded.
    pub(crate) group: Option<(ClusterId, ClusterEpoch)>,
}

impl Invariants {
    pub(crate) fn standing(&mut self, id: Option<MemberId>, standing: Standing) -> Result<(), Broken> {
        self.elections.standing(id, standing)
    }

    pub(crate) fn applied(&mut self, host: usize, at: Position, outcome: u64) -> Result<(), Broken> {
        self.states.applied(host, at, outcome)
    }

    pub(crate) fn look_at(&mut self, host: usize, member: &Member) -> Result<(), Broken> {
        self.states.look_at(host, member)
    }
}
