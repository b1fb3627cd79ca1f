//! What the tests share: the rows of a source, safety copies made of them, and where those are kept.

use std::sync::Arc;

use strongroom_agent::partial::{SafetyCopy, SafetyVault, SavedRecord, row::Row};
use strongroom_agent::source::{CaptureOptions, RowWriter, Source};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::id::{RestoreId, SnapshotId};
use strongroom_core::record::{ClassSchema, Encoded};
use strongroom_core::seal::HostKey;
use strongroom_platform::disk::Disk;
use strongroom_platform::rng::SystemEntropy;

pub(crate) fn ids() -> IdFunctions {
    IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]))
}

/// All rows of a source: class, key, key as text, row.
pub(crate) type Rows = Vec<(ClassSchema, Vec<u8>, Row)>;

pub(crate) fn rows(source: &dyn Source) -> Rows {
    let cut = source.open(&CaptureOptions { readers: 1, ..CaptureOptions::default() }).unwrap();
    let mut all = Vec::new();
    for (at, class) in cut.classes().iter().enumerate() {
        for part in 0..class.parts {
            let mut take = |encoded: &Encoded<'_>| {
                all.push((class.schema.clone(), encoded.key.to_vec(), Row::of_encoded(encoded).unwrap()));
                Ok(())
            };
            let mut writer = RowWriter::new(ids(), &class.schema, &mut take);
            cut.read(0, at, part, &mut writer).unwrap();
        }
    }
    cut.close().unwrap();
    all.sort_by(|a, b| (&a.0.name, &a.1).cmp(&(&b.0.name, &b.1)));
    all
}

/// A safety copy whose undoing leads from one state to the other.
pub(crate) fn copy(from: &Rows, to: &Rows, place: String) -> SafetyCopy {
    let mut classes: Vec<ClassSchema> = Vec::new();
    let mut records: Vec<SavedRecord> = Vec::new();
    for (rows, is_before) in [(to, true), (from, false)] {
        for (schema, key, row) in rows {
            let class = classes.iter().position(|known| known.name == schema.name).unwrap_or_else(|| {
                classes.push(schema.clone());
                classes.len() - 1
            });
            let known = records.iter().position(|record| record.class == class && record.key == *key);
            let at = known.unwrap_or_else(|| {
                let key_text = row.key_text(schema);
                records.push(SavedRecord { class, key: key.clone(), key_text, before: None, after: None });
                records.len() - 1
            });
            *(if is_before { &mut records[at].before } else { &mut records[at].after }) = Some(row.clone());
        }
    }
    let (restore, snapshot) = (RestoreId([1; 16]), SnapshotId([2; 16]));
    SafetyCopy { restore, snapshot, source: "s".into(), place, mark: None, undoes: None, classes, records }
}

pub(crate) fn vault(disk: &Arc<dyn Disk>) -> SafetyVault<'static> {
    SafetyVault::open(Arc::clone(disk), "restores", HostKey::new(Profile::Blake3, [1; 32]), &SystemEntropy).unwrap()
}
