//! Stories of corruption that real installations told, each made anew: what must be found, by which rule and name.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use strongroom_agent::integrity::{Baseline, Naming, Report, Rule};

use crate::harness::source;
use crate::references::{check, lines, rules};

/// A CMDB in the manner of `NetBox` and Nautobot, whole in itself.
const SCHEMA: &str = "
CREATE TABLE django_content_type(id INTEGER PRIMARY KEY, app_label TEXT, model TEXT);
INSERT INTO django_content_type VALUES (1, 'dcim', 'site'), (2, 'dcim', 'device'), (3, 'dcim', 'interface'), (4, 'plugin', 'thing');
CREATE TABLE extras_customfield(id INTEGER PRIMARY KEY, name TEXT, type TEXT, related_object_type_id INTEGER);
INSERT INTO extras_customfield VALUES (1, 'backup_site', 'object', 1), (2, 'peers', 'multiobject', 2), (3, 'note', 'text', NULL);
CREATE TABLE dcim_site(id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO dcim_site VALUES (1, 'Bremen'), (2, 'Lyon');
CREATE TABLE dcim_device(id INTEGER PRIMARY KEY, name TEXT, site_id INTEGER REFERENCES dcim_site(id), custom_field_data TEXT);
INSERT INTO dcim_device VALUES (1, 'sw-1', 1, '{}'), (2, 'sw-2', 1, '{\"backup_site\": 2, \"peers\": [1, 2], \"note\": 9}'),
  (3, 'sw-3', 2, '{\"backup_site\": null}');
CREATE TABLE dcim_interface(id INTEGER PRIMARY KEY, name TEXT, device_id INTEGER);
INSERT INTO dcim_interface VALUES (1, 'ge-0', 1), (2, 'ge-1', 1), (3, 'ge-0', 2), (4, 'ge-0', 3);
CREATE TABLE dcim_cable(id INTEGER PRIMARY KEY, label TEXT);
INSERT INTO dcim_cable VALUES (1, 'A-17'), (2, 'A-18');
CREATE TABLE dcim_cabletermination(id INTEGER PRIMARY KEY, cable_id INTEGER, cable_end TEXT, termination_type_id INTEGER, termination_id INTEGER);
INSERT INTO dcim_cabletermination VALUES (1, 1, 'A', 3, 1), (2, 1, 'B', 3, 3), (3, 2, 'A', 3, 2), (4, 2, 'B', 3, 4);
CREATE TABLE dcim_cablepath(id INTEGER PRIMARY KEY, path TEXT);
INSERT INTO dcim_cablepath VALUES (1, '[[\"3:1\"], [\"3:3\"]]');
CREATE TABLE extras_relationshipassociation(id INTEGER PRIMARY KEY, relationship_id INTEGER, source_type_id INTEGER, source_id TEXT,
  destination_type_id INTEGER, destination_id TEXT);
INSERT INTO extras_relationshipassociation VALUES (1, 7, 2, '1', 1, '2'), (2, 7, 2, '2', 1, '2');
CREATE TABLE extras_taggeditem(id INTEGER PRIMARY KEY, content_type_id INTEGER, object_id INTEGER, tag_id INTEGER);
INSERT INTO extras_taggeditem VALUES (1, 2, 1, 5), (2, 1, 2, 5);
CREATE TABLE extras_objectchange(id INTEGER PRIMARY KEY, changed_object_type_id INTEGER, changed_object_id INTEGER);
INSERT INTO extras_objectchange VALUES (1, 2, 99), (2, 4, 1);
";

const RULES: &str = r#"{
  "types": {"class": "django_content_type", "key": "id", "name": "{app_label}_{model}"},
  "generic": [
    {"class": "dcim_cabletermination", "type": "termination_type_id", "id": "termination_id"},
    {"class": "extras_relationshipassociation", "type": "source_type_id", "id": "source_id", "name": "source"},
    {"class": "extras_relationshipassociation", "type": "destination_type_id", "id": "destination_id", "name": "destination"},
    {"class": "extras_taggeditem", "type": "content_type_id", "id": "object_id", "name": "tagged"},
    {"class": "extras_objectchange", "type": "changed_object_type_id", "id": "changed_object_id"}
  ],
  "embedded": [
    {"class": "dcim_cablepath", "column": "path", "path": "[*][*]", "holds": "typed"},
    {"class": "*", "column": "custom_field_data", "name": "custom fields", "holds": {"fields": {"class": "extras_customfield",
      "name": "name", "kind": "type", "kinds": ["object", "multiobject"], "type": "related_object_type_id"}}}
  ],
  "conventional": [{"class": "dcim_interface", "column": "device_id", "target": "dcim_device"}],
  "owners": [{"class": "dcim_interface", "by": "device_id", "required": true}],
  "edges": [{"class": "extras_relationshipassociation", "filled": ["source_id", "destination_id"],
    "same": ["relationship_id", "source_type_id", "source_id", "destination_type_id", "destination_id"]}],
  "ends": [{"class": "dcim_cable", "of": "dcim_cabletermination", "by": "cable_id", "end": "cable_end", "least": 2}],
  "may_dangle": ["*_objectchange"]
}"#;

