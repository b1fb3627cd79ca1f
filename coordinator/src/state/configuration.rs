//! Who the members are, and who of them decides.
//!
//! Owns the configuration as the state knows it. It is joint while two sets of voters must both agree (Ongaro §4.3).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::MemberId;

/// The members of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// Those who decide.
    pub voters: BTreeSet<MemberId>,
    /// Those who only listen.
    pub learners: BTreeSet<MemberId>,
    /// Those who decided before the change under way, and must agree until it is at its end; none if no change is.
    pub voters_outgoing: BTreeSet<MemberId>,
    /// Those of the outgoing voters who will only listen afterwards.
    pub learners_next: BTreeSet<MemberId>,
    /// Whether the change under way ends by itself.
    pub auto_leave: bool,
}

impl Configuration {
    /// The configuration of one voter.
    pub fn single(member: MemberId) -> Self {
        Self { voters: BTreeSet::from([member]), ..Self::default() }
    }

    /// Whether a change is under way.
    pub fn is_joint(&self) -> bool {
        !self.voters_outgoing.is_empty()
    }

    /// Everybody who belongs to the group.
    pub fn members(&self) -> BTreeSet<MemberId> {
        let sets = [&self.voters, &self.learners, &self.voters_outgoing, &self.learners_next];
        sets.into_iter().flatten().copied().collect()
    }

    /// Whether a group can have this configuration: somebody decides, and nobody is two things at once.
    pub fn is_sound(&self) -> bool {
        let is_apart = self.learners.iter().all(|id| !self.voters.contains(id) && !self.voters_outgoing.contains(id));
        let is_next_known = self.learners_next.iter().all(|id| self.voters_outgoing.contains(id));
        let is_next_apart = self.learners_next.iter().all(|id| !self.voters.contains(id) && !self.learners.contains(id));
        !self.voters.is_empty() && is_apart && is_next_known && is_next_apart && (self.is_joint() || !self.auto_leave)
    }
}
