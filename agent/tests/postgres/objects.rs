//! Everything that a database can hold beside plain rows: captured, restored, and equal.

use crate::cluster::clusters;
use crate::harness::round_trip;

const SAMPLE: &str = include_str!("sql/sample.sql");

#[test]
fn a_database_with_everything_comes_back_whole() {
    for cluster in clusters("a_database_with_everything_comes_back_whole") {
        cluster.psql("postgres", "DO $$ BEGIN CREATE ROLE keeper; CREATE ROLE reader; EXCEPTION WHEN duplicate_object THEN END $$");
        let database = cluster.database("sample", SAMPLE);
        round_trip(&cluster, &database);
    }
}
