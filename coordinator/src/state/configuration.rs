//! Who votes and who listens, as of the last applied change.
//!
//! Owns a copy for the state's own use, in our own ids; the package `raft` has the authoritative one in its log. Two sets
//! of voters stand side by side while a joint change is under way (Ongaro, "Consensus: Bridging Theory and Practice",
//! 2014, §4.3).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::MemberId;

/// The members of the group by what they do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Those whose votes count.
    pub voters: BTreeSet<MemberId>,
    /// Those that receive the log and do not vote.
    pub learners: BTreeSet<MemberId>,
    /// In a joint configuration, the voters of the one that is being left.
    pub voters_outgoing: BTreeSet<MemberId>,
    /// In a joint configuration, the outgoing voters that will listen once it is left.
    pub learners_next: BTreeSet<MemberId>,
    /// Whether the joint configuration is left without being asked.
    pub auto_leave: bool,
}

impl Configuration {
    /// Whether a member has any part in the group.
    pub fn has(&self, member: MemberId) -> bool {
        [&self.voters, &self.learners, &self.voters_outgoing, &self.learners_next]
            .iter()
            .any(|set| set.contains(&member))
    }

    /// Whether a member's votes count, in either half of a joint configuration.
    pub fn has_voter(&self, member: MemberId) -> bool {
        self.voters.contains(&member) || self.voters_outgoing.contains(&member)
    }

    /// All members with any part in the group.
    pub fn members(&self) -> BTreeSet<MemberId> {
        let sets = [&self.voters, &self.learners, &self.voters_outgoing, &self.learners_next];
        sets.into_iter().flatten().copied().collect()
    }
}

impl Configuration {
    /// The configuration of a group of one.
    pub fn single(member: MemberId) -> Self {
        Self { voters: BTreeSet::from([member]), ..Self::default() }
    }

    /// A name for it that fits into an event of the audit log: how many vote and listen, how many votes are being left,
    /// and the first eight bytes of BLAKE3 over who does what, a line each, in the order of the ids.
    pub fn summary(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let parts = [
            ("voter", &self.voters),
            ("learner", &self.learners),
            ("outgoing", &self.voters_outgoing),
            ("next", &self.learners_next),
        ];
        for (part, member) in parts.into_iter().flat_map(|(part, members)| members.iter().map(move |it| (part, it))) {
            hasher.update(format!("{part} {member}\n").as_bytes());
        }
        let hash = hasher.finalize().to_hex();
        let hash = hash.get(..16).unwrap_or_default();
        let counts = format!("{} voters, {} learners", self.voters.len(), self.learners.len());
        match self.voters_outgoing.len() {
            0 => format!("{counts} [{hash}]"),
            outgoing => format!("{counts}, {outgoing} outgoing [{hash}]"),
        }
    }

    /// Whether a change is under way.
    pub fn is_joint(&self) -> bool {
        !self.voters_outgoing.is_empty()
    }

    /// Whether a group can have this configuration: somebody decides, and nobody is two things at once.
    pub fn is_sound(&self) -> bool {
        let is_apart = self.learners.iter().all(|id| !self.has_voter(*id));
        let is_next_known = self.learners_next.iter().all(|id| self.voters_outgoing.contains(id));
        let is_next_apart =
            self.learners_next.iter().all(|id| !self.voters.contains(id) && !self.learners.contains(id));
        !self.voters.is_empty() && is_apart && is_next_known && is_next_apart && (self.is_joint() || !self.auto_leave)
    }
}
