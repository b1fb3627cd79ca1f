//! Reading cuts by hand, part by part and lane by lane.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use strongroom_agent::source::{CaptureOptions, Cut, RowWriter, Source, SourceError};
use strongroom_core::record::{ClassSchema, Encoded};

use crate::agent::{LANES, ids};

/// Keys and digests of records, in the order in which they came.
pub(crate) type Records = Vec<(Vec<u8>, [u8; 16])>;

pub(crate) fn options() -> CaptureOptions {
    CaptureOptions { readers: LANES, ..CaptureOptions::default() }
}

pub(crate) fn open(source: &dyn Source) -> Box<dyn Cut> {
    source.open(&options()).unwrap()
}

/// Reads one part; what it says it captured must be what it gave.
pub(crate) fn read_part(cut: &dyn Cut, lane: usize, class: usize, part: usize) -> Result<Records, SourceError> {
    let mut records = Vec::new();
    let mut consume = |row: &Encoded<'_>| {
        records.push((row.key.to_vec(), *row.digest.as_bytes()));
        Ok(())
    };
    let mut rows = RowWriter::new(ids(), &cut.classes()[class].schema, &mut consume);
    let read = cut.read(lane, class, part, &mut rows)?;
    assert_eq!(read.captured, rows.rows());
    assert!(read.expected.is_none_or(|expected| expected == read.captured), "{read:?}");
    assert_eq!(read.captured, records.len() as u64);
    Ok(records)
}

/// Reads all parts of a class on one lane, the last part first.
pub(crate) fn read_class(cut: &dyn Cut, class: usize) -> Result<Records, SourceError> {
    let parts = (0..cut.classes()[class].parts).rev().map(|part| read_part(cut, 0, class, part));
    Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Reads all parts of all classes, lanes side by side.
pub(crate) fn read_side_by_side(cut: &dyn Cut) -> BTreeMap<String, Records> {
    let parts = |class: usize| (0..cut.classes()[class].parts).map(move |part| (class, part));
    let captured = (0..cut.classes().len()).filter(|class| cut.classes()[*class].skipped.is_none());
    let work: Vec<_> = captured.flat_map(parts).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<String, Records>::new()));
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (work, next, found) = (&work, &next, &found);
            scope.spawn(move || {
                while let Some((class, part)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let records = read_part(cut, lane, *class, *part).unwrap();
                    let name = cut.classes()[*class].schema.name.clone();
                    found.lock().unwrap().entry(name).or_default().extend(records);
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// The place of a class in a cut.
pub(crate) fn place(cut: &dyn Cut, name: &str) -> usize {
    let names = || cut.classes().iter().map(|class| &class.schema.name).collect::<Vec<_>>();
    cut.classes().iter().position(|class| class.schema.name == name).unwrap_or_else(|| panic!("{name}: {:?}", names()))
}

/// The schema of a class, read after an earlier one.
pub(crate) fn schema_after(source: &dyn Source, name: &str, earlier: &ClassSchema) -> ClassSchema {
    let earlier = [(name.to_owned(), earlier.clone())].into();
    let cut = source.open(&CaptureOptions { earlier, ..options() }).unwrap();
    let schema = cut.classes()[place(cut.as_ref(), name)].schema.clone();
    cut.close().unwrap();
    schema
}
