//! Data that nobody here wrote, of two well-known CMDBs: whole as it came, and corrupted as their users report it.

use std::collections::BTreeMap;
use std::process::Command;

use strongroom_agent::integrity::Report;

use crate::cluster::clusters;
use crate::harness::source;
use crate::not_run::corpus;
use crate::references::{check, lines, rules};

const NETBOX: &str = r#"{
  "types": {"class": "django_content_type", "key": "id", "name": "{app_label}_{model}",
    "overrides": {"contenttypes.contenttype": "django_content_type", "core.contenttype": "django_content_type"}},
  "generic": [
    {"class": "dcim_cabletermination", "type": "termination_type_id", "id": "termination_id", "name": "termination"},
    {"class": "dcim_inventoryitem*", "type": "component_type_id", "id": "component_id"},
    {"class": "ipam_ipaddress", "type": "assigned_object_type_id", "id": "assigned_object_id"},
    {"class": "ipam_vlangroup", "type": "scope_type_id", "id": "scope_id"},
    {"class": "ipam_fhrpgroupassignment", "type": "interface_type_id", "id": "interface_id"},
    {"class": "tenancy_contactassignment", "type": "object_type_id", "id": "object_id"},
    {"class": "vpn_*termination", "type": "termination_type_id", "id": "termination_id"},
    {"class": "extras_taggeditem", "type": "content_type_id", "id": "object_id", "name": "tagged"},
    {"class": "extras_journalentry", "type": "assigned_object_type_id", "id": "assigned_object_id"},
    {"class": "core_objectchange", "type": "changed_object_type_id", "id": "changed_object_id"}
  ],
  "embedded": [
    {"class": "dcim_cablepath", "column": "path", "path": "[*][*]", "holds": "typed"},
    {"class": "dcim_cablepath", "column": "_nodes", "path": "[*]", "holds": "typed"},
    {"class": "*", "column": "custom_field_data", "name": "custom fields", "holds": {"fields": {"class": "extras_customfield",
      "name": "name", "kind": "type", "kinds": ["object", "multiobject"], "type": "related_object_type_id"}}}
  ],
  "ends": [{"class": "dcim_cable", "of": "dcim_cabletermination", "by": "cable_id", "end": "cable_end", "least": 2}],
  "may_dangle": ["core_objectchange"]
}"#;

const NAUTOBOT: &str = r#"{
  "types": {"class": "django_content_type", "key": "id", "name": "{app_label}_{model}", "overrides": {"users.user": "auth_user"}},
  "generic": [
    {"class": "extras_relationshipassociation", "type": "source_type_id", "id": "source_id", "name": "source"},
    {"class": "extras_relationshipassociation", "type": "destination_type_id", "id": "destination_id", "name": "destination"},
    {"class": "dcim_cable", "type": "termination_a_type_id", "id": "termination_a_id", "name": "end a"},
    {"class": "dcim_cable", "type": "termination_b_type_id", "id": "termination_b_id", "name": "end b"},
    {"class": "dcim_cablepath", "type": "origin_type_id", "id": "origin_id"},
    {"class": "dcim_cablepath", "type": "destination_type_id", "id": "destination_id"},
    {"class": "extras_taggeditem", "type": "content_type_id", "id": "object_id", "name": "tagged"}
  ],
  "embedded": [{"class": "dcim_cablepath", "column": "path", "path": "[*]", "holds": "typed"}],
  "edges": [{"class": "extras_relationshipassociation",
    "same": ["relationship_id", "source_type_id", "source_id", "destination_type_id", "destination_id"]}],
  "may_dangle": ["extras_objectchange"]
}"#;

/// How many violations a report counts of a rule by a reference.
fn counted(report: &Report, code: &str, class: &str, reference: &str) -> u64 {
    let fits = |broken: &&strongroom_agent::integrity::Broken| {
        broken.rule.code() == code && broken.class == format!("public.{class}") && broken.reference == reference
    };
    report.broken.iter().filter(fits).map(|broken| broken.new.unwrap_or(broken.count)).sum()
}

/// Each kind of violation must have been made, and be found as often.
fn expect(report: &Report, expected: &[(&str, &str, &str, u64)]) {
    for (code, class, reference, found) in expected {
        assert!(*found > 0, "{code} {class}: the corpus has nothing to corrupt");
        let counted = counted(report, code, class, reference);
        assert_eq!(counted, *found, "{code} {class} {reference}: {:#?}", lines(report));
    }
}

