//! The walk through snapshots: every part and blob is fetched and its id recomputed.
//!
//! A part that another snapshot of the same source has shown to be whole is not read again, as long as the packs that
//! were looked into then are still among those that the snapshot needs, and as whatever
//! names it states the same count or length.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_agent::capture::Progress;
use strongroom_agent::integrity::Read;
use strongroom_agent::view::{ClassView, SnapshotView, ViewError};
use strongroom_core::id::{BlobId, LeafId, PackId, SourceId};
use strongroom_core::manifest::{BlobEntry, VerifiedManifest};
use strongroom_core::record::Cells;
use strongroom_core::tree::params::PartId;
use strongroom_core::tree::reader::{ReadError, TreeReader};
use strongroom_depot::store::{DepotStore, StoreError};

use super::{Finding, Severity};
use crate::room::custodian::{Custodian, OpenSnapshot};
use crate::room::manifests::Manifests;

/// A walk under way.
pub(in crate::commands) struct Walk<'a> {
    custodian: &'a Custodian,
    manifests: &'a Manifests,
    progress: Arc<Progress>,
    source: Option<SourceId>,
    packs: BTreeSet<PackId>,
    parts_seen: BTreeSet<(u8, PartId, u64)>,
    blobs_seen: BTreeSet<(BlobId, u64)>,
    parts: u64,
    blobs: u64,
    records: u64,
    findings: Vec<Finding>,
}

