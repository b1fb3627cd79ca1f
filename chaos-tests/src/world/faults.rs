//! What goes wrong, drawn from the seed while the safety phase lasts.
//!
//! Owns the nemesis and the faults that pass: processes that die or stand still, links, full and failing disks, clocks.
//! What does not pass is in [`super::harm`].

use strongroom_coordinator::member::{Event, OpenError};
use strongroom_platform::disk::Fault as DiskFault;
use strongroom_platform::disk::{Disk, Unsynced};

use super::{HostNumber, MS, Nanos, Report, What, World};
use crate::invariants::Broken;

/// One fault, or the end of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The next one is drawn.
    Draw,
    /// All links are up again.
    Mend,
    /// A full disk has space again.
    Space(HostNumber),
    /// A link goes up or down, and will so often again.
    Flap(HostNumber, HostNumber, u64),
    /// A slow host is fast again.
    Quick(HostNumber),
    /// The power of a host fails whose disk has kept nothing of late.
    Forget(HostNumber),
}

impl World {
    pub(super) fn plan_next_fault(&mut self) {
        if self.plan.fault_gap > 0 && !self.is_healing {
            let delay = self.nemesis.between(self.plan.fault_gap / 4, self.plan.fault_gap * 2);
            self.plan_in(delay, What::Fault(Fault::Draw));
        }
    }

    pub(super) fn strike(&mut self, fault: Fault) -> Result<(), Broken> {
        match fault {
            Fault::Draw | Fault::Forget(_) | Fault::Flap(..) if self.is_healing => {}
            Fault::Draw => {
                self.draw()?;
                self.plan_next_fault();
            }
            Fault::Mend => self.network.mend_all(),
            Fault::Space(host) => self.free(host),
            Fault::Quick(host) => self.slow(host, 0),
            Fault::Forget(host) => self.forget(host),
            Fault::Flap(one, other, left) => self.flap(one, other, left),
        }
        Ok(())
    }

    /// The safety phase is over: nothing fails from here on.
    pub(super) fn heal(&mut self) {
        self.is_healing = true;
        self.network.heal();
        self.clients.finish();
        for number in 0..self.hosts.len() {
            self.free(number);
            self.slow(number, 0);
            self.end_lie(number);
            let Some(host) = self.hosts.get_mut(number) else { continue };
            host.paused_until = 0;
            host.armed = None;
            if host.member.is_none() {
                self.plan_in(MS, What::Start { host: number });
            }
        }
    }

