//! Data that nobody here wrote, of two well-known CMDBs, from `$STRONGROOM_CORPORA`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{clusters, not_run};
use crate::harness::{capture, round_trip};

/// The file of a corpus, or a note that the test could not run.
fn corpus(name: &str, test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("STRONGROOM_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"), PathBuf::from);
    let path = folder.join(name);
    if path.is_file() {
        return Some(path);
    }
    not_run(test, &format!("the corpus {name}"));
    None
}

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
