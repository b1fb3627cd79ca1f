//! What ends a member, and what keeps one from being opened.

use strongroom_platform::disk::DiskError;

use crate::id::{LogIndex, MemberId};
use crate::raft::Verdict;
use crate::raft::log::LogError;
use crate::state::Unreadable;
use crate::store::StoreError;

/// What ends a member. It is dropped, and may be opened anew unless it was quarantined.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state's database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row of the state can't be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The disk refused.
    #[error("the member's folder can't be written")]
    Disk(#[source] DiskError),
    /// The member has forgotten what it promised. It is quarantined.
    #[error("this member has forgotten entries that it acknowledged")]
    Amnesia(#[source] Verdict),
    /// Most of the others have another state at the same place of the log. It is quarantined.
    #[error("at entry {index} most members have another state than this one")]
    Diverged {
        /// The place.
        index: LogIndex,
    },
    /// The member, or a job of its worker, panicked.
    #[error("this member panicked")]
    Panicked,
    /// The worker ended before the member did.
    #[error("the worker of this member is gone")]
    WorkerGone,
    /// A snapshot was agreed on that is not staged.
    #[error("a snapshot was to be installed that is not staged")]
    NotStaged,
}

impl From<DiskError> for MemberError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// Why a member is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has this folder, or this process has it open already.
    #[error("another process has this folder")]
    InUse,
    /// The folder holds a member, and was to get a new one.
    #[error("there is a member in this folder already")]
    IsMember,
    /// The folder holds no member.
    #[error("there is no member in this folder")]
    Absent,
    /// The member may not speak under its name any more.
    #[error("this member is quarantined: {reason}")]
    Quarantined {
        /// What was found when it was.
        reason: String,
    },
    /// The disk is full, so that this start can't be counted. Nothing is lost; with space it can be tried again.
    #[error("this start can't be counted: the disk is full")]
    NoSpace(#[source] DiskError),
    /// The identity file can't be read as one.
    #[error("the member's identity file is no identity file")]
    NoIdentity,
    /// The folder belongs to a member that was open before, and its log is gone.
    #[error("the log of member {member} is gone")]
    LogGone {
        /// The member.
        member: MemberId,
    },
    /// The state stands at an entry that the log does not have: the log has lost what it acknowledged.
    #[error("the state stands at entry {state}, and the log ends at {log}")]
    LogBehindState {
        /// Where the state stands.
        state: LogIndex,
        /// Where the log ends.
        log: LogIndex,
    },
    /// The state ends before the log begins.
    #[error("the state ends at entry {state}, and the log begins behind {floor}")]
    StateBehindLog {
        /// Where the state stands.
        state: LogIndex,
        /// The log's floor.
        floor: LogIndex,
    },
    /// What would have ended the member.
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl From<LogError> for OpenError {
    fn from(error: LogError) -> Self {
        Self::Member(error.into())
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Member(error.into())
    }
}

impl From<Unreadable> for OpenError {
    fn from(error: Unreadable) -> Self {
        Self::Member(error.into())
    }
}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> Self {
        Self::Member(error.into())
    }
}
