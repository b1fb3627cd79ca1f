//! Properties of trees and captures: history does not matter, deltas equal full forms, differences equal naive ones.

use std::collections::BTreeMap;

use proptest::prelude::*;
use strongroom_agent::view::{RecordChange, SnapshotView, compare, key_text, parse_key};
use strongroom_core::digest::Profile;

use super::depot::Opened;
use super::host::Host;
use super::table::{Row, Table, Tables};

fn row(id: u64, seed: u64) -> Row {
    let note = (!seed.is_multiple_of(7))
        .then(|| format!("{{\"serial\": \"{:x}\", \"slot\": {}}}", seed.wrapping_mul(0x9e37_79b9), seed % 40));
    vec![
        Some(id.to_string()),
        Some(format!("device-{id:06}")),
        note,
        (!seed.is_multiple_of(3)).then(|| (seed % 1000).to_string()),
    ]
}

fn table(keyed: bool, rows: u64) -> Table {
    let mut table = if keyed { Table::keyed() } else { Table::keyless() };
    table.rows = (0..rows).map(|id| row(id, id)).collect();
    table
}

#[derive(Clone, Debug)]
enum Edit {
    Change(u64, u64),
    Remove(u64),
    Add(u64, u64),
    Duplicate(u64),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        4 => (any::<u64>(), any::<u64>()).prop_map(|(at, seed)| Edit::Change(at, seed)),
        1 => any::<u64>().prop_map(Edit::Remove),
        2 => (0_u64..1_000_000, any::<u64>()).prop_map(|(id, seed)| Edit::Add(id, seed)),
        1 => any::<u64>().prop_map(Edit::Duplicate),
    ];
    prop::collection::vec(edit, 0..60)
}

fn apply(table: &mut Table, edits: &[Edit]) {
    for edit in edits {
        let at = |n: &u64| (*n % table.rows.len().max(1) as u64) as usize;
        match edit {
            Edit::Change(n, seed) if !table.rows.is_empty() => {
                let at = at(n);
                let id = table.rows[at][0].clone().unwrap().parse().unwrap();
                table.rows[at] = row(id, *seed);
            }
            Edit::Remove(n) if !table.rows.is_empty() => {
                table.rows.swap_remove(at(n));
            }
            Edit::Add(id, seed) => {
                let known = table.rows.iter().any(|row| row[0] == Some(id.to_string()));
                if !table.keyed || !known {
                    table.rows.push(row(*id, *seed));
                }
            }
            Edit::Duplicate(n) if !table.keyed && !table.rows.is_empty() => {
                table.rows.push(table.rows[at(n)].clone());
            }
            _ => {}
        }
    }
}

