//! What only a real folder can show: permissions, roots, and paths in errors.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use crate::disk::{Disk, DiskError, RealDisk, durable_write};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn files_and_folders_are_the_owners_alone() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("rooms/one/depot");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::create(&root).unwrap());
    disk.create_dir_all("packs/0a").unwrap();
    durable_write(&disk, "packs/0a/pack", b"").unwrap();
    for below in ["rooms", "rooms/one", "rooms/one/depot", "rooms/one/depot/packs", "rooms/one/depot/packs/0a"] {
        assert_eq!(mode(&dir.path().join(below)), 0o700, "{below}");
    }
    assert_eq!(mode(&root.join("packs/0a/pack")), 0o600);
}

#[test]
fn a_root_that_is_there_is_used_as_it_is() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("a"), b"kept").unwrap();
    for disk in [RealDisk::create(dir.path()).unwrap(), RealDisk::open(dir.path()).unwrap()] {
        assert_eq!(disk.read("a", 4).unwrap(), b"kept");
        assert_eq!(disk.root(), dir.path());
    }
}

#[test]
fn a_root_must_be_a_folder() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert!(matches!(RealDisk::open(dir.path().join("none")), Err(DiskError::NotFound { .. })));
    assert!(matches!(RealDisk::open(&file), Err(DiskError::Io { .. })));
    assert!(RealDisk::create(&file).is_err());
    assert!(RealDisk::create(file.join("below")).is_err());
}

#[test]
fn an_error_names_the_path_that_an_operator_would_look_for() {
    let dir = TempDir::new().unwrap();
    let disk = RealDisk::open(dir.path()).unwrap();
    let Err(error) = disk.read("packs/0a", 1) else { panic!("there is no such file") };
    let expected = format!("{} does not exist", dir.path().join("packs/0a").display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_lock_holds_against_whoever_opens_the_folder_anew() {
    let dir = TempDir::new().unwrap();
    let held = RealDisk::open(dir.path()).unwrap().lock("lock").unwrap();
    let other = RealDisk::open(dir.path()).unwrap();
    assert!(matches!(other.lock("lock"), Err(DiskError::Locked { .. })));
    assert_eq!(mode(&dir.path().join("lock")), 0o600);
    drop(held);
    drop(other.lock("lock").unwrap());
}
