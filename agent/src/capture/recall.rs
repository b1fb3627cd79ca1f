//! Recall: the table of known records, from an index that is first held to the committed root.
//!
//! The index is no authority. It is read twice: once to recompute the class root from it, once to fill the table. If
//! the root is another one than was committed, nothing of the class is taken as known and it is stored whole.

use std::sync::atomic::Ordering;

use strongroom_core::record::Key;
use strongroom_core::tree::leaf::leaf_id;
use strongroom_core::tree::node::Child;
use strongroom_core::tree::params::{PartId, class_root};
use strongroom_core::tree::scaffold::Scaffold;

use super::known::Known;
use super::shared::Shared;

/// Memory for the table of known records of one class.
const KNOWN_BYTES: usize = 48 << 20;

/// Loads the table of known records, if the index reproduces the committed root of the class.
pub(super) fn recall(shared: &Shared<'_>, class: usize) -> Option<Known> {
    let state = shared.states.get(class)?;
    if state.whole.load(Ordering::Relaxed) {
        return None;
    }
    let known = recall_committed(shared, class);
    if known.is_none() {
        state.whole.store(true, Ordering::Relaxed);
    }
    known
}

fn recall_committed(shared: &Shared<'_>, class: usize) -> Option<Known> {
    let base = shared.job.bases.get(class)?;
    let (index, params, (root, schema)) = (shared.job.index?, base.params?, base.committed?);
    let ids = shared.job.ids;
    let mut records = 0_u64;
    let mut scaffold = Scaffold::new(ids, params);
    let mut nothing = |_: PartId, _| Ok::<_, std::convert::Infallible>(());
    for entry in index.class(base.class).leaves() {
        let entry = entry.ok()?;
        let id = PartId::from(leaf_id(ids, entry.keys.iter().zip(entry.digests.iter().copied())));
        if entry.lineage.id() != Some(id) {
            return None;
        }
        let first_key = Key::from_bytes(entry.keys.get(0));
        let count = entry.digests.len() as u64;
        records += count;
        let Ok(()) = scaffold.push_leaf(Child { first_key, id, records: count }, &mut nothing);
    }
    let Ok(top) = scaffold.finish(&mut nothing);
    if class_root(ids, params, &schema, top) != root {
        return None;
    }
    let mut known = Known::new(records, KNOWN_BYTES);
    for entry in index.class(base.class).leaves() {
        for digest in entry.ok()?.digests {
            known.push(digest);
        }
    }
    Some(known)
}
