//! A log as it was found on the disk, before anybody goes on with it.
//!
//! Owns what can be asked of such a log: where it begins and ends, what it knows to be agreed on, and each entry with the
//! members that it leads to. Whoever looks at a member that does not run asks here, and changes nothing by it.

use std::sync::Arc;

use raft::eraftpb::{Entry, EntryType};
use raft::{Config, RawNode};
use strongroom_platform::disk::Disk;

use super::group::changed;
use super::log::{Floor, Hard, Log, LogError, LogIdentity, Recovered};
use super::shelf::Shelf;
use super::wire;
use crate::id::{LogIndex, MemberId, Position, Term};
use crate::state::Configuration;

/// A log as it was found on the disk.
pub struct OpenedLog {
    pub(super) log: Log,
    pub(super) shelf: Shelf,
}

impl OpenedLog {
    /// Opens the log of a member.
    pub fn open(disk: &Arc<dyn Disk>, identity: LogIdentity, segment_bytes: u64) -> Result<Self, LogError> {
        let (log, Recovered { hard, floor, entries }) = Log::open(disk, identity, segment_bytes)?;
        Ok(Self { log, shelf: Shelf::new(hard, floor, entries) })
    }

    /// Where it begins.
    pub const fn floor(&self) -> Floor {
        self.log.floor()
    }

    /// Its hard state.
    pub const fn hard(&self) -> Hard {
        self.log.hard()
    }

    /// Its last entry.
    pub fn last(&self) -> LogIndex {
        LogIndex(self.shelf.last())
    }

    /// The term of an entry.
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.shelf.term_at(index.0).map(Term)
    }

    /// The floor, and all entries behind it.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        let entries = self.shelf.entries().map(position);
        std::iter::once(self.floor().position).chain(entries)
    }

    /// All entries behind a place, agreed on or not, for those who look at a log and do not go on with it. The
    /// configuration is as of that place.
    pub fn entries_behind<'a>(
        &'a self,
        at: LogIndex,
        me: MemberId,
        configuration: &Configuration,
    ) -> Result<impl Iterator<Item = (Position, Found<'a>)> + use<'a>, LogError> {
        let mut base = Shelf::default();
        base.configure(wire::conf_state(configuration));
        let config = Config { id: me.number(), ..Config::default() };
        let mut node = RawNode::new(&config, base, &super::trace::logger()).map_err(|_| LogError::Unusable)?;
        let entries = self.shelf.entries().filter(move |entry| entry.index > at.0);
        Ok(entries.map(move |entry| {
            let found = match (entry.get_entry_type(), changed(&mut node, entry)) {
                (_, Some(configuration)) => Found::Change { configuration, context: &entry.context },
                (EntryType::EntryNormal, None) => Found::Command(&entry.data),
                // A change that can't be made changes nothing, for those who go on with the log too.
                (_, None) => Found::Command(&[]),
            };
            (position(entry), found)
        }))
    }
}

fn position(entry: &Entry) -> Position {
    Position { index: LogIndex(entry.index), term: Term(entry.term) }
}

/// What an entry of a log that is looked at holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A command; empty bytes are a leader's first entry.
    Command(&'a [u8]),
    /// A change of the members.
    Change {
        /// What it leads to.
        configuration: Configuration,
        /// The request that came with it; empty bytes are none.
        context: &'a [u8],
    },
}
