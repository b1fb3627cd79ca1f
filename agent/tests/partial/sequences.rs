//! Sequences that others count on while a restore moves them: they never go back.

use strongroom_agent::live::{Intent, LiveTarget as _};
use strongroom_agent::postgres::{PostgresLive, PostgresOptions, PostgresSource};
use strongroom_agent::source::{Finding, Severity};

use crate::cluster::{Cluster, clusters};
use crate::harness::rows;

/// Moves the sequence of the one table past the values of its rows.
fn advance(cluster: &Cluster, database: &str, role: &str) -> Vec<Finding> {
    let source = PostgresSource::new(&cluster.url(database), PostgresOptions::default()).unwrap();
    let all = rows(&source);
    let target = PostgresLive::new(&cluster.url_as(role, database), &PostgresOptions::default()).unwrap();
    let mut session = target.connect().unwrap();
    session.begin(Intent::Write, &[]).unwrap();
    let class = session.describe(&[("public.log", Some(&all[0].0))]).unwrap().pop().flatten().unwrap();
    let made: Vec<_> = all.iter().map(|(_, _, row)| row).collect();
    let findings = session.advance(&class, &made).unwrap();
    session.commit().unwrap();
    findings
}

fn table(first: u64) -> String {
    format!("CREATE TABLE log (id bigserial PRIMARY KEY); INSERT INTO log VALUES ({first});")
}

#[test]
fn a_sequence_that_others_move_meanwhile_does_not_go_back() {
    for cluster in clusters("a_sequence_that_others_move_meanwhile_does_not_go_back") {
        let database = cluster.database("overtaken", &table(10_000_000));
        let mut other = cluster.hold(&database, "BEGIN; ALTER SEQUENCE log_id_seq INCREMENT BY 1;");
        let findings = std::thread::scope(|scope| {
            let run = scope.spawn(|| advance(&cluster, &database, "postgres"));
            let waits = "SELECT 1 FROM pg_locks WHERE relation = 'log_id_seq'::regclass AND NOT granted";
            cluster.wait_for(&database, waits);
            other.go_on("DO $$ BEGIN PERFORM setval('log_id_seq', 20000000); END $$; COMMIT;");
            run.join().unwrap()
        });
        assert_eq!(cluster.query(&database, "SELECT last_value FROM log_id_seq"), "20000000");
        assert_eq!(findings, []);
    }
}

#[test]
fn a_sequence_goes_any_way_forward_that_nobody_can_be_hurt_by() {
    for cluster in clusters("a_sequence_goes_any_way_forward_that_nobody_can_be_hurt_by") {
        let role = cluster.name("clerk");
        cluster.psql("postgres", &format!("CREATE ROLE {role} LOGIN"));
        let grant = format!("GRANT ALL ON log TO {role}; GRANT ALL ON log_id_seq TO {role};");
        for (role, most, script, moved, told) in [
            ("postgres", 900, "", "900|t", Severity::Info),
            ("postgres", 50_000_000, "", "50000000|t", Severity::Info),
            (&role, 900_000, "", "900000|t", Severity::Info),
            (&role, 50_000_000, "", "1|f", Severity::Warning),
            ("postgres", 900, "ALTER SEQUENCE log_id_seq MAXVALUE 900 CYCLE", "1|f", Severity::Warning),
        ] {
            let database = cluster.database("forward", &[&table(most), &grant, script].concat());
            let findings = advance(&cluster, &database, role);
            assert_eq!(
                cluster.query(&database, "SELECT last_value, is_called FROM log_id_seq"),
                moved,
                "{role} {most}"
            );
            assert_eq!(findings.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [told], "{role} {most}");
            if told == Severity::Info {
                assert_eq!(advance(&cluster, &database, role), [], "it is there");
            }
        }
    }
}
