//! Handshakes that are under way: whose there are, and which gives way when there are too many.
//!
//! Owns the choice and no connection. One place has a share and no more; when all is taken, the place that has most gives
//! way to one that has less. So a stranger who opens many and finishes none is in his own way alone. An honest handshake
//! is over in milliseconds; one that has lasted long is the first to go.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use strongroom_platform::clock::MonotonicTime;

use super::origin::Origin;

/// Handshakes that may be under way at once; each is a task and a socket.
const HANDSHAKES_MAX: usize = 1_024;
/// Those of one place: a quarter, so that it takes several to fill all.
const HANDSHAKES_OF_ONE_PLACE_MAX: usize = HANDSHAKES_MAX / 4;
/// After how long a handshake may give way to another of the same place, or of one with as few.
const STALLED: Duration = Duration::from_secs(3);

/// What becomes of a newcomer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission<T> {
    /// There is room.
    Free,
    /// There is, once this one ends.
    InPlaceOf(T),
    /// There is none.
    Refused,
}

/// Handshakes under way, each known by a handle.
pub(super) struct Handshakes<T> {
    under_way: BTreeMap<Origin, VecDeque<(MonotonicTime, T)>>,
    number: usize,
}

impl<T> Handshakes<T> {
    /// None yet.
    pub(super) const fn new() -> Self {
        Self { under_way: BTreeMap::new(), number: 0 }
    }

    /// Whether a newcomer from a place may begin. Those that are over are taken out when room is needed.
    pub(super) fn admit(&mut self, from: Origin, now: MonotonicTime, is_over: impl Fn(&T) -> bool) -> Admission<T> {
        if self.number >= HANDSHAKES_MAX || self.of(from) >= HANDSHAKES_OF_ONE_PLACE_MAX {
            self.forget(is_over);
        }
        let own = self.of(from);
        if own >= HANDSHAKES_OF_ONE_PLACE_MAX {
            return self.take_stalled(from, now);
        }
        if self.number < HANDSHAKES_MAX {
            return Admission::Free;
        }
        let busiest = self.under_way.iter().max_by_key(|(_, all)| all.len()).map(|(place, all)| (*place, all.len()));
        match busiest {
            Some((place, most)) if most > own + 1 => self.take_oldest(place),
            _ => {
                let first = |all: &VecDeque<(MonotonicTime, T)>| all.front().map(|(since, _)| *since);
                let oldest = self.under_way.iter().min_by_key(|(_, all)| first(all)).map(|(place, _)| *place);
                oldest.map_or(Admission::Refused, |place| self.take_stalled(place, now))
            }
        }
    }

    /// Notes a handshake that has begun.
    pub(super) fn begin(&mut self, from: Origin, now: MonotonicTime, handle: T) {
        self.under_way.entry(from).or_default().push_back((now, handle));
        self.number += 1;
    }

    fn of(&self, place: Origin) -> usize {
        self.under_way.get(&place).map_or(0, VecDeque::len)
    }

    fn forget(&mut self, is_over: impl Fn(&T) -> bool) {
        self.under_way.retain(|_, all| {
            all.retain(|(_, handle)| !is_over(handle));
            !all.is_empty()
        });
        self.number = self.under_way.values().map(VecDeque::len).sum();
    }

    fn take_stalled(&mut self, place: Origin, now: MonotonicTime) -> Admission<T> {
        let since = self.under_way.get(&place).and_then(VecDeque::front).map(|(since, _)| *since);
        match since {
            Some(since) if now.since(since) >= STALLED => self.take_oldest(place),
            _ => Admission::Refused,
        }
    }

    fn take_oldest(&mut self, place: Origin) -> Admission<T> {
        let Some(all) = self.under_way.get_mut(&place) else { return Admission::Refused };
        let oldest = all.pop_front();
        if all.is_empty() {
            self.under_way.remove(&place);
        }
        self.number -= usize::from(oldest.is_some());
        oldest.map_or(Admission::Refused, |(_, handle)| Admission::InPlaceOf(handle))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn origin(number: usize) -> Origin {
        let [.., high, low] = number.to_be_bytes();
        Origin::of(IpAddr::from([10, 0, high, low]))
    }

    fn at(millis: u64) -> MonotonicTime {
        MonotonicTime::ORIGIN.plus(Duration::from_millis(millis))
    }

    /// Lets one begin, if it may; says what it took the place of.
    fn arrive(all: &mut Handshakes<usize>, from: Origin, now: MonotonicTime, handle: usize) -> Admission<usize> {
        let admission = all.admit(from, now, |_| false);
        if admission != Admission::Refused {
            all.begin(from, now, handle);
        }
        admission
    }

    #[test]
    fn a_place_that_stalls_is_in_its_own_way_alone() {
        let mut all = Handshakes::new();
        for handle in 0..10_000 {
            arrive(&mut all, origin(1), at(0), handle);
        }
        assert_eq!(all.number, HANDSHAKES_OF_ONE_PLACE_MAX);
        assert_eq!(arrive(&mut all, origin(2), at(1), 1), Admission::Free);
        assert_eq!(arrive(&mut all, origin(1), at(2_999), 1), Admission::Refused);
        assert_eq!(arrive(&mut all, origin(1), at(3_000), 1), Admission::InPlaceOf(0), "the oldest gives way");
    }

    #[test]
    fn strangers_in_many_places_give_way_before_an_honest_one_does() {
        let mut all = Handshakes::new();
        arrive(&mut all, origin(9), at(0), 9);
        for handle in 0..10_000 {
            arrive(&mut all, origin(100 + handle % 50), at(1), 1_000 + handle);
        }
        assert_eq!(all.number, HANDSHAKES_MAX);
        for honest in 0..20 {
            let admission = arrive(&mut all, origin(200 + honest), at(2), honest);
            assert!(matches!(admission, Admission::InPlaceOf(handle) if handle >= 1_000), "{admission:?}");
        }
        assert_eq!(all.of(origin(9)), 1);
    }

    #[test]
    fn among_places_with_one_each_only_what_stalls_gives_way() {
        let mut all = Handshakes::new();
        for handle in 0..HANDSHAKES_MAX {
            assert_eq!(arrive(&mut all, origin(handle), at(0), handle), Admission::Free);
        }
        assert_eq!(arrive(&mut all, origin(5_000), at(100), 1), Admission::Refused);
        assert_eq!(arrive(&mut all, origin(5_000), at(3_000), 1), Admission::InPlaceOf(0));
    }

    #[test]
    fn what_is_over_makes_room() {
        let mut all = Handshakes::new();
        for handle in 0..HANDSHAKES_OF_ONE_PLACE_MAX {
            arrive(&mut all, origin(1), at(0), handle);
        }
        assert_eq!(all.admit(origin(1), at(0), |handle| *handle < 10), Admission::Free);
        assert_eq!(all.number, HANDSHAKES_OF_ONE_PLACE_MAX - 10);
    }
}
