//! What a restore into a PostgreSQL database in use checks, and what it leaves to the server: triggers, references that
//! others make meanwhile, and whatever the planner can't look at.

use std::fs::File;

use serde_json::Value;

use crate::cluster::clusters;
use crate::harness::Ran;
use crate::partial_postgres::{Live, conflicts};

fn plan(live: &Live<'_>, arguments: &[&str]) -> Value {
    live.restore(&[arguments, &["--plan", "--json"]].concat()).done().documents().pop().unwrap()
}

fn messages(document: &Value) -> Vec<String> {
    let findings = document["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["message"].as_str().unwrap().to_owned()).collect()
}

/// Tables with a trigger, so that restores would silence it, and with it the server's own checks.
const TRIGGERED: &str = "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
    CREATE TABLE whole (id int PRIMARY KEY, part int REFERENCES part, code int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE plain (id int PRIMARY KEY, code int);
    CREATE TABLE child (id int PRIMARY KEY, plain int REFERENCES plain);
    CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON whole FOR EACH ROW EXECUTE FUNCTION noted();
    CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION noted();
    CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON child FOR EACH ROW EXECUTE FUNCTION noted();
    INSERT INTO part VALUES (1); INSERT INTO plain VALUES (1), (2); INSERT INTO child VALUES (1, 1);
    INSERT INTO whole VALUES (1, 1, 1);";

#[test]
fn triggers_are_told_as_they_fire() {
    let script = "CREATE TABLE log (who text, sync text);
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO public.log VALUES (TG_NAME, current_setting('synchronous_commit')); RETURN NEW; END $$;
        CREATE TABLE node (id int PRIMARY KEY);
        INSERT INTO node VALUES (1);
        CREATE TRIGGER ordinary BEFORE INSERT ON node FOR EACH ROW EXECUTE FUNCTION noted();
        CREATE TRIGGER never BEFORE INSERT ON node FOR EACH ROW EXECUTE FUNCTION noted();
        CREATE TRIGGER always BEFORE INSERT ON node FOR EACH ROW EXECUTE FUNCTION noted();
        CREATE TRIGGER replication BEFORE INSERT ON node FOR EACH ROW EXECUTE FUNCTION noted();
        ALTER TABLE node DISABLE TRIGGER never, ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER replication;
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit TO off', current_database()); END $$";
    for cluster in clusters("triggers_are_told_as_they_fire") {
        let live = Live::new(&cluster, "triggers", script);
        live.change("DELETE FROM node");
        let told = messages(&plan(&live, &["--record", "node:1"]));
        assert_eq!(
            told,
            [
                "the triggers ordinary do not fire: what they keep elsewhere stays as it is",
                "the triggers always, replication fire although others are silenced",
            ]
        );
        live.restore(&["--record", "node:1"]).done();
        // What is noted as committed must last, whatever the database is set to.
        assert_eq!(
            live.query("SELECT string_agg(who || ' ' || sync, ', ' ORDER BY who) FROM log"),
            "always on, replication on"
        );
        live.change("DELETE FROM node; DROP TRIGGER ordinary ON node; DELETE FROM log");
        let told = messages(&plan(&live, &["--record", "node:1"]));
        assert_eq!(told, ["the triggers always fire, since nothing keeps them from it"]);
        live.restore(&["--record", "node:1"]).done();
        assert_eq!(live.query("SELECT string_agg(who, ', ') FROM log"), "always");
    }
}

#[test]
fn what_the_planner_can_not_look_at_is_left_to_the_server() {
    for cluster in clusters("what_the_planner_can_not_look_at_is_left_to_the_server") {
        let live = Live::new(&cluster, "server_checks", TRIGGERED);
        live.change("DELETE FROM whole; DELETE FROM part");
        let told = messages(&plan(&live, &["--record", "whole:1"])).concat();
        assert!(told.contains("whole_code_key of public.whole may be checked late"), "{told}");
        live.restore(&["--record", "whole:1"]).ended_with(1);
        live.change("INSERT INTO part VALUES (1); INSERT INTO whole VALUES (2, 1, 1)");
        live.restore(&["--record", "whole:1"]).ended_with(1);
        assert_eq!(live.query("SELECT count(*) FROM whole"), "1", "a code that is taken is not given twice");
        live.change("DELETE FROM whole; ALTER TABLE whole DROP CONSTRAINT whole_code_key; DELETE FROM part");
        let told = messages(&plan(&live, &["--record", "whole:1"])).concat();
        assert!(told.contains("public.part, to which public.whole refers, is no plain table"), "{told}");
        live.restore(&["--record", "whole:1"]).ended_with(1);
        assert_eq!(live.query("SELECT count(*) FROM whole"), "0", "no reference may lead nowhere");
        live.change("INSERT INTO part VALUES (1)");
        live.restore(&["--record", "whole:1"]).done();

        if cluster.version() >= 15 {
            let role = cluster.name("clerk");
            live.change(&format!(
                "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON child TO {role};
                 GRANT SELECT ON plain TO {role}; GRANT SET ON PARAMETER session_replication_role TO {role};
                 DELETE FROM child"
            ));
            let ran = live.restore_as(&role, &["--record", "child:1", "--json"]).done();
            let told = messages(&ran.documents().pop().unwrap()).concat() + &ran.err;
            assert!(!told.contains("do not fire"), "parents that can't be locked are left to the server: {told}");
        }
    }
}

#[test]
fn a_reference_that_is_made_meanwhile_is_not_left_behind() {
    for cluster in clusters("a_reference_that_is_made_meanwhile_is_not_left_behind") {
        let live = Live::new(&cluster, "meanwhile", TRIGGERED);
        live.change("INSERT INTO plain VALUES (3); UPDATE plain SET code = 1 WHERE id = 2");
        let mut other = cluster.hold(&live.database, "BEGIN; INSERT INTO child VALUES (3, 3);");
        let arguments = ["--class", "plain", "--delete-extra", "--yes"];
        let run = live.command_as("postgres", &arguments).spawn().unwrap();
        cluster.wait_for(
            "postgres",
            &format!("SELECT 1 FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'", live.database),
        );
        other.go_on("COMMIT;");
        let ran = Ran::from(run.wait_with_output().unwrap()).ended_with(1);
        assert!(ran.err.contains("SR0057"), "{ran:?}");
        assert_eq!(
            live.query("SELECT count(*) FROM child LEFT JOIN plain ON plain.id = plain WHERE plain.id IS NULL"),
            "0"
        );
        live.change("DELETE FROM child WHERE id = 3");
        live.restore(&arguments).done();
        assert_eq!(live.drift(), Vec::<String>::new());
    }
}

#[test]
fn partitions_that_refer_to_partitions_are_seen() {
    let script = "CREATE TABLE up (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE up_1 PARTITION OF up FOR VALUES FROM (0) TO (100);
        CREATE TABLE down (id int PRIMARY KEY, up int REFERENCES up) PARTITION BY RANGE (id);
        CREATE TABLE down_1 PARTITION OF down FOR VALUES FROM (0) TO (100);
        INSERT INTO up VALUES (1); INSERT INTO down VALUES (1, 1);";
    for cluster in clusters("partitions_that_refer_to_partitions_are_seen") {
        let live = Live::new(&cluster, "partitions", script);
        live.change("INSERT INTO up VALUES (2); INSERT INTO down VALUES (2, 2)");
        let told = conflicts(&plan(&live, &["--class", "up_1", "--delete-extra"]));
        assert!(told.contains(&"referred".to_owned()), "{told:?}");
        // The server checks at once: what is referred to must come first, by whatever name the reference leads there.
        live.change("DELETE FROM down; DELETE FROM up");
        live.restore(&["--class", "down_1", "--class", "up_1"]).done();
        assert_eq!(live.drift(), Vec::<String>::new());
        live.change("INSERT INTO up VALUES (2)");
        live.restore(&["--class", "up_1", "--delete-extra", "--yes"]).done();
        assert_eq!(live.drift(), Vec::<String>::new());
    }
}

#[test]
fn a_reference_that_was_let_go_of_is_whole_again() {
    let script =
        "CREATE TABLE node (site int, id int, name text UNIQUE, up_site int, up_id int, PRIMARY KEY (site, id),
            FOREIGN KEY (up_site, up_id) REFERENCES node);
        INSERT INTO node VALUES (1, 3, 'top', NULL, NULL), (1, 2, 'x', 1, 3);";
    for cluster in clusters("a_reference_that_was_let_go_of_is_whole_again") {
        let live = Live::new(&cluster, "composite", script);
        // 2 must wait until 1, which has its name, is gone; 1 until 2 refers to it no more.
        live.there_and_back(
            "UPDATE node SET name = 'y' WHERE id = 2; INSERT INTO node VALUES (1, 1, 'x', NULL, NULL);
             UPDATE node SET up_id = 1 WHERE id = 2",
            &["--class", "node", "--delete-extra"],
        );
    }
}

#[test]
fn restores_of_one_room_go_one_by_one_and_plans_beside_them() {
    for cluster in clusters("restores_of_one_room_go_one_by_one_and_plans_beside_them") {
        let live = Live::new(&cluster, "alone", TRIGGERED);
        live.change("UPDATE plain SET code = 1");
        let lock = File::create(live.place.room().join("state/restores.lock")).unwrap();
        lock.lock().unwrap();
        let refused = live.restore(&["--class", "plain", "--yes"]).ended_with(11);
        assert!(refused.err.contains("another restore"), "{refused:?}");
        plan(&live, &["--class", "plain"]);
        lock.unlock().unwrap();
        live.restore(&["--class", "plain", "--yes"]).done();
    }
}
