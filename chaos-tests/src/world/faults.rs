//! What goes wrong, drawn from the seed while the safety phase lasts.
//!
//! Owns the nemesis and its bound: at most a minority of the members is harmed in a way that the protocol does not
//! promise to survive for more (rot, lost disks), so that every failure of a run is a defect of ours.

use std::collections::BTreeSet;

use strongroom_coordinator::id::MemberId;
use strongroom_platform::disk::Fault as DiskFault;
use strongroom_platform::disk::{Disk, Unsynced};

use super::{HostNumber, MS, Nanos, What, World};
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
            Fault::Draw if self.is_healing => Ok(()),
            Fault::Draw => {
                self.draw()?;
                self.plan_next_fault();
                Ok(())
            }
            Fault::Mend => {
                self.network.mend_all();
                Ok(())
            }
            Fault::Space(host) => {
                self.free(host);
                Ok(())
            }
        }
    }

    /// The safety phase is over: nothing fails from here on.
    pub(super) fn heal(&mut self) {
        self.is_healing = true;
        self.network.heal();
        self.clients.finish();
        for number in 0..self.hosts.len() {
            self.free(number);
            let Some(host) = self.hosts.get_mut(number) else { continue };
            host.paused_until = 0;
            host.armed = None;
            if host.member.is_none() && host.is_wanted() {
                self.plan_in(MS, What::Start { host: number });
            }
        }
    }

    fn draw(&mut self) -> Result<(), Broken> {
        let kinds = self.plan.faults;
        let host = usize::try_from(self.nemesis.below(self.hosts.len() as u64)).unwrap_or_default();
        match self.nemesis.below(11) {
            0 | 1 if kinds.crashes => self.crash(host, false),
            2 if kinds.crashes => self.crash(host, true),
            3 if kinds.pauses => self.pause(host),
            4 | 5 if kinds.partitions => self.partition(host),
            6 if kinds.disks => self.fill(host),
            7 if kinds.disks => self.break_disk(host),
            8 if kinds.rot => return self.rot(host),
            9 if kinds.losses => self.lose(host),
            10 if kinds.clocks => self.skew(host),
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, kind: &'static str, host: HostNumber) {
        *self.faults.entry(kind).or_default() += 1;
        tracing::debug!(ms = self.now / MS, host, kind, "a fault strikes");
        self.note(4, host, kind.as_bytes());
    }

    fn crash(&mut self, number: HostNumber, is_power: bool) {
        let Some(host) = self.hosts.get_mut(number).filter(|host| host.member.is_some()) else { return };
        host.stop();
        host.disk.crash_with(if is_power { Unsynced::BySeed } else { Unsynced::Kept });
        self.count(if is_power { "power cut" } else { "kill" }, number);
        let delay = self.nemesis.between(10, 4_000) * MS;
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
        let at = usize::try_from(self.nemesis.between(0, 3_000)).unwrap_or_default();
        let faults = [DiskFault::SyncFails, DiskFault::Eio, DiskFault::TornWrite, DiskFault::Kill];
        let fault = self.nemesis.one_of(&faults).copied().unwrap_or(DiskFault::Kill);
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.armed = Some((at, fault));
        self.crash(number, false);
        self.count("failing disk", number);
    }

    fn skew(&mut self, number: HostNumber) {
        let years = i64::try_from(self.nemesis.between(0, 20)).unwrap_or_default() - 10;
        let pace = self.nemesis.between(500, 2_000);
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.skew_us = years * 365 * 86_400 * 1_000_000;
        host.pace = pace;
        self.count("wrong clocks", number);
    }

    /// Whether one more member may be harmed for good: a majority of the voters must stay whole.
    fn may_harm(&self, number: HostNumber) -> bool {
        let Some(target) = self.hosts.get(number) else { return false };
        let configurations = self.hosts.iter().filter_map(|host| host.member.as_ref()).map(|it| it.machine());
        let newest = configurations.max_by_key(|machine| machine.position()).map(|machine| machine.configuration());
        let Some(configuration) = newest.filter(|it| !it.is_joint()) else { return false };
        // A host whose new member has no vote yet still counts as harmed.
        let ids: Option<BTreeSet<MemberId>> = self.hosts.iter().map(|host| host.id).collect();
        let is_voter = ids.as_ref() == Some(&configuration.voters);
        let others = self.hosts.iter().enumerate().filter(|(it, _)| *it != number);
        let living = others.filter(|(_, host)| host.member.is_some() && host.paused_until <= self.now).count();
        // All others are up and whole, so that the harmed one can be replaced without a race against the next fault.
        is_voter && target.member.is_some() && living + 1 == self.hosts.len()
    }

    fn rot(&mut self, number: HostNumber) -> Result<(), Broken> {
        if !self.may_harm(number) {
            return Ok(());
        }
        let Some(host) = self.hosts.get_mut(number) else { return Ok(()) };
        host.stop();
        host.disk.crash_with(Unsynced::Kept);
        let files: Vec<_> = host.disk.list("log").into_iter().flatten().filter(|entry| entry.len > 0).collect();
        let Some(file) = self.nemesis.one_of(&files).cloned() else { return Ok(()) };
        let bit = self.nemesis.below(file.len.min(8 * 1024) * 8);
        drop(host.disk.flip_bit(&format!("log/{}", file.name), bit));
        self.count("rot", number);
        self.plan_in(50 * MS, What::Start { host: number });
        Ok(())
    }

    fn lose(&mut self, number: HostNumber) {
        if !self.may_harm(number) {
            return;
        }
        if let Some(host) = self.hosts.get_mut(number) {
            host.lose_disk();
        }
        self.count("lost disk", number);
        let delay = self.nemesis.between(100, 3_000) * MS;
        self.plan_in(delay, What::Start { host: number });
    }
}
