//! A backup whose disk fails at each operation in turn, and a recovery that fails again.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_core::id::SnapshotId;
use strongroom_platform::disk::{Disk, FailpointDisk, Fault, SimDisk, Unsynced};

use crate::outcome::{Outcomes, side_by_side};
use crate::rescue::{Contents, rescue};
use crate::world::{Installation, World, handle};

/// What fails, and what becomes of that which was not synced.
const ENDS: [(Fault, Option<Unsynced>); 8] = [
    (Fault::Eio, None),
    (Fault::NoSpace, None),
    (Fault::TornWrite, None),
    (Fault::TornWrite, Some(Unsynced::BySeed)),
    // The kernel may have dropped what it could not write.
    (Fault::SyncFails, Some(Unsynced::Lost)),
    (Fault::Kill, Some(Unsynced::Lost)),
    (Fault::Kill, Some(Unsynced::Kept)),
    (Fault::Kill, Some(Unsynced::BySeed)),
];

#[derive(Clone, Copy, Debug)]
enum Volume {
    Depot,
    Host,
}

/// One fault in one run.
#[derive(Clone, Copy, Debug)]
struct Point {
    volume: Volume,
    at: usize,
    end: usize,
}

/// An installation with two snapshots, and what it holds after each of the days that follow.
struct Scenario {
    installation: Installation,
    truth: BTreeMap<SnapshotId, Contents>,
    after: [Contents; 2],
    depot_operations: usize,
    host_operations: usize,
}

impl Scenario {
    fn new() -> Self {
        let installation = Installation::new(60);
        let world = installation.start(1);
        world.backup_in_peace().unwrap();
        world.edit(1);
        world.backup_in_peace().unwrap();
        let installation = world.stop(&installation.keys);
        let contents = installation.rescue().snapshots.into_iter();
        let truth = contents.map(|(id, contents)| (id, contents.unwrap())).collect();

        let world = installation.start(1);
        let depot = Arc::new(FailpointDisk::counting(handle(&world.depot)));
        let host = Arc::new(FailpointDisk::counting(handle(&world.host)));
        world.edit(2);
        let first = world.backup(&(Arc::clone(&depot) as _), &(Arc::clone(&host) as _)).unwrap().snapshot;
        let (depot_operations, host_operations) = (depot.log().len(), host.log().len());
        world.edit(3);
        let second = world.backup_in_peace().unwrap().snapshot;
        let rescued = world.stop(&installation.keys).rescue();
        let after = [first, second].map(|snapshot| rescued.contents(snapshot).unwrap().clone());
        Self { installation, truth, after, depot_operations, host_operations }
    }

    fn points(&self, ends: &[usize], step: usize) -> Vec<Point> {
        let of = |volume, operations: usize| {
            (0..operations)
                .step_by(step)
                .flat_map(move |at| ends.iter().map(move |end| Point { volume, at, end: *end }))
        };
        of(Volume::Depot, self.depot_operations).chain(of(Volume::Host, self.host_operations)).collect()
    }

    /// The days' snapshots so far must be readable, and any other that is there must be one that was being taken.
    fn check(&self, world: &World, acknowledged: &BTreeMap<SnapshotId, usize>, days: usize) {
        let rescued = rescue(&handle(&world.depot), &self.installation.keys()).unwrap();
        for (id, contents) in &self.truth {
            expect(rescued.contents(*id), contents, "an old snapshot");
        }
        for (id, day) in acknowledged {
            expect(rescued.contents(*id), &self.after[*day], "an acknowledged snapshot");
        }
        for (id, contents) in &rescued.snapshots {
            let is_known = self.truth.contains_key(id) || acknowledged.contains_key(id);
            let contents = contents.as_ref().expect("a snapshot that is listed can be read");
            assert!(is_known || self.after[..days].contains(contents), "a snapshot that nobody took");
        }
    }
}

/// Compares contents, and shows no more than what differs.
fn expect(found: Option<&Contents>, wanted: &Contents, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what} is gone"));
    let lacking: Vec<_> = wanted.iter().filter(|line| !found.contains(line)).collect();
    let strange: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
    assert!(found == wanted, "{what} differs: it lacks {lacking:?} and has {strange:?}");
}

