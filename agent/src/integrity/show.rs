//! How a record is shown: by its key, and by what people call it.

use std::collections::BTreeMap;

use strongroom_core::graph::ReferenceGraph;
use strongroom_core::record::ClassSchema;

use super::report::{Example, Naming};
use super::rows::IntegrityError;
use crate::view::{FieldValue, inline_value, key_text};

/// What is known of the names of records.
pub(super) struct Shown<'n> {
    /// By class.
    pub(super) naming: &'n BTreeMap<String, Naming>,
}

impl Shown<'_> {
    /// A record as an example.
    pub(super) fn example(
        &self,
        graph: &ReferenceGraph,
        class: usize,
        record: &[u8],
        leads_to: Option<String>,
    ) -> Result<Example, IntegrityError> {
        let Some(plan) = graph.plans().get(class) else {
            return Ok(Example { key: None, name: None, leads_to, new: None });
        };
        let schema = plan.schema();
        let name = self.naming.get(&schema.name).and_then(|naming| name(schema, record, naming));
        Ok(Example { key: key_text(schema, record)?, name, leads_to, new: None })
    }
}

/// What people call a record; nothing if its columns are empty.
fn name(schema: &ClassSchema, record: &[u8], naming: &Naming) -> Option<String> {
    let mut parts = Vec::new();
    for column in naming.display.iter().filter_map(|name| schema.column_named(name)) {
        // No name is as long as a large value.
        parts.push(match inline_value(column, record) {
            Ok(FieldValue::Text(text)) if !text.is_empty() => text,
            Ok(FieldValue::Integer(number)) => number.to_string(),
            _ => continue,
        });
    }
    (!parts.is_empty()).then(|| format!("{} {}", naming.label, parts.join(" · ")).trim().to_owned())
}
