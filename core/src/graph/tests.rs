//! What the graph makes of schemas, rules and records. Sources are tables in memory.

use super::rules::{
    ConventionalRule, EmbeddedRule, FieldsRule, GenericRule, Holds, OwnerRule, ReferenceRules, RuleError,
    TypeRegistryRule,
};
use super::*;
use crate::record::{Cell, CellKind, ClassSchema, Codec, Column, ColumnId, DynamicValue, KeyPlan, KeySpec, Reference};

/// A class: columns as `name type`, a star before those of the key, a question mark behind what may be empty.
fn class(name: &str, columns: &[&str]) -> ClassSchema {
    let column = |(at, text): (usize, &&str)| {
        let (name, rest) = text.trim_start_matches('*').split_once(' ').unwrap();
        let source_type = rest.trim_end_matches('?');
        let codec = match source_type {
            "bigint" | "integer" => Codec::Integer,
            "uuid" => Codec::Uuid,
            "any" | "INTEGER" | "TEXT" => Codec::Dynamic,
            _ => Codec::Text,
        };
        let id = ColumnId(u32::try_from(at).unwrap() + 1);
        let nullable = rest.ends_with('?');
        Column { id, name: name.into(), source_type: source_type.into(), codec, nullable, source_ordinal: id.0 }
    };
    let in_key = |(at, text): (usize, &&str)| text.starts_with('*').then(|| ColumnId(u32::try_from(at).unwrap() + 1));
    ClassSchema {
        name: name.into(),
        columns: columns.iter().enumerate().map(column).collect(),
        key: KeySpec::Columns(columns.iter().enumerate().filter_map(in_key).collect()),
        references: Vec::new(),
        dropped_id_max: 0,
    }
}

fn refers(mut schema: ClassSchema, columns: &[&str], to: &str, target_columns: &[&str]) -> ClassSchema {
    let ids = columns.iter().map(|name| schema.column_named(name).unwrap().id).collect();
    schema.references.push(Reference {
        name: format!("{}_fk", columns.join("_")),
        columns: ids,
        class: to.into(),
        target_columns: target_columns.iter().map(|name| (*name).into()).collect(),
    });
    schema
}

/// A record from texts; `-` is NULL. Of columns with types of their own, whole numbers are numbers.
fn record(schema: &ClassSchema, values: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut previous = ColumnId(0);
    for (column, value) in schema.columns.iter().zip(values) {
        if *value == "-" {
            continue;
        }
        let mut bytes = Vec::new();
        let kind = if column.codec == Codec::Dynamic {
            let number = value.parse().map(DynamicValue::Integer);
            number.unwrap_or(DynamicValue::Text(value.trim_matches('\'').as_bytes())).encode(&mut bytes);
            CellKind::Canonical
        } else if column.codec.encode(value.as_bytes(), &mut bytes) {
            CellKind::Canonical
        } else {
            bytes = value.as_bytes().to_vec();
            CellKind::Text
        };
        crate::record::put_cell(&mut out, previous, Cell { column: column.id, kind, bytes: &bytes });
        previous = column.id;
    }
    out
}

fn key(schema: &ClassSchema, values: &[&str]) -> RecordName {
    let mut key = Vec::new();
    KeyPlan::new(schema).unwrap().key_of(&record(schema, values), &mut key).unwrap();
    RecordName { class: schema.name.clone(), key }
}

fn graph(schemas: &[ClassSchema], rules: &ReferenceRules, known: &[(&str, &[&str])]) -> ReferenceGraph {
    let mut builder = GraphBuilder::new(schemas, rules).unwrap();
    for wanted in builder.wants() {
        let schema = schemas.iter().find(|schema| schema.name == wanted).unwrap();
        for (_, values) in known.iter().filter(|(name, _)| *name == wanted) {
            builder.take(&wanted, &record(schema, values)).unwrap();
        }
    }
    builder.build().unwrap()
}

