//! What can't be captured or restored is refused with its code, and what changes meanwhile is noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use strongroom_agent::postgres::{OpenStep, PostgresOptions, PostgresSource};
use strongroom_agent::source::{CaptureOptions, RowWriter, Source, SourceError};
use strongroom_core::error::Code;

use crate::cluster::{Cluster, GUARDED_ROLE, clusters};
use crate::harness::{capture, ids, options, source, try_capture};

/// How long a test waits for what must happen.
const DEADLINE_ROUNDS: u32 = 600;

fn source_with(url: &str, change: impl FnOnce(&mut PostgresOptions)) -> PostgresSource {
    let mut options = PostgresOptions::default();
    change(&mut options);
    PostgresSource::new(url, options).unwrap()
}

fn refusal(source: &PostgresSource) -> SourceError {
    match source.open(&options()) {
        Ok(_) => panic!("nothing was refused"),
        Err(error) => error,
    }
}

/// Asks again and again until the condition holds.
fn wait_until(mut holds: impl FnMut() -> bool) {
    let (_keep, never) = sync_channel::<()>(0);
    for _ in 0..DEADLINE_ROUNDS {
        if holds() {
            return;
        }
        let _ = never.recv_timeout(Duration::from_millis(50));
    }
    panic!("it never happened");
}

fn waiting_for_locks(cluster: &Cluster, database: &str) -> bool {
    let sql =
        format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'");
    cluster.query("postgres", &sql) != "0"
}

const DEVICES: &str = "CREATE TABLE device (id int PRIMARY KEY, name text);
    INSERT INTO device SELECT n, 'device ' || n FROM generate_series(1, 10) n;";

#[test]
fn a_table_emptied_between_plan_and_snapshot_is_never_taken_for_the_old_one() {
    for cluster in clusters("a_table_emptied_between_plan_and_snapshot_is_never_taken_for_the_old_one") {
        let database = cluster.database("emptied", DEVICES);
        let seen = Arc::new(AtomicU32::new(0));
        let (counter, server, name) = (Arc::clone(&seen), Arc::clone(&cluster), database.clone());
        let source = source_with(&cluster.url(&database), |options| {
            options.observer = Some(Arc::new(move |step| {
                if step == OpenStep::Listed && counter.fetch_add(1, Ordering::Relaxed) == 0 {
                    server.psql(&name, "BEGIN; TRUNCATE device; INSERT INTO device VALUES (77, 'new'); COMMIT");
                }
            }));
        });
        let found = try_capture(&source, &options()).unwrap();
        assert_eq!(found.column("public.device", "id"), [b"77"], "what was committed before the snapshot is in it");
        assert_eq!(seen.load(Ordering::Relaxed), 2, "the first listing was of another table");
    }
}

#[test]
fn once_locked_a_table_can_not_be_emptied_under_the_capture() {
    for cluster in clusters("once_locked_a_table_can_not_be_emptied_under_the_capture") {
        let database = cluster.database("locked", DEVICES);
        let (server, name) = (Arc::clone(&cluster), database.clone());
        let source = source_with(&cluster.url(&database), |options| {
            options.observer = Some(Arc::new(move |step| {
                if step == OpenStep::Locked || step == OpenStep::Exported {
                    let script = "DO $$ BEGIN SET LOCAL lock_timeout = '50ms'; TRUNCATE device; RAISE 'emptied';
                        EXCEPTION WHEN lock_not_available THEN END $$; INSERT INTO device SELECT max(id) + 1, 'late' FROM device;";
                    server.psql(&name, script);
                }
            }));
        });
        let found = try_capture(&source, &options()).unwrap();
        assert_eq!(found.rows["public.device"].len(), 11, "a row before the snapshot is in it, one after it is not");
    }
}

#[test]
fn tables_that_keep_changing_end_the_capture() {
    for cluster in clusters("tables_that_keep_changing_end_the_capture") {
        let database = cluster.database("changing", DEVICES);
        let (server, name) = (Arc::clone(&cluster), database.clone());
        let count = AtomicU32::new(0);
        let source = source_with(&cluster.url(&database), |options| {
            options.observer = Some(Arc::new(move |step| {
                if step == OpenStep::Listed {
                    server.psql(&name, &format!("CREATE TABLE t{} (a int)", count.fetch_add(1, Ordering::Relaxed)));
                }
            }));
        });
        let error = refusal(&source);
        assert_eq!(error.code(), Code::SourceChanged);
        assert!(error.to_string().contains("public.t2 is new"), "{error}");
    }
}

