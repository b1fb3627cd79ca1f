//! The audit log's part of the state: events appended inside apply.
//!
//! Owns the rows of events, the tree's frontier, and the rows of hashes that proofs are made from, so that the root is a
//! function of the log and members that differ show it. What an event and the tree are is [`strongroom_core::audit`]'s
//! to say. Events are never changed and never removed, and signing is not done here: a signature is no function of the
//! log.

pub mod proofs;
pub mod refused;

use strongroom_core::audit::{
    self as core_audit, ActionName, AuditEvent, EntryIndex, Frontier, LeafIndex, ObjectName, ResultCode, TextRefused,
    TileCoordinate, TreeHead, leaf_hash,
};
use strongroom_core::id::{RequestDigest, TreeHash};

use super::context::Context;
use super::counters::Counter;
use super::outcome::{Fault, Outcome};
use super::request::{Actor, Decision, Stamp, Verdict};
use super::rows::{Rows, Unreadable};
use super::tables::{self, tables};

tables! {
    /// Events by their place in the audit log: their canonical bytes.
    AuditEvents = AUDIT_EVENTS: LeafIndex => Vec<u8>;
    /// The tree's frontier, encoded.
    AuditFrontier = AUDIT_FRONTIER: () => Vec<u8>;
    /// The hashes above the leaves that stand for good: one for each full subtree of 256, 256² … events.
    AuditTiles = AUDIT_TILES: TileCoordinate => TreeHash;
}

/// What an event says beside the action, its object and its outcome.
pub(in crate::state) struct Circumstances {
    pub(in crate::state) stamp: Stamp,
    pub(in crate::state) request: RequestDigest,
    pub(in crate::state) decision: Decision,
}

/// Appends an event.
pub(in crate::state) fn append(
    cx: &mut Context<'_>,
    around: &Circumstances,
    action: &str,
    object: &str,
    outcome: &Outcome,
) -> Result<(), Fault> {
    let actor = cx.actor;
    append_as(cx, actor, around, action, object, outcome)
}

/// Appends an event about somebody else than the one who asked for this entry.
fn append_as(
    cx: &mut Context<'_>,
    actor: &Actor,
    around: &Circumstances,
    action: &str,
    object: &str,
    outcome: &Outcome,
) -> Result<(), Fault> {
    // The actions are our own, and all other texts are of narrower forms than an event's: none is ever refused.
    let event = event(cx, actor, around, action, object, outcome)
        .map_err(|_| Unreadable::Malformed { table: tables::AUDIT_EVENTS })?;
    let bytes = event.encode();
    let mut frontier = decoded(cx.change.get::<AuditFrontier>(&())?)?;
    // A log is full after 2^63 events: a frontier that says so was not written here.
    let appended =
        frontier.append(leaf_hash(&bytes)).map_err(|_| Unreadable::Malformed { table: tables::AUDIT_FRONTIER })?;
    cx.put::<AuditEvents>(&appended.leaf, &bytes)?;
    for (at, hash) in &appended.complete {
        cx.put::<AuditTiles>(at, hash)?;
    }
    cx.put::<AuditFrontier>(&(), &frontier.encode())?;
    cx.count_up(Counter::AuditEvents)?;
    Ok(())
}

fn event(
    cx: &Context<'_>,
    actor: &Actor,
    around: &Circumstances,
    action: &str,
    object: &str,
    outcome: &Outcome,
) -> Result<AuditEvent, TextRefused> {
    Ok(AuditEvent {
        index: EntryIndex(cx.at.index.0),
        accrued_ms: around.stamp.accrued_ms,
        wall: around.stamp.wall,
        actor: core_audit::Actor::new(actor.as_str())?,
        action: ActionName::new(action)?,
        object: ObjectName::new(object)?,
        request: around.request,
        decision: decision(actor, around.decision.verdict),
        policy: around.decision.policy_hash,
        result: ResultCode::new(outcome.code())?,
    })
}

/// The decision as events know it: whoever is nobody was not asked about.
const fn decision(actor: &Actor, verdict: Verdict) -> core_audit::Decision {
    match (actor, verdict) {
        (Actor::System, _) => core_audit::Decision::System,
        (Actor::Identity(_), Verdict::Allowed) => core_audit::Decision::Allowed,
        (Actor::Identity(_), Verdict::Denied) => core_audit::Decision::Denied,
    }
}

fn decoded(row: Option<Vec<u8>>) -> Result<Frontier, Unreadable> {
    let Some(bytes) = row else { return Ok(Frontier::new()) };
    Frontier::decode(&bytes).map_err(|_| Unreadable::Malformed { table: tables::AUDIT_FRONTIER })
}

/// The frontier as of the last entry.
pub fn frontier(rows: &Rows) -> Result<Frontier, Unreadable> {
    decoded(rows.get::<AuditFrontier>(&())?)
}

/// How many events there are as of the last entry, and the root over them: what a checkpoint is to promise.
pub fn head(rows: &Rows) -> Result<TreeHead, Unreadable> {
    Ok(frontier(rows)?.head())
}
