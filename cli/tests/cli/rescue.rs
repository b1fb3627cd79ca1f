//! Rescue: a depot's folder and a key file, and everything else deleted.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;

use crate::cluster::clusters;
use crate::harness::{Place, files_below};

/// What is left of a room: a copy of its depot and its key.
struct Left {
    place: Place,
    expected: Value,
    export: String,
}

impl Left {
    /// A sample, two days of changes, and then nothing but the depot and the key.
    fn after_three_backups() -> Self {
        let place = Place::with_sample();
        for day in 0..3 {
            place.run(&["backup", "cmdb"]).done();
            if day < 2 {
                place.day(day);
            }
        }
        Self::of(place)
    }

    fn of(place: Place) -> Self {
        let expected = place.json(&["snapshots"]);
        let export = place.run(&["export", "latest", "--format", "jsonl"]).done().out;
        std::fs::rename(place.room().join("depot"), place.path("left")).unwrap();
        std::fs::rename(place.room().join("keys/room.key"), place.path("operator.key")).unwrap();
        std::fs::remove_dir_all(place.room()).unwrap();
        Self { place, expected, export }
    }

    /// The arguments of a rescue from what is left.
    fn run(&self, arguments: &[&str]) -> crate::harness::Ran {
        self.place.run(&[&["rescue", "--depot", "left", "--key", "operator.key"], arguments].concat())
    }

    fn summary(&self, arguments: &[&str], code: i32) -> Value {
        self.run(&[arguments, &["--json"]].concat()).ended_with(code).documents().pop().unwrap()
    }

    fn ids(&self) -> Vec<String> {
        let all = self.expected.as_array().unwrap().iter();
        all.map(|facts| facts["snapshot"].as_str().unwrap().to_owned()).collect()
    }

    fn depot(&self) -> PathBuf {
        self.place.path("left")
    }

    fn file(&self, folder: &str, suffix: &str) -> Vec<PathBuf> {
        let mut files = files_below(&self.depot().join(folder));
        files.retain(|path| path.to_string_lossy().ends_with(suffix));
        files
    }
}

/// The files below a folder with their bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files_below(folder).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// A folder that nobody may write to, as long as this lives. Whoever runs tests as root may write all the same.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new(folder: PathBuf) -> Self {
        set_mode(&folder, 0o500);
        Self(folder)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        set_mode(&self.0, 0o700);
    }
}

fn set_mode(folder: &Path, mode: u32) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_depot_and_a_key_are_enough_and_the_depot_is_only_read() {
    let left = Left::after_three_backups();
    let before = contents(&left.depot());
    let _kept = ReadOnly::new(left.depot());
    let listed = left.summary(&["--ls", "--read-data"], 0);
    assert_eq!((&listed["ok"], listed["snapshots"].as_array().unwrap().len()), (&true.into(), 3));
    for (listed, known) in listed["snapshots"].as_array().unwrap().iter().zip(left.expected.as_array().unwrap()) {
        for field in ["snapshot", "source", "root", "records", "classes", "complete", "started", "sequence"] {
            assert_eq!(listed[field], known[field], "{field}");
        }
        assert_eq!(listed["state"], "whole");
    }

    let target = left.place.url("back.db");
    left.run(&["--to", &target, "--plan"]).done();
    assert!(!left.place.path("back.db").exists(), "a plan writes nothing");
    let restored = left.summary(&["--to", &target], 0);
    assert_eq!((&restored["root_equal"], &restored["published"]), (&true.into(), &true.into()));
    assert_eq!(restored["snapshot"], left.ids()[2].as_str());
    assert_eq!(contents(&left.depot()), before, "a rescue writes nothing into the depot");

    let exported = left.run(&["--format", "jsonl"]).done().out;
    assert!(exported == left.export, "the export of a rescue is that of the room");
    left.run(&["--format", "sql", "--output", "back.sql", "--snapshot", &left.ids()[0][..12]]).done();
    assert!(!left.place.room().exists(), "a rescue makes no room");

    // What came back is what a backup of the source has, root by root.
    left.place.run(&["init"]).done();
    left.place.run(&["source", "add", "cmdb", &left.place.url("cmdb.db")]).done();
    left.place.run(&["backup", "cmdb"]).done();
    let fresh = left.place.run(&["export", "latest", "--format", "jsonl"]).done().out;
    assert!(fresh == left.export, "the source is as it was rescued");
}

