//! A room whose depot lies in an object store: every verb works there as it does in a folder.

use serde_json::Value;

use crate::emulator::{Emulator, s3_credentials};
use crate::harness::Place;

/// A place whose room keeps its depot in moto, with the sample registered; the URL, and what has to outlive it.
fn place_in_store(moto: &Emulator) -> (Place, String, tempfile::TempDir) {
    moto.make_bucket("depot", "");
    let (folder, credentials) = s3_credentials();
    let url =
        format!("s3://depot/cmdb?endpoint=http://{}&credentials_file={credentials}&retry_seconds=2", moto.address);
    let place = Place::with_sample_in(&["--depot", &url]);
    (place, url, folder)
}

fn check<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap()["state"].as_str().unwrap()
}

#[test]
fn every_verb_works_with_a_depot_in_an_object_store() {
    let Some(moto) = Emulator::moto("cli::stores::every_verb", &[]) else { return };
    let (place, url, _credentials) = place_in_store(&moto);
    assert!(!place.room().join("depot").exists(), "nothing of the depot lies in the room");

    let first = place.json(&["backup", "cmdb"]);
    assert!(place.day(7) > 0);
    let second = place.json(&["backup", "cmdb"]);
    assert_ne!(first["root"], second["root"]);
    let ids = place.snapshots();
    assert_eq!(ids.len(), 2);

    let diff = place.json(&["diff", &ids[0], &ids[1]]);
    assert!(diff["classes"].as_array().unwrap().iter().any(|class| class["changed"].as_u64() > Some(0)));
    place.run(&["find", "cmdb@latest", "device:1", "--history"]).done();
    let restored = place.json(&["restore", &ids[1], "--to", &place.url("restored.db")]);
    assert_eq!(restored["root_equal"], true);
    let verified = place.json(&["verify", "--read-data"]);
    assert_eq!(verified["ok"], true);
    assert_eq!(verified["snapshots"], 2);

    let doctor = place.json(&["doctor"]);
    assert_eq!(check(&doctor, "object store"), "ok");
    assert_eq!(check(&doctor, "object lock"), "warning", "moto's bucket has none");

    // The place is taken: another room does not get it.
    let other = Place::empty();
    let refused = other.run(&["init", "--depot", &url]).ended_with(2);
    assert!(refused.err.contains("SR0011"), "{}", refused.err);

    // The caches can be thrown away: what a reader needs is in the store.
    std::fs::remove_dir_all(place.room().join("cache")).unwrap();
    std::fs::create_dir(place.room().join("cache")).unwrap();
    place.run(&["verify"]).done();
    place.run(&["backup", "cmdb"]).done();
}

#[test]
fn a_backup_keeps_the_older_packs_that_it_needs_locked() {
    let Some(moto) = Emulator::moto("cli::stores::a_backup_keeps_the_older_packs", &[]) else { return };
    moto.make_bucket("locked", "x-amz-bucket-object-lock-enabled: true\r\n");
    let (_folder, credentials) = s3_credentials();
    let url = format!(
        "s3://locked/cmdb?endpoint=http://{}&credentials_file={credentials}&lock=governance&lock_days=30",
        moto.address
    );
    let place = Place::with_sample_in(&["--depot", &url]);
    place.run(&["backup", "cmdb"]).done();
    let (_, listed) = moto.ask("GET", "/locked?list-type=2", "");
    let (_, pack) = listed.split_once("<Key>cmdb/packs/").unwrap();
    let pack = format!("/locked/cmdb/packs/{}", pack.split_once('<').unwrap().0);
    let ends = || {
        let who = "Authorization: AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request, \
            SignedHeaders=host, Signature=0\r\n";
        let (status, answer) = moto.ask("GET", &pack, who);
        assert_eq!(status, 200, "{answer}");
        let line = answer.lines().find(|line| line.to_lowercase().starts_with("x-amz-object-lock-retain-until"));
        line.unwrap().to_owned()
    };
    let before = ends();
    // Instead of time that goes by.
    let settings = place.room().join("state/room.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("lock_days=30", "lock_days=60")).unwrap();
    assert_eq!(place.json(&["drift", "cmdb"])["equal"], true);
    assert_eq!(ends(), before, "who only looks promises nothing");
    place.run(&["backup", "cmdb"]).done();
    assert!(ends() > before, "{before} {}", ends());
}

#[test]
fn a_copy_of_a_room_that_writes_at_the_same_place_of_a_chain_is_told() {
    let Some(moto) = Emulator::moto("cli::stores::a_copy_of_a_room", &[]) else { return };
    let (place, _url, _credentials) = place_in_store(&moto);
    place.run(&["backup", "cmdb"]).done();
    let other_host = place.copy();
    place.day(1);
    place.run(&["backup", "cmdb"]).done();
    let late = other_host.run(&["backup", "cmdb"]);
    assert_ne!(late.code, Some(0), "{late:?}");
    assert_eq!(place.snapshots().len(), 2, "the snapshot of the first is there and whole");
    place.run(&["verify", "--read-data"]).done();
}

#[test]
fn a_store_that_is_not_to_be_used_is_refused_before_anything_is_made() {
    let place = Place::empty();
    for url in ["s3://id:secret@bucket/p", "ftp://bucket", "s3://bucket/p?endpoint=http://192.0.2.1:9000", "depot"] {
        let refused = place.run(&["init", "--depot", url]).ended_with(2);
        assert!(refused.err.contains("SR0001"), "{}", refused.err);
        assert!(!place.room().exists());
    }
}

#[test]
fn a_bucket_that_is_not_there_and_a_server_that_is_not_there_are_told_apart() {
    let Some(moto) = Emulator::moto("cli::stores::a_bucket_that_is_not_there", &[]) else { return };
    let (_folder, credentials) = s3_credentials();
    let place = Place::empty();
    let rest = format!("credentials_file={credentials}&retry_seconds=1");
    let url = format!("s3://nowhere/p?endpoint=http://{}&{rest}", moto.address);
    let refused = place.run(&["init", "--depot", &url]).ended_with(1);
    assert!(refused.err.contains("SR0026") && refused.err.contains("there is no bucket nowhere"), "{}", refused.err);
    drop(moto);
    let refused = place.run(&["init", "--depot", &url]).ended_with(1);
    assert!(refused.err.contains("SR0025"), "{}", refused.err);
    assert!(!refused.err.contains("secret"), "{}", refused.err);
}
