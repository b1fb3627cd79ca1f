//! What somebody can do to a depot who has the keys of an agent: seal anything, and sign it.

use std::path::Path;
use std::sync::Arc;

use strongroom_core::codec::put_varint;
use strongroom_core::digest::IdFunctions;
use strongroom_core::entropy::random_array;
use strongroom_core::frame::{CompressedFrame, Compressor, FrameBuilder, ObjectKind};
use strongroom_core::id::{BlobId, ChunkId, Hint, LeafId, NodeId, ObjectId};
use strongroom_core::manifest::{
    ClassHead, ManifestBody, ManifestDraft, NodeRef, PackRef, VerifiedManifest, snapshot_root,
};
use strongroom_core::pack::PackIdentity;
use strongroom_core::seal::{EpochPublicKey, Keyring, Recipient};
use strongroom_core::tree::params::{PartId, Top, TreeParams, class_root};
use strongroom_depot::backend::DirectoryBackend;
use strongroom_depot::index::Index;
use strongroom_depot::verify::read_heads;
use strongroom_depot::{Depot, OpenDepot};
use strongroom_platform::disk::RealDisk;
use strongroom_platform::keys::KeyFile;
use strongroom_platform::rng::SystemEntropy;

use crate::world::{KEY_FILE, SOURCE, scope, signer};

/// A depot in the hands of somebody who has an agent's keys, and what its newest snapshot says.
pub(crate) struct Stolen {
    depot: Depot,
    epoch: EpochPublicKey,
    pub(crate) ids: IdFunctions,
    newest: VerifiedManifest,
    pub(crate) body: ManifestBody,
}

impl Stolen {
    pub(crate) fn open(folder: &Path, keys: &Path) -> Self {
        let disk = Arc::new(RealDisk::open(folder).unwrap());
        let depot = Depot::open(Arc::new(DirectoryBackend::new(disk))).unwrap();
        let keyring: Keyring = depot.read_keyring().unwrap().unwrap();
        let epoch = keyring.newest_epoch().unwrap().clone();
        let keys = KeyFile::open(&RealDisk::open(keys).unwrap(), KEY_FILE, None, Arc::new(SystemEntropy)).unwrap();
        let opened = keyring.open(&keys).unwrap();
        let heads = read_heads(&depot, &|source| keyring.signers(source).to_vec()).unwrap();
        let index = Index::in_memory().unwrap();
        let open = OpenDepot::new(Arc::clone(depot.backend()), keyring, opened, index, 1 << 20).unwrap();
        let newest = heads.verified.last().unwrap().clone();
        let (ids, body) = (open.ids(SOURCE).unwrap(), open.body(&newest).unwrap());
        Self { depot, epoch, ids, newest, body }
    }

    /// Puts a pack of frames; each of them so many times.
    pub(crate) fn put(&self, frames: &[CompressedFrame], times: usize) -> PackRef {
        let pack = strongroom_core::id::PackId(random_array(&SystemEntropy).unwrap());
        let identity = PackIdentity { pack, source: SOURCE, scope: scope() };
        let mut upload = self.depot.begin_pack(identity, Recipient::Epoch(&self.epoch), &SystemEntropy).unwrap();
        for _ in 0..times {
            for frame in frames {
                upload.append(frame).unwrap();
            }
        }
        let sealed = upload.finish().unwrap();
        PackRef { pack: sealed.pack, bytes: sealed.bytes, root: sealed.root }
    }

