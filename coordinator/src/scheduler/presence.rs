//! Which agents are there, as the leader hears them.
//!
//! Owns the memory of a reign, which no row holds: when each agent was last heard of. A leader that takes over grants all
//! agents the whole time again, since they must first find it.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_core::id::{AgentId, RunId};
use strongroom_core::time::AccruedMs;

/// How often an agent gives a sign of life.
pub const ALIVE_EVERY_MS: u32 = 5_000;

/// An agent of which nothing was heard for so long gets no new runs: several signs of life have failed to come.
pub const AGENT_AWAY_MS: u64 = 20_000;

/// An agent of which nothing was heard for so long has lost its runs: long enough for a reboot and a change of leaders,
/// short against every cadence but the tightest.
pub const AGENT_LOST_MS: u64 = 180_000;

const _: () = assert!(ALIVE_EVERY_MS as u64 * 3 < AGENT_AWAY_MS && AGENT_AWAY_MS < AGENT_LOST_MS);

/// An agent that has a stream to this member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attending {
    /// Milliseconds since it was last heard of.
    pub heard_ago_ms: u64,
    /// Runs that it has, by its own word or because it was told of them over this stream.
    pub holds: BTreeSet<RunId>,
    /// Runs that it was told to stop over this stream.
    pub called_off: BTreeSet<RunId>,
}

/// All agents that have one.
pub type Attendance = BTreeMap<AgentId, Attending>;

/// When agents were last heard of.
#[derive(Debug)]
pub(super) struct Presence {
    began: AccruedMs,
    heard: BTreeMap<AgentId, AccruedMs>,
}

impl Presence {
    pub(super) const fn new(began: AccruedMs) -> Self {
        Self { began, heard: BTreeMap::new() }
    }

    pub(super) fn note(&mut self, now: AccruedMs, attendance: &Attendance) {
        for (agent, attending) in attendance {
            let heard = AccruedMs(now.0.saturating_sub(attending.heard_ago_ms));
            let newest = self.heard.entry(*agent).or_insert(heard);
            *newest = heard.max(*newest);
        }
    }

    /// Whether an agent that has a stream was heard of lately.
    pub(super) fn is_there(&self, agent: &AgentId, now: AccruedMs) -> bool {
        self.heard.get(agent).is_some_and(|heard| now.since(*heard) < AGENT_AWAY_MS)
    }

    /// Whether an agent was not heard of for so long that its runs are lost.
    pub(super) fn is_lost(&self, agent: &AgentId, now: AccruedMs) -> bool {
        let heard = self.heard.get(agent).copied().unwrap_or(self.began).max(self.began);
        now.since(heard) >= AGENT_LOST_MS
    }
}
