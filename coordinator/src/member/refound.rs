//! The first folder of a new epoch: a group that lost its quorum, or all of its disks, begun anew by one member.
//!
//! Owns the order: state, identity, log, as when a group is founded, so that a crash leaves a folder that holds no member
//! yet and may be used again. What the state is made of is only read. The member gets an id of its own, since the old ones
//! made promises, and the epoch counts up, so that nobody of the old group is listened to any more.

use std::sync::Arc;

use strongroom_core::entropy::Entropy;
use strongroom_core::time::WallTime;
use strongroom_platform::disk::Disk;
use strongroom_platform::disk::durable::clear_temporaries;

use super::config::MemberConfig;
use super::error::OpenError;
use super::identity::{Founding, MemberIdentity};
use super::open::log_identity;
use super::{FolderLock, Member, MemberError};
use crate::id::{ClusterEpoch, ClusterId, Position, Term};
use crate::raft::log::{Floor, Hard, Log};
use crate::state::members::MemberDetails;
use crate::state::refounding::{Refound, RefoundedFrom};
use crate::state::rows::RawRows;
use crate::state::{
    Actor, Base, Configuration, Decision, Layer, Machine, Outcome, Refusal, Request, Sequence, Stamp, StateDigest,
    Unreadable,
};
use crate::store::{self, Building};

/// Rows whose digest is taken at once.
const ROWS_AT_ONCE: usize = 4_096;

/// What a new epoch begins with.
#[derive(Clone, Debug)]
pub struct Heritage {
    /// The group.
    pub cluster: ClusterId,
    /// The epoch that is over.
    pub epoch: ClusterEpoch,
    /// What the state is taken from.
    pub from: RefoundedFrom,
    /// Where the state stands.
    pub last: Position,
    /// Up to where it was known to be agreed on.
    pub committed: Position,
    /// The highest term that was seen.
    pub term: Term,
    /// The state's digest.
    pub digest: StateDigest,
}

/// Why a group is not begun anew.
#[derive(Debug, thiserror::Error)]
pub enum RefoundError {
    /// The folder holds a member already.
    #[error("the folder holds a member already")]
    Occupied,
    /// The rows are not those of the state that was promised.
    #[error("the rows that were read are not the state that they were said to be")]
    OtherState,
    /// The rules refused the founding.
    #[error("the founding was refused: {0}")]
    Refused(Refusal),
    /// Where the rows come from, they can't be read.
    #[error("the old state can't be read")]
    Rows(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The new folder can't be written.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl From<MemberError> for RefoundError {
    fn from(error: MemberError) -> Self {
        Self::Open(error.into())
    }
}

impl Member {
    /// Makes the first member of a new epoch in a folder that holds none, from the rows of the old state in key order.
    pub fn refound<E>(
        disk: &Arc<dyn Disk>,
        heritage: &Heritage,
        pages: impl Iterator<Item = Result<RawRows, E>>,
        details: Option<MemberDetails>,
        wall: WallTime,
        config: &MemberConfig,
        entropy: &dyn Entropy,
    ) -> Result<MemberIdentity, RefoundError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let _lock = FolderLock::take(disk.as_ref())?;
        let identity = prepare(disk, heritage, entropy)?;
        let building = Building::begin(disk, &Layer::default()).map_err(MemberError::from)?;
        for page in pages {
            let page = page.map_err(|error| RefoundError::Rows(Box::new(error)))?;
            let mut layer = Layer::default();
            for (key, value) in page {
                layer.set(key, Some(value));
            }
            building.store().flush(&layer).map_err(MemberError::from)?;
        }
        let at = begin(&building, heritage, &identity, details, wall)?;
        building.finish(&store::path(1)).map_err(MemberError::from)?;
        identity.write_new(disk).map_err(MemberError::from)?;
        let hard = Hard { term: at.term, vote: None, commit: at.index };
        let floor = Floor { position: at, generation: 1 };
        Log::create(disk, log_identity(&identity), config.segment_bytes, hard, floor).map_err(MemberError::from)?;
        Ok(identity)
    }
}

/// Clears what an attempt left that did not come to its end, and mints the new member.
fn prepare(disk: &Arc<dyn Disk>, heritage: &Heritage, entropy: &dyn Entropy) -> Result<MemberIdentity, RefoundError> {
    let write = || -> Result<(), MemberError> {
        disk.create_dir_all(store::DIR)?;
        clear_temporaries(disk.as_ref(), "")?;
        clear_temporaries(disk.as_ref(), store::DIR)?;
        Ok(())
    };
    write()?;
    let found = MemberIdentity::read(disk.as_ref())?;
    let has_log = Log::exists(disk.as_ref()).map_err(MemberError::from)?;
    if has_log || found.is_some_and(|identity| identity.boot > 0) {
        return Err(RefoundError::Occupied);
    }
    for entry in disk.list(store::DIR).map_err(MemberError::from)? {
        store::discard(disk, &format!("{}/{}", store::DIR, entry.name)).map_err(MemberError::from)?;
    }
    let founding = Founding::Anew(heritage.cluster, heritage.epoch.next());
    MemberIdentity::renew(disk, founding, entropy).map_err(RefoundError::from)
}

/// Takes the founding into the state, as the first entry of the new epoch, and gives its place.
fn begin(
    building: &Building,
    heritage: &Heritage,
    identity: &MemberIdentity,
    details: Option<MemberDetails>,
    wall: WallTime,
) -> Result<Position, RefoundError> {
    let unreadable = |error: Unreadable| RefoundError::from(MemberError::from(error));
    let mut machine = Machine::open(Arc::clone(building.store()) as Arc<dyn Base>).map_err(unreadable)?;
    let counted = machine.rows().count_digest(ROWS_AT_ONCE).map_err(unreadable)?;
    let is_same = machine.position() == heritage.last && machine.digest() == heritage.digest;
    if !is_same || counted != heritage.digest {
        return Err(RefoundError::OtherState);
    }
    let at = Position { index: heritage.last.index.next(), term: heritage.term.max(heritage.last.term).next() };
    let refound = Refound {
        epoch: identity.epoch,
        member: identity.member,
        details,
        from: heritage.from,
        last: heritage.last,
        committed: heritage.committed,
    };
    let request = Request {
        session: None,
        acknowledged_below: Sequence(0),
        actor: Actor::System,
        decision: Decision::default(),
        stamp: Stamp { accrued_ms: machine.stamp().accrued_ms, wall },
        command: refound.into(),
    };
    // A founding is a few ids and a name or two.
    let bytes = request.encode().map_err(|_| RefoundError::Refused(Refusal::Malformed))?;
    let configuration = Configuration::single(identity.member);
    if let Outcome::Rejected(refusal) = machine.apply_configuration(at, configuration, &bytes).map_err(unreadable)? {
        return Err(RefoundError::Refused(refusal));
    }
    if let Some(frozen) = machine.freeze() {
        building.store().flush(&frozen.layer).map_err(MemberError::from)?;
    }
    Ok(at)
}
