//! Everything that a database can hold beside plain rows: captured, restored, and equal.

use strongroom_agent::fingerprint::Fingerprint;

use crate::cluster::{Cluster, clusters};
use crate::harness::{Capture, capture, round_trip};
use crate::not_run::not_run;

const SAMPLE: &str = include_str!("sql/sample.sql");

/// The sample, without what the server was built without.
fn sample(cluster: &Cluster, test: &str) -> String {
    let mut script = SAMPLE.to_owned();
    if cluster.query("postgres", "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'") == "0" {
        not_run(test, "a server with ICU, for its collations");
        script = script.replace("(provider = icu, locale = 'und-u-kn-true')", "(locale = 'C')");
    }
    for extension in ["ltree", "citext", "hstore"] {
        let sql = format!("SELECT count(*) FROM pg_available_extensions WHERE name = '{extension}'");
        if cluster.query("postgres", &sql) == "0" {
            not_run(test, &format!("the extension {extension}: install postgresql-contrib"));
            let without = script.replace(&format!("CREATE EXTENSION {extension};"), "");
            script = without
                .replace("CREATE INDEX site_path_gist ON site USING gist (path);", "")
                .replace(extension, "text");
        }
    }
    script
}

#[test]
fn a_database_with_everything_comes_back_whole() {
    let test = "a_database_with_everything_comes_back_whole";
    for cluster in clusters(test) {
        cluster.psql(
            "postgres",
            "DO $$ BEGIN CREATE ROLE keeper; CREATE ROLE reader; EXCEPTION WHEN duplicate_object THEN END $$",
        );
        let database = cluster.database("sample", &sample(&cluster, test));
        let (first, copy) = round_trip(&cluster, &database);
        let class = first.schema("Odd schema.\"a.b \"\"c\"\"\nd\"");
        assert_eq!(
            class.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
            ["x.y", "say \"hi\"", "new\nline", "sélect"]
        );
        assert_eq!(first.rows["inventory.log"].len(), 10, "equal rows of a class without a key are all there");
        assert_eq!(first.rows["inventory.nothing_at_all"].len(), 2);
        assert_eq!(first.rows["inventory.child"].len(), 2, "rows of inheriting tables are their own");
        assert!(!first.schemas.iter().any(|schema| schema.name == "inventory.event"), "only leaves have rows");
        assert!(first.skipped["inventory.remote"].contains("foreign table"), "{:?}", first.skipped);
        let unlogged = first.facts.findings.iter().find(|finding| finding.subject == "inventory.cache");
        assert!(unlogged.unwrap().message.contains("unlogged"));

        // Both go on as one would: sequences, triggers and generated columns work in the copy.
        let next = "INSERT INTO inventory.device (slots) VALUES (4) RETURNING id, total";
        let touched = "UPDATE inventory.device SET size = 1 WHERE id = 1000 RETURNING updated IS NOT NULL";
        assert_eq!(cluster.query(&copy, next), cluster.query(&database, next));
        assert_eq!(cluster.query(&copy, touched), "t");
    }
}

#[test]
fn columns_keep_their_ids_through_changes_of_the_table() {
    use strongroom_agent::source::CaptureOptions;

    for cluster in clusters("columns_keep_their_ids_through_changes_of_the_table") {
        let database = cluster.database(
            "ids",
            "CREATE TABLE t (a int PRIMARY KEY, b text, c date); INSERT INTO t VALUES (1, 'x', '2020-01-01')",
        );
        let first = capture(&cluster.url(&database));
        cluster.psql(&database, "ALTER TABLE t RENAME b TO renamed; ALTER TABLE t ADD d int; ALTER TABLE t DROP c");
        let earlier = first.schemas.iter().map(|schema| (schema.name.clone(), schema.clone())).collect();
        let options = CaptureOptions { earlier, ..crate::harness::options() };
        let source = crate::harness::source(&cluster.url(&database));
        let second = crate::harness::try_capture(&source, &options).unwrap();
        let ids = |capture: &Capture| {
            let columns = capture.schema("public.t").columns.iter();
            columns.map(|column| (column.id.0, column.name.clone())).collect::<Vec<_>>()
        };
        assert_eq!(ids(&first), [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
        assert_eq!(ids(&second), [(1, "a".into()), (2, "renamed".into()), (4, "d".into())]);
    }
}

/// `NetBox` 4.7 deletes what hangs on a record by triggers; dumps that were restored without them looked whole.
#[test]
fn what_a_restore_loses_beside_its_rows_is_told_by_the_fingerprint() {
    for cluster in clusters("what_a_restore_loses_beside_its_rows_is_told_by_the_fingerprint") {
        let script = "CREATE TABLE site (id int PRIMARY KEY, name text);
            CREATE TABLE device (id int PRIMARY KEY, site int CONSTRAINT of_site REFERENCES site);
            CREATE FUNCTION cascade() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN DELETE FROM device WHERE site = OLD.id; RETURN OLD; END';
            CREATE TRIGGER cascade BEFORE DELETE ON site FOR EACH ROW EXECUTE FUNCTION cascade();
            CREATE VIEW sites AS SELECT name FROM site; COMMENT ON TABLE site IS 'where';
            INSERT INTO site VALUES (1, 'Bremen'); INSERT INTO device VALUES (1, 1)";
        let losses = [
            ("DROP TRIGGER cascade ON site", "cascade"),
            ("ALTER TABLE site DISABLE TRIGGER cascade", "cascade"),
            (
                "CREATE OR REPLACE FUNCTION cascade() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
                "cascade",
            ),
            ("ALTER TABLE device DROP CONSTRAINT of_site", "of_site"),
            ("DROP VIEW sites", "sites"),
            ("COMMENT ON TABLE site IS NULL", "site"),
            ("GRANT SELECT ON device TO PUBLIC", "device"),
        ];
        let whole = capture(&cluster.url(&cluster.database("whole", script)));
        let fingerprint = |capture: &Capture| Fingerprint::from_blob(capture.blob("fingerprint")).unwrap();
        for (loss, named) in losses {
            let lost = capture(&cluster.url(&cluster.database("lost", &format!("{script}; {loss}"))));
            let differences = fingerprint(&whole).differences(&fingerprint(&lost));
            assert!(!differences.is_empty(), "{loss}");
            assert!(differences.iter().all(|difference| difference.object.contains(named)), "{loss}: {differences:?}");
        }
    }
}
