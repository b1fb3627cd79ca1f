//! What a member must never forget, over all of its starts: its term, and what it knows to be agreed on (Ongaro,
//! "Consensus: Bridging Theory and Practice", 2014, figure 3.1, persistent state; the commit index is durable before
//! anything relies on it, `coordinator/src/raft.rs`).

use std::collections::{BTreeMap, BTreeSet};

use strongroom_coordinator::id::{LogIndex, MemberId, Term};
use strongroom_coordinator::member::Member;

use super::Broken;

#[derive(Default)]
pub(super) struct Promises {
    seen: BTreeMap<MemberId, (Term, LogIndex)>,
    /// Members whose disk confirmed what it did not keep.
    excused: BTreeSet<MemberId>,
}

impl Promises {
    pub(super) fn excuse(&mut self, id: MemberId) {
        self.excused.insert(id);
    }

    pub(super) fn look_at(&mut self, host: usize, member: &Member) -> Result<(), Broken> {
        let (id, standing) = (member.identity().member, member.standing());
        let durable = member.group().durable().commit;
        let (term, commit) = *self.seen.entry(id).or_insert((standing.term, durable));
        if (standing.term < term || standing.committed < commit || durable < commit) && !self.excused.contains(&id) {
            let seen = format!("host {host} was in term {term} with {commit} agreed on, and is {standing:?}");
            return Err(Broken::new("promises", seen));
        }
        self.seen.insert(id, (standing.term, durable));
        Ok(())
    }
}
