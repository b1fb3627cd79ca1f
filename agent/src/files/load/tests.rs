//! The change of names, failed and stopped at each step.

use super::*;
use crate::files::target::examine;

/// A load of one file `new` in place of a folder with a file `old`, or of nothing.
fn loaded(path: &Path) -> FilesLoad {
    let (path, occupancy) = examine(&FilesLocation::new(path)).unwrap();
    let load = FilesLoad::create(path, occupancy, "token").unwrap();
    std::fs::write(load.staging.path.join("new"), "new").unwrap();
    load
}

fn failed(step: Step) -> SourceError {
    SourceError::engine(Code::TargetFailed, format!("{step:?}"), "it failed")
}

/// Publishes with one step that fails, into a place that holds a folder or nothing.
fn publish_failing(holds: bool, failing: Step) -> (tempfile::TempDir, Result<Vec<Finding>, SourceError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    if holds {
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("old"), "old").unwrap();
    }
    let outcome = loaded(&path).publish_with(&mut |step| if step == failing { Err(failed(step)) } else { Ok(()) });
    (folder, outcome)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_tree_that_did_not_get_the_name_is_an_error_and_leaves_nothing() {
    for holds in [false, true] {
        let (folder, outcome) = publish_failing(holds, Step::TakeName);
        assert_eq!(outcome.unwrap_err().code(), Code::TargetFailed);
        assert_eq!(names(folder.path()), if holds { vec!["t"] } else { Vec::new() });
        assert_eq!(folder.path().join("t/old").exists(), holds);
    }
}

#[test]
fn what_fails_once_the_tree_has_the_name_is_told_and_no_error() {
    for (holds, step, left) in [
        (false, Step::SyncFolder, vec!["t"]),
        (true, Step::SyncFolder, vec!["t", "t.before-token"]),
        (true, Step::KeepOld, vec!["t", "t.strongroom-token"]),
    ] {
        let (folder, outcome) = publish_failing(holds, step);
        let findings = outcome.unwrap();
        let warned = findings.iter().filter(|finding| finding.severity == Severity::Warning);
        assert_eq!(warned.filter(|finding| finding.message.contains("it failed")).count(), 1, "{findings:?}");
        assert_eq!(names(folder.path()), left, "{step:?}");
        assert_eq!(names(&folder.path().join("t")), ["new"]);
        if let Some(kept) = left.get(1) {
            assert_eq!(names(&folder.path().join(kept)), ["old"]);
            assert!(findings[0].message.contains(kept), "{findings:?}");
        }
    }
}

#[test]
fn a_name_that_is_taken_for_the_replaced_folder_refuses_the_restore_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    std::fs::create_dir_all(path.join("old")).unwrap();
    let load = loaded(&path);
    std::fs::write(folder.path().join("t.before-token"), "").unwrap();
    assert_eq!(load.publish_with(&mut |_| Ok(())).unwrap_err().code(), Code::TargetFailed);
    assert_eq!(names(&path), ["old"]);
    assert_eq!(names(folder.path()), ["t", "t.before-token"]);
}
