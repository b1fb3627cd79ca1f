//! No two members apply different entries at one place, and equal places have equal states (the same figure, state
//! machine safety; `DESIGN` §7, state digests). What is agreed on is never taken back.

use std::collections::BTreeMap;

use strongroom_coordinator::id::{LogIndex, Position, Term};
use strongroom_coordinator::member::Member;
use strongroom_coordinator::state::StateDigest;

use super::Broken;

#[derive(Default)]
pub(super) struct States {
    entries: BTreeMap<LogIndex, (Term, u64)>,
    digests: BTreeMap<LogIndex, StateDigest>,
}

impl States {
    pub(super) fn applied(&mut self, host: usize, at: Position, outcome: u64) -> Result<(), Broken> {
        let first = *self.entries.entry(at.index).or_insert((at.term, outcome));
        if first == (at.term, outcome) {
            return Ok(());
        }
        let seen = format!("host {host} applied {:?} at {}, others {first:?}", (at.term, outcome), at.index);
        Err(Broken::new("states", seen))
    }

    pub(super) fn look_at(&mut self, host: usize, member: &Member) -> Result<(), Broken> {
        let machine = member.machine();
        let (index, digest) = (machine.position().index, machine.digest());
        let first = *self.digests.entry(index).or_insert(digest);
        if first == digest {
            return Ok(());
        }
        Err(Broken::new("states", format!("host {host} has {digest} at {index}, others {first}")))
    }
}
