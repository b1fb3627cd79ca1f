//! The outlook over made-up ledgers and classes.

use std::collections::BTreeMap;

use strongroom_core::id::{ClassId, ClassRoot, HeadHash, SchemaDigest, SnapshotId, SnapshotRoot};
use strongroom_core::record::{Codec, Column, ColumnId, KeySpec};
use strongroom_core::tree::params::TreeParams;

use super::*;
use crate::ledger::LedgerClass;

fn schema(name: &str, columns: &[(&str, &str)]) -> ClassSchema {
    let columns = (1..).zip(columns).map(|(id, (name, source_type))| Column {
        id: ColumnId(id),
        name: (*name).into(),
        source_type: (*source_type).into(),
        codec: Codec::Dynamic,
        nullable: true,
        source_ordinal: id,
    });
    let key = KeySpec::Columns(vec![ColumnId(1)]);
    ClassSchema { name: name.into(), columns: columns.collect(), key, references: Vec::new(), dropped_id_max: 0 }
}

fn class(schema: ClassSchema, bytes_estimate: u64) -> CutClass {
    CutClass { schema, parts: 1, records_estimate: 0, bytes_estimate, skipped: None }
}

fn known(schema: ClassSchema, records: u64) -> LedgerClass {
    let params = TreeParams::calc(records, 0);
    let (root, schema_digest) = (ClassRoot([0; 32]), SchemaDigest([0; 32]));
    LedgerClass { id: ClassId([0; 16]), root, params, schema, schema_digest, records }
}

const PLAIN: &[(&str, &str)] = &[("id", "int"), ("name", "text")];

fn ledger(classes: &[(&str, u64)], finished: i64) -> Ledger {
    Ledger {
        sequence: 1,
        head_hash: HeadHash([0; 32]),
        snapshot: SnapshotId([0; 16]),
        root: SnapshotRoot([0; 32]),
        classes: classes.iter().map(|(name, records)| ((*name).into(), known(schema(name, PLAIN), *records))).collect(),
        left_out: BTreeSet::new(),
        gone: BTreeSet::new(),
        finished: Some(WallTime(finished)),
        blobs: Vec::new(),
    }
}

fn outlook<'a>(before: &'a Ledger, classes: &'a [CutClass]) -> Outlook<'a> {
    Outlook { before: Some(before), classes, profile: None, now: WallTime(0), room_bytes_free: None }
}

fn told(findings: &[Finding]) -> BTreeMap<&str, (Severity, &str)> {
    findings.iter().map(|found| (found.subject.as_str(), (found.severity, found.message.as_str()))).collect()
}

#[test]
fn a_class_that_is_gone_is_told_once() {
    let mut before = ledger(&[("device", 70), ("site", 3)], 0);
    let now = [class(schema("site", PLAIN), 0), class(schema("rack", PLAIN), 0)];
    let findings = outlook(&before, &now).findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    let (severity, message) = told(&findings)["device"];
    assert!(severity == Severity::Warning && message.contains("70 records"), "{message}");
    before.gone.insert("device".into());
    assert_eq!(outlook(&before, &now).findings(), []);
}

#[test]
fn a_source_that_has_nothing_of_the_old_one_is_asked_about_first() {
    let before = ledger(&[("device", 70), ("site", 3)], 0);
    let now = [class(schema("other", PLAIN), 0)];
    let findings = outlook(&before, &now).findings();
    assert_eq!((findings.len(), findings[0].subject.as_str()), (3, "the source"));
}

#[test]
fn many_that_are_gone_become_a_number() {
    let names: Vec<String> = (0..NAMED_MAX + 5).map(|n| format!("c{n:02}")).collect();
    let classes: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).chain([("site", 1)]).collect();
    let before = ledger(&classes, 0);
    let now = [class(schema("site", PLAIN), 0)];
    let findings = outlook(&before, &now).findings();
    assert_eq!((findings.len(), findings[NAMED_MAX].subject.as_str()), (NAMED_MAX + 1, "5 more classes"));
}

#[test]
fn another_shape_is_told_in_words() {
    let before = ledger(&[("site", 3)], 0);
    let changed = |columns| outlook(&before, &[class(schema("site", columns), 0)]).findings();
    assert_eq!(changed(PLAIN), []);
    let findings = changed(&[("id", "bigint"), ("label", "text")]);
    let (severity, message) = told(&findings)["site"];
    assert_eq!(severity, Severity::Info);
    for part in ["lost the columns name", "new columns label", "the type of id from int to bigint"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn clocks_that_went_back_and_old_snapshots_are_told() {
    let now = [class(schema("site", PLAIN), 0)];
    let at = |taken: i64| {
        let before = ledger(&[("site", 3)], taken);
        outlook(&before, &now).findings().first().map(|finding| finding.severity)
    };
    assert_eq!(at(1), Some(Severity::Warning));
    assert_eq!((at(0), at(-7 * MICROS_PER_DAY)), (None, None));
    assert_eq!(at(-8 * MICROS_PER_DAY), Some(Severity::Info));
}

#[test]
fn space_is_compared_with_what_is_new() {
    let before = ledger(&[("site", 3)], 0);
    let now = [class(schema("site", PLAIN), 1 << 40), class(schema("rack", PLAIN), 100 << 20)];
    let with = |free| Outlook { room_bytes_free: Some(free), ..outlook(&before, &now) };
    assert_eq!(with(100 << 20).findings(), []);
    let findings = with(99 << 20).findings();
    assert!(told(&findings)["the room"].1.contains("99 MiB left"), "{findings:?}");
    assert_eq!((with(ROOM_BYTES_MIN).too_few_bytes(), with(5).too_few_bytes()), (None, Some(5)));
}
