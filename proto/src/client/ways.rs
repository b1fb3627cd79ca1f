//! Which member is asked next.
//!
//! Owns the addresses, the leader as it was last heard of, and one connection. Whoever does not answer, or does not lead,
//! gives way to the next; a leader that was named is tried first, once, and must prove to be the one that was named.

use tonic::transport::Channel;

use super::{Dial, DialFailed};

/// Addresses that a client keeps at most: those it was given, and those of leaders that it heard of.
pub const ADDRESSES_MAX: usize = 64;

/// The members that are known, and the way to one of them.
pub(super) struct Ways {
    addresses: Vec<String>,
    at: usize,
    /// Who must answer there, if somebody was named as the leader.
    named: Option<String>,
    open: Option<Channel>,
}

/// A leader as a member has named it.
pub(super) struct Leader {
    /// Where it is reached.
    pub(super) address: String,
    /// Which member it is; empty if that was not said.
    pub(super) member: String,
}

impl Ways {
    pub(super) fn new(mut addresses: Vec<String>) -> Self {
        addresses.truncate(ADDRESSES_MAX);
        Self { addresses, at: 0, named: None, open: None }
    }

    /// The way to the member whose turn it is; nothing if no member is known at all.
    pub(super) async fn open(&mut self, dial: &impl Dial) -> Option<Result<Channel, DialFailed>> {
        if let Some(channel) = &self.open {
            return Some(Ok(channel.clone()));
        }
        let address = self.addresses.get(self.at)?;
        let dialled = match &self.named {
            Some(member) => dial.dial_member(address, member).await,
            None => dial.dial(address).await,
        };
        self.open = dialled.as_ref().ok().cloned();
        Some(dialled)
    }

    /// Gives the turn to the next member.
    pub(super) fn next(&mut self) {
        (self.open, self.named) = (None, None);
        self.at = (self.at + 1) % self.addresses.len().max(1);
    }

    /// Gives the turn to the leader that was named. Says whether that is somebody else than was just asked.
    pub(super) fn follow(&mut self, leader: &Leader) -> bool {
        let known = self.addresses.iter().position(|address| *address == leader.address);
        let at = match known {
            Some(at) => at,
            None if self.addresses.len() < ADDRESSES_MAX => {
                self.addresses.push(leader.address.clone());
                self.addresses.len() - 1
            }
            None => return false,
        };
        let is_other = at != self.at;
        if is_other {
            self.at = at;
            self.open = None;
            self.named = (!leader.member.is_empty()).then(|| leader.member.clone());
        }
        is_other
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Reaches nobody, and notes who was wanted.
    #[derive(Default)]
    struct Wanted(Mutex<Vec<(String, Option<String>)>>);

    impl Wanted {
        fn note(&self, address: &str, member: Option<&str>) -> Result<Channel, DialFailed> {
            self.0.lock().unwrap().push((address.to_owned(), member.map(str::to_owned)));
            Err(DialFailed("nobody is there".into()))
        }
    }

    impl Dial for Wanted {
        async fn dial(&self, address: &str) -> Result<Channel, DialFailed> {
            self.note(address, None)
        }

        async fn dial_member(&self, address: &str, member: &str) -> Result<Channel, DialFailed> {
            self.note(address, Some(member))
        }
    }

    #[tokio::test]
    async fn a_leader_that_was_named_must_be_that_leader_and_whoever_has_its_turn_any_member() {
        let (wanted, mut ways) = (Wanted::default(), Ways::new(vec!["a:1".to_owned(), "b:1".to_owned()]));
        let leader = |address: &str, member: &str| Leader { address: address.to_owned(), member: member.to_owned() };
        for named in [leader("c:1", "0000000000000007"), leader("b:1", "")] {
            assert!(ways.follow(&named));
            drop(ways.open(&wanted).await);
        }
        ways.next();
        drop(ways.open(&wanted).await);
        let seen = wanted.0.into_inner().unwrap();
        let seen: Vec<_> = seen.iter().map(|(address, member)| (address.as_str(), member.as_deref())).collect();
        assert_eq!(seen, [("c:1", Some("0000000000000007")), ("b:1", None), ("c:1", None)]);
    }
}
