//! The sample CMDB: as large as it says, the same for the same seed, and restorable.

use rusqlite::Connection;
use strongroom_agent::sample::{SampleSize, apply_day, create_sqlite, damage};
use strongroom_platform::clock::{Clock, SystemClock};

use crate::harness::{Place, capture};
use crate::restore::{assert_equal, restore};

fn count(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_demo_is_as_large_as_it_says() {
    let place = Place::new();
    let start = SystemClock.monotonic();
    let counts = create_sqlite(&place.path("cmdb.db"), SampleSize::DEMO, 1).unwrap();
    println!("made in {:?}: {counts:?}", SystemClock.monotonic().since(start));
    assert!(counts.items >= 50_000 && counts.relations >= 100_000 && counts.history >= 50_000, "{counts:?}");
    let connection = Connection::open(place.path("cmdb.db")).unwrap();
    assert_eq!(count(&connection, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let relations = u64::try_from(count(&connection, "SELECT count(*) FROM relation")).unwrap();
    assert_eq!(relations, counts.relations);
}

#[test]
fn a_seed_gives_the_same_cmdb_and_the_same_days() {
    let make = |name: &str, place: &Place, seed| {
        create_sqlite(&place.path(name), SampleSize::SMALL, seed).unwrap();
        let connection = Connection::open(place.path(name)).unwrap();
        assert_eq!(apply_day(&connection, seed + 1, 50).unwrap(), 50);
        let done = damage(&connection, seed + 2).unwrap();
        assert!(done.items_deleted > 50 && done.relations_deleted > 0 && done.devices_scrambled > 0, "{done:?}");
        drop(connection);
        capture(&place.path(name))
    };
    let place = Place::new();
    let (one, again, other) = (make("1.db", &place, 1), make("2.db", &place, 1), make("3.db", &place, 2));
    assert_equal(&one, &again);
    assert_ne!(one.digests()["device"], other.digests()["device"]);
}

#[test]
fn a_day_changes_items_and_leaves_history() {
    let place = Place::new();
    create_sqlite(&place.path("cmdb.db"), SampleSize::SMALL, 1).unwrap();
    let before = capture(&place.path("cmdb.db"));
    let connection = Connection::open(place.path("cmdb.db")).unwrap();
    assert_eq!(apply_day(&connection, 7, 40).unwrap(), 40);
    let after = capture(&place.path("cmdb.db"));
    let changed: usize = ["device", "interface", "service", "application"]
        .iter()
        .map(|class| before.rows[*class].iter().filter(|row| !after.rows[*class].contains(row)).count())
        .sum();
    assert_eq!(changed, 40);
    assert_eq!(after.rows["history"].len() - before.rows["history"].len(), 40);
    assert_eq!(before.rows["relation"], after.rows["relation"]);
    assert!(apply_day(&connection, 8, 1_000_000).unwrap() < 1000, "no more items than there are");
}

#[test]
fn the_sample_comes_back_over_its_damaged_self() {
    let place = Place::new();
    let path = place.path("cmdb.db");
    create_sqlite(&path, SampleSize::SMALL, 1).unwrap();
    let good = capture(&path);
    damage(&Connection::open(&path).unwrap(), 3).unwrap();
    assert_ne!(good.digests(), capture(&path).digests());
    restore(&good, &path, true).unwrap();
    assert_equal(&good, &capture(&path));
}
