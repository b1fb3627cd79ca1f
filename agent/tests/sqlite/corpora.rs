//! Data that nobody here wrote: Chinook, from `$STRONGROOM_CORPORA`.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::harness::{Place, capture};
use crate::restore::{assert_equal, restore};

/// The file of a corpus, or a note that the test could not run.
fn corpus(name: &str, test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STRONGROOM_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("not run: {test}: there is no {name} among the corpora");
    if let Some(list) = std::env::var_os("STRONGROOM_NOT_RUN") {
        let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
        writeln!(list, "agent sqlite {test}: needs the corpus {name}").unwrap();
    }
    None
}

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
