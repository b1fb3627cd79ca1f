//! The state on its way to the database, and what the log may forget for it.
//!
//! Owns when a flush begins, what becomes of one for which the disk has no space (it waits, the rows stay readable, and
//! it is tried again), and how much may wait before nothing new is taken on. The log knows that an entry is agreed on
//! before the state is flushed past it, and forgets only what is flushed.

use std::sync::Arc;

use strongroom_platform::mutant::{self, Mutant};

use super::event::{FlushJob, Outbox};
use super::{Core, Member, MemberError};
use crate::id::{LogIndex, Position};
use crate::raft::log::Floor;
use crate::state::Frozen;
use crate::store::StoreError;

/// How many flushes' worth of rows may wait for the database before nothing new is taken on.
const BEHIND_MAX: usize = 16;
/// How many times the bytes that the log keeps may wait for the database before nothing new is taken on.
const LOG_BEHIND_MAX: usize = 2;
/// Ticks between two attempts of a flush for which there is no space.
pub(super) const RETRY_TICKS: u32 = 20;

/// A flush that is not done.
pub(super) struct Flushing {
    frozen: Frozen,
    /// Whether nobody works on it: it waits for space on the disk.
    is_waiting: bool,
}

impl Member {
    /// Whether the database does not keep up: what waits for it must not grow without end.
    pub(super) fn is_behind(&self) -> bool {
        self.core.machine.changed_rows() > BEHIND_MAX.saturating_mul(self.config.flush_rows_max)
            || self.group.entry_bytes() > LOG_BEHIND_MAX.saturating_mul(self.config.log_bytes_max)
    }

    /// Starts a flush when enough has changed, or enough time has passed. `is_forced` asks for it whatever has changed.
    ///
    /// A copy for another member goes first: it can only be made between two flushes.
    pub(super) fn flush_if_due(&mut self, is_forced: bool, out: &mut dyn Outbox) -> Result<(), MemberError> {
        if self.core.snapshots.is_copying() || (self.needs_copy() && !is_forced) {
            return Ok(());
        }
        if let Some(flushing) = &mut self.core.flushing {
            if flushing.is_waiting && self.flush_ticks >= RETRY_TICKS {
                flushing.is_waiting = false;
                let frozen = flushing.frozen.clone();
                self.begin_flush(frozen, out);
            }
            return Ok(());
        }
        let core = &mut self.core;
        if core.machine.position() == core.flushed {
            return Ok(());
        }
        let rows = core.machine.changed_rows();
        let is_due =
            rows >= self.config.flush_rows_max || (rows > 0 && self.flush_ticks >= self.config.flush_ticks_max);
        let behind = core.machine.position().index.0 - core.flushed.index.0;
        if !is_forced && !is_due && behind < self.config.flush_entries_max {
            return Ok(());
        }
        // The log must know that all of this is agreed on before the state can stand there after a crash.
        if !mutant::is_active(Mutant::CommitUnsettled) {
            self.group.settle_commit(core.machine.position().index)?;
        }
        let Some(frozen) = core.machine.freeze() else { return Ok(()) };
        core.flushing = Some(Flushing { frozen: frozen.clone(), is_waiting: false });
        self.begin_flush(frozen, out);
        Ok(())
    }

    fn begin_flush(&mut self, frozen: Frozen, out: &mut dyn Outbox) {
        self.flush_ticks = 0;
        let core = &self.core;
        let (store, lock) = (Arc::clone(&core.store), core.lock.clone());
        out.flush(FlushJob { store, generation: core.generation, frozen, lock });
    }

    pub(super) fn flushed(&mut self, generation: u64, result: Result<(), StoreError>) -> Result<(), MemberError> {
        if generation != self.core.generation {
            // Of a state that was replaced while it was being flushed.
            return Ok(());
        }
        if matches!(result, Err(StoreError::NoSpace))
            && let Some(flushing) = &mut self.core.flushing
        {
            tracing::warn!(index = %flushing.frozen.position.index, "the disk has no space for the state; it waits");
            flushing.is_waiting = true;
            self.flush_ticks = 0;
            return Ok(());
        }
        result?;
        self.core.machine.thaw();
        if let Some(flushing) = self.core.flushing.take() {
            self.core.flushed = flushing.frozen.position;
        }
        self.compact()
    }

    /// Lets the log forget what is flushed and what no other member is about to ask for.
    fn compact(&mut self) -> Result<(), MemberError> {
        let is_past = mutant::is_active(Mutant::FloorPastFlush);
        let flushed = if is_past { self.core.machine.position() } else { self.core.flushed }.index.0;
        let is_full = self.group.entry_bytes() > self.config.log_bytes_max;
        let wanted = if is_full {
            // Memory goes before those who are on their way with a snapshot: they will need another.
            flushed
        } else {
            let kept = flushed.saturating_sub(self.config.log_entries_kept);
            kept.min(self.core.snapshots.needed_from(flushed))
        };
        let floor = self.group.log().floor().position.index.0;
        let is_worth_it = is_full || wanted.saturating_sub(floor) > self.config.log_entries_kept / 4;
        if wanted <= floor || !is_worth_it {
            return Ok(());
        }
        let index = LogIndex(wanted);
        if let Some(term) = self.group.term_at(index) {
            self.group.compact(Floor { position: Position { index, term }, generation: self.core.generation })?;
        }
        Ok(())
    }
}

impl Core {
    /// Whether a flush waits for space on the disk.
    pub(super) fn is_waiting(&self) -> bool {
        self.flushing.as_ref().is_some_and(|flushing| flushing.is_waiting)
    }
}
