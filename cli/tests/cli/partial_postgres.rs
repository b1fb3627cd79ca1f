//! Classes and records of PostgreSQL databases, brought back into the database in use, and undone again.

use std::process::Command;

use serde_json::Value;

use crate::cluster::{Cluster, clusters};
use crate::harness::{Place, Ran};
use crate::not_run::corpus;

/// A room, and a database that is registered in it, with a snapshot.
pub(crate) struct Live<'a> {
    pub(crate) place: Place,
    pub(crate) cluster: &'a Cluster,
    pub(crate) database: String,
    first: Value,
}

impl<'a> Live<'a> {
    pub(crate) fn new(cluster: &'a Cluster, word: &str, script: &str) -> Self {
        let place = Place::empty();
        let database = cluster.database(word, script);
        place.run(&["init"]).done();
        place.run(&["source", "add", "live", &cluster.url(&database)]).done();
        let first = place.json(&["backup", "live"]);
        Self { place, cluster, database, first }
    }

    pub(crate) fn change(&self, script: &str) {
        self.cluster.psql(&self.database, script);
    }

    pub(crate) fn query(&self, sql: &str) -> String {
        self.cluster.query(&self.database, sql)
    }

    pub(crate) fn restore_as(&self, role: &str, arguments: &[&str]) -> Ran {
        self.command_as(role, arguments).output().unwrap().into()
    }

    /// A restore that has not begun.
    pub(crate) fn command_as(&self, role: &str, arguments: &[&str]) -> Command {
        let url = self.cluster.url_as(role, &self.database);
        self.place.command(&[&["restore", self.first["snapshot"].as_str().unwrap(), "--to", &url], arguments].concat())
    }

    pub(crate) fn restore(&self, arguments: &[&str]) -> Ran {
        self.restore_as("postgres", arguments)
    }

    fn undo(&self, summary: &Value) -> Value {
        let id = summary["restore"].as_str().unwrap();
        self.place.json(&["restore", "--undo", id, "--to", &self.cluster.url(&self.database), "--yes"])
    }

    /// The classes that differ from the first snapshot.
    pub(crate) fn drift(&self) -> Vec<String> {
        let drifted = self.place.json(&["drift", "live"]);
        drifted["classes"].as_array().unwrap().iter().map(ToString::to_string).collect()
    }

    /// Damages and restores: all is as it was.
    pub(crate) fn there(&self, damage: &str, arguments: &[&str]) -> (Vec<String>, Value) {
        self.change(damage);
        let damaged = self.drift();
        assert_ne!(damaged, Vec::<String>::new(), "{damage}");
        let ran = self.restore(&[arguments, &["--yes", "--json"]].concat()).done();
        let summary = ran.documents().pop().unwrap();
        assert_eq!((&summary["root_equal"], self.drift()), (&true.into(), Vec::new()), "{damage}");
        (damaged, summary)
    }

    /// Damages, restores, undoes and undoes that again: each time the untouched rest is as it was.
    pub(crate) fn there_and_back(&self, damage: &str, arguments: &[&str]) {
        let (damaged, summary) = self.there(damage, arguments);
        let undone = self.undo(&summary);
        assert_eq!(self.drift(), damaged, "{damage}");
        self.undo(&undone);
        assert_eq!(self.drift(), Vec::<String>::new(), "{damage}");
    }

    /// A second snapshot has the root of the first.
    fn assert_same_root(&self) {
        let second = self.place.json(&["backup", "live"]);
        let ids = [&self.first, &second].map(|taken| taken["snapshot"].as_str().unwrap());
        assert_eq!(self.place.json(&["diff", ids[0], ids[1]])["equal"], true);
    }
}

pub(crate) fn conflicts(plan: &Value) -> Vec<String> {
    let records = plan["plan"].as_array().unwrap().iter();
    let all = records.flat_map(|record| record["conflicts"].as_array().unwrap());
    all.map(|conflict| conflict["kind"].as_str().unwrap().to_owned()).collect()
}

