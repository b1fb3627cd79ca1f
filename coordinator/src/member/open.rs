//! Making a member, and opening one after whatever happened.
//!
//! Owns the order in which a folder becomes a member (state, then identity, then log: a folder without a log is none),
//! and the checks between the three when it is opened.

use std::sync::Arc;

use strongroom_core::entropy::{Entropy, random_array};
use strongroom_platform::disk::Disk;
use strongroom_platform::disk::durable::clear_temporaries;
use strongroom_platform::mutant::{self, Mutant};

use super::config::MemberConfig;
use super::error::{MemberError, OpenError};
use super::identity::{Founding, MemberIdentity};
use super::{Core, FolderLock, Member, quarantine};
use crate::id::{LogIndex, Position, Term};
use crate::raft::log::{Floor, Hard, Log, LogError, LogIdentity};
use crate::raft::{Group, OpenedLog};
use crate::state::{Base, Configuration, Layer, Machine};
use crate::store::{self, Store};

/// Where the log of a new group begins: behind the entry that made its first member.
const FOUNDED: Position = Position { index: LogIndex(1), term: Term(1) };

impl Member {
    /// Makes a member in a folder that has none. What a crash leaves of an earlier attempt is removed.
    pub fn create(
        disk: &Arc<dyn Disk>,
        founding: Founding,
        config: &MemberConfig,
        entropy: &dyn Entropy,
    ) -> Result<MemberIdentity, OpenError> {
        let _lock = FolderLock::take(disk.as_ref())?;
        if Self::exists(disk.as_ref())? {
            return Err(OpenError::IsMember);
        }
        disk.create_dir_all(store::DIR)?;
        clear_temporaries(disk.as_ref(), "")?;
        clear_temporaries(disk.as_ref(), store::DIR)?;
        let (identity, is_new) = match MemberIdentity::read(disk.as_ref())? {
            // It has spoken already, and what it promised is gone: nobody may go on under its name.
            Some(identity) if identity.boot > 0 && !mutant::is_active(Mutant::IdReused) => {
                return Err(OpenError::LogGone { member: identity.member });
            }
            Some(identity) => (identity, false),
            None => (MemberIdentity::mint(founding, entropy).map_err(|_| OpenError::NoIdentity)?, true),
        };
        let (position, configuration) = match founding {
            Founding::Group => (FOUNDED, Configuration::single(identity.member)),
            Founding::Anew(..) | Founding::Joining(..) => (Position::default(), Configuration::default()),
        };
        for entry in disk.list(store::DIR)? {
            disk.remove(&format!("{}/{}", store::DIR, entry.name))?;
        }
        let mut rows = Layer::default();
        Machine::found(&mut rows, position, &configuration)?;
        Store::create(disk, &store::path(1), &rows)?;
        if is_new {
            identity.write_new(disk)?;
        }
        let hard = Hard { term: position.term, vote: None, commit: position.index };
        Log::create(disk, log_identity(&identity), config.segment_bytes, hard, Floor { position, generation: 1 })?;
        Ok(identity)
    }

    /// Says whether a folder holds a member.
    pub fn exists(disk: &dyn Disk) -> Result<bool, OpenError> {
        Ok(MemberIdentity::read(disk)?.is_some() && Log::exists(disk)?)
    }

    /// Opens a member: its log, the state that belongs to it, and what was agreed on since.
    ///
    /// The folder is this process's alone from here on, until the member and all of its jobs are gone.
    pub fn open(disk: &Arc<dyn Disk>, config: MemberConfig, entropy: &dyn Entropy) -> Result<Self, OpenError> {
        let lock = FolderLock::take(disk.as_ref())?;
        clear_temporaries(disk.as_ref(), "")?;
        if let Some(reason) = quarantine::read(disk)? {
            return Err(OpenError::Quarantined { reason });
        }
        let identity = MemberIdentity::start(disk)?;
        let log = match OpenedLog::open(disk, log_identity(&identity), config.segment_bytes) {
            Ok(log) => log,
            Err(error @ LogError::Damaged { .. }) => return Err(forget(disk, error.into())),
            Err(error) => return Err(error.into()),
        };
        let generation = log.floor().generation;
        let store = Arc::new(open_state(disk, generation)?);
        let machine = Machine::open(Arc::clone(&store) as Arc<dyn Base>)?;
        let applied = machine.position();
        check(&log, applied, disk)?;
        let seed = u64::from_be_bytes(random_array(entropy).map_err(|_| OpenError::NoIdentity)?);
        let mut group = Group::resume(log, identity.member, applied, machine.configuration(), config.timing, seed)?;
        let core = Core {
            disk: Arc::clone(disk),
            lock,
            identity,
            machine,
            store,
            generation,
            proposals: super::Proposals::default(),
            reads: super::Reads::default(),
            snapshots: super::Snapshots::default(),
            divergence: super::Divergence::default(),
            accrual: super::Accrual::default(),
            boots: std::collections::BTreeMap::new(),
            flushing: None,
            flushed: applied,
        };
        let standing = group.standing();
        // An election timeout protects a leader that others hear. A sole voter has no others: only it can lead, and it
        // wins by its own vote, which its disk has before it says or agrees on anything. The first turn does the rest.
        if *core.machine.configuration() == Configuration::single(core.identity.member) {
            group.campaign();
        }
        Ok(Self { config, group, core, standing, flush_ticks: 0, joint_ticks: 0 })
    }
}

/// Opens the state of a generation, and removes all others: they were replaced, or never came to be.
fn open_state(disk: &Arc<dyn Disk>, generation: u64) -> Result<Store, OpenError> {
    clear_temporaries(disk.as_ref(), store::DIR)?;
    let ours = store::path(generation);
    for entry in disk.list(store::DIR)? {
        let path = format!("{}/{}", store::DIR, entry.name);
        if path != ours {
            store::discard(disk, &path)?;
        }
    }
    let store = Store::open(disk.as_ref(), &ours)?;
    // An empty flush writes the file's head again: the one that was read may be shown and have been given up, while the
    // log is about to rely on it. What the head points to was durable before it was written.
    store.flush(&Layer::default())?;
    Ok(store)
}

/// The state must stand within the log, and not past what the log knows to be agreed on.
fn check(log: &OpenedLog, applied: Position, disk: &Arc<dyn Disk>) -> Result<(), OpenError> {
    let floor = log.floor().position;
    if applied.index < floor.index {
        return Err(OpenError::StateBehindLog { state: applied.index, floor: floor.index });
    }
    let is_whole = log.hard().commit <= log.last();
    let is_known = applied.index <= log.hard().commit && log.term_at(applied.index) == Some(applied.term) && is_whole;
    if is_known {
        return Ok(());
    }
    let error = OpenError::LogBehindState { state: applied.index, log: log.last() };
    quarantine::note(disk, &error)?;
    Err(error)
}

fn forget(disk: &Arc<dyn Disk>, error: MemberError) -> OpenError {
    match quarantine::note(disk, &error) {
        Ok(()) => OpenError::Member(error),
        Err(disk) => disk.into(),
    }
}

pub(super) const fn log_identity(identity: &MemberIdentity) -> LogIdentity {
    LogIdentity { cluster: identity.cluster, member: identity.member }
}
