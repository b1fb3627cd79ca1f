//! Requests that policy denies, told without letting whoever repeats them fill the log.
//!
//! ```text
//!   denied ─► first of this caller and action within the hour? ─ yes ─► an event, as of any other request
//!                 │ no
//!                 └─► counted ──(the hour is over)──► one event: how often it was repeated
//! ```
//!
//! Owns the counts, and the moment at which they become events: all of it inside apply and by accrued time, so that every
//! member tells the same. Nothing is left out: each attempt is an event or part of a count. Callers beyond those that are
//! kept apart are counted together. A leader stops proposing what was repeated very often, and from there on the count is
//! a lower bound.

use serde::{Deserialize, Serialize};
use strongroom_core::id::RequestDigest;

use super::{Circumstances, append_as};
use crate::state::context::Context;
use crate::state::counters::Counter;
use crate::state::outcome::{Fault, Outcome, Refusal};
use crate::state::request::{Actor, Decision, Stamp};
use crate::state::rows::{Key, Rows, Unreadable};
use crate::state::tables::tables;

/// The time within which repetitions are one event.
pub const WINDOW_MS: u64 = 60 * 60 * 1_000;
/// Callers and actions that are kept apart at once: more than an installation has people, and few enough that nobody
/// fills the log by being many.
pub const KEPT_MAX: u64 = 256;
/// Repetitions of one caller and action within a window that a leader proposes.
pub const PROPOSED_MAX: u64 = 1_000;
/// What the event says that tells of callers which are not kept apart.
const OTHERS: &str = "request.deny";
/// Counts that one entry turns into events at most.
const SWEPT_PER_ENTRY_MAX: usize = 2;

tables! {
    /// Denied requests that were made more than once, by the window and the hash of caller and action.
    RefusedRequests = REFUSED_REQUESTS: RefusedKey => RefusedRow;
}

/// A window of accrued time, and the first bytes of a hash over caller and action; zeros for those beyond the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedKey {
    window: u64,
    of: [u8; 16],
}

impl RefusedKey {
    fn new(now_ms: u64, actor: &Actor, action: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(action.as_bytes()).update(&[0]).update(actor.as_str().as_bytes());
        let mut of = [0; 16];
        hasher.finalize_xof().fill(&mut of);
        Self { window: now_ms / WINDOW_MS, of }
    }

    const fn others(now_ms: u64) -> Self {
        Self { window: now_ms / WINDOW_MS, of: [0; 16] }
    }
}

impl Key for RefusedKey {
    fn encode(&self, out: &mut Vec<u8>) {
        self.window.encode(out);
        out.extend_from_slice(&self.of);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (window, of) = bytes.split_at_checked(size_of::<u64>())?;
        Some(Self { window: Key::decode(window)?, of: of.try_into().ok()? })
    }
}

/// What one caller was denied within a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRow {
    /// Who asked; the group itself stands for callers that are not kept apart.
    pub actor: Actor,
    /// What for.
    pub action: String,
    /// By which policies.
    pub decision: Decision,
    /// How often it was asked for after the event that told of it.
    pub repeated: u64,
}

/// Counts a denied request. Says whether it is to be told by an event of its own.
pub(in crate::state) fn is_first(cx: &mut Context<'_>, action: &str, decision: Decision) -> Result<bool, Fault> {
    let key = RefusedKey::new(cx.now_ms, cx.actor, action);
    if let Some(row) = cx.change.get::<RefusedRequests>(&key)? {
        let repeated = row.repeated.saturating_add(1);
        cx.put::<RefusedRequests>(&key, &RefusedRow { repeated, ..row })?;
        return Ok(false);
    }
    if cx.count(Counter::RefusalsKept)? < KEPT_MAX {
        cx.count_up(Counter::RefusalsKept)?;
        let row = RefusedRow { actor: cx.actor.clone(), action: action.to_owned(), decision, repeated: 0 };
        cx.put::<RefusedRequests>(&key, &row)?;
        return Ok(true);
    }
    let others = RefusedKey::others(cx.now_ms);
    let row = cx.change.get::<RefusedRequests>(&others)?;
    let unknown = || RefusedRow { actor: Actor::System, action: OTHERS.to_owned(), decision, repeated: 0 };
    let row = row.unwrap_or_else(unknown);
    let repeated = row.repeated.saturating_add(1);
    cx.put::<RefusedRequests>(&others, &RefusedRow { repeated, ..row })?;
    Ok(false)
}

/// Turns a few counts into events whose window is over. Once none is left, nothing is looked at until the next window.
pub(in crate::state) fn sweep(cx: &mut Context<'_>, stamp: Stamp) -> Result<(), Fault> {
    let now = cx.now_ms / WINDOW_MS;
    if cx.count(Counter::RefusalsSweptWindow)? >= now {
        return Ok(());
    }
    let oldest = cx.change.list_before::<RefusedRequests>(&[], None, SWEPT_PER_ENTRY_MAX)?;
    let is_done = oldest.len() < SWEPT_PER_ENTRY_MAX || oldest.iter().any(|(key, _)| key.window >= now);
    for (key, row) in oldest.into_iter().filter(|(key, _)| key.window < now) {
        cx.change.remove::<RefusedRequests>(&key);
        if key.of != [0; 16] {
            cx.count_down(Counter::RefusalsKept)?;
        }
        if row.repeated > 0 {
            let around =
                Circumstances { stamp, request: RequestDigest([0; RequestDigest::LEN]), decision: row.decision };
            let object = format!("repeated {} times", row.repeated);
            append_as(cx, &row.actor, &around, &row.action, &object, &Outcome::Rejected(Refusal::Forbidden))?;
        }
    }
    if is_done {
        cx.set_count(Counter::RefusalsSweptWindow, now)?;
    }
    Ok(())
}

/// Whether a request of this kind was denied so often by now that another one need not be in the log.
pub fn is_told_enough(rows: &Rows, actor: &Actor, action: &str, now_ms: u64) -> Result<bool, Unreadable> {
    let row = rows.get::<RefusedRequests>(&RefusedKey::new(now_ms, actor, action))?;
    Ok(row.is_some_and(|row| row.repeated >= PROPOSED_MAX))
}
