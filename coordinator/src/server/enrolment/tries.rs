//! How often bearers that were refused may come from one place.
//!
//! Owns counts by place for a minute each, in memory. Secrets have 256 bits and need no protection from guessing: this is
//! for the work that guessers make. Whoever is refused counts, and nobody else; so those who join from one place in great
//! number are not held up by it. Nothing survives a restart.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strongroom_platform::clock::MonotonicTime;

use super::super::origin::Origin;

/// Refusals from one place within a minute: a host asks four times a second until a new token is known everywhere.
const REFUSALS_MAX: u32 = 64;
/// How long refusals are remembered.
const WINDOW: Duration = Duration::from_mins(1);
/// Places that are remembered, each in some 40 bytes; when there are more, the one of longest ago is forgotten.
const PLACES_MAX: usize = 4_096;

/// Refusals by place.
#[derive(Default)]
pub(super) struct Tries(Mutex<BTreeMap<Origin, Refusals>>);

struct Refusals {
    until: MonotonicTime,
    number: u32,
}

impl Tries {
    /// Whether somebody from this place is listened to.
    pub(super) fn may_try(&self, from: Origin, now: MonotonicTime) -> bool {
        self.lock().get(&from).is_none_or(|refusals| refusals.until <= now || refusals.number < REFUSALS_MAX)
    }

    /// Somebody from this place was refused.
    pub(super) fn count(&self, from: Origin, now: MonotonicTime) {
        let mut places = self.lock();
        if places.len() >= PLACES_MAX && !places.contains_key(&from) {
            let oldest = places.iter().min_by_key(|(_, refusals)| refusals.until).map(|(place, _)| *place);
            oldest.map(|oldest| places.remove(&oldest));
        }
        let refusals = places.entry(from).or_insert(Refusals { until: now, number: 0 });
        if refusals.until <= now {
            *refusals = Refusals { until: now.plus(WINDOW), number: 0 };
        }
        refusals.number = refusals.number.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Origin, Refusals>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn place(number: u32) -> Origin {
        Origin::of(IpAddr::V4(Ipv4Addr::from(number)))
    }

    #[test]
    fn a_place_is_not_listened_to_after_many_refusals_until_a_minute_is_over() {
        let (tries, now) = (Tries::default(), MonotonicTime::ORIGIN);
        for _ in 0..REFUSALS_MAX {
            assert!(tries.may_try(place(1), now));
            tries.count(place(1), now);
        }
        assert!(!tries.may_try(place(1), now));
        assert!(tries.may_try(place(2), now), "one place is blamed for another");
        let later = now.plus(WINDOW);
        assert!(tries.may_try(place(1), later));
        tries.count(place(1), later);
        assert!(tries.may_try(place(1), later), "a new minute begins with what the last one ended with");
    }

    #[test]
    fn no_more_places_are_remembered_than_there_is_room_for() {
        let (tries, now) = (Tries::default(), MonotonicTime::ORIGIN);
        for number in 0..=u32::try_from(PLACES_MAX).unwrap() {
            tries.count(place(number), now.plus(Duration::from_millis(u64::from(number))));
        }
        assert_eq!(tries.lock().len(), PLACES_MAX);
        assert!(!tries.lock().contains_key(&place(0)));
    }
}
