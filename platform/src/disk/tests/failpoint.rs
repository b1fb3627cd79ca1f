//! Durable writes with a fault at every operation in turn.

use std::sync::Arc;

use crate::disk::durable::clear_temporaries;
use crate::disk::{Disk, DiskError, DiskOp, FailpointDisk, Fault, SimDisk, Unsynced, durable_replace, durable_write};

const OLD: &[u8] = b"the old head";
const FAULTS: [Fault; 5] = [Fault::Eio, Fault::NoSpace, Fault::TornWrite, Fault::SyncFails, Fault::Kill];
const REMAINS: [Unsynced; 3] = [Unsynced::Lost, Unsynced::Kept, Unsynced::BySeed];

fn new_head() -> Vec<u8> {
    vec![b'n'; 2_000]
}

/// A simulated disk on which `head` is durably the old one.
fn disk_with_head(seed: u64) -> SimDisk {
    let sim = SimDisk::from_seed(seed);
    durable_write(&shared(&sim), "head", OLD).unwrap();
    sim
}

fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// The number of operations that `scenario` takes on `disk`.
fn count_ops(disk: &SimDisk, scenario: impl Fn(&Arc<dyn Disk>) -> Result<(), DiskError>) -> usize {
    let counting = Arc::new(FailpointDisk::counting(shared(disk)));
    scenario(&(Arc::clone(&counting) as Arc<dyn Disk>)).unwrap();
    counting.log().len()
}

/// Runs `scenario` with each fault at each operation, cuts the power, and hands over the outcome and what is left.
fn sweep(
    start: impl Fn(u64) -> SimDisk,
    scenario: impl Fn(&Arc<dyn Disk>) -> Result<(), DiskError> + Copy,
    check: impl Fn(&SimDisk, Result<(), DiskError>, &str),
) {
    let ops = count_ops(&start(0), scenario);
    assert!(ops >= 5, "create, write, sync, rename, sync of the folder");
    for (at, fault) in (0..ops).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
        for (unsynced, seed) in REMAINS.into_iter().flat_map(|unsynced| [(unsynced, 1), (unsynced, 2), (unsynced, 3)]) {
            let sim = start(seed);
            let failing = FailpointDisk::failing(shared(&sim), at, fault);
            let outcome = scenario(&(Arc::new(failing) as Arc<dyn Disk>));
            sim.crash_with(unsynced);
            clear_temporaries(&sim, "").unwrap();
            check(&sim, outcome, &format!("{fault:?} at {at}, {unsynced:?}, seed {seed}"));
        }
    }
}

#[test]
fn a_replaced_file_is_the_old_or_the_new_one_whatever_fails() {
    let scenario = |disk: &Arc<dyn Disk>| durable_replace(disk, "head", &new_head());
    sweep(disk_with_head, scenario, |sim, outcome, case| {
        let head = sim.read("head", 1 << 20).unwrap();
        assert!(head == OLD || head == new_head(), "{case}: neither old nor new");
        assert!(outcome.is_err() || head == new_head(), "{case}: acknowledged, and lost");
        assert_eq!(sim.list("").unwrap().len(), 1, "{case}: something is left over");
    });
}

#[test]
fn a_new_file_is_whole_or_absent_whatever_fails() {
    let scenario = |disk: &Arc<dyn Disk>| durable_write(disk, "head", &new_head());
    sweep(SimDisk::from_seed, scenario, |sim, outcome, case| {
        let is_there = sim.exists("head").unwrap();
        assert!(!is_there || sim.read("head", 1 << 20).unwrap() == new_head(), "{case}: half a file");
        assert!(outcome.is_err() || is_there, "{case}: acknowledged, and lost");
        assert!(!sim.list("").unwrap().iter().any(|entry| entry.name != "head"), "{case}: something is left over");
    });
}

#[test]
fn an_error_before_the_rename_leaves_no_temporary_file() {
    for fault in [Fault::Eio, Fault::NoSpace, Fault::TornWrite] {
        let sim = disk_with_head(1);
        let failing: Arc<dyn Disk> = Arc::new(FailpointDisk::failing(shared(&sim), 1, fault));
        assert!(durable_replace(&failing, "head", &new_head()).is_err());
        assert_eq!(sim.read("head", 100).unwrap(), OLD, "{fault:?}");
        assert_eq!(sim.list("").unwrap().len(), 1, "{fault:?}");
    }
}

#[test]
fn after_a_failed_sync_nothing_is_changed_and_everything_can_be_read() {
    let sim = disk_with_head(1);
    let disk: Arc<dyn Disk> = Arc::new(FailpointDisk::failing(shared(&sim), 0, Fault::SyncFails));
    let mut other = disk.create_new("other").unwrap();
    assert!(matches!(durable_replace(&disk, "head", b"new"), Err(DiskError::SyncFailed { .. })));

    let is_poisoned = |outcome: Result<(), DiskError>| matches!(outcome, Err(DiskError::Poisoned { .. }));
    assert!(is_poisoned(other.write_all(b"x")));
    assert!(is_poisoned(other.sync()));
    assert!(is_poisoned(disk.create_new("a").map(drop)));
    assert!(is_poisoned(disk.rename_no_replace("head", "a")));
    assert!(is_poisoned(disk.rename_replace("head", "a")));
    assert!(is_poisoned(disk.sync_dir("")));
    assert!(is_poisoned(disk.create_dir_all("dir")));
    assert!(is_poisoned(disk.remove("head")));
    assert!(is_poisoned(durable_write(&disk, "again", b"x")));

    assert_eq!(disk.read("head", 100).unwrap(), OLD);
    assert!(disk.exists("head").unwrap());
    assert!(!disk.list("").unwrap().is_empty());
}

#[test]
fn a_killed_process_does_nothing_more() {
    let sim = disk_with_head(1);
    let disk = FailpointDisk::failing(shared(&sim), 1, Fault::Kill);
    let mut file = disk.create_new("a").unwrap();
    assert!(!disk.has_struck());
    assert!(matches!(file.write_all(b"lost"), Err(DiskError::Killed)));
    assert!(disk.has_struck());
    assert!(matches!(file.sync(), Err(DiskError::Killed)));
    assert!(matches!(disk.read("head", 100), Err(DiskError::Killed)));
    assert!(sim.read("a", 0).unwrap().is_empty());
}

#[test]
fn a_torn_write_carries_half_of_its_bytes() {
    let sim = SimDisk::from_seed(1);
    let disk = FailpointDisk::failing(shared(&sim), 0, Fault::TornWrite);
    let mut file = disk.create_new("a").unwrap();
    assert!(matches!(file.write_all(b"half of it"), Err(DiskError::Io { .. })));
    file.write_all(b" and more").unwrap();
    assert_eq!(sim.read("a", 100).unwrap(), b"half  and more");
}

#[test]
fn operations_are_logged_in_order() {
    let disk = Arc::new(FailpointDisk::counting(Arc::new(SimDisk::from_seed(1))));
    durable_write(&(Arc::clone(&disk) as Arc<dyn Disk>), "head", OLD).unwrap();
    let log: Vec<_> = disk.log().into_iter().map(|logged| (logged.op, logged.path)).collect();
    let temporary = ".head.0.tmp".to_owned();
    let expected = [
        (DiskOp::CreateNew, temporary.clone()),
        (DiskOp::WriteAll, temporary.clone()),
        (DiskOp::Sync, temporary.clone()),
        (DiskOp::RenameNoReplace, temporary),
        (DiskOp::SyncDir, String::new()),
    ];
    assert_eq!(log, expected);
}
