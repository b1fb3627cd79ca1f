//! What a cut of a tree holds, and what it must not.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use strongroom_agent::files::{FilesLocation, FilesSource};
use strongroom_agent::source::{CaptureOptions, Severity, Source};
use strongroom_core::error::Code;
use strongroom_core::record::DynamicValue;

use crate::harness::{Capture, Place, capture, restore};
use crate::noise::noise;
use crate::not_run::not_run;

const SIZE: u32 = 8;
const XATTRS: u32 = 10;

#[test]
fn a_long_file_is_cut_by_its_content() {
    let place = Place::new();
    let mut content = noise(20_000_000);
    let path = place.write("media/film", &content);
    let before = capture(&place.source());
    assert!(before.rows.iter().flat_map(|(_, _, large)| large).all(|value| value.len() < 300_000), "never held whole");
    content.insert(5, b'x');
    std::fs::write(&path, &content).unwrap();
    let after = capture(&place.source());
    let keys = |rows: &[crate::harness::Row]| rows.iter().map(|row| row.0.clone()).collect::<BTreeSet<_>>();
    let new = keys(&after.rows).difference(&keys(&before.rows)).count();
    assert!(new <= 4 && before.rows.len() > 150, "{new} of {} pieces are new", after.rows.len());
    restore(&after, &place.path("restored"), false).unwrap();
    assert!(std::fs::read(place.path("restored/media/film")).unwrap() == content);
}

#[test]
fn holes_stay_holes() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let file = std::fs::File::create(place.tree().join("disk")).unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_all_at(&noise(100_000), 600 << 20).unwrap();
    let captured = capture(&place.source());
    assert!(captured.rows.len() < 10);
    assert_eq!(captured.column(SIZE)[0].1, DynamicValue::Integer(1 << 30));
    restore(&captured, &place.path("restored"), false).unwrap();
    let metadata = place.path("restored/disk").metadata().unwrap();
    assert_eq!(metadata.len(), 1 << 30);
    assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
}

/// Captures while somebody goes on writing to a file of 48 MiB.
pub(crate) fn capture_busy(place: &Place, path: &Path) -> Capture {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at = 0;
            while !stop.load(Ordering::Relaxed) {
                file.write_all_at(b"!", at % (48 << 20)).unwrap();
                at += 4099;
            }
        });
        let captured = capture(&place.source());
        stop.store(true, Ordering::Relaxed);
        captured
    })
}

#[test]
fn a_file_that_does_not_hold_still_is_named_and_left_out() {
    let place = Place::new();
    let path = place.write("busy.log", &noise(48 << 20));
    place.write("quiet.conf", b"still");
    let captured = capture_busy(&place, &path);
    assert_eq!(captured.paths(), [".", "quiet.conf"]);
    let finding = &captured.findings[0];
    assert_eq!((finding.subject.as_str(), finding.severity), ("busy.log", Severity::Incomplete));
    restore(&captured, &place.path("restored"), false).unwrap();
    assert_eq!(std::fs::read_dir(place.path("spool")).unwrap().count(), 0, "no copy has a name");
}

#[test]
fn what_is_no_file_is_recorded_or_named() {
    let place = Place::new();
    let _listener = UnixListener::bind(place.tree().join("socket")).unwrap();
    let captured = capture(&place.source());
    assert_eq!(captured.paths(), ["."]);
    let finding = &captured.findings[0];
    assert_eq!((finding.subject.as_str(), finding.severity), ("socket", Severity::Info));
}

#[test]
fn the_room_is_never_in_its_own_snapshot() {
    let place = Place::new();
    place.write("room/depot/pack", b"sealed");
    place.write("kept", b"kept");
    let captured = capture(&place.source().without(place.tree().join("room")));
    assert_eq!(captured.paths(), [".", "kept"]);
    assert_eq!(captured.findings[0].subject, "room");
    let within = FilesSource::new(FilesLocation::new(place.tree().join("room/depot")));
    let error = within.without(place.tree().join("room")).open(&CaptureOptions::default()).err().unwrap();
    assert_eq!(error.code(), Code::Usage);
}

#[test]
fn a_folder_that_cannot_be_read_is_refused_with_its_code() {
    let place = Place::new();
    place.write("file", b"");
    let code = |name: &str| {
        FilesSource::new(FilesLocation::new(place.path(name))).open(&CaptureOptions::default()).err().unwrap().code()
    };
    assert_eq!(code("missing"), Code::SourceUnreachable);
    assert_eq!(code("tree/file"), Code::SourceUnreachable);
}

#[test]
fn extended_attributes_come_back() {
    let place = Place::new();
    let path = place.write("marked", b"x");
    for target in [&path, &place.tree()] {
        if rustix::fs::setxattr(target, "user.strongroom", b"\0odd\xff", rustix::fs::XattrFlags::empty()).is_err() {
            return not_run("extended_attributes_come_back", "a file system with extended attributes");
        }
    }
    let captured = capture(&place.source());
    assert_eq!(captured.column(XATTRS).len(), 2);
    restore(&captured, &place.path("restored"), false).unwrap();
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(place.path("restored/marked"), "user.strongroom", &mut value).unwrap();
    assert_eq!(&value[..length], b"\0odd\xff");
}