/// The targets of a record's references.
fn targets(graph: &ReferenceGraph, schema: &ClassSchema, values: &[&str]) -> Vec<(String, Target)> {
    let found = graph.references(&schema.name, &record(schema, values), &[]).unwrap();
    found.into_iter().map(|resolved| (resolved.name, resolved.target)).collect()
}

fn to(name: &str, target: RecordName) -> (String, Target) {
    (name.into(), Target::Record(target))
}

#[test]
fn declared_references_lead_to_keys_in_the_form_of_the_target() {
    let site = class("public.site", &["*id bigint", "code character(4)", "region bigint"]);
    let part = class("public.part", &["*code character(4)", "*number bigint"]);
    let device = class("public.device", &["*id uuid", "site bigint?", "code text?", "number text?"]);
    let device = refers(device, &["site"], "public.site", &["id"]);
    let device = refers(device, &["code", "number"], "public.part", &["code", "number"]);
    let device = refers(device, &["code"], "public.site", &["code"]);
    let graph = graph(&[site.clone(), part.clone(), device.clone()], &ReferenceRules::default(), &[]);
    let id = "00112233-4455-6677-8899-aabbccddeeff";
    let found = targets(&graph, &device, &[id, "7", "DE", "12"]);
    assert_eq!(found[0], to("site_fk", key(&site, &["7", "-", "-"])));
    assert_eq!(found[1], to("code_number_fk", key(&part, &["DE  ", "12"])), "text becomes padded text and a number");
    let Target::Unique { class, values } = &found[2].1 else { panic!("{found:?}") };
    assert_eq!((class.as_str(), &values.columns), ("public.site", &vec![ColumnId(2)]));
    assert_eq!(values.cells, record(&site, &["-", "DE  ", "-"]));
    // MATCH SIMPLE: one NULL, and nothing is referred to.
    assert_eq!(targets(&graph, &device, &[id, "-", "DE", "-"]).len(), 1);
}

#[test]
fn values_with_types_of_their_own_lead_as_their_engine_converts_them() {
    let a = class("a", &["*id INTEGER"]);
    let b = class("b", &["*id TEXT"]);
    let c = class("c", &["*id INTEGER", "a TEXT?", "b INTEGER?"]);
    let c = refers(refers(c, &["a"], "a", &["id"]), &["b"], "b", &["id"]);
    let graph = graph(&[a.clone(), b.clone(), c.clone()], &ReferenceRules::default(), &[]);
    let found = targets(&graph, &c, &["1", "'5'", "5"]);
    assert_eq!(found[0], to("a_fk", key(&a, &["5"])));
    let Target::Record(name) = &found[1].1 else { panic!("{found:?}") };
    assert_eq!(&name.key[..1], &[0x30], "a number is text in a column of texts");
}

/// A CMDB like `NetBox` in small: types by number, tags by type and id, cable paths, custom fields.
fn django() -> (Vec<ClassSchema>, ReferenceRules) {
    let types = class("public.django_content_type", &["*id integer", "app_label text", "model text"]);
    let fields = class("public.extras_customfield", &["*id bigint", "name text", "type text", "related integer?"]);
    let site = class("public.dcim_site", &["*id bigint", "custom jsonb"]);
    let user = class("public.auth_user", &["*id bigint"]);
    let tag = class("public.extras_tag", &["*id bigint", "type integer?", "object text?"]);
    let path = class("public.dcim_path", &["*id bigint", "path jsonb", "nodes text[]"]);
    let rules = ReferenceRules {
        types: Some(TypeRegistryRule {
            class: "django_content_type".into(),
            key: "id".into(),
            name: "{app_label}_{model}".into(),
            overrides: [("users.user".into(), "auth_user".into()), ("old.thing".into(), String::new())].into(),
        }),
        generic: vec![GenericRule {
            class: "extras_tag".into(),
            r#type: "type".into(),
            id: "object".into(),
            none: Some("0".into()),
            ..GenericRule::default()
        }],
        embedded: vec![
            EmbeddedRule {
                class: "dcim_path".into(),
                column: "path".into(),
                path: "[*][*]".into(),
                holds: Holds::Typed,
                name: None,
            },
            EmbeddedRule {
                class: "*".into(),
                column: "nodes".into(),
                path: "[*]".into(),
                holds: Holds::Typed,
                name: None,
            },
            EmbeddedRule {
                class: "public.*".into(),
                column: "custom".into(),
                path: String::new(),
                holds: Holds::Fields(FieldsRule {
                    class: "extras_customfield".into(),
                    name: "name".into(),
                    kind: "type".into(),
                    kinds: vec!["object".into(), "multiobject".into()],
                    r#type: "related".into(),
                }),
                name: Some("custom fields".into()),
            },
        ],
        ..ReferenceRules::default()
    };
    (vec![types, fields, site, user, tag, path], rules)
}

