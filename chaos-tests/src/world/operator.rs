//! The operator: starts processes, takes new members in, and takes out those whose disk is gone.
//!
//! Owns what people and supervisors do. It sees everything, and acts through the leader like anybody else.

use strongroom_coordinator::id::MemberId;
use strongroom_coordinator::member::{Event, Founding, MemberError, OpenError, Ticket};
use strongroom_coordinator::raft::{Change, Role};
use strongroom_coordinator::state::Configuration;
use strongroom_platform::disk::Unsynced;

use super::{HostNumber, MS, What, World};
use crate::invariants::Broken;

/// The ticket under which the operator asks; nobody waits for the answer.
const OPERATOR: Ticket = Ticket(u64::MAX);
/// Entries by which a learner may be behind when it gets its vote.
const LAG_MAX: u64 = 50;

impl World {
    pub(super) fn start(&mut self, number: HostNumber) -> Result<(), Broken> {
        let founding = match self.group() {
            None if number == 0 => Founding::Group,
            None => {
                self.plan_in(20 * MS, What::Start { host: number });
                return Ok(());
            }
            Some(group) => Founding::Joining(group),
        };
        let config = self.plan.member;
        let Some(host) = self.hosts.get_mut(number) else { return Ok(()) };
        if host.member.is_some() {
            return Ok(());
        }
        match host.start(founding, config) {
            Ok(()) => {
                (host.refusals, host.is_harmed) = (0, false);
                let life = host.life;
                let member = host.member.as_ref().map(|member| *member.identity());
                if let Some(identity) = member {
                    self.invariants.group.get_or_insert(identity.group());
                }
                self.note(5, number, &life.to_le_bytes());
                tracing::debug!(ms = self.now / MS, number, life, ?member, "a member was opened");
                self.plan_in(MS, What::Tick { host: number, life });
                Ok(())
            }
            Err(error) => self.refused(number, &error),
        }
    }

    pub(super) fn tick(&mut self, number: HostNumber, life: u64) -> Result<(), Broken> {
        let Some(host) = self.hosts.get(number).filter(|host| host.life == life) else { return Ok(()) };
        let wait = host.paused_until.saturating_sub(self.now);
        let pace = host.pace.max(1);
        self.plan_in((50 * MS * 1_000 / pace).max(wait), What::Tick { host: number, life });
        if wait > 0 { Ok(()) } else { self.feed(number, Event::Tick) }
    }

    /// A member ended itself. Its supervisor starts it again.
    pub(super) fn die(&mut self, number: HostNumber, error: &MemberError) -> Result<(), Broken> {
        self.note(6, number, error.to_string().as_bytes());
        tracing::debug!(ms = self.now / MS, number, ?error, "a member ended");
        let has_lied = self.hosts.get(number).is_some_and(|host| host.has_lied);
        match error {
            MemberError::Amnesia(_) if has_lied => self.silence(number),
            MemberError::Amnesia(_) => {
                let seen = format!("host {number} forgot without having lost anything: {error:?}");
                return Err(Broken::new("amnesia", seen));
            }
            MemberError::Diverged { .. } | MemberError::NotStaged | MemberError::Unreadable(_) => {
                return Err(Broken::new("member", format!("host {number} ended with {error:?}")));
            }
            MemberError::Store(full) if format!("{full:?}").contains("NoSpace") => {
                return Err(Broken::new("space", format!("host {number} did not wait for space: {full:?}")));
            }
            _ => {}
        }
        let unsynced = self.left_by(number, &format!("{error:?}"), Unsynced::BySeed);
        if let Some(host) = self.hosts.get_mut(number) {
            host.stop();
            host.disk.crash_with(unsynced);
        }
        let delay = self.nemesis.between(100, 1_000) * MS;
        self.plan_in(delay, What::Start { host: number });
        Ok(())
    }

    /// What a process leaves that ended with an error. A system that failed to sync may drop what it could not write, and
    /// either forget it at once or show it until the power is cut.
    fn left_by(&mut self, number: HostNumber, error: &str, otherwise: Unsynced) -> Unsynced {
        if self.is_lying(number) {
            return Unsynced::Kept;
        }
        if error.contains("SyncFailed") && self.nemesis.in_a_thousand(600) {
            self.count("given up and shown", number);
            return Unsynced::Shown;
        }
        otherwise
    }