    fn draw(&mut self) -> Result<(), Broken> {
        let host = usize::try_from(self.nemesis.below(self.hosts.len() as u64)).unwrap_or_default();
        match self.nemesis.one_of(&self.plan.faults.weighted()).copied() {
            Some("crash") => self.crash(host, false),
            Some("power") => self.crash(host, true),
            Some("pause") => self.pause(host),
            Some("partition") => self.partition(host),
            Some("flap") => self.begin_flapping(host),
            Some("slow") => self.begin_slowness(host),
            Some("fill") => self.fill(host),
            Some("break") => self.break_disk(host),
            Some("rot") => self.rot(host),
            Some("lose") => self.lose(host),
            Some("lie") => self.lie(host),
            Some("skew") => self.skew(host),
            Some("transfer") => return self.transfer(host),
            Some("retire") => self.begin_retirement(host),
            Some("twin") => return self.start_twin(host),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn count(&mut self, kind: &'static str, host: HostNumber) {
        *self.faults.entry(kind).or_default() += 1;
        tracing::debug!(ms = self.now / MS, host, kind, "a fault strikes");
        self.note(4, host, kind.as_bytes());
    }

    fn crash(&mut self, number: HostNumber, is_power: bool) {
        let is_spared = self.is_lying(number);
        let Some(host) = self.hosts.get_mut(number).filter(|host| host.member.is_some() && !is_spared) else { return };
        host.stop();
        host.disk.crash_with(if is_power { Unsynced::BySeed } else { Unsynced::Kept });
        self.count(if is_power { "power cut" } else { "kill" }, number);
        let delay = self.nemesis.between(10, self.plan.down_max / MS) * MS;
        self.plan_in(delay, What::Start { host: number });
    }

    fn pause(&mut self, number: HostNumber) {
        let length: Nanos = self.nemesis.between(100, 60_000) * MS;
        let until = self.now + length.min(self.plan.safety);
        let Some(host) = self.hosts.get_mut(number).filter(|host| host.member.is_some()) else { return };
        host.paused_until = until;
        self.count("pause", number);
    }

    /// Cuts links: around one host, to one side only, between two halves, or between two hosts that a third still reaches.
    fn partition(&mut self, host: HostNumber) {
        self.network.mend_all();
        let others: Vec<HostNumber> = (0..self.hosts.len()).filter(|other| *other != host).collect();
        let shape = self.nemesis.below(5);
        for other in &others {
            match shape {
                0 => {
                    self.network.cut(host, *other);
                    self.network.cut(*other, host);
                }
                1 => self.network.cut(host, *other),
                2 => self.network.cut(*other, host),
                _ => {}
            }
        }
        if shape >= 3 {
            self.split(&others, shape == 4);
        }
        let kind = ["isolated", "mute", "deaf", "bridge", "halves"].get(usize::try_from(shape).unwrap_or_default());
        self.count(kind.copied().unwrap_or("partition"), host);
        let delay = self.nemesis.between(200, 12_000) * MS;
        self.plan_in(delay, What::Fault(Fault::Mend));
    }

    /// Cuts between the first half of `others` and the rest; the host that is not among them reaches both, unless it
    /// belongs to the first half.
    fn split(&mut self, others: &[HostNumber], is_whole: bool) {
        let (left, right) = others.split_at(others.len() / 2);
        let apart: Vec<HostNumber> =
            if is_whole { (0..self.hosts.len()).filter(|it| !right.contains(it)).collect() } else { left.to_vec() };
        for one in &apart {
            for other in right {
                self.network.cut(*one, *other);
                self.network.cut(*other, *one);
            }
        }
    }

    fn begin_flapping(&mut self, one: HostNumber) {
        let other = (one + 1) % self.hosts.len();
        let turns = self.nemesis.between(6, 60);
        self.count("flapping link", one);
        self.flap(one, other, turns);
    }

    fn flap(&mut self, one: HostNumber, other: HostNumber, left: u64) {
        if left.is_multiple_of(2) && left > 0 {
            self.network.cut(one, other);
            self.network.cut(other, one);
        } else {
            self.network.mend(one, other);
        }
        if left > 0 {
            let delay = self.nemesis.between(20, 600) * MS;
            self.plan_in(delay, What::Fault(Fault::Flap(one, other, left - 1)));
        }
    }

    fn begin_slowness(&mut self, number: HostNumber) {
        let lag = self.nemesis.between(10, 400) * MS;
        self.slow(number, lag);
        self.count("slow host", number);
        let delay = self.nemesis.between(500, 8_000) * MS;
        self.plan_in(delay, What::Fault(Fault::Quick(number)));
    }

    fn slow(&mut self, number: HostNumber, lag: Nanos) {
        if let Some(host) = self.hosts.get_mut(number) {
            host.lag = lag;
        }
    }

    fn fill(&mut self, number: HostNumber) {
        let Some(host) = self.hosts.get(number) else { return };
        let used: u64 = ["", "log", "state"]
            .iter()
            .filter_map(|dir| host.disk.list(dir).ok())
            .flatten()
            .map(|entry| entry.len)
            .sum();
        let spare = self.nemesis.between(0, 64 * 1024);
        host.disk.set_capacity(used + spare);
        self.count("full disk", number);
        let delay = self.nemesis.between(500, 8_000) * MS;
        self.plan_in(delay, What::Fault(Fault::Space(number)));
    }

    fn free(&mut self, number: HostNumber) {
        if let Some(host) = self.hosts.get(number) {
            host.disk.set_capacity(u64::MAX);
        }
    }

    /// The next life of the host meets a disk that fails at some operation.
    fn break_disk(&mut self, number: HostNumber) {
        if self.is_lying(number) {
            return;
        }
        // Some disks fail while the member is opened, some soon after, some late.
        let most = self.nemesis.one_of(&[60, 300, 3_000]).copied().unwrap_or(300);
        let at = usize::try_from(self.nemesis.between(0, most)).unwrap_or_default();
        let faults = [DiskFault::SyncFails, DiskFault::Eio, DiskFault::TornWrite, DiskFault::Kill];
        let fault = self.nemesis.one_of(&faults).copied().unwrap_or(DiskFault::Kill);
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.armed = Some((at, fault));
        self.crash(number, false);
        self.count("failing disk", number);
    }

    /// A second process is started on the folder of a member that runs: it must be refused, and change nothing.
    fn start_twin(&mut self, number: HostNumber) -> Result<(), Broken> {
        let config = self.plan.member;
        let Some(host) = self.hosts.get(number).filter(|host| host.member.is_some()) else { return Ok(()) };
        let refused = host.start_twin(config);
        self.count("second process", number);
        match refused {
            Err(OpenError::InUse) => Ok(()),
            Err(error) => {
                Err(Broken::new("lock", format!("a second process on host {number} got as far as {error:?}")))
            }
            Ok(()) => Err(Broken::new("lock", format!("two processes have the folder of host {number}"))),
        }
    }

    fn skew(&mut self, number: HostNumber) {
        let years = i64::try_from(self.nemesis.between(0, 20)).unwrap_or_default() - 10;
        let pace = self.nemesis.between(500, 2_000);
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.skew_us = years * 365 * 86_400 * 1_000_000;
        host.pace = pace;
        self.count("wrong clocks", number);
    }

    /// Whoever leads is asked to hand over.
    fn transfer(&mut self, to: HostNumber) -> Result<(), Broken> {
        let to_id = self.hosts.get(to).and_then(|host| host.id);
        let (Some(leader), Some(id)) = (self.leader().filter(|leader| *leader != to), to_id) else { return Ok(()) };
        self.count("transfer", to);
        self.feed(leader, Event::Transfer { to: id })
    }
}

impl Report {
    /// How often faults struck.
    pub fn faults_total(&self) -> u64 {
        self.faults.values().sum()
    }
}
