//! Real processes, killed or failed at each of their system calls in turn.
//!
//! What simulated disks can't reach is reached here: the libraries that write files of their own (SQLite, redb, sled).
//! `strace` counts the calls of each thread and strikes the N-th of any thread; a run without a fault tells how many
//! there are.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;

use crate::harness::Place;
use crate::not_run::not_run;
use crate::outcome::{Outcomes, side_by_side};

const CHANGES: &str = "write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,\
    ftruncate,mkdir,mkdirat,link,linkat,sync_file_range";

/// What strikes: the calls that it can strike, and how.
pub(crate) type Fault = (&'static str, &'static str, &'static str);

const FAULTS: [Fault; 3] = [
    ("killed", CHANGES, "signal=SIGKILL"),
    ("failed sync", "fsync,fdatasync", "error=EIO"),
    ("disk full", "pwrite64,pwritev,ftruncate,mkdir,mkdirat", "error=ENOSPC"),
];

/// Faults that strike what a process says to others.
pub(crate) const CUT_OFF: [Fault; 1] =
    [("killed", "sendto,sendmsg,fsync,fdatasync,rename,renameat2", "signal=SIGKILL")];

/// One fault in one run: which, and at which call of a kind.
struct Point {
    fault: usize,
    call: String,
    at: usize,
}

pub(crate) fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Runs the program under `strace`, which is told about the calls to trace and what to do to them.
pub(crate) fn traced(place: &Place, log: &Path, calls: &str, inject: Option<&str>, arguments: &[&str]) -> Option<i32> {
    let log = log.display().to_string();
    let trace = format!("trace={calls}");
    let mut wrapper = vec!["strace", "-f", "-qq", "-o", &log, "-e", &trace];
    if let Some(inject) = inject {
        wrapper.extend(["-e", inject]);
    }
    place.command_under(&wrapper, arguments).output().unwrap().status.code()
}

/// How many calls of each kind one thread makes at most in a run without a fault.
pub(crate) fn count(place: &Place, calls: &str, arguments: &[&str]) -> BTreeMap<String, usize> {
    let log = place.path("calls");
    assert_eq!(traced(place, &log, calls, None, arguments), Some(0));
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in std::fs::read_to_string(&log).unwrap().lines().filter(|line| !line.contains(" resumed>")) {
        let (thread, rest) = line.split_once(' ').unwrap();
        let (call, _) = rest.trim_start().split_once('(').unwrap();
        *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), count) in counts {
        let known = most.entry(call).or_default();
        *known = count.max(*known);
    }
    most
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// A command that is struck at each of its system calls.
pub(crate) struct Sweep<'a> {
    /// How the sweep is listed.
    pub(crate) name: &'a str,
    /// What strikes.
    pub(crate) faults: &'a [Fault],
    /// Points for each fault and kind of call at most, spread over all of them.
    pub(crate) most: usize,
}

impl Sweep<'_> {
    /// For each fault and each kind of call the numbers up to the most that one thread makes.
    fn points(&self, place: &Place, arguments: impl Fn(&Place) -> Vec<String>) -> Vec<Point> {
        let mut points = Vec::new();
        for (fault, (_, calls, _)) in self.faults.iter().enumerate() {
            let place = place.copy();
            let of_call = |(call, most): (String, usize)| {
                let every = most.div_ceil(self.most);
                (1..=most).rev().step_by(every).map(move |at| Point { fault, call: call.clone(), at })
            };
            let arguments = arguments(&place);
            points.extend(count(&place, calls, &borrowed(&arguments)).into_iter().flat_map(of_call));
        }
        points
    }

    /// Runs with a fault at each point, in a copy of the place, and has the copy judged. Prints what became of the runs.
    /// `arguments` makes what a run needs, and tells the command's.
    pub(crate) fn run(
        &self,
        place: &Place,
        arguments: impl Fn(&Place) -> Vec<String> + Sync,
        judge: impl Fn(&Place, &str) + Sync,
    ) -> Outcomes {
        let outcomes = Outcomes::default();
        side_by_side(&self.points(place, &arguments), |Point { fault, call, at }| {
            let (kind, _, how) = self.faults[*fault];
            let copy = place.copy();
            let inject = format!("inject={call}:{how}:when={at}");
            let log = copy.path("calls");
            let point = format!("{}, {kind} at {call} {at}", self.name);
            let code = traced(&copy, &log, call, Some(&inject), &borrowed(&arguments(&copy)));
            // A call that fails is marked; one at which the process is killed has no result to mark.
            let mark = if how.starts_with("signal=") { "+++ killed by SIGKILL +++" } else { "(INJECTED)" };
            let has_struck = std::fs::read_to_string(&log).unwrap().contains(mark);
            judge(&copy, &point);
            // A thread may make fewer calls than it did without a fault.
            outcomes.add(match (code, has_struck) {
                (Some(0), true) => format!("{kind} and borne"),
                (Some(0), false) => "not reached".to_owned(),
                (_, true) => kind.to_owned(),
                (code, false) => panic!("{point}: it ended with {code:?} though nothing struck"),
            });
        });
        outcomes.report(self.name);
        outcomes
    }
}