const ODD: &str = "CREATE TYPE state AS ENUM ('up', 'down');
    CREATE TABLE node (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(20) NOT NULL UNIQUE, up bigint
        REFERENCES node, state state, tags text[], doc jsonb, raw bytea, price numeric(8, 2), at timestamptz,
        twice text GENERATED ALWAYS AS (name || name) STORED, CHECK (name <> ''));
    CREATE TABLE pair (a bigint REFERENCES node, b text, note text, PRIMARY KEY (a, b));
    CREATE TABLE egg (id int PRIMARY KEY, hen int);
    CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL REFERENCES egg);
    ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen;
    CREATE TABLE log (id serial PRIMARY KEY, what text);
    CREATE TABLE loose (x text);
    CREATE TABLE django_content_type (id int PRIMARY KEY, app_label text, model text, UNIQUE (app_label, model));
    CREATE TABLE tagged (id int PRIMARY KEY, content_type_id int REFERENCES django_content_type);
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO public.log (what) VALUES (TG_OP); NEW.doc := ''{\"touched\": true}''; RETURN NEW; END';
    CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON node FOR EACH ROW EXECUTE FUNCTION noted();
    ALTER TABLE node DISABLE TRIGGER noted;
    INSERT INTO node (name, up, state, tags, doc, raw, price, at) VALUES
        ('it''s \\ one', NULL, 'up', '{a,\"b c\",NULL}', '{\"k\": [1]}', '\\x00ff', 1.50, '2026-01-02 03:04:05+01'),
        ('two', 1, 'down', NULL, NULL, NULL, NULL, NULL), ('three', 2, NULL, '{}', 'null', '', 0, 'infinity');
    ALTER TABLE node ENABLE TRIGGER noted;
    INSERT INTO pair VALUES (1, 'x', E'tab\\tline\\n'), (1, '', NULL), (3, 'a,b', repeat('long ', 1000));
    INSERT INTO egg VALUES (1, NULL); INSERT INTO hen VALUES (1, 1); UPDATE egg SET hen = 1;
    INSERT INTO loose VALUES ('x');
    INSERT INTO django_content_type VALUES (1, 'dcim', 'device'), (2, 'dcim', 'rack'); INSERT INTO tagged VALUES (1, 1);";

#[test]
fn values_keys_circles_and_trees_of_any_kind_come_back() {
    for cluster in clusters("values_keys_circles_and_trees_of_any_kind_come_back") {
        let live = Live::new(&cluster, "odd", ODD);
        let quiet = "SET session_replication_role TO replica;";
        live.there(&format!("{quiet} DELETE FROM node"), &["--class", "node"]);
        live.there_and_back("DELETE FROM pair; DELETE FROM node", &["--class", "node", "--class", "pair"]);
        live.there_and_back(
            &format!("{quiet} DELETE FROM pair; UPDATE node SET price = 7, tags = NULL, raw = '\\x01'"),
            &["--class", "pair", "--class", "public.node"],
        );
        live.there_and_back("DELETE FROM pair WHERE a = 3", &["--record", "pair:3,a%2Cb"]);
        live.there_and_back(
            &format!("{quiet} DELETE FROM egg; DELETE FROM hen"),
            &["--record", "hen:1", "--with-references"],
        );
        live.there(&format!("{quiet} DELETE FROM node WHERE id < 3"), &["--record", "node:2", "--with-references"]);
        live.there(
            &format!("{quiet} DELETE FROM node WHERE id = 1; DELETE FROM pair WHERE a = 1"),
            &["--record", "node:1", "--with-owned"],
        );
        live.assert_same_root();
        assert_eq!(live.query("SELECT count(*) FROM log"), "0", "triggers must not fire");
        assert_eq!(live.query("SELECT last_value FROM node_id_seq"), "3");
    }
}

#[test]
fn sequences_go_forward_and_triggers_that_can_not_be_silenced_are_told() {
    for cluster in clusters("sequences_go_forward_and_triggers_that_can_not_be_silenced_are_told") {
        let live = Live::new(&cluster, "sequences", ODD);
        live.change("DELETE FROM pair; DELETE FROM node; ALTER TABLE node ALTER id RESTART WITH 1");
        live.restore(&["--class", "node"]).done();
        assert_eq!(live.query("SELECT last_value, is_called FROM node_id_seq"), "3|t");
        live.change("SELECT setval('node_id_seq', 5000); DELETE FROM node WHERE id = 3");
        live.restore(&["--record", "node:3"]).done();
        assert_eq!(live.query("SELECT last_value FROM node_id_seq"), "5000");

        let role = cluster.name("clerk");
        live.change(&format!(
            "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}; DELETE FROM node WHERE id = 3"
        ));
        let plan =
            live.restore_as(&role, &["--record", "node:3", "--plan", "--json"]).done().documents().pop().unwrap();
        assert!(plan["findings"].to_string().contains("may not silence"), "{plan:#}");
        let ran = live.restore_as(&role, &["--record", "node:3"]).ended_with(1);
        assert!(ran.err.contains("SR0056"), "the trigger changes the record: {ran:?}");
        assert_eq!(live.query("SELECT count(*) FROM node WHERE id = 3"), "0");
        live.change("DELETE FROM pair WHERE a = 1 AND b = 'x'; INSERT INTO pair VALUES (1, 'new', NULL)");
        let ran = live.restore_as(&role, &["--class", "pair", "--with-references", "--yes"]);
        assert!(ran.err.contains("SR0056"), "{ran:?}");
        live.change("DROP TRIGGER noted ON node");
        live.restore_as(&role, &["--class", "pair", "--with-references", "--yes"]).done();
        assert_eq!(live.query("SELECT count(*) FROM pair"), "4");
    }
}

#[test]
fn what_stands_against_a_restore_is_told_before_and_refused() {
    for cluster in clusters("what_stands_against_a_restore_is_told_before_and_refused") {
        let live = Live::new(&cluster, "conflicts", ODD);
        let plan = |arguments: &[&str]| {
            live.restore(&[arguments, &["--plan", "--json"]].concat()).done().documents().pop().unwrap()
        };
        live.change(
            "ALTER TABLE node DISABLE TRIGGER noted; DELETE FROM pair; DELETE FROM node WHERE id = 3;
             INSERT INTO node (name) VALUES ('three')",
        );
        assert_eq!(conflicts(&plan(&["--record", "node:3"])), ["unique_taken"]);
        live.restore(&["--record", "node:3", "--on-conflict", "overwrite"]).ended_with(1);
        assert_eq!(conflicts(&plan(&["--record", "pair:3,a%2Cb"])), ["missing_parent"]);
        live.change("INSERT INTO pair VALUES (4, 'z', NULL)");
        let extra = plan(&["--class", "node", "--delete-extra"]);
        assert!(conflicts(&extra).contains(&"referred".to_owned()), "{extra:#}");

        live.change(
            "DELETE FROM tagged; UPDATE django_content_type SET model = 'x' WHERE id = 1;
             UPDATE django_content_type SET model = 'device' WHERE id = 2; UPDATE django_content_type SET model = 'rack' WHERE id = 1",
        );
        assert_eq!(conflicts(&plan(&["--record", "tagged:1"])), ["type_differs"]);
        live.restore(&["--record", "tagged:1", "--yes"]).ended_with(1);

        live.change("ALTER TABLE tagged ADD COLUMN must int NOT NULL, DROP COLUMN content_type_id");
        let mut kinds = conflicts(&plan(&["--record", "tagged:1"]));
        kinds.sort();
        assert_eq!(kinds, ["no_column", "no_default"]);

        for (arguments, code) in [
            (&["--class", "loose"][..], 1),
            (&["--class", "nowhere"], 1),
            (&["--record", "node:x"], 1),
            (&["--record", "node:1,2"], 2),
        ] {
            live.restore(arguments).ended_with(code);
        }
        live.change("ALTER TABLE hen RENAME TO rooster");
        live.restore(&["--class", "hen"]).ended_with(1);
        let reader = cluster.name("reader");
        live.change(&format!("CREATE ROLE {reader} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}"));
        let ran = live.restore_as(&reader, &["--class", "node", "--yes"]).ended_with(1);
        assert!(ran.err.contains("may not read and write it"), "{ran:?}");
    }
}

#[test]
fn a_locked_row_is_not_waited_for_without_bound() {
    for cluster in clusters("a_locked_row_is_not_waited_for_without_bound") {
        let live = Live::new(&cluster, "locked", ODD);
        live.change("UPDATE pair SET note = 'other' WHERE b = 'x'");
        let holder = cluster.hold(&live.database, "BEGIN; SELECT FROM pair WHERE b = 'x' FOR UPDATE;");
        live.restore(&["--record", "pair:1,x", "--yes"]).ended_with(11);
        drop(holder);
        live.restore(&["--record", "pair:1,x", "--yes"]).done();
        assert_eq!(live.drift(), Vec::<String>::new());
    }
}

#[test]
fn netbox_loses_records_classes_and_neighbourhoods_and_gets_them_back() {
    let test = "netbox_loses_records_classes_and_neighbourhoods_and_gets_them_back";
    let Some(packed) = corpus("netbox-demo-4.1.sql.zst", test) else { return };
    let dump = String::from_utf8(zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap()).unwrap();
    for cluster in clusters(test) {
        cluster.psql("postgres", "DO $$ BEGIN CREATE ROLE netbox; EXCEPTION WHEN duplicate_object THEN END $$");
        let live = Live::new(&cluster, "netbox", &dump);
        let quiet = "SET session_replication_role TO replica;";
        let device = live.query("SELECT device_id FROM dcim_interface GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1");
        let parts = "dcim_interface dcim_consoleport dcim_powerport dcim_consoleserverport dcim_poweroutlet \
            dcim_frontport dcim_rearport dcim_devicebay dcim_modulebay dcim_inventoryitem dcim_module";
        let damage: Vec<String> =
            parts.split_whitespace().map(|table| format!("DELETE FROM {table} WHERE device_id = {device};")).collect();
        let record = format!("dcim_device:{device}");
        live.there(
            &format!("{quiet} {} DELETE FROM dcim_device WHERE id = {device}", damage.concat()),
            &["--record", &record, "--with-owned", "--with-references"],
        );
        // What the application deletes with a device although no key of the database says that it belongs to it.
        let of_type = |model: &str| {
            format!("(SELECT id FROM django_content_type WHERE app_label = 'dcim' AND model = '{model}')")
        };
        let (devices, interfaces) = (of_type("device"), of_type("interface"));
        let own_interfaces = format!("(SELECT id FROM dcim_interface WHERE device_id = {device})");
        let undeclared = format!(
            "DELETE FROM dcim_cabletermination WHERE _device_id = {device};
            DELETE FROM extras_taggeditem WHERE content_type_id = {devices} AND object_id = {device};
            DELETE FROM ipam_ipaddress
                WHERE assigned_object_type_id = {interfaces} AND assigned_object_id IN {own_interfaces};"
        );
        let gone = format!("{quiet} {undeclared} {} DELETE FROM dcim_device WHERE id = {device}", damage.concat());
        live.there_and_back(&gone, &["--record", &record, "--with-owned", "--with-references"]);
        // A cable's end comes back with what it is plugged into, which only its type and number tell.
        let end = live.query(&format!(
            "SELECT id || ' ' || termination_id FROM dcim_cabletermination WHERE termination_type_id = {interfaces} LIMIT 1"
        ));
        let (end, interface) = end.split_once(' ').unwrap();
        let unplugged = format!(
            "{quiet} DELETE FROM dcim_cabletermination WHERE id = {end}; DELETE FROM dcim_interface WHERE id = {interface}"
        );
        let record = format!("dcim_cabletermination:{end}");
        live.change(&unplugged);
        let planned = live.restore(&["--record", &record, "--plan", "--json"]).done().documents().pop().unwrap();
        assert_eq!(conflicts(&planned), ["dangling"]);
        live.restore(&["--record", &record]).ended_with(2);
        live.restore(&["--record", &record, "--with-references"]).done();
        live.assert_same_root();
        live.there_and_back(
            "UPDATE dcim_device SET comments = 'moved', serial = '' WHERE id % 7 = 0",
            &["--class", "dcim_device"],
        );
        live.there(
            &format!("{quiet} DELETE FROM dcim_site; DELETE FROM dcim_region"),
            &["--class", "dcim_site", "--class", "dcim_region"],
        );
        let site = live.query("SELECT min(id) FROM dcim_site");
        live.there_and_back(
            &format!("UPDATE dcim_site SET name = name || ' (old)' WHERE id = {site}"),
            &["--record", &format!("public.dcim_site:{site}")],
        );
        live.assert_same_root();
        live.restore(&["--class", "django_migrations"]).ended_with(1);
    }
}
