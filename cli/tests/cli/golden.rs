//! Golden repositories: what earlier releases wrote, read by this one, and by the reader in `docs/reader`.
//!
//! Each folder below `cli/tests/golden` was written once, and is never written again. A release that changes what is
//! written adds another: `STRONGROOM_GOLDEN_NEW=NAME cargo nextest run -p strongroom golden`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};
use strongroom_core::digest::Profile;
use strongroom_core::merkle::merkle_root;

use crate::harness::{Place, Ran, files_below};

/// The passphrase of all key files of golden repositories. They protect nothing.
const PASSPHRASE: &str = "golden";

/// What the source is made of, and what happens to it before each further backup.
const DAYS: [&str; 7] = [
    "CREATE TABLE site (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
     CREATE TABLE device (id INTEGER PRIMARY KEY, site INTEGER REFERENCES site, name TEXT, serial TEXT, weight REAL,
                          photo BLOB, note TEXT, manual TEXT);
     CREATE TABLE event (at TEXT, what TEXT);
     CREATE TABLE document (path TEXT PRIMARY KEY, body) WITHOUT ROWID;
     CREATE TABLE vacant (id INTEGER PRIMARY KEY, v TEXT);
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
     INSERT INTO site SELECT i, printf('site %02d', i) FROM n;
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
     INSERT INTO device SELECT 3 * i - 100, i % 40 + 1, printf('device-%04d', i), printf('SN%08x', i * 7919),
                               CASE WHEN i % 3 THEN i / 7.0 END, CASE WHEN i % 5 = 0 THEN zeroblob(i % 9) END,
                               CASE WHEN i % 4 = 0 THEN printf('rack %d, unit %d', i % 11, i % 42) END,
                               printf('manual %d%.300c', i % 13, '.') FROM n;
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90)
     INSERT INTO event SELECT printf('2026-01-%02d', i % 28 + 1), CASE WHEN i % 4 THEN 'ping' END FROM n;
     WITH RECURSIVE n(i, t) AS (SELECT 1, '' UNION ALL SELECT i + 1, t || printf('line %d of 97' || char(10), i % 97)
                                FROM n WHERE i < 6000)
     INSERT INTO document SELECT 'large.txt', t FROM n WHERE i = 6000;
     INSERT INTO document VALUES ('middle.txt', printf('%.2000c', 'm')), ('one', 1), ('half', 0.5), ('null', NULL),
                                 ('endless', 9e999), ('bytes', x'00ff'), ('große Straße', 'ß');",
    "UPDATE device SET note = 'moved to rack ' || id WHERE id % 11 = 0;
     DELETE FROM event WHERE rowid = 3; INSERT INTO event VALUES ('2026-02-02', 'ping'), ('2026-02-02', 'ping');",
    "DELETE FROM device WHERE id % 17 = 0; INSERT INTO device (id, name) VALUES (5001, 'new'), (5004, NULL);",
    "ALTER TABLE device ADD COLUMN vendor TEXT DEFAULT 'Initech';",
    "UPDATE device SET serial = 'unknown';",
    "ALTER TABLE device DROP COLUMN note; UPDATE device SET name = name || '.example.org' WHERE id % 7 = 0;",
    "UPDATE document SET body = replace(body, 'line 42 ', 'the line 42 ') WHERE path = 'large.txt';
     UPDATE site SET name = 'renamed' WHERE id = 40; INSERT INTO vacant VALUES (1, 'something');
     UPDATE device SET name = 'newer' WHERE id = 5001;",
];

/// A golden repository.
struct Golden(PathBuf);

impl Golden {
    /// All that are committed.
    fn all() -> Vec<Self> {
        let found = files_below(&folder()).into_iter().filter(|path| path.ends_with("expected.json"));
        found.map(|path| Self(path.parent().unwrap().to_owned())).collect()
    }

    fn name(&self) -> String {
        self.0.strip_prefix(folder()).unwrap_or(&self.0).display().to_string()
    }

