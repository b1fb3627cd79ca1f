//! Tests that can't run here: where corpora are looked for, and where it is noted that something is missing.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Notes that a test could not run, for the person who reads the output and for the check that lists such tests.
pub(crate) fn not_run(test: &str, needs: &str) {
    println!("not run: {test}: needs {needs}");
    if let Some(list) = std::env::var_os("STRONGROOM_NOT_RUN_FILE") {
        let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
        writeln!(list, "{test}: needs {needs}").unwrap();
    }
}

/// The file of a corpus, or a note that the test could not run.
pub(crate) fn corpus(name: &str, test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STRONGROOM_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    not_run(test, &format!("the corpus {name}"));
    None
}
