//! Sweeps over system calls of what writes elsewhere than into a room: servers, stores, trees of files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cluster::{Cluster, clusters};
use crate::emulator::{Emulator, s3_credentials};
use crate::harness::{Place, files_below};
use crate::not_run::not_run;
use crate::system_calls::{CUT_OFF, Fault, Sweep, can_trace};

/// What strikes a tree of files: its own calls beside those of the room.
const TREE: [Fault; 2] = [
    (
        "killed",
        "write,pwrite64,fsync,syncfs,rename,renameat2,unlinkat,mkdirat,symlinkat,linkat,fchmod,fchown,utimensat,ftruncate",
        "signal=SIGKILL",
    ),
    ("disk full", "write,mkdirat,symlinkat,linkat,ftruncate", "error=ENOSPC"),
];

/// What lies below a folder, by path within it: contents of files, and where links lead.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let content = |path: &Path| match std::fs::read_link(path) {
        Ok(to) => to.into_os_string().into_encoded_bytes(),
        Err(_) => std::fs::read(path).unwrap(),
    };
    let files = files_below(folder).into_iter();
    files.map(|path| (path.strip_prefix(folder).unwrap().to_owned(), content(&path))).collect()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_verification_that_dies_at_any_system_call_changes_nothing() {
    if !can_trace() {
        return not_run(
            "a_verification_that_dies_at_any_system_call_changes_nothing",
            "strace, and the right to use it",
        );
    }
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    place.day(1);
    place.run(&["backup", "cmdb"]).done();
    let depot = |place: &Place| contents(&place.room().join("depot"));
    let before = depot(&place);
    let faults = [
        ("killed", "write,pwrite64,fsync,fdatasync,rename,unlink,ftruncate,pread64", "signal=SIGKILL"),
        ("failed read", "pread64", "error=EIO"),
        ("disk full", "pwrite64,ftruncate", "error=ENOSPC"),
    ];
    let outcomes = Sweep { name: "verification process", faults: &faults, most: 40 }.run(
        &place,
        |_| words(&["verify", "--read-data"]),
        |place, point| {
            assert_eq!(depot(place), before, "{point}");
            let again = place.run(&["verify", "--read-data"]);
            assert_eq!(again.code, Some(0), "{point}: {again:#?}");
        },
    );
    assert!(outcomes.of("killed") > 10 && outcomes.of("failed read") > 0);
}

/// A tree of everything that a tree can have.
fn grow(tree: &Path, text: &str) {
    std::fs::create_dir_all(tree.join("images/empty")).unwrap();
    for number in 0..6_u32 {
        let bytes: Vec<u8> =
            (0..40_000).map(|n: u32| (n.wrapping_mul(2_654_435_769 + number)).to_be_bytes()[0]).collect();
        std::fs::write(tree.join(format!("images/{number}.jpg")), bytes).unwrap();
    }
    std::fs::write(tree.join("app.conf"), text).unwrap();
    std::fs::hard_link(tree.join("app.conf"), tree.join("again.conf")).unwrap();
    std::os::unix::fs::symlink("app.conf", tree.join("link")).unwrap();
}

#[test]
fn a_tree_that_is_restored_over_another_is_old_or_new() {
    if !can_trace() {
        return not_run("a_tree_that_is_restored_over_another_is_old_or_new", "strace, and the right to use it");
    }
    let place = Place::empty();
    place.run(&["init"]).done();
    grow(&place.path("media"), "level = 1\n");
    place.run(&["source", "add", "media", &format!("file:{}", place.path("media").display())]).done();
    place.run(&["backup", "media"]).done();
    std::fs::create_dir(place.path("target")).unwrap();
    std::fs::write(place.path("target/before"), "before").unwrap();
    let wanted = contents(&place.path("media"));
    let old = contents(&place.path("target"));
    let restore = ["restore", "latest", "--to", "file:target", "--over", "--yes"];
    let outcomes = Sweep { name: "restore of files process", faults: &TREE, most: 40 }.run(
        &place,
        |_| words(&restore),
        |place, point| {
            let found = contents(&place.path("target"));
            assert!(found == old || found == wanted, "{point}: neither old nor new");
            let again = place.run(&restore);
            assert_eq!(again.code, Some(0), "{point}: {again:#?}");
            assert_eq!(contents(&place.path("target")), wanted, "{point}");
        },
    );
    assert!(outcomes.of("killed") > 10 && outcomes.of("disk full") > 0);
}