fn naive_difference(before: &[Row], after: &[Row]) -> (u64, u64, u64) {
    let by_key = |rows: &[Row]| rows.iter().map(|row| (row[0].clone(), row.clone())).collect::<BTreeMap<_, _>>();
    let (old, new) = (by_key(before), by_key(after));
    let added = new.keys().filter(|key| !old.contains_key(*key)).count();
    let removed = old.keys().filter(|key| !new.contains_key(*key)).count();
    let changed = new.iter().filter(|(key, row)| old.get(*key).is_some_and(|old| old != *row)).count();
    (added as u64, removed as u64, changed as u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Snapshots after any history have the roots of a first snapshot of the same rows, give back those rows, and
    /// differ from each other exactly as the rows do.
    #[test]
    fn history_does_not_matter(keyed: bool, rows in 0_u64..2500, days in prop::collection::vec(edits(), 1..7)) {
        let host = Host::new();
        let source = Tables::with("public.device", table(keyed, rows));
        host.backup_and_check(&source);
        for day in &days {
            let before = source.tables.lock().unwrap()["public.device"].rows.clone();
            source.edit("public.device", |table| apply(table, day));
            let after = source.tables.lock().unwrap()["public.device"].rows.clone();
            let drift = host.compare(&source);
            let packs_before = Opened::new(&host.depot, &host.epoch);
            let outcome = host.backup_and_check(&source);
            prop_assert!(outcome.classes[0].1.incremental);
            let (seen, drifted) = (outcome.classes[0].1.tally, drift[0].1.as_ref().unwrap().tally);
            prop_assert_eq!(seen, drifted);
            if keyed {
                prop_assert_eq!((seen.added, seen.removed, seen.changed), naive_difference(&before, &after));
                prop_assert_eq!(difference(&host, &packs_before, outcome.sequence), naive_difference(&before, &after));
            }
            // Another host that sees the rows for the first time, in another order, under the same parameters.
            let fresh = Host::new();
            let first = source.tables.lock().unwrap().clone();
            let other = Tables::default();
            *other.tables.lock().unwrap() = first;
            other.edit("public.device", |table| table.rows.reverse());
            let again = fresh.backup(&other).unwrap();
            if again.classes[0].1.params == outcome.classes[0].1.params {
                prop_assert_eq!(again.classes[0].1.root, outcome.classes[0].1.root);
            }
        }
    }
}

/// What differs between a snapshot and the one before, of which only the packs of its own time are at hand.
fn difference(host: &Host, packs_before: &Opened, after: u64) -> (u64, u64, u64) {
    let opened = Opened::new(&host.depot, &host.epoch);
    let (old, new) = (host.body(after - 1), host.body(after));
    let old = SnapshotView::new(packs_before, &host.ids, &old).unwrap();
    let new = SnapshotView::new(&opened, &host.ids, &new).unwrap();
    let mut seen = (0, 0, 0);
    let mut count = |_: &str, change: RecordChange, _: Option<&[u8]>, _: Option<&[u8]>| match change {
        RecordChange::Added => seen.0 += 1,
        RecordChange::Removed => seen.1 += 1,
        RecordChange::Changed => seen.2 += 1,
    };
    let found = compare(&old, &new, None, Some(&mut count)).unwrap();
    assert_eq!(compare(&old, &new, None, None).unwrap(), found);
    let total = found.iter().fold((0, 0, 0), |sum, d| (sum.0 + d.added, sum.1 + d.removed, sum.2 + d.changed));
    assert_eq!(total, seen);
    total
}

#[test]
fn forty_days_of_changes_are_stored_as_short_chains_of_deltas() {
    let host = Host::new();
    let source = Tables::with("public.device", table(true, 20_000));
    let first = host.backup_and_check(&source);
    for day in 1..=40_u64 {
        source.edit("public.device", |table| {
            for n in 0..200 {
                let at = ((n * 97 + day * 7919) % 20_000) as usize;
                let id = table.rows[at][0].clone().unwrap().parse().unwrap();
                table.rows[at] = row(id, day * 1_000_003 + n);
            }
        });
        let outcome = host.backup(&source).unwrap();
        assert!(outcome.classes[0].1.incremental, "day {day}");
        assert!(outcome.bytes_stored * 4 < first.bytes_stored, "day {day}: {} bytes", outcome.bytes_stored);
        if day % 13 == 0 {
            assert_eq!(host.contents(outcome.sequence), source.contents());
        }
    }
    assert_eq!(host.contents(41), source.contents());
    let (full, delta) = Opened::new(&host.depot, &host.epoch).leaf_forms();
    assert!(delta > full * 4, "{full} full forms, {delta} deltas");
}

#[test]
fn a_compacted_image_yields_every_base_that_is_needed_later() {
    use strongroom_agent::cache::{Image, Index, compact};
    use strongroom_core::id::{DomainId, PackId, SourceId};
    use strongroom_core::pack::PackIdentity;
    use strongroom_core::seal::{HostKey, Scope};
    use strongroom_platform::rng::{SystemEntropy, random_array};

    let host = Host::new();
    let source = Tables::with("public.device", table(true, 5000));
    let class = host.backup_and_check(&source).classes[0].1.class;
    for day in 1..=24_u64 {
        source.edit("public.device", |table| {
            for n in 0..100 {
                let at = ((n * 97 + day * 7919) % 5000) as usize;
                table.rows[at] = row(at as u64, day * 1_000_003 + n);
            }
        });
        let outcome = host.backup_and_check(&source);
        assert!(outcome.classes[0].1.incremental, "day {day}");
        if day % 5 == 0 {
            let index = Index::open(&host.cache().join("index")).unwrap();
            let image =
                Image::open(host.disk(), "cache/image", HostKey::new(Profile::Blake3, [9; 32]), &index).unwrap();
            let before = image.bytes().unwrap();
            let identity = || {
                let pack = PackId(random_array(&SystemEntropy).unwrap());
                let scope = Scope::new(Profile::Blake3, DomainId([2; 16]), "test", "local");
                Ok(PackIdentity { pack, source: SourceId([1; 16]), scope })
            };
            compact(&image, &index, &[class], &identity, &SystemEntropy).unwrap();
            assert!(day < 10 || image.bytes().unwrap() <= before);
        }
    }
    let (full, delta) = Opened::new(&host.depot, &host.epoch).leaf_forms();
    assert!(delta > full, "compaction must not end lineages: {full} full forms, {delta} deltas");
}

#[test]
fn a_record_is_found_by_the_text_of_its_key() {
    let host = Host::new();
    let source = Tables::with("public.device", table(true, 5000));
    host.backup(&source).unwrap();
    let (opened, body) = (Opened::new(&host.depot, &host.epoch), host.body(1));
    let view = SnapshotView::new(&opened, &host.ids, &body).unwrap();
    let class = view.class("device").unwrap();
    let mut reader = class.reader();
    for id in [0, 17, 4999] {
        let keys = parse_key(class.schema(), &id.to_string()).unwrap();
        let found = class.find(&mut reader, &keys[0]).unwrap().unwrap();
        assert_eq!(key_text(class.schema(), &found.record).unwrap(), Some(id.to_string()));
    }
    let missing = parse_key(class.schema(), "5000").unwrap();
    assert_eq!(class.find(&mut reader, &missing[0]).unwrap(), None);
    assert!(parse_key(class.schema(), "1,2").is_err());
    assert!(view.class("nothing").is_err());
}

#[test]
fn an_empty_source_and_an_empty_table_have_roots_too() {
    let host = Host::new();
    let source = Tables::default();
    host.backup_and_check(&source);
    source.tables.lock().unwrap().insert("public.device".into(), Table::keyed());
    host.backup_and_check(&source);
    source.edit("public.device", |table| *table = self::table(true, 3));
    host.backup_and_check(&source);
    source.edit("public.device", |table| table.rows.clear());
    host.backup_and_check(&source);
}

#[test]
fn the_fips_profile_stores_and_gives_back_the_same() {
    let host = Host::with_profile(Profile::Fips);
    let source = Tables::with("public.device", table(true, 3000));
    host.backup_and_check(&source);
    source.edit("public.device", |table| table.rows[5] = row(5, 999));
    let outcome = host.backup_and_check(&source);
    assert!(outcome.classes[0].1.incremental);
}

#[test]
fn large_values_are_stored_once_and_given_back() {
    let host = Host::new();
    let source = Tables::with("public.device", table(true, 100));
    let long: String =
        (0..60_000_u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)).collect();
    source.edit("public.device", |table| {
        table.rows[3][2] = Some(long.clone());
        table.rows[4][2] = Some(long.clone() + &long + &long);
        table.rows[5][2] = Some("x".repeat(1025));
    });
    host.backup_and_check(&source);
    source.edit("public.device", |table| table.rows[4][3] = Some("12345".into()));
    let outcome = host.backup_and_check(&source);
    assert!(outcome.bytes_stored < 20_000, "{} bytes for one changed number", outcome.bytes_stored);
}

