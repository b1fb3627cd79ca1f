//! A room of the first version is brought to the present one, and loses nothing on the way.

use std::fs;
use std::path::Path;

use redb::{Database, TableDefinition};
use serde_json::{Value, json};
use strongroom_core::digest::Profile;
use strongroom_core::entropy::{Entropy, EntropyError};
use strongroom_core::id::{SnapshotId, SourceId};
use strongroom_core::seal::HostKey;

use crate::harness::{Place, files_below};

const SOURCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sources");
const RUNS: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("runs");

/// A seal that never meets another one needs no better nonce.
struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.fill(0);
        Ok(())
    }
}

fn host_key(room: &Path) -> HostKey {
    let text = fs::read_to_string(room.join("state/host.key")).unwrap();
    HostKey::new(Profile::Blake3, hex::decode(text.trim_end()).unwrap().try_into().unwrap())
}

fn bound_to(context: &[u8], source: SourceId) -> Vec<u8> {
    [context, source.as_bytes()].concat()
}

/// Makes a room what the first release would have made of it.
fn age(place: &Place, rename: impl Fn(&str) -> String) {
    let room = place.room();
    let host = host_key(&room);
    let catalog = Database::create(room.join("state/catalog.redb")).unwrap();
    let write = catalog.begin_write().unwrap();
    {
        let (mut sources, mut runs) = (write.open_table(SOURCES).unwrap(), write.open_table(RUNS).unwrap());
        for file in files_below(&room.join("state/agent")) {
            let id: SourceId = file.parent().unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap();
            if file.ends_with("source") {
                let sealed = hex::decode(fs::read(&file).unwrap()).unwrap();
                let kept = host.unwrap(&bound_to(b"strongroom v2 source of an agent", id), &sealed).unwrap();
                let kept: Value = serde_json::from_slice(&kept).unwrap();
                let secrets = json!({ "url": kept["url"], "password": kept["password"], "id_key": kept["id_key"],
                    "signing_seed": kept["signing_seed"] });
                let secrets = serde_json::to_vec(&secrets).unwrap();
                let sealed = host.wrap(&bound_to(b"strongroom v1 source secrets", id), &secrets, &Zeros).unwrap();
                let record = json!({ "id": id, "url": kept["shown"], "profile": kept["profile"],
                    "added": kept["added"], "sealed": hex::encode(sealed) });
                let name = rename(kept["name"].as_str().unwrap());
                sources.insert(name.as_str(), serde_json::to_vec(&record).unwrap().as_slice()).unwrap();
                fs::remove_file(file).unwrap();
            } else if file.ends_with("runs") {
                let kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
                for run in kept["runs"].as_array().unwrap() {
                    let snapshot: SnapshotId = run[0].as_str().unwrap().parse().unwrap();
                    runs.insert(&snapshot.0, serde_json::to_vec(&run[1]).unwrap().as_slice()).unwrap();
                }
                fs::remove_file(file).unwrap();
            }
        }
    }
    write.commit().unwrap();
    fs::remove_dir_all(room.join("state/coordinator")).unwrap();
    fs::remove_file(room.join("state/coordinator.lock")).unwrap();
    fs::remove_file(room.join("state/depot.key")).unwrap();
    let settings = room.join("state/room.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let (first, _) = text.split_once("\n[parts]").unwrap();
    fs::write(settings, first.replacen("version = 2", "version = 1", 1)).unwrap();
}

/// A room of the first version with two sources, one of them removed, and four snapshots.
fn aged(rename: impl Fn(&str) -> String) -> (Place, Value) {
    let place = Place::with_sample();
    place.source("old", "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)");
    place.run(&["backup", "old"]).done();
    place.run(&["source", "rm", "old", "--yes"]).done();
    for day in 1..4 {
        place.run(&["backup", "cmdb"]).done();
        place.day(day);
    }
    let listed = place.json(&["snapshots"]);
    age(&place, rename);
    (place, listed)
}

#[test]
fn a_room_of_the_first_version_goes_on_where_it_was() {
    let (place, listed) = aged(str::to_owned);
    let told = place.run(&["snapshots"]).done();
    assert!(told.err.contains("brought to version 2"), "{}", told.err);
    assert_eq!(place.run(&["snapshots"]).done().err, "", "it is told once");
    assert_eq!(place.json(&["snapshots"]), listed);
    let next = place.json(&["backup", "cmdb"]);
    assert_eq!((&next["sequence"], &next["protected"]), (&4.into(), &true.into()));
    place.run(&["verify", "--read-data"]).done();
    place.run(&["restore", "cmdb@latest", "--to", &place.url("back.db")]).done();
    assert!(!place.room().join("state/catalog.redb").exists());
}

#[test]
fn a_name_that_no_longer_fits_is_changed_and_told() {
    let (place, _) = aged(|name| format!("{name} für alle"));
    let told = place.run(&["source", "ls"]).done();
    assert!(told.err.contains("is called cmdb-f-r-alle now"), "{}", told.err);
    place.run(&["backup", "cmdb-f-r-alle"]).done();
}

#[test]
fn an_upgrade_that_dies_is_done_again() {
    let (place, listed) = aged(str::to_owned);
    let settings = fs::read(place.room().join("state/room.toml")).unwrap();
    let catalog = fs::read(place.room().join("state/catalog.redb")).unwrap();
    place.run(&["snapshots"]).done();
    // As it is right before the settings say the new version: the member has its place, under ids that are forgotten.
    fs::write(place.room().join("state/room.toml"), settings).unwrap();
    fs::write(place.room().join("state/catalog.redb"), catalog).unwrap();
    place.run(&["snapshots"]).done();
    assert_eq!(place.json(&["snapshots"]), listed);
    place.run(&["backup", "cmdb"]).done();
}
