//! One suite that every disk passes: a real one, the simulated one, and either behind a fail point that never strikes.

use std::sync::Arc;

use tempfile::TempDir;

use crate::disk::durable::clear_temporaries;
use crate::disk::{
    Disk, DiskError, DurableFile, FailpointDisk, OverlayDisk, RealDisk, SimDisk, durable_replace, durable_write,
};

type Check = fn(&Arc<dyn Disk>);

const SUITE: &[(&str, Check)] = &[
    ("bytes are read as they were written", reads_what_was_written),
    ("a file can be changed in place", changes_in_place),
    ("a file is made only under a free name", makes_only_new_files),
    ("a range past the end is refused", refuses_ranges_past_the_end),
    ("a file that is too long is not read whole", refuses_to_read_too_much),
    ("a rename respects what has the name", renames),
    ("a rename needs its file and its folder", renames_only_what_is_there),
    ("folders are made all the way down", makes_folders),
    ("a folder is listed in order, without what lies deeper", lists_in_order),
    ("a removed file is gone, and still open to its reader", removes),
    ("a folder is no file, and a file no folder", tells_files_from_folders),
    ("no path leads out of the root", stays_below_the_root),
    ("a lock has one holder at a time", locks_for_one),
    ("there is space", has_space),
    ("a durable write is whole and leaves nothing else", writes_durably),
    ("a durable file can be given up", gives_up_a_durable_file),
    ("two writers of one name do not meet", keeps_writers_apart),
    ("temporary files can be cleared away", clears_temporaries),
];

fn run_suite(new_disk: impl Fn() -> Arc<dyn Disk>) {
    for (rule, check) in SUITE {
        println!("{rule}");
        check(&new_disk());
    }
}

#[test]
fn the_simulated_disk_conforms() {
    run_suite(|| Arc::new(SimDisk::from_seed(1)));
}

#[test]
fn the_real_disk_conforms() {
    let dir = TempDir::new().unwrap();
    run_suite(real_disks(&dir));
}

#[test]
fn a_fail_point_that_never_strikes_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let new_real = real_disks(&dir);
    run_suite(|| Arc::new(FailpointDisk::counting(Arc::new(SimDisk::from_seed(1)))));
    run_suite(|| Arc::new(FailpointDisk::counting(new_real())));
}

#[test]
fn a_disk_whose_changes_stay_in_memory_conforms() {
    run_suite(|| Arc::new(OverlayDisk::over(Arc::new(SimDisk::from_seed(1)))));
}

/// Gives an empty real disk each time, below one temporary folder.
fn real_disks(dir: &TempDir) -> impl Fn() -> Arc<dyn Disk> {
    || {
        let root = TempDir::new_in(dir.path()).unwrap().keep();
        Arc::new(RealDisk::open(root).unwrap())
    }
}

fn write(disk: &Arc<dyn Disk>, path: &str, bytes: &[u8]) {
    disk.create_new(path).unwrap().write_all(bytes).unwrap();
}

fn names(disk: &Arc<dyn Disk>, dir: &str) -> Vec<String> {
    disk.list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
}

fn changes_in_place(disk: &Arc<dyn Disk>) {
    assert!(matches!(disk.open_update("a"), Err(DiskError::NotFound { .. })));
    write(disk, "a", b"0123456789");
    let file = disk.open_update("a").unwrap();
    file.write_at(3, b"abc").unwrap();
    file.write_at(12, b"z").unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.read("a", 100).unwrap(), b"012abc6789\0\0z");
    file.set_len(4).unwrap();
    file.set_len(6).unwrap();
    assert_eq!(file.len().unwrap(), 6);
    let mut bytes = [1; 6];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"012a\0\0");
    assert!(matches!(file.read_at(1, &mut bytes), Err(DiskError::UnexpectedEnd { end: 7, .. })));
}

fn reads_what_was_written(disk: &Arc<dyn Disk>) {
    let mut file = disk.create_new("a").unwrap();
    file.write_all(b"one ").unwrap();
    file.write_all(b"").unwrap();
    file.write_all(b"two").unwrap();
    file.sync().unwrap();
    let read = disk.open_read("a").unwrap();
    assert_eq!(read.len().unwrap(), 7);
    assert!(!read.is_empty().unwrap());
    let mut bytes = [0; 3];
    read.read_at(4, &mut bytes).unwrap();
    assert_eq!(&bytes, b"two");
    read.read_at(7, &mut []).unwrap();
    assert_eq!(disk.read("a", 7).unwrap(), b"one two");
}

fn makes_only_new_files(disk: &Arc<dyn Disk>) {
    write(disk, "a", b"first");
    assert!(matches!(disk.create_new("a"), Err(DiskError::AlreadyExists { .. })));
    assert!(matches!(disk.create_new("missing/a"), Err(DiskError::NotFound { .. })));
    assert!(matches!(disk.open_read("b"), Err(DiskError::NotFound { .. })));
    assert_eq!(disk.read("a", 100).unwrap(), b"first");
}

