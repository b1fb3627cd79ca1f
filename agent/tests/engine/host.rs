//! One agent on one host: keys, disk, cache.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_agent::backup::{BackupError, BackupJob, BackupOutcome, backup};
use strongroom_agent::capture::{ClassOutcome, Progress};
use strongroom_agent::shipment::Sealing;
use strongroom_agent::source::Source;
use strongroom_agent::view::{FieldValue, SnapshotView, field_values};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::id::{DomainId, SourceId};
use strongroom_core::manifest::{ManifestBody, Predecessor, UnverifiedManifest, VerifiedManifest};
use strongroom_core::seal::{EpochNumber, EpochPrivateKey, HostKey, Scope, SigningKey};
use strongroom_platform::clock::SystemClock;
use strongroom_platform::disk::{Disk, RealDisk};
use strongroom_platform::rng::SystemEntropy;

use super::depot::{MemoryDepot, Opened};
use super::table::{Row, Tables};

pub(crate) struct Host {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) ids: IdFunctions,
    pub(crate) depot: MemoryDepot,
    pub(crate) epoch: EpochPrivateKey,
    disk: Arc<dyn Disk>,
    profile: Profile,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with_profile(Profile::Blake3)
    }

    pub(crate) fn with_profile(profile: Profile) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(dir.path()).unwrap());
        let ids = IdFunctions::new(profile, &IdKey::from_bytes([7; 32]));
        let epoch = EpochPrivateKey::generate(profile, EpochNumber(1), &SystemEntropy).unwrap();
        Self { dir, ids, depot: MemoryDepot::default(), epoch, disk, profile }
    }

    /// The same source on another host: other cache, same keys and depot.
    pub(crate) fn cache(&self) -> std::path::PathBuf {
        self.dir.path().join("cache")
    }

    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    fn with_job<T>(&self, source: &dyn Source, run: impl FnOnce(&BackupJob<'_>) -> T) -> T {
        let sealing = Sealing {
            source: SourceId([1; 16]),
            scope: Scope::new(self.profile, DomainId([2; 16]), "test", "local"),
            epoch: self.epoch.public(),
            entropy: &SystemEntropy,
        };
        run(&BackupJob {
            name: "tables",
            source,
            ids: &self.ids,
            signer: &self.signer(),
            sealing,
            host: &HostKey::new(self.profile, [9; 32]),
            host_name: "test",
            repository: &self.depot,
            disk: &self.disk,
            state_dir: "state",
            cache_dir: "cache",
            cache_path: &self.cache(),
            clock: &SystemClock,
            readers: 2,
            tags: &[],
            progress: &Progress::default(),
        })
    }

    fn signer(&self) -> SigningKey {
        SigningKey::from_seed(self.profile, &[3; 32]).unwrap()
    }

    pub(crate) fn backup(&self, source: &dyn Source) -> Result<BackupOutcome, BackupError> {
        self.with_job(source, backup)
    }

    pub(crate) fn compare(&self, source: &dyn Source) -> Vec<(String, Option<ClassOutcome>)> {
        self.with_job(source, |job| strongroom_agent::backup::compare(job).unwrap())
    }

    pub(crate) fn body(&self, sequence: u64) -> ManifestBody {
        self.verified(sequence).open_body(&self.epoch).unwrap()
    }

    pub(crate) fn verified(&self, sequence: u64) -> VerifiedManifest {
        let manifests = self.depot.manifests.lock().unwrap();
        let manifest = UnverifiedManifest::parse(&manifests[&sequence].1).unwrap();
        manifest.verify(&[self.signer().verifying_key().clone()], Predecessor::Unchecked).unwrap()
    }

    /// All rows of a snapshot, as they would be restored.
    pub(crate) fn contents(&self, sequence: u64) -> BTreeMap<String, BTreeMap<Row, usize>> {
        let (opened, body) = (Opened::new(&self.depot, &self.epoch), self.body(sequence));
        let view = SnapshotView::new(&opened, &self.ids, &body).unwrap();
        let mut all: BTreeMap<String, BTreeMap<Row, usize>> = BTreeMap::new();
        for class in view.classes() {
            let rows = all.entry(class.name().to_owned()).or_default();
            class
                .for_each_leaf(|leaf| {
                    for at in 0..leaf.len() {
                        let large = class.large_values(leaf.record(at))?;
                        let row = field_values(class.schema(), leaf.record(at), &large)?;
                        let row = row.into_iter().map(|(_, value)| match value {
                            FieldValue::Text(text) => Some(text),
                            FieldValue::Null => None,
                            other => panic!("{other:?}"),
                        });
                        *rows.entry(row.collect()).or_default() += 1;
                    }
                    Ok::<_, strongroom_agent::view::ViewError>(())
                })
                .unwrap();
        }
        all
    }

    /// Backs up and shows that a restore would give exactly the source's rows.
    pub(crate) fn backup_and_check(&self, source: &Tables) -> BackupOutcome {
        let outcome = self.backup(source).unwrap();
        assert!(outcome.complete);
        assert_eq!(self.contents(outcome.sequence), source.contents());
        outcome
    }
}