impl<'a> Walk<'a> {
    /// A walk that has seen nothing.
    pub(in crate::commands) fn new(
        custodian: &'a Custodian,
        manifests: &'a Manifests,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            custodian,
            manifests,
            progress,
            source: None,
            packs: BTreeSet::new(),
            parts_seen: BTreeSet::new(),
            blobs_seen: BTreeSet::new(),
            parts: 0,
            blobs: 0,
            records: 0,
            findings: Vec::new(),
        }
    }

    /// Parts, blobs and records that were read and are whole.
    pub(in crate::commands) const fn counts(&self) -> (u64, u64, u64) {
        (self.parts, self.blobs, self.records)
    }

    /// What is wrong so far.
    pub(in crate::commands) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What is wrong.
    pub(in crate::commands) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Walks through one snapshot. Whatever is wrong with it is a finding.
    pub(in crate::commands) fn snapshot(&mut self, manifest: &VerifiedManifest) {
        let name = format!("snapshot {}", manifest.head().snapshot);
        let Some(snapshot) = self.open(&name, manifest) else { return };
        self.compare_head_and_body(&name, &snapshot);
        let view = match SnapshotView::new(&snapshot.store, &snapshot.ids, &snapshot.body) {
            Ok(view) => view,
            Err(error) => {
                self.fault("unreadable_blob", &name, chain(&error));
                return;
            }
        };
        for entry in snapshot.body.classes.iter().filter(|entry| entry.captured) {
            let walked = view.class(&entry.name).and_then(|class| self.class(&class));
            if let Err(error) = walked {
                if self.progress.stop.load(Ordering::Relaxed) {
                    return;
                }
                self.fault("unreadable_class", &format!("{name}, class {}", entry.name), chain(&error));
            }
            self.progress.classes.fetch_add(1, Ordering::Relaxed);
        }
        self.native_blobs(&name, &view);
    }

    /// Takes in what was read of a snapshot elsewhere, and looks into what is left.
    pub(super) fn was_read(&mut self, manifest: &VerifiedManifest, read: Read) {
        self.parts += read.parts;
        self.records += read.records;
        self.blobs += read.blobs.len() as u64;
        let name = format!("snapshot {}", manifest.head().snapshot);
        let Some(snapshot) = self.open(&name, manifest) else { return };
        self.blobs_seen.extend(read.blobs);
        self.compare_head_and_body(&name, &snapshot);
        match SnapshotView::new(&snapshot.store, &snapshot.ids, &snapshot.body) {
            Ok(view) => self.native_blobs(&name, &view),
            Err(error) => self.fault("unreadable_blob", &name, chain(&error)),
        }
    }

    fn open(&mut self, name: &str, manifest: &VerifiedManifest) -> Option<OpenSnapshot> {
        match self.custodian.snapshot(self.manifests, manifest) {
            Ok(mut snapshot) => {
                self.forget_unless_within(manifest);
                snapshot.heed(Arc::clone(&self.progress));
                Some(snapshot)
            }
            Err(failure) => {
                self.fault("unreadable_manifest", name, failure.chain().join(": "));
                None
            }
        }
    }

    fn native_blobs(&mut self, name: &str, view: &SnapshotView<'_, DepotStore>) {
        for blob in &view.body().blobs {
            if let Err(error) = self.blob(view, blob) {
                self.fault("unreadable_blob", &format!("{name}, blob {}", blob.role), chain(&error));
            }
        }
    }

    fn fault(&mut self, kind: &str, subject: &str, message: String) {
        let (kind, subject) = (kind.to_owned(), subject.to_owned());
        self.findings.push(Finding { severity: Severity::Error, kind, subject, message });
    }

    /// What was seen counts only where it was read from packs that this snapshot needs, too.
    fn forget_unless_within(&mut self, manifest: &VerifiedManifest) {
        let head = manifest.head();
        let needed = self.manifests.needed_packs(head);
        let packs: BTreeSet<PackId> = needed.iter().flat_map(|packs| packs.packs().map(|pack| pack.pack)).collect();
        if self.source != Some(head.source) || !self.packs.is_subset(&packs) {
            self.parts_seen.clear();
            self.blobs_seen.clear();
        }
        (self.source, self.packs) = (Some(head.source), packs);
    }

    fn compare_head_and_body(&mut self, name: &str, snapshot: &OpenSnapshot) {
        let head = snapshot.manifest.head();
        if snapshot.root_of_body() != Some(head.root) {
            self.fault("wrong_root", name, "the classes and blobs of its body do not have the root of its head".into());
        }
        let records: u64 = snapshot.body.classes.iter().map(|entry| entry.records).fold(0, u64::saturating_add);
        if records != head.totals.records {
            let message = format!("its head counts {} records, its body {records}", head.totals.records);
            self.fault("wrong_count", name, message);
        }
    }

    fn class(&mut self, class: &ClassView<'_, DepotStore>) -> Result<(), ViewError> {
        let Some(top) = class.top()? else { return Ok(()) };
        let mut reader = class.reader();
        self.part(class, &mut reader, top.level, top.id, top.records)
    }

    fn part(
        &mut self,
        class: &ClassView<'_, DepotStore>,
        reader: &mut TreeReader<'_, DepotStore>,
        level: u8,
        id: PartId,
        records: u64,
    ) -> Result<(), ViewError> {
        if self.parts_seen.contains(&(level, id, records)) {
            return Ok(());
        }
        if level > 0 {
            for child in reader.children(level, id, records).map_err(|error| unreadable(class, error))? {
                self.part(class, reader, level - 1, child.id, child.records)?;
            }
        } else {
            let leaf = reader.leaf(LeafId(id.0)).map_err(|error| unreadable(class, error))?;
            if leaf.len() as u64 != records {
                return Err(unreadable(class, ReadError::Shape { what: "a leaf's count is not what its parent says" }));
            }
            for at in 0..leaf.len() {
                self.large_values(class, leaf.record(at))?;
            }
            self.records += records;
            self.progress.records.fetch_add(records, Ordering::Relaxed);
        }
        self.parts_seen.insert((level, id, records));
        self.parts += 1;
        Ok(())
    }

    fn large_values(&mut self, class: &ClassView<'_, DepotStore>, record: &[u8]) -> Result<(), ViewError> {
        let mut cells = Cells::new(record);
        let mut unseen = Vec::new();
        while let Some(cell) = cells.next_cell()? {
            unseen.extend(cell.blob()?.filter(|blob| !self.blobs_seen.contains(blob)));
        }
        if unseen.is_empty() {
            return Ok(());
        }
        class.large_values(record)?;
        self.blobs += unseen.len() as u64;
        self.blobs_seen.extend(unseen);
        Ok(())
    }

    fn blob(&mut self, view: &SnapshotView<'_, DepotStore>, blob: &BlobEntry) -> Result<(), ViewError> {
        if self.blobs_seen.contains(&(blob.id, blob.bytes)) {
            return Ok(());
        }
        view.blob(blob)?;
        self.blobs_seen.insert((blob.id, blob.bytes));
        self.blobs += 1;
        Ok(())
    }
}

fn unreadable(class: &ClassView<'_, DepotStore>, error: ReadError<StoreError>) -> ViewError {
    let code = match &error {
        ReadError::Source(error) => error.code(),
        _ => strongroom_core::error::Code::Damaged,
    };
    ViewError::Read { what: class.name().to_owned(), code, source: Box::new(error) }
}

/// An error with its causes, on one line.
fn chain(error: &ViewError) -> String {
    let mut message = error.to_string();
    let mut below = std::error::Error::source(error);
    while let Some(error) = below {
        message.push_str(": ");
        message.push_str(&error.to_string());
        below = error.source();
    }
    message
}
