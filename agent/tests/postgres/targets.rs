//! Where a restore goes: empty, in use, half loaded or not there, and what is left when it breaks off.

use std::sync::Arc;

use strongroom_agent::source::{Finding, NativeBlob, SourceError};
use strongroom_agent::target::{FeedRecord, Target};
use strongroom_core::error::Code;

use crate::cluster::{Cluster, clusters};
use crate::harness::{assert_equal, assert_same_dump, capture, plan, restore, source, target};

const DEVICES: &str = "CREATE TABLE device (id int PRIMARY KEY, name text, twin int REFERENCES device);
    INSERT INTO device SELECT n, 'device ' || n, n FROM generate_series(1, 100) n;
    CREATE SEQUENCE s; SELECT nextval('s');";

fn databases(cluster: &Cluster, like: &str) -> Vec<String> {
    let sql = format!("SELECT datname FROM pg_database WHERE datname LIKE '{like}%' ORDER BY 1");
    cluster.query("postgres", &sql).lines().map(str::to_owned).collect()
}

fn messages(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_empty_database_is_loaded_where_it_is() {
    for cluster in clusters("an_empty_database_is_loaded_where_it_is") {
        let database = cluster.database("direct", DEVICES);
        let first = capture(&cluster.url(&database));
        let empty = cluster.database("empty", "");
        let number =
            |name: &str| cluster.query("postgres", &format!("SELECT oid FROM pg_database WHERE datname = '{name}'"));
        let before = number(&empty);
        let findings = restore(&first, &cluster.url(&empty), false, "d1").unwrap();
        assert!(messages(&findings).contains("empty database"), "{findings:?}");
        assert_eq!(number(&empty), before, "the very database");
        assert_same_dump(&cluster, &database, &empty);
        assert_eq!(cluster.query(&empty, "SHOW default_transaction_read_only"), "off");
    }
}

#[test]
fn a_database_in_use_is_replaced_only_when_asked_and_kept() {
    for cluster in clusters("a_database_in_use_is_replaced_only_when_asked_and_kept") {
        let database = cluster.database("origin", DEVICES);
        let first = capture(&cluster.url(&database));
        let used = cluster.database("used", "CREATE TABLE precious (a int); INSERT INTO precious VALUES (1)");
        let error = restore(&first, &cluster.url(&used), false, "x1").unwrap_err();
        assert_eq!(error.code(), Code::TargetNotEmpty);
        assert!(error.to_string().contains("public.precious"), "{error}");

        let mut application = cluster.hold(&used, "SELECT 1;");
        let findings = restore(&first, &cluster.url(&used), true, "x2").unwrap();
        assert!(messages(&findings).contains(&format!("{used}_before_x2")), "{findings:?}");
        assert!(application.is_ended(), "its connection led to what is now another database");
        assert_same_dump(&cluster, &database, &used);
        assert_eq!(cluster.query(&format!("{used}_before_x2"), "SELECT a FROM precious"), "1");
        assert_eq!(databases(&cluster, &used), [used.clone(), format!("{used}_before_x2")]);
    }
}

#[test]
fn a_load_that_is_given_up_leaves_the_target_as_it_was() {
    for cluster in clusters("a_load_that_is_given_up_leaves_the_target_as_it_was") {
        let first = capture(&cluster.url(&cluster.database("origin", DEVICES)));
        let used = cluster.database("used", "CREATE TABLE precious (a int)");
        let empty = cluster.database("empty", "");
        let pristine = cluster.dump_lines(&empty);
        let missing = cluster.name("missing");
        for name in [&used, &empty, &missing] {
            let there = databases(&cluster, name);
            let target = target(&cluster.url(name));
            let load = target.begin(&plan(&first, true, "g1")).unwrap();
            load.load(0, first.schema("public.device"), &mut |take| {
                let rows = &first.rows["public.device"];
                rows.iter().try_for_each(|row| take(&FeedRecord { record: &row.record, large: &row.large }))?;
                Ok(rows.len() as u64)
            })
            .unwrap();
            load.after_data().unwrap();
            load.abandon().unwrap();
            assert_eq!(databases(&cluster, name), there);
        }
        assert_eq!(cluster.dump_lines(&empty), pristine);
        assert_eq!(cluster.query(&used, "SELECT count(*) FROM precious"), "0");
        restore(&first, &cluster.url(&empty), false, "g2").unwrap();
    }
}

#[test]
fn what_is_half_loaded_is_not_taken_for_whole() {
    for cluster in clusters("what_is_half_loaded_is_not_taken_for_whole") {
        let first = capture(&cluster.url(&cluster.database("origin", DEVICES)));
        let empty = cluster.database("half", "");
        let used = cluster.database("busy", "CREATE TABLE precious (a int)");
        // A load that is dropped is what a crash leaves.
        drop(target(&cluster.url(&empty)).begin(&plan(&first, false, "h1")).unwrap());
        drop(target(&cluster.url(&used)).begin(&plan(&first, true, "h2")).unwrap());

        assert_eq!(cluster.query(&empty, "SHOW default_transaction_read_only"), "on");
        let refused = strongroom_agent::source::Source::open(&source(&cluster.url(&empty)), &crate::harness::options());
        assert_eq!(refused.map(|_| ()).unwrap_err().code(), Code::Busy);
        assert_eq!(capture(&cluster.url(&used)).schemas[0].name, "public.precious", "the name leads to what was there");

        let error = restore(&first, &cluster.url(&empty), false, "h3").unwrap_err();
        assert_eq!(error.code(), Code::TargetNotEmpty);
        assert!(error.to_string().contains("h1"), "{error}");
        restore(&first, &cluster.url(&empty), true, "h4").unwrap();
        assert_equal(&first, &capture(&cluster.url(&empty)));
        let findings = restore(&first, &cluster.url(&used), true, "h5").unwrap();
        assert!(messages(&findings).contains("_strongroom_h2 was left over"), "{findings:?}");
    }
}

#[test]
fn a_server_that_lacks_what_is_needed_is_refused_before_anything_is_written() {
    for cluster in clusters("a_server_that_lacks_what_is_needed_is_refused_before_anything_is_written") {
        let mut first = capture(&cluster.url(&cluster.database("origin", DEVICES)));
        let name = cluster.name("never");
        let change = |blobs: &mut Vec<NativeBlob>, role: &str, from: &str, to: &str| {
            let blob = blobs.iter_mut().find(|blob| blob.role == role).unwrap();
            blob.content = String::from_utf8(blob.content.clone()).unwrap().replace(from, to).into_bytes();
        };
        let refused = |error: SourceError, code: Code, words: &str| {
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains(words), "{error}");
        };
        let original = first.blobs.clone();
        change(&mut first.blobs, "extensions", "plpgsql", "no_such_extension");
        refused(
            restore(&first, &cluster.url(&name), false, "m1").unwrap_err(),
            Code::TargetFailed,
            "no_such_extension",
        );
        first.blobs.clone_from(&original);

        let role = cluster.name("creator");
        cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN CREATEDB"));
        change(&mut first.blobs, "roles", "\"name\":\"postgres\"", "\"name\":\"lost_role\"");
        refused(
            restore(&first, &cluster.url_as(&role, &name), false, "m2").unwrap_err(),
            Code::SourcePrivilege,
            "lost_role",
        );
        first.facts.engine = "sqlite".into();
        refused(restore(&first, &cluster.url(&name), false, "m3").unwrap_err(), Code::TargetFailed, "sqlite");
        assert_eq!(databases(&cluster, &name), Vec::<String>::new());
    }
}