#[test]
fn netbox_is_whole_until_it_is_corrupted() {
    let test = "netbox_is_whole_until_it_is_corrupted";
    let Some(packed) = corpus("netbox-demo-4.1.sql.zst", test) else { return };
    let dump = String::from_utf8(zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap()).unwrap();
    let rules = rules(NETBOX);
    for cluster in clusters(test) {
        cluster.psql("postgres", "DO $$ BEGIN CREATE ROLE netbox; EXCEPTION WHEN duplicate_object THEN END $$");
        let database = cluster.database("netbox", &dump);
        let (url, count) = (cluster.url(&database), |sql: &str| cluster.query(&database, sql).parse::<u64>().unwrap());
        let whole = check(&source(&url), &rules, &BTreeMap::new(), None);
        assert_eq!(lines(&whole), [""; 0]);
        assert!(whole.references > 10_000, "{}", whole.references);

        // Cables without an end, tags of what is gone, a path over a port that is gone, a field with a stale id, and a
        // sequence that was not moved by an import.
        cluster.psql(
            &database,
            "SET session_replication_role = replica;
             DELETE FROM dcim_cabletermination WHERE cable_end = 'B' AND cable_id % 5 = 0;
             DELETE FROM dcim_site WHERE id IN (SELECT object_id FROM extras_taggeditem t JOIN django_content_type c
               ON c.id = t.content_type_id WHERE (c.app_label, c.model) = ('dcim', 'site'));
             DELETE FROM dcim_rearport WHERE id % 10 = 0;
             INSERT INTO extras_customfield SELECT * FROM jsonb_populate_record((SELECT f FROM extras_customfield f LIMIT 1),
               jsonb_build_object('id', 900, 'name', 'home', 'type', 'object', 'related_object_type_id',
                 (SELECT id FROM django_content_type WHERE (app_label, model) = ('dcim', 'region'))));
             UPDATE dcim_device SET custom_field_data = custom_field_data || '{\"home\": 99999}' WHERE id % 6 = 0;
             SELECT setval('dcim_device_id_seq', 5);",
        );
        let corrupted = check(&source(&url), &rules, &BTreeMap::new(), Some(&whole.baseline));
        let one_end = "SELECT count(*) FROM dcim_cable c WHERE (SELECT count(DISTINCT cable_end) FROM dcim_cabletermination t WHERE t.cable_id = c.id) < 2";
        let of_type = |model: &str, table: &str| {
            format!(
                "SELECT count(*) FROM {table} x JOIN django_content_type c ON c.id = x.type WHERE (c.app_label, c.model) = ('dcim', '{model}')
                 AND NOT EXISTS (SELECT FROM dcim_{model} m WHERE m.id = x.id)"
            )
        };
        let ends = of_type(
            "rearport",
            "(SELECT termination_type_id AS type, termination_id AS id FROM dcim_cabletermination)",
        );
        let nodes = of_type(
            "rearport",
            "(SELECT split_part(n, ':', 1)::int AS type, split_part(n, ':', 2)::bigint AS id FROM dcim_cablepath, unnest(_nodes) AS n)",
        );
        let expected = [
            ("R09", "dcim_cable", "fewer than 2 ends", count(one_end)),
            ("R04", "dcim_cabletermination", "termination", count(&ends)),
            ("R16", "dcim_cablepath", "_nodes[*]", count(&nodes)),
            ("R16", "dcim_device", "custom fields", count("SELECT count(*) FROM dcim_device WHERE id % 6 = 0")),
            ("R17", "dcim_device", "id", 1),
        ];
        expect(&corrupted, &expected);
        let sequence = corrupted.broken.iter().find(|broken| broken.rule.code() == "R17").unwrap();
        let says = sequence.examples[0].leads_to.as_deref().unwrap();
        assert!(says.starts_with("public.dcim_device_id_seq has given 5, and the greatest id is "), "{says}");
    }
}

#[test]
fn nautobot_associations_survive_and_apps_go() {
    let test = "nautobot_associations_survive_and_apps_go";
    let Some(packed) = corpus("nautobot-1.5.16-postgres.tar.gz", test) else { return };
    let unpacked = Command::new("tar").arg("-xzOf").arg(packed).output().unwrap();
    let dump = String::from_utf8(unpacked.stdout).unwrap();
    let rules = rules(NAUTOBOT);
    for cluster in clusters(test) {
        cluster.psql("postgres", "DO $$ BEGIN CREATE ROLE nautobot; EXCEPTION WHEN duplicate_object THEN END $$");
        let database = cluster.database("nautobot", &dump);
        let (url, count) = (cluster.url(&database), |sql: &str| cluster.query(&database, sql).parse::<u64>().unwrap());
        let whole = check(&source(&url), &rules, &BTreeMap::new(), None);
        assert_eq!(lines(&whole), [""; 0]);
        cluster.psql(
            &database,
            "SET session_replication_role = replica;
             ALTER TABLE extras_relationshipassociation DROP CONSTRAINT extras_relationshipassoc_relationship_id_source_t_6826a98b_uniq;
             DELETE FROM ipam_vlan WHERE id IN (SELECT destination_id FROM extras_relationshipassociation LIMIT 5);
             INSERT INTO django_content_type VALUES (9001, 'gone_app', 'thing');
             UPDATE extras_taggeditem SET content_type_id = 9001 WHERE id IN (SELECT id FROM extras_taggeditem ORDER BY id LIMIT 3);
             INSERT INTO extras_relationshipassociation SELECT gen_random_uuid(), source_id, destination_id, destination_type_id,
               relationship_id, source_type_id FROM extras_relationshipassociation ORDER BY id LIMIT 2;
             UPDATE dcim_cable SET termination_b_id = gen_random_uuid() WHERE id = (SELECT min(id::text)::uuid FROM dcim_cable);",
        );
        let corrupted = check(&source(&url), &rules, &BTreeMap::new(), Some(&whole.baseline));
        let dangling = "SELECT count(*) FROM extras_relationshipassociation WHERE destination_type_id = (SELECT id FROM django_content_type
            WHERE (app_label, model) = ('ipam', 'vlan')) AND destination_id NOT IN (SELECT id FROM ipam_vlan)";
        let expected = [
            ("R03", "extras_taggeditem", "tagged", 3),
            ("R04", "extras_relationshipassociation", "destination", count(dangling)),
            ("R04", "dcim_cable", "end b", 1),
            ("R08", "extras_relationshipassociation", "edge", 2),
        ];
        expect(&corrupted, &expected);
    }
}
