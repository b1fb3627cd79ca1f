//! How a record is shown: by its key, and by what people call it.

use std::collections::BTreeMap;

use strongroom_core::codec::Malformed;
use strongroom_core::graph::ReferenceGraph;
use strongroom_core::record::Cells;

use super::report::{Example, Naming};
use super::rows::IntegrityError;
use crate::view::{FieldValue, field_values, key_text};

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
        let name = match self.naming.get(&schema.name) {
            Some(naming) => name(schema, record, naming)?,
            None => None,
        };
        Ok(Example { key: key_text(schema, record)?, name, leads_to, new: None })
    }
}

/// What people call a record; nothing if its columns are empty.
fn name(
    schema: &strongroom_core::record::ClassSchema,
    record: &[u8],
    naming: &Naming,
) -> Result<Option<String>, Malformed> {
    let mut large = Vec::new();
    let mut cells = Cells::new(record);
    while let Some(cell) = cells.next_cell()? {
        // No name is as long as a large value.
        large.extend(cell.blob()?.map(|_| Vec::new()));
    }
    let fields = field_values(schema, record, &large)?;
    let text = |column: &String| {
        let value = fields.iter().find(|(name, _)| name == column).map(|(_, value)| value)?;
        match value {
            FieldValue::Text(text) if !text.is_empty() => Some(text.clone()),
            FieldValue::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    };
    let parts: Vec<String> = naming.display.iter().filter_map(text).collect();
    Ok((!parts.is_empty()).then(|| format!("{} {}", naming.label, parts.join(" · ")).trim().to_owned()))
}