#[test]
fn missing_roles_are_made_without_login() {
    for cluster in clusters("missing_roles_are_made_without_login") {
        let role = cluster.name("Owner of \"it\"");
        let quoted = format!("\"{}\"", role.replace('"', "\"\""));
        let database = cluster
            .database("roles", &format!("{DEVICES} CREATE ROLE {quoted} LOGIN; ALTER TABLE device OWNER TO {quoted}"));
        let first = capture(&cluster.url(&database));
        cluster.psql("postgres", &format!("DROP DATABASE {database}; DROP ROLE {quoted}"));
        let copy = cluster.name("copy");
        let findings = restore(&first, &cluster.url(&copy), false, "r1").unwrap();
        assert!(messages(&findings).contains("without login"), "{findings:?}");
        let sql = format!("SELECT rolcanlogin FROM pg_roles WHERE rolname = '{role}'");
        assert_eq!(cluster.query("postgres", &sql), "f");
    }
}

#[test]
fn what_the_login_may_not_set_at_the_end_does_not_make_a_whole_target_a_failure() {
    for cluster in clusters("what_the_login_may_not_set_at_the_end_does_not_make_a_whole_target_a_failure") {
        let role = cluster.name("loader");
        let owned = format!(
            "{DEVICES} CREATE ROLE {role} LOGIN; ALTER TABLE device OWNER TO {role}; ALTER SEQUENCE s OWNER TO {role};
             GRANT ALL ON SCHEMA public TO {role}"
        );
        let database = cluster.database("limited", &owned);
        cluster.psql(
            "postgres",
            &format!("ALTER DATABASE {database} CONNECTION LIMIT 40; GRANT ALL ON DATABASE {database} TO {role}"),
        );
        let first = capture(&cluster.url(&database));
        let empty = cluster.database("empty", &format!("GRANT ALL ON SCHEMA public TO {role}"));
        cluster.psql("postgres", &format!("GRANT ALL ON DATABASE {empty} TO {role}"));
        let findings = restore(&first, &cluster.url_as(&role, &empty), false, "l1").unwrap();
        assert!(messages(&findings).contains("the limit of 40 connections could not be set"), "{findings:?}");
        assert_eq!(cluster.query(&empty, "SELECT count(*) FROM device"), "100");
        restore(&first, &cluster.url_as(&role, &empty), false, "l2").unwrap_err();
    }
}