/// Strikes a command at all of its calls.
fn sweep(name: &str, place: &Place, arguments: &[&str], judge: impl Fn(&Place, &str) + Sync) {
    let arguments = |_: &Place| arguments.iter().map(|word| (*word).to_owned()).collect();
    let outcomes = Sweep { name, faults: &FAULTS, most: usize::MAX }.run(place, arguments, judge);
    assert!(outcomes.of("killed") > 10);
}

#[test]
fn a_backup_that_dies_at_any_system_call_loses_nothing() {
    if !can_trace() {
        return not_run("a_backup_that_dies_at_any_system_call_loses_nothing", "strace, and the right to use it");
    }
    let place = Place::with_sample();
    place.run(&["backup", "cmdb"]).done();
    let first = place.json(&["show", &place.snapshots()[0]])["root"].clone();
    place.day(1);
    let reference = place.copy().json(&["backup", "cmdb"])["root"].clone();
    sweep("backup process", &place, &["backup", "cmdb"], |place, point| {
        let next = place.run(&["backup", "cmdb", "--json"]);
        assert_eq!(next.code, Some(0), "{point}: {next:#?}");
        let summary = next.documents().pop().unwrap();
        assert_eq!((&summary["root"], &summary["protected"]), (&reference, &true.into()), "{point}");
        let verified = place.run(&["verify", "--read-data"]);
        assert_eq!(verified.code, Some(0), "{point}: {verified:#?}");
        let roots: Vec<_> = place.snapshots().iter().map(|id| place.json(&["show", id])["root"].clone()).collect();
        assert_eq!(roots[0], first, "{point}");
        assert!(roots.iter().skip(1).all(|root| *root == reference), "{point}");
    });
}

/// A room with nothing in it, and a small database beside it.
fn small() -> Place {
    let place = Place::empty();
    place.run(&["init"]).done();
    let script = "CREATE TABLE device (id INTEGER PRIMARY KEY); INSERT INTO device VALUES (1);";
    Connection::open(place.path("small.db")).unwrap().execute_batch(script).unwrap();
    place
}

/// A room works: a source that may be there is backed up, and nothing is wrong with the group.
fn works(place: &Place, point: &str) {
    let added = place.run(&["source", "add", "small", &place.url("small.db")]);
    assert!(matches!(added.code, Some(0 | 2)), "{point}: {added:#?}");
    let taken = place.run(&["backup", "small", "--json"]);
    assert_eq!(taken.code, Some(0), "{point}: {taken:#?}");
    assert_eq!(taken.documents().pop().unwrap()["protected"], true, "{point}");
    let checked = place.run(&["doctor", "--json"]).documents().pop().unwrap();
    assert_eq!(checked["ok"], true, "{point}: {checked:#}");
}

#[test]
fn a_room_whose_making_dies_at_any_system_call_is_made_anew() {
    if !can_trace() {
        return not_run("a_room_whose_making_dies_at_any_system_call_is_made_anew", "strace, and the right to use it");
    }
    let place = small();
    std::fs::remove_dir_all(place.room()).unwrap();
    let outcomes = Sweep { name: "init process", faults: &FAULTS, most: 24 }.run(
        &place,
        |_| vec!["init".to_owned()],
        |place, point| {
            // It may have died after the room was whole.
            let again = place.run(&["init"]);
            assert!(matches!(again.code, Some(0 | 2)), "{point}: {again:#?}");
            works(place, point);
        },
    );
    assert!(outcomes.of("killed") > 10);
}

