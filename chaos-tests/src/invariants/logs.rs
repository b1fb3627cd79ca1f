//! Entries of two logs at one place and of one term are the same, and so are all before them (Ongaro, "Consensus:
//! Bridging Theory and Practice", 2014, figure 3.2, log matching).

use std::collections::BTreeMap;

use strongroom_coordinator::id::{LogIndex, Position, Term};
use strongroom_coordinator::member::Member;

use super::Broken;

/// How far back a log is compared when its end was replaced.
const COMPARED_AGAIN: u64 = 256;

#[derive(Default)]
pub(super) struct Logs {
    /// What was seen at a place: the content, and the term before.
    entries: BTreeMap<Position, ([u8; 32], Option<Term>)>,
    /// The last entry of each host's log that was compared.
    compared: BTreeMap<usize, Position>,
}

impl Logs {
    pub(super) fn look_at(&mut self, host: usize, member: &Member) -> Result<(), Broken> {
        let group = member.group();
        let (last, floor) = (group.standing().last, group.log().floor().position.index);
        let before = self.compared.get(&host).copied().unwrap_or_default();
        let is_same = before.index <= last && group.term_at(before.index) == Some(before.term);
        let from = if is_same { before.index.0 } else { last.0.saturating_sub(COMPARED_AGAIN) };
        for index in from.max(floor.0) + 1..=last.0 {
            let Some((term, content)) = group.fingerprint(LogIndex(index)) else { continue };
            let at = Position { index: LogIndex(index), term };
            let found = (content, group.term_at(LogIndex(index - 1)));
            let first = *self.entries.entry(at).or_insert(found);
            if first != found {
                return Err(Broken::new("logs", format!("host {host} has another entry at {at:?}")));
            }
            self.compared.insert(host, at);
        }
        Ok(())
    }
}
