//! Groups in which some members don't reach each other, and one reaches enough of them.
//!
//! Owns the question whether such a group goes on serving: as long as one member that is up to date reaches a quorum,
//! clients are served within [`PROGRESS_MAX`] of the cut (promise P10 of the test plan; the shapes are those of Howard and
//! Abraham, "Raft does not Guarantee Liveness in the face of Network Faults", 2020).

use strongroom_coordinator::member::Event;

use super::{HostNumber, MS, Nanos, Report, World};
use crate::invariants::Broken;

/// The longest time without service after a cut that leaves a quorum connected.
const PROGRESS_MAX: Nanos = 10_000 * MS;
/// How long a group takes to be whole.
const FOUNDED_AFTER: Nanos = 10_000 * MS;
/// When requests that were on their way before a cut are answered.
const SETTLED_AFTER: Nanos = 2_000 * MS;

impl World {
    /// Founds the group, hands leadership to `leader`, cuts these links both ways, and demands service; then the run
    /// goes on to its end as any other.
    pub fn run_cut(mut self, leader: HostNumber, cut: &[(HostNumber, HostNumber)]) -> Result<Report, Broken> {
        self.run_until(FOUNDED_AFTER)?;
        self.hand_over(leader)?;
        self.run_until(FOUNDED_AFTER + SETTLED_AFTER)?;
        for (one, other) in cut {
            self.network.cut(*one, *other);
            self.network.cut(*other, *one);
        }
        let cut_at = self.now;
        self.require_service(cut_at + SETTLED_AFTER, cut_at + PROGRESS_MAX)?;
        self.require_service(cut_at + PROGRESS_MAX, cut_at + 2 * PROGRESS_MAX)?;
        self.run()
    }

    fn require_service(&mut self, from: Nanos, to: Nanos) -> Result<(), Broken> {
        self.run_until(from)?;
        let before = self.clients.written();
        self.run_until(to)?;
        if self.clients.written() > before {
            return Ok(());
        }
        Err(Broken::new("progress", format!("no write was answered for {} ms: {}", (to - from) / MS, self.describe())))
    }

    fn hand_over(&mut self, to: HostNumber) -> Result<(), Broken> {
        let leader = self.leader().filter(|leader| *leader != to);
        let id = self.hosts.get(to).and_then(|host| host.id);
        match (leader, id) {
            (Some(leader), Some(to)) => self.feed(leader, Event::Transfer { to }),
            _ => Ok(()),
        }
    }
}
