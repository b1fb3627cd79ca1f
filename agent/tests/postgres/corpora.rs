//! Data that nobody here wrote, of two well-known CMDBs, from `$STRONGROOM_CORPORA`.

use std::process::Command;

use crate::cluster::clusters;
use crate::harness::{capture, round_trip};
use crate::not_run::corpus;

#[test]
fn netbox_comes_back_record_by_record() {
    let test = "netbox_comes_back_record_by_record";
    let Some(packed) = corpus("netbox-demo-4.1.sql.zst", test) else { return };
    let dump = String::from_utf8(zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap()).unwrap();
    for cluster in clusters(test) {
        cluster.psql("postgres", "DO $$ BEGIN CREATE ROLE netbox; EXCEPTION WHEN duplicate_object THEN END $$");
        let database = cluster.database("netbox", &dump);
        let (first, _) = round_trip(&cluster, &database);
        assert!(first.schemas.len() >= 180 && first.records() > 20_000, "{} {}", first.schemas.len(), first.records());
        let references: usize = first.schemas.iter().map(|schema| schema.references.len()).sum();
        let declared = cluster.query(&database, "SELECT count(*) FROM pg_constraint WHERE contype = 'f'");
        assert_eq!(references.to_string(), declared);

        cluster.psql(&database, "UPDATE dcim_device SET comments = 'moved' WHERE id % 7 = 0");
        let second = capture(&cluster.url(&database));
        let changed = |class: &str| first.rows[class] != second.rows[class];
        assert!(changed("public.dcim_device") && !changed("public.dcim_site"));
    }
}

#[test]
fn nautobot_comes_back_record_by_record() {
    let test = "nautobot_comes_back_record_by_record";
    let Some(packed) = corpus("nautobot-1.5.16-postgres.tar.gz", test) else { return };
    let unpacked = Command::new("tar").arg("-xzOf").arg(packed).output().unwrap();
    let dump = String::from_utf8(unpacked.stdout).unwrap();
    for cluster in clusters(test) {
        cluster.psql("postgres", "DO $$ BEGIN CREATE ROLE nautobot; EXCEPTION WHEN duplicate_object THEN END $$");
        let database = cluster.database("nautobot", &dump);
        let (first, _) = round_trip(&cluster, &database);
        assert!(first.schemas.len() >= 100 && first.records() > 1_000, "{} {}", first.schemas.len(), first.records());
    }
}
