//! The machine: entries of the log in, outcomes and rows out.
//!
//! ```text
//!   entry ─► decode ─► stamp ─► admit ──(before)──────────► outcome as remembered
//!                                 │ new
//!                                 ▼
//!                              effect ─► remember · audit ─► sweep ─► commit
//! ```
//!
//! Owns the order in which one entry takes effect, and the notes that go to the base with the rows: position, digest,
//! configuration and stamp. It never fails for what an entry holds. When a row can't be read it does, and must not be
//! used any more: what it holds in memory may be half of an entry, while the base is as it was.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom_core::id::RequestDigest;

use super::audit::{self, Circumstances, refused};
use super::command::Retry;
use super::configuration::Configuration;
use super::context::Context;
use super::denials;
use super::digest::StateDigest;
use super::layer::Layer;
use super::members;
use super::membership;
use super::memory::MemoryBase;
use super::operators;
use super::outcome::{Answer, Fault, Outcome, Refusal};
use super::request::{Actor, Request, Stamp, Verdict};
use super::rows::{Base, Rows, Unreadable};
use super::session::{self, Admission};
use super::tables::tables;
use crate::id::Position;

tables! {
    /// The machine's own notes.
    Meta = META: () => Notes;
}

/// What the machine notes with each flush. The digest is over the rows without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    position: Position,
    digest: StateDigest,
    configuration: Configuration,
    stamp: Stamp,
}

/// What is to go to the base in one transaction.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// All changed rows, the machine's notes among them.
    pub layer: Arc<Layer>,
    /// The last entry that is part of it.
    pub position: Position,
    /// The digest after that entry.
    pub digest: StateDigest,
    /// The configuration after that entry.
    pub configuration: Configuration,
}

/// The replicated state machine.
pub struct Machine {
    rows: Rows,
    position: Position,
    configuration: Configuration,
    stamp: Stamp,
}

impl Machine {
    /// The machine over a base, as of its last flush; an empty base is the state before the first entry.
    pub fn open(base: Arc<dyn Base>) -> Result<Self, Unreadable> {
        let unread = Rows::over(Arc::clone(&base), StateDigest::default());
        let notes = unread.get::<Meta>(&())?.unwrap_or_default();
        let Notes { position, digest, configuration, stamp } = notes;
        Ok(Self { rows: Rows::over(base, digest), position, configuration, stamp })
    }

    /// The rows of a machine that stands at `position` before any command: what a new member's base begins with.
    pub fn found(rows: &mut Layer, position: Position, configuration: &Configuration) -> Result<(), Unreadable> {
        let notes = Notes { position, configuration: configuration.clone(), ..Notes::default() };
        let mut found = Rows::over(Arc::new(MemoryBase::default()), StateDigest::default());
        found.note::<Meta>(&(), &notes)?;
        for (key, value) in found.freeze().iter().flat_map(|layer| layer.iter()) {
            rows.set(key.to_vec(), value.map(<[u8]>::to_vec));
        }
        Ok(())
    }

    /// The last entry applied.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The digest over all rows.
    pub const fn digest(&self) -> StateDigest {
        self.rows.digest()
    }

    /// The configuration last applied.
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The stamp of the last entry.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The rows, for queries.
    pub const fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Number of rows changed since the last freeze.
    pub fn changed_rows(&self) -> usize {
        self.rows.changed()
    }

    /// Applies one committed entry. Empty bytes are a leader's no-op. An entry at or before the last one is rejected,
    /// and nothing moves.
    pub fn apply(&mut self, at: Position, bytes: &[u8]) -> Result<Outcome, Unreadable> {
        if at.index <= self.position.index {
            return Ok(Outcome::Rejected(Refusal::OutOfOrder));
        }
        let outcome = self.run(at, bytes)?;
        self.position = at;
        Ok(outcome)
    }

    /// Applies a committed change of the configuration, and first the request that came with it, if there is one. The
    /// configuration changes whatever becomes of the request.
    pub fn apply_configuration(
        &mut self,
        at: Position,
        new: Configuration,
        context: &[u8],
    ) -> Result<Outcome, Unreadable> {
        if at.index <= self.position.index {
            return Ok(Outcome::Rejected(Refusal::OutOfOrder));
        }
        let outcome = self.run(at, context)?;
        let stamp = self.stamp;
        self.in_context(at, &Actor::System, |cx| {
            members::follow(cx, &new)?;
            membership::tell(cx, stamp, &new)?;
            Ok(Outcome::Done(Answer::Applied))
        })?;
        self.configuration = new;
        self.position = at;
        Ok(outcome)
    }

