//! The audit log's part of the state: events appended inside apply.
//!
//! Owns the rows of events and the tree's frontier, so that the root is a function of the log and members that differ
//! show it. Hashing is that of RFC 6962 §2.1: a leaf is `SHA-256(00 ‖ event)`, a node `SHA-256(01 ‖ left ‖ right)`.
//! Events are never changed and never removed.

use aws_lc_rs::digest::{Context as Hasher, SHA256};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::counters::Counter;
use super::outcome::{Fault, Outcome};
use super::request::{CommandDigest, Decision, Stamp};
use super::rows::{Rows, Unreadable};
use super::tables::tables;

tables! {
    /// Events by their place in the audit log, from 0: canonical bytes.
    AuditEvents = AUDIT_EVENTS: u64 => Vec<u8>;
    /// The tree's frontier.
    AuditFrontier = AUDIT_FRONTIER: () => Frontier;
}

/// One event: who did what to what, by which right, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// The entry's place in the replicated log.
    pub log_index: u64,
    /// Accrued cluster time of the entry.
    pub accrued_ms: u64,
    /// The leader's wall clock, for people.
    pub wall_us: i64,
    /// Who: an identity, or `system`.
    pub actor: String,
    /// What was done: `noun.verb`.
    pub action: String,
    /// To what.
    pub object: String,
    /// BLAKE3-256 of the encoded command.
    pub request: CommandDigest,
    /// By which policies it was allowed.
    pub decision: Decision,
    /// The code of the refusal; empty for success.
    pub result: String,
}

/// The right edge of the tree: its size, and the roots of its full subtrees, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<[u8; 32]>,
}

impl Frontier {
    /// Number of events.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over all events.
    pub fn root(&self) -> [u8; 32] {
        let subtrees = self.subtrees.iter().rev().copied();
        subtrees.reduce(|right, left| sha256(&[&[1], &left, &right])).unwrap_or_else(|| sha256(&[]))
    }

    fn append(&mut self, event: &[u8]) {
        let mut hash = sha256(&[&[0], event]);
        // As many full subtrees merge as the size has ones at its low end.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { break };
            hash = sha256(&[&[1], &left, &hash]);
        }
        self.subtrees.push(hash);
        self.size = self.size.saturating_add(1);
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Hasher::new(&SHA256);
    for part in parts {
        hasher.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(hasher.finish().as_ref());
    out
}

/// What an event says beside the action, its object and its outcome.
pub(in crate::state) struct Circumstances {
    pub(in crate::state) stamp: Stamp,
    pub(in crate::state) request: CommandDigest,
    pub(in crate::state) decision: Decision,
}

/// Appends an event.
pub(in crate::state) fn append(
    cx: &mut Context<'_>,
    around: &Circumstances,
    action: &str,
    object: String,
    outcome: &Outcome,
) -> Result<(), Fault> {
    let event = AuditEvent {
        log_index: cx.at.index.0,
        accrued_ms: around.stamp.accrued_ms,
        wall_us: around.stamp.wall.0,
        actor: cx.actor.as_str().to_owned(),
        action: action.to_owned(),
        object,
        request: around.request,
        decision: around.decision,
        result: outcome.code().to_owned(),
    };
    let bytes =
        postcard::to_stdvec(&event).map_err(|_| Unreadable::Malformed { table: super::tables::AUDIT_EVENTS })?;
    let mut frontier = cx.change.get::<AuditFrontier>(&())?.unwrap_or_default();
    cx.put::<AuditEvents>(&frontier.size, &bytes)?;
    frontier.append(&bytes);
    cx.put::<AuditFrontier>(&(), &frontier)?;
    cx.count_up(Counter::AuditEvents)?;
    Ok(())
}

/// The frontier as of the last entry.
pub fn frontier(rows: &Rows) -> Result<Frontier, Unreadable> {
    Ok(rows.get::<AuditFrontier>(&())?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1 word for word.
    fn naive(events: &[Vec<u8>]) -> [u8; 32] {
        match events {
            [] => sha256(&[]),
            [one] => sha256(&[&[0], one]),
            _ => {
                let k = events.len().next_power_of_two() / 2;
                sha256(&[&[1], &naive(&events[..k]), &naive(&events[k..])])
            }
        }
    }

    #[test]
    fn the_frontier_has_the_root_of_rfc_6962_at_every_size() {
        let events: Vec<Vec<u8>> = (0..70_u8).map(|number| vec![number; usize::from(number)]).collect();
        let mut frontier = Frontier::default();
        for (size, event) in events.iter().enumerate() {
            assert_eq!(frontier.root(), naive(&events[..size]), "{size} events");
            frontier.append(event);
        }
        assert_eq!(frontier.size(), 70);
    }
}
