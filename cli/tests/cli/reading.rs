//! What only reads: it changes nothing, syncs nothing, and waits for nobody for long.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use crate::harness::{Place, files_below};
use crate::not_run::not_run;
use crate::system_calls::{can_trace, count};

/// Verbs that read the room alone.
const READING: [&[&str]; 8] = [
    &["snapshots"],
    &["source", "ls"],
    &["show", "cmdb@latest"],
    &["ls", "cmdb@latest"],
    &["diff", "cmdb@first", "cmdb@latest"],
    &["verify"],
    &["operator", "ls"],
    &["agent", "ls"],
];

/// Two snapshots of a source.
fn place() -> Place {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    place.day(1);
    place.run(&["backup", "cmdb"]).done();
    place
}

/// The files of the member, with their contents and times.
fn member(place: &Place) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let files = files_below(&place.room().join("state/coordinator")).into_iter();
    let facts = |path: &PathBuf| (fs::read(path).unwrap(), path.metadata().unwrap().modified().unwrap());
    files.map(|path| (path.clone(), facts(&path))).collect()
}

/// The verb, with the first snapshot in the place of the word for it.
fn words(place: &Place, verb: &[&str]) -> Vec<String> {
    let first = &place.snapshots()[0];
    verb.iter().map(|word| if *word == "cmdb@first" { first.clone() } else { (*word).to_owned() }).collect()
}

#[test]
fn nothing_of_the_member_is_touched() {
    let place = place();
    let before = member(&place);
    for verb in READING {
        let words = words(&place, verb);
        place.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).done();
        assert!(member(&place) == before, "{verb:?}");
    }
}

#[test]
fn nothing_is_synced_and_a_backup_syncs_what_its_commits_need() {
    const SYNCS: &str = "fsync,fdatasync,sync_file_range,msync,syncfs";
    if !can_trace() {
        return not_run(
            "nothing_is_synced_and_a_backup_syncs_what_its_commits_need",
            "strace, and the right to use it",
        );
    }
    let place = place();
    for verb in [&["snapshots"][..], &["source", "ls"], &["operator", "ls"]] {
        let counted = count(&place, SYNCS, verb);
        assert!(counted.is_empty(), "{verb:?}: {counted:?}");
    }
}

#[test]
fn a_room_on_a_medium_that_cannot_be_written_is_read() {
    let place = place();
    let room = place.room().display().to_string();
    // A mount of its own, which only this process and its children see.
    let sealed = |arguments: &[&str]| {
        let script = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
        let wrapper = ["unshare", "--mount", "sh", "-c", script, &room];
        place.command_under(&wrapper, arguments)
    };
    let can = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|ran| ran.status.success());
    if !can {
        return not_run("a_room_on_a_medium_that_cannot_be_written_is_read", "the right to mount");
    }
    for verb in READING {
        let words = words(&place, verb);
        let ran = sealed(&words.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
        assert!(ran.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }
    let refused = sealed(&["backup", "cmdb"]).output().unwrap();
    assert!(!refused.status.success());
    let identity = "spiffe://local/local/operator/01010101010101010101010101010101";
    let refused = sealed(&["operator", "add", "eve", identity, "--role", "auditor"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("can't be written"), "{refused:?}");
}

#[test]
fn whoever_holds_the_room_is_named_when_patience_ends() {
    let place = place();
    let lock = File::options().write(true).open(place.room().join("state/coordinator.lock")).unwrap();
    lock.lock().unwrap();
    fs::write(place.room().join("state/coordinator.lock"), std::process::id().to_string()).unwrap();
    let refused = place.run(&["snapshots"]).ended_with(11);
    assert!(refused.err.contains(&format!("process {} holds it", std::process::id())), "{}", refused.err);
    lock.unlock().unwrap();
    place.run(&["snapshots"]).done();
}