#[test]
fn rows_that_break_a_constraint_fail_the_load_with_the_servers_words() {
    for cluster in clusters("rows_that_break_a_constraint_fail_the_load_with_the_servers_words") {
        let mut first = capture(&cluster.url(&cluster.database("origin", DEVICES)));
        let name = cluster.name("broken");
        first.rows.get_mut("public.device").unwrap().remove(0);
        restore(&first, &cluster.url(&name), false, "b1").unwrap();
        let twice = first.rows["public.device"][0].clone();
        first.rows.get_mut("public.device").unwrap().push(twice);
        let other = cluster.name("broken");
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            restore(&first, &cluster.url(&other), false, "b2")
        }));
        let error = failed.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::TargetFailed);
        assert!(error.to_string().contains("device_pkey"), "{error}");
    }
}

#[test]
fn a_busy_application_does_not_keep_the_swap_from_happening() {
    for cluster in clusters("a_busy_application_does_not_keep_the_swap_from_happening") {
        let first = capture(&cluster.url(&cluster.database("origin", DEVICES)));
        let used = cluster.database("hot", "CREATE TABLE precious (a int)");
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (server, name, is_over) = (Arc::clone(&cluster), used.clone(), Arc::clone(&stop));
        let application = std::thread::spawn(move || {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                // A pool that opens a new connection whenever one breaks.
                let _ = server.hold(&name, "SELECT 1;").is_ended();
            }
        });
        let restored = restore(&first, &cluster.url(&used), true, "s1");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let _ = application.join();
        restored.unwrap();
        assert_eq!(cluster.query(&used, "SELECT count(*) FROM device"), "100");
    }
}

#[test]
fn a_value_that_is_kept_as_text_is_loaded_as_text_among_binary_rows() {
    use strongroom_agent::source::RowWriter;

    for cluster in clusters("a_value_that_is_kept_as_text_is_loaded_as_text_among_binary_rows") {
        let database = cluster.database(
            "origin",
            "CREATE TABLE t (id int PRIMARY KEY, word text); INSERT INTO t VALUES (1, 'one'), (9, 'nine')",
        );
        let first = capture(&cluster.url(&database));
        let schema = first.schema("public.t");
        let mut odd = Vec::new();
        let mut keep = |row: &strongroom_core::record::Encoded<'_>| {
            odd.extend_from_slice(row.record);
            Ok(())
        };
        let mut rows = RowWriter::new(crate::harness::ids(), schema, &mut keep);
        rows.begin();
        rows.text(0, b"007");
        rows.text(1, b"a\\tb");
        rows.end().unwrap();
        let empty = cluster.database("empty", "");
        let load = target(&cluster.url(&empty)).begin(&plan(&first, false, "v1")).unwrap();
        let sent = load.load(0, schema, &mut |take| {
            let known = &first.rows["public.t"];
            take(&FeedRecord { record: &known[0].record, large: &[] })?;
            take(&FeedRecord { record: &odd, large: &[] })?;
            take(&FeedRecord { record: &known[1].record, large: &[] })?;
            Ok(3)
        });
        assert_eq!(sent.unwrap(), 3);
        load.after_data().unwrap();
        load.publish().unwrap();
        assert_eq!(cluster.query(&empty, "SELECT * FROM t ORDER BY id"), "1|one\n7|a\\tb\n9|nine");
    }
}