#[test]
fn a_dropped_table_is_planned_anew() {
    for cluster in clusters("a_dropped_table_is_planned_anew") {
        let database = cluster.database("dropped", &format!("{DEVICES} CREATE TABLE other (a int)"));
        let (server, name) = (Arc::clone(&cluster), database.clone());
        let source = source_with(&cluster.url(&database), |options| {
            options.observer = Some(Arc::new(move |step| {
                if step == OpenStep::Listed {
                    server.psql(&name, "DROP TABLE IF EXISTS other; ALTER TABLE device ADD IF NOT EXISTS size int");
                }
            }));
        });
        let found = try_capture(&source, &options()).unwrap();
        assert_eq!(found.schemas.len(), 1);
        assert_eq!(found.schema("public.device").columns.len(), 3);
    }
}

#[test]
fn a_capture_gives_up_when_others_queue_behind_it() {
    for cluster in clusters("a_capture_gives_up_when_others_queue_behind_it") {
        let database = cluster.database("queue", DEVICES);
        let source =
            source_with(&cluster.url(&database), |options| options.others_wait_max = Duration::from_millis(300));
        let cut = source.open(&options()).unwrap();
        cut.check().unwrap();
        let (server, name) = (Arc::clone(&cluster), database.clone());
        let change = std::thread::spawn(move || server.psql(&name, "ALTER TABLE device ADD size int"));
        let mut given_up = None;
        wait_until(|| {
            given_up = cut.check().err();
            given_up.is_some()
        });
        let error = given_up.unwrap();
        assert_eq!(error.code(), Code::SourceLocked);
        assert!(error.to_string().contains("device"), "{error}");
        cut.close().unwrap();
        change.join().unwrap();
    }
}

#[test]
fn a_locked_table_is_not_waited_for_without_bound() {
    for cluster in clusters("a_locked_table_is_not_waited_for_without_bound") {
        let database = cluster.database("busy", DEVICES);
        let holder = cluster.hold(&database, "BEGIN; LOCK TABLE device IN ACCESS EXCLUSIVE MODE;");
        let source = source_with(&cluster.url(&database), |options| {
            options.lock_wait = Duration::from_millis(50);
            options.lock_attempts = 2;
        });
        assert_eq!(refusal(&source).code(), Code::SourceLocked);
        drop(holder);
        capture(&cluster.url(&database));
    }
}

#[test]
fn rows_hidden_by_row_security_refuse_the_capture() {
    for cluster in clusters("rows_hidden_by_row_security_refuse_the_capture") {
        let role = cluster.name("limited");
        let script = format!(
            "{DEVICES} CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
             ALTER TABLE device ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON device USING (id < 3);"
        );
        let database = cluster.database("hidden", &script);
        let url = cluster.url_as(&role, &database);
        let error = refusal(&source(&url));
        assert_eq!(error.code(), Code::SourcePrivilege);
        assert!(error.to_string().contains("public.device") && error.to_string().contains("BYPASSRLS"), "{error}");
        assert_eq!(source(&url).inspect().unwrap().hidden, ["public.device"]);

        cluster.psql("postgres", &format!("ALTER ROLE {role} BYPASSRLS"));
        assert_eq!(capture(&url).rows["public.device"].len(), 10);
    }
}

#[test]
fn a_login_that_may_not_read_is_told_what_to_grant() {
    for cluster in clusters("a_login_that_may_not_read_is_told_what_to_grant") {
        let role = cluster.name("stranger");
        let database = cluster.database("unreadable", &format!("{DEVICES} CREATE ROLE {role} LOGIN"));
        let error = refusal(&source(&cluster.url_as(&role, &database)));
        assert_eq!(error.code(), Code::SourcePrivilege);
        assert!(error.to_string().contains("public.device"), "{error}");
        let inspection = source(&cluster.url_as(&role, &database)).inspect().unwrap();
        assert_eq!(inspection.unreadable, ["public.device"]);
        assert!(!inspection.login.is_superuser);
    }
}

