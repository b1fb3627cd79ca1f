//! Appends of one turn to one member, as one message.
//!
//! Owns the joining. The crate makes a message for each proposal and each follower; a turn that takes many proposals then
//! sends, checks and answers many messages where one does. Joined are appends that follow each other without a gap, up to
//! a bound; what a leader may take back of a message, its commit index, is that of the last. A receiver can't tell the
//! result from a message that the crate made of the same entries, and its one answer frees all that it answers for.

use std::collections::BTreeMap;

use raft::eraftpb::{Entry, Message, MessageType};

/// Bytes of entries in a message that was joined; a single one may be larger by itself.
const JOINED_BYTES_MAX: usize = 1024 * 1024;

/// Joins what can be joined. Messages to one member keep their order.
pub(super) fn appends(messages: Vec<Message>) -> Vec<Message> {
    let mut joined: Vec<Message> = Vec::with_capacity(messages.len());
    let mut newest: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for mut message in messages {
        let more = bytes_of(&message);
        let before = newest.get_mut(&message.to).and_then(|(at, bytes)| Some((joined.get_mut(*at)?, bytes)));
        if let Some((before, bytes)) = before
            && *bytes + more <= JOINED_BYTES_MAX
            && continues(before, &message)
        {
            *bytes += more;
            before.entries.extend(message.take_entries());
            (before.commit, before.commit_term) = (message.commit, message.commit_term);
            continue;
        }
        newest.insert(message.to, (joined.len(), more));
        joined.push(message);
    }
    joined
}

/// Whether a message appends where another one ends.
fn continues(before: &Message, after: &Message) -> bool {
    let is_append = |it: &Message| it.get_msg_type() == MessageType::MsgAppend && !it.entries.is_empty();
    let Some(last) = before.entries.last() else { return false };
    is_append(before)
        && is_append(after)
        && before.term == after.term
        && before.commit <= after.commit
        && (last.index, last.term) == (after.index, after.log_term)
}

fn bytes_of(message: &Message) -> usize {
    let bytes = |entry: &Entry| entry.data.len() + entry.context.len() + size_of::<Entry>();
    message.entries.iter().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(to: u64, term: u64, index: u64, entries: &[(u64, usize)], commit: u64) -> Message {
        let mut message = Message { to, term, index, log_term: term, commit, ..Message::default() };
        message.set_msg_type(MessageType::MsgAppend);
        let entry = |(index, bytes): &(u64, usize)| Entry {
            term,
            index: *index,
            data: vec![7; *bytes].into(),
            ..Entry::default()
        };
        message.set_entries(entries.iter().map(entry).collect::<Vec<_>>().into());
        message
    }

    fn indexes(message: &Message) -> Vec<u64> {
        message.entries.iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn appends_without_a_gap_become_one() {
        let messages = vec![
            append(2, 5, 9, &[(10, 1)], 8),
            append(3, 5, 9, &[(10, 1)], 8),
            append(2, 5, 10, &[(11, 1), (12, 1)], 9),
            append(3, 5, 10, &[(11, 1)], 9),
        ];
        let joined = appends(messages);
        assert_eq!(joined.iter().map(|it| it.to).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(indexes(&joined[0]), [10, 11, 12]);
        assert_eq!((joined[0].index, joined[0].log_term, joined[0].commit), (9, 5, 9));
    }

    #[test]
    fn what_does_not_follow_stays_apart() {
        let mut heartbeat = append(2, 5, 0, &[], 0);
        heartbeat.set_msg_type(MessageType::MsgHeartbeat);
        let after = |second: Message| appends(vec![append(2, 5, 9, &[(10, 1)], 8), second]).len();
        assert_eq!(after(append(2, 5, 9, &[(10, 1)], 8)), 2, "the same again");
        assert_eq!(after(append(2, 5, 11, &[(12, 1)], 8)), 2, "a gap");
        assert_eq!(after(append(2, 6, 10, &[(11, 1)], 8)), 2, "another term");
        assert_eq!(after(append(2, 5, 10, &[], 9)), 2, "a commit index alone");
        assert_eq!(after(heartbeat.clone()), 2);
        let between = vec![append(2, 5, 9, &[(10, 1)], 8), heartbeat, append(2, 5, 10, &[(11, 1)], 8)];
        assert_eq!(appends(between).len(), 3, "the order of messages stays");
    }

    #[test]
    fn a_message_is_not_joined_beyond_its_bound() {
        let half = JOINED_BYTES_MAX / 2;
        let messages = vec![append(2, 5, 9, &[(10, half)], 8), append(2, 5, 10, &[(11, half)], 8)];
        assert_eq!(appends(messages).len(), 2);
    }
}
