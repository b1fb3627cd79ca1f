//! What holds for sources of tables.

use std::collections::BTreeSet;

use strongroom_core::error::Code;
use strongroom_core::record::ClassSchema;

use crate::agent::Agent;
use crate::fixture::TableFixture;
use crate::reading::{open, place, read_class, schema_after};

/// Rows that move to and fro in the test of consistency.
const MOVING: u32 = 50;

/// Columns of the widest table, which all engines allow.
const WIDE: u32 = 400;

/// Bytes of the longest value.
const LONG: u32 = 60_000;

/// A name that hurts wherever it is not quoted.
const HARD_NAME: &str = "a \"b\".c'd\ne; -- ü🦀";

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn one_cut_while_others_commit(fixture: &dyn TableFixture) {
    let rows: Vec<String> = (0..MOVING).map(|n| format!("({n})")).collect();
    fixture.run(&format!(
        "CREATE TABLE here (n int PRIMARY KEY); CREATE TABLE there (n int PRIMARY KEY); INSERT INTO here VALUES {};",
        rows.join(", ")
    ));
    // Each row is in one of the two tables at any time, and moves in one transaction.
    let move_one = |n: u32, from: &str, to: &str| {
        fixture.run(&format!("BEGIN; DELETE FROM {from} WHERE n = {n}; INSERT INTO {to} VALUES ({n}); COMMIT;"));
    };
    for round in 0..MOVING / 5 {
        move_one(round * 5, "here", "there");
        let cut = open(fixture.source().as_ref());
        move_one(round * 5 + 1, "here", "there");
        let here = read_class(cut.as_ref(), place(cut.as_ref(), &fixture.class("here"))).unwrap();
        move_one(round * 5, "there", "here");
        move_one(round * 5 + 2, "here", "there");
        let there = read_class(cut.as_ref(), place(cut.as_ref(), &fixture.class("there"))).unwrap();
        let keys: BTreeSet<_> = here.iter().chain(&there).map(|(key, _)| key.clone()).collect();
        assert_eq!((here.len() + there.len(), keys.len()), (MOVING as usize, MOVING as usize), "round {round}");
        cut.close().unwrap();
    }
}

fn ids_of(schema: &ClassSchema) -> Vec<(&str, u32)> {
    schema.columns.iter().map(|column| (column.name.as_str(), column.id.0)).collect()
}

pub(crate) fn columns_keep_their_ids(fixture: &dyn TableFixture) {
    fixture
        .run("CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text); INSERT INTO t VALUES (1, 'a', 'b', 'c');");
    let (source, name) = (fixture.source(), fixture.class("t"));
    let cut = open(source.as_ref());
    let first = cut.classes()[place(cut.as_ref(), &name)].schema.clone();
    cut.close().unwrap();
    assert_eq!(ids_of(&first), [("id", 1), ("a", 2), ("b", 3), ("c", 4)]);
    fixture.run("ALTER TABLE t DROP COLUMN b; ALTER TABLE t ADD COLUMN d text;");
    let second = schema_after(source.as_ref(), &name, &first);
    assert_eq!(ids_of(&second), [("id", 1), ("a", 2), ("c", 4), ("d", 5)], "the id of b is never given again");
    fixture.run("ALTER TABLE t RENAME COLUMN a TO z; ALTER TABLE t DROP COLUMN c; ALTER TABLE t ADD COLUMN b text;");
    let third = schema_after(source.as_ref(), &name, &second);
    assert_eq!(ids_of(&third), [("id", 1), ("z", 2), ("d", 5), ("b", 6)]);
}

