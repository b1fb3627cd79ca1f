//! A member votes for one candidate in a term (Ongaro, "Consensus: Bridging Theory and Practice", 2014, §3.4), and one
//! that may never speak again does not (`coordinator/src/member/quarantine.rs`).

use std::collections::{BTreeMap, BTreeSet};

use strongroom_coordinator::id::MemberId;
use strongroom_proto::peers::v1::Envelope;
use strongroom_proto::peers::v1::envelope::Content;

use super::Broken;

/// The number of an answer to a candidate on the wire.
const VOTE: u32 = 4;

#[derive(Default)]
pub(super) struct Votes {
    given: BTreeMap<(u64, u64), u64>,
    silent: BTreeSet<u64>,
    /// Members whose disk confirmed what it did not keep.
    excused: BTreeSet<u64>,
}

impl Votes {
    pub(super) fn excuse(&mut self, id: MemberId) {
        self.excused.insert(id.number());
    }

    /// From here on a member must not be heard any more.
    pub(super) fn silence(&mut self, id: MemberId) {
        self.silent.insert(id.number());
    }

    pub(super) fn said(&mut self, envelope: &Envelope) -> Result<(), Broken> {
        if self.silent.contains(&envelope.from) {
            return Err(Broken::new("silence", format!("{:016x} speaks, and must not any more", envelope.from)));
        }
        let Some(Content::Log(message)) = &envelope.content else { return Ok(()) };
        if message.kind != VOTE || message.reject || self.excused.contains(&envelope.from) {
            return Ok(());
        }
        let first = *self.given.entry((envelope.from, message.term)).or_insert(envelope.to);
        if first == envelope.to {
            return Ok(());
        }
        let seen = format!("{:016x} voted for {first:016x} and {:016x}", envelope.from, envelope.to);
        Err(Broken::new("votes", format!("{seen} in term {}", message.term)))
    }
}