fn refuses_ranges_past_the_end(disk: &Arc<dyn Disk>) {
    write(disk, "a", b"four");
    let read = disk.open_read("a").unwrap();
    for (offset, end) in [(1, 5), (4, 8), (100, 104)] {
        match read.read_at(offset, &mut [0; 4]) {
            Err(DiskError::UnexpectedEnd { end: named, .. }) => assert_eq!(named, end),
            other => panic!("{other:?}"),
        }
    }
}

fn refuses_to_read_too_much(disk: &Arc<dyn Disk>) {
    write(disk, "a", b"four");
    assert_eq!(disk.read("a", 4).unwrap(), b"four");
    assert!(matches!(disk.read("a", 3), Err(DiskError::TooLarge { len: 4, max_len: 3, .. })));
}

fn renames(disk: &Arc<dyn Disk>) {
    write(disk, "a", b"new");
    write(disk, "b", b"old");
    assert!(matches!(disk.rename_no_replace("a", "b"), Err(DiskError::AlreadyExists { .. })));
    assert_eq!(disk.read("b", 3).unwrap(), b"old");
    disk.rename_replace("a", "b").unwrap();
    assert_eq!(disk.read("b", 3).unwrap(), b"new");
    disk.create_dir_all("dir").unwrap();
    disk.rename_no_replace("b", "dir/c").unwrap();
    assert_eq!(disk.read("dir/c", 3).unwrap(), b"new");
    assert_eq!(names(disk, ""), ["dir"]);
}

fn renames_only_what_is_there(disk: &Arc<dyn Disk>) {
    assert!(matches!(disk.rename_no_replace("a", "b"), Err(DiskError::NotFound { .. })));
    assert!(matches!(disk.rename_replace("a", "b"), Err(DiskError::NotFound { .. })));
    write(disk, "a", b"");
    assert!(matches!(disk.rename_no_replace("a", "missing/b"), Err(DiskError::NotFound { .. })));
    assert!(disk.exists("a").unwrap());
}

fn makes_folders(disk: &Arc<dyn Disk>) {
    disk.create_dir_all("").unwrap();
    disk.create_dir_all("a/b/c").unwrap();
    disk.create_dir_all("a/b/c").unwrap();
    disk.create_dir_all("a/d").unwrap();
    assert_eq!(names(disk, "a"), ["b", "d"]);
    assert!(disk.exists("a/b/c").unwrap());
    assert!(disk.exists("").unwrap());
    write(disk, "a/file", b"");
    assert!(matches!(disk.create_dir_all("a/file/x"), Err(DiskError::AlreadyExists { .. })));
    disk.sync_dir("a/b/c").unwrap();
    assert!(matches!(disk.sync_dir("a/x"), Err(DiskError::NotFound { .. })));
}

fn lists_in_order(disk: &Arc<dyn Disk>) {
    disk.create_dir_all("dir/deep").unwrap();
    write(disk, "dir/deep/hidden", b"");
    for name in ["b", "a", "deep-sea", "dee", "B"] {
        write(disk, &format!("dir/{name}"), name.as_bytes());
    }
    write(disk, "dirt", b"");
    let listed = disk.list("dir").unwrap();
    let shown: Vec<_> = listed.iter().map(|entry| (entry.name.as_str(), entry.len, entry.is_dir)).collect();
    let files = [("B", 1, false), ("a", 1, false), ("b", 1, false), ("dee", 3, false)];
    assert_eq!(shown[..4], files);
    assert_eq!(shown[4..], [("deep", 0, true), ("deep-sea", 8, false)]);
    assert_eq!(names(disk, ""), ["dir", "dirt"]);
    assert!(matches!(disk.list("none"), Err(DiskError::NotFound { .. })));
}

fn removes(disk: &Arc<dyn Disk>) {
    write(disk, "a", b"bytes");
    let read = disk.open_read("a").unwrap();
    disk.remove("a").unwrap();
    assert!(!disk.exists("a").unwrap());
    assert!(matches!(disk.remove("a"), Err(DiskError::NotFound { .. })));
    let mut bytes = [0; 5];
    read.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"bytes");
    write(disk, "a", b"again");
}

fn tells_files_from_folders(disk: &Arc<dyn Disk>) {
    disk.create_dir_all("dir").unwrap();
    write(disk, "file", b"");
    assert!(matches!(disk.open_read("dir"), Err(DiskError::Io { .. })));
    assert!(matches!(disk.remove("dir"), Err(DiskError::Io { .. })));
    assert!(matches!(disk.create_new("dir"), Err(DiskError::AlreadyExists { .. })));
    assert!(matches!(disk.create_new("file/a"), Err(DiskError::Io { .. })));
    assert!(matches!(disk.sync_dir("file"), Err(DiskError::Io { .. })));
    assert!(matches!(disk.list("file"), Err(DiskError::Io { .. })));
    assert!(matches!(disk.rename_replace("file", "dir"), Err(DiskError::Io { .. })));
}

