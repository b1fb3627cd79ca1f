//! What a run is like, drawn from its seed.
//!
//! Owns the swarm: each seed switches some kinds of faults on and others off, so that rare mixtures come up.

use strongroom_coordinator::member::MemberConfig;
use strongroom_coordinator::raft::Timing;
use strongroom_platform::mutant::Mutant;

use super::{MS, Nanos};
use crate::dice::Dice;

/// Events that one turn of the engine of a real process takes together.
const ENGINE_BATCH_MAX: u64 = 1_024;

/// The settings of a run. A run is a function of them alone.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Hosts, each with one member.
    pub hosts: usize,
    /// The region of each host. If all lie in the first, nobody tells the group of regions.
    pub regions: Vec<usize>,
    /// The regions that are preferred for the leader, the most preferred first.
    pub preferred: Vec<usize>,
    /// Clients, each with one request under way.
    pub clients: usize,
    /// Objects that they work on.
    pub objects: u64,
    /// The longest pause of a client between two requests.
    pub pause_max: Nanos,
    /// How long faults are drawn.
    pub safety: Nanos,
    /// How long the group may take to come back.
    pub healing: Nanos,
    /// The mean time between two faults; none strike if it is zero.
    pub fault_gap: Nanos,
    /// Lost messages, in a thousand.
    pub loss: u64,
    /// Messages that come twice, in a thousand.
    pub duplicates: u64,
    /// The longest ordinary delay of a message.
    pub delay_max: Nanos,
    /// Messages that take much longer, in a thousand.
    pub stragglers: u64,
    /// Events that a turn of a member takes at most.
    pub batch_max: usize,
    /// The longest time that a turn takes, where turns take more than one event.
    pub turn_max: Nanos,
    /// How long a process that died stays down at most.
    pub down_max: Nanos,
    /// Which kinds of faults may strike.
    pub faults: FaultKinds,
    /// How the members work.
    pub member: MemberConfig,
}

/// Kinds of faults that may strike in a run.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, drawn on its own")]
pub struct FaultKinds {
    /// Processes die, and machines lose power.
    pub crashes: bool,
    /// Processes stand still.
    pub pauses: bool,
    /// Links go down, in all shapes.
    pub partitions: bool,
    /// Disks fill up, and syncs fail.
    pub disks: bool,
    /// Acknowledged bytes rot, and sectors are written elsewhere or never.
    pub rot: bool,
    /// Disks are lost, and members are replaced.
    pub losses: bool,
    /// Clocks go wrong.
    pub clocks: bool,
    /// Disks confirm syncs and keep nothing.
    pub lies: bool,
    /// Links go up and down.
    pub flaps: bool,
    /// Hosts are slow.
    pub slowness: bool,
    /// Leaders are asked to hand over.
    pub transfers: bool,
    /// Healthy members are taken out and replaced.
    pub removals: bool,
    /// A second process is started on the folder of one that runs.
    pub twins: bool,
}

