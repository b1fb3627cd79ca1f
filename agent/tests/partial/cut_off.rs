//! Runs that die before a step, lose their answer, or fill the disk.

use std::cell::Cell;
use std::sync::Arc;

use rusqlite::Connection;
use strongroom_agent::live::LiveTarget;
use strongroom_agent::partial::{
    Carried, FromSafetyCopy, Job, OnConflict, Outcome, PartialError, PartialStep, Policy, SafetyVault, carry_out,
    make_plan, settle,
};
use strongroom_agent::postgres::{PostgresLive, PostgresOptions, PostgresSource};
use strongroom_agent::source::{Source, SourceError};
use strongroom_agent::sqlite::{SqliteLive, SqliteLocation, SqliteSource};
use strongroom_core::digest::Profile;
use strongroom_core::id::{RestoreId, SnapshotId};
use strongroom_core::seal::HostKey;
use strongroom_platform::clock::SystemClock;
use strongroom_platform::disk::{Disk, FailpointDisk, Fault, SimDisk};
use strongroom_platform::rng::SystemEntropy;

use crate::cluster::clusters;
use crate::harness::{Rows, copy, ids, rows, vault};

/// Two classes in a circle: all kinds of steps are needed to bring them back.
const TABLES: &str = "CREATE TABLE egg (id INTEGER PRIMARY KEY, hen INTEGER, note TEXT);
    CREATE TABLE hen (id INTEGER PRIMARY KEY, egg INTEGER NOT NULL REFERENCES egg (id), name TEXT UNIQUE);";
const ROWS: &str =
    "INSERT INTO egg VALUES (1, NULL, 'first'), (2, NULL, NULL); INSERT INTO hen VALUES (1, 1, 'a'), (2, 2, 'b');
    UPDATE egg SET hen = id;";
const DAMAGE: &str = "UPDATE egg SET hen = NULL; DELETE FROM hen WHERE id = 1; DELETE FROM egg WHERE id = 1;
    UPDATE hen SET name = 'z'; INSERT INTO egg VALUES (3, NULL, 'new');";

struct Scene<'a> {
    target: &'a dyn LiveTarget,
    source: &'a dyn Source,
    reset: &'a dyn Fn(),
    wanted: Rows,
    damaged: Rows,
}