pub(crate) fn a_class_that_changes_shape_is_read_as_it_was_or_not_at_all(fixture: &dyn TableFixture) {
    for change in [
        "DROP TABLE t",
        "ALTER TABLE t ADD COLUMN more text",
        "ALTER TABLE t DROP COLUMN note",
        "ALTER TABLE t RENAME TO other",
        "DELETE FROM t",
    ] {
        fixture.run(
            "DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS other; CREATE TABLE t (id int PRIMARY KEY, note text);
             INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL);",
        );
        let cut = open(fixture.source().as_ref());
        let took_effect = fixture.try_now(change);
        match read_class(cut.as_ref(), place(cut.as_ref(), &fixture.class("t"))) {
            Ok(records) => assert_eq!(records.len(), 3, "{change}, which took effect: {took_effect}"),
            Err(error) => assert_eq!(error.code(), Code::SourceChanged, "{change}: {error}"),
        }
        cut.close().unwrap();
        fixture.run(if took_effect { "CREATE TABLE new (a int); DROP TABLE new;" } else { change });
    }
}

pub(crate) fn values_of_all_sizes_come_back(fixture: &dyn TableFixture) {
    let noise = |from: u32| (0..LONG).map(|at| at.wrapping_mul(from | 1).to_be_bytes()[1]).collect::<Vec<u8>>();
    let (bytes, long) = fixture.bytes(&noise(2_654_435_769));
    let columns: Vec<String> = (0..WIDE).map(|n| format!("c{n} text")).collect();
    let values: Vec<String> = (0..WIDE).map(|n| if n % 3 == 0 { "NULL".into() } else { format!("'v{n}'") }).collect();
    fixture.run(&format!(
        "CREATE TABLE wide (id int PRIMARY KEY, {});
         INSERT INTO wide VALUES (1, {values}); INSERT INTO wide (id) VALUES (2);
         CREATE TABLE long (id int PRIMARY KEY, x text, y {bytes}, z {bytes});
         INSERT INTO long VALUES (1, '{}', {long}, {long}), (2, '', {}, NULL), (3, '{}', {}, {});",
        columns.join(", "),
        "ü".repeat(LONG as usize / 2),
        fixture.bytes(b"").1,
        "x".repeat(1024),
        fixture.bytes(&noise(7)[..1024]).1,
        fixture.bytes(&noise(9)[..1025]).1,
        values = values.join(", "),
    ));
    come_back(fixture);
}

pub(crate) fn names_may_hold_anything(fixture: &dyn TableFixture) {
    let name = quoted(HARD_NAME);
    fixture.run(&format!(
        "CREATE TABLE {name} ({name} text PRIMARY KEY, \"select\" int, \" \" text);
         INSERT INTO {name} VALUES ('one', 1, ' '), ('two''s', 2, NULL);
         CREATE TABLE \"SELECT\" (\"from\" int PRIMARY KEY, \"{long}\" text); INSERT INTO \"SELECT\" VALUES (1, 'x');
         CREATE INDEX \"i.{long}\" ON \"SELECT\" (\"{long}\");",
        long = "n".repeat(50),
    ));
    let cut = open(fixture.source().as_ref());
    let found = read_class(cut.as_ref(), place(cut.as_ref(), &fixture.class(HARD_NAME))).unwrap();
    assert_eq!(found.len(), 2);
    cut.close().unwrap();
    come_back(fixture);
}

pub(crate) fn a_keyless_class_keeps_equal_rows(fixture: &dyn TableFixture) {
    fixture.run("CREATE TABLE bag (a int, b text); INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL), (2, 'x');");
    let cut = open(fixture.source().as_ref());
    let class = place(cut.as_ref(), &fixture.class("bag"));
    assert!(cut.classes()[class].schema.is_keyless());
    let digests: Vec<_> = read_class(cut.as_ref(), class).unwrap().into_iter().map(|(_, digest)| digest).collect();
    assert_eq!((digests.len(), digests.iter().collect::<BTreeSet<_>>().len()), (5, 3));
    cut.close().unwrap();
    come_back(fixture);
}

fn come_back(fixture: &dyn TableFixture) {
    let agent = Agent::new();
    let snapshot = agent.back_up(fixture.source().as_ref());
    agent.restore(&snapshot, fixture.target().as_ref());
    assert!(fixture.plain() == fixture.plain_of_target());
}