    /// A member could not be opened: its disk failed, or it must never speak again.
    fn refused(&mut self, number: HostNumber, error: &OpenError) -> Result<(), Broken> {
        self.note(7, number, error.to_string().as_bytes());
        tracing::debug!(ms = self.now / MS, number, ?error, "a member was not opened");
        let unsynced = self.left_by(number, &format!("{error:?}"), Unsynced::Kept);
        let Some(host) = self.hosts.get_mut(number) else { return Ok(()) };
        host.stop();
        if !is_damage(error) {
            host.disk.crash_with(unsynced);
            let delay = self.nemesis.between(100, 1_000) * MS;
            self.plan_in(delay, What::Start { host: number });
            return Ok(());
        }
        if !host.is_harmed && !host.has_lied {
            return Err(Broken::new("damage", format!("host {number} is damaged, and nothing was harmed: {error:?}")));
        }
        host.refusals += 1;
        if host.refusals > 1 {
            // The operator empties the folder: whoever starts there is a new member.
            self.empty(number);
        } else {
            // Its supervisor tries again first. What was refused once must be refused for ever.
            self.silence(number);
        }
        self.plan_in(500 * MS, What::Start { host: number });
        Ok(())
    }

    /// The member of a host must not be heard any more.
    fn silence(&mut self, number: HostNumber) {
        if let Some(id) = self.hosts.get(number).and_then(|host| host.id) {
            self.invariants.silence(id);
        }
    }

    /// Empties a host's folder.
    pub(super) fn empty(&mut self, number: HostNumber) {
        self.silence(number);
        if let Some(host) = self.hosts.get_mut(number) {
            host.lose_disk();
        }
    }

    /// The configuration of the member that has come furthest.
    pub(super) fn newest_configuration(&self) -> Option<Configuration> {
        let members = self
            .hosts
            .iter()
            .filter_map(|host| host.member.as_ref())
            .map(strongroom_coordinator::member::Member::machine);
        members.max_by_key(|machine| machine.position()).map(|machine| machine.configuration().clone())
    }

    /// Makes room for a new member where one was to leave and has left.
    fn retire(&mut self) {
        let Some(now) = self.newest_configuration().filter(|it| !it.is_joint() && !it.voters.is_empty()) else {
            return;
        };
        for number in 0..self.hosts.len() {
            let host = self.hosts.get(number).filter(|host| host.is_retiring);
            if host.and_then(|host| host.id).is_some_and(|id| !now.has(id)) {
                self.empty(number);
                self.plan_in(100 * MS, What::Start { host: number });
            }
        }
    }

    /// Looks after the members: a new one listens first, then votes; one that is gone is taken out.
    pub(super) fn operate(&mut self) -> Result<(), Broken> {
        self.plan_in(250 * MS, What::Operate);
        self.retire();
        let Some(number) = self.leader() else { return Ok(()) };
        let Some(change) = self.wanted_change(number) else { return Ok(()) };
        self.feed(number, Event::Change { ticket: OPERATOR, change, request: None })
    }

    /// A host whose member leads and is not paused.
    pub(super) fn leader(&self) -> Option<HostNumber> {
        self.hosts.iter().position(|host| {
            host.paused_until <= self.now
                && host.member.as_ref().is_some_and(|member| member.standing().role == Role::Leader)
        })
    }

    fn wanted_change(&self, leader: HostNumber) -> Option<Change> {
        let member = self.hosts.get(leader)?.member.as_ref()?;
        let now: &Configuration = member.machine().configuration();
        let wanted = self.hosts.iter().filter(|host| !host.is_retiring).filter_map(|host| host.id);
        let wanted: Vec<MemberId> = wanted.collect();
        let gone = now.voters.iter().chain(&now.learners).find(|id| !wanted.contains(id)).copied();
        let new = wanted.iter().find(|id| !now.has(**id)).copied();
        let committed = member.standing().committed.0;
        let progress = member.group().progress();
        let caught_up = progress.iter().find(|it| {
            now.learners.contains(&it.member) && it.is_active && it.matched.0 > 0 && it.matched.0 + LAG_MAX >= committed
        });
        match (caught_up, gone, new) {
            (Some(learner), _, _) => {
                let removes = gone.filter(|gone| now.voters.contains(gone));
                Some(Change::Promote { learner: learner.member, removes })
            }
            (None, _, Some(new)) => Some(Change::AddLearner(new)),
            (None, Some(gone), None) if now.learners.is_empty() => Some(Change::Remove(gone)),
            _ => None,
        }
    }

    fn group(&self) -> Option<strongroom_coordinator::id::GroupIdentity> {
        self.invariants.group
    }
}

/// Whether a member refused to start because of what it found on its disk, and will never start again.
fn is_damage(error: &OpenError) -> bool {
    use strongroom_coordinator::raft::log::LogError;
    matches!(
        error,
        OpenError::Quarantined { .. }
            | OpenError::LogBehindState { .. }
            | OpenError::StateBehindLog { .. }
            | OpenError::LogGone { .. }
            | OpenError::Member(MemberError::Log(LogError::Damaged { .. }))
    )
}
