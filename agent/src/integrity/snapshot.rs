//! The records of a snapshot, subtree by subtree, side by side.

use std::sync::atomic::Ordering;

use strongroom_core::record::{Cell, ClassSchema};
use strongroom_core::tree::leaf::Leaf;
use strongroom_core::tree::params::Top;
use strongroom_core::tree::reader::TreeReader;

use super::rows::{IntegrityError, Row, Rows, Worker};
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
        Self { view, classes: view.classes().collect(), progress }
    }

    fn tasks(&self, classes: &[usize]) -> Result<Vec<Task>, IntegrityError> {
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
        }
        Ok(tasks)
    }

    fn leaf<W: Worker>(&self, view: &ClassView<'a, S>, leaf: &Leaf, worker: &mut W) -> Result<(), IntegrityError> {
        let mut large = |cell: &Cell<'_>| -> Result<Vec<u8>, IntegrityError> {
            let Some((blob, len)) = cell.blob()? else { return Ok(cell.bytes.to_vec()) };
            Ok(view.large_value(blob, len)?)
        };
        for at in 0..leaf.len() {
            worker.row(Row { key: leaf.key(at), record: leaf.record(at), large: &mut large })?;
        }
        self.progress.records.fetch_add(leaf.len() as u64, Ordering::Relaxed);
        Ok(())
    }
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
        start: &(dyn Fn(usize) -> W + Sync),
        end: &mut dyn FnMut(W),
    ) -> Result<(), IntegrityError> {
        let reader = || {
            let mut current: Option<(usize, TreeReader<'a, S>)> = None;
            move |task: &Task| -> Result<Option<W>, IntegrityError> {
                let Some(view) = self.classes.get(task.class) else { return Ok(None) };
                if current.as_ref().is_none_or(|(class, _)| *class != task.class) {
                    current = Some((task.class, view.reader()));
                }
                let Some((_, reader)) = &mut current else { return Ok(None) };
                let mut worker = start(task.class);
                let walked = reader.for_each_leaf(Some(task.top), &mut |leaf| self.leaf(view, leaf, &mut worker));
                walked.map_err(|error| ViewError::read::<S>(view.name(), error))??;
                worker.finish()?;
                Ok(Some(worker))
            }
        };
        in_order(&self.tasks(classes)?, reader, |worker| {
            worker?.into_iter().for_each(&mut *end);
            Ok(())
        })
    }
}
