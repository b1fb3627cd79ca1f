//! The end of this member's issuer, told while there is time to do something about it.
//!
//! Owns the warnings, once a day from four weeks before, and the number on the page of metrics. Only the root can renew an
//! issuer, and its key lies where no process reaches it. So a person has to act, and none of our programs can.

use std::sync::Arc;
use std::time::Duration;

use strongroom_core::time::WallTime;
use strongroom_platform::clock::{Clock, MonotonicTime};
use strongroom_platform::tls::Validity;

use crate::server::pause::pause;

/// From when on it is told: a certificate of an issuer lasts ninety days.
const TOLD_BEFORE: Duration = Duration::from_hours(28 * 24);
/// How often it is told.
const TELL_EVERY: Duration = Duration::from_hours(24);
/// How often it is looked.
const LOOK: Duration = Duration::from_secs(30);

/// The life of this member's issuer, for those who watch it.
#[derive(Clone)]
pub(super) struct IssuerLife {
    validity: Validity,
    clock: Arc<dyn Clock>,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tidings {
    EndsIn(Duration),
    HasEnded,
}

impl IssuerLife {
    /// The life of an issuer, by a clock.
    pub(super) const fn new(validity: Validity, clock: Arc<dyn Clock>) -> Self {
        Self { validity, clock }
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Duration {
        let WallTime(now) = self.clock.wall();
        let left_us = self.validity.not_after().0.saturating_sub(now);
        Duration::from_micros(u64::try_from(left_us).unwrap_or_default())
    }

    /// Tells of the end when it is near, for as long as the process runs.
    pub(super) async fn watch(self) {
        let mut told_at = None;
        loop {
            match self.tidings(told_at) {
                Some(Tidings::EndsIn(left)) => {
                    let days = left.as_secs() / (24 * 60 * 60);
                    tracing::warn!(
                        days,
                        "this member's issuer ends: have it certified anew, `coordinator issuer request`"
                    );
                    told_at = Some(self.clock.monotonic());
                }
                Some(Tidings::HasEnded) => {
                    tracing::error!(
                        "this member's issuer has ended: it lets nobody in until the root certifies it anew"
                    );
                    told_at = Some(self.clock.monotonic());
                }
                None => {}
            }
            pause(LOOK).await;
        }
    }

    /// What is to be told now, if it was last told at some time.
    fn tidings(&self, told_at: Option<MonotonicTime>) -> Option<Tidings> {
        let left = self.left();
        let is_due = told_at.is_none_or(|told| self.clock.monotonic() >= told.plus(TELL_EVERY));
        (left <= TOLD_BEFORE && is_due).then_some(if left.is_zero() {
            Tidings::HasEnded
        } else {
            Tidings::EndsIn(left)
        })
    }
}

#[cfg(test)]
mod tests {
    use strongroom_platform::clock::SimClock;
    use strongroom_platform::rng::SimEntropy;
    use strongroom_platform::tls::{PendingIdentity, RootAuthority};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    /// An issuer that begins at noon, and a clock.
    fn issuer() -> (IssuerLife, SimClock) {
        let clock = SimClock::starting_at(WallTime(1_700_000_000_000_000));
        let entropy = SimEntropy::from_seed(1);
        let root = RootAuthority::found(&"acme.example".parse().unwrap(), clock.wall(), &entropy).unwrap();
        let id = format!("spiffe://acme.example/here/issuer/{:032x}", 7);
        let pending = PendingIdentity::new(id.parse().unwrap()).unwrap();
        let request = pending.request().check(pending.id()).unwrap();
        let certificate = root.sign_issuer(&request, clock.wall(), &entropy).unwrap();
        let issuer = pending.into_issuer(&certificate).unwrap();
        (IssuerLife::new(issuer.validity(), Arc::new(clock.clone())), clock)
    }

    #[test]
    fn the_end_is_told_once_a_day_from_four_weeks_before() {
        let (issuer, clock) = issuer();
        assert_eq!(issuer.left(), 90 * DAY);
        clock.advance(61 * DAY);
        assert_eq!(issuer.tidings(None), None);
        clock.advance(DAY);
        assert_eq!(issuer.tidings(None), Some(Tidings::EndsIn(28 * DAY)));
        let told = Some(clock.monotonic());
        clock.advance(DAY / 2);
        assert_eq!(issuer.tidings(told), None);
        clock.advance(DAY / 2);
        assert_eq!(issuer.tidings(told), Some(Tidings::EndsIn(27 * DAY)));
        clock.advance(27 * DAY);
        assert_eq!(issuer.tidings(told), Some(Tidings::HasEnded));
        clock.advance(100 * DAY);
        assert_eq!(issuer.left(), Duration::ZERO);
    }
}
