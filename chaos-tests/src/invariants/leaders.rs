//! A leader has every entry that was agreed on in an earlier term (Ongaro, "Consensus: Bridging Theory and Practice",
//! 2014, figure 3.2, leader completeness).

use std::collections::{BTreeMap, BTreeSet};

use strongroom_coordinator::id::{LogIndex, MemberId, Position, Term};
use strongroom_coordinator::member::Member;
use strongroom_coordinator::raft::Role;

use super::Broken;

#[derive(Default)]
pub(super) struct Leaders {
    agreed: BTreeMap<LogIndex, Term>,
    seen: BTreeSet<(Term, MemberId)>,
}

impl Leaders {
    pub(super) fn applied(&mut self, at: Position) {
        self.agreed.insert(at.index, at.term);
    }

    pub(super) fn look_at(&mut self, host: usize, member: &Member) -> Result<(), Broken> {
        let (standing, group) = (member.standing(), member.group());
        if standing.role != Role::Leader || !self.seen.insert((standing.term, member.identity().member)) {
            return Ok(());
        }
        let floor = group.log().floor().position.index;
        let behind = self.agreed.range(floor.next()..).filter(|(_, term)| **term < standing.term);
        for (index, term) in behind {
            if group.term_at(*index) != Some(*term) {
                let seen = format!("host {host} leads in term {} without entry {index} of {term}", standing.term);
                return Err(Broken::new("leaders", seen));
            }
        }
        Ok(())
    }
}
