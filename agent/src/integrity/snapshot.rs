//! The records of a snapshot, subtree by subtree, side by side.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use strongroom_core::id::BlobId;
use strongroom_core::record::{Cell, Cells, ClassSchema};
use strongroom_core::tree::leaf::Leaf;
use strongroom_core::tree::params::Top;
use strongroom_core::tree::reader::TreeReader;

use super::rows::{IntegrityError, Purpose, Row, Rows, Worker};
use crate::capture::Progress;
use crate::source::NativeBlob;
use crate::view::side_by_side::in_order;
use crate::view::{ClassView, ObjectStore, SnapshotView, ViewError};

/// The level of the subtrees that are read as one: some ten thousand records each.
const TASK_LEVEL: u8 = 1;

/// The roles of blobs that tell of sequences.
const ROLES: [&str; 2] = ["sequences", "fingerprint"];

/// A snapshot as a check reads it.
pub(super) struct SnapshotRows<'a, S> {
    view: &'a SnapshotView<'a, S>,
    classes: Vec<ClassView<'a, S>>,
    progress: &'a Progress,
    whole: Option<Whole>,
}

/// What was read of a snapshot, and is what it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Parts of trees.
    pub parts: u64,
    /// Records.
    pub records: u64,
    /// Large values, with their lengths.
    pub blobs: HashSet<(BlobId, u64)>,
}

/// What was read so far, where all is.
#[derive(Default)]
struct Whole {
    parts: AtomicU64,
    records: AtomicU64,
    blobs: Mutex<HashSet<(BlobId, u64)>>,
}

/// A subtree of one class.
struct Task {
    class: usize,
    top: Top,
}

impl<'a, S: ObjectStore> SnapshotRows<'a, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) fn new(view: &'a SnapshotView<'a, S>, progress: &'a Progress) -> Self {
        Self { view, classes: view.classes().collect(), progress, whole: None }
    }

    /// All of a snapshot.
    pub(super) fn whole(view: &'a SnapshotView<'a, S>, progress: &'a Progress) -> Self {
        Self { whole: Some(Whole::default()), ..Self::new(view, progress) }
    }

    /// What was read.
    pub(super) fn read(self) -> Read {
        self.whole.map_or_else(Read::default, |whole| Read {
            parts: whole.parts.into_inner(),
            records: whole.records.into_inner(),
            blobs: whole.blobs.into_inner().unwrap_or_else(PoisonError::into_inner),
        })
    }

    fn tasks(&self, classes: &[usize], whole: Option<&Whole>) -> Result<Vec<Task>, IntegrityError> {
        let mut tasks = Vec::new();
        for class in classes {
            let Some(view) = self.classes.get(*class) else { continue };
            let reader = view.reader();
            let mut waiting: Vec<Top> = view.top()?.into_iter().collect();
            while let Some(top) = waiting.pop() {
                if top.level <= TASK_LEVEL {
                    tasks.push(Task { class: *class, top });
                    continue;
                }
                let children = reader.children(top.level, top.id, top.records);
                let children = children.map_err(|error| ViewError::read::<S>(view.name(), error))?;
                let below = |child: &strongroom_core::tree::node::Child| Top {
                    level: top.level - 1,
                    id: child.id,
                    records: child.records,
                };
                // The last in is the first out, and keys are to ascend.
                waiting.extend(children.iter().rev().map(below));
            }
            if let Some(whole) = whole {
                whole.parts.fetch_add(reader.nodes_read(), Ordering::Relaxed);
            }
        }
        Ok(tasks)
    }

    fn leaf<W: Worker>(
        &self,
        view: &ClassView<'a, S>,
        leaf: &Leaf,
        whole: Option<&Whole>,
        worker: &mut W,
    ) -> Result<(), IntegrityError> {
        let mut large = |cell: &Cell<'_>| -> Result<Vec<u8>, IntegrityError> {
            let Some((blob, len)) = cell.blob()? else { return Ok(cell.bytes.to_vec()) };
            Ok(view.large_value(blob, len)?)
        };
        if let Some(whole) = whole {
            whole.parts.fetch_add(1, Ordering::Relaxed);
            whole.records.fetch_add(leaf.len() as u64, Ordering::Relaxed);
            (0..leaf.len()).try_for_each(|at| fetch(view, whole, leaf.record(at)))?;
        }
        for at in 0..leaf.len() {
            worker.row(Row { key: leaf.key(at), record: leaf.record(at), large: &mut large })?;
        }
        self.progress.records.fetch_add(leaf.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Fetches the large values of a record that were not fetched yet.
fn fetch<S: ObjectStore>(view: &ClassView<'_, S>, whole: &Whole, record: &[u8]) -> Result<(), IntegrityError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let blobs = || whole.blobs.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cells = Cells::new(record);
    while let Some(cell) = cells.next_cell()? {
        let Some((blob, len)) = cell.blob()? else { continue };
        if !blobs().contains(&(blob, len)) {
            view.large_value(blob, len)?;
            blobs().insert((blob, len));
        }
    }
    Ok(())
}

impl<'a, S: ObjectStore> Rows for SnapshotRows<'a, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    fn schemas(&self) -> Vec<ClassSchema> {
        self.classes.iter().map(|class| class.schema().clone()).collect()
    }

    fn elsewhere(&self) -> Vec<String> {
        let left_out = self.view.body().classes.iter().filter(|entry| !entry.captured);
        left_out.map(|entry| entry.name.clone()).collect()
    }

    fn reads_all(&self) -> bool {
        self.whole.is_some()
    }

    fn blobs(&self) -> Result<Vec<NativeBlob>, IntegrityError> {
        let mut blobs = Vec::new();
        for blob in self.view.body().blobs.iter().filter(|blob| ROLES.contains(&blob.role.as_str())) {
            let content = self.view.blob(blob)?;
            blobs.push(NativeBlob { role: blob.role.clone(), content });
        }
        Ok(blobs)
    }

    fn pass<W: Worker>(
        &self,
        classes: &[usize],
        purpose: Purpose,
        start: &(dyn Fn(usize) -> W + Sync),
        end: &mut dyn FnMut(W),
    ) -> Result<(), IntegrityError> {
        let whole = self.whole.as_ref().filter(|_| purpose == Purpose::Gather);
        let reader = || {
            let mut current: Option<(usize, TreeReader<'a, S>)> = None;
            move |task: &Task| -> Result<Option<W>, IntegrityError> {
                let Some(view) = self.classes.get(task.class) else { return Ok(None) };
                if current.as_ref().is_none_or(|(class, _)| *class != task.class) {
                    current = Some((task.class, view.reader()));
                }
                let Some((_, reader)) = &mut current else { return Ok(None) };
                let mut worker = start(task.class);
                let before = reader.nodes_read();
                let walked =
                    reader.for_each_leaf(Some(task.top), &mut |leaf| self.leaf(view, leaf, whole, &mut worker));
                walked.map_err(|error| ViewError::read::<S>(view.name(), error))??;
                if let Some(whole) = whole {
                    whole.parts.fetch_add(reader.nodes_read() - before, Ordering::Relaxed);
                }
                worker.finish()?;
                Ok(Some(worker))
            }
        };
        in_order(&self.tasks(classes, whole)?, reader, |worker| {
            worker?.into_iter().for_each(&mut *end);
            Ok(())
        })
    }
}
