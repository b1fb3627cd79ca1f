//! A host: its disk, its clocks, and the member that runs on it from one start to the next.

use std::collections::VecDeque;
use std::sync::Arc;

use strongroom_coordinator::id::MemberId;
use strongroom_coordinator::member::{Event, Founding, Member, MemberConfig, OpenError};
use strongroom_coordinator::state::Stamp;
use strongroom_core::time::WallTime;
use strongroom_platform::disk::{Disk, FailpointDisk, Fault, SimDisk};
use strongroom_platform::rng::SimEntropy;

use super::{MS, Nanos};

/// What a host's wall clock says when a run begins.
const WALL_AT_START: i64 = 1_790_000_000_000_000;

/// One machine.
pub(super) struct Host {
    pub(super) disk: SimDisk,
    pub(super) member: Option<Member>,
    /// What has come since the member's last turn.
    pub(super) inbox: VecDeque<Event>,
    /// Snapshots that were received, each under a name of its own.
    pub(super) receipts: u64,
    /// Counts the starts: what was planned for an earlier one does not happen.
    pub(super) life: u64,
    /// The id of the member in the folder, once there is one.
    pub(super) id: Option<MemberId>,
    /// Whether the process stands still, and until when.
    pub(super) paused_until: Nanos,
    /// Microseconds by which the wall clock is wrong.
    pub(super) skew_us: i64,
    /// How many ticks the monotonic clock makes in the time of a thousand.
    pub(super) pace: u64,
    /// A fault of the disk that strikes in the next life, after so many operations.
    pub(super) armed: Option<(usize, Fault)>,
    /// By how much everything takes longer.
    pub(super) lag: Nanos,
    /// Whether something was done to the disk that the member may refuse to live with.
    pub(super) is_harmed: bool,
    /// Whether the disk has confirmed what it did not keep, in this life or an earlier one.
    pub(super) has_lied: bool,
    /// Whether an operator wants the member out of the group.
    pub(super) is_retiring: bool,
    /// How often the member has refused to start since it last did.
    pub(super) refusals: u64,
    /// Disks that this host has had.
    disks: u64,
    seed: u64,
    number: u64,
}

impl Host {
    pub(super) fn new(seed: u64, number: u64) -> Self {
        Self {
            disk: SimDisk::from_seed(disk_seed(seed, number, 0)),
            member: None,
            inbox: VecDeque::new(),
            receipts: 0,
            life: 0,
            id: None,
            paused_until: 0,
            skew_us: 0,
            pace: 1_000,
            armed: None,
            lag: 0,
            is_harmed: false,
            has_lied: false,
            is_retiring: false,
            refusals: 0,
            disks: 0,
            seed,
            number,
        }
    }

    /// Starts the process: makes the member if the folder has none, and opens it.
    pub(super) fn start(&mut self, founding: Founding, config: MemberConfig) -> Result<(), OpenError> {
        self.life += 1;
        let disk: Arc<dyn Disk> = match self.armed.take() {
            Some((at, fault)) => Arc::new(FailpointDisk::failing(Arc::new(self.disk.clone()), at, fault)),
            None => Arc::new(self.disk.clone()),
        };
        let entropy = SimEntropy::from_seed(disk_seed(self.seed, self.number, 1_000 + self.life));
        if !Member::exists(disk.as_ref())? {
            Member::create(&disk, founding, &config, &entropy)?;
        }
        let member = Member::open(&disk, config, &entropy)?;
        self.id = Some(member.identity().member);
        self.member = Some(member);
        Ok(())
    }

    /// Starts a second process on the same folder, and ends it at once.
    pub(super) fn start_twin(&self, config: MemberConfig) -> Result<(), OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let entropy = SimEntropy::from_seed(disk_seed(self.seed, self.number, 2_000_000 + self.life));
        Member::open(&disk, config, &entropy).map(drop)
    }

    /// The process is gone; its disk stays.
    pub(super) fn stop(&mut self) {
        self.member = None;
        self.inbox.clear();
        self.life += 1;
    }

    /// The disk is lost, and an empty one takes its place: the host will have a new member.
    pub(super) fn lose_disk(&mut self) {
        self.stop();
        self.disks += 1;
        self.disk = SimDisk::from_seed(disk_seed(self.seed, self.number, self.disks));
        self.id = None;
        (self.is_harmed, self.has_lied, self.is_retiring) = (false, false, false);
        self.refusals = 0;
    }

    /// What the host's clocks say.
    pub(super) fn stamp(&self, now: Nanos) -> Stamp {
        let monotonic_ms = now / MS * self.pace / 1_000;
        let wall = i64::try_from(now / 1_000).unwrap_or(i64::MAX).saturating_add(WALL_AT_START);
        Stamp { accrued_ms: monotonic_ms, wall: WallTime(wall.saturating_add(self.skew_us)) }
    }

    pub(super) fn describe(&self) -> String {
        let Some(member) = &self.member else {
            return format!("host {}: down after {} refusals", self.number, self.refusals);
        };
        let standing = member.standing();
        let machine = member.machine();
        format!(
            "host {}: {:?} in term {}, committed {}, last {}, applied {}, {:?}",
            self.number,
            standing.role,
            standing.term,
            standing.committed,
            standing.last,
            machine.position().index,
            machine.configuration(),
        )
    }
}

const fn disk_seed(seed: u64, host: u64, number: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(host << 32).wrapping_add(number)
}
