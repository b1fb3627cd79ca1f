//! Groups in which some members don't reach each other, and one reaches enough of them.
//!
//! Owns the question whether such a group goes on serving: as long as one member that is up to date reaches a quorum,
//! clients are served within [`PROGRESS_MAX`] of the cut (promise P10 of the test plan; the shapes are those of Howard and
//! Abraham, "Raft does not Guarantee Liveness in the face of Network Faults", 2020).

use strongroom_coordinator::member::Event;
use strongroom_coordinator::raft::Role;
use strongroom_coordinator::state::rules::CommitRule;

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

    /// Founds the group, loses a region for good, demands that nothing is agreed on without it, has the operator turn the
    /// rule off, and demands service.
    pub fn run_waived(mut self, leader: HostNumber, lost: &[HostNumber]) -> Result<(), Broken> {
        self.run_until(FOUNDED_AFTER)?;
        self.hand_over(leader)?;
        self.run_until(FOUNDED_AFTER + SETTLED_AFTER)?;
        let rest: Vec<HostNumber> = (0..self.hosts.len()).filter(|host| !lost.contains(host)).collect();
        for (one, other) in lost.iter().flat_map(|one| rest.iter().map(|other| (*one, *other))) {
            self.network.cut(one, other);
            self.network.cut(other, one);
        }
        self.run_until(self.now + SETTLED_AFTER)?;
        let before = self.clients.written();
        self.run_until(self.now + PROGRESS_MAX)?;
        if self.clients.written() > before {
            return Err(Broken::new("spread", "writes were answered without the other region".to_owned()));
        }
        let waived_at = self.now;
        let leader = self.rest_leader(&rest).ok_or_else(|| Broken::new("progress", self.describe()))?;
        self.set_commit_rule(leader, CommitRule::AnyMajority)?;
        self.require_service(waived_at, waived_at + PROGRESS_MAX)?;
        self.network.mend_all();
        self.run_until(self.now + SETTLED_AFTER)?;
        let leader = self.leader().ok_or_else(|| Broken::new("progress", self.describe()))?;
        self.set_commit_rule(leader, CommitRule::AcrossRegions)?;
        self.run().map(drop)
    }

    /// The leader of those that reach each other.
    fn rest_leader(&self, rest: &[HostNumber]) -> Option<HostNumber> {
        let leads = |host: &&HostNumber| {
            let member = self.hosts.get(**host).and_then(|host| host.member.as_ref());
            member.is_some_and(|member| member.standing().role == Role::Leader)
        };
        rest.iter().find(leads).copied()
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
