//! What a survivor's folder holds, in a form that can be carried to where the survivors are compared.
//!
//! Owns the form and nothing else. A survey is an operator's file: it is checked before it is relied on, and it decides
//! nothing that the folder itself does not confirm when the new epoch is made from it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, MemberId, Position, Term};

/// Longest file of a survey in bytes: a few hundred, and an id for each member.
pub const SURVEY_BYTES_MAX: u64 = 64 * 1024;

/// What one folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// The group.
    pub cluster: String,
    /// How often the group was founded anew.
    pub epoch: u64,
    /// The member.
    pub member: MemberId,
    /// How often it was started.
    pub boot: u64,
    /// Why it may not speak under its name any more, if that is so.
    pub quarantine: Option<String>,
    /// What its log says; nothing if it can't be relied on.
    pub log: Option<LogSurvey>,
    /// Why the log can't be relied on.
    pub damage: Option<String>,
    /// Where the state stands with all that the log adds.
    pub stands: Position,
    /// The state's digest there.
    pub state_digest: String,
    /// Who votes, as of the last entry that the member knows to be agreed on.
    pub voters: BTreeSet<MemberId>,
    /// In a joint configuration, the voters that are being left.
    pub voters_outgoing: BTreeSet<MemberId>,
    /// Who listens.
    pub learners: BTreeSet<MemberId>,
    /// Whether the log holds a change of the members after that entry.
    pub has_later_change: bool,
    /// Events of the audit log.
    pub audit_events: u64,
    /// Snapshots in the catalogue.
    pub snapshots: u64,
}

/// What a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSurvey {
    /// The newest term that the member has heard of.
    pub term: Term,
    /// The last entry that it knows to be agreed on.
    pub committed: LogIndex,
    /// Its last entry.
    pub last: Position,
}

impl Survey {
    /// Whether what the member holds can be relied on: its log is whole, and it was not found to have forgotten.
    pub const fn is_sound(&self) -> bool {
        self.log.is_some() && self.quarantine.is_none()
    }
}
