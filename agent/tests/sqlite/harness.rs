//! What the tests share: databases in folders of their own, and captures held in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use strongroom_agent::source::{CaptureOptions, Cut, CutFacts, Finding, NativeBlob, RowWriter, Source};
use strongroom_agent::sqlite::{SqliteLocation, SqliteSource};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::record::{Cells, ClassSchema, Codec, DynamicValue};
use strongroom_platform::clock::SystemClock;

/// A folder with one database in it.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a database by a script.
    pub(crate) fn database(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        Connection::open(&path).unwrap().execute_batch(script).unwrap();
        path
    }

    /// The names in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn ids() -> IdFunctions {
    IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]))
}

pub(crate) fn source(path: &Path) -> SqliteSource {
    SqliteSource::new(SqliteLocation::new(path), Arc::new(SystemClock))
}

pub(crate) fn options() -> CaptureOptions {
    CaptureOptions { readers: 2, ..CaptureOptions::default() }
}

/// One record as it was captured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) digest: Vec<u8>,
    pub(crate) record: Vec<u8>,
    pub(crate) large: Vec<Vec<u8>>,
}

/// A whole capture, rows in key order.
pub(crate) struct Capture {
    pub(crate) facts: CutFacts,
    pub(crate) schemas: Vec<ClassSchema>,
    pub(crate) rows: BTreeMap<String, Vec<Row>>,
    pub(crate) blobs: Vec<NativeBlob>,
    pub(crate) closing: Vec<Finding>,
}

impl Capture {
    pub(crate) fn schema(&self, class: &str) -> &ClassSchema {
        self.schemas.iter().find(|schema| schema.name == class).unwrap()
    }

    pub(crate) fn blob(&self, role: &str) -> Option<&[u8]> {
        self.blobs.iter().find(|blob| blob.role == role).map(|blob| blob.content.as_slice())
    }

    pub(crate) fn text(&self, role: &str) -> &str {
        std::str::from_utf8(self.blob(role).unwrap()).unwrap()
    }

    /// Keys and digests of all records of all classes.
    pub(crate) fn digests(&self) -> BTreeMap<&str, Vec<KeyAndDigest<'_>>> {
        self.rows.iter().map(|(class, rows)| (class.as_str(), pairs(rows))).collect()
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.facts.findings.iter().chain(&self.closing)
    }
}

/// The key of a record and its digest.
pub(crate) type KeyAndDigest<'a> = (&'a [u8], &'a [u8]);

fn pairs(rows: &[Row]) -> Vec<KeyAndDigest<'_>> {
    rows.iter().map(|row| (row.key.as_slice(), row.digest.as_slice())).collect()
}

/// Captures a database whole.
pub(crate) fn capture(path: &Path) -> Capture {
    capture_source(&source(path))
}

pub(crate) fn capture_source(source: &dyn Source) -> Capture {
    let cut = source.open(&options()).unwrap();
    capture_cut(cut)
}

pub(crate) fn capture_cut(cut: Box<dyn Cut>) -> Capture {
    let mut rows = BTreeMap::new();
    for (at, class) in cut.classes().iter().enumerate() {
        let captured = read_class(&*cut, at, &class.schema);
        rows.insert(class.schema.name.clone(), captured);
    }
    let schemas = cut.classes().iter().map(|class| class.schema.clone()).collect();
    let (facts, blobs) = (cut.facts().clone(), cut.blobs().unwrap());
    Capture { facts, schemas, rows, blobs, closing: cut.close().unwrap() }
}

pub(crate) fn read_class(cut: &dyn Cut, at: usize, schema: &ClassSchema) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut consume = |encoded: &strongroom_core::record::Encoded<'_>| {
        let large = encoded.large.iter().map(|value| encoded.large_bytes[value.span.clone()].to_vec()).collect();
        rows.push(Row {
            key: encoded.key.to_vec(),
            digest: encoded.digest.as_bytes().to_vec(),
            record: encoded.record.to_vec(),
            large,
        });
        Ok(())
    };
    let mut writer = RowWriter::new(ids(), schema, &mut consume);
    let read = |part| cut.read(part % 2, at, part, &mut writer).unwrap().captured;
    let captured: u64 = (0..cut.classes()[at].parts).map(read).sum();
    assert_eq!(captured, writer.rows());
    rows.sort();
    rows
}

/// The values of a record by column name, written so that storage classes can be told apart.
pub(crate) fn values(schema: &ClassSchema, row: &Row) -> BTreeMap<String, String> {
    let mut large = row.large.iter();
    let mut out = BTreeMap::new();
    for cell in Cells::new(&row.record) {
        let cell = cell.unwrap();
        let column = schema.column(cell.column).unwrap();
        assert_eq!(column.codec, Codec::Dynamic);
        let bytes = if cell.blob().unwrap().is_some() { large.next().unwrap() } else { cell.bytes };
        let shown = match DynamicValue::decode(bytes).unwrap() {
            DynamicValue::Integer(value) => format!("i {value}"),
            DynamicValue::Real(value) => format!("r {:016x}", value.to_bits()),
            DynamicValue::Text(bytes) => format!("t {}", bytes.escape_ascii()),
            DynamicValue::Blob(bytes) => format!("b {}", bytes.escape_ascii()),
        };
        out.insert(column.name.clone(), shown);
    }
    out
}
