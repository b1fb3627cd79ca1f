//! A small installation: one SQLite source, an agent on one simulated volume, a depot on another.
//!
//! Owns the scenario that sweeps spoil. What stands outside the seam of the disk (the source itself, and the agent's leaf
//! index) lies in a real folder, which survives every simulated crash: the index is then ahead of everything else.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use strongroom_agent::backup::{BackupError, BackupJob, BackupOutcome, backup};
use strongroom_agent::capture::Progress;
use strongroom_agent::repository::{PackSink, Repository, RepositoryError};
use strongroom_agent::shipment::Sealing;
use strongroom_agent::sqlite::{SqliteLocation, SqliteSource};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::error::Code;
use strongroom_core::id::{DomainId, PackId, SnapshotId, SourceId};
use strongroom_core::seal::{HostKey, Keyring, Recovery, Scope, SigningKey};
use strongroom_depot::backend::{Backend, DirectoryBackend, PackSink as DepotSink};
use strongroom_depot::{Depot, DepotFormat};
use strongroom_platform::clock::SystemClock;
use strongroom_platform::disk::{Disk, SimDisk, durable_write};
use strongroom_platform::keys::KeyFile;
use strongroom_platform::rng::SystemEntropy;

use crate::copy_dir::copy_dir;

pub(crate) const KEY_FILE: &str = "room.key";
pub(crate) const SOURCE: SourceId = SourceId([1; 16]);
pub(crate) const DOMAIN: DomainId = DomainId([2; 16]);
pub(crate) const PROFILE: Profile = Profile::Blake3;

/// The files of a simulated volume.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The installation between two runs: what lies on its volumes, and the folder of what lies elsewhere.
pub(crate) struct Installation {
    pub(crate) depot: Files,
    pub(crate) host: Files,
    pub(crate) keys: Files,
    outside: tempfile::TempDir,
}

/// The installation on volumes that can fail.
pub(crate) struct World {
    pub(crate) depot: SimDisk,
    pub(crate) host: SimDisk,
    outside: tempfile::TempDir,
    epoch: strongroom_core::seal::EpochPublicKey,
}

/// Puts files on a volume, durably.
pub(crate) fn volume(files: &Files, seed: u64) -> SimDisk {
    let sim = SimDisk::from_seed(seed);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    for (path, bytes) in files {
        if let Some((dir, _)) = path.rsplit_once('/') {
            disk.create_dir_all(dir).unwrap();
        }
        durable_write(&disk, path, bytes).unwrap();
    }
    sim
}

/// All files of a volume.
pub(crate) fn files(disk: &dyn Disk) -> Files {
    fn gather(disk: &dyn Disk, dir: &str, found: &mut Files) {
        for entry in disk.list(dir).unwrap() {
            let path = if dir.is_empty() { entry.name } else { format!("{dir}/{}", entry.name) };
            if entry.is_dir {
                gather(disk, &path, found);
            } else {
                found.insert(path.clone(), disk.read(&path, u64::MAX).unwrap());
            }
        }
    }
    let mut found = Files::new();
    gather(disk, "", &mut found);
    found
}

impl Installation {
    /// An installation with a source of so many rows, and nothing backed up.
    pub(crate) fn new(rows: u32) -> Self {
        let (depot_disk, keys_disk) = (SimDisk::from_seed(0), SimDisk::from_seed(1));
        let keys: Arc<dyn Disk> = Arc::new(keys_disk.clone());
        let key = KeyFile::create(&keys, KEY_FILE, PROFILE, None, Arc::new(SystemEntropy)).unwrap();
        let recovery = Recovery { jurisdiction: "local", service: &key };
        let mut keyring = Keyring::create(PROFILE, DOMAIN, &[recovery], &SystemEntropy).unwrap();
        let signer = signer();
        keyring.register_source(SOURCE, &id_key(), signer.verifying_key(), &SystemEntropy).unwrap();
        let backend = Arc::new(DirectoryBackend::new(Arc::new(depot_disk.clone())));
        let depot = Depot::create(backend, DepotFormat { profile: PROFILE, domain: DOMAIN }).unwrap();
        depot.put_keyring(&keyring).unwrap();
        let outside = tempfile::tempdir().unwrap();
        create_source(&outside.path().join("cmdb.db"), rows);
        Self { depot: files(&depot_disk), host: Files::new(), keys: files(&keys_disk), outside }
    }

    /// The installation on volumes whose crashes are a function of `seed`.
    pub(crate) fn start(&self, seed: u64) -> World {
        let outside = tempfile::tempdir().unwrap();
        copy_dir(self.outside.path(), outside.path());
        let depot = volume(&self.depot, seed);
        let handle: Arc<dyn Disk> = Arc::new(depot.clone());
        let keyring = Depot::open(Arc::new(DirectoryBackend::new(handle))).unwrap().read_keyring().unwrap().unwrap();
        let epoch = keyring.newest_epoch().unwrap().clone();
        World { depot, host: volume(&self.host, seed.wrapping_add(1)), outside, epoch }
    }
}

