//! Files with several names: whatever becomes of the first, no other name leads nowhere.

use std::os::unix::fs::MetadataExt;

use strongroom_agent::source::{Finding, Severity};

use crate::harness::{Capture, Place, capture, capture_after, restore};
use crate::noise::noise;
use crate::source::capture_busy;

const TARGET: u32 = 9;
const SIZE: u32 = 8;
const PIECES: u32 = 12;

/// A file that has three names, and one beside it.
fn three_names(place: &Place, content: &[u8]) {
    let first = place.write("b/first", content);
    for name in ["a", "b/second"] {
        std::fs::hard_link(&first, place.tree().join(name)).unwrap();
    }
    place.write("quiet.conf", b"still");
}

/// Subjects of findings that make a snapshot incomplete.
fn missing(captured: &Capture) -> Vec<&str> {
    let is_missing = |finding: &&Finding| finding.severity == Severity::Incomplete;
    captured.findings.iter().filter(is_missing).map(|finding| finding.subject.as_str()).collect()
}

#[test]
fn names_of_one_file_stay_names_of_one_file() {
    let place = Place::new();
    let first = place.write("b/long", &noise(400_000));
    place.write("a/short", b"short");
    std::fs::hard_link(&first, place.tree().join("c")).unwrap();
    std::fs::hard_link(&first, place.tree().join("a/also")).unwrap();
    let captured = capture(&place.source());
    assert_eq!(captured.column(PIECES).len() + captured.column(SIZE).len(), 3, "one content, and a short file");
    restore(&captured, &place.path("restored"), false).unwrap();
    let inode = |name: &str| place.path("restored").join(name).metadata().unwrap().ino();
    assert_eq!((inode("a/also"), inode("b/long")), (inode("c"), inode("c")));
    assert_eq!(place.path("restored/c").metadata().unwrap().nlink(), 3);
}

#[test]
fn a_busy_file_is_left_out_under_all_its_names() {
    let place = Place::new();
    three_names(&place, &noise(48 << 20));
    let captured = capture_busy(&place, &place.tree().join("a"));
    assert_eq!(captured.paths(), [".", "b", "quiet.conf"]);
    assert_eq!(missing(&captured), ["a", "b/first", "b/second"]);
    restore(&captured, &place.path("restored"), false).unwrap();
}

#[test]
fn a_file_that_the_spool_cannot_take_is_left_out_under_all_its_names() {
    let place = Place::new();
    three_names(&place, &noise(1_000_000));
    // A file system that never has room.
    let captured = capture(&place.source().with_copies_in("/proc"));
    assert_eq!(captured.paths(), [".", "b", "quiet.conf"]);
    assert_eq!(missing(&captured), ["a", "b/first", "b/second"]);
    restore(&captured, &place.path("restored"), false).unwrap();
}

#[test]
fn the_next_name_takes_the_place_of_one_that_vanished() {
    for content in [noise(400_000), b"short".to_vec()] {
        let place = Place::new();
        three_names(&place, &content);
        let captured = capture_after(&place.source(), || std::fs::remove_file(place.tree().join("a")).unwrap());
        assert_eq!(captured.paths(), [".", "b", "b/first", "b/second", "quiet.conf"]);
        assert_eq!(captured.column(TARGET).len(), 1);
        assert_eq!(missing(&captured), [""; 0]);
        restore(&captured, &place.path("restored"), false).unwrap();
        let [first, second] = ["b/first", "b/second"].map(|name| place.path("restored").join(name));
        assert_eq!(first.metadata().unwrap().ino(), second.metadata().unwrap().ino());
        assert!(std::fs::read(second).unwrap() == content);
    }
}

#[test]
fn a_name_that_was_given_to_another_file_is_a_file_of_its_own() {
    let place = Place::new();
    three_names(&place, b"shared");
    let captured = capture_after(&place.source(), || {
        place.write("new", b"another");
        std::fs::rename(place.tree().join("new"), place.tree().join("a")).unwrap();
        std::fs::remove_file(place.tree().join("b/second")).unwrap();
        std::fs::create_dir(place.tree().join("b/second")).unwrap();
        place.write("b/second/below", b"below");
    });
    assert_eq!(captured.paths(), [".", "a", "b", "b/first", "b/second", "b/second/below", "quiet.conf"]);
    restore(&captured, &place.path("restored"), false).unwrap();
    let read = |name: &str| std::fs::read(place.path("restored").join(name)).unwrap();
    assert_eq!((read("a"), read("b/first")), (b"another".to_vec(), b"shared".to_vec()));
}