const TYPES: [(&str, &[&str]); 4] = [
    ("public.django_content_type", &["3", "dcim", "site"]),
    ("public.django_content_type", &["4", "users", "user"]),
    ("public.django_content_type", &["5", "gone", "plugin"]),
    ("public.django_content_type", &["6", "old", "thing"]),
];

#[test]
fn generic_references_lead_by_the_registry_and_its_overrides() {
    let (schemas, rules) = django();
    let graph = graph(&schemas, &rules, &TYPES);
    let (site, user, tag) = (&schemas[2], &schemas[3], &schemas[4]);
    let name = "type, object";
    let found = |values: [&str; 2]| targets(&graph, tag, &["1", values[0], values[1]]);
    assert_eq!(found(["3", "17"]), [to(name, key(site, &["17"]))]);
    assert_eq!(found(["4", "2"]), [to(name, key(user, &["2"]))]);
    assert_eq!(found(["5", "1"]), [(name.into(), Target::NoClass { named: "gone_plugin".into() })]);
    assert_eq!(found(["9", "1"]), [(name.into(), Target::NoClass { named: "type 9".into() })]);
    assert_eq!(
        [found(["3", "-"]), found(["-", "1"]), found(["3", "0"])].concat(),
        vec![(name.into(), Target::Half); 3]
    );
    assert_eq!([found(["-", "-"]), found(["6", "1"])].concat(), [], "empty, and a type that is not judged");
}

