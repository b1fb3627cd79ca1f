//! What holds for sources of any kind.

use std::collections::BTreeSet;

use strongroom_agent::source::{RowWriter, SourceError};
use strongroom_core::error::Code;

use crate::agent::{Agent, ids};
use crate::fixture::{FILLED, Fixture};
use crate::reading::{open, place, read_class, read_part, read_side_by_side};

/// Records after which a reader is told to stop.
const STOP_AFTER: u64 = 3;

pub(crate) fn a_cut_describes_itself(fixture: &dyn Fixture) {
    fixture.fill();
    fixture.make_odd_things();
    let cut = open(fixture.source().as_ref());
    assert!(!cut.facts().engine.is_empty() && !cut.facts().engine_version.is_empty());
    assert!(!cut.facts().database.is_empty());
    let names: Vec<_> = cut.classes().iter().map(|class| class.schema.name.clone()).collect();
    assert!(names.is_sorted() && names.len() == names.iter().collect::<BTreeSet<_>>().len(), "{names:?}");
    for class in cut.classes() {
        class.schema.validate().unwrap();
        assert!(class.parts >= 1, "{}", class.schema.name);
    }
    let blobs = cut.blobs().unwrap();
    let roles: BTreeSet<_> = blobs.iter().map(|blob| blob.role.as_str()).collect();
    assert!(roles.contains("fingerprint") && roles.len() == blobs.len(), "{roles:?}");
    cut.check().unwrap();
    cut.close().unwrap();
}

pub(crate) fn every_record_comes_once_over_all_parts_and_lanes(fixture: &dyn Fixture) {
    fixture.fill();
    let cut = open(fixture.source().as_ref());
    let class = place(cut.as_ref(), &fixture.filled());
    assert!(cut.classes()[class].parts > 1, "the fixture makes enough for several parts");
    let mut found = read_side_by_side(cut.as_ref()).remove(&fixture.filled()).unwrap();
    let mut again = read_class(cut.as_ref(), class).unwrap();
    cut.close().unwrap();
    assert_eq!(found.len() as u64, FILLED);
    found.sort();
    again.sort();
    assert!(found == again, "the same records, whoever reads them");
    found.dedup_by(|a, b| a.0 == b.0);
    assert_eq!(found.len() as u64, FILLED, "each key once");
}

pub(crate) fn everything_comes_back(fixture: &dyn Fixture) {
    fixture.fill();
    fixture.make_odd_things();
    let agent = Agent::new();
    let snapshot = agent.back_up(fixture.source().as_ref());
    agent.restore(&snapshot, fixture.target().as_ref());
    let (before, after) = (fixture.plain(), fixture.plain_of_target());
    let only = |left: &[String], right: &[String]| {
        left.iter().filter(|line| !right.contains(line)).take(10).cloned().collect::<Vec<_>>()
    };
    assert!(before == after, "lost {:?}\ngained {:?}", only(&before, &after), only(&after, &before));
}

pub(crate) fn nothing_changes_between_equal_snapshots(fixture: &dyn Fixture) {
    fixture.fill();
    fixture.make_odd_things();
    let agent = Agent::new();
    let first = agent.back_up(fixture.source().as_ref());
    for (name, class) in agent.drift(fixture.source().as_ref()) {
        let known = first.classes.iter().find(|(known, _)| *known == name).unwrap();
        assert_eq!(class.root, known.1.root, "{name}");
    }
    let second = agent.back_up(fixture.source().as_ref());
    assert_eq!(first.root, second.root);
    assert!(second.classes.iter().all(|(_, class)| class.tally.added + class.tally.changed + class.tally.removed == 0));
}

pub(crate) fn a_change_is_seen(fixture: &dyn Fixture) {
    fixture.fill();
    let agent = Agent::new();
    let first = agent.back_up(fixture.source().as_ref());
    fixture.touch();
    let drift = agent.drift(fixture.source().as_ref());
    let tally = drift[&fixture.filled()].tally;
    assert_eq!((tally.added, tally.removed, tally.changed), (0, 0, 1));
    let second = agent.back_up(fixture.source().as_ref());
    assert_ne!(first.root, second.root);
    agent.restore(&second, fixture.target().as_ref());
    assert_eq!(fixture.plain(), fixture.plain_of_target());
}

pub(crate) fn an_empty_source_is_a_source(fixture: &dyn Fixture) {
    let agent = Agent::new();
    let snapshot = agent.back_up(fixture.source().as_ref());
    let records: u64 = snapshot.classes.iter().map(|(_, class)| class.tally.records).sum();
    assert!(records <= 1, "the root of a tree is a record too");
    agent.restore(&snapshot, fixture.target().as_ref());
    fixture.fill();
    agent.back_up(fixture.source().as_ref());
}

pub(crate) fn reading_ends_when_it_is_told_to(fixture: &dyn Fixture) {
    fixture.fill();
    let cut = open(fixture.source().as_ref());
    let class = place(cut.as_ref(), &fixture.filled());
    let mut taken = 0;
    let mut consume = |_: &strongroom_core::record::Encoded<'_>| {
        taken += 1;
        if taken < STOP_AFTER { Ok(()) } else { Err(SourceError::Stopped) }
    };
    let mut rows = RowWriter::new(ids(), &cut.classes()[class].schema, &mut consume);
    let outcome = cut.read(0, class, 0, &mut rows);
    assert!(matches!(outcome, Err(SourceError::Stopped)), "{outcome:?}");
    assert_eq!(taken, STOP_AFTER, "nothing is handed on after that");
    cut.close().unwrap();
    assert!(fixture.is_free());
}

pub(crate) fn a_cut_that_ends_holds_nothing(fixture: &dyn Fixture) {
    fixture.fill();
    let closed = open(fixture.source().as_ref());
    read_side_by_side(closed.as_ref());
    closed.close().unwrap();
    assert!(fixture.is_free(), "after close");
    let dropped = open(fixture.source().as_ref());
    read_class(dropped.as_ref(), place(dropped.as_ref(), &fixture.filled())).unwrap();
    drop(dropped);
    assert!(fixture.is_free(), "after a cut was dropped");
}

pub(crate) fn a_capture_writes_nothing(fixture: &dyn Fixture) {
    fixture.fill();
    fixture.make_odd_things();
    let before = fixture.trace_of_writes();
    Agent::new().back_up(fixture.source().as_ref());
    assert_eq!(before, fixture.trace_of_writes());
}

pub(crate) fn what_is_not_there_is_refused(fixture: &dyn Fixture) {
    fixture.fill();
    let cut = open(fixture.source().as_ref());
    let class = place(cut.as_ref(), &fixture.filled());
    let parts = cut.classes()[class].parts;
    assert_eq!(read_part(cut.as_ref(), 0, class, parts).unwrap_err().code(), Code::Internal);
    let schema = cut.classes()[class].schema.clone();
    let mut consume = |_: &strongroom_core::record::Encoded<'_>| Ok(());
    let mut rows = RowWriter::new(ids(), &schema, &mut consume);
    let outcome = cut.read(0, cut.classes().len(), 0, &mut rows);
    assert_eq!(outcome.unwrap_err().code(), Code::Internal);
    cut.close().unwrap();
}
