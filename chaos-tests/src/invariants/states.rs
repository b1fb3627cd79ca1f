//! No two members apply different entries at one place (Ongaro, "Consensus: Bridging Theory and Practice", 2014, figure
//! 3.2, state machine safety). What is agreed on is never taken back.

use std::collections::BTreeMap;

use strongroom_coordinator::id::{LogIndex, Position, Term};

use super::Broken;

#[derive(Default)]
pub(super) struct States {
    entries: BTreeMap<LogIndex, (Term, u64)>,
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
}
