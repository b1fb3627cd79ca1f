//! A whole restore over an existing database, whose depot or spool fails at each operation in turn.
//!
//! What fails inside SQLite lies outside the seam of the disk: processes that are killed there are another sweep.

use std::path::Path;
use std::sync::Arc;

use strongroom_agent::capture::{Progress, Spool, SpoolMemory};
use strongroom_agent::restore::{RestoreJob, restore};
use strongroom_agent::sqlite::{SqliteLocation, SqliteTarget};
use strongroom_core::id::SnapshotId;
use strongroom_platform::clock::SystemClock;
use strongroom_platform::disk::{Disk, FailpointDisk, Fault, LoggedOp, SimDisk};
use strongroom_platform::rng::SystemEntropy;

use crate::outcome::{Outcomes, side_by_side};
use crate::rescue::Opened;
use crate::world::{Installation, handle, volume};

const FAULTS: [Fault; 5] = [Fault::Eio, Fault::NoSpace, Fault::TornWrite, Fault::SyncFails, Fault::Kill];

/// So little that every class is spilled, in several runs.
const MEMORY: SpoolMemory = SpoolMemory { buffer_bytes: 2 << 10, kept_bytes: 0 };

/// An installation whose source is far larger than what a restore keeps in memory of a class, and its one snapshot.
fn scenario() -> (Installation, SnapshotId) {
    let installation = Installation::new(400);
    let world = installation.start(1);
    let snapshot = world.backup_in_peace().unwrap().snapshot;
    (world.stop(&installation.keys), snapshot)
}

/// Restores over the database at a path. An error is any reason for which the restore did not come to its end.
fn attempt(
    installation: &Installation,
    snapshot: SnapshotId,
    depot: &Arc<dyn Disk>,
    spool: Arc<dyn Disk>,
    target: &Path,
) -> Result<bool, Box<dyn std::error::Error>> {
    let opened = Opened::new(depot, &installation.keys())?;
    let spool = Arc::new(Spool::new(spool, "spool", &SystemEntropy)?.with_memory(MEMORY));
    opened.with_view(snapshot, |view| {
        let outcome = restore(&RestoreJob {
            view,
            target: &SqliteTarget::new(SqliteLocation::new(target), Arc::new(SystemClock)),
            over: true,
            token: "sweep",
            loaders: 1,
            spool: &spool,
            progress: &Progress::default(),
        })?;
        Ok(outcome.published)
    })
}

/// The table that tells the old database from the new one, or nothing if there is none.
fn state(target: &Path) -> &'static str {
    let database = rusqlite::Connection::open(target).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0));
    match (
        count("SELECT count(*) FROM before_restore"),
        count("SELECT count(*) FROM device"),
        count("SELECT count(*) FROM link"),
    ) {
        (Ok(1), Err(_), Err(_)) => "old",
        (Err(_), Ok(400), Ok(400)) => "new",
        other => panic!("the target is neither old nor new: {other:?}"),
    }
}

#[test]
fn a_restore_that_fails_anywhere_leaves_the_target_old_or_new() {
    let (installation, snapshot) = scenario();
    let old = tempfile::tempdir().unwrap();
    let make_old = |dir: &Path| {
        let path = dir.join("target.db");
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch("CREATE TABLE before_restore (x); INSERT INTO before_restore VALUES (1)").unwrap();
        path
    };
    let counted = |disk: SimDisk| Arc::new(FailpointDisk::counting(handle(&disk)));
    let (depot, spool) = (counted(volume(&installation.depot, 0)), counted(SimDisk::from_seed(0)));
    let target = make_old(old.path());
    assert!(attempt(&installation, snapshot, &(Arc::clone(&depot) as _), Arc::clone(&spool) as _, &target).unwrap());
    assert_eq!(state(&target), "new");
    let of = |in_depot: bool, log: Vec<LoggedOp>| {
        let can_strike = move |(at, logged): (usize, LoggedOp)| {
            let faults = FAULTS.into_iter().filter(move |fault| fault.strikes(logged.op));
            faults.map(move |fault| (in_depot, at, fault))
        };
        log.into_iter().enumerate().flat_map(can_strike)
    };
    let points: Vec<(bool, usize, Fault)> = of(true, depot.log()).chain(of(false, spool.log())).collect();
    let (outcomes, struck) = (Outcomes::default(), Outcomes::default());
    side_by_side(&points, |(in_depot, at, fault)| {
        let dir = tempfile::tempdir().unwrap();
        let target = make_old(dir.path());
        let (depot, spool) = (handle(&volume(&installation.depot, 0)), handle(&SimDisk::from_seed(0)));
        let failing = |inner: &Arc<dyn Disk>| Arc::new(FailpointDisk::failing(Arc::clone(inner), *at, *fault));
        let spoilt = failing(if *in_depot { &depot } else { &spool });
        let (depot, spool): (Arc<dyn Disk>, Arc<dyn Disk>) =
            if *in_depot { (Arc::clone(&spoilt) as _, spool) } else { (depot, Arc::clone(&spoilt) as _) };
        let published = attempt(&installation, snapshot, &depot, spool, &target).unwrap_or(false);
        assert_eq!(state(&target), if published { "new" } else { "old" }, "{fault:?} at {at}");
        if spoilt.has_struck() {
            struck.add(format!("{fault:?}"));
        }
        outcomes.add(match (published, spoilt.has_struck()) {
            (_, false) => "not reached",
            (true, true) => "borne",
            (false, true) => "failed cleanly",
        });
    });
    outcomes.report("restore");
    // Neither a depot that is read nor a spool that is worthless after a crash syncs more than its folder.
    for (fault, times) in FAULTS.into_iter().zip([50, 10, 10, 1, 50]) {
        let found = struck.of(&format!("{fault:?}"));
        assert!(found >= times, "{fault:?} struck {found} times");
    }
    assert!(outcomes.of("failed cleanly") > 0);
}
