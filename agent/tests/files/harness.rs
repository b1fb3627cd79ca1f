//! What the tests share: trees in folders of their own, and captures held in memory.

use std::path::{Path, PathBuf};

use strongroom_agent::files::{FilesLocation, FilesSource, FilesTarget};
use strongroom_agent::source::{CaptureOptions, CutFacts, Finding, NativeBlob, RowWriter, Source, SourceError};
use strongroom_agent::target::{FeedRecord, Load, LoadPlan, Target};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::record::{Cells, ClassSchema, DynamicValue, Encoded};

pub(crate) const TOKEN: &str = "token";

/// A folder with a tree in it.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tree")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.path("tree")
    }

    /// Writes a file of the tree.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.tree().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A source that copies long files.
    pub(crate) fn source(&self) -> FilesSource {
        FilesSource::new(FilesLocation::new(self.tree())).with_copies_in(self.path("spool"))
    }

    /// The names beside the tree.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn ids() -> IdFunctions {
    IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]))
}

/// One record: key, canonical form and large values.
pub(crate) type Row = (Vec<u8>, Vec<u8>, Vec<Vec<u8>>);

/// A whole capture, rows in key order.
pub(crate) struct Capture {
    pub(crate) facts: CutFacts,
    pub(crate) schemas: Vec<ClassSchema>,
    pub(crate) rows: Vec<Row>,
    pub(crate) blobs: Vec<NativeBlob>,
    pub(crate) findings: Vec<Finding>,
}

impl Capture {
    /// The values of a column by path, of entries alone.
    pub(crate) fn column(&self, number: u32) -> Vec<(String, DynamicValue<'_>)> {
        let value = |row: &Row, wanted: u32| {
            let cell = Cells::new(&row.1).map(Result::unwrap).find(|cell| cell.column.0 == wanted)?;
            cell.blob().unwrap().is_none().then_some(())?;
            // The cell lies in the record, which outlives this.
            let from = cell.bytes.as_ptr() as usize - row.1.as_ptr() as usize;
            Some(from..from + cell.bytes.len())
        };
        let mut found = Vec::new();
        for row in &self.rows {
            let decode = |range: std::ops::Range<usize>| DynamicValue::decode(&row.1[range]).unwrap();
            let is_entry = matches!(value(row, 2).map(decode), Some(DynamicValue::Integer(0)));
            if let (true, Some(DynamicValue::Text(path)), Some(range)) =
                (is_entry, value(row, 1).map(decode), value(row, number))
            {
                found.push((String::from_utf8_lossy(path).into_owned(), decode(range)));
            }
        }
        found
    }

    /// The paths of all entries.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.column(1).into_iter().map(|(path, _)| path).collect()
    }
}

/// Captures a tree whole, on two lanes.
pub(crate) fn capture(source: &dyn Source) -> Capture {
    capture_after(source, || {})
}

/// Captures a tree to which something happens between its survey and its reading.
pub(crate) fn capture_after(source: &dyn Source, surveyed: impl FnOnce()) -> Capture {
    let cut = source.open(&CaptureOptions { readers: 2, ..CaptureOptions::default() }).unwrap();
    surveyed();
    let schemas: Vec<ClassSchema> = cut.classes().iter().map(|class| class.schema.clone()).collect();
    let mut rows: Vec<Row> = Vec::new();
    let mut consume = |row: &Encoded<'_>| {
        let large = row.large.iter().map(|value| row.large_bytes[value.span.clone()].to_vec()).collect();
        rows.push((row.key.to_vec(), row.record.to_vec(), large));
        Ok(())
    };
    let mut writer = RowWriter::new(ids(), &schemas[0], &mut consume);
    for part in 0..cut.classes()[0].parts {
        cut.read(part, 0, part, &mut writer).unwrap();
    }
    rows.sort();
    let (facts, blobs) = (cut.facts().clone(), cut.blobs().unwrap());
    Capture { facts, schemas, rows, blobs, findings: cut.close().unwrap() }
}

fn plan(captured: &Capture, over: bool) -> LoadPlan<'_> {
    let (facts, classes, blobs) = (&captured.facts, captured.schemas.as_slice(), captured.blobs.as_slice());
    LoadPlan { facts, classes, blobs, over, token: TOKEN, loaders: 1 }
}

/// Loads everything and ends the data.
pub(crate) fn load(captured: &Capture, path: &Path, over: bool) -> Result<Box<dyn Load>, SourceError> {
    let (target, plan) = (FilesTarget::new(FilesLocation::new(path)), plan(captured, over));
    target.plan(&plan)?;
    let load = target.begin(&plan)?;
    let mut feed = |take: &mut dyn FnMut(&FeedRecord<'_>) -> Result<(), SourceError>| {
        for (_, record, large) in &captured.rows {
            take(&FeedRecord { record, large })?;
        }
        Ok(captured.rows.len() as u64)
    };
    load.load(0, &captured.schemas[0], &mut feed)?;
    load.after_data()?;
    Ok(load)
}

/// Restores, and compares what was loaded with the capture before it gets its name.
pub(crate) fn restore(captured: &Capture, path: &Path, over: bool) -> Result<Vec<Finding>, SourceError> {
    let load = load(captured, path, over)?;
    let loaded = capture(load.as_source()?.as_ref());
    assert!(loaded.rows == captured.rows, "{:?}\n{:?}", captured.paths(), loaded.paths());
    load.publish()
}
