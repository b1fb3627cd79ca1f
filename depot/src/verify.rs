//! Verification: what the manifests promise, against what is there.
//!
//! Two passes, neither of which changes anything. [`verify`] checks chains and signatures of heads, and that every pack
//! that a head needs is there with its size and, given keys, with a footer that opens. [`scrub`] reads every byte and
//! compares Merkle roots, with each pack's own end and with the heads; it needs no key. Whether every id is reachable is
//! asked by whoever can walk the trees.
//!
//! What is wrong is a finding, not an error, so that one bad pack does not hide the next: errors are for a depot that
//! can't be read at all.

mod finding;
mod heads;
mod scrub;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use strongroom_core::frame::Decompressor;
use strongroom_core::id::{PackId, SourceId};
use strongroom_core::manifest::PackRef;
use strongroom_core::pack::PackError;
use strongroom_core::seal::{OpensDataKeys, VerifyingKey};

use crate::backend::Backend;
use crate::depot::{Depot, DepotError};
use crate::reader::{PackFile, PackFileError};

pub use finding::Finding;
pub use heads::{Heads, read_heads};
pub use scrub::{Scrubbed, scrub, scrub_pack};

/// Who may have signed a source's heads.
pub type Signers<'a> = &'a dyn Fn(SourceId) -> Vec<VerifyingKey>;

/// What verification found.
#[derive(Debug, Default)]
pub struct Report {
    /// Manifests that were read.
    pub manifests: usize,
    /// Packs that are there.
    pub packs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong, or worth knowing.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong. Orphans and foreign files are no fault.
    pub fn is_ok(&self) -> bool {
        !self.findings.iter().any(Finding::is_fault)
    }
}

/// Checks the structure of a depot. With keys, every footer is opened; without, sizes alone are compared.
pub fn verify(depot: &Depot, signers: Signers<'_>, keys: Option<&dyn OpensDataKeys>) -> Result<Report, DepotError> {
    let backend = depot.backend().as_ref();
    let heads = read_heads(depot, signers)?;
    let packs = backend.list_packs()?;
    let mut report = Report {
        manifests: heads.verified.len(),
        packs: packs.items.len(),
        bytes: packs.items.iter().map(|pack| pack.bytes).sum(),
        findings: heads.findings.clone(),
    };
    let foreign = packs.foreign.into_iter().map(|path| Finding::ForeignFile { path });
    report.findings.extend(foreign);

    let needed: BTreeMap<PackId, PackRef> = heads.packs().into_iter().map(|pack| (pack.pack, pack)).collect();
    let stored: BTreeMap<PackId, u64> = packs.items.iter().map(|pack| (pack.pack, pack.bytes)).collect();
    for pack in needed.values() {
        match stored.get(&pack.pack) {
            None => report.findings.push(Finding::MissingPack { pack: pack.pack, bytes: pack.bytes }),
            Some(bytes) if *bytes != pack.bytes => {
                report.findings.push(Finding::WrongSize { pack: pack.pack, expected: pack.bytes, found: *bytes });
            }
            Some(_) => {}
        }
    }
    for (pack, bytes) in stored.iter().filter(|(pack, _)| !needed.contains_key(pack)) {
        report.findings.push(Finding::OrphanPack { pack: *pack, bytes: *bytes });
    }
    if let Some(keys) = keys {
        let mut decompressor = Decompressor::new().map_err(PackError::Compression)?;
        for pack in stored.keys() {
            report.findings.extend(check_footer(backend, *pack, keys, &mut decompressor));
        }
    }
    Ok(report)
}

fn check_footer(
    backend: &dyn Backend,
    pack: PackId,
    keys: &dyn OpensDataKeys,
    decompressor: &mut Decompressor,
) -> Option<Finding> {
    match PackFile::open(backend, pack, keys).and_then(|file| file.directory(decompressor)) {
        Ok(_) => None,
        Err(PackFileError::Pack(error)) => Some(Finding::UnreadablePack { pack, why: error.to_string() }),
        // Listed a moment ago: whatever keeps it from being read now is about this pack.
        Err(PackFileError::Backend(error)) => Some(Finding::UnreadablePack { pack, why: error.to_string() }),
    }
}
