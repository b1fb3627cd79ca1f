//! Calls and answers that a search has not taken yet, in order.
//!
//! Owns a doubly linked list over the events of the answered operations. Taking an operation lifts its call and its
//! answer out; going back puts them in again, last out first in, at no more than the cost of four links (Lowe 2017).
//! The operations that may come next are those whose calls stand before the first answer.

/// An event of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryAt(usize);

/// What an event is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// Operation `call` was invoked.
    Call { call: usize },
    /// The first answer in the list, at this place in the order of events: what was invoked later has to wait.
    Answer { order: usize },
}

/// The list. Event 0 is its border: the one before the first and after the last.
#[derive(Debug)]
pub(super) struct Entries {
    events: Vec<Entry>,
    /// Where the other event of an operation is.
    partners: Vec<usize>,
    previous: Vec<usize>,
    next: Vec<usize>,
}

const BORDER: usize = 0;

#[expect(clippy::indexing_slicing, reason = "every place was handed out by this list, which never gets shorter")]
impl Entries {
    /// The list of operations with these places of invocation and answer.
    pub(super) fn new(spans: &[(usize, usize)]) -> Self {
        let calls = spans.iter().enumerate().map(|(call, (invoked, _))| (*invoked, call, Entry::Call { call }));
        let answers =
            spans.iter().enumerate().map(|(call, (_, order))| (*order, call, Entry::Answer { order: *order }));
        let mut events: Vec<_> = calls.chain(answers).collect();
        events.sort_unstable_by_key(|(order, ..)| *order);
        let len = events.len() + 1;
        let mut list = Self {
            events: Vec::with_capacity(len),
            partners: vec![BORDER; len],
            previous: (0..len).map(|at| (at + len - 1) % len).collect(),
            next: (0..len).map(|at| (at + 1) % len).collect(),
        };
        list.events.push(Entry::Answer { order: usize::MAX });
        let mut calls_at = vec![BORDER; spans.len()];
        for (_, call, entry) in events {
            let at = list.events.len();
            match entry {
                Entry::Call { .. } => calls_at[call] = at,
                Entry::Answer { .. } => {
                    list.partners[calls_at[call]] = at;
                    list.partners[at] = calls_at[call];
                }
            }
            list.events.push(entry);
        }
        list
    }

    /// Whether every operation was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.next[BORDER] == BORDER
    }

    pub(super) fn first(&self) -> EntryAt {
        EntryAt(self.next[BORDER])
    }

    pub(super) fn after(&self, at: EntryAt) -> EntryAt {
        EntryAt(self.next[at.0])
    }

    pub(super) fn get(&self, at: EntryAt) -> Entry {
        self.events[at.0]
    }

    /// Takes the operation that is called at `call`.
    pub(super) fn lift(&mut self, call: EntryAt) {
        self.unlink(call.0);
        self.unlink(self.partners[call.0]);
    }

    /// Puts back the operation that was taken last.
    pub(super) fn put_back(&mut self, call: EntryAt) {
        self.link(self.partners[call.0]);
        self.link(call.0);
    }

    fn unlink(&mut self, at: usize) {
        let (previous, next) = (self.previous[at], self.next[at]);
        self.next[previous] = next;
        self.previous[next] = previous;
    }

    fn link(&mut self, at: usize) {
        let (previous, next) = (self.previous[at], self.next[at]);
        self.next[previous] = at;
        self.previous[next] = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(list: &Entries) -> Vec<String> {
        let mut at = list.first();
        let mut seen = Vec::new();
        while at != EntryAt(BORDER) {
            seen.push(match list.get(at) {
                Entry::Call { call } => format!("call {call}"),
                Entry::Answer { order } => format!("answer {order}"),
            });
            at = list.after(at);
        }
        seen
    }

    #[test]
    fn what_was_lifted_comes_back_to_its_place() {
        let mut list = Entries::new(&[(0, 5), (1, 3), (4, 9)]);
        let whole = walk(&list);
        assert_eq!(whole, ["call 0", "call 1", "answer 3", "call 2", "answer 5", "answer 9"]);
        let (first, second) = (list.first(), list.after(list.first()));
        list.lift(second);
        assert_eq!(walk(&list), ["call 0", "call 2", "answer 5", "answer 9"]);
        list.lift(first);
        assert_eq!(walk(&list), ["call 2", "answer 9"]);
        list.lift(list.first());
        assert!(list.is_empty());
        list.put_back(EntryAt(4));
        list.put_back(first);
        list.put_back(second);
        assert_eq!(walk(&list), whole);
    }
}