    /// What would come of these bytes if they were the next entry; nothing of it stays.
    pub fn foresee(&mut self, bytes: &[u8]) -> Result<Outcome, Unreadable> {
        let (request, digest) = match Request::decode(bytes) {
            Ok(decoded) => decoded,
            Err(refusal) => return Ok(Outcome::Rejected(refusal)),
        };
        let stamp = self.stamp.advanced(request.stamp);
        let at = Position { index: self.position.index.next(), ..self.position };
        let (change, configuration) = (self.rows.change(), &self.configuration);
        let (now_ms, wall, actor) = (stamp.accrued_ms, stamp.wall, &request.actor);
        let mut cx = Context { change, at, now_ms, wall, actor, configuration };
        match enter(&mut cx, &request, digest, stamp) {
            Ok(outcome) => Ok(outcome),
            Err(Fault::Refused(refusal)) => Ok(Outcome::Rejected(refusal)),
            Err(Fault::Unreadable(unreadable)) => Err(unreadable),
        }
    }

    /// Takes what changed for the base; nothing while an earlier layer is on its way.
    pub fn freeze(&mut self) -> Option<Frozen> {
        if self.rows.is_frozen() {
            return None;
        }
        let (position, digest, configuration) = (self.position, self.digest(), self.configuration.clone());
        let notes = Notes { position, digest, configuration: configuration.clone(), stamp: self.stamp };
        // Notes are plain numbers and sets, which can always be written.
        self.rows.note::<Meta>(&(), &notes).ok()?;
        self.rows.freeze().map(|layer| Frozen { layer, position, digest, configuration })
    }

    /// The frozen layer is in the base now.
    pub fn thaw(&mut self) {
        self.rows.thaw();
    }

    fn run(&mut self, at: Position, bytes: &[u8]) -> Result<Outcome, Unreadable> {
        if bytes.is_empty() {
            return Ok(Outcome::Done(Answer::Applied));
        }
        let (request, digest) = match Request::decode(bytes) {
            Ok(decoded) => decoded,
            Err(refusal) => return Ok(Outcome::Rejected(refusal)),
        };
        self.stamp = self.stamp.advanced(request.stamp);
        let stamp = self.stamp;
        self.in_context(at, &request.actor, |cx| enter(cx, &request, digest, stamp))
    }

    fn in_context(
        &mut self,
        at: Position,
        actor: &Actor,
        effect: impl FnOnce(&mut Context<'_>) -> Result<Outcome, Fault>,
    ) -> Result<Outcome, Unreadable> {
        let Stamp { accrued_ms: now_ms, wall } = self.stamp;
        let mut cx =
            Context { change: self.rows.change(), at, now_ms, wall, actor, configuration: &self.configuration };
        match effect(&mut cx) {
            Ok(outcome) => {
                cx.change.commit()?;
                Ok(outcome)
            }
            // What surrounds an effect is never refused; if it were, nothing of the entry would count.
            Err(Fault::Refused(refusal)) => Ok(Outcome::Rejected(refusal)),
            Err(Fault::Unreadable(unreadable)) => Err(unreadable),
        }
    }
}

/// Applies a request unless it was before, remembers and audits what came of it.
fn enter(cx: &mut Context<'_>, request: &Request, digest: RequestDigest, stamp: Stamp) -> Result<Outcome, Fault> {
    let effect = request.command.effect();
    let is_denied = request.decision.verdict == Verdict::Denied;
    let session = match request.session {
        None if effect.retry() == Retry::ByNature || is_denied => None,
        None => return Ok(Outcome::Rejected(Refusal::SessionNeeded)),
        Some((session, sequence)) => match session::admit(cx, session, sequence, request.acknowledged_below)? {
            Admission::Before(outcome) => return Ok(outcome),
            // What policy denies is audited, whether or not its session stands.
            Admission::Refused(_) if is_denied => None,
            Admission::Refused(refusal) => return Ok(Outcome::Rejected(refusal)),
            Admission::New(row) => Some(((session, sequence), row)),
        },
    };
    let is_allowed = !is_denied && operators::may_still_act(cx, &request.command)?;
    let effected = if is_allowed { effect.apply(cx) } else { Err(Refusal::Forbidden.into()) };
    let outcome = match effected {
        Ok(answer) => {
            debug_assert!(cx.change.written() <= effect.rows_written_max(), "an effect writes more than it says");
            Outcome::Done(answer)
        }
        Err(Fault::Refused(refusal)) => {
            cx.change.forget();
            Outcome::Rejected(refusal)
        }
        Err(unreadable) => return Err(unreadable),
    };
    if let Some((request_id, row)) = session {
        session::remember(cx, request_id, request.acknowledged_below, row, &outcome)?;
    }
    if let Some(audited) = effect.audited() {
        let around = Circumstances { stamp, request: digest, decision: request.decision };
        if !is_denied || refused::is_first(cx, audited.action, request.decision)? {
            audit::append(cx, &around, audited.action, &audited.object, &outcome)?;
        }
    }
    session::sweep(cx)?;
    denials::sweep(cx)?;
    refused::sweep(cx, stamp)?;
    Ok(outcome)
}
