//! What a peer's message must be before it is stepped.
//!
//! Owns the guard in front of the crate `raft`, which ends the process on several messages that are malformed or stale,
//! and takes others for its own (a message without a term, for one). What is refused here is dropped, with a warning; what
//! shows that this member has forgotten something that it promised is a [`Verdict::Amnesia`], and ends its membership.

use raft::Raft;
use raft::eraftpb::{Message, MessageType};

use super::shelf::Shelf;
use crate::id::LogIndex;

/// The highest term or index. Counting up from it for ever does not overflow.
const NUMBER_MAX: u64 = 1 << 62;
/// Context of a message: names of a campaign, or a read's token.
const CONTEXT_BYTES_MAX: usize = 64;
/// Entries in a message. The leader sends batches of about one MiB, of entries that are rarely below 64 bytes.
const ENTRIES_MAX: usize = 65_536;

/// Why a message is not stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Verdict {
    /// No member that follows the protocol sends it.
    #[error("a message that no member sends: {what}")]
    Malformed {
        /// The part that gives it away.
        what: &'static str,
    },
    /// The leader relies on entries that this member acknowledged and does not have.
    #[error("the leader knows entries up to {known} here, and the log ends at {last}")]
    Amnesia {
        /// What this member once had.
        known: LogIndex,
        /// What it has.
        last: LogIndex,
    },
}

/// Checks a message against what this member is, and takes out of it what must not be stepped.
pub(super) fn check(message: &mut Message, raft: &Raft<Shelf>) -> Result<(), Verdict> {
    let refuse = |what| Err(Verdict::Malformed { what });
    if message.term == 0 {
        return refuse("no term");
    }
    let numbers =
        [message.term, message.log_term, message.index, message.commit, message.commit_term, message.reject_hint];
    if numbers.iter().any(|number| *number > NUMBER_MAX) {
        return refuse("a number that no group reaches");
    }
    if message.context.len() > CONTEXT_BYTES_MAX {
        return refuse("a long context");
    }
    if message.request_snapshot != 0 {
        return refuse("a request for a snapshot");
    }
    let kind = message.get_msg_type();
    if !message.entries.is_empty() && kind != MessageType::MsgAppend {
        return refuse("entries in a message that has none");
    }
    if message.has_snapshot() != (kind == MessageType::MsgSnapshot) {
        return refuse("a snapshot where there is none, or none where there is one");
    }
    match kind {
        MessageType::MsgAppend => check_append(message),
        MessageType::MsgHeartbeat => check_heartbeat(message, raft),
        MessageType::MsgAppendResponse => check_append_response(message, raft),
        MessageType::MsgSnapshot => check_snapshot(message),
        MessageType::MsgTimeoutNow if message.from != raft.leader_id || message.term != raft.term => {
            refuse("a call to campaign from another than the leader")
        }
        _ => Ok(()),
    }
}

fn check_append(message: &Message) -> Result<(), Verdict> {
    let refuse = |what| Err(Verdict::Malformed { what });
    if message.entries.len() > ENTRIES_MAX {
        return refuse("too many entries");
    }
    if message.log_term > message.term || (message.log_term == 0) != (message.index == 0) {
        return refuse("a term before the entries that can't be");
    }
    let mut before = message.log_term.max(1);
    for (entry, number) in message.entries.iter().zip(1_u64..) {
        if entry.index != message.index.saturating_add(number) {
            return refuse("entries with a gap");
        }
        if entry.term < before || entry.term > message.term {
            return refuse("entries whose terms fall, or lie ahead");
        }
        before = entry.term;
    }
    Ok(())
}

/// A leader says how far this member has come as it knows it. What it says past the end of the log was forgotten here.
///
/// One that is not known to lead yet is made known first, by a message that commits nothing: a leader with nothing new to
/// say sends no appends, and a member that was started anew would never hear of it otherwise. The next message tells.
fn check_heartbeat(message: &mut Message, raft: &Raft<Shelf>) -> Result<(), Verdict> {
    let last = raft.raft_log.last_index();
    if message.commit <= last || message.term < raft.term {
        return Ok(());
    }
    if message.term == raft.term && message.from == raft.leader_id {
        return Err(Verdict::Amnesia { known: LogIndex(message.commit), last: LogIndex(last) });
    }
    message.commit = raft.raft_log.committed;
    Ok(())
}

fn check_append_response(message: &Message, raft: &Raft<Shelf>) -> Result<(), Verdict> {
    if message.term != raft.term {
        return Ok(());
    }
    if !message.reject && message.index > raft.raft_log.last_index() {
        return Err(Verdict::Malformed { what: "an acknowledgement of entries that are not" });
    }
    if message.reject && message.reject_hint > message.index {
        return Err(Verdict::Malformed { what: "a hint behind what was refused" });
    }
    Ok(())
}

fn check_snapshot(message: &Message) -> Result<(), Verdict> {
    let refuse = |what| Err(Verdict::Malformed { what });
    let metadata = message.get_snapshot().get_metadata();
    if metadata.index == 0 || metadata.index > NUMBER_MAX || metadata.term == 0 || metadata.term > message.term {
        return refuse("a snapshot of no place in the log");
    }
    if !super::wire::configuration(metadata.get_conf_state()).is_sound() {
        return refuse("a snapshot of a configuration that can't be");
    }
    Ok(())
}