    fn expected(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.0.join("expected.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["snapshots"].as_array().unwrap().clone()
    }

    fn newest(&self) -> String {
        let packed = std::fs::read(self.0.join("newest.jsonl.zst")).unwrap();
        String::from_utf8(zstd::decode_all(packed.as_slice()).unwrap()).unwrap()
    }

    /// A rescue from it.
    fn rescue(&self, place: &Place, arguments: &[&str]) -> Ran {
        let (depot, key) = (self.0.join("depot"), self.0.join("room.key"));
        let mut command = place.command(&["rescue"]);
        command.arg("--depot").arg(depot).arg("--key").arg(key).args(arguments);
        command.env("STRONGROOM_PASSPHRASE", PASSPHRASE).output().unwrap().into()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn digest(export: &str) -> String {
    hex::encode(merkle_root(Profile::Blake3, export.as_bytes()).0)
}

/// Makes a golden repository in a new folder, by real backups.
fn make(folder: &Path, profile: &str) {
    let place = Place::empty();
    let with_passphrase = |arguments: &[&str]| {
        let output = place.command(arguments).env("STRONGROOM_PASSPHRASE", PASSPHRASE).output().unwrap();
        Ran::from(output).done().out
    };
    with_passphrase(if profile == "fips" { &["init", "--fips"] } else { &["init"] });
    with_passphrase(&["source", "add", "cmdb", &place.url("cmdb.db")]);
    for day in DAYS {
        Connection::open(place.path("cmdb.db")).unwrap().execute_batch(day).unwrap();
        with_passphrase(&["backup", "cmdb"]);
    }
    let mut newest = String::new();
    let mut snapshots = Vec::new();
    for facts in place.json(&["snapshots"]).as_array().unwrap() {
        newest = with_passphrase(&["export", facts["snapshot"].as_str().unwrap(), "--format", "jsonl"]);
        snapshots.push(json!({
            "snapshot": facts["snapshot"], "root": facts["root"], "records": facts["records"],
            "export_blake3": digest(&newest),
        }));
    }
    for file in files_below(&place.room().join("depot")) {
        let to = folder.join(file.strip_prefix(place.room()).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&file, to).unwrap();
    }
    std::fs::copy(place.room().join("keys/room.key"), folder.join("room.key")).unwrap();
    let packed = zstd::encode_all(newest.as_bytes(), 19).unwrap();
    std::fs::write(folder.join("newest.jsonl.zst"), packed).unwrap();
    let mut expected = std::fs::File::create_new(folder.join("expected.json")).unwrap();
    serde_json::to_writer_pretty(&mut expected, &json!({ "snapshots": snapshots })).unwrap();
    expected.write_all(b"\n").unwrap();
}

/// Reads every snapshot of a golden repository with this program.
fn check(golden: &Golden) {
    let place = Place::empty();
    let name = golden.name();
    let listed = golden.rescue(&place, &["--ls", "--read-data", "--json"]).done().documents().pop().unwrap();
    assert_eq!(listed["ok"], true, "{name}");
    let expected = golden.expected();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), expected.len(), "{name}");
    for (listed, expected) in listed["snapshots"].as_array().unwrap().iter().zip(&expected) {
        for field in ["snapshot", "root", "records"] {
            assert_eq!(listed[field], expected[field], "{name}: {field}");
        }
        let id = expected["snapshot"].as_str().unwrap();
        let export = golden.rescue(&place, &["--format", "jsonl", "--snapshot", id]).done().out;
        assert_eq!(digest(&export), expected["export_blake3"], "{name}: the records of {id}");
    }
    assert!(golden.rescue(&place, &["--format", "jsonl"]).done().out == golden.newest(), "{name}: the newest records");
    let restored = golden.rescue(&place, &["--to", &place.url("back.db"), "--json"]).done().documents().pop().unwrap();
    assert_eq!((&restored["root_equal"], &restored["verdict_equal"]), (&true.into(), &true.into()), "{name}");
}

#[test]
fn golden_repositories_are_read_as_they_were_written() {
    let all = Golden::all();
    assert!(all.len() >= 2, "one of each profile");
    all.iter().for_each(check);
}

#[test]
fn the_generator_of_golden_repositories_makes_what_can_be_read() {
    let name = std::env::var("STRONGROOM_GOLDEN_NEW").ok();
    let asked = name.is_some();
    let scratch = Place::empty();
    let release = name.map_or_else(|| scratch.path("golden"), |name| folder().join(name));
    assert!(!release.exists(), "golden repositories are never written again: choose another name");
    let profiles = if asked { &["blake3", "fips"][..] } else { &["blake3"] };
    for profile in profiles {
        let folder = release.join(profile);
        std::fs::create_dir_all(&folder).unwrap();
        make(&folder, profile);
        check(&Golden(folder));
    }
}

/// The Python that has what the reader needs, or why there is none.
fn python() -> Result<PathBuf, String> {
    let python = std::env::var_os("STRONGROOM_READER_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let imports = "import blake3, zstandard; from cryptography.hazmat.primitives.kdf.argon2 import Argon2id";
    let tried = Command::new(&python).args(["-c", imports]).output();
    let tried = tried.map_err(|error| format!("python3, which can't be started: {error}"))?;
    if tried.status.success() {
        return Ok(python);
    }
    let why = String::from_utf8_lossy(&tried.stderr).lines().last().unwrap_or_default().to_owned();
    Err(format!("the packages of docs/reader/requirements.txt in STRONGROOM_READER_PYTHON or python3: {why}"))
}

#[test]
fn the_reader_in_python_gives_the_same_records() {
    let python = match python() {
        Ok(python) => python,
        Err(needs) => return crate::not_run::not_run("the_reader_in_python_gives_the_same_records", &needs),
    };
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reader/reader.py");
    let place = Place::empty();
    let mut read = std::collections::BTreeMap::<String, u64>::new();
    for golden in Golden::all() {
        for (number, expected) in golden.expected().iter().enumerate() {
            let ran = Command::new(&python)
                .arg("-B")
                .arg(&reader)
                .args([golden.0.join("depot"), golden.0.join("room.key")])
                .arg((number + 1).to_string())
                .env("STRONGROOM_PASSPHRASE", PASSPHRASE)
                .output()
                .unwrap();
            let ran = Ran::from(ran).done();
            let id = expected["snapshot"].as_str().unwrap();
            let export = golden.rescue(&place, &["--format", "jsonl", "--snapshot", id]).done().out;
            let ours = export.lines().map(|line| without_key(serde_json::from_str(line).unwrap()));
            let theirs = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            assert!(ours.eq(theirs), "{}: snapshot {id}", golden.name());
            let counted: Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
            for (what, count) in counted.as_object().unwrap() {
                *read.entry(what.clone()).or_default() += count.as_u64().unwrap();
            }
        }
    }
    // Full and delta leaves, full and delta nodes, whole blobs, chunk lists and chunks, operations on all records.
    for what in ["kind 1", "kind 2", "kind 3", "kind 4", "kind 5", "kind 6", "kind 7", "sweeps"] {
        assert!(read.get(what).is_some_and(|count| *count > 0), "golden repositories have no {what}: {read:?}");
    }
}

/// A line of an export without the text of its key, which is made of its fields.
fn without_key(mut line: Value) -> Value {
    line.as_object_mut().unwrap().remove("key");
    line
}
