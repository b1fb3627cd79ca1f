//! An agent with a depot in memory: real backups, real restores with their verdicts.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_agent::backup::{BackupJob, BackupOutcome, backup, compare};
use strongroom_agent::capture::{ClassOutcome, Progress, Spool};
use strongroom_agent::restore::{RestoreJob, RestoreOutcome, restore};
use strongroom_agent::shipment::Sealing;
use strongroom_agent::source::Source;
use strongroom_agent::target::Target;
use strongroom_agent::view::SnapshotView;
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::id::{DomainId, SourceId};
use strongroom_core::manifest::{ManifestBody, Predecessor, UnverifiedManifest};
use strongroom_core::seal::{EpochNumber, EpochPrivateKey, HostKey, Scope, SigningKey};
use strongroom_platform::clock::SystemClock;
use strongroom_platform::disk::{Disk, RealDisk};
use strongroom_platform::rng::SystemEntropy;

use crate::depot::{MemoryDepot, Opened};

const PROFILE: Profile = Profile::Blake3;

/// Lanes of every capture and load.
pub(crate) const LANES: usize = 2;

/// The id functions of every test.
pub(crate) fn ids() -> IdFunctions {
    IdFunctions::new(PROFILE, &IdKey::from_bytes([7; 32]))
}

pub(crate) struct Agent {
    folder: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    depot: MemoryDepot,
    epoch: EpochPrivateKey,
}

impl Agent {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder.path()).unwrap());
        let epoch = EpochPrivateKey::generate(PROFILE, EpochNumber(1), &SystemEntropy).unwrap();
        Self { folder, disk, depot: MemoryDepot::default(), epoch }
    }

    fn with_job<T>(&self, source: &dyn Source, run: impl FnOnce(&BackupJob<'_>) -> T) -> T {
        let sealing = Sealing {
            source: SourceId([1; 16]),
            scope: Scope::new(PROFILE, DomainId([2; 16]), "test", "local"),
            epoch: self.epoch.public(),
            entropy: &SystemEntropy,
        };
        run(&BackupJob {
            name: "source",
            source,
            ids: &ids(),
            signer: &signer(),
            sealing,
            host: &HostKey::new(PROFILE, [9; 32]),
            host_name: "test",
            repository: &self.depot,
            disk: &self.disk,
            state_dir: "state",
            cache_dir: "cache",
            cache_path: &self.folder.path().join("cache"),
            clock: &SystemClock,
            readers: LANES,
            tags: &[],
            progress: &Progress::default(),
        })
    }

    /// Takes a snapshot, which must be complete.
    pub(crate) fn back_up(&self, source: &dyn Source) -> BackupOutcome {
        let outcome = self.with_job(source, backup).unwrap();
        assert!(outcome.complete, "{:?}", outcome.findings);
        outcome
    }

    /// Compares the source with its newest snapshot.
    pub(crate) fn drift(&self, source: &dyn Source) -> BTreeMap<String, ClassOutcome> {
        let found = self.with_job(source, compare).unwrap();
        found.into_iter().filter_map(|(name, outcome)| Some((name, outcome?))).collect()
    }

    fn body(&self, sequence: u64) -> ManifestBody {
        let manifests = self.depot.manifests.lock().unwrap();
        let manifest = UnverifiedManifest::parse(&manifests[&sequence].1).unwrap();
        let verified = manifest.verify(&[signer().verifying_key().clone()], Predecessor::Unchecked).unwrap();
        verified.open_body(&self.epoch).unwrap()
    }

    /// Restores a snapshot; the verdict must be that all is equal.
    pub(crate) fn restore(&self, snapshot: &BackupOutcome, target: &dyn Target) -> RestoreOutcome {
        let (opened, body) = (Opened::new(&self.depot, &self.epoch), self.body(snapshot.sequence));
        let ids = ids();
        let view = SnapshotView::new(&opened, &ids, &body).unwrap();
        let spool = Arc::new(Spool::new(Arc::clone(&self.disk), "spool", &SystemEntropy).unwrap());
        let outcome = restore(&RestoreJob {
            view: &view,
            target,
            over: false,
            token: "t0ken",
            loaders: LANES,
            spool: &spool,
            progress: &Progress::default(),
        })
        .unwrap();
        assert!(outcome.published, "{:?}", outcome.verdict);
        let records: u64 = snapshot.classes.iter().map(|(_, class)| class.tally.records).sum();
        assert_eq!(outcome.records_written, records);
        outcome
    }
}

fn signer() -> SigningKey {
    SigningKey::from_seed(PROFILE, &[3; 32]).unwrap()
}