#[test]
fn a_registration_that_dies_at_any_system_call_leaves_a_room_that_works() {
    if !can_trace() {
        let test = "a_registration_that_dies_at_any_system_call_leaves_a_room_that_works";
        return not_run(test, "strace, and the right to use it");
    }
    let place = small();
    let arguments = |place: &Place| vec!["source".into(), "add".into(), "small".into(), place.url("small.db")];
    let outcomes = Sweep { name: "registration process", faults: &FAULTS, most: 24 }.run(&place, arguments, works);
    assert!(outcomes.of("killed") > 10);
}

/// Whether the target is as it was before the restore, or as the snapshot.
fn state(place: &Place, items: i64) -> &'static str {
    let database = Connection::open(place.path("target.db")).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).ok();
    match (count("SELECT count(*) FROM before_restore"), count("SELECT count(*) FROM device")) {
        (Some(1), None) => "old",
        (None, Some(found)) if found == items => "new",
        other => panic!("the target is neither old nor new: {other:?}"),
    }
}

#[test]
fn a_restore_that_dies_at_any_system_call_leaves_the_target_old_or_new() {
    if !can_trace() {
        let test = "a_restore_that_dies_at_any_system_call_leaves_the_target_old_or_new";
        return not_run(test, "strace, and the right to use it");
    }
    let place = Place::empty();
    place.run(&["init"]).done();
    place.source(
        "cmdb",
        "CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX by_name ON device (name);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO device SELECT i, 'device ' || i FROM n;",
    );
    place.run(&["backup", "cmdb"]).done();
    place.change("target.db", "CREATE TABLE before_restore (x); INSERT INTO before_restore VALUES (1)");
    let restore = ["restore", "latest", "--to", "sqlite:target.db", "--over", "--yes"];
    sweep("restore process", &place, &restore, |place, point| {
        assert!(["old", "new"].contains(&state(place, 300)), "{point}");
        let again = place.run(&restore);
        assert_eq!(again.code, Some(0), "{point}: {again:#?}");
        assert_eq!(state(place, 300), "new", "{point}");
    });
}

#[test]
fn a_restore_of_records_that_dies_at_any_system_call_leaves_the_target_old_or_new() {
    if !can_trace() {
        let test = "a_restore_of_records_that_dies_at_any_system_call_leaves_the_target_old_or_new";
        return not_run(test, "strace, and the right to use it");
    }
    let place = Place::empty();
    place.run(&["init"]).done();
    let script = "CREATE TABLE device (id INTEGER PRIMARY KEY, name TEXT);
        INSERT INTO device VALUES (1, 'one'), (2, 'two'), (3, 'three');";
    place.source("cmdb", script);
    place.run(&["backup", "cmdb"]).done();
    let damage = "DELETE FROM device WHERE id = 1; UPDATE device SET name = 'zwei' WHERE id = 2;
        INSERT INTO device VALUES (4, 'four');";
    place.change("target.db", &[script, damage].concat());
    let restore = ["restore", "latest", "--to", "sqlite:target.db", "--class", "device", "--delete-extra", "--yes"];
    let names = |place: &Place| -> String {
        let database = Connection::open(place.path("target.db")).unwrap();
        database.query_row("SELECT group_concat(name) FROM device", [], |row| row.get(0)).unwrap()
    };
    let (old, new) = ("zwei,three,four", "one,two,three");
    assert_eq!(names(&place), old);
    sweep("partial restore process, SQLite", &place, &restore, |place, point| {
        let now = names(place);
        assert!([old, new].contains(&now.as_str()), "{point}: {now}");
        let again = place.run(&restore);
        assert_eq!(again.code, Some(0), "{point}: {again:#?}");
        assert_eq!(names(place), new, "{point}");
        assert!(!again.err.contains("can't"), "{point}: what became of it is known: {again:#?}");
    });
}
