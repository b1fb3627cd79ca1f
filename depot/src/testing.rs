//! What the tests of this package share: a domain with keys, a depot on a simulated disk, packs and manifests in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::entropy::random_array;
use strongroom_core::frame::{CompressedFrame, Compressor, FrameBuilder, ObjectKind};
use strongroom_core::id::{BlobId, ChunkId, DomainId, HeadHash, ObjectId, PackId, SnapshotId, SourceId};
use strongroom_core::manifest::{
    ClockReadings, ManifestBody, ManifestDraft, PackRef, SealedManifest, SnapshotTotals, snapshot_root,
};
use strongroom_core::pack::{PackIdentity, SealedPack};
use strongroom_core::seal::{
    EpochNumber, EpochPrivateKey, OpeningKey, OpensDataKeys, Recipient, Scope, SealError, SigningKey, VerifyingKey,
    WrappedKey,
};
use strongroom_core::time::WallTime;
use strongroom_platform::disk::Disk;
use strongroom_platform::rng::SimEntropy;

use crate::backend::DirectoryBackend;
use crate::depot::{Depot, DepotError};
use crate::format::DepotFormat;

pub(crate) const SOURCE: SourceId = SourceId([2; 16]);

/// A home domain with its keys and one source.
pub(crate) struct Domain {
    pub(crate) profile: Profile,
    pub(crate) entropy: SimEntropy,
    pub(crate) key: Arc<EpochPrivateKey>,
    pub(crate) signing: SigningKey,
}

/// Shares an epoch's key between reader and test.
pub(crate) struct Keys(Arc<EpochPrivateKey>);

impl OpensDataKeys for Keys {
    fn open_data_key(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<OpeningKey, SealError> {
        self.0.open_data_key(wrapped, context)
    }
}

impl Domain {
    pub(crate) fn new(profile: Profile, seed: u64) -> Self {
        let entropy = SimEntropy::from_seed(seed);
        let key = Arc::new(EpochPrivateKey::generate(profile, EpochNumber(1), &entropy).unwrap());
        Self { profile, entropy, key, signing: SigningKey::from_seed(profile, &[7; 32]).unwrap() }
    }

    pub(crate) fn id() -> DomainId {
        DomainId([3; 16])
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys(Arc::clone(&self.key))
    }

    pub(crate) fn signers(&self) -> Vec<VerifyingKey> {
        vec![self.signing.verifying_key().clone()]
    }

    pub(crate) fn depot(&self, disk: Arc<dyn Disk>) -> Result<Depot, DepotError> {
        let format = DepotFormat { profile: self.profile, domain: Self::id() };
        Depot::create(Arc::new(DirectoryBackend::new(disk)), format)
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope::new(self.profile, Self::id(), "production", "DE")
    }

    /// Puts a pack with one chunk a body.
    pub(crate) fn put_pack(&self, depot: &Depot, bodies: &[Vec<u8>]) -> Result<SealedPack, DepotError> {
        self.put_frames(depot, &frames(bodies))
    }

    /// Puts a pack of frames.
    pub(crate) fn put_frames(&self, depot: &Depot, frames: &[CompressedFrame]) -> Result<SealedPack, DepotError> {
        let pack = PackId(random_array(&self.entropy).unwrap());
        let identity = PackIdentity { pack, source: SOURCE, scope: self.scope() };
        let mut upload = depot.begin_pack(identity, Recipient::Epoch(self.key.public()), &self.entropy)?;
        for frame in frames {
            upload.append(frame)?;
        }
        upload.finish()
    }

    /// A manifest that needs packs.
    pub(crate) fn manifest(&self, sequence: u64, previous: Option<HeadHash>, packs: &[&SealedPack]) -> SealedManifest {
        let ids = IdFunctions::new(self.profile, &IdKey::from_bytes([1; 32]));
        let packs_added = packs.iter().map(|p| PackRef { pack: p.pack, bytes: p.bytes, root: p.root }).collect();
        let draft = ManifestDraft {
            scope: self.scope(),
            source: SOURCE,
            sequence,
            previous,
            snapshot: SnapshotId(random_array(&self.entropy).unwrap()),
            root: snapshot_root(&ids, &[], &[]),
            complete: true,
            restarts_packs: sequence == 1,
            started: WallTime(1),
            finished: WallTime(2),
            interval: None,
            totals: SnapshotTotals::default(),
            classes: vec![],
            packs_added,
            packs_dropped: vec![],
        };
        draft.seal(&body(), Recipient::Epoch(self.key.public()), &self.signing, &self.entropy).unwrap()
    }
}

fn body() -> ManifestBody {
    ManifestBody {
        source_name: "cmdb".into(),
        engine: "sqlite".into(),
        engine_version: "3".into(),
        product: None,
        profile: None,
        application_versions: BTreeMap::new(),
        integrations: vec![],
        environment: BTreeMap::new(),
        source_position: BTreeMap::new(),
        clock: ClockReadings::default(),
        host: "host".into(),
        classes: vec![],
        schemas: BlobId([0; 32]),
        blobs: vec![],
        findings: vec![],
        tags: vec![],
    }
}

/// The id that the tests give a chunk: not keyed, and recomputed by [`checks`].
pub(crate) fn chunk_id(body: &[u8]) -> ObjectId {
    let ids = IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([1; 32]));
    let ChunkId(id) = ids.chunk(body);
    ObjectId::Chunk(ChunkId(id))
}

pub(crate) fn frames(bodies: &[Vec<u8>]) -> Vec<CompressedFrame> {
    frames_of(bodies.iter().map(|body| (chunk_id(body), ObjectKind::Chunk, &body[..])))
}

/// Frames of any objects, whatever their ids.
pub(crate) fn frames_of<'a>(
    objects: impl IntoIterator<Item = (ObjectId, ObjectKind, &'a [u8])>,
) -> Vec<CompressedFrame> {
    let (mut builder, mut compressor) = (FrameBuilder::new(), Compressor::new().unwrap());
    let mut plain = Vec::new();
    for (id, kind, body) in objects {
        plain.extend(builder.push(id, kind, body).unwrap());
    }
    plain.extend(builder.flush());
    plain.into_iter().map(|frame| compressor.compress(frame, 3).unwrap()).collect()
}

/// Bodies that differ from each other and from those of other seeds.
pub(crate) fn bodies(seed: u8, count: usize, len: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| {
            let mut body = vec![seed; len];
            body.iter_mut().zip((i as u64).to_be_bytes()).for_each(|(to, from)| *to = from);
            body
        })
        .collect()
}