#[test]
fn passphrases_keys_and_folders_that_do_not_fit_are_told_apart() {
    let place = Place::empty();
    place.command(&["init", "--fips"]).env("STRONGROOM_PASSPHRASE", "right").status().unwrap();
    place.source("one", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x');");
    place.run(&["backup", "one"]).done();
    std::fs::create_dir(place.path("empty")).unwrap();
    let depot = place.room().join("depot").display().to_string();
    let key = place.room().join("keys/room.key").display().to_string();
    let rescue = |arguments: &[&str], passphrase: Option<&str>| {
        let mut command = place.command(&[&["rescue", "--ls"], arguments].concat());
        if let Some(passphrase) = passphrase {
            command.env("STRONGROOM_PASSPHRASE", passphrase);
        }
        crate::harness::Ran::from(command.output().unwrap())
    };
    rescue(&["--depot", &depot, "--key", &key], Some("right")).done();
    let shown = |ran: crate::harness::Ran, code: i32| place.normal(&ran.ended_with(code).err);
    let wrong = rescue(&["--depot", &depot, "--key", &key], Some("wrong"));
    insta::assert_snapshot!("rescue_wrong_passphrase", shown(wrong, 12));
    insta::assert_snapshot!("rescue_no_passphrase", shown(rescue(&["--depot", &depot, "--key", &key], None), 12));
    insta::assert_snapshot!("rescue_no_key", shown(rescue(&["--depot", &depot, "--key", "no.key"], None), 12));
    insta::assert_snapshot!("rescue_empty_folder", shown(rescue(&["--depot", "empty", "--key", &key], None), 10));
    insta::assert_snapshot!("rescue_no_folder", shown(rescue(&["--depot", "nowhere", "--key", &key], None), 10));
    let other = Place::empty();
    other.run(&["init", "--fips"]).done();
    std::fs::copy(other.room().join("keys/room.key"), place.path("other.key")).unwrap();
    let strange = rescue(&["--depot", &depot, "--key", "other.key"], None);
    assert!(strange.ended_with(12).err.contains("other.key does not open the depot's keyring"));
    let asked = place.run(&["rescue", "--depot", &depot, "--key", &key]);
    insta::assert_snapshot!("rescue_nothing_asked", shown(asked, 2));
    let inside = ["rescue", "--ls", "--depot", &depot, "--key", &key, "--scratch", &depot];
    assert!(place.run(&inside).ended_with(2).err.contains("only read"));
}

#[test]
fn what_a_missing_pack_takes_with_it_is_said_and_the_rest_comes_back() {
    let left = Left::after_three_backups();
    let newest = packs_of_newest(&left);
    std::fs::remove_file(&newest).unwrap();
    let listed = left.summary(&["--ls"], 26);
    let states: Vec<&str> =
        listed["snapshots"].as_array().unwrap().iter().map(|listed| listed["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["whole", "whole", "damaged"]);

    let refused = left.run(&["--to", &left.place.url("back.db")]).ended_with(1);
    assert!(refused.err.contains("SR0015") && refused.err.contains("is needed and not there"), "{}", refused.err);
    assert!(refused.err.contains(&left.ids()[1][..10]), "another snapshot is named: {}", refused.err);
    assert!(!left.place.path("back.db").exists());
    let restored = left.summary(&["--to", &left.place.url("back.db"), "--snapshot", &left.ids()[1]], 0);
    assert_eq!(restored["root_equal"], true);
}

/// The pack that the newest snapshot alone needs: the one that was written last.
fn packs_of_newest(left: &Left) -> PathBuf {
    let mut packs = left.file("packs", ".pack");
    packs.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
    packs.pop().unwrap()
}

#[test]
fn damage_within_a_pack_ends_a_rescue_and_never_gives_other_data() {
    let left = Left::after_three_backups();
    let pack = packs_of_newest(&left);
    let sound = std::fs::read(&pack).unwrap();
    for (number, at) in (0..sound.len()).step_by(sound.len().div_ceil(12)).enumerate() {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&pack, &damaged).unwrap();
        let target = format!("back{number}.db");
        let ran = left.run(&["--to", &left.place.url(&target), "--json"]);
        if ran.code == Some(0) {
            // Harmless: padding, or an end that no reader looks at.
            assert_eq!(ran.documents().pop().unwrap()["root_equal"], true, "byte {at}");
        } else {
            let last = ran.documents().pop().unwrap();
            assert_eq!((ran.code, &last["code"]), (Some(1), &"SR0015".into()), "byte {at}: {last:#}");
            assert!(!left.place.path(&target).exists(), "byte {at}: nothing half-restored is left");
            assert_eq!(left.summary(&["--ls", "--read-data"], 26)["snapshots"][2]["state"], "damaged");
        }
    }
    std::fs::write(&pack, &sound[..sound.len() / 2]).unwrap();
    assert_eq!(left.summary(&["--ls"], 26)["snapshots"][2]["state"], "damaged");
    let refused = left.run(&["--to", &left.place.url("cut.db")]).ended_with(1);
    assert!(refused.err.contains("bytes instead of"), "{}", refused.err);
}

#[test]
fn a_lost_manifest_costs_its_snapshot_and_no_other() {
    let left = Left::after_three_backups();
    let manifests = left.file("manifests", ".manifest");
    let bytes = std::fs::read(&manifests[1]).unwrap();
    std::fs::write(&manifests[1], &bytes[..bytes.len() / 2]).unwrap();
    let listed = left.summary(&["--ls"], 26);
    let states: Vec<(&str, &str)> = listed["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|listed| (listed["snapshot"].as_str().unwrap(), listed["state"].as_str().unwrap()))
        .collect();
    let ids = left.ids();
    assert_eq!(states, [(ids[0].as_str(), "whole"), (ids[2].as_str(), "unproven")]);
    assert!(listed["findings"][0].as_str().unwrap().contains("manifest 2"));
    // Read to its end, the newest is shown to be whole all the same.
    let read = left.summary(&["--ls", "--read-data"], 26);
    assert_eq!(read["snapshots"][1]["state"], "whole");
    let restored = left.summary(&["--to", &left.place.url("back.db")], 0);
    assert_eq!((&restored["snapshot"], &restored["root_equal"]), (&ids[2].as_str().into(), &true.into()));
    for manifest in &manifests {
        std::fs::write(manifest, b"SRMANI\r\n").unwrap();
    }
    let refused = left.run(&["--to", &left.place.url("none.db")]).ended_with(1);
    assert!(refused.err.contains("no manifest of the depot can be used"), "{}", refused.err);
}

#[test]
fn a_depot_without_its_format_file_goes_by_its_keyring_and_one_without_keyring_is_lost() {
    let left = Left::after_three_backups();
    std::fs::remove_file(left.depot().join("format")).unwrap();
    let told = left.run(&["--to", &left.place.url("back.db")]).done();
    assert!(told.err.contains("going by its keyring"), "{}", told.err);
    let keyring = left.file("keys", ".keyring").pop().unwrap();
    let json = std::fs::read_to_string(&keyring).unwrap();
    std::fs::write(&keyring, json.replace("\"epochs\"", "\"apochs\"")).unwrap();
    let damaged = left.run(&["--ls"]).ended_with(1);
    assert!(damaged.err.contains("SR0015"), "{}", damaged.err);
    std::fs::remove_file(&keyring).unwrap();
    left.run(&["--ls"]).ended_with(10);
}

#[test]
fn several_sources_are_told_apart_by_name() {
    let place = Place::with_sample();
    place.source("other", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (7, 'seven');");
    place.run(&["backup", "other"]).done();
    place.run(&["backup", "cmdb"]).done();
    let left = Left::of(place);
    let target = left.place.url("back.db");
    let refused = left.run(&["--to", &target]).ended_with(2);
    assert!(refused.err.contains("SR0019") && refused.err.contains("cmdb") && refused.err.contains("other"));
    let unknown = left.run(&["--to", &target, "--source", "third"]).ended_with(1);
    assert!(unknown.err.contains("SR0018") && unknown.err.contains("other"), "{}", unknown.err);
    left.run(&["--to", &target, "--source", "other", "--snapshot", "cmdb@latest"]).ended_with(1);
    left.run(&["--to", &target, "--source", "other"]).done();
    let found: String = Connection::open(left.place.path("back.db"))
        .unwrap()
        .query_row("SELECT v FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "seven");
    left.run(&["--to", &left.place.url("cmdb2.db"), "--snapshot", "cmdb@latest"]).done();
    let listed = left.summary(&["--ls", "--source", "other"], 0);
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 1);
}

#[test]
fn a_root_that_was_written_down_chooses_its_snapshot_and_no_other() {
    let left = Left::after_three_backups();
    let root = left.expected[0]["root"].as_str().unwrap().to_owned();
    let restored = left.summary(&["--to", &left.place.url("back.db"), "--expect-root", &root], 0);
    assert_eq!(restored["snapshot"], left.ids()[0].as_str());
    let target = left.place.url("other.db");
    let refused = left.run(&["--to", &target, "--expect-root", &root, "--snapshot", &left.ids()[2]]).ended_with(26);
    assert!(refused.err.contains("SR0053"), "{}", refused.err);
    left.run(&["--to", &target, "--expect-root", &"0".repeat(64)]).ended_with(26);
    left.run(&["--to", &target, "--expect-root", "abc"]).ended_with(2);
    assert!(!left.place.path("other.db").exists());
}

#[test]
fn a_database_and_a_tree_of_files_are_rescued_too() {
    for cluster in clusters("a_database_and_a_tree_of_files_are_rescued_too") {
        let place = Place::empty();
        place.run(&["init"]).done();
        std::fs::create_dir(place.path("media")).unwrap();
        std::fs::write(place.path("media/app.conf"), "level = 1\n").unwrap();
        place.run(&["source", "add", "media", &format!("file:{}", place.path("media").display())]).done();
        let script = "CREATE TABLE device (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, doc jsonb);
            CREATE VIEW docs AS SELECT doc FROM device;
            INSERT INTO device (doc) SELECT jsonb_build_object('n', n) FROM generate_series(1, 500) n";
        let database = cluster.database("alive", script);
        place.run(&["source", "add", "cmdb", &cluster.url(&database)]).done();
        let tree = place.json(&["backup", "media"])["snapshot"].as_str().unwrap().to_owned();
        place.run(&["backup", "cmdb"]).done();
        let left = Left::of(place);

        let rescued = cluster.name("rescued");
        let restored = left.summary(&["--to", &cluster.url(&rescued), "--source", "cmdb"], 0);
        assert_eq!((&restored["root_equal"], &restored["verdict_equal"]), (&true.into(), &true.into()), "{restored}");
        let state = "SELECT count(*), sum((doc->>'n')::int), (SELECT count(*) FROM docs) FROM device";
        assert_eq!(cluster.query(&rescued, state), cluster.query(&database, state));
        cluster.psql(&rescued, "INSERT INTO device (doc) VALUES ('{}')");

        let target = format!("file:{}", left.place.path("rescued").display());
        assert_eq!(left.summary(&["--to", &target, "--snapshot", &tree], 0)["root_equal"], true);
        assert_eq!(std::fs::read_to_string(left.place.path("rescued/app.conf")).unwrap(), "level = 1\n");
    }
}
