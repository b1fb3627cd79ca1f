//! Harm that does not pass: media that fail, disks that are lost or lie, members that leave.
//!
//! Owns the bound on it: at most one member at a time is harmed in a way that the protocol does not promise to survive for
//! a majority, and it must be replaced by a voter before the next one is. So every failure of a run is a defect of ours.

use std::collections::BTreeSet;

use strongroom_coordinator::id::MemberId;
use strongroom_platform::disk::{Disk, Unsynced};

use super::faults::Fault;
use super::{HostNumber, MS, What, World};

/// The unit in which a device writes.
const SECTOR_BYTES: usize = 512;
/// What a frame of the log begins with.
const FRAME: &[u8] = b"SRL1";
/// Sectors of a segment among which one is harmed: those that are in use.
const SECTORS_MAX: u64 = 64;

impl World {
    /// Whether one more member may be harmed for good: all others are whole, up, and have a vote.
    fn may_harm(&self, number: HostNumber) -> bool {
        let Some(now) = self.newest_configuration().filter(|it| !it.is_joint()) else { return false };
        // A host whose new member has no vote yet still counts as harmed.
        let ids: Option<BTreeSet<MemberId>> = self.hosts.iter().map(|host| host.id).collect();
        let is_up = |host: &super::Host| host.member.is_some() && host.paused_until <= self.now;
        ids.as_ref() == Some(&now.voters)
            && self.is_spared_by(number)
            && self.hosts.iter().enumerate().all(|(it, host)| it == number || is_up(host))
            && self.hosts.get(number).is_some_and(|host| host.member.is_some())
            && !self.hosts.iter().any(|host| host.is_harmed || host.has_lied || host.is_retiring)
    }

    pub(super) fn rot(&mut self, number: HostNumber) {
        if !self.may_harm(number) {
            return;
        }
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.stop();
        host.disk.crash_with(Unsynced::Kept);
        host.is_harmed = true;
        self.spoil_log(number);
        self.plan_in(50 * MS, What::Start { host: number });
    }

    /// Spoils the log in one place: a bit, a sector that another one was written over, or one that was never written.
    fn spoil_log(&mut self, number: HostNumber) {
        let Some(disk) = self.hosts.get(number).map(|host| host.disk.clone()) else { return };
        let files: Vec<_> = disk.list("log").into_iter().flatten().filter(|entry| entry.len > 0).collect();
        let Some(file) = self.nemesis.one_of(&files).cloned() else { return };
        let path = format!("log/{}", file.name);
        let end = last_frame(&disk, &files).filter(|(name, _)| *name == file.name).map(|(_, sector)| sector);
        // What is damaged in a last frame can't be told from a write that was interrupted.
        let sectors = end.unwrap_or(file.len / SECTOR_BYTES as u64).min(SECTORS_MAX);
        if sectors == 0 {
            return;
        }
        let (kind, spoilt) = match self.nemesis.below(3) {
            0 => {
                let bit = self.nemesis.below(sectors * SECTOR_BYTES as u64 * 8);
                ("rot", disk.flip_bit(&path, bit))
            }
            1 => {
                let (from, to) = (self.nemesis.below(sectors), self.nemesis.below(sectors));
                ("misdirected write", disk.misdirect(&path, from, to))
            }
            _ => ("lost write", disk.lose_write(&path, self.nemesis.below(sectors))),
        };
        if spoilt.is_ok() {
            self.count(kind, number);
        }
    }

    /// The disk is lost, or only the folder of the log.
    pub(super) fn lose(&mut self, number: HostNumber) {
        if !self.may_harm(number) {
            return;
        }
        if self.nemesis.in_a_thousand(300) {
            let Some(host) = self.hosts.get_mut(number) else { return };
            host.stop();
            host.disk.crash_with(Unsynced::Kept);
            host.is_harmed = true;
            for entry in host.disk.list("log").into_iter().flatten() {
                drop(host.disk.remove(&format!("log/{}", entry.name)));
            }
            drop(host.disk.sync_dir("log"));
            self.count("lost log", number);
        } else {
            self.empty(number);
            self.count("lost disk", number);
        }
        let delay = self.nemesis.between(100, 3_000) * MS;
        self.plan_in(delay, What::Start { host: number });
    }

    /// From here on the disk confirms syncs and keeps nothing, until its power fails.
    pub(super) fn lie(&mut self, number: HostNumber) {
        if !self.may_harm(number) {
            return;
        }
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.disk.forget_syncs();
        host.has_lied = true;
        host.is_harmed = true;
        if let Some(id) = host.id {
            self.invariants.excuse(id);
        }
        self.count("lying disk", number);
        let delay = self.nemesis.between(300, 4_000) * MS;
        self.plan_in(delay, What::Fault(Fault::Forget(number)));
    }

    /// Whether a host's disk keeps nothing at the moment.
    pub(super) fn is_lying(&self, number: HostNumber) -> bool {
        self.hosts.get(number).is_some_and(|host| host.has_lied && host.is_harmed)
    }

    /// The power of a lying disk's host fails. What it promised must be known to all others by then, since no protocol
    /// survives the loss of an only copy.
    pub(super) fn forget(&mut self, number: HostNumber) {
        if !self.is_lying(number) {
            return;
        }
        if !self.is_settled(number) {
            self.plan_in(100 * MS, What::Fault(Fault::Forget(number)));
            return;
        }
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.stop();
        host.disk.crash_with(Unsynced::Lost);
        host.is_harmed = false;
        self.count("power cut under a lie", number);
        self.plan_in(100 * MS, What::Start { host: number });
    }

    /// A lying disk keeps everything after all.
    pub(super) fn end_lie(&mut self, number: HostNumber) {
        if !self.is_lying(number) {
            return;
        }
        if let Some(host) = self.hosts.get_mut(number) {
            host.stop();
            host.disk.crash_with(Unsynced::Kept);
            host.is_harmed = false;
        }
    }

    /// Whether all members are up, reach each other, follow one leader, and have what this one has.
    fn is_settled(&self, number: HostNumber) -> bool {
        let standings: Option<Vec<_>> = self
            .hosts
            .iter()
            .filter(|host| host.paused_until <= self.now && host.lag == 0)
            .map(|host| host.member.as_ref().map(strongroom_coordinator::member::Member::standing))
            .collect();
        let Some(standings) = standings.filter(|it| it.len() == self.hosts.len()) else { return false };
        let Some(mine) = standings.get(number) else { return false };
        self.network.is_whole()
            && mine.leader.is_some()
            && standings.iter().all(|it| (it.term, it.leader) == (mine.term, mine.leader) && it.last >= mine.last)
    }

    /// The operator takes a healthy member out; its host gets a new one.
    pub(super) fn begin_retirement(&mut self, number: HostNumber) {
        if !self.may_harm(number) {
            return;
        }
        if let Some(host) = self.hosts.get_mut(number) {
            host.is_retiring = true;
        }
        self.count("removal", number);
    }
}

/// The newest segment that holds frames, and the sector at which its last one begins.
fn last_frame(disk: &dyn Disk, files: &[strongroom_platform::disk::DirEntry]) -> Option<(String, u64)> {
    files.iter().rev().filter(|file| file.name.strip_suffix(".seg").is_some()).find_map(|file| {
        let bytes = disk.read(&format!("log/{}", file.name), u64::MAX).ok()?;
        let last = bytes.chunks(SECTOR_BYTES).rposition(|sector| sector.starts_with(FRAME))?;
        Some((file.name.clone(), last as u64))
    })
}
