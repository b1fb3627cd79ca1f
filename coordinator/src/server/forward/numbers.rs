//! The numbers of one session: given out one after the other, and known until their outcome is.
//!
//! Owns what is under way. A request says below which number no outcome will be asked for again: below the oldest that is
//! still under way. So requests may be under way side by side, and reach the leader in any order. A number is given once,
//! whatever becomes of its request. No lock is held while anybody waits.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use strongroom_core::id::ClientSession;

use crate::state::Sequence;

/// The session of this process, and the requests in it.
#[derive(Default)]
pub(super) struct Numbers(Mutex<Own>);

#[derive(Default)]
struct Own {
    session: Option<ClientSession>,
    /// The group has said that it knows the session.
    is_open: bool,
    last: u64,
    under_way: BTreeSet<u64>,
}

/// A number, as long as its request is under way.
pub(super) struct Number<'a> {
    numbers: &'a Numbers,
    session: ClientSession,
    sequence: u64,
    acknowledged_below: u64,
}

impl Numbers {
    /// The session, and whether it is open; one that `draw` gives, if there is none.
    pub(super) fn session<E>(
        &self,
        draw: impl FnOnce() -> Result<ClientSession, E>,
    ) -> Result<(ClientSession, bool), E> {
        let mut own = self.lock();
        if let Some(session) = own.session {
            return Ok((session, own.is_open));
        }
        let session = draw()?;
        *own = Own { session: Some(session), ..Own::default() };
        Ok((session, false))
    }

    /// Notes that the group knows a session.
    pub(super) fn opened(&self, session: ClientSession) {
        let mut own = self.lock();
        own.is_open |= own.session == Some(session);
    }

    /// The next number of a session; nothing if another one has taken its place.
    pub(super) fn next(&self, session: ClientSession) -> Option<Number<'_>> {
        let mut own = self.lock();
        if own.session != Some(session) {
            return None;
        }
        own.last += 1;
        let sequence = own.last;
        own.under_way.insert(sequence);
        let acknowledged_below = own.under_way.first().copied().unwrap_or(sequence);
        Some(Number { numbers: self, session, sequence, acknowledged_below })
    }

    /// Gives up a session that the group has forgotten.
    pub(super) fn forget(&self, session: ClientSession) {
        let mut own = self.lock();
        if own.session == Some(session) {
            *own = Own::default();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Own> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Number<'_> {
    /// The number in its session.
    pub(super) const fn of_session(&self) -> (ClientSession, Sequence) {
        (self.session, Sequence(self.sequence))
    }

    /// No outcome below will be asked for again.
    pub(super) const fn acknowledged_below(&self) -> Sequence {
        Sequence(self.acknowledged_below)
    }
}

impl Drop for Number<'_> {
    fn drop(&mut self) {
        let mut own = self.numbers.lock();
        if own.session == Some(self.session) {
            own.under_way.remove(&self.sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(byte: u8) -> ClientSession {
        ClientSession([byte; 16])
    }

    fn numbers(byte: u8) -> Numbers {
        let numbers = Numbers::default();
        assert_eq!(numbers.session(|| Ok::<_, ()>(session(byte))), Ok((session(byte), false)));
        numbers
    }

    #[test]
    fn what_is_under_way_is_not_acknowledged_by_what_comes_after() {
        let numbers = numbers(1);
        let (first, second) = (numbers.next(session(1)).unwrap(), numbers.next(session(1)).unwrap());
        assert_eq!((first.of_session().1, second.of_session().1), (Sequence(1), Sequence(2)));
        assert_eq!(second.acknowledged_below(), Sequence(1));
        drop(first);
        assert_eq!(numbers.next(session(1)).unwrap().acknowledged_below(), Sequence(2));
        drop(second);
        let last = numbers.next(session(1)).unwrap();
        assert_eq!((last.of_session().1, last.acknowledged_below()), (Sequence(4), Sequence(4)));
    }

    #[test]
    fn a_session_that_was_forgotten_gives_no_numbers_and_takes_none_back() {
        let numbers = numbers(1);
        let old = numbers.next(session(1)).unwrap();
        numbers.opened(session(1));
        numbers.forget(session(1));
        assert_eq!(numbers.session(|| Ok::<_, ()>(session(2))), Ok((session(2), false)));
        numbers.opened(session(1));
        numbers.forget(session(1));
        assert!(numbers.next(session(1)).is_none());
        let new = numbers.next(session(2)).unwrap();
        drop(old);
        assert_eq!(numbers.next(session(2)).unwrap().acknowledged_below(), Sequence(1), "the old number counted");
        drop(new);
        numbers.opened(session(2));
        assert_eq!(numbers.session(|| Err(())), Ok((session(2), true)));
    }
}