fn stays_below_the_root(disk: &Arc<dyn Disk>) {
    let is_refused = |outcome: Result<(), DiskError>| matches!(outcome, Err(DiskError::InvalidPath { .. }));
    write(disk, "a", b"");
    for path in ["../a", "/etc/passwd", "x/../../a", "a/", "."] {
        assert!(is_refused(disk.create_new(path).map(drop)), "{path}");
        assert!(is_refused(disk.open_read(path).map(drop)), "{path}");
        assert!(is_refused(disk.read(path, 1).map(drop)), "{path}");
        assert!(is_refused(disk.rename_no_replace("a", path)), "{path}");
        assert!(is_refused(disk.rename_no_replace(path, "b")), "{path}");
        assert!(is_refused(disk.rename_replace("a", path)), "{path}");
        assert!(is_refused(disk.rename_replace(path, "b")), "{path}");
        assert!(is_refused(disk.sync_dir(path)), "{path}");
        assert!(is_refused(disk.list(path).map(drop)), "{path}");
        assert!(is_refused(disk.create_dir_all(path)), "{path}");
        assert!(is_refused(disk.remove(path)), "{path}");
        assert!(is_refused(disk.exists(path).map(drop)), "{path}");
        assert!(is_refused(durable_write(disk, path, b"")), "{path}");
    }
    assert!(is_refused(disk.remove("")));
}

fn locks_for_one(disk: &Arc<dyn Disk>) {
    let is_locked = |path: &str| matches!(disk.lock(path), Err(DiskError::Locked { .. }));
    let held = disk.lock("lock").unwrap();
    assert!(is_locked("lock"));
    assert!(!is_locked("other"));
    drop(held);
    assert!(!is_locked("lock"));
    assert!(disk.exists("lock").unwrap());
    write(disk, "written", b"kept");
    drop(disk.lock("written").unwrap());
    assert_eq!(disk.read("written", 4).unwrap(), b"kept");
    disk.create_dir_all("dir").unwrap();
    assert!(matches!(disk.lock("dir"), Err(DiskError::Io { .. })));
    assert!(matches!(disk.lock("missing/lock"), Err(DiskError::NotFound { .. })));
    assert!(matches!(disk.lock("../lock"), Err(DiskError::InvalidPath { .. })));
}

fn has_space(disk: &Arc<dyn Disk>) {
    assert!(disk.free_space().unwrap() > 0);
}

fn writes_durably(disk: &Arc<dyn Disk>) {
    disk.create_dir_all("dir").unwrap();
    durable_write(disk, "dir/head", b"old").unwrap();
    assert!(matches!(durable_write(disk, "dir/head", b"new"), Err(DiskError::AlreadyExists { .. })));
    assert_eq!(disk.read("dir/head", 3).unwrap(), b"old");
    durable_replace(disk, "dir/head", b"newer").unwrap();
    assert_eq!(disk.read("dir/head", 5).unwrap(), b"newer");
    assert_eq!(names(disk, "dir"), ["head"]);
}

fn gives_up_a_durable_file(disk: &Arc<dyn Disk>) {
    let mut file = DurableFile::create(disk, "pack").unwrap();
    assert!(file.is_empty());
    file.write_all(b"half").unwrap();
    assert_eq!(file.len(), 4);
    drop(file);
    assert!(disk.list("").unwrap().is_empty());
}

fn keeps_writers_apart(disk: &Arc<dyn Disk>) {
    let mut first = DurableFile::create(disk, "pack").unwrap();
    let mut second = DurableFile::create(disk, "pack").unwrap();
    first.write_all(b"first").unwrap();
    second.write_all(b"second").unwrap();
    second.commit().unwrap();
    assert!(matches!(first.commit(), Err(DiskError::AlreadyExists { .. })));
    assert_eq!(disk.read("pack", 6).unwrap(), b"second");
    assert_eq!(names(disk, ""), ["pack"]);
}

fn clears_temporaries(disk: &Arc<dyn Disk>) {
    disk.create_dir_all("dir/.old.0.tmp").unwrap();
    for name in [".pack.0.tmp", ".pack.7.tmp", "pack", "notes.tmp", ".hidden"] {
        write(disk, &format!("dir/{name}"), b"");
    }
    assert_eq!(clear_temporaries(disk.as_ref(), "dir").unwrap(), 2);
    assert_eq!(names(disk, "dir"), [".hidden", ".old.0.tmp", "notes.tmp", "pack"]);
}