#[test]
fn documents_are_looked_into() {
    let (schemas, rules) = django();
    let fields: [(&str, &[&str]); 2] = [
        ("public.extras_customfield", &["1", "home", "object", "3"]),
        ("public.extras_customfield", &["2", "note", "text", "-"]),
    ];
    let graph = graph(&schemas, &rules, &[&TYPES[..], &fields].concat());
    let (site, user, path) = (&schemas[2], &schemas[3], &schemas[5]);
    let found = targets(&graph, path, &["1", r#"[["3:1"], ["4:2", 7], ["5:1", "odd"]]"#, "{3:1,4:9}"]);
    assert_eq!(
        found,
        [
            to("path[*][*]", key(site, &["1"])),
            to("path[*][*]", key(user, &["2"])),
            ("path[*][*]".into(), Target::NoClass { named: "gone_plugin".into() }),
            ("path[*][*]".into(), Target::Half),
            to("nodes[*]", key(site, &["1"])),
            to("nodes[*]", key(user, &["9"])),
        ]
    );
    let found = targets(&graph, site, &["1", r#"{"home": [2, 3], "note": 4}"#]);
    assert_eq!(found, [to("custom fields", key(site, &["2"])), to("custom fields", key(site, &["3"]))]);
    assert_eq!(targets(&graph, site, &["1", "{\"home\": null}"]), []);
    assert_eq!(targets(&graph, site, &["1", "not json"]), []);
}

#[test]
fn conventions_fill_the_star_and_leave_declared_references_alone() {
    let state = class("glpi_states", &["*id integer"]);
    let place = class("glpi_places", &["*id integer"]);
    let item = class("glpi_items", &["*id integer", "states_id integer", "places_id integer", "other_id integer"]);
    let item = refers(item, &["places_id"], "glpi_places", &["id"]);
    let rule = ConventionalRule {
        class: "glpi_*".into(),
        column: "*_id".into(),
        target: "glpi_*".into(),
        none: Some("0".into()),
        ..ConventionalRule::default()
    };
    let rules = ReferenceRules { conventional: vec![rule], ..ReferenceRules::default() };
    let graph = graph(&[state.clone(), place.clone(), item.clone()], &rules, &[]);
    let found = targets(&graph, &item, &["1", "4", "5", "6"]);
    assert_eq!(found, [to("places_id_fk", key(&place, &["5"])), to("states_id", key(&state, &["4"]))]);
    assert_eq!(targets(&graph, &item, &["1", "0", "5", "6"]).len(), 1);
}

#[test]
fn types_may_be_names_themselves() {
    let device = class("device", &["*id INTEGER"]);
    let relation = class("relation", &["*from_class TEXT", "*from_id INTEGER"]);
    let generic = GenericRule {
        class: "relation".into(),
        r#type: "from_class".into(),
        id: "from_id".into(),
        names: Some("{}".into()),
        ..GenericRule::default()
    };
    let rules = ReferenceRules { generic: vec![generic], ..ReferenceRules::default() };
    let graph = graph(&[device.clone(), relation.clone()], &rules, &[]);
    assert_eq!(targets(&graph, &relation, &["device", "4"])[0].1, Target::Record(key(&device, &["4"])));
    let unknown = &targets(&graph, &relation, &["router", "4"])[0].1;
    assert_eq!(*unknown, Target::NoClass { named: "type router".into() });
}

#[test]
fn rules_that_apply_to_nothing_are_told_and_impossible_ones_refused() {
    let (schemas, mut rules) = django();
    rules.owners.push(OwnerRule { class: "dcim_device".into(), by: "site_id".into(), required: true });
    let built = graph(&schemas[..3], &rules, &TYPES);
    assert_eq!(built.idle_rules().len(), 4, "{:?}", built.idle_rules());
    rules.types = None;
    let refused = GraphBuilder::new(&schemas, &rules).unwrap().build();
    assert!(matches!(refused, Err(RuleError::NoRegistry { .. })));
    let stars =
        ConventionalRule { class: "*".into(), column: "x".into(), target: "*".into(), ..ConventionalRule::default() };
    let rules = ReferenceRules { conventional: vec![stars], ..ReferenceRules::default() };
    assert!(matches!(GraphBuilder::new(&schemas, &rules).unwrap().build(), Err(RuleError::Stars { .. })));
}

#[test]
fn rules_are_read_strictly() {
    let read = |text: &str| serde_json::from_str::<ReferenceRules>(text);
    assert_eq!(read("{}").unwrap(), ReferenceRules::default());
    let (_, rules) = django();
    assert_eq!(read(&serde_json::to_string(&rules).unwrap()).unwrap(), rules);
    assert!(read(r#"{"generik": []}"#).is_err());
    assert!(read(r#"{"generic": [{"class": "a", "typ": "b"}]}"#).is_err());
}

#[test]
fn equal_values_have_equal_digests_whatever_holds_them() {
    let tuple = |source_type: &str, value: &str| {
        let schema = class("t", &[&format!("*v {source_type}")]);
        let of = refers(class("r", &[&format!("*v {source_type}")]), &["v"], "t", &["v"]);
        let graph = graph(&[schema.clone(), of], &ReferenceRules::default(), &[]);
        let (plan, mut slots, mut found) = (graph.plan("t").unwrap(), Vec::new(), 0);
        let bytes = record(&schema, &[value]);
        plan.cells(&bytes, &mut slots).unwrap();
        let visit = plan.visit_sets::<crate::codec::Malformed>(&slots, &mut Scratch::default(), &mut |set, values| {
            found = TupleKey([7; 16]).digest(set.domain(), values);
            Ok(())
        });
        visit.unwrap();
        found
    };
    assert_eq!(tuple("bigint", "5"), tuple("text", "5"));
    assert_eq!(tuple("any", "5"), tuple("numeric(8,2)", "5.00"));
    assert_eq!(tuple("citext", "Ab"), tuple("citext", "aB"));
    assert_eq!(tuple("character(4)", "de  "), tuple("text", "de"));
    assert_ne!(tuple("text", "Ab"), tuple("text", "aB"));
    assert_ne!(tuple("text", "5.00"), tuple("text", "5"));
}

/// What leads to a record, by class and reference, and whether it belongs to it.
fn leading_to(graph: &ReferenceGraph, schema: &ClassSchema, values: &[&str]) -> Vec<(String, String, bool)> {
    let found = graph.incoming(&schema.name, &record(schema, values)).unwrap();
    found.into_iter().map(|found| (found.class, found.reference, found.belongs)).collect()
}

#[test]
fn a_record_is_referred_to_by_declared_keys_and_by_type_and_id() {
    let device = class("device", &["*id bigint", "name text"]);
    let port = refers(class("port", &["*id bigint", "device bigint"]), &["device"], "device", &["id"]);
    let log = refers(class("log", &["*id bigint", "device bigint?"]), &["device"], "device", &["id"]);
    let tag = class("tag", &["*id bigint", "type text", "object bigint"]);
    let generic =
        GenericRule { class: "tag".into(), r#type: "type".into(), id: "object".into(), ..GenericRule::default() };
    let generic = GenericRule { names: Some("{}".into()), ..generic };
    let mut rules = ReferenceRules { generic: vec![generic], ..ReferenceRules::default() };
    let schemas = [&device, &port, &log, &tag].map(Clone::clone);
    let told = |class: &str, reference: &str, belongs| (class.to_owned(), reference.to_owned(), belongs);

    // Where no rule names an owner, what can't be without the record belongs to it.
    let found = leading_to(&graph(&schemas, &rules, &[]), &device, &["7", "core"]);
    let by_type = |found: &[(String, String, bool)]| found.iter().find(|(class, ..)| class == "tag").unwrap().clone();
    let name = by_type(&found).1;
    assert_eq!(found, [told("port", "device_fk", true), told("log", "device_fk", false), told("tag", &name, false)]);

    // Where one does, it alone says what belongs.
    rules.owners.push(OwnerRule { class: "tag".into(), by: "object".into(), ..OwnerRule::default() });
    rules.owners.push(OwnerRule { class: "log".into(), by: "device".into(), ..OwnerRule::default() });
    let found = leading_to(&graph(&schemas, &rules, &[]), &device, &["7", "core"]);
    assert_eq!(found, [told("port", "device_fk", true), told("log", "device_fk", true), told("tag", &name, true)]);

    // The values are those that such a record holds.
    let all = graph(&schemas, &rules, &[]).incoming("device", &record(&device, &["7", "core"])).unwrap();
    let tagged = all.iter().find(|found| found.class == "tag").unwrap();
    let held: Vec<_> = crate::record::Cells::new(&tagged.values.cells).map(Result::unwrap).collect();
    let there = record(&tag, &["1", "device", "7"]);
    let there: Vec<_> = crate::record::Cells::new(&there).map(Result::unwrap).collect();
    assert_eq!(held, there[1..]);

    // History keeps what is gone: nothing of it belongs to anything.
    rules.owners.clear();
    rules.may_dangle.push("port".into());
    let found = leading_to(&graph(&schemas, &rules, &[]), &device, &["7", "core"]);
    assert!(found.iter().all(|(_, _, belongs)| !belongs), "{found:?}");
}
