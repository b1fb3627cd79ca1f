//! Records that somebody made up: none of them reaches anything outside the tree that is being restored.

use strongroom_agent::source::CaptureOptions;
use strongroom_agent::source::Source;
use strongroom_core::error::Code;
use strongroom_core::record::{DynamicValue, RecordEncoder};

use crate::harness::{Capture, Place, ids, restore};

/// What a made-up entry says; anything else is as in an ordinary one.
#[derive(Clone, Copy)]
pub(crate) struct MadeUp<'a> {
    path: &'a [u8],
    kind: &'a str,
    target: Option<&'a [u8]>,
    mode: i64,
}

impl MadeUp<'_> {
    pub(crate) const fn with_mode(self, mode: i64) -> Self {
        Self { mode, ..self }
    }
}

pub(crate) const fn entry<'a>(path: &'a [u8], kind: &'a str, target: Option<&'a [u8]>) -> MadeUp<'a> {
    MadeUp { path, kind, target, mode: 0o700 }
}

/// A capture of made-up entries, which root owns.
pub(crate) fn made_up(place: &Place, entries: &[MadeUp<'_>]) -> Capture {
    let cut = place.source().open(&CaptureOptions::default()).unwrap();
    let schema = cut.classes()[0].schema.clone();
    let mut encoder = RecordEncoder::new(ids(), &schema);
    let mut rows = Vec::new();
    for made_up in entries {
        encoder.begin();
        encoder.dynamic(0, DynamicValue::Text(made_up.path));
        encoder.dynamic(1, DynamicValue::Integer(0));
        encoder.dynamic(2, DynamicValue::Text(made_up.kind.as_bytes()));
        for (column, number) in [(3, made_up.mode), (4, 0), (5, 0), (6, 0)] {
            encoder.dynamic(column, DynamicValue::Integer(number));
        }
        if made_up.kind == "file" {
            encoder.dynamic(7, DynamicValue::Integer(1));
        }
        if let Some(target) = made_up.target {
            encoder.dynamic(8, DynamicValue::Text(target));
        }
        if made_up.kind == "file" {
            encoder.dynamic(10, DynamicValue::Blob(b"x"));
        }
        let row = encoder.finish().unwrap();
        rows.push((row.key.to_vec(), row.record.to_vec(), Vec::new()));
    }
    let (facts, blobs) = (cut.facts().clone(), cut.blobs().unwrap());
    Capture { facts, schemas: vec![schema], rows, blobs, findings: Vec::new() }
}

pub(crate) const ROOT: MadeUp<'static> = entry(b".", "folder", None);

#[test]
fn a_path_that_leads_out_of_the_tree_refuses_the_restore() {
    let place = Place::new();
    for path in [&b"../escaped"[..], b"/tmp/escaped", b"a/../../escaped", b"a//b", b"", b"..", b"a\0b", b"./a"] {
        let captured = made_up(&place, &[ROOT, entry(path, "file", None)]);
        let error = restore(&captured, &place.path("restored"), false).unwrap_err();
        assert_eq!(error.code(), Code::Damaged, "{}", path.escape_ascii());
        assert_eq!(place.names(), ["spool", "tree"], "{}", path.escape_ascii());
    }
}

#[test]
fn no_link_of_a_snapshot_is_followed() {
    let place = Place::new();
    let outside = place.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("known"), "known").unwrap();
    let target = outside.to_str().unwrap().as_bytes();
    let known = [target, b"/known"].concat();
    let attempts: [&[MadeUp<'_>]; 6] = [
        &[ROOT, entry(b"d", "symlink", Some(target)), entry(b"d/new", "file", None)],
        &[ROOT, entry(b"d", "symlink", Some(target)), entry(b"d/new", "folder", None)],
        &[ROOT, entry(b"f", "symlink", Some(&known)), entry(b"f", "file", None)],
        &[ROOT, entry(b"d", "symlink", Some(target)), entry(b"e", "hard link", Some(b"d/known"))],
        &[ROOT, entry(b"e", "hard link", Some(b"../outside/known"))],
        &[ROOT, entry(b"e", "hard link", Some(&known))],
    ];
    for (number, attempt) in attempts.iter().enumerate() {
        let error = restore(&made_up(&place, attempt), &place.path("restored"), false).unwrap_err();
        assert!([Code::Damaged, Code::TargetFailed].contains(&error.code()), "{number}: {error}");
        assert_eq!(place.names(), ["outside", "spool", "tree"], "{number}");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1, "{number}");
        assert_eq!(std::fs::read(outside.join("known")).unwrap(), b"known", "{number}");
    }
}

#[test]
fn records_that_make_no_tree_are_refused() {
    let place = Place::new();
    let attempts: [&[MadeUp<'_>]; 4] = [
        &[ROOT, entry(b"a", "device", None)],
        &[ROOT, entry(b"a/b", "file", None)],
        &[ROOT, entry(b"a", "file", None), entry(b"a", "file", None)],
        &[entry(b".", "file", None)],
    ];
    for (number, attempt) in attempts.iter().enumerate() {
        let error = restore(&made_up(&place, attempt), &place.path("restored"), false).unwrap_err();
        assert!([Code::Damaged, Code::TargetFailed].contains(&error.code()), "{number}: {error}");
        assert_eq!(place.names(), ["spool", "tree"], "{number}");
    }
}