impl FaultKinds {
    /// The kinds that may strike, each as often as it weighs.
    pub(super) fn weighted(self) -> Vec<&'static str> {
        let all: [(bool, &[&'static str]); 13] = [
            (self.crashes, &["crash", "crash", "power"]),
            (self.pauses, &["pause"]),
            (self.partitions, &["partition", "partition"]),
            (self.disks, &["fill", "break"]),
            (self.rot, &["rot"]),
            (self.losses, &["lose"]),
            (self.clocks, &["skew"]),
            (self.lies, &["lie"]),
            (self.flaps, &["flap"]),
            (self.slowness, &["slow"]),
            (self.transfers, &["transfer"]),
            (self.removals, &["retire"]),
            (self.twins, &["twin"]),
        ];
        all.iter().filter(|(is_on, _)| *is_on).flat_map(|(_, kinds)| kinds.iter().copied()).collect()
    }
}

impl Plan {
    /// The run of a seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let hosts = if dice.in_a_thousand(300) { 5 } else { 3 };
        let is_rough = dice.in_a_thousand(700);
        let loss = if is_rough { dice.between(0, 150) } else { 0 };
        let faults = FaultKinds {
            crashes: dice.in_a_thousand(750),
            pauses: dice.in_a_thousand(500),
            partitions: dice.in_a_thousand(650),
            disks: dice.in_a_thousand(400),
            rot: dice.in_a_thousand(250),
            losses: dice.in_a_thousand(250),
            clocks: dice.in_a_thousand(500),
            lies: dice.in_a_thousand(250),
            flaps: dice.in_a_thousand(300),
            slowness: dice.in_a_thousand(300),
            transfers: dice.in_a_thousand(400),
            removals: dice.in_a_thousand(250),
            twins: dice.in_a_thousand(250),
        };
        let batch_max = match dice.below(3) {
            0 => 1,
            1 => dice.between(2, 8),
            _ => ENGINE_BATCH_MAX,
        };
        let hosts = usize::try_from(hosts).unwrap_or(3);
        let member = Self::member(&mut dice);
        let regions = Self::regions(&mut dice, hosts);
        let preferred = Self::preferred(&mut dice, &regions);
        Self {
            seed,
            hosts,
            regions,
            preferred,
            clients: usize::try_from(dice.between(2, 6)).unwrap_or(4),
            objects: dice.between(1, 4),
            pause_max: 200 * MS,
            safety: 20_000 * MS,
            healing: 60_000 * MS,
            fault_gap: dice.between(300, 3_000) * MS,
            loss,
            duplicates: if is_rough { dice.between(0, 100) } else { 0 },
            delay_max: dice.between(1, 20) * MS,
            stragglers: if is_rough { dice.between(0, 30) } else { 0 },
            batch_max: usize::try_from(batch_max).unwrap_or(1),
            turn_max: dice.between(1, 20) * MS,
            down_max: 4_000 * MS,
            faults,
            member,
        }
    }

    /// A run in which nothing fails.
    pub fn calm(seed: u64, safety: Nanos) -> Self {
        Self {
            hosts: 3,
            regions: Vec::new(),
            preferred: Vec::new(),
            clients: 3,
            safety,
            fault_gap: 0,
            loss: 0,
            duplicates: 0,
            delay_max: MS,
            stragglers: 0,
            faults: FaultKinds::default(),
            ..Self::from_seed(seed)
        }
    }

    /// A run in which nothing fails and clients ask now and then, as an installation mostly is.
    pub fn modest(seed: u64, safety: Nanos) -> Self {
        // One event a turn: what is counted then is what members and clients say.
        Self { pause_max: 4_000 * MS, member: MemberConfig::LAN, batch_max: 1, ..Self::calm(seed, safety) }
    }

