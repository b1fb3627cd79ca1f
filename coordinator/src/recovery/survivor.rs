//! A member's folder, looked at without being opened: what it holds, as of its last entry.
//!
//! Owns the look. The folder is read through an overlay, so that not even the clean-up of an ordinary start reaches it;
//! no boot is counted and nothing is said in the member's name. The member must not run meanwhile: its lock is held until
//! the look is over, where the medium can be written at all.
//!
//! Whether the member could be started is tried, in another overlay. Why it could not is the survivor's damage: one that
//! can't be started is never taken for sound, whatever its files show.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_core::entropy::{Entropy, EntropyError};
use strongroom_platform::disk::{Disk, DiskError, OverlayDisk};

use super::chain;
use super::survey::{FoundConfiguration, LogSurvey, Survey};
use crate::id::{LogIndex, Position, Term};
use crate::member::{FolderLock, Heritage, Member, MemberConfig, MemberError, MemberIdentity, OpenError};
use crate::raft::log::LogIdentity;
use crate::raft::{Found, OpenedLog};
use crate::state::counters::{Counter, count};
use crate::state::refounding::RefoundedFrom;
use crate::state::rows::RawRows;
use crate::state::{Base, Configuration, Machine, Request, Rows, Unreadable};
use crate::store::{self, Store};

/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 4_096;
/// First entries of terms that a survey lists: a group elects a few times a day, and a log is kept for hours.
const TERMS_MAX: usize = 1_024;

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
    Open(OpenError),
}

impl From<OpenError> for LookError {
    fn from(error: OpenError) -> Self {
        if matches!(error, OpenError::InUse) { Self::Running } else { Self::Open(error) }
    }
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
    damage: Option<String>,
    log: Option<LogSurvey>,
    machine: Machine,
    taken: Taken,
    /// What is read later is what was found.
    _lock: FolderLock,
}

impl Survivor {
    /// Looks at a member's folder.
    pub fn look(disk: &Arc<dyn Disk>, config: &MemberConfig) -> Result<Self, LookError> {
        let overlay: Arc<dyn Disk> = Arc::new(OverlayDisk::over(Arc::clone(disk)));
        let identity = MemberIdentity::read(overlay.as_ref())?.ok_or(LookError::Absent)?;
        let lock = FolderLock::take(overlay.as_ref())?;
        let quarantine = crate::member::quarantine_of(&overlay)?;
        let unstarted = try_to_start(disk, config)?;
        let log_identity = LogIdentity { cluster: identity.cluster, member: identity.member };
        let opened = OpenedLog::open(&overlay, log_identity, config.segment_bytes);
        let (mut machine, lost) = open_state(&overlay, opened.as_ref().ok().map(|log| log.floor().generation))?;
        let mut taken = Taken::none(&machine);
        let mut damage = lost.map(|error| chain(&error));
        let log = match opened {
            Ok(log) => {
                if damage.is_none() {
                    damage = taken.take_in(&mut machine, &log, &identity)?.map(|gap| chain(&gap));
                }
                Some(LogSurvey { term: log.hard().term, last: last_of(&log) })
            }
            Err(error) => {
                damage = Some(chain(&error));
                None
            }
        };
        let damage = damage.or(unstarted);
        Ok(Self { identity, quarantine, damage, log, machine, taken, _lock: lock })
    }

    /// What the folder holds, for those who compare survivors.
    pub fn survey(&self) -> Result<Survey, Unreadable> {
        let rows = self.machine.rows();
        Ok(Survey {
            cluster: self.identity.cluster.to_string(),
            epoch: self.identity.epoch.0,
            founder: self.identity.founder,
            member: self.identity.member,
            boot: self.identity.boot,
            quarantine: self.quarantine.clone(),
            log: self.log,
            damage: self.damage.clone(),
            agreed: self.taken.agreed,
            stands: self.machine.position(),
            state_digest: self.machine.digest().to_string(),
            configurations: self.taken.configurations.clone(),
            unsettled: self.taken.unsettled.clone(),
            terms: self.taken.terms.clone(),
            audit_events: count(rows, Counter::AuditEvents)?,
            snapshots: count(rows, Counter::Snapshots)?,
        })
    }

    /// What a new epoch takes from this folder.
    pub fn heritage(&self) -> Heritage {
        Heritage {
            cluster: self.identity.cluster,
            epoch: self.identity.epoch,
            from: RefoundedFrom::Survivor(self.identity.member),
            last: self.machine.position(),
            committed: self.taken.agreed,
            term: self.log.map_or(Term::default(), |log| log.term),
            digest: self.machine.digest(),
        }
    }

    /// Who the member is.
    pub const fn identity(&self) -> &MemberIdentity {
        &self.identity
    }

    /// The rows of the state, with all that the log adds.
    pub const fn rows(&self) -> &Rows {
        self.machine.rows()
    }

    /// All rows of the state as they are carried elsewhere, in key order.
    pub fn pages(&mut self) -> impl Iterator<Item = Result<RawRows, Unreadable>> {
        // What the machine notes about itself joins the rows when they are frozen.
        drop(self.machine.freeze());
        self.machine.rows().pages(ROWS_AT_ONCE)
    }
}

