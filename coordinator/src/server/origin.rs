//! Where a connection comes from, as far as strangers are counted by it.
//!
//! Owns what counts as one place: an address of version 4, and the 64 bits of one of version 6 that a network has, within
//! which anybody can have any number of addresses. Nobody is believed for where he comes from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Strangers who are here at once, each for a minute at most. They ask two things and go.
const STRANGERS_MAX: usize = 32;
/// Those of them that come from one place: some hosts of a site that are set up together.
const STRANGERS_OF_ONE_PLACE_MAX: usize = 8;
/// Places that are kept for those who have none yet.
const KEPT_FOR_NEWCOMERS: usize = 8;

const _: () = assert!(STRANGERS_OF_ONE_PLACE_MAX + KEPT_FOR_NEWCOMERS <= STRANGERS_MAX);

/// One place in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// An address of version 4.
    Address([u8; 4]),
    /// A network of version 6.
    Network([u8; 8]),
}

impl Origin {
    /// The place of an address. One of version 4 that was written as one of version 6 is what it was.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Address(address.octets()),
            IpAddr::V6(address) => Self::Network(address.octets().first_chunk().copied().unwrap_or_default()),
        }
    }
}

/// Those who have proven nothing, by place.
#[derive(Default)]
pub(super) struct Strangers(Mutex<BTreeMap<Origin, usize>>);

/// One of them, counted until this goes.
pub(super) struct StrangersPlace {
    all: Arc<Strangers>,
    origin: Origin,
}

impl Strangers {
    /// A place for somebody, if there is one.
    pub(super) fn take(self: &Arc<Self>, origin: Origin) -> Option<StrangersPlace> {
        let mut here = self.lock();
        let (all, own) = (here.values().sum::<usize>(), here.get(&origin).copied().unwrap_or_default());
        let free = if own == 0 { STRANGERS_MAX } else { STRANGERS_MAX - KEPT_FOR_NEWCOMERS };
        if all >= free || own >= STRANGERS_OF_ONE_PLACE_MAX {
            return None;
        }
        here.insert(origin, own + 1);
        Some(StrangersPlace { all: Arc::clone(self), origin })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Origin, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StrangersPlace {
    fn drop(&mut self) {
        let mut here = self.all.lock();
        match here.get_mut(&self.origin) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(here.remove(&self.origin)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: u8) -> Origin {
        Origin::of(IpAddr::from([10, 0, 0, number]))
    }

    #[test]
    fn a_place_is_an_address_or_a_network_that_anybody_can_fill() {
        let of = |text: &str| Origin::of(text.parse().unwrap());
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn one_place_can_not_keep_all_others_out() {
        let all = Arc::new(Strangers::default());
        let held: Vec<_> = (0..200).filter_map(|_| all.take(origin(1))).collect();
        assert_eq!(held.len(), STRANGERS_OF_ONE_PLACE_MAX);
        assert!(all.take(origin(2)).is_some());
        drop(held);
        assert!(all.lock().is_empty(), "places were not given back");
    }

    #[test]
    fn some_places_are_kept_for_those_who_have_none() {
        let all = Arc::new(Strangers::default());
        let held: Vec<_> = (0..200).filter_map(|number| all.take(origin(number % 4))).collect();
        assert_eq!(held.len(), STRANGERS_MAX - KEPT_FOR_NEWCOMERS);
        let newcomers: Vec<_> = (0..200).filter_map(|number| all.take(origin(10 + number))).collect();
        assert_eq!(newcomers.len(), KEPT_FOR_NEWCOMERS);
        assert!(all.take(origin(250)).is_none());
    }
}
