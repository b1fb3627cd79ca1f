//! What must be read before references can be followed: records that name types, and records that describe fields.
//!
//! Owns the taking in of these records. What a record lacks it lacks: a type without a name leads nowhere.

use crate::codec::Malformed;
use crate::record::{Cells, ClassSchema, ColumnId};

use super::rules::{FieldsRule, RuleError, TypeRegistryRule};
use super::said::{Reading, tuple_text};
use super::types::Template;

/// A column of a class that is taken in.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    column: ColumnId,
    reading: Reading,
}

impl Wanted {
    fn of(schema: &ClassSchema, name: &str) -> Option<Self> {
        let column = schema.column_named(name)?;
        Some(Self { column: column.id, reading: Reading::of(column) })
    }

    /// What the column of a record says; nothing at all for NULL.
    fn said(self, record: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut said = Vec::new();
        let mut cells = Cells::new(record);
        while let Some(cell) = cells.next_cell()? {
            if cell.column == self.column {
                self.reading.put(&cell, &mut said)?;
            }
        }
        Ok(said)
    }
}

/// The registry of types, as far as it was taken in.
#[derive(Clone, Debug)]
pub(super) struct Registry {
    pub(super) class: usize,
    key: Wanted,
    places: Vec<Wanted>,
    template: Template,
    /// Type as columns say it, its names joined by dots, and the class that these make.
    pub(super) types: Vec<(Vec<u8>, String, String)>,
}

impl Registry {
    /// The registry in a class; nothing if the class lacks the columns.
    pub(super) fn new(rule: &TypeRegistryRule, class: usize, schema: &ClassSchema) -> Result<Option<Self>, RuleError> {
        let template = Template::parse(&rule.name)?;
        let places: Option<Vec<Wanted>> = template.places().map(|name| Wanted::of(schema, name)).collect();
        let key = Wanted::of(schema, &rule.key);
        let whole = key.zip(places);
        Ok(whole.map(|(key, places)| Self { class, key, places, template, types: Vec::new() }))
    }

    pub(super) fn take(&mut self, record: &[u8]) -> Result<(), Malformed> {
        let mut values = Vec::new();
        for place in &self.places {
            values.push(tuple_text(&place.said(record)?));
        }
        let name = self.template.fill(&values);
        self.types.push((self.key.said(record)?, values.join("."), name));
        Ok(())
    }
}

/// The fields that a class describes, as far as they were taken in.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) class: usize,
    name: Wanted,
    kind: Wanted,
    r#type: Wanted,
    kinds: Vec<String>,
    /// Name of a field, and the type of what it refers to.
    pub(super) fields: Vec<(String, Vec<u8>)>,
}

impl Described {
    /// The fields that a class describes; nothing if it lacks the columns.
    pub(super) fn new(rule: &FieldsRule, class: usize, schema: &ClassSchema) -> Option<Self> {
        let wanted = |name: &str| Wanted::of(schema, name);
        Some(Self {
            class,
            name: wanted(&rule.name)?,
            kind: wanted(&rule.kind)?,
            r#type: wanted(&rule.r#type)?,
            kinds: rule.kinds.clone(),
            fields: Vec::new(),
        })
    }

    pub(super) fn take(&mut self, record: &[u8]) -> Result<(), Malformed> {
        let kind = tuple_text(&self.kind.said(record)?);
        let of = self.r#type.said(record)?;
        if self.kinds.contains(&kind) && !of.is_empty() {
            self.fields.push((tuple_text(&self.name.said(record)?), of));
        }
        Ok(())
    }
}
