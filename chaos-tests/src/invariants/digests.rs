//! Equal places have equal states: the digest of the state is a function of the log (`DESIGN` §7, state digests; Merkle
//! sums of a set as in Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", 1997). At the end of a run
//! the digest that a member has kept up is the one that its rows have.

use std::collections::BTreeMap;

use strongroom_coordinator::id::LogIndex;
use strongroom_coordinator::member::Member;
use strongroom_coordinator::state::StateDigest;

use super::Broken;

/// Rows that are counted at once.
const ROWS_AT_ONCE: usize = 4_096;

#[derive(Default)]
pub(super) struct Digests {
    places: BTreeMap<LogIndex, StateDigest>,
}

impl Digests {
    pub(super) fn look_at(&mut self, host: usize, member: &Member) -> Result<(), Broken> {
        let machine = member.machine();
        let (index, digest) = (machine.position().index, machine.digest());
        let first = *self.places.entry(index).or_insert(digest);
        if first == digest {
            return Ok(());
        }
        Err(Broken::new("digests", format!("host {host} has {digest} at {index}, others {first}")))
    }

    /// Counts the digest of all rows anew.
    pub(super) fn settled(host: usize, member: &Member) -> Result<(), Broken> {
        let (kept, rows) = (member.machine().digest(), member.machine().rows());
        match rows.count_digest(ROWS_AT_ONCE) {
            Ok(counted) if counted == kept => Ok(()),
            Ok(counted) => Err(Broken::new("digests", format!("the rows of host {host} have {counted}, not {kept}"))),
            Err(error) => Err(Broken::new("digests", format!("the rows of host {host} can't be read: {error:?}"))),
        }
    }
}