impl Scene<'_> {
    /// Restores; the run dies before its step number `dies_at`.
    fn run(&self, vault: &SafetyVault<'_>, dies_at: usize, steps: &Cell<usize>) -> Result<Carried, PartialError> {
        let copy = copy(&self.damaged, &self.wanted, self.target.place());
        let policy =
            Policy { changed: OnConflict::Stop, blocked: OnConflict::Stop, remake: false, overwrite_needed: true };
        let (ids, intention) = (ids(), FromSafetyCopy::new(&copy, policy));
        let plan = make_plan(&intention, self.target, &ids)?;
        let observer = |_: PartialStep| {
            steps.set(steps.get() + 1);
            if steps.get() > dies_at { Err(SourceError::Stopped) } else { Ok(()) }
        };
        let job = Job {
            intention: &intention,
            target: self.target,
            ids: &ids,
            vault,
            restore: RestoreId([9; 16]),
            snapshot: SnapshotId([2; 16]),
            source: "s",
            undoes: None,
            observer: &observer,
        };
        carry_out(&job, &plan)
    }

    /// Cuts the run off before each of its steps in turn, until one comes to its end.
    fn cut_off_everywhere(&self) {
        let mut outcomes = Vec::new();
        for dies_at in 0.. {
            (self.reset)();
            let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
            let steps = Cell::new(0);
            let ended = self.run(&vault(&disk), dies_at, &steps);
            let now = rows(self.source);
            assert!(now == self.damaged || now == self.wanted, "step {dies_at} left a mixture");
            // A new process finds out.
            let settled = settle(&vault(&disk), self.target, &ids()).unwrap();
            for (_, outcome) in settled {
                let outcome = outcome.unwrap();
                assert_eq!(outcome == Outcome::Committed, now == self.wanted, "step {dies_at}");
                outcomes.push(outcome);
            }
            if ended.is_ok() {
                assert!(now == self.wanted && dies_at > 8, "{dies_at}");
                break;
            }
        }
        assert_eq!(outcomes, [Outcome::Gone, Outcome::Committed], "a copy without a COMMIT, and one without its note");
    }

    /// Fails each operation on the safety copies' disk in turn: nothing takes effect whose copy does not survive.
    fn fail_every_operation(&self) {
        let mut unnoted = 0;
        for fault in [Fault::Eio, Fault::NoSpace, Fault::TornWrite, Fault::SyncFails, Fault::Kill] {
            for at in 0.. {
                (self.reset)();
                let sim = SimDisk::from_seed(1);
                let failing = FailpointDisk::failing(Arc::new(sim.clone()), at, fault);
                let host = HostKey::new(Profile::Blake3, [1; 32]);
                let opened = SafetyVault::open(Arc::new(failing), "restores", host, &SystemEntropy);
                let ended = opened.and_then(|vault| self.run(&vault, usize::MAX, &Cell::new(0)));
                sim.crash();
                let now = rows(self.source);
                assert!(now == self.damaged || now == self.wanted, "{fault:?} at {at} left a mixture");
                if now == self.wanted {
                    let disk: Arc<dyn Disk> = Arc::new(sim);
                    assert!(vault(&disk).load("09").is_ok(), "{fault:?} at {at}: in effect without a safety copy");
                }
                let Ok(carried) = ended else { continue };
                assert!(now == self.wanted, "{fault:?} at {at}");
                if carried.findings.is_empty() {
                    assert!(at > 3, "{fault:?} never struck");
                    break;
                }
                // What took effect is told as such, with what is needed to undo it.
                let told = &carried.findings[0].message;
                assert!(told.contains(&RestoreId([9; 16]).to_string()), "{fault:?} at {at}: {told}");
                unnoted += 1;
            }
        }
        assert!(unnoted > 3, "{unnoted} faults struck the note");
    }
}

#[test]
fn a_restore_into_sqlite_is_old_or_new_wherever_it_is_cut_off() {
    for wal in ["", "PRAGMA journal_mode = WAL;"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.db");
        let reset = || {
            let connection = Connection::open(&path).unwrap();
            let script = format!(
                "{wal} PRAGMA foreign_keys = OFF; DROP TABLE IF EXISTS hen; DROP TABLE IF EXISTS egg; {TABLES} {ROWS} {DAMAGE}"
            );
            connection.execute_batch(&script).unwrap();
        };
        Connection::open(&path).unwrap().execute_batch(&format!("{wal} {TABLES} {ROWS}")).unwrap();
        let source = SqliteSource::new(SqliteLocation::new(&path), Arc::new(SystemClock));
        let wanted = rows(&source);
        reset();
        let target = SqliteLive::from_url(&format!("sqlite:{}", path.display())).unwrap();
        let scene = Scene { target: &target, source: &source, reset: &reset, wanted, damaged: rows(&source) };
        scene.cut_off_everywhere();
        scene.fail_every_operation();
    }
}

#[test]
fn a_restore_into_postgresql_is_old_or_new_wherever_it_is_cut_off() {
    for cluster in clusters("a_restore_into_postgresql_is_old_or_new_wherever_it_is_cut_off") {
        let circle = "ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen (id);";
        let database = cluster.database("cut_off", &format!("{TABLES} {circle} {ROWS}"));
        let url = cluster.url(&database);
        let source = PostgresSource::new(&url, PostgresOptions::default()).unwrap();
        let wanted = rows(&source);
        let reset = || cluster.psql(&database, &format!("TRUNCATE egg, hen; {ROWS} {DAMAGE}"));
        reset();
        let target = PostgresLive::new(&url, &PostgresOptions::default()).unwrap();
        let scene = Scene { target: &target, source: &source, reset: &reset, wanted, damaged: rows(&source) };
        scene.cut_off_everywhere();
    }
}
