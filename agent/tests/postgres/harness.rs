//! What the tests share: captures held in memory, and restores of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use strongroom_agent::fingerprint::Fingerprint;
use strongroom_agent::postgres::{PostgresOptions, PostgresSource, PostgresTarget};
use strongroom_agent::source::{CaptureOptions, Cut, CutFacts, Finding, NativeBlob, RowWriter, Source, SourceError};
use strongroom_agent::target::{FeedRecord, LoadPlan, Target};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::record::{Cells, ClassSchema, Codec};

use crate::cluster::Cluster;

/// Lanes of every capture and load.
const LANES: usize = 2;

/// One record as it was captured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) digest: [u8; 16],
    pub(crate) record: Vec<u8>,
    pub(crate) large: Vec<Vec<u8>>,
}

/// A whole capture, rows in key order.
pub(crate) struct Capture {
    pub(crate) facts: CutFacts,
    pub(crate) schemas: Vec<ClassSchema>,
    pub(crate) rows: BTreeMap<String, Vec<Row>>,
    pub(crate) blobs: Vec<NativeBlob>,
    pub(crate) skipped: BTreeMap<String, String>,
}

impl Capture {
    pub(crate) fn schema(&self, class: &str) -> &ClassSchema {
        self.schemas.iter().find(|schema| schema.name == class).unwrap_or_else(|| panic!("no class {class}"))
    }

    pub(crate) fn blob(&self, role: &str) -> &[u8] {
        &self.blobs.iter().find(|blob| blob.role == role).unwrap_or_else(|| panic!("no blob {role}")).content
    }

    pub(crate) fn records(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }

    /// The values of a column as text, in key order; NULLs are missing.
    pub(crate) fn column(&self, class: &str, column: &str) -> Vec<Vec<u8>> {
        let column = self.schema(class).column_named(column).unwrap();
        let value = |row: &Row| {
            let cell = Cells::new(&row.record).map(Result::unwrap).find(|cell| cell.column == column.id)?;
            let bytes = if cell.blob().unwrap().is_some() { row.large[0].clone() } else { cell.bytes.to_vec() };
            let mut text = Vec::new();
            match cell.kind.number() & 1 {
                0 => column.codec.decode(&bytes, &mut text).unwrap(),
                _ => text = bytes,
            }
            Some(text)
        };
        self.rows[class].iter().filter_map(value).collect()
    }
}

pub(crate) fn ids() -> IdFunctions {
    IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]))
}

pub(crate) fn options() -> CaptureOptions {
    CaptureOptions { readers: LANES, ..CaptureOptions::default() }
}

pub(crate) fn source(url: &str) -> PostgresSource {
    PostgresSource::new(url, PostgresOptions::default()).unwrap()
}

pub(crate) fn capture(url: &str) -> Capture {
    try_capture(&source(url), &options()).unwrap()
}

pub(crate) fn try_capture(source: &dyn Source, options: &CaptureOptions) -> Result<Capture, SourceError> {
    let cut = source.open(options)?;
    let capture = read_all(cut.as_ref())?;
    cut.check()?;
    cut.close()?;
    Ok(capture)
}

