//! What goes wrong around a capture, and what must not: a restore never yields anything but what the source held.

use strongroom_core::error::Code;

use super::copy_dir::copy_dir;
use super::host::Host;
use super::table::{Table, Tables};

fn source() -> Tables {
    let mut table = Table::keyed();
    table.rows = (0..4000_u32)
        .map(|id| vec![Some(id.to_string()), Some(format!("name {id}")), None, Some((id % 9).to_string())])
        .collect();
    Tables::with("public.device", table)
}

fn touch(source: &Tables, day: u32) {
    source.edit("public.device", |table| {
        for at in (day as usize..4000).step_by(101) {
            table.rows[at][1] = Some(format!("name {at} of day {day}"));
        }
    });
}

#[test]
fn a_lost_cache_costs_one_full_store() {
    let (host, source) = (Host::new(), source());
    let first = host.backup_and_check(&source);
    std::fs::remove_dir_all(host.cache()).unwrap();
    touch(&source, 1);
    let second = host.backup_and_check(&source);
    assert!(!second.classes[0].1.incremental);
    assert_eq!(second.classes[0].1.class, first.classes[0].1.class, "the class keeps its id and its tree line");
    touch(&source, 2);
    assert!(host.backup_and_check(&source).classes[0].1.incremental);
}

#[test]
fn a_cache_that_is_rolled_back_is_not_used() {
    let (host, source) = (Host::new(), source());
    host.backup_and_check(&source);
    let kept = host.dir.path().join("kept");
    copy_dir(&host.cache(), &kept);
    touch(&source, 1);
    host.backup_and_check(&source);
    std::fs::remove_dir_all(host.cache()).unwrap();
    copy_dir(&kept, &host.cache());
    touch(&source, 2);
    assert!(!host.backup_and_check(&source).classes[0].1.incremental);
}

#[test]
fn a_cache_that_is_ahead_is_not_used() {
    let (host, source) = (Host::new(), source());
    host.backup_and_check(&source);
    let kept = host.dir.path().join("kept");
    copy_dir(&host.dir.path().join("state"), &kept);
    touch(&source, 1);
    host.backup_and_check(&source);
    // The depot and the ledger go back, the cache does not.
    host.depot.manifests.lock().unwrap().remove(&2);
    std::fs::remove_dir_all(host.dir.path().join("state")).unwrap();
    copy_dir(&kept, &host.dir.path().join("state"));
    assert!(!host.backup_and_check(&source).classes[0].1.incremental);
}

#[test]
fn an_image_that_is_lost_or_damaged_makes_the_class_whole_again() {
    for damage in [true, false] {
        let (host, source) = (Host::new(), source());
        host.backup_and_check(&source);
        for entry in std::fs::read_dir(host.cache().join("image")).unwrap() {
            let path = entry.unwrap().path();
            if damage {
                let mut bytes = std::fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x40;
                std::fs::write(&path, bytes).unwrap();
            } else {
                std::fs::remove_file(&path).unwrap();
            }
        }
        touch(&source, 1);
        host.backup_and_check(&source);
        touch(&source, 2);
        host.backup_and_check(&source);
    }
}

#[test]
fn a_commit_whose_answer_is_lost_is_adopted() {
    let (host, source) = (Host::new(), source());
    host.backup_and_check(&source);
    touch(&source, 1);
    *host.depot.lose_acknowledgement.lock().unwrap() = true;
    assert_eq!(host.backup(&source).unwrap_err().code(), Code::VolumeFailed);
    *host.depot.lose_acknowledgement.lock().unwrap() = false;
    touch(&source, 2);
    let third = host.backup_and_check(&source);
    assert_eq!(third.sequence, 3);
}

#[test]
fn a_connection_lost_while_reading_commits_nothing() {
    let (host, source) = (Host::new(), source());
    host.backup_and_check(&source);
    touch(&source, 1);
    let broken = Tables { fail_after: Some(700), ..source.clone() };
    assert_eq!(host.backup(&broken).unwrap_err().code(), Code::SourceLost);
    assert_eq!(host.depot.manifests.lock().unwrap().len(), 1);
    let next = host.backup_and_check(&source);
    assert!(next.classes[0].1.incremental);
    assert_eq!(next.sequence, 2);
}

#[test]
fn rows_that_do_not_arrive_make_the_snapshot_incomplete() {
    let (host, source) = (Host::new(), source());
    let thinned = Tables { hide_rows: 1, ..source };
    let outcome = host.backup(&thinned).unwrap();
    assert!(!outcome.complete);
    assert!(outcome.findings.iter().any(|finding| finding.subject == "public.device"));
}

#[test]
fn two_rows_under_one_key_are_refused() {
    let (host, source) = (Host::new(), source());
    source.edit("public.device", |table| table.rows.push(table.rows[9].clone()));
    assert!(host.backup(&source).is_err());
    assert!(host.depot.manifests.lock().unwrap().is_empty());
}

#[test]
fn a_depot_that_is_full_ends_the_backup_and_commits_nothing() {
    let (host, source) = (Host::new(), source());
    source.edit("public.device", |table| {
        table.rows = (0..60_000_u64)
            .map(|id| {
                let noise = (0..6).map(|n| format!("{:016x}", (id * 6 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                vec![Some(id.to_string()), Some(noise.collect()), None, None]
            })
            .collect();
    });
    *host.depot.room.lock().unwrap() = Some(100_000);
    assert_eq!(host.backup(&source).unwrap_err().code(), Code::NoSpace);
    assert!(host.depot.manifests.lock().unwrap().is_empty());
    *host.depot.room.lock().unwrap() = None;
    host.backup_and_check(&source);
}

#[test]
fn a_ledger_that_was_rolled_back_is_refused_before_anything_is_read() {
    let (host, source) = (Host::new(), source());
    host.backup_and_check(&source);
    let kept = host.dir.path().join("kept");
    copy_dir(&host.dir.path().join("state"), &kept);
    touch(&source, 1);
    host.backup_and_check(&source);
    std::fs::remove_dir_all(host.dir.path().join("state")).unwrap();
    copy_dir(&kept, &host.dir.path().join("state"));
    let packs = host.depot.packs.lock().unwrap().len();
    assert_eq!(host.backup(&source).unwrap_err().code(), Code::LedgerBehind);
    assert_eq!(host.depot.packs.lock().unwrap().len(), packs);
}

#[test]
fn a_class_that_was_empty_gets_leaves_of_a_fit_size_once_it_has_records() {
    let (host, source) = (Host::new(), Tables::with("public.device", Table::keyed()));
    host.backup_and_check(&source);
    source.edit("public.device", |table| {
        table.rows = (0..500).map(|id| vec![Some(id.to_string()), Some("x".repeat(900)), None, None]).collect();
    });
    let outcome = host.backup_and_check(&source);
    assert!(outcome.classes[0].1.params.leaf_records_target < 100);
}

#[test]
fn many_equal_rows_without_a_key_cost_no_more_than_others() {
    let host = Host::new();
    let mut table = Table::keyless();
    table.rows = vec![vec![Some("7".into()), Some("same".into()), None, None]; 60_000];
    let source = Tables::with("public.device", table);
    host.backup_and_check(&source);
    source.edit("public.device", |table| table.rows.truncate(59_000));
    let outcome = host.backup_and_check(&source);
    assert_eq!((outcome.classes[0].1.tally.removed, outcome.classes[0].1.tally.added), (1000, 0));
}