/// Runs the backup of a day with a fault in it. Gives the snapshot if it was acknowledged, and what became of the run.
fn run_with_fault(world: &World, point: Point, seed: usize) -> (Option<SnapshotId>, &'static str) {
    let (fault, unsynced) = ENDS[point.end];
    let failing = |disk: &SimDisk| Arc::new(FailpointDisk::failing(handle(disk), point.at, fault));
    let (spoilt, depot, host): (_, Arc<dyn Disk>, Arc<dyn Disk>) = match point.volume {
        Volume::Depot => {
            let depot = failing(&world.depot);
            (Arc::clone(&depot), depot, handle(&world.host))
        }
        Volume::Host => {
            let host = failing(&world.host);
            (Arc::clone(&host), handle(&world.depot), host)
        }
    };
    let outcome = world.backup(&depot, &host);
    if let Some(unsynced) = unsynced {
        // One machine or two: with an odd seed, only the volume that failed loses what was not synced.
        let all = seed.is_multiple_of(2);
        if all || matches!(point.volume, Volume::Depot) {
            world.depot.crash_with(unsynced);
        }
        if all || matches!(point.volume, Volume::Host) {
            world.host.crash_with(unsynced);
        }
    }
    let kind = match (&outcome, spoilt.has_struck()) {
        (_, false) => "not reached",
        (Ok(_), true) => "borne",
        (Err(_), true) => "failed cleanly",
    };
    (outcome.ok().map(|outcome| outcome.snapshot), kind)
}

#[test]
fn a_backup_that_fails_anywhere_loses_nothing_and_the_next_one_succeeds() {
    let scenario = Scenario::new();
    let all: Vec<usize> = (0..ENDS.len()).collect();
    let points: Vec<(usize, Point)> = scenario.points(&all, 1).into_iter().enumerate().collect();
    let outcomes = Outcomes::default();
    side_by_side(&points, |(seed, point)| {
        let world = scenario.installation.start(*seed as u64);
        world.edit(2);
        let (snapshot, kind) = run_with_fault(&world, *point, *seed);
        let mut acknowledged: BTreeMap<SnapshotId, usize> = snapshot.into_iter().map(|id| (id, 0)).collect();
        scenario.check(&world, &acknowledged, 1);
        world.edit(3);
        let next = world.backup_in_peace().unwrap_or_else(|error| panic!("{point:?}: the next backup: {error}"));
        acknowledged.insert(next.snapshot, 1);
        scenario.check(&world, &acknowledged, 2);
        outcomes.add(kind);
    });
    outcomes.report("backup");
    assert!(outcomes.of("failed cleanly") > outcomes.of("borne"));
}

#[test]
fn a_recovery_that_fails_as_well_loses_nothing() {
    let scenario = Scenario::new();
    let first = scenario.points(&[4, 5, 7], 5);
    let second = scenario.points(&[1, 5, 7], 9);
    let points: Vec<(usize, (Point, Point))> =
        first.iter().flat_map(|a| second.iter().map(move |b| (*a, *b))).step_by(5).enumerate().collect();
    let outcomes = Outcomes::default();
    side_by_side(&points, |(seed, (first, second))| {
        let world = scenario.installation.start(*seed as u64);
        world.edit(2);
        let mut acknowledged = BTreeMap::new();
        acknowledged.extend(run_with_fault(&world, *first, *seed).0.map(|id| (id, 0)));
        world.edit(3);
        let (snapshot, kind) = run_with_fault(&world, *second, seed + 1);
        acknowledged.extend(snapshot.map(|id| (id, 1)));
        scenario.check(&world, &acknowledged, 2);
        let next = world.backup_in_peace().unwrap_or_else(|error| panic!("{first:?} {second:?}: {error}"));
        acknowledged.insert(next.snapshot, 1);
        scenario.check(&world, &acknowledged, 2);
        outcomes.add(kind);
    });
    outcomes.report("recovery");
}