#[test]
fn a_backup_of_files_that_dies_at_any_system_call_loses_nothing() {
    if !can_trace() {
        return not_run(
            "a_backup_of_files_that_dies_at_any_system_call_loses_nothing",
            "strace, and the right to use it",
        );
    }
    let place = Place::empty();
    place.run(&["init"]).done();
    grow(&place.path("media"), "level = 1\n");
    let url = format!("file:{}", place.path("media").display());
    place.run(&["source", "add", "media", &url]).done();
    place.run(&["backup", "media"]).done();
    std::fs::write(place.path("media/images/0.jpg"), vec![7; 50_000]).unwrap();
    let reference = place.copy().json(&["backup", "media"])["root"].clone();
    let outcomes = Sweep { name: "backup of files process", faults: &TREE, most: 25 }.run(
        &place,
        |_| words(&["backup", "media"]),
        |place, point| {
            let next = place.run(&["backup", "media", "--json"]);
            assert_eq!(next.code, Some(0), "{point}: {next:#?}");
            assert_eq!(next.documents().pop().unwrap()["root"], reference, "{point}");
            place.run(&["verify", "--read-data"]).done();
        },
    );
    assert!(outcomes.of("killed") > 10);
}

#[test]
fn a_backup_to_an_object_store_that_is_cut_off_loses_nothing() {
    let test = "a_backup_to_an_object_store_that_is_cut_off_loses_nothing";
    if !can_trace() {
        return not_run(test, "strace, and the right to use it");
    }
    let Some(moto) = Emulator::moto("cli::process_sweeps::a_backup_to_an_object_store", &[]) else { return };
    moto.make_bucket("depot", "");
    let (_folder, credentials) = s3_credentials();
    // Each run has a depot of its own, with the first snapshot in it.
    let prepare = |place: &Place, name: &str| {
        let url = format!("s3://depot/{name}?endpoint=http://{}&credentials_file={credentials}", moto.address);
        place.run(&["init", "--depot", &url]).done();
        place.run(&["source", "add", "cmdb", &place.url("cmdb.db")]).done();
        place.run(&["backup", "cmdb"]).done();
        place.day(1);
    };
    let place = Place::empty();
    crate::harness::sample(&place);
    let number = std::sync::atomic::AtomicU32::new(0);
    let outcomes = Sweep { name: "backup to an object store", faults: &CUT_OFF, most: 12 }.run(
        &place,
        |place| {
            prepare(place, &number.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string());
            words(&["backup", "cmdb"])
        },
        |place, point| {
            let next = place.run(&["backup", "cmdb", "--json"]);
            assert_eq!(next.code, Some(0), "{point}: {next:#?}");
            assert_eq!(place.json(&["drift", "cmdb"])["equal"], true, "{point}");
            let verified = place.run(&["verify", "--read-data"]);
            assert_eq!(verified.code, Some(0), "{point}: {verified:#?}");
        },
    );
    assert!(outcomes.of("killed") > 5);
}

const WANTED: &str = "CREATE TABLE site (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE device (id bigint PRIMARY KEY, site bigint NOT NULL REFERENCES site, doc jsonb);
    CREATE INDEX by_site ON device (site); CREATE VIEW named AS SELECT d.id, s.name FROM device d JOIN site s ON s.id = d.site;
    INSERT INTO site (name) SELECT 'site ' || n FROM generate_series(1, 50) n;
    INSERT INTO device SELECT n, 1 + n % 50, jsonb_build_object('serial', md5(n::text)) FROM generate_series(1, 2000) n;";

/// What a target is: as it was before, or as the snapshot.
fn state(cluster: &Cluster, database: &str) -> String {
    cluster.query(
        database,
        "SELECT CASE WHEN to_regclass('before_restore') IS NOT NULL AND to_regclass('device') IS NULL THEN 'old'
            WHEN to_regclass('before_restore') IS NULL AND to_regclass('named') IS NOT NULL THEN 'new'
            ELSE 'mixed' END",
    )
}

#[test]
fn a_database_that_is_restored_over_another_is_old_or_new() {
    let test = "a_database_that_is_restored_over_another_is_old_or_new";
    if !can_trace() {
        return not_run(test, "strace, and the right to use it");
    }
    for cluster in clusters(test) {
        let place = Place::empty();
        place.run(&["init"]).done();
        let source = cluster.database("wanted", WANTED);
        place.run(&["source", "add", "cmdb", &cluster.url(&source)]).done();
        place.run(&["backup", "cmdb"]).done();
        let restore = |place: &Place| {
            let database = std::fs::read_to_string(place.path("target")).unwrap();
            words(&["restore", "latest", "--to", &cluster.url(&database), "--over", "--yes"])
        };
        let outcomes = Sweep { name: "restore into PostgreSQL", faults: &CUT_OFF, most: 30 }.run(
            &place,
            |place| {
                let database = cluster.database("target", "CREATE TABLE before_restore (x int)");
                std::fs::write(place.path("target"), database).unwrap();
                restore(place)
            },
            |place, point| {
                let database = std::fs::read_to_string(place.path("target")).unwrap();
                let found = state(&cluster, &database);
                assert!(found == "old" || found == "new", "{point}: {found}");
                let arguments = restore(place);
                let again = place.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!(again.code, Some(0), "{point}: {again:#?}");
                assert_eq!(state(&cluster, &database), "new", "{point}");
            },
        );
        assert!(outcomes.of("killed") > 10);
    }
}
