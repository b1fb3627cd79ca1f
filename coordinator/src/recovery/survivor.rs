//! A member's folder, looked at without being opened: what it holds, as of its last entry.
//!
//! Owns the look. The folder is read through an overlay, so that not even the clean-up of an ordinary start reaches it;
//! no boot is counted and nothing is said in the member's name. The member must not run meanwhile.

use std::sync::Arc;

use strongroom_core::entropy::{Entropy, EntropyError};
use strongroom_platform::disk::{Disk, DiskError, OverlayDisk};

use super::survey::{LogSurvey, Survey};
use crate::id::{Position, Term};
use crate::member::{FolderLock, Heritage, Member, MemberConfig, MemberError, MemberIdentity, OpenError};
use crate::raft::log::LogIdentity;
use crate::raft::{Found, OpenedLog};
use crate::state::counters::{Counter, count};
use crate::state::refounding::RefoundedFrom;
use crate::state::rows::RawRows;
use crate::state::{Base, Configuration, Machine, Unreadable};
use crate::store::{self, Store};

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 4_096;

/// Why a folder can't be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The folder holds no member.
    #[error("there is no member in this folder")]
    Absent,
    /// The folder is in use: what is read of it would be a mixture.
    #[error("the member in this folder is running")]
    Running,
    /// The folder has no state that can be opened.
    #[error("no state in this folder can be opened")]
    NoState(#[source] Option<MemberError>),
    /// The folder can't be read.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<DiskError> for LookError {
    fn from(error: DiskError) -> Self {
        Self::Open(error.into())
    }
}

impl From<MemberError> for LookError {
    fn from(error: MemberError) -> Self {
        Self::Open(error.into())
    }
}

impl From<Unreadable> for LookError {
    fn from(error: Unreadable) -> Self {
        Self::Open(error.into())
    }
}

/// What a folder holds.
pub struct Survivor {
    identity: MemberIdentity,
    quarantine: Option<String>,
    log: Result<LogSurvey, String>,
    machine: Machine,
    /// The members as of the last entry that is known to be agreed on.
    configuration: Configuration,
    has_later_change: bool,
    /// What is read later is what was found.
    _lock: FolderLock,
}

impl Survivor {
    /// Looks at a member's folder.
    pub fn look(disk: Arc<dyn Disk>, config: &MemberConfig) -> Result<Self, LookError> {
        let overlay: Arc<dyn Disk> = Arc::new(OverlayDisk::over(disk));
        let identity = MemberIdentity::read(overlay.as_ref())?.ok_or(LookError::Absent)?;
        let quarantine = crate::member::quarantine_of(&overlay)?;
        let log_identity = LogIdentity { cluster: identity.cluster, member: identity.member };
        let agreed = agreed_state(&overlay, config)?;
        let lock = FolderLock::take(overlay.as_ref())?;
        let opened = OpenedLog::open(&overlay, log_identity, config.segment_bytes);
        let generation = opened.as_ref().ok().map(|log| log.floor().generation);
        let mut machine = agreed.map_or_else(|| open_state(&overlay, generation), Ok)?;
        let configuration = machine.configuration().clone();
        let mut has_later_change = false;
        let log = match opened {
            Ok(log) => {
                has_later_change = take_in(&mut machine, &log)?;
                let hard = log.hard();
                let last = Position { index: log.last(), term: log.term_at(log.last()).unwrap_or_default() };
                Ok(LogSurvey { term: hard.term, committed: hard.commit, last })
            }
            Err(error) => Err(chain(&error)),
        };
        Ok(Self { identity, quarantine, log, machine, configuration, has_later_change, _lock: lock })
    }

    /// What the folder holds, for those who compare survivors.
    pub fn survey(&self) -> Result<Survey, Unreadable> {
        let rows = self.machine.rows();
        Ok(Survey {
            cluster: self.identity.cluster.to_string(),
            epoch: self.identity.epoch.0,
            member: self.identity.member,
            boot: self.identity.boot,
            quarantine: self.quarantine.clone(),
            log: self.log.as_ref().ok().copied(),
            damage: self.log.as_ref().err().cloned(),
            stands: self.machine.position(),
            state_digest: self.machine.digest().to_string(),
            voters: self.configuration.voters.clone(),
            voters_outgoing: self.configuration.voters_outgoing.clone(),
            learners: self.configuration.learners.clone(),
            has_later_change: self.has_later_change,
            audit_events: count(rows, Counter::AuditEvents)?,
            snapshots: count(rows, Counter::Snapshots)?,
        })
    }

    /// What a new epoch takes from this folder.
    pub fn heritage(&self) -> Heritage {
        let last = self.machine.position();
        let log = self.log.as_ref().ok();
        let committed = match log {
            Some(log) if log.committed < last.index => Position { index: log.committed, ..last },
            _ => last,
        };
        Heritage {
            cluster: self.identity.cluster,
            epoch: self.identity.epoch,
            from: RefoundedFrom::Survivor(self.identity.member),
            last,
            committed,
            term: log.map_or(Term::default(), |log| log.term),
            digest: self.machine.digest(),
        }
    }

    /// The state, with all that the log adds.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// All rows of the state, in key order.
    pub fn pages(&mut self) -> impl Iterator<Item = Result<RawRows, Unreadable>> {
        // What the machine notes about itself joins the rows when they are frozen.
        drop(self.machine.freeze());
        self.machine.rows().pages(ROWS_AT_ONCE)
    }
}

/// The state with all that the member knows to be agreed on, if the member could be started: in the overlay it is.
fn agreed_state(overlay: &Arc<dyn Disk>, config: &MemberConfig) -> Result<Option<Machine>, LookError> {
    match Member::open(overlay, *config, &NoChance) {
        Ok(member) => Ok(Some(member.settled()?)),
        Err(OpenError::InUse) => Err(LookError::Running),
        // What can't be started is looked at in parts.
        Err(_) => Ok(None),
    }
}

/// The member draws its election timeouts and no more, and there are no elections in an overlay.
struct NoChance;

impl Entropy for NoChance {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(0);
        Ok(())
    }
}

/// Applies what the log has beyond the state, agreed on or not. Says whether the members change in it.
fn take_in(machine: &mut Machine, log: &OpenedLog) -> Result<bool, Unreadable> {
    let mut has_change = false;
    for (at, found) in log.entries().filter(|(at, _)| at.index > log.floor().position.index) {
        if at.index <= machine.position().index {
            continue;
        }
        match found {
            Found::Command(bytes) => {
                machine.apply(at, bytes)?;
            }
            Found::Change(context) => {
                has_change = true;
                let configuration = machine.configuration().clone();
                machine.apply_configuration(at, configuration, context)?;
            }
        }
    }
    Ok(has_change)
}

/// Opens the state that the log names, or the newest one where no log says.
fn open_state(disk: &Arc<dyn Disk>, generation: Option<u64>) -> Result<Machine, LookError> {
    let generations = match generation {
        Some(generation) => vec![generation],
        None => store::generations(disk.as_ref())?,
    };
    let mut refused = None;
    for generation in generations.into_iter().rev() {
        match Store::open(disk.as_ref(), &store::path(generation)) {
            Ok(store) => return Ok(Machine::open(Arc::new(store) as Arc<dyn Base>)?),
            Err(error) => refused = Some(error.into()),
        }
    }
    Err(LookError::NoState(refused))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
