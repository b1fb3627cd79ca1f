//! What a server's catalog says of its health before any row is read.

use std::time::Duration;

use strongroom_agent::postgres::{PostgresOptions, PostgresSource};
use strongroom_agent::source::{Finding, Severity, Source};

use crate::cluster::clusters;
use crate::harness::options;

fn findings(url: &str, long_transaction: Duration) -> Vec<Finding> {
    let source = PostgresSource::new(url, PostgresOptions { long_transaction, ..PostgresOptions::default() }).unwrap();
    let cut = source.open(&options()).unwrap();
    let findings = cut.facts().findings.clone();
    cut.close().unwrap();
    findings
}

#[test]
fn what_is_invalid_or_in_the_way_is_told_before_the_capture() {
    const SCRIPT: &str = "
        CREATE TABLE device (id int PRIMARY KEY, name text, site int);
        INSERT INTO device VALUES (1, 'a', 1), (2, 'a', 0);
        CREATE UNIQUE INDEX device_name ON device (name, id);
        CREATE INDEX device_site ON device (site);
        ALTER TABLE device ADD CONSTRAINT device_has_site CHECK (site > 0) NOT VALID;
        ALTER TABLE device ADD CONSTRAINT device_has_name CHECK (name <> '')";
    const MANY_YEARS: Duration = Duration::from_secs(1 << 30);
    for cluster in clusters("what_is_invalid_or_in_the_way_is_told_before_the_capture") {
        let database = cluster.database("health", SCRIPT);
        // As a build that broke off leaves it.
        let broken = "UPDATE pg_index SET indisvalid = false
            WHERE indexrelid IN ('device_name'::regclass, 'device_site'::regclass)";
        cluster.psql(&database, broken);
        let holder = cluster.hold(&database, "BEGIN; INSERT INTO device VALUES (3, 'c', 1);");
        let url = cluster.url(&database);
        let found = findings(&url, Duration::ZERO);
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning), "{found:?}");
        let about = |subject: &str| {
            let of: Vec<_> = found.iter().filter(|finding| finding.subject.contains(subject)).collect();
            assert_eq!(of.len(), 1, "{subject}: {found:?}");
            of[0].message.clone()
        };
        assert!(about("public.device_name").contains("would fail a restore"));
        assert!(about("public.device_site").contains("build it again or drop it"));
        assert!(about("device, device_has_site").contains("NOT VALID"));
        assert!(about("server process").contains("has a transaction open since"));
        assert_eq!(found.len(), 4, "{found:?}");
        drop(holder);
        assert_eq!(findings(&url, MANY_YEARS).len(), 3);
    }
}