/// What the product calls its records.
fn naming() -> BTreeMap<String, Naming> {
    let named = |(class, label, column): (&str, &str, &str)| {
        (class.to_owned(), Naming { label: label.into(), display: vec![column.into()] })
    };
    [("dcim_device", "Device", "name"), ("dcim_cable", "Cable", "label")].map(named).into()
}

fn check_file(path: &Path, baseline: Option<&Baseline>) -> Report {
    check(&source(path), &rules(RULES), &naming(), baseline)
}

/// Checks the CMDB as it is, and after a script; the second check knows what was there before.
fn story(script: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cmdb.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    let before = check_file(&path, None);
    assert_eq!(lines(&before), [""; 0], "history may dangle, and the rest is whole");
    assert_eq!((before.references, before.unjudged.len(), before.idle_rules.len()), (22, 0, 0));
    connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {script}")).unwrap();
    check_file(&path, Some(&before.baseline))
}

#[test]
fn a_cable_left_with_one_end_is_named() {
    let report = story("DELETE FROM dcim_cabletermination WHERE id = 4");
    assert_eq!(lines(&report), ["R09 dcim_cable.fewer than 2 ends ×1"]);
    let example = &report.broken[0].examples[0];
    assert_eq!((example.key.as_deref(), example.name.as_deref()), (Some("2"), Some("Cable A-18")));
    // Two rows at the same end are one end.
    assert_eq!(lines(&story("UPDATE dcim_cabletermination SET cable_end = 'A' WHERE id = 4")).len(), 1);
    assert_eq!(lines(&story("DELETE FROM dcim_cabletermination")), ["R09 dcim_cable.fewer than 2 ends ×2"]);
}

#[test]
fn an_association_that_survived_the_deletion_of_its_object_leads_nowhere() {
    let report = story("DELETE FROM dcim_site WHERE id = 2");
    assert_eq!(
        lines(&report),
        [
            "R01 dcim_device.foreign key 1 ×1",
            "R04 extras_relationshipassociation.destination ×2",
            "R04 extras_taggeditem.tagged ×1",
            "R16 dcim_device.custom fields ×1",
        ]
    );
    let declared = &report.broken[0];
    assert_eq!((declared.target.as_deref(), declared.new), (Some("dcim_site"), Some(1)));
    let example = &declared.examples[0];
    let shown = [&example.key, &example.name, &example.leads_to].map(|text| text.as_deref().unwrap());
    assert_eq!(shown, ["3", "Device sw-3", "2"]);
    assert_eq!((report.broken_references(), report.new_errors()), (5, 4));
}

#[test]
fn types_of_an_app_that_was_removed_are_unknown() {
    let report = story(
        "UPDATE extras_taggeditem SET content_type_id = 4 WHERE id = 1;
         UPDATE extras_taggeditem SET content_type_id = 77 WHERE id = 2",
    );
    assert_eq!(lines(&report), ["R03 extras_taggeditem.tagged ×1", "R03 extras_taggeditem.tagged ×1"]);
    let named: Vec<_> = report.broken.iter().map(|broken| broken.target.as_deref().unwrap()).collect();
    assert_eq!(named, ["plugin_thing", "type 77"]);
    assert_eq!(report.new_errors(), 0, "worth a look, and no error");
}

#[test]
fn a_custom_field_that_keeps_the_id_of_a_deleted_object_is_found_in_its_document() {
    let report =
        story("UPDATE dcim_device SET custom_field_data = '{\"peers\": [1, 40, 41], \"note\": 50}' WHERE id = 1");
    assert_eq!(lines(&report), ["R16 dcim_device.custom fields ×2"]);
    let to: Vec<_> = report.broken[0].examples.iter().map(|example| example.leads_to.as_deref().unwrap()).collect();
    assert_eq!(to, ["40", "41"]);
    // A document too long for its record stands in a blob.
    let long = "x".repeat(5000);
    let script = format!("UPDATE dcim_device SET custom_field_data = '{{\"note\": \"{long}\", \"backup_site\": 9}}'");
    assert_eq!(lines(&story(&script)), ["R16 dcim_device.custom fields ×3"]);
    assert_eq!(
        lines(&story("UPDATE dcim_cablepath SET path = '[[\"3:1\"], [\"3:9\"]]'")),
        ["R16 dcim_cablepath.path[*][*] ×1"]
    );
}