    /// A run of a seed with the faults that a mutant is likely to fall over.
    pub fn against(mutant: Mutant, seed: u64) -> Self {
        let plan = Self::from_seed(seed);
        let calm = FaultKinds::default();
        let crashes = FaultKinds { crashes: true, ..calm };
        let elections = FaultKinds { crashes: true, partitions: true, transfers: true, ..calm };
        let (faults, fault_gap) = match mutant {
            Mutant::PromiseBeforeLog => (FaultKinds { disks: true, ..calm }, 1_000 * MS),
            Mutant::LogUnsynced | Mutant::CommitUnsettled => (crashes, 500 * MS),
            Mutant::FloorPastFlush => (FaultKinds { slowness: true, ..crashes }, 500 * MS),
            Mutant::HardStateForgotten => (elections, 300 * MS),
            Mutant::FramesUnverified | Mutant::DamageTakenForTorn => (FaultKinds { rot: true, ..calm }, 200 * MS),
            Mutant::ReadsUnasked | Mutant::LossTakenForRefusal => (FaultKinds { partitions: true, ..calm }, 3_000 * MS),
            Mutant::RetriesRepeated | Mutant::CommitInOneRegion => {
                (FaultKinds { partitions: true, ..calm }, 1_000 * MS)
            }
            Mutant::ConfigurationUnsettled => (FaultKinds { removals: true, ..crashes }, 200 * MS),
            Mutant::SnapshotUnverified | Mutant::LogKeptAtInstall => {
                (FaultKinds { losses: true, removals: true, pauses: true, ..crashes }, 500 * MS)
            }
            Mutant::IdReused => (FaultKinds { losses: true, ..calm }, 1_000 * MS),
            Mutant::ApplyReadsClock => (calm, 1_000 * MS),
            Mutant::JointForgotten => (FaultKinds { removals: true, ..elections }, 1_000 * MS),
            Mutant::QuarantineUnnoted => (FaultKinds { lies: true, rot: true, ..calm }, 700 * MS),
            Mutant::PreferenceImpatient => (FaultKinds { transfers: true, ..calm }, 300 * MS),
        };
        let (mut member, mut loss) = (plan.member, plan.loss);
        if matches!(mutant, Mutant::SnapshotUnverified | Mutant::LogKeptAtInstall) {
            // Members that were away for a moment need a snapshot, and every third one is spoilt.
            (member.log_entries_kept, member.flush_ticks_max, loss) = (5, 2, loss.max(300));
        }
        if mutant == Mutant::PromiseBeforeLog {
            // Most of what a disk is asked for is the log, so that it often fails there.
            (member.flush_rows_max, member.flush_entries_max, member.flush_ticks_max) = (10_000, 10_000, 10_000);
        }
        if mutant == Mutant::FloorPastFlush {
            // The log keeps next to nothing, so that what it forgets too early is missed.
            (member.log_entries_kept, member.flush_ticks_max) = (1, 2);
        }
        let duplicates = if mutant == Mutant::RetriesRepeated { 200 } else { plan.duplicates };
        // One object, and many who look at it, show a stale read soonest.
        let (clients, objects) = if mutant == Mutant::ReadsUnasked { (6, 1) } else { (plan.clients, plan.objects) };
        let plan = match mutant {
            // A majority of its own in the first region, and the leader there.
            Mutant::CommitInOneRegion => Self { hosts: 5, regions: vec![0, 0, 0, 1, 1], preferred: vec![0], ..plan },
            Mutant::PreferenceImpatient => Self { hosts: 3, regions: vec![0, 1, 1], preferred: vec![0], ..plan },
            _ => Self { regions: Vec::new(), preferred: Vec::new(), ..plan },
        };
        Self { clients, objects, fault_gap, loss, duplicates, faults, member, ..plan }
    }

    /// Half of all groups lie in one region, the others in up to three.
    fn regions(dice: &mut Dice, hosts: usize) -> Vec<usize> {
        if dice.in_a_thousand(500) {
            return Vec::new();
        }
        let count = dice.between(2, 3);
        (0..hosts).map(|_| usize::try_from(dice.below(count)).unwrap_or_default()).collect()
    }

    /// Half of those prefer one of their regions, or several.
    fn preferred(dice: &mut Dice, regions: &[usize]) -> Vec<usize> {
        let mut preferred = regions.to_vec();
        preferred.sort_unstable();
        preferred.dedup();
        if preferred.len() < 2 || dice.in_a_thousand(500) {
            return Vec::new();
        }
        if dice.in_a_thousand(500) {
            preferred.reverse();
        }
        if dice.in_a_thousand(500) {
            preferred.truncate(1);
        }
        preferred
    }

    fn member(dice: &mut Dice) -> MemberConfig {
        MemberConfig {
            timing: Timing::LAN,
            segment_bytes: dice.between(16, 128) * 1024,
            flush_rows_max: usize::try_from(dice.between(20, 400)).unwrap_or(100),
            flush_entries_max: dice.between(20, 400),
            flush_ticks_max: u32::try_from(dice.between(2, 60)).unwrap_or(20),
            log_entries_kept: dice.between(5, 200),
            log_bytes_max: 1024 * 1024,
            digest_entries: dice.between(5, 50),
            joint_ticks_max: 40,
            preference_ticks: u32::try_from(dice.between(40, 80)).unwrap_or(60),
            copy_ticks_max: 200,
        }
    }
}
