//! A checker for the schemas in `docs/schemas`, of just the words that they use.

use std::path::Path;

use serde_json::Value;

/// Checks a document against the schema that it names.
#[track_caller]
pub(crate) fn check(document: &Value) {
    let name = document["schema"].as_str().unwrap().strip_prefix("strongroom.").unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let faults = faults(&serde_json::from_str(&text).unwrap(), document, name);
    assert!(faults.is_empty(), "{faults:#?}\n{document:#}");
}

/// Where a value breaks a schema.
fn faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fault = |what: String| found.push(format!("{at}: {what}"));
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "type" if !is_of_type(rule, value) => fault(format!("{value} is not of type {rule}")),
            "const" if rule != value => fault(format!("{value} is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => fault(format!("{value} is none of {rule}")),
            "minimum" if value.as_f64().is_some_and(|number| number < rule.as_f64().unwrap()) => {
                fault(format!("{value} is less than {rule}"));
            }
            "required" if value.is_object() => {
                let missing =
                    rule.as_array().unwrap().iter().filter(|name| value.get(name.as_str().unwrap()).is_none());
                missing.for_each(|name| fault(format!("{name} is missing")));
            }
            "oneOf" => {
                let fitting = rule.as_array().unwrap().iter().filter(|one| faults(one, value, at).is_empty());
                if fitting.count() != 1 {
                    let all: Vec<String> =
                        rule.as_array().unwrap().iter().flat_map(|one| faults(one, value, at)).collect();
                    fault(format!("does not fit exactly one of the forms: {all:?}"));
                }
            }
            "pattern" if value.is_string() => {
                let text = value.as_str().unwrap();
                let fits = match rule.as_str().unwrap() {
                    "^[0-9a-f]+$" => {
                        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b"abcdef".contains(&b))
                    }
                    "^SR[0-9]{4}$" => text.len() == 6 && text.starts_with("SR") && text[2..].parse::<u16>().is_ok(),
                    other => unreachable!("the checker does not know the pattern {other}"),
                };
                if !fits {
                    fault(format!("{text} does not look like {rule}"));
                }
            }
            "type" | "const" | "enum" | "minimum" | "required" | "pattern" | "properties" | "items" | "$schema"
            | "title" | "description" | "format" => {}
            other => unreachable!("the checker does not know the word {other}"),
        }
    }
    if let (Some(rules), Some(fields)) = (schema["properties"].as_object(), value.as_object()) {
        let known = fields.iter().filter_map(|(name, value)| Some((name, rules.get(name)?, value)));
        found.extend(known.flat_map(|(name, rule, value)| faults(rule, value, &format!("{at}.{name}"))));
    }
    if let (Some(rule), Some(items)) = (schema.get("items"), value.as_array()) {
        found.extend(items.iter().flat_map(|item| faults(rule, item, &format!("{at}[]"))));
    }
    found
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => unreachable!("there is no type {other}"),
    };
    rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is))
}

#[test]
fn a_document_that_breaks_its_schema_is_found() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a", "b"],
        "properties": {"a": {"type": ["integer", "null"], "minimum": 0}, "c": {"type": "array", "items": {"enum": [1, 2]}}},
    });
    assert!(faults(&schema, &serde_json::json!({"a": null, "b": 1, "c": [1, 2], "new": 0}), "x").is_empty());
    let found = faults(&schema, &serde_json::json!({"a": -1, "c": [3]}), "x");
    assert_eq!(found, ["x: \"b\" is missing", "x.a: -1 is less than 0", "x.c[]: 3 is none of [1,2]"]);
}
