//! Messages of the crate `raft` as our own, and back.
//!
//! Owns the mapping, field by field. Nothing from the network reaches the decoder that the crate brings with it; what
//! comes in is our own prost type, and whether it makes sense is for [`super::ingress`] to say.

use std::collections::BTreeSet;

use raft::eraftpb::{ConfState, Entry, HardState, Message, MessageType, Snapshot};
use strongroom_proto::peers::v1;

use super::frame::{kind_from_byte, kind_to_byte};
use super::log::Hard;
use crate::id::{LogIndex, MemberId, Term};
use crate::state::Configuration;

/// A message that has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a peer's message has no meaning: {what}")]
pub struct Meaningless {
    /// The part that makes no sense.
    pub what: &'static str,
}

/// The kinds that travel between members, with their number on the wire. Proposals, reads and transfers never travel:
/// whoever wants one asks the leader.
const KINDS: &[(MessageType, u32)] = &[
    (MessageType::MsgAppend, 1),
    (MessageType::MsgAppendResponse, 2),
    (MessageType::MsgRequestVote, 3),
    (MessageType::MsgRequestVoteResponse, 4),
    (MessageType::MsgSnapshot, 5),
    (MessageType::MsgHeartbeat, 6),
    (MessageType::MsgHeartbeatResponse, 7),
    (MessageType::MsgTimeoutNow, 8),
    (MessageType::MsgRequestPreVote, 9),
    (MessageType::MsgRequestPreVoteResponse, 10),
];

/// A message of ours for the wire; nothing for kinds that stay at home.
pub(super) fn to_wire(mut message: Message) -> Option<v1::LogMessage> {
    let kind = message.get_msg_type();
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == kind)?;
    let entries = message.take_entries().into_iter().map(entry_to_wire).collect();
    let snapshot = message.has_snapshot().then(|| snapshot_to_wire(message.get_snapshot()));
    Some(v1::LogMessage {
        kind: *kind,
        term: message.term,
        log_term: message.log_term,
        index: message.index,
        entries,
        commit: message.commit,
        commit_term: message.commit_term,
        reject: message.reject,
        reject_hint: message.reject_hint,
        context: message.take_context(),
        priority: message.priority,
        request_snapshot: message.request_snapshot,
        snapshot,
    })
}

/// A message from the wire.
pub(super) fn from_wire(wire: v1::LogMessage, from: MemberId, to: MemberId) -> Result<Message, Meaningless> {
    let kind = KINDS.iter().find(|(_, number)| *number == wire.kind).ok_or(Meaningless { what: "kind" })?;
    let mut message = Message::default();
    message.set_msg_type(kind.0);
    message.from = from.number();
    message.to = to.number();
    message.term = wire.term;
    message.log_term = wire.log_term;
    message.index = wire.index;
    message.commit = wire.commit;
    message.commit_term = wire.commit_term;
    message.reject = wire.reject;
    message.reject_hint = wire.reject_hint;
    message.context = wire.context;
    message.priority = wire.priority;
    message.request_snapshot = wire.request_snapshot;
    let numbered = wire.entries.into_iter().zip(1_u64..);
    let entries = numbered.map(|(entry, number)| {
        let index = wire.index.checked_add(number).ok_or(Meaningless { what: "index of an entry" })?;
        entry_from_wire(entry, index)
    });
    message.set_entries(entries.collect::<Result<Vec<Entry>, Meaningless>>()?.into());
    if let Some(snapshot) = wire.snapshot {
        message.set_snapshot(snapshot_from_wire(&snapshot)?);
    }
    Ok(message)
}

/// Whether only one that leads, campaigns or is about to says this.
pub fn is_from_leader_or_candidate(message: &v1::LogMessage) -> bool {
    let kind = KINDS.iter().find(|(_, number)| *number == message.kind).map(|(kind, _)| *kind);
    let is_answer = |kind| {
        use MessageType::{
            MsgAppendResponse, MsgHeartbeatResponse, MsgRequestPreVoteResponse, MsgRequestVoteResponse, MsgTimeoutNow,
        };
        let answers = [MsgAppendResponse, MsgHeartbeatResponse, MsgRequestVoteResponse, MsgRequestPreVoteResponse];
        answers.contains(&kind) || kind == MsgTimeoutNow
    };
    kind.is_some_and(|kind| !is_answer(kind))
}