#[test]
fn a_connection_that_is_ended_while_reading_is_lost() {
    for cluster in clusters("a_connection_that_is_ended_while_reading_is_lost") {
        let script = "CREATE TABLE big (id int PRIMARY KEY, pad text);
            INSERT INTO big SELECT n, repeat('x', 500) FROM generate_series(1, 50000) n;";
        let database = cluster.database("lost", script);
        let cut = source(&cluster.url(&database)).open(&options()).unwrap();
        let mut is_ended = false;
        let mut consume = |_: &strongroom_core::record::Encoded<'_>| {
            if !is_ended {
                is_ended = true;
                let end =
                    format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
                cluster.psql("postgres", &end);
            }
            Ok(())
        };
        let mut rows = RowWriter::new(ids(), &cut.classes()[0].schema, &mut consume);
        let error = cut.read(0, 0, 0, &mut rows).unwrap_err();
        assert_eq!(error.code(), Code::SourceLost, "{error}");
        assert_eq!(cut.read(0, 0, 0, &mut rows).unwrap_err().code(), Code::SourceLost, "a broken lane stays broken");
        assert!(cut.check().is_err());
    }
}

#[test]
fn logins_and_addresses_that_do_not_work_say_so() {
    for cluster in clusters("logins_and_addresses_that_do_not_work_say_so") {
        let database = cluster.database("login", DEVICES);
        let url = cluster.url_as(GUARDED_ROLE.0, &database);
        assert_eq!(refusal(&source(&url)).code(), Code::SourceLogin);
        let wrong = source_with(&url, |options| options.password = Some("wrong".into()));
        assert_eq!(refusal(&wrong).code(), Code::SourceLogin);
        let right = source_with(&url, |options| options.password = Some(GUARDED_ROLE.1.into()));
        assert_eq!(try_capture(&right, &options()).unwrap().records(), 10);
        assert_eq!(refusal(&source(&cluster.url("no_such_database"))).code(), Code::SourceUnreachable);
        assert_eq!(refusal(&source("postgres:///a?host=/no/such/folder&user=a")).code(), Code::SourceUnreachable);
    }
}

#[test]
fn definitions_need_a_pg_dump_that_is_new_enough() {
    for cluster in clusters("definitions_need_a_pg_dump_that_is_new_enough") {
        let database = cluster.database("tool", DEVICES);
        let source = source_with(&cluster.url(&database), |options| options.pg_dump = Some("/no/such/pg_dump".into()));
        let cut = source.open(&options()).unwrap();
        let error = cut.blobs().unwrap_err();
        assert_eq!(error.code(), Code::SourceVersion);
        assert!(error.to_string().contains("postgresql-client"), "{error}");
        cut.close().unwrap();
        let records_only = CaptureOptions { records_only: true, ..options() };
        let blobs = try_capture(&source, &records_only).unwrap().blobs;
        let roles: Vec<&str> = blobs.iter().map(|blob| blob.role.as_str()).collect();
        assert_eq!(roles, ["sequences", "fingerprint"], "these need no tool");
    }
}

#[test]
fn a_database_under_restore_is_not_captured() {
    for cluster in clusters("a_database_under_restore_is_not_captured") {
        let script = format!("{DEVICES} CREATE SCHEMA strongroom_restore_in_progress;");
        let database = cluster.database("marked", &script);
        assert_eq!(refusal(&source(&cluster.url(&database))).code(), Code::Busy);
        assert!(!source(&cluster.url(&database)).inspect().unwrap().findings.is_empty());
    }
}

#[test]
fn nothing_of_a_capture_is_left_behind() {
    for cluster in clusters("nothing_of_a_capture_is_left_behind") {
        let database = cluster.database("clean", DEVICES);
        capture(&cluster.url(&database));
        assert!(!waiting_for_locks(&cluster, &database));
        wait_until(|| {
            let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
            cluster.query("postgres", &sql) == "0"
        });
    }
}