/// Reads every part of a cut, lanes side by side, and its blobs.
pub(crate) fn read_all(cut: &dyn Cut) -> Result<Capture, SourceError> {
    let parts = |at: usize| (0..cut.classes()[at].parts).map(move |part| (at, part));
    let captured = (0..cut.classes().len()).filter(|at| cut.classes()[*at].skipped.is_none());
    let work: Vec<(usize, usize)> = captured.flat_map(parts).collect();
    let next = AtomicUsize::new(0);
    let rows: Mutex<BTreeMap<String, Vec<Row>>> = Mutex::default();
    let failed: Mutex<Option<SourceError>> = Mutex::default();
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (work, next, rows, failed) = (&work, &next, &rows, &failed);
            scope.spawn(move || {
                while let Some((class, part)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match read_part(cut, lane, *class, *part) {
                        Ok(some) => {
                            let name = cut.classes()[*class].schema.name.clone();
                            rows.lock().unwrap().entry(name).or_default().extend(some);
                        }
                        Err(error) => {
                            failed.lock().unwrap().get_or_insert(error);
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap() {
        return Err(error);
    }
    let mut rows = rows.into_inner().unwrap();
    for rows in rows.values_mut() {
        rows.sort();
    }
    let skipped = cut.classes().iter().filter_map(|c| Some((c.schema.name.clone(), c.skipped.clone()?))).collect();
    let captured = cut.classes().iter().filter(|class| class.skipped.is_none());
    let schemas = captured.map(|class| class.schema.clone()).collect();
    Ok(Capture { facts: cut.facts().clone(), schemas, rows, blobs: cut.blobs()?, skipped })
}

fn read_part(cut: &dyn Cut, lane: usize, class: usize, part: usize) -> Result<Vec<Row>, SourceError> {
    let mut rows = Vec::new();
    let mut consume = |row: &strongroom_core::record::Encoded<'_>| {
        let large = row.large.iter().map(|value| row.large_bytes[value.span.clone()].to_vec()).collect();
        rows.push(Row { key: row.key.to_vec(), digest: *row.digest.as_bytes(), record: row.record.to_vec(), large });
        Ok(())
    };
    let schema = &cut.classes()[class].schema;
    schema.validate().unwrap();
    let mut writer = RowWriter::new(ids(), schema, &mut consume);
    let read = cut.read(lane, class, part, &mut writer)?;
    assert_eq!(read.expected, Some(read.captured), "rows of {}", schema.name);
    assert_eq!(read.captured, rows.len() as u64);
    Ok(rows)
}

/// The plan of a restore of a capture.
pub(crate) fn plan<'a>(capture: &'a Capture, over: bool, token: &'a str) -> LoadPlan<'a> {
    LoadPlan { facts: &capture.facts, classes: &capture.schemas, blobs: &capture.blobs, over, token, loaders: LANES }
}

pub(crate) fn target(url: &str) -> PostgresTarget {
    PostgresTarget::new(url, PostgresOptions::default()).unwrap()
}

/// Restores a capture, compares what is there with it, and publishes.
pub(crate) fn restore(capture: &Capture, url: &str, over: bool, token: &str) -> Result<Vec<Finding>, SourceError> {
    let target = target(url);
    let plan = plan(capture, over, token);
    let mut findings = target.plan(&plan)?;
    let load = target.begin(&plan)?;
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<SourceError>> = Mutex::default();
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (load, next, failed) = (&load, &next, &failed);
            scope.spawn(move || {
                while let Some(schema) = capture.schemas.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = load.load(lane, schema, &mut feed(capture, &schema.name)) {
                        failed.lock().unwrap().get_or_insert(error);
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap() {
        load.abandon()?;
        return Err(error);
    }
    findings.extend(load.after_data()?);
    let loaded = try_capture(load.as_source()?.as_ref(), &options())?;
    assert_equal(capture, &loaded);
    findings.extend(load.publish()?);
    Ok(findings)
}

fn feed<'a>(
    capture: &'a Capture,
    class: &str,
) -> impl FnMut(&mut dyn FnMut(&FeedRecord<'_>) -> Result<(), SourceError>) -> Result<u64, SourceError> + use<'a> {
    let rows = capture.rows.get(class).map(Vec::as_slice).unwrap_or_default();
    move |take| {
        for row in rows {
            take(&FeedRecord { record: &row.record, large: &row.large })?;
        }
        Ok(rows.len() as u64)
    }
}

/// Both captures are of the same records, sequences, large objects and catalog.
pub(crate) fn assert_equal(expected: &Capture, found: &Capture) {
    let names = |capture: &Capture| capture.schemas.iter().map(|schema| schema.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(expected), names(found));
    for schema in &expected.schemas {
        let shape = |schema: &ClassSchema| -> Vec<(String, String, Codec, bool)> {
            let columns = schema.columns.iter();
            columns.map(|c| (c.name.clone(), c.source_type.clone(), c.codec, c.nullable)).collect()
        };
        assert_eq!(shape(schema), shape(found.schema(&schema.name)), "columns of {}", schema.name);
        assert_eq!(schema.key, found.schema(&schema.name).key, "key of {}", schema.name);
        assert!(expected.rows.get(&schema.name) == found.rows.get(&schema.name), "rows of {} differ", schema.name);
    }
    for role in ["sequences", "large-objects", "matviews"] {
        assert_eq!(text(expected.blob(role)), text(found.blob(role)), "{role}");
    }
    let fingerprint = |capture: &Capture| Fingerprint::from_blob(capture.blob("fingerprint")).unwrap();
    assert_eq!(fingerprint(expected).differences(&fingerprint(found)), [], "catalog");
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Two databases dump to the same lines.
pub(crate) fn assert_same_dump(cluster: &Cluster, one: &str, other: &str) {
    let (one, other) = (cluster.dump_lines(one), cluster.dump_lines(other));
    let only = |left: &[String], right: &[String]| {
        let right: std::collections::BTreeSet<_> = right.iter().collect();
        left.iter().filter(|line| !right.contains(line)).take(20).cloned().collect::<Vec<_>>()
    };
    assert_eq!((only(&one, &other), only(&other, &one)), (Vec::new(), Vec::new()));
    assert_eq!(one.len(), other.len());
}

/// Captures a database, restores it under a new name, and compares both ways. Returns the new name.
pub(crate) fn round_trip(cluster: &Cluster, database: &str) -> (Capture, String) {
    let first = capture(&cluster.url(database));
    let copy = cluster.name("copy");
    let findings = restore(&first, &cluster.url(&copy), false, "t0ken").unwrap();
    let grave = findings.iter().filter(|f| f.severity > strongroom_agent::source::Severity::Info).collect::<Vec<_>>();
    assert!(grave.is_empty(), "{grave:?}");
    assert_same_dump(cluster, database, &copy);
    (first, copy)
}
