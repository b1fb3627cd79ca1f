//! Data that nobody here wrote: Chinook, from `$STRONGROOM_CORPORA`.

use crate::harness::{Place, capture};
use crate::not_run::corpus;
use crate::restore::{assert_equal, restore};

#[test]
fn chinook_comes_back_record_by_record() {
    let Some(packed) = corpus("chinook.sqlite.zst", "chinook_comes_back_record_by_record") else { return };
    let place = Place::new();
    let path = place.path("chinook.db");
    std::fs::write(&path, zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap()).unwrap();
    let first = capture(&path);
    let records: usize = first.rows.values().map(Vec::len).sum();
    assert!(first.schemas.len() >= 11 && records > 15_000, "{} classes, {records} records", first.schemas.len());
    let findings = restore(&first, &place.path("restored.db"), false).unwrap();
    assert_eq!(findings, []);
    assert_equal(&first, &capture(&place.path("restored.db")));
}
