//! Scrub: every byte of every pack against its Merkle root, without a key.

use std::collections::BTreeMap;

use strongroom_core::id::{MerkleRoot, PackId};
use strongroom_core::manifest::PackRef;
use strongroom_core::merkle::MerkleHasher;
use strongroom_core::pack::{PackError, PackHeader, ROOT_LEN};

use super::Finding;
use crate::backend::{Backend, BackendError};
use crate::depot::Depot;

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// What a scrub came to.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// Packs that were read.
    pub packs: usize,
    /// Bytes that were read.
    pub bytes: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Reads every pack. `known` is what heads say of roots; `progress` is told of every pack and its bytes.
pub fn scrub(
    depot: &Depot,
    known: &[PackRef],
    progress: &mut dyn FnMut(PackId, u64),
) -> Result<Scrubbed, BackendError> {
    let known: BTreeMap<PackId, MerkleRoot> = known.iter().map(|pack| (pack.pack, pack.root)).collect();
    let mut scrubbed = Scrubbed::default();
    for pack in depot.backend().list_packs()?.items {
        let known = known.get(&pack.pack).copied();
        // Listed a moment ago: whatever keeps it from being read now is about this pack.
        let finding = scrub_pack(depot.backend().as_ref(), pack.pack, known)
            .unwrap_or_else(|error| Some(Finding::UnreadablePack { pack: pack.pack, why: error.to_string() }));
        scrubbed.findings.extend(finding);
        scrubbed.packs += 1;
        scrubbed.bytes += pack.bytes;
        progress(pack.pack, pack.bytes);
    }
    Ok(scrubbed)
}

/// Reads one pack and compares the root of its bytes with its end and with what a head says.
pub fn scrub_pack(
    backend: &dyn Backend,
    pack: PackId,
    known: Option<MerkleRoot>,
) -> Result<Option<Finding>, BackendError> {
    let source = backend.open_pack(pack)?;
    let bytes = source.bytes()?;
    let damaged = |what| Ok(Some(Finding::DamagedPack { pack, what }));
    let Some(content) = bytes.checked_sub(ROOT_LEN as u64) else {
        return damaged("it is cut off");
    };

    let mut buffer = vec![0; READ_BYTES];
    let mut hasher = None;
    let mut at = 0;
    while at < content {
        let len = usize::try_from(content - at).unwrap_or(READ_BYTES).min(READ_BYTES);
        let Some(part) = buffer.get_mut(..len) else { break };
        source.read_at(at, part)?;
        if hasher.is_none() {
            // The header says which hash it is, and is under that hash itself.
            match PackHeader::parse(part) {
                Ok(header) if header.identity.pack == pack => {
                    hasher = Some(MerkleHasher::new(header.identity.scope.profile));
                }
                Ok(_) => return damaged("the file's name is not the pack's id"),
                Err(PackError::UnknownVersion { .. } | PackError::UnknownFeature { .. }) => {
                    return damaged("its format is unknown");
                }
                Err(_) => return damaged("its header"),
            }
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(part);
        }
        at += len as u64;
    }
    let mut stated = [0; ROOT_LEN];
    source.read_at(content, &mut stated)?;
    let root = hasher.map(MerkleHasher::finish);
    if root != Some(MerkleRoot(stated)) {
        return damaged("its bytes do not have the root that it ends with");
    }
    if known.is_some() && known != root {
        return damaged("its root is not the one that the manifests say");
    }
    Ok(None)
}
