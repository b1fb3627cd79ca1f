//! From what a record says to the key of the record that it leads to.
//!
//! A reference and its target may hold one value in different forms. Here the value is put into the form of the target's
//! column, as its source would have stored it, so that the key is the one that the target's tree has.

use crate::codec::Malformed;
use crate::id::BlobId;
use crate::record::{Cell, CellKind, Cells, ClassSchema, Codec, Column, ColumnId, DynamicValue, KeyPlan, put_cell};

use super::extract::{Lead, Scratch};
use super::plan::{ClassPlan, ReferenceGraph, SetId, TargetSet};
use super::resolved::{Kind, RecordName, Resolved, Target, Tuple};
use super::said::{Said, Values};

impl ReferenceGraph {
    /// The references of a record that lead somewhere. `large` holds the contents of its cells that refer to blobs, in
    /// order. References of a class that is not known are none.
    pub fn references(&self, class: &str, record: &[u8], large: &[Vec<u8>]) -> Result<Vec<Resolved>, Malformed> {
        let Some(plan) = self.plan(class) else { return Ok(Vec::new()) };
        let blobs = blobs_of(record)?;
        let mut fetch = |cell: &Cell<'_>| -> Result<Vec<u8>, Malformed> {
            let wanted = cell.blob()?.map(|(blob, _)| blob);
            let at = blobs.iter().position(|blob| Some(*blob) == wanted);
            at.and_then(|at| large.get(at)).cloned().ok_or(Malformed::new("large value"))
        };
        let mut slots = Vec::new();
        plan.cells(record, &mut slots)?;
        let mut found = Vec::new();
        plan.visit_references(&slots, &mut Scratch::default(), &mut fetch, &mut |reference, lead| {
            let target = match lead {
                Lead::Nowhere => return Ok(()),
                Lead::Half => Target::Half,
                Lead::NoClass(named) => Target::NoClass { named },
                Lead::To(set, values) => self.target(set, values)?,
            };
            let (name, kind, columns) = (reference.name.clone(), reference.kind, reference.columns.clone());
            let nullable = |id: &ColumnId| plan.schema.column(*id).is_some_and(|column| column.nullable);
            let optional = kind == Kind::Embedded || reference.columns.iter().any(nullable);
            let resolved = Resolved { name, kind, columns, owner: reference.owner, optional, target };
            if !found.contains(&resolved) {
                found.push(resolved);
            }
            Ok::<(), Malformed>(())
        })?;
        Ok(found)
    }

    /// The record that a tuple of a set means.
    fn target(&self, set: SetId, values: &[u8]) -> Result<Target, Malformed> {
        let (Some(set), none) = (self.set(set), Malformed::new("set of targets")) else {
            return Err(Malformed::new("set of targets"));
        };
        let plan = self.plans.get(set.class).ok_or(none)?;
        let values = tuple_of(plan, set, values);
        let class = plan.schema.name.clone();
        match KeyPlan::new(&plan.schema).filter(|_| set.is_key) {
            Some(key_plan) => {
                let mut key = Vec::new();
                key_plan.key_of(&values.cells, &mut key).map_err(|_| Malformed::new("key"))?;
                Ok(Target::Record(RecordName { class, key }))
            }
            None => Ok(Target::Unique { class, values }),
        }
    }
}

/// The values as cells of the target's class.
fn tuple_of(plan: &ClassPlan, set: &TargetSet, values: &[u8]) -> Tuple {
    let said = set.columns.iter().zip(Values::new(values)).collect::<Vec<_>>();
    Tuple { columns: set.columns.clone(), cells: put_cells(&plan.schema, &said) }
}

/// A record that holds these values and no others.
pub(super) fn put_cells(schema: &ClassSchema, said: &[(&ColumnId, Said<'_>)]) -> Vec<u8> {
    let mut ordered: Vec<_> = said.iter().filter_map(|(id, said)| Some((schema.column(**id)?, *said))).collect();
    ordered.sort_by_key(|(column, _)| column.id);
    let mut record = Vec::new();
    let mut previous = ColumnId(0);
    for (column, said) in ordered {
        let (kind, bytes) = stored(column, said);
        put_cell(&mut record, previous, Cell { column: column.id, kind, bytes: &bytes });
        previous = column.id;
    }
    record
}

/// How a column holds a value.
fn stored(column: &Column, said: Said<'_>) -> (CellKind, Vec<u8>) {
    let mut out = Vec::new();
    match column.codec {
        Codec::Dynamic => {
            let text = said.text();
            match said {
                Said::Integer(value) if !has_text_affinity(&column.source_type) => DynamicValue::Integer(value),
                Said::Bytes(bytes) => DynamicValue::Blob(bytes),
                _ => DynamicValue::Text(&text),
            }
            .encode(&mut out);
        }
        Codec::HexBytes => match said {
            Said::Bytes(bytes) => out.extend_from_slice(bytes),
            said => return (CellKind::Text, said.text()),
        },
        codec => {
            let text = padded(&column.source_type, said.text());
            if !codec.encode(&text, &mut out) {
                return (CellKind::Text, text);
            }
        }
    }
    (CellKind::Canonical, out)
}

/// Whether an engine whose values have types of their own turns numbers in such a column into text.
fn has_text_affinity(source_type: &str) -> bool {
    let declared = source_type.to_ascii_uppercase();
    !declared.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|text| declared.contains(text))
}

/// Text as a column of fixed width holds it.
fn padded(source_type: &str, mut text: Vec<u8>) -> Vec<u8> {
    let width = source_type.strip_prefix("character(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(width) = width.and_then(|width| width.parse::<usize>().ok()) {
        let len = String::from_utf8_lossy(&text).chars().count();
        text.extend(std::iter::repeat_n(b' ', width.saturating_sub(len)));
    }
    text
}

fn blobs_of(record: &[u8]) -> Result<Vec<BlobId>, Malformed> {
    let mut blobs = Vec::new();
    let mut cells = Cells::new(record);
    while let Some(cell) = cells.next_cell()? {
        blobs.extend(cell.blob()?.map(|(blob, _)| blob));
    }
    Ok(blobs)
}