#[test]
fn edges_that_are_doubled_or_empty_are_counted() {
    let report = story(
        "INSERT INTO extras_relationshipassociation VALUES (3, 7, 2, '1', 1, '2'), (4, 7, 2, '1', 1, '2'), (5, 8, 2, '1', 1, '2'),
         (6, 7, 2, NULL, 1, '2'), (7, 7, NULL, '1', 1, '2')",
    );
    assert_eq!(
        lines(&report),
        [
            "R08 extras_relationshipassociation.edge ×2",
            "R09 extras_relationshipassociation.source ×2",
            "R09 extras_relationshipassociation.source_id ×1",
        ]
    );
    assert_eq!(report.broken[0].examples[0].key.as_deref(), Some("3"), "the first is the edge itself");
}

#[test]
fn children_without_an_owner_are_orphans() {
    let report = story(
        "DELETE FROM dcim_interface WHERE id = 2; UPDATE dcim_interface SET device_id = NULL WHERE id = 4;
        UPDATE dcim_interface SET device_id = 12 WHERE id = 1",
    );
    let orphans: Vec<_> = report.broken.iter().filter(|broken| broken.rule == Rule::Owner).collect();
    assert_eq!(orphans.iter().map(|broken| broken.count).sum::<u64>(), 2);
    assert_eq!(lines(&report)[0], "R04 dcim_cabletermination.termination_type_id, termination_id ×1");
}

#[test]
fn only_what_was_not_there_before_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cmdb.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(SCHEMA).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM dcim_site WHERE id = 2").unwrap();
    let old = check_file(&path, None);
    assert_eq!((old.broken[0].new, old.broken[0].examples[0].new), (None, None));
    let same = check_file(&path, Some(&old.baseline));
    assert_eq!((lines(&same), same.new_errors()), (lines(&old), 0));
    connection.execute_batch("UPDATE dcim_device SET site_id = 3 WHERE id = 2").unwrap();
    let later = check_file(&path, Some(&old.baseline));
    let declared = &later.broken[0];
    assert_eq!((declared.count, declared.new, later.new_errors()), (2, Some(1), 1));
    let examples: Vec<_> =
        declared.examples.iter().map(|example| (example.key.as_deref().unwrap(), example.new)).collect();
    assert_eq!(examples, [("2", Some(true)), ("3", Some(false))], "what is new is shown first");
}

/// Makes a whole database of another product, checks it, and checks it again after a script.
fn story_of(schema: &str, of: &str, script: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(schema).unwrap();
    let before = check(&source(&path), &rules(of), &BTreeMap::new(), None);
    assert_eq!(lines(&before), [""; 0], "it is whole before");
    assert_ne!(before.references, 0);
    connection.execute_batch(script).unwrap();
    check(&source(&path), &rules(of), &BTreeMap::new(), Some(&before.baseline))
}

/// OCS Inventory: a device was deleted while tables were locked; its rows stay in dozens of tables that name it by
/// convention alone.
#[test]
fn rows_of_a_device_that_is_gone_are_found_by_the_name_of_their_column() {
    let schema = ["networks", "software", "accountinfo"].map(|table| {
        format!(
            "CREATE TABLE {table}(ID INTEGER PRIMARY KEY, HARDWARE_ID INTEGER);
             INSERT INTO {table} VALUES (1, 1), (2, 2), (3, 0);"
        )
    });
    let hardware =
        "CREATE TABLE hardware(ID INTEGER PRIMARY KEY, NAME TEXT); INSERT INTO hardware VALUES (1, 'a'), (2, 'b');";
    let report = story_of(
        &[hardware, &schema.concat()].concat(),
        r#"{"conventional": [{"class": "*", "column": "HARDWARE_ID", "target": "hardware", "none": "0"}]}"#,
        "DELETE FROM hardware WHERE ID = 2; DELETE FROM software WHERE HARDWARE_ID = 2",
    );
    assert_eq!(lines(&report), ["R02 accountinfo.HARDWARE_ID ×1", "R02 networks.HARDWARE_ID ×1"]);
}

