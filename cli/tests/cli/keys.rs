//! Keys and secrets: who needs the passphrase, and what is never shown.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::Place;

fn protected() -> Place {
    let place = Place::empty();
    let init = place.command(&["init", "--json"]).env("STRONGROOM_PASSPHRASE", "open sesame").output().unwrap();
    assert_eq!(crate::harness::Ran::from(init).done().documents()[0]["passphrase"], true);
    place.source("small", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    place
}

#[test]
fn a_backup_needs_no_passphrase_and_reading_does() {
    let place = protected();
    place.run(&["backup", "small"]).done();
    place.run(&["snapshots"]).done();
    place.run(&["drift", "small"]).done();
    let refused = place.run(&["ls", "latest"]).ended_with(12);
    assert!(refused.err.contains("SR0013") && refused.err.contains("--passphrase-file"), "{}", refused.err);
    let wrong = place.command(&["ls", "latest"]).env("STRONGROOM_PASSPHRASE", "sesame").output().unwrap();
    assert_eq!(wrong.status.code(), Some(12));
    let right = place.command(&["ls", "latest"]).env("STRONGROOM_PASSPHRASE", "open sesame").output().unwrap();
    assert_eq!(right.status.code(), Some(0));
}

#[test]
fn a_passphrase_comes_from_a_file_a_command_or_the_configuration() {
    let place = protected();
    place.run(&["backup", "small"]).done();
    std::fs::write(place.path("secret"), "open sesame\n").unwrap();
    place.run(&["ls", "latest", "--passphrase-file", "secret"]).done();
    place.run(&["ls", "latest", "--passphrase-command", "cat secret"]).done();
    place.run(&["ls", "latest", "--passphrase-command", "false"]).ended_with(12);
    std::fs::write(place.path("config.toml"), "passphrase_file = \"secret\"\n").unwrap();
    place.run(&["ls", "latest", "--config", "config.toml"]).done();
    std::fs::write(place.path("config.toml"), "pass_phrase = 1\n").unwrap();
    let refused = place.run(&["ls", "latest", "--config", "config.toml"]).ended_with(2);
    assert!(refused.err.contains("pass_phrase"), "{}", refused.err);
}

#[test]
fn the_key_of_another_room_opens_nothing() {
    let (one, two) = (Place::with_sample(), Place::with_sample());
    one.run(&["backup", "cmdb"]).done();
    std::fs::copy(two.room().join("keys/room.key"), one.room().join("keys/room.key")).unwrap();
    one.run(&["ls", "latest"]).ended_with(12);
    std::fs::remove_file(one.room().join("keys/room.key")).unwrap();
    one.run(&["ls", "latest"]).ended_with(12);
    one.run(&["backup", "cmdb"]).done();
}

#[test]
fn secrets_lie_where_only_their_owner_reads_them() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    for folder in ["keys", "state", "depot", "cache"] {
        let mode = place.room().join(folder).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{folder}");
    }
    let top: Vec<_> = std::fs::read_dir(place.room().join("depot")).unwrap().map(|e| e.unwrap().file_name()).collect();
    let mut top: Vec<_> = top.iter().map(|name| name.to_str().unwrap()).collect();
    top.sort_unstable();
    assert_eq!(top, ["format", "keys", "manifests", "packs"]);
}

#[test]
fn a_password_is_never_shown_nor_kept_in_the_clear() {
    let place = Place::with_sample();
    let url = "postgres://ann:s3cr3t@localhost:1/cmdb";
    let mut seen = String::new();
    for arguments in [
        &["source", "add", "pg", url][..],
        &["source", "ls"],
        &["source", "ls", "--json"],
        &["backup", "pg"],
        &["backup", "pg", "--json"],
        &["source", "inspect", url],
        &["doctor"],
        &["restore", "latest", "--to", url],
    ] {
        let ran = place.run(arguments);
        seen.push_str(&ran.out);
        seen.push_str(&ran.err);
    }
    assert!(seen.contains("ann") && !seen.contains("s3cr3t"), "{seen}");
    for file in crate::harness::files_below(&place.room()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"s3cr3t"), "{}", file.display());
    }
}

#[test]
fn a_key_that_packs_may_be_sealed_to_is_never_removed() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let (room, key) = (place.room(), place.room().join("keys/room.key"));
    let before = std::fs::read(&key).unwrap();
    // The settings are lost, and the depot is not where it was: another store, or a folder that is not mounted.
    std::fs::remove_file(room.join("state/room.toml")).unwrap();
    std::fs::rename(room.join("depot"), place.path("elsewhere")).unwrap();
    std::fs::create_dir(room.join("depot")).unwrap();
    let refused = place.run(&["init"]).ended_with(2);
    assert!(refused.err.contains("state/room.toml"), "{}", refused.err);
    assert_eq!(std::fs::read(&key).unwrap(), before);
}
