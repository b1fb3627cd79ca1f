//! The generated CMDB, whose relations no database checks, with the database itself as the judge of what is missing.

use std::collections::BTreeMap;

use rusqlite::Connection;
use strongroom_agent::sample::{SampleSize, create_sqlite, damage};

use crate::harness::source;
use crate::references::{check, lines, rules};

const RULES: &str = r#"{
  "generic": [
    {"class": "relation", "type": "from_class", "id": "from_id", "name": "from", "names": "{}"},
    {"class": "relation", "type": "to_class", "id": "to_id", "name": "to", "names": "{}"},
    {"class": "history", "type": "class", "id": "object_id", "names": "{}"}
  ],
  "owners": [{"class": "interface", "by": "device_id"}],
  "may_dangle": ["history"]
}"#;

#[test]
fn what_is_missing_is_what_the_database_says_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cmdb.db");
    let counts = create_sqlite(&path, SampleSize::SMALL, 7).unwrap();
    let (rules, names) = (rules(RULES), BTreeMap::new());
    let whole = check(&source(&path), &rules, &names, None);
    assert_eq!(lines(&whole), [""; 0]);
    assert!(whole.references > 2 * counts.relations, "{} {counts:?}", whole.references);

    let connection = Connection::open(&path).unwrap();
    damage(&connection, 7).unwrap();
    let tidy = check(&source(&path), &rules, &names, Some(&whole.baseline));
    assert_eq!(lines(&tidy), [""; 0], "the accident takes the relations of what it deletes with it");

    connection
        .execute_batch(
            "PRAGMA foreign_keys = OFF; DELETE FROM device WHERE id % 4 = 0; DELETE FROM owner WHERE id % 2 = 0",
        )
        .unwrap();
    let count =
        |sql: &str| -> u64 { connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned() };
    let side = |side: &str, class: &str| {
        count(&format!(
            "SELECT count(*) FROM relation WHERE {side}_class = '{class}' AND {side}_id NOT IN (SELECT id FROM {class})"
        ))
    };
    let broken = check(&source(&path), &rules, &names, Some(&whole.baseline));
    let found = |class: &str, reference: &str, target: &str| {
        let fits = |broken: &&strongroom_agent::integrity::Broken| {
            broken.class == class && broken.reference.starts_with(reference) && broken.target.as_deref() == Some(target)
        };
        broken.broken.iter().find(fits).map_or(0, |broken| broken.count)
    };
    assert!(side("from", "device") > 0 && side("to", "owner") > 0);
    assert_eq!(found("relation", "from", "device"), side("from", "device"));
    assert_eq!(found("relation", "to", "device"), side("to", "device"));
    assert_eq!(found("relation", "to", "owner"), side("to", "owner"));
    let orphans = count("SELECT count(*) FROM interface WHERE device_id NOT IN (SELECT id FROM device)");
    assert_eq!(found("interface", "foreign key", "device"), orphans);
    let declared = count("SELECT count(*) FROM pragma_foreign_key_check");
    let counted: u64 = broken
        .broken
        .iter()
        .filter(|broken| broken.reference.starts_with("foreign key"))
        .map(|broken| broken.count)
        .sum();
    assert_eq!(counted, declared, "the engine counts the same of what it declares");
    assert_eq!(broken.new_errors(), broken.broken_references());
}
