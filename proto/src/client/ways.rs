//! Which member is asked next.
//!
//! Owns the addresses, the leader as it was last heard of, and one connection. Whoever does not answer, or does not lead,
//! gives way to the next; a leader that was named is tried first, once.

use tonic::transport::Channel;

use super::{Dial, DialFailed};

/// Addresses that a client keeps at most: those it was given, and those of leaders that it heard of.
pub const ADDRESSES_MAX: usize = 64;

/// The members that are known, and the way to one of them.
pub(super) struct Ways {
    addresses: Vec<String>,
    at: usize,
    open: Option<Channel>,
}

impl Ways {
    pub(super) fn new(mut addresses: Vec<String>) -> Self {
        addresses.truncate(ADDRESSES_MAX);
        Self { addresses, at: 0, open: None }
    }

    /// The way to the member whose turn it is; nothing if no member is known at all.
    pub(super) async fn open(&mut self, dial: &impl Dial) -> Option<Result<Channel, DialFailed>> {
        if let Some(channel) = &self.open {
            return Some(Ok(channel.clone()));
        }
        let address = self.addresses.get(self.at)?;
        let dialled = dial.dial(address).await;
        self.open = dialled.as_ref().ok().cloned();
        Some(dialled)
    }

    /// Gives the turn to the next member.
    pub(super) fn next(&mut self) {
        self.open = None;
        self.at = (self.at + 1) % self.addresses.len().max(1);
    }

    /// Gives the turn to the leader that was named. Says whether that is somebody else than was just asked.
    pub(super) fn follow(&mut self, leader: &str) -> bool {
        let known = self.addresses.iter().position(|address| address == leader);
        let at = match known {
            Some(at) => at,
            None if self.addresses.len() < ADDRESSES_MAX => {
                self.addresses.push(leader.to_owned());
                self.addresses.len() - 1
            }
            None => return false,
        };
        let is_other = at != self.at;
        if is_other {
            self.at = at;
            self.open = None;
        }
        is_other
    }
}
