//! A whole class against the target: which records differ, found by their digests.
//!
//! The target's rows come in any order and are remembered as key and digest; the snapshot's come in the order of keys.
//! So memory holds keys and digests of one class, and rows only of what differs.

use std::collections::{BTreeMap, HashSet};

use strongroom_core::codec::Malformed;
use strongroom_core::digest::IdFunctions;
use strongroom_core::id::RecordDigest;
use strongroom_core::record::{Cells, ColumnId, put_cell};

use super::ask::{Asker, RECORDS_MAX, ROW_BYTES_MAX, too_much};
use super::error::PartialError;
use super::plan::PlannedClass;
use super::row::Row;
use super::snapshot::SnapshotRows;
use crate::source::SourceError;
use crate::view::ObjectStore;

/// What a class came to.
pub(super) struct Compared {
    /// Rows of the snapshot that the target lacks or has otherwise.
    pub(super) wanted: BTreeMap<Vec<u8>, Row>,
    /// Rows of the target that the snapshot lacks, if they are to go.
    pub(super) deletes: Vec<Row>,
    /// How many the snapshot lacks.
    pub(super) extra: u64,
    /// How many are equal.
    pub(super) unchanged: u64,
}

/// Compares a class of the snapshot with the target's.
pub(super) fn compare_class<S: ObjectStore>(
    asker: &mut Asker<'_>,
    rows: &SnapshotRows<'_, S>,
    class: &PlannedClass,
    with_deletes: bool,
) -> Result<Compared, PartialError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let mut compared = Compared { wanted: BTreeMap::new(), deletes: Vec::new(), extra: 0, unchanged: 0 };
    let Some(view) = rows.class(&class.live.schema.name) else { return Ok(compared) };
    let live = live_digests(asker, class)?;
    let is_alike = view.schema().columns.len() == class.common.len();
    let mut extra: HashSet<Vec<u8>> = HashSet::new();
    let mut bytes = 0;
    let mut waiting = live.into_iter().peekable();
    view.for_each_leaf(|leaf| {
        for at in 0..leaf.len() {
            let (key, record) = (leaf.key(at), leaf.record(at));
            while let Some((other, _)) = waiting.next_if(|(other, _)| other.as_slice() < key) {
                compared.extra += 1;
                extra.extend(with_deletes.then_some(other));
            }
            let digest = match leaf.digest(at).filter(|_| is_alike) {
                Some(digest) => digest,
                None => digest_of(rows.view.ids(), record, &class.common)?,
            };
            if waiting.next_if(|(other, _)| other.as_slice() == key).is_some_and(|(_, there)| there == digest) {
                compared.unchanged += 1;
            } else {
                let row = Row::new(record, &view.large_values(record)?)?;
                bytes += row.as_bytes().len();
                compared.wanted.insert(key.to_vec(), row);
            }
            if bytes > ROW_BYTES_MAX {
                return Err(too_much());
            }
        }
        if compared.wanted.len() > RECORDS_MAX { Err(too_much()) } else { Ok::<_, PartialError>(()) }
    })?;
    for (other, _) in waiting {
        compared.extra += 1;
        extra.extend(with_deletes.then_some(other));
    }
    if extra.len() > RECORDS_MAX {
        return Err(too_much());
    }
    if !extra.is_empty() {
        compared.deletes = live_rows(asker, class, &extra)?;
    }
    Ok(compared)
}

/// Keys and digests of the target's rows, by key.
fn live_digests(asker: &mut Asker<'_>, class: &PlannedClass) -> Result<Vec<(Vec<u8>, RecordDigest)>, PartialError> {
    let mut all = Vec::new();
    let is_alike = class.live.schema.columns.len() == class.common.len();
    let ids = asker.ids;
    asker.session.scan(&class.live, ids, &mut |row| {
        let digest = if is_alike { row.digest } else { digest_of(ids, row.record, &class.common).map_err(damaged)? };
        all.push((row.key.to_vec(), digest));
        Ok(())
    })?;
    all.sort_unstable();
    Ok(all)
}

/// The target's rows with these keys, by one more reading of the class: an encoded key does not lead back to its values.
fn live_rows(asker: &mut Asker<'_>, class: &PlannedClass, keys: &HashSet<Vec<u8>>) -> Result<Vec<Row>, PartialError> {
    let mut rows = Vec::with_capacity(keys.len());
    let mut bytes = 0;
    let ids = asker.ids;
    asker.session.scan(&class.live, ids, &mut |row| {
        // What is over the bound is passed over here, and refused below.
        if keys.contains(row.key) && bytes <= ROW_BYTES_MAX {
            let row = Row::of_encoded(row).map_err(damaged)?;
            bytes += row.as_bytes().len();
            rows.push(row);
        }
        Ok(())
    })?;
    if bytes > ROW_BYTES_MAX { Err(too_much()) } else { Ok(rows) }
}

/// The digest of a record without all columns but these.
fn digest_of(ids: &IdFunctions, record: &[u8], common: &[ColumnId]) -> Result<RecordDigest, Malformed> {
    let mut kept = Vec::with_capacity(record.len());
    let mut previous = ColumnId(0);
    for cell in Cells::new(record) {
        let cell = cell?;
        if common.contains(&cell.column) {
            put_cell(&mut kept, previous, cell);
            previous = cell.column;
        }
    }
    Ok(ids.record(&kept))
}

fn damaged(error: Malformed) -> SourceError {
    SourceError::Key(error.into())
}
