//! What a survivor's folder holds, in a form in which survivors are compared, and which people and programs read.
//!
//! Owns the form and nothing else. It decides nothing that the folder itself does not confirm when the new epoch is made
//! from it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::id::{LogIndex, MemberId, Position, Term};
use crate::state::Configuration;

/// What one folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// The group.
    pub cluster: String,
    /// How often the group was founded anew.
    pub epoch: u64,
    /// Who founded it the last time.
    pub founder: MemberId,
    /// The member.
    pub member: MemberId,
    /// How often it was started.
    pub boot: u64,
    /// Why it may not speak under its name any more, if that is so.
    pub quarantine: Option<String>,
    /// What its log says; nothing if it can't be read.
    pub log: Option<LogSurvey>,
    /// Why the member can't be relied on, or could not be started.
    pub damage: Option<String>,
    /// The last entry that it knows to be agreed on.
    pub agreed: Position,
    /// Where the state stands with all that the log adds.
    pub stands: Position,
    /// The state's digest there.
    pub state_digest: String,
    /// Who belongs to the group: as of the last entry that is known to be agreed on, and after each later change in the
    /// log, any of which may have been agreed on.
    pub configurations: Vec<FoundConfiguration>,
    /// What was asked for in the entries that are not known to be agreed on: how many of each kind.
    pub unsettled: BTreeMap<String, u64>,
    /// The first entry of each term that the log still has.
    pub terms: Vec<Position>,
    /// Events of the audit log.
    pub audit_events: u64,
    /// Snapshots in the catalogue.
    pub snapshots: u64,
}

/// What a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogSurvey {
    /// The newest term that the member has heard of.
    pub term: Term,
    /// Its last entry.
    pub last: Position,
}

/// Who belongs to the group from an entry on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundConfiguration {
    /// The entry that it is known from.
    pub at: LogIndex,
    /// Who votes and who listens.
    #[serde(flatten)]
    pub members: Configuration,
}

impl Survey {
    /// Whether what the member holds can be relied on: it could be started, and it was not found to have forgotten.
    pub const fn is_sound(&self) -> bool {
        self.log.is_some() && self.damage.is_none() && self.quarantine.is_none()
    }

    /// Its last entry: that of the log, or that of the state where there is no log.
    pub fn last(&self) -> Position {
        self.log.map_or(self.stands, |log| log.last)
    }

    /// The last entry that this log and another one have in common. Two logs that have an entry of one place and one term
    /// are the same up to there (Ongaro, "Consensus: Bridging Theory and Practice", 2014, §3.5). What both have shed from
    /// their logs was agreed on.
    pub fn common(&self, other: &Self) -> LogIndex {
        let mut at = self.last().index.min(other.last().index);
        loop {
            let (Some(ours), Some(theirs)) = (self.term_of(at), other.term_of(at)) else { return at };
            if ours.term == theirs.term {
                return at;
            }
            // The later term began after the other one: where it begins, they may still be the same.
            let later = if ours.term > theirs.term { ours } else { theirs };
            at = LogIndex(later.index.0.saturating_sub(1));
        }
    }

    /// The first entry of the term that an entry is of, if the log goes back that far.
    fn term_of(&self, at: LogIndex) -> Option<Position> {
        self.terms.iter().rev().find(|first| first.index <= at).copied()
    }
}

impl FoundConfiguration {
    /// Whether these members could elect a leader by themselves.
    pub fn has_quorum(&self, members: &BTreeSet<MemberId>) -> bool {
        let halves = [&self.members.voters, &self.members.voters_outgoing];
        let has_majority = |half: &&BTreeSet<MemberId>| half.intersection(members).count() * 2 > half.len();
        !self.members.voters.is_empty() && halves.iter().filter(|half| !half.is_empty()).all(has_majority)
    }

    /// Whose votes count, in either half.
    pub fn voters(&self) -> impl Iterator<Item = MemberId> {
        self.members.voters.union(&self.members.voters_outgoing).copied()
    }
}