/// Why the member could not be started, if it could not. What a start would change is forgotten with its overlay.
fn try_to_start(disk: &Arc<dyn Disk>, config: &MemberConfig) -> Result<Option<String>, LookError> {
    let overlay: Arc<dyn Disk> = Arc::new(OverlayDisk::over(Arc::clone(disk)));
    // Whoever looks holds the lock already: this start takes one of its own.
    FolderLock::forget(overlay.as_ref())?;
    Ok(match Member::open(&overlay, *config, &NoChance) {
        // The quarantine is told for itself.
        Ok(_) | Err(OpenError::Quarantined { .. }) => None,
        Err(error) => Some(chain(&error)),
    })
}

/// The member draws its election timeouts and no more, and there are no elections in an overlay.
struct NoChance;

impl Entropy for NoChance {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(0);
        Ok(())
    }
}

/// Why the log does not go on where the state stands.
#[derive(Debug, thiserror::Error)]
enum Gap {
    #[error("the state stands at entry {state} of term {term}, which is not in the log")]
    Behind { state: LogIndex, term: Term },
    #[error("entry {found} follows entry {before} in the log")]
    Between { before: LogIndex, found: LogIndex },
}

/// What the log adds to the state.
struct Taken {
    /// The last entry that is known to be agreed on.
    agreed: Position,
    configurations: Vec<FoundConfiguration>,
    unsettled: BTreeMap<String, u64>,
    terms: Vec<Position>,
}

impl Taken {
    /// Nothing yet. The state holds what was agreed on and nothing else.
    fn none(machine: &Machine) -> Self {
        let (agreed, members) = (machine.position(), machine.configuration().clone());
        let configurations = vec![FoundConfiguration { at: agreed.index, members }];
        Self { agreed, configurations, unsettled: BTreeMap::new(), terms: Vec::new() }
    }

    /// Applies what the log has beyond the state, agreed on or not, as long as entry follows entry.
    fn take_in(
        &mut self,
        machine: &mut Machine,
        log: &OpenedLog,
        identity: &MemberIdentity,
    ) -> Result<Option<Gap>, LookError> {
        self.terms = terms_of(log);
        let Position { index, term } = machine.position();
        if log.term_at(index) != Some(term) {
            return Ok(Some(Gap::Behind { state: index, term }));
        }
        let committed = log.hard().commit.min(log.last());
        let entries = log.entries_behind(index, identity.member, machine.configuration());
        for (at, found) in entries.map_err(MemberError::from)? {
            let before = machine.position().index;
            if at.index != before.next() {
                return Ok(Some(Gap::Between { before, found: at.index }));
            }
            let is_settled = at.index <= committed;
            if is_settled {
                self.agreed = at;
            } else {
                *self.unsettled.entry(kind_of(&found)).or_default() += 1;
            }
            match found {
                Found::Command(bytes) => {
                    machine.apply(at, bytes)?;
                }
                Found::Change { configuration, context } => {
                    self.follow(at.index, is_settled, configuration.clone());
                    machine.apply_configuration(at, configuration, context)?;
                }
            }
        }
        Ok(None)
    }

    /// A change that was agreed on leaves nothing of what was before it.
    fn follow(&mut self, at: LogIndex, is_settled: bool, members: Configuration) {
        if is_settled {
            self.configurations.clear();
        }
        self.configurations.push(FoundConfiguration { at, members });
    }
}

/// What policies call the command of an entry.
fn kind_of(found: &Found<'_>) -> String {
    match found {
        Found::Change { .. } => "member.change".to_owned(),
        Found::Command([]) => "leader.begin".to_owned(),
        Found::Command(bytes) => match Request::decode(bytes) {
            Ok((request, _)) => request.command.action().to_owned(),
            Err(_) => "malformed".to_owned(),
        },
    }
}

/// The first entries of the newest terms.
fn terms_of(log: &OpenedLog) -> Vec<Position> {
    let mut terms: Vec<Position> = Vec::new();
    for at in log.positions() {
        if terms.last().is_none_or(|last| last.term != at.term) {
            terms.push(at);
        }
    }
    terms.split_off(terms.len().saturating_sub(TERMS_MAX))
}

fn last_of(log: &OpenedLog) -> Position {
    // The last entry's term is always known: the floor's stands in the log.
    Position { index: log.last(), term: log.term_at(log.last()).unwrap_or_default() }
}

/// Opens the state that the log names, or the newest one that can be, and then says why it is not the named one.
fn open_state(disk: &Arc<dyn Disk>, named: Option<u64>) -> Result<(Machine, Option<MemberError>), LookError> {
    let mut others = store::generations(disk.as_ref())?;
    others.retain(|generation| Some(*generation) != named);
    let mut lost: Option<MemberError> = None;
    for generation in named.into_iter().chain(others.into_iter().rev()) {
        let opened = Store::open(disk.as_ref(), &store::path(generation)).map_err(MemberError::from);
        match opened.and_then(|store| Ok(Machine::open(Arc::new(store) as Arc<dyn Base>)?)) {
            Ok(machine) => return Ok((machine, lost)),
            Err(error) => lost = lost.or(Some(error)),
        }
    }
    Err(LookError::NoState(lost))
}
