//! What a command's effect sees: the rows as it leaves them, its place in the log, and the time of its entry.
//!
//! Owns the small helpers that all families share. Nothing here reaches anything but rows.

use strongroom_core::time::WallTime;

use super::configuration::Configuration;
use super::outcome::{Fault, Refusal, Thing};
use super::request::Actor;
use super::rows::{Change, Table};
use crate::id::Position;

/// What a command's effect works with.
pub(in crate::state) struct Context<'a> {
    /// The rows.
    pub(in crate::state) change: Change<'a>,
    /// The entry's place in the log.
    pub(in crate::state) at: Position,
    /// Accrued cluster time of the entry.
    pub(in crate::state) now_ms: u64,
    /// The leader's wall clock, kept for people and never decided by.
    pub(in crate::state) wall: WallTime,
    /// Who asked.
    pub(in crate::state) actor: &'a Actor,
    /// Who votes and listens.
    pub(in crate::state) configuration: &'a Configuration,
}

impl Context<'_> {
    /// A row that must be there.
    pub(in crate::state) fn need<T: Table>(&self, key: &T::Key, thing: Thing) -> Result<T::Value, Fault> {
        Ok(self.change.get::<T>(key)?.ok_or(Refusal::Missing(thing))?)
    }

    /// Refuses if a row is there.
    pub(in crate::state) fn need_none<T: Table>(&self, key: &T::Key, thing: Thing) -> Result<(), Fault> {
        match self.change.get::<T>(key)? {
            Some(_) => Err(Refusal::Exists(thing).into()),
            None => Ok(()),
        }
    }

    /// Sets a row.
    pub(in crate::state) fn put<T: Table>(&mut self, key: &T::Key, value: &T::Value) -> Result<(), Fault> {
        Ok(self.change.put::<T>(key, value)?)
    }
}