#[test]
fn added_renamed_and_dropped_columns_keep_the_records_readable() {
    use strongroom_core::record::Codec;
    let host = Host::new();
    let source = Tables::with("public.device", table(true, 1000));
    host.backup_and_check(&source);
    source.edit("public.device", |table| {
        table.columns.push(("owner".into(), Codec::Text));
        table.rows.iter_mut().for_each(|row| row.push(None));
    });
    let added = host.backup_and_check(&source);
    assert_eq!((added.classes[0].1.tally.changed, added.classes[0].1.incremental), (0, true));
    source.edit("public.device", |table| table.columns[1].0 = "label".into());
    let renamed = host.backup_and_check(&source);
    assert_eq!(renamed.classes[0].1.tally.changed, 0);
}

#[test]
fn a_change_of_the_same_columns_in_all_rows_is_stored_once_a_leaf() {
    use strongroom_core::record::Codec;
    let host = Host::new();
    let source = Tables::with("public.device", table(true, 20_000));
    let first = host.backup_and_check(&source);
    let changed_everywhere = |what: &str, edit: fn(&mut Table)| {
        source.edit("public.device", edit);
        let outcome = host.backup_and_check(&source);
        let tally = outcome.classes[0].1.tally;
        assert!(outcome.classes[0].1.incremental && tally.changed > 12_000, "{what}: {tally:?}");
        assert!(outcome.bytes_stored * 8 < first.bytes_stored, "{what}: {} bytes", outcome.bytes_stored);
    };
    changed_everywhere("a constant default", |table| {
        table.columns.push(("tenant".into(), Codec::Text));
        table.rows.iter_mut().for_each(|row| row.push(Some("none assigned so far".into())));
    });
    changed_everywhere("a value that nearly all rows get", |table| {
        for (at, row) in table.rows.iter_mut().enumerate().filter(|(at, _)| at % 50 != 0) {
            row[4] = Some("acme".into());
            row[1] = row[1].take().filter(|_| at % 300 != 1);
        }
    });
    changed_everywhere("a dropped column", |table| {
        table.columns.remove(2);
        table.rows.iter_mut().for_each(|row| drop(row.remove(2)));
    });
}
