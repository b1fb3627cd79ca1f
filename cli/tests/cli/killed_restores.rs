//! Restores of records into PostgreSQL whose process is killed at points of its course: the target is old or new, the
//! next command finds out which, and what took effect can be undone.

use crate::cluster::{Cluster, clusters};
use crate::harness::{Place, files_below};
use crate::not_run::not_run;
use crate::outcome::{Outcomes, side_by_side};
use crate::system_calls::{can_trace, count, traced};

/// What reaches the room or the server. Between two of these calls nobody can tell where the process was.
const CALLS: &str = "sendto,write,writev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";

/// Calls of each kind, the last ones, of which each is a point.
const LAST: usize = 30;

/// Two classes in a circle, so that there are several steps of writing.
const TABLES: &str = "CREATE TABLE egg (id int PRIMARY KEY, hen int, note text);
    CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL REFERENCES egg, name text UNIQUE);
    ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen;
    INSERT INTO egg VALUES (1, NULL, 'first'), (2, NULL, NULL); INSERT INTO hen VALUES (1, 1, 'a'), (2, 2, 'b');
    UPDATE egg SET hen = id;";
const DAMAGE: &str = "UPDATE egg SET hen = NULL; DELETE FROM hen WHERE id = 1; DELETE FROM egg WHERE id = 1;
    UPDATE hen SET name = 'z'; INSERT INTO egg VALUES (3, NULL, 'new');";
const RESTORE: [&str; 7] = ["--class", "egg", "--class", "hen", "--delete-extra", "--yes", "--json"];

/// A room with a snapshot, and a server with databases to restore into.
struct Scene<'a> {
    place: Place,
    cluster: &'a Cluster,
}

impl<'a> Scene<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let place = Place::empty();
        let source = cluster.database("whole", TABLES);
        place.run(&["init"]).done();
        place.run(&["source", "add", "whole", &cluster.url(&source)]).done();
        place.run(&["backup", "whole"]).done();
        Self { place, cluster }
    }

    /// All rows of a database that nobody is connected to any more.
    fn state(&self, database: &str) -> String {
        let alone = format!("SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{database}')");
        self.cluster.wait_for("postgres", &alone);
        let rows = |table: &str| format!("(SELECT string_agg({table}::text, ' ' ORDER BY id) FROM {table})");
        self.cluster.query(database, &format!("SELECT {}, {}", rows("egg"), rows("hen")))
    }

    /// A restore in a copy of the room, into a damaged database of its own, which is there for one function.
    fn with_target<T>(&self, run: impl FnOnce(&Place, &str, &[&str]) -> T) -> T {
        let place = self.place.copy();
        let database = self.cluster.database("killed", &[TABLES, DAMAGE].concat());
        let url = self.cluster.url(&database);
        let result = run(&place, &database, &[&["restore", "latest", "--to", &url], RESTORE.as_slice()].concat());
        self.cluster.psql("postgres", &format!("DROP DATABASE {database}"));
        result
    }

    /// Kills a restore at a call, and has the next commands find out and undo. Says what had become of it.
    fn kill(&self, call: &str, at: usize, [old, new]: &[String; 2]) -> String {
        self.with_target(|place, database, arguments| {
            let point = format!("{call} {at}");
            let log = place.path("calls");
            let code = traced(place, &log, call, Some(&format!("inject={call}:signal=SIGKILL:when={at}")), arguments);
            let now = self.state(database);
            assert!([old, new].contains(&&now), "{point} left a mixture: {now}");
            let copies = files_below(&place.room().join("state/restores"));
            let copy = copies.iter().find(|path| path.extension().is_some_and(|kind| kind == "copy"));
            let is_noted = copies.iter().any(|path| path.extension().is_some_and(|kind| kind == "outcome"));
            assert!(now == *old || copy.is_some(), "{point}: in effect without a safety copy");

            let next = place.run(arguments).done();
            let told = match (copy.is_some() && !is_noted, now == *new) {
                (false, _) => "was cut off",
                (true, true) => "it took effect, and can be undone",
                (true, false) => "it did not take effect",
            };
            assert_eq!(next.err.contains(told), copy.is_some() && !is_noted, "{point}: {next:#?}");
            assert_eq!(self.state(database), *new, "{point}");
            if now == *new {
                let restore = copy.unwrap().file_stem().unwrap().to_str().unwrap();
                place.run(&["restore", "--undo", restore, "--to", &self.cluster.url(database), "--yes"]).done();
                assert_eq!(self.state(database), *old, "{point}");
            }
            match (code, now == *new, copy.is_some()) {
                (Some(0), ..) => "not reached",
                (_, true, _) if is_noted => "killed after it was noted",
                (_, true, _) => "killed in effect",
                (_, false, true) => "killed with a safety copy, not in effect",
                (_, false, false) => "killed before",
            }
            .to_owned()
        })
    }
}

#[test]
fn a_restore_of_records_that_is_killed_is_found_out_by_the_next() {
    let test = "a_restore_of_records_that_is_killed_is_found_out_by_the_next";
    if !can_trace() {
        return not_run(test, "strace, and the right to use it");
    }
    for cluster in clusters(test) {
        let scene = Scene::new(&cluster);
        let (states, counts) = scene.with_target(|place, database, arguments| {
            let old = scene.state(database);
            let counts = count(place, CALLS, arguments);
            ([old, scene.state(database)], counts)
        });
        assert_ne!(states[0], states[1]);
        // Early calls read, and differ little: every sixth of them stands for all.
        let is_point = |at: &usize, most: usize| at + LAST > most || at.is_multiple_of(6);
        let of_call = |(call, most): (String, usize)| {
            (1..=most).filter(move |at| is_point(at, most)).map(move |at| (call.clone(), at))
        };
        let points: Vec<(String, usize)> = counts.into_iter().flat_map(of_call).collect();
        let outcomes = Outcomes::default();
        side_by_side(&points, |(call, at)| outcomes.add(scene.kill(call, *at, &states)));
        outcomes.report("partial restore process, PostgreSQL");
        assert!(outcomes.of("killed in effect") > 0 && outcomes.of("killed with a safety copy, not in effect") > 0);
    }
}
