//! The change of hands, stopped before every step.

use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::sqlite::SqliteLocation;
use crate::sqlite::occupancy::examine;

/// Which table the database holds; it must be whole.
fn content(path: &Path) -> String {
    let connection = Connection::open(path).unwrap();
    let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    connection.query_row("SELECT coalesce(max(name), 'empty') FROM sqlite_schema", [], |row| row.get(0)).unwrap()
}

fn staged(path: &Path, token: &str) -> Staging {
    let staging = Staging::create(path, token).unwrap();
    staging.connect().unwrap().execute_batch("CREATE TABLE new(a); INSERT INTO new VALUES (1)").unwrap();
    staging.sync().unwrap();
    staging
}

/// Publishes, and is killed before the `steps`-th step; says whether there were so many.
fn publish_killed(path: &Path, token: &str, steps: usize) -> bool {
    let mut staging = staged(path, token);
    let location = SqliteLocation::new(path);
    let (resolved, occupancy) = examine(&location).unwrap();
    let inode = |path: &Path| path.metadata().ok().map(|metadata| metadata.ino());
    let (old, new) = (inode(path), inode(staging.path()));
    let mut done = 0;
    let outcome = publish(&resolved, occupancy, token, &mut staging, &mut |_| {
        // Files are not opened here: closing one would release the locks that are held.
        assert!([old, new].contains(&inode(path)), "the name leads to old or new");
        done += 1;
        if done > steps { Err(SourceError::Stopped) } else { Ok(()) }
    });
    // A killed process removes nothing.
    std::mem::forget(staging);
    outcome.is_err()
}

fn every_kill_leaves_old_or_new(script: Option<&str>, old: &str) {
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        if let Some(script) = script {
            Connection::open(&path).unwrap().execute_batch(script).unwrap();
        }
        let killed = publish_killed(&path, "first", steps);
        let now = if path.exists() { content(&path) } else { "missing".into() };
        assert!(now == "new" || now == old && killed, "after {steps} steps: {now}");
        let kept = kept_path(&path, "first");
        if old == "old" && now == "new" {
            assert_eq!(content(&kept), "old");
        }
        if !killed {
            return;
        }
        // What was left behind is in nobody's way.
        if now != "new" {
            assert!(!publish_killed(&path, "second", usize::MAX));
            assert_eq!(content(&path), "new");
        }
    }
}

#[test]
fn killed_while_the_name_was_free() {
    every_kill_leaves_old_or_new(None, "missing");
}

#[test]
fn killed_while_an_empty_database_had_the_name() {
    every_kill_leaves_old_or_new(Some("VACUUM"), "empty");
    every_kill_leaves_old_or_new(Some("CREATE TABLE x(a); DROP TABLE x"), "empty");
}

#[test]
fn killed_while_a_database_had_the_name() {
    every_kill_leaves_old_or_new(Some("CREATE TABLE old(a)"), "old");
}

#[test]
fn killed_while_a_database_in_wal_mode_had_the_name() {
    every_kill_leaves_old_or_new(Some("PRAGMA journal_mode = WAL; CREATE TABLE old(a)"), "old");
}

#[test]
fn a_failed_publish_gives_the_old_database_its_mode_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE old(a)").unwrap();
    assert!(publish_killed(&path, "first", 0));
    let mode: String = Connection::open(&path).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn what_fails_once_the_file_has_the_name_is_told_and_no_error() {
    // Names are made durable after each change: of the new name, and before that of the old one's second name.
    for (old, failing, at) in [
        (None, Step::SyncFolder, 1),
        (None, Step::UnlinkStaging, 1),
        (None, Step::SyncFolder, 2),
        (Some("VACUUM"), Step::SyncFolder, 1),
        (Some("CREATE TABLE old(a)"), Step::SyncFolder, 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        if let Some(script) = old {
            Connection::open(&path).unwrap().execute_batch(script).unwrap();
        }
        let mut staging = staged(&path, "token");
        let (resolved, occupancy) = examine(&SqliteLocation::new(&path)).unwrap();
        let mut met = 0;
        let findings = publish(&resolved, occupancy, "token", &mut staging, &mut |step| {
            met += usize::from(step == failing);
            let error = || SourceError::engine(Code::TargetFailed, "step", "it failed");
            if step == failing && met == at { Err(error()) } else { Ok(()) }
        });
        let findings = findings.unwrap();
        let told = findings.iter().filter(|finding| finding.message.contains("it failed"));
        assert_eq!(told.filter(|finding| finding.severity == Severity::Warning).count(), 1, "{findings:?}");
        drop(staging);
        assert_eq!(content(&path), "new");
    }
}