pub(crate) fn handle(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

impl World {
    /// Takes a snapshot over these ways to the volumes.
    pub(crate) fn backup(&self, depot: &Arc<dyn Disk>, host: &Arc<dyn Disk>) -> Result<BackupOutcome, BackupError> {
        let opened = Depot::open(Arc::new(DirectoryBackend::new(Arc::clone(depot))));
        let depot = opened.map_err(|error| BackupError::Repository(refused(error.code(), Box::new(error))))?;
        let cache = self.outside.path().join("cache");
        let location = SqliteLocation::new(self.outside.path().join("cmdb.db"));
        backup(&BackupJob {
            name: "cmdb",
            source: &SqliteSource::new(location, Arc::new(SystemClock)),
            ids: &IdFunctions::new(PROFILE, &id_key()),
            signer: &signer(),
            sealing: Sealing { source: SOURCE, scope: scope(), epoch: &self.epoch, entropy: &SystemEntropy },
            host: &HostKey::new(PROFILE, [9; 32]),
            host_name: "test",
            repository: &Way { depot },
            disk: host,
            state_dir: "state",
            cache_dir: "cache",
            cache_path: &cache,
            clock: &SystemClock,
            readers: 1,
            tags: &[],
            progress: &Progress::default(),
        })
    }

    /// Takes a snapshot while nothing fails.
    pub(crate) fn backup_in_peace(&self) -> Result<BackupOutcome, BackupError> {
        self.backup(&handle(&self.depot), &handle(&self.host))
    }

    /// One day passes in the source.
    pub(crate) fn edit(&self, day: u32) {
        let database = rusqlite::Connection::open(self.outside.path().join("cmdb.db")).unwrap();
        database
            .execute("UPDATE device SET state = 'day ' || ?1, load = ?1 * 1.5 WHERE id % 7 = ?1 % 7", [day])
            .unwrap();
        database.execute("DELETE FROM device WHERE id = ?1", [day]).unwrap();
        database.execute("INSERT INTO link VALUES (?1, 'day')", [day]).unwrap();
    }

    /// The installation as it is now, after whatever happened.
    pub(crate) fn stop(self, keys: &Files) -> Installation {
        Installation { depot: files(&self.depot), host: files(&self.host), keys: keys.clone(), outside: self.outside }
    }
}

pub(crate) fn signer() -> SigningKey {
    SigningKey::from_seed(PROFILE, &[3; 32]).unwrap()
}

/// What everything sealed here is bound to.
pub(crate) fn scope() -> Scope {
    Scope::new(PROFILE, DOMAIN, "test", "local")
}

fn id_key() -> IdKey {
    IdKey::from_bytes([7; 32])
}

/// A table with a key, one without, and a value that stands in chunks of its own.
fn create_source(path: &Path, rows: u32) {
    let database = rusqlite::Connection::open(path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT NOT NULL, state TEXT, load REAL, note BLOB);
             CREATE TABLE link (device INTEGER, kind TEXT);",
        )
        .unwrap();
    for id in 0..rows {
        let note = (id == 5).then(|| vec![b'n'; 3000]);
        database.execute("INSERT INTO device VALUES (?1, 'device-' || ?1, 'live', NULL, ?2)", (id, note)).unwrap();
        database.execute("INSERT INTO link VALUES (?1 / 3, 'power')", [id]).unwrap();
    }
}

/// The agent's way into the depot.
struct Way {
    depot: Depot,
}

struct Sink(Box<dyn DepotSink>);

fn refused(code: Code, source: Box<dyn std::error::Error + Send + Sync>) -> RepositoryError {
    RepositoryError { code, what: "the depot failed".into(), source: Some(source) }
}

impl Repository for Way {
    fn pack(&self, pack: PackId) -> Result<Box<dyn PackSink>, RepositoryError> {
        let backend: &Arc<dyn Backend> = self.depot.backend();
        let sink = backend.put_pack(pack).map_err(|error| refused(error.code(), Box::new(error)))?;
        Ok(Box::new(Sink(sink)))
    }

    fn put_manifest(&self, _: SourceId, _: u64, _: SnapshotId, bytes: &[u8]) -> Result<(), RepositoryError> {
        self.depot.put_manifest(bytes).map_err(|error| refused(error.code(), Box::new(error)))
    }

    fn snapshot_at(&self, source: SourceId, sequence: u64) -> Result<Option<SnapshotId>, RepositoryError> {
        self.depot.snapshot_at(source, sequence).map_err(|error| refused(error.code(), Box::new(error)))
    }
}

impl PackSink for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), RepositoryError> {
        self.0.write(bytes).map_err(|error| refused(error.code(), Box::new(error)))
    }

    fn commit(self: Box<Self>) -> Result<(), RepositoryError> {
        self.0.commit().map_err(|error| refused(error.code(), Box::new(error)))
    }
}