    /// Signs a next snapshot over a body, which needs more packs than the newest one.
    pub(crate) fn sign(&self, body: &ManifestBody, packs_added: Vec<PackRef>) {
        let head = self.newest.head();
        let class = |listed: &ClassHead| {
            let entry = body.classes.iter().find(|entry| entry.id == listed.class);
            ClassHead { root: entry.map_or(listed.root, |entry| entry.root), ..*listed }
        };
        let classes: Vec<ClassHead> = head.classes.iter().map(class).collect();
        let mut totals = head.totals;
        totals.records = body.classes.iter().fold(0, |sum, class| class.records.saturating_add(sum));
        let draft = ManifestDraft {
            scope: scope(),
            source: SOURCE,
            sequence: head.sequence + 1,
            previous: Some(self.newest.hash()),
            snapshot: strongroom_core::id::SnapshotId(random_array(&SystemEntropy).unwrap()),
            root: snapshot_root(&self.ids, &classes, &body.blobs),
            complete: true,
            restarts_packs: false,
            started: head.finished,
            finished: head.finished,
            interval: None,
            totals,
            classes,
            packs_added,
            packs_dropped: Vec::new(),
        };
        let sealed = draft.seal(body, Recipient::Epoch(&self.epoch), &signer(), &SystemEntropy).unwrap();
        self.depot.put_manifest(&sealed.bytes).unwrap();
    }

    /// The newest snapshot again, with more packs to look into.
    pub(crate) fn sign_again(&self, packs_added: Vec<PackRef>) {
        self.sign(&self.body.clone(), packs_added);
    }

    /// A body whose class `device` has another top, as its root says.
    pub(crate) fn with_top(&self, level: u8, id: [u8; 32], records: u64) -> ManifestBody {
        let mut body = self.body.clone();
        let class = body.classes.iter_mut().find(|class| class.name.ends_with("device")).unwrap();
        let params = TreeParams {
            leaf_records_target: class.leaf_records_target,
            node_children_target: class.node_children_target,
        };
        class.top = Some(NodeRef { level, id });
        class.records = records;
        let top = Top { level, id: PartId(id), records };
        class.root = class_root(&self.ids, params, &class.schema_digest, Some(top));
        body
    }

    /// The names of the tops of all classes, with the kinds that they have in full and as deltas.
    pub(crate) fn tops(&self) -> Vec<(ObjectId, ObjectKind, ObjectKind)> {
        let tops = self.body.classes.iter().filter_map(|class| class.top);
        tops.map(|top| match top.level {
            0 => (ObjectId::Leaf(LeafId(top.id)), ObjectKind::FullLeaf, ObjectKind::DeltaLeaf),
            _ => (ObjectId::Node(NodeId(top.id)), ObjectKind::FullNode, ObjectKind::DeltaNode),
        })
        .collect()
    }
}

/// One object alone in a frame.
pub(crate) fn frame(id: ObjectId, kind: ObjectKind, body: &[u8]) -> CompressedFrame {
    let mut builder = FrameBuilder::new();
    assert!(builder.push(id, kind, body).unwrap().is_none());
    Compressor::new().unwrap().compress(builder.flush().unwrap(), 1).unwrap()
}

/// The head of a delta form, and so much behind it that means nothing.
pub(crate) fn delta(generation: u32, base: Hint, more: usize) -> Vec<u8> {
    let mut body = Vec::new();
    put_varint(&mut body, u64::from(generation));
    body.extend_from_slice(base.as_bytes());
    body.resize(body.len() + more, 0);
    body
}

/// A list that gives one chunk so many times, and that chunk.
pub(crate) fn repeated(ids: &IdFunctions, blob: BlobId, times: usize) -> (u64, [CompressedFrame; 2]) {
    let chunk = vec![7; 256 << 10];
    let id: ChunkId = ids.chunk(&chunk);
    let (mut list, mut entry) = (Vec::new(), Vec::new());
    let bytes = (chunk.len() * times) as u64;
    put_varint(&mut list, bytes);
    put_varint(&mut list, times as u64);
    put_varint(&mut entry, chunk.len() as u64);
    entry.extend_from_slice(&id.0);
    list.extend(entry.repeat(times));
    let list = frame(ObjectId::Blob(blob), ObjectKind::ChunkList, &list);
    (bytes, [list, frame(ObjectId::Chunk(id), ObjectKind::Chunk, &chunk)])
}
