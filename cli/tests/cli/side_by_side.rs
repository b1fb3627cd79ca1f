//! Several runs on one room at a time.

use std::fs::File;

use crate::harness::{Place, Ran};

#[test]
fn a_source_that_is_being_backed_up_is_busy() {
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let lock = File::open(place.find("state/agent", "lock")).unwrap();
    lock.try_lock().unwrap();
    for arguments in [&["backup", "cmdb"][..], &["drift", "cmdb"]] {
        let refused = place.run(arguments).ended_with(11);
        assert!(refused.err.contains("SR0012"), "{}", refused.err);
    }
    place.run(&["ls", "latest"]).done();
    drop(lock);
    place.run(&["backup", "cmdb"]).done();
}

#[test]
fn of_two_backups_at_once_none_harms_the_other() {
    let place = Place::with_sample();
    let mut taken = 0;
    for _ in 0..5 {
        let both = [(); 2].map(|()| place.command(&["backup", "cmdb"]).spawn().unwrap());
        let codes = both.map(|child| Ran::from(child.wait_with_output().unwrap()).code.unwrap());
        assert!(codes.iter().all(|code| [0, 11].contains(code)) && codes.contains(&0), "{codes:?}");
        taken += codes.iter().filter(|code| **code == 0).count();
    }
    assert_eq!(place.snapshots().len(), taken);
    place.run(&["verify", "--read-data"]).done();
}

#[test]
fn sources_are_backed_up_and_read_side_by_side() {
    let place = Place::with_sample();
    let names = ["one", "two", "three"];
    for name in names {
        place.source(
            name,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, i FROM n",
        );
    }
    let running = names.map(|name| place.command(&["backup", name]).spawn().unwrap());
    for child in running {
        Ran::from(child.wait_with_output().unwrap()).done();
    }
    let running = names.map(|name| place.command(&["ls", &format!("{name}@latest"), "t"]).spawn().unwrap());
    for child in running {
        Ran::from(child.wait_with_output().unwrap()).done();
    }
    assert_eq!(place.snapshots().len(), 3);
}
