//! Trees in the hands of a user who is not root: what he may not give, he does not pretend to have given.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use strongroom_agent::source::Severity;

use crate::harness::{Place, capture, load, restore};
use crate::hostile::{ROOT, entry, made_up};
use crate::not_run::not_run;

/// The number of a user who has nothing.
const NOBODY: &str = "65534";

/// Whether a test goes on in this process. Root runs it anew as somebody else, and is done with it.
fn is_nobody(name: &str) -> bool {
    if !rustix::process::geteuid().is_root() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let drop = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
    let ran = Command::new("setpriv").args(drop).arg(program).args(["--exact", name]).output();
    let Ok(ran) = ran else {
        not_run(name, "setpriv, to run as somebody else than root");
        return false;
    };
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && out.contains("1 passed"), "{out}{err}");
    false
}

#[test]
fn ones_own_files_come_back_whole() {
    if !is_nobody("nobody::ones_own_files_come_back_whole") {
        return;
    }
    let place = Place::new();
    for (name, mode) in [("plain", 0o644), ("runs-as-me", 0o4755), ("read-only/below", 0o400)] {
        let path = place.write(name, name.as_bytes());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::hard_link(place.tree().join("plain"), place.tree().join("again")).unwrap();
    let captured = capture(&place.source());
    assert_eq!(captured.findings, []);
    let loaded = load(&captured, &place.path("restored"), false).unwrap();
    assert_eq!(loaded.allowed(), []);
    drop(loaded);
    restore(&captured, &place.path("restored"), false).unwrap();
    let mode = |name: &str| place.path("restored").join(name).metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("plain"), mode("runs-as-me"), mode("read-only/below")), (0o644, 0o4755, 0o400));
}

#[test]
fn what_cannot_be_read_is_named_and_left_out() {
    if !is_nobody("nobody::what_cannot_be_read_is_named_and_left_out") {
        return;
    }
    let place = Place::new();
    let unreadable = |name: &str| {
        let path = place.tree().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o0)).unwrap();
    };
    place.write("shut/below", b"");
    place.write("secret", b"s3cret");
    std::fs::hard_link(place.tree().join("secret"), place.tree().join("also")).unwrap();
    place.write("open", b"open");
    unreadable("secret");
    unreadable("shut");
    let captured = capture(&place.source());
    assert_eq!(captured.paths(), [".", "open", "shut"]);
    let told: Vec<_> = captured.findings.iter().map(|found| (found.subject.as_str(), found.severity)).collect();
    assert_eq!(told, ["also", "secret", "shut"].map(|name| (name, Severity::Incomplete)));
    // So that the folder can be removed with the others.
    std::fs::set_permissions(place.tree().join("shut"), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_ran_as_root_never_runs_as_whoever_restores() {
    if !is_nobody("nobody::what_ran_as_root_never_runs_as_whoever_restores") {
        return;
    }
    let place = Place::new();
    let with = |path: &'static [u8], kind, mode| entry(path, kind, None).with_mode(mode);
    let entries = [
        ROOT,
        with(b"folder", "folder", 0o3775),
        with(b"pipe", "pipe", 0o6600),
        with(b"plain", "file", 0o640),
        with(b"sudo", "file", 0o6755),
    ];
    let captured = made_up(&place, &entries);
    let loaded = load(&captured, &place.path("restored"), false).unwrap();
    assert_eq!(loaded.allowed(), [("files".to_owned(), 5)]);
    let findings = loaded.after_data().unwrap();
    let counts = ["5 entries belong to the user", "3 entries ran as their owner or group"];
    for count in counts {
        let told = findings.iter().filter(|finding| finding.severity == Severity::Warning);
        assert_eq!(told.filter(|finding| finding.message.starts_with(count)).count(), 1, "{findings:?}");
    }
    // But for what is allowed, it is read back as it was recorded.
    let back = capture(loaded.as_source().unwrap().as_ref());
    assert!(back.rows == captured.rows, "{:?}", back.paths());
    loaded.publish().unwrap();
    let mode = |name: &str| place.path("restored").join(name).symlink_metadata().unwrap().mode() & 0o7777;
    assert_eq!([mode("folder"), mode("pipe"), mode("plain"), mode("sudo")], [0o1775, 0o600, 0o640, 0o755]);
}