/// GLPI: types are names of classes in the code, and a purge by id alone took links of other types with it.
#[test]
fn links_by_the_name_of_a_type_lead_to_the_class_that_it_means() {
    let schema = "CREATE TABLE glpi_computers(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO glpi_computers VALUES (1, 'a'), (7, 'b');
        CREATE TABLE glpi_printers(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO glpi_printers VALUES (7, 'p');
        CREATE TABLE glpi_items_tickets(id INTEGER PRIMARY KEY, itemtype TEXT, items_id INTEGER);
        INSERT INTO glpi_items_tickets VALUES (1, 'Computer', 7), (2, 'Printer', 7), (3, 'Computer', 1);";
    let rules = r#"{"types": {"overrides": {"Computer": "glpi_computers", "Printer": "glpi_printers"}},
        "generic": [{"class": "glpi_items_tickets", "type": "itemtype", "id": "items_id", "names": "glpi_{}s"}]}"#;
    let report = story_of(schema, rules, "DELETE FROM glpi_computers WHERE id = 7");
    assert_eq!(lines(&report), ["R04 glpi_items_tickets.itemtype, items_id ×1"]);
    assert_eq!(report.broken[0].examples[0].key.as_deref(), Some("1"), "the printer of the same number is still there");
}

/// `OpenMetadata`: one stale relationship makes the entity at its other end unreadable.
#[test]
fn a_stale_relationship_between_entities_is_named() {
    let schema = "CREATE TABLE table_entity(id TEXT PRIMARY KEY, json TEXT) WITHOUT ROWID; INSERT INTO table_entity VALUES ('t-1', '{}'), ('t-2', '{}');
        CREATE TABLE user_entity(id TEXT PRIMARY KEY, json TEXT) WITHOUT ROWID; INSERT INTO user_entity VALUES ('u-1', '{}');
        CREATE TABLE entity_relationship(fromId TEXT, toId TEXT, fromEntity TEXT, toEntity TEXT, relation INTEGER, PRIMARY KEY (fromId, toId, relation)) WITHOUT ROWID;
        INSERT INTO entity_relationship VALUES ('u-1', 't-1', 'user', 'table', 8), ('u-1', 't-2', 'user', 'table', 8);";
    let rules = r#"{"generic": [
        {"class": "entity_relationship", "type": "fromEntity", "id": "fromId", "names": "{}_entity"},
        {"class": "entity_relationship", "type": "toEntity", "id": "toId", "names": "{}_entity"}]}"#;
    let report = story_of(
        schema,
        rules,
        "DELETE FROM table_entity WHERE id = 't-2'; UPDATE entity_relationship SET fromEntity = 'bot' WHERE toId = 't-1'",
    );
    assert_eq!(
        lines(&report),
        ["R03 entity_relationship.fromEntity, fromId ×1", "R04 entity_relationship.toEntity, toId ×1"]
    );
}

/// `ServiceNow`: relationships with an empty end, with an end that is gone, and twice the same.
#[test]
fn relationships_that_are_empty_stale_or_doubled_are_told_apart() {
    let schema = "CREATE TABLE cmdb_ci(sys_id TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID; INSERT INTO cmdb_ci VALUES ('a', 'A'), ('b', 'B');
        CREATE TABLE cmdb_rel_ci(sys_id TEXT PRIMARY KEY, parent TEXT, child TEXT, type TEXT) WITHOUT ROWID;
        INSERT INTO cmdb_rel_ci VALUES ('1', 'a', 'b', 'runs on');";
    let rules = r#"{"conventional": [{"class": "cmdb_rel_ci", "column": "parent", "target": "cmdb_ci"},
        {"class": "cmdb_rel_ci", "column": "child", "target": "cmdb_ci"}],
        "edges": [{"class": "cmdb_rel_ci", "same": ["parent", "child", "type"], "filled": ["parent", "child", "type"]}]}"#;
    let report = story_of(
        schema,
        rules,
        "INSERT INTO cmdb_rel_ci VALUES ('2', 'a', 'b', 'runs on'), ('3', 'a', NULL, 'runs on'), ('4', 'a', 'gone', 'uses'), ('5', 'b', 'a', NULL)",
    );
    assert_eq!(
        lines(&report),
        ["R02 cmdb_rel_ci.child ×1", "R08 cmdb_rel_ci.edge ×1", "R09 cmdb_rel_ci.child ×1", "R09 cmdb_rel_ci.type ×1",]
    );
}
