//! Where a tree may be restored to, and what is left when a restore breaks off.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use strongroom_core::error::Code;

use crate::harness::{Capture, Place, capture, load, restore};

fn sample(place: &Place) -> Capture {
    place.write("etc/app.conf", b"a = 1");
    std::os::unix::fs::symlink("app.conf", place.tree().join("etc/link")).unwrap();
    capture(&place.source())
}

#[test]
fn a_new_folder_or_an_empty_one_is_taken() {
    let place = Place::new();
    let captured = sample(&place);
    restore(&captured, &place.path("new"), false).unwrap();
    std::fs::create_dir(place.path("empty")).unwrap();
    restore(&captured, &place.path("empty"), false).unwrap();
    for name in ["new", "empty"] {
        assert_eq!(std::fs::read(place.path(name).join("etc/link")).unwrap(), b"a = 1");
    }
    assert_eq!(place.names(), ["empty", "new", "spool", "tree"]);
}

#[test]
fn a_folder_that_holds_something_is_replaced_only_when_asked_and_kept() {
    let place = Place::new();
    let captured = sample(&place);
    let used = place.path("used");
    std::fs::create_dir(&used).unwrap();
    std::fs::write(used.join("precious"), "precious").unwrap();
    assert_eq!(restore(&captured, &used, false).unwrap_err().code(), Code::TargetNotEmpty);
    let findings = restore(&captured, &used, true).unwrap();
    assert!(findings[0].message.contains("used.before-token"), "{findings:?}");
    assert_eq!(std::fs::read(place.path("used.before-token/precious")).unwrap(), b"precious");
    assert_eq!(std::fs::read(used.join("etc/app.conf")).unwrap(), b"a = 1");
    assert_eq!(place.names(), ["spool", "tree", "used", "used.before-token"]);
}

#[test]
fn what_is_no_folder_is_no_target() {
    let place = Place::new();
    let captured = sample(&place);
    std::fs::write(place.path("file"), "").unwrap();
    std::os::unix::fs::symlink(place.path("tree"), place.path("link")).unwrap();
    for name in ["file", "link", "missing/below"] {
        assert_eq!(restore(&captured, &place.path(name), true).unwrap_err().code(), Code::TargetFailed, "{name}");
    }
    let mut other = sample(&Place::new());
    other.facts.engine = "sqlite".into();
    assert_eq!(restore(&other, &place.path("new"), false).unwrap_err().code(), Code::Usage);
}

#[test]
fn what_others_put_there_meanwhile_is_not_replaced() {
    let place = Place::new();
    let captured = sample(&place);
    let new = load(&captured, &place.path("new"), false).unwrap();
    std::fs::create_dir(place.path("new")).unwrap();
    assert_eq!(new.publish().unwrap_err().code(), Code::TargetNotEmpty);
    std::fs::create_dir(place.path("empty")).unwrap();
    let empty = load(&captured, &place.path("empty"), false).unwrap();
    std::fs::write(place.path("empty/late"), "late").unwrap();
    assert_eq!(empty.publish().unwrap_err().code(), Code::TargetNotEmpty);
    assert_eq!(std::fs::read(place.path("empty/late")).unwrap(), b"late");
    assert_eq!(place.names(), ["empty", "new", "spool", "tree"]);
}

#[test]
fn a_load_that_is_given_up_leaves_nothing() {
    let place = Place::new();
    let captured = sample(&place);
    let given_up = load(&captured, &place.path("new"), false).unwrap();
    let staging = place.path("new.strongroom-token");
    assert!(staging.exists() && !place.path("new").exists());
    given_up.abandon().unwrap();
    drop(load(&captured, &place.path("new"), false).unwrap());
    assert_eq!(place.names(), ["spool", "tree"]);
}

#[test]
fn owners_and_permissions_come_back() {
    let place = Place::new();
    let captured = {
        let path = place.write("etc/secret", b"s3cret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o6640)).unwrap();
        // Only root can give a file away; anybody else restores what is his own.
        if std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).is_ok() {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o6640)).unwrap();
        }
        capture(&place.source())
    };
    restore(&captured, &place.path("new"), false).unwrap();
    let [was, is] = ["tree", "new"].map(|name| place.path(name).join("etc/secret").metadata().unwrap());
    assert_eq!((was.uid(), was.gid(), was.mode()), (is.uid(), is.gid(), is.mode()));
    assert_eq!((was.mtime(), was.mtime_nsec()), (is.mtime(), is.mtime_nsec()));
}
