//! References the other way round: which records would lead to a given one, by the values that they would hold.
//!
//! References within documents are left out: no source finds them without reading every document.

use crate::codec::Malformed;
use crate::record::ColumnId;

use super::extract::Scratch;
use super::plan::{ClassPlan, Course, PlannedReference, ReferenceGraph, SetId};
use super::resolve::put_cells;
use super::resolved::{Kind, Tuple};
use super::said::{Said, Values};

/// What the records that refer to a given one hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Their class.
    pub class: String,
    /// The reference.
    pub reference: String,
    /// Whether they belong to the given one.
    pub belongs: bool,
    /// The values of the referring columns.
    pub values: Tuple,
}

impl ReferenceGraph {
    /// What records that refer to this one would hold, class by class.
    pub fn incoming(&self, class: &str, record: &[u8]) -> Result<Vec<Incoming>, Malformed> {
        let Some(plan) = self.plan(class) else { return Ok(Vec::new()) };
        let mut slots = Vec::new();
        plan.cells(record, &mut slots)?;
        let mut found = Vec::new();
        plan.visit_sets(&slots, &mut Scratch::default(), &mut |set, values| {
            for referring in &self.plans {
                for reference in &referring.references {
                    found.extend(values_that_lead(referring, reference, set, values).into_iter().map(|values| {
                        Incoming {
                            class: referring.schema.name.clone(),
                            reference: reference.name.clone(),
                            belongs: belongs(referring, reference),
                            values,
                        }
                    }));
                }
            }
            Ok::<(), Malformed>(())
        })?;
        Ok(found)
    }
}

/// Whether records belong to what one of their references leads to: as a rule says; or, in classes of whose owners no
/// rule says anything, if the source declares the reference and lets it never be empty.
fn belongs(plan: &ClassPlan, reference: &PlannedReference) -> bool {
    if plan.references.iter().any(|known| known.owner) {
        return reference.owner;
    }
    let never_empty = |id: &ColumnId| plan.schema.column(*id).is_some_and(|column| !column.nullable);
    !plan.may_dangle && reference.kind == Kind::Declared && reference.columns.iter().all(never_empty)
}

/// The values with which a reference leads to a tuple of a set.
fn values_that_lead(plan: &ClassPlan, reference: &PlannedReference, set: SetId, values: &[u8]) -> Vec<Tuple> {
    let tuple = |said: Vec<Said<'_>>| {
        let pairs: Vec<(&ColumnId, Said<'_>)> = reference.columns.iter().zip(said).collect();
        Tuple { columns: reference.columns.clone(), cells: put_cells(&plan.schema, &pairs) }
    };
    match &reference.course {
        Course::Set(to) if *to == set => vec![tuple(Values::new(values).collect())],
        Course::Generic(types) => {
            let of = types.types_of(set);
            of.map(|of| tuple(Values::new(of).chain(Values::new(values)).collect())).collect()
        }
        _ => Vec::new(),
    }
}
