//! Writes a manifest: seals the body, completes the head, signs.

use super::body::{BlobEntry, ManifestBody, Versioned};
use super::head::{ClassHead, Interval, ManifestHead, PackRef, SnapshotTotals, VERSION};
use super::{MAGIC, ManifestError, body};
use crate::codec::{put_bytes, put_varint};
use crate::digest::IdFunctions;
use crate::entropy::Entropy;
use crate::frame::Compressor;
use crate::id::{HeadHash, PackId, SnapshotId, SnapshotRoot, SourceId};
use crate::limits::MANIFEST_BODY_BYTES_MAX;
use crate::merkle::labelled_hash;
use crate::seal::{Aead, OpeningKey, Recipient, Scope, SigningKey, new_data_key};
use crate::time::WallTime;

/// The body is written once and read seldom, so it may cost some effort.
const BODY_LEVEL: i32 = 9;

/// What the caller knows of a snapshot's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestDraft {
    /// What the body will be bound to.
    pub scope: Scope,
    /// The source.
    pub source: SourceId,
    /// Place in the chain, from 1.
    pub sequence: u64,
    /// Hash of the head before; none at sequence 1.
    pub previous: Option<HeadHash>,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Root over all classes and blobs: [`snapshot_root`].
    pub root: SnapshotRoot,
    /// Whether everything that was to be captured was.
    pub complete: bool,
    /// Whether the list of packs begins anew.
    pub restarts_packs: bool,
    /// The source host's clock when reading began.
    pub started: WallTime,
    /// The source host's clock when all was read.
    pub finished: WallTime,
    /// The measured interval.
    pub interval: Option<Interval>,
    /// Sums.
    pub totals: SnapshotTotals,
    /// The classes, in any order.
    pub classes: Vec<ClassHead>,
    /// Packs that this snapshot needs and its predecessor did not.
    pub packs_added: Vec<PackRef>,
    /// Packs that its predecessor needed and this one does not.
    pub packs_dropped: Vec<PackId>,
}

/// A manifest that is ready to be stored.
pub struct SealedManifest {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its head.
    pub head: ManifestHead,
    /// The name under which the next head knows it.
    pub head_hash: HeadHash,
    /// Opens the body, for a spool on this host. Never leaves the host unwrapped.
    pub opening_key: OpeningKey,
}

/// The root of a snapshot: keyed hash over its classes, ascending by id, and its blobs, ascending by role and id.
///
/// ```text
///   varint(classes)  ( class id (16)  class root (32) )*  varint(blobs)  ( varint(length) role  blob id (32) )*
/// ```
pub fn snapshot_root(ids: &IdFunctions, classes: &[ClassHead], blobs: &[BlobEntry]) -> SnapshotRoot {
    let mut classes: Vec<&ClassHead> = classes.iter().collect();
    classes.sort_by_key(|class| class.class);
    let mut blobs: Vec<&BlobEntry> = blobs.iter().collect();
    blobs.sort_by(|a, b| (&a.role, a.id).cmp(&(&b.role, b.id)));
    let mut message = Vec::with_capacity(20 + classes.len() * 48 + blobs.len() * 64);
    put_varint(&mut message, classes.len() as u64);
    for class in classes {
        message.extend_from_slice(&class.class.0);
        message.extend_from_slice(&class.root.0);
    }
    put_varint(&mut message, blobs.len() as u64);
    for blob in blobs {
        put_bytes(&mut message, blob.role.as_bytes());
        message.extend_from_slice(&blob.id.0);
    }
    SnapshotRoot(ids.snapshot.digest(&message))
}

/// What body and wrapped key are bound to: label, scope, source, snapshot, sequence.
pub(super) fn context(scope: &Scope, source: SourceId, snapshot: SnapshotId, sequence: u64) -> Vec<u8> {
    let mut context = b"strongroom manifest v1".to_vec();
    context.extend_from_slice(&VERSION.to_be_bytes());
    scope.encode(&mut context);
    context.extend_from_slice(&source.0);
    context.extend_from_slice(&snapshot.0);
    context.extend_from_slice(&sequence.to_be_bytes());
    context
}

impl ManifestDraft {
    /// Seals the body, signs the head and gives the file.
    pub fn seal(
        self,
        body: &ManifestBody,
        recipient: Recipient<'_>,
        signing_key: &SigningKey,
        entropy: &dyn Entropy,
    ) -> Result<SealedManifest, ManifestError> {
        let profile = self.scope.profile;
        if recipient.profile() != profile {
            return Err(ManifestError::WrongProfile);
        }
        let json = serde_json::to_vec(&Versioned { version: body::VERSION, body }).map_err(ManifestError::Encoding)?;
        if json.len() > MANIFEST_BODY_BYTES_MAX {
            return Err(ManifestError::TooLong { bytes: json.len() });
        }
        let envelope = Compressor::new()
            .and_then(|mut compressor| compressor.envelope(&json, BODY_LEVEL))
            .map_err(ManifestError::Compression)?;
        let context = context(&self.scope, self.source, self.snapshot, self.sequence);
        let key = new_data_key(entropy)?;
        let wrapped = recipient.wrap(&context, &key, entropy)?;
        let mut sealed = Vec::new();
        Aead::new(profile, &key)?.seal_append(0, &context, &envelope, &mut sealed)?;

        let head = self.into_head(wrapped, signing_key, &sealed);
        if !head.is_ordered() || head.sequence == 0 || head.previous.is_none() != (head.sequence == 1) {
            return Err(ManifestError::Damaged { what: "draft of a head" });
        }
        let bytes = sign(&head, signing_key, &sealed)?;
        Ok(SealedManifest { bytes, head_hash: head.hash(), head, opening_key: OpeningKey::from_bytes(*key) })
    }

    fn into_head(mut self, key: crate::seal::WrappedKey, signing_key: &SigningKey, sealed_body: &[u8]) -> ManifestHead {
        self.classes.sort_by_key(|class| class.class);
        self.packs_added.sort();
        self.packs_dropped.sort();
        ManifestHead {
            scope: self.scope,
            source: self.source,
            key,
            signer: signing_key.verifying_key().id(),
            body_hash: body_hash(&self.scope, sealed_body),
            body_bytes: sealed_body.len() as u64,
            sequence: self.sequence,
            previous: self.previous,
            snapshot: self.snapshot,
            root: self.root,
            complete: self.complete,
            restarts_packs: self.restarts_packs,
            started: self.started,
            finished: self.finished,
            interval: self.interval,
            totals: self.totals,
            classes: self.classes,
            packs_added: self.packs_added,
            packs_dropped: self.packs_dropped,
        }
    }
}

/// The hash of a sealed body that the head states.
pub(super) fn body_hash(scope: &Scope, sealed: &[u8]) -> [u8; 32] {
    labelled_hash(scope.profile, "manifest body", sealed)
}

fn sign(head: &ManifestHead, signing_key: &SigningKey, sealed_body: &[u8]) -> Result<Vec<u8>, ManifestError> {
    let encoded = head.encode();
    let len = u32::try_from(encoded.len()).map_err(|_| ManifestError::TooLong { bytes: encoded.len() })?;
    let mut bytes = Vec::with_capacity(encoded.len() + sealed_body.len() + 80);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&encoded);
    // The signature covers everything before it.
    let signature = signing_key.sign(&bytes)?;
    bytes.extend_from_slice(&signature);
    bytes.extend_from_slice(sealed_body);
    Ok(bytes)
}