fn entry_to_wire(mut entry: Entry) -> v1::LogEntry {
    let kind = u32::from(kind_to_byte(entry.get_entry_type()));
    v1::LogEntry { term: entry.term, kind, data: entry.take_data(), context: entry.take_context() }
}

fn entry_from_wire(wire: v1::LogEntry, index: u64) -> Result<Entry, Meaningless> {
    let kind = u8::try_from(wire.kind).ok().and_then(kind_from_byte).ok_or(Meaningless { what: "kind of an entry" })?;
    let v1::LogEntry { term, data, context, .. } = wire;
    Ok(Entry { entry_type: kind, term, index, data, context, ..Entry::default() })
}

fn snapshot_to_wire(snapshot: &Snapshot) -> v1::SnapshotFacts {
    // The facts that Raft does not know travel in the snapshot's data, in their wire form.
    let mut facts: v1::SnapshotFacts = prost::Message::decode(snapshot.get_data()).unwrap_or_default();
    let metadata = snapshot.get_metadata();
    facts.index = metadata.index;
    facts.term = metadata.term;
    facts.configuration = Some(configuration_to_wire(&configuration(metadata.get_conf_state())));
    facts
}

/// A snapshot as Raft knows it: the other facts are its data.
pub(super) fn snapshot_from_wire(facts: &v1::SnapshotFacts) -> Result<Snapshot, Meaningless> {
    let configuration = facts.configuration.as_ref().ok_or(Meaningless { what: "configuration" })?;
    let mut snapshot = Snapshot::default();
    let metadata = snapshot.mut_metadata();
    metadata.index = facts.index;
    metadata.term = facts.term;
    metadata.set_conf_state(conf_state(&configuration_from_wire(configuration)?));
    snapshot.data = prost::Message::encode_to_vec(facts).into();
    Ok(snapshot)
}

/// A configuration for the wire.
pub fn configuration_to_wire(configuration: &Configuration) -> v1::Configuration {
    v1::Configuration {
        voters: numbers(&configuration.voters),
        learners: numbers(&configuration.learners),
        voters_outgoing: numbers(&configuration.voters_outgoing),
        learners_next: numbers(&configuration.learners_next),
        auto_leave: configuration.auto_leave,
    }
}

/// A configuration from the wire.
pub fn configuration_from_wire(wire: &v1::Configuration) -> Result<Configuration, Meaningless> {
    Ok(Configuration {
        voters: members(&wire.voters)?,
        learners: members(&wire.learners)?,
        voters_outgoing: members(&wire.voters_outgoing)?,
        learners_next: members(&wire.learners_next)?,
        auto_leave: wire.auto_leave,
    })
}

fn numbers(ids: &BTreeSet<MemberId>) -> Vec<u64> {
    ids.iter().map(|id| id.number()).collect()
}

fn members(numbers: &[u64]) -> Result<BTreeSet<MemberId>, Meaningless> {
    numbers.iter().map(|number| MemberId::from_number(*number).ok_or(Meaningless { what: "member" })).collect()
}

/// A configuration as Raft knows it.
pub(super) fn conf_state(configuration: &Configuration) -> ConfState {
    ConfState {
        voters: numbers(&configuration.voters),
        learners: numbers(&configuration.learners),
        voters_outgoing: numbers(&configuration.voters_outgoing),
        learners_next: numbers(&configuration.learners_next),
        auto_leave: configuration.auto_leave,
        ..ConfState::default()
    }
}

/// A configuration of Raft as ours.
pub(super) fn configuration(state: &ConfState) -> Configuration {
    let members = |numbers: &[u64]| numbers.iter().filter_map(|number| MemberId::from_number(*number)).collect();
    Configuration {
        voters: members(&state.voters),
        learners: members(&state.learners),
        voters_outgoing: members(&state.voters_outgoing),
        learners_next: members(&state.learners_next),
        auto_leave: state.auto_leave,
    }
}

/// A hard state as Raft knows it.
pub(super) fn hard_to_raft(hard: Hard) -> HardState {
    HardState {
        term: hard.term.0,
        vote: hard.vote.map_or(0, MemberId::number),
        commit: hard.commit.0,
        ..HardState::default()
    }
}

/// A hard state of Raft as ours.
pub(super) fn hard_from_raft(state: &HardState) -> Hard {
    Hard { term: Term(state.term), vote: MemberId::from_number(state.vote), commit: LogIndex(state.commit) }
}
