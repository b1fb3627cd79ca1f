//! Taking references out of a record: where each of them leads, and what the record gives others to lead to.
//!
//! Owns the reading of slots. It looks nothing up: whether a target is there is for others to say.

use serde_json::Value;

use crate::codec::Malformed;
use crate::record::Cell;

use super::document;
use super::plan::{ClassPlan, Course, NeededEnds, PlannedEdge, PlannedReference, SetId, Slots};
use super::said::{put_integer, put_text, tuple_text};
use super::types::{TypeLead, TypeMap};

/// Where one reference of a record leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead<'a> {
    /// To the record that has these values in the set's columns.
    To(SetId, &'a [u8]),
    /// To a class that is not there: what the record names.
    NoClass(String),
    /// A type without an id, or an id without a type.
    Half,
    /// To nothing: it is empty.
    Nowhere,
}

/// Gives the content of a cell that refers to a blob.
pub type Large<'l, E> = dyn FnMut(&Cell<'_>) -> Result<Vec<u8>, E> + 'l;

/// Takes in where a reference leads.
pub type LeadVisit<'v, E> = dyn FnMut(&PlannedReference, Lead<'_>) -> Result<(), E> + 'v;

/// Takes in what others may refer to a record by: a set, and the values of its columns.
pub type SetVisit<'v, E> = dyn FnMut(SetId, &[u8]) -> Result<(), E> + 'v;

/// Takes in an end: the number of its rule, what it leads to, and which end it is.
pub type EndVisit<'v, E> = dyn FnMut(usize, &[u8], &[u8]) -> Result<(), E> + 'v;

/// Memory that is reused from record to record.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    values: Vec<u8>,
    of: Vec<u8>,
}

impl ClassPlan {
    /// Visits every reference of a record whose cells are in `slots`: once, or as often as a document has it. One that
    /// can't be judged is passed over.
    pub fn visit_references<E: From<Malformed>>(
        &self,
        slots: &Slots<'_>,
        scratch: &mut Scratch,
        large: &mut Large<'_, E>,
        visit: &mut LeadVisit<'_, E>,
    ) -> Result<(), E> {
        self.references.iter().try_for_each(|reference| match &reference.course {
            Course::Set(set) => self.visit_plain(reference, *set, slots, scratch, visit),
            Course::Generic(types) => self.visit_generic(reference, types, slots, scratch, visit),
            Course::Elsewhere => Ok(()),
            Course::Typed(..) | Course::Keys(..) | Course::Fields(..) => {
                self.visit_document(reference, slots, scratch, large, visit)
            }
        })
    }

    /// Visits what others may refer to the record by.
    pub fn visit_sets<E: From<Malformed>>(
        &self,
        slots: &Slots<'_>,
        scratch: &mut Scratch,
        visit: &mut SetVisit<'_, E>,
    ) -> Result<(), E> {
        self.sets.iter().try_for_each(|(set, of)| {
            scratch.values.clear();
            if self.put_tuple(of, slots, &mut scratch.values)? { visit(*set, &scratch.values) } else { Ok(()) }
        })
    }

    fn visit_plain<E: From<Malformed>>(
        &self,
        reference: &PlannedReference,
        set: SetId,
        slots: &Slots<'_>,
        scratch: &mut Scratch,
        visit: &mut LeadVisit<'_, E>,
    ) -> Result<(), E> {
        scratch.values.clear();
        // A reference with NULL among its columns leads nowhere: MATCH SIMPLE.
        let whole = self.put_tuple(&reference.slots, slots, &mut scratch.values)?;
        let is_none = !whole || reference.none.as_ref() == Some(&scratch.values);
        visit(reference, if is_none { Lead::Nowhere } else { Lead::To(set, &scratch.values) })
    }

    fn visit_generic<E: From<Malformed>>(
        &self,
        reference: &PlannedReference,
        types: &TypeMap,
        slots: &Slots<'_>,
        scratch: &mut Scratch,
        visit: &mut LeadVisit<'_, E>,
    ) -> Result<(), E> {
        const EMPTY: &[u8] = &[3, 0];
        let [of, id] = reference.slots.as_slice() else { return Ok(()) };
        scratch.of.clear();
        scratch.values.clear();
        let has_type = self.put_tuple(&[*of], slots, &mut scratch.of)? && scratch.of != EMPTY;
        let has_id = self.put_tuple(&[*id], slots, &mut scratch.values)?
            && scratch.values != EMPTY
            && reference.none.as_ref() != Some(&scratch.values);
        let lead = match (has_type, has_id) {
            (false, false) => Lead::Nowhere,
            (true, true) => match types.get(&scratch.of) {
                Some(TypeLead::Set(set)) => Lead::To(*set, &scratch.values),
                Some(TypeLead::Elsewhere) => return Ok(()),
                Some(TypeLead::NoClass(name)) => Lead::NoClass(name.clone()),
                None => Lead::NoClass(format!("type {}", tuple_text(&scratch.of))),
            },
            _ => Lead::Half,
        };
        visit(reference, lead)
    }

    fn visit_document<E: From<Malformed>>(
        &self,
        reference: &PlannedReference,
        slots: &Slots<'_>,
        scratch: &mut Scratch,
        large: &mut Large<'_, E>,
        visit: &mut LeadVisit<'_, E>,
    ) -> Result<(), E> {
        let at = reference.slots.first().copied().unwrap_or_default();
        let (Some(cell), Some(slot)) = (slots.get(at).copied().flatten(), self.slots.get(at)) else { return Ok(()) };
        let content;
        let whole = if cell.blob()?.is_some() {
            content = large(&cell)?;
            Cell { kind: cell.kind.out_of_blob(), bytes: &content, ..cell }
        } else {
            cell
        };
        let document = document::read(slot.reading.document(&whole)?, slot.is_array);
        let Some(document) = document else { return Ok(()) };
        let values = &mut scratch.values;
        match &reference.course {
            Course::Typed(way, types) => {
                way.visit(&document, &mut |value| typed(reference, types, value, values, visit))
            }
            Course::Keys(way, set) => {
                let lead = TypeLead::Set(*set);
                way.visit(&document, &mut |value| keyed(reference, &lead, value, values, visit))
            }
            Course::Fields(way, fields) => way.visit(&document, &mut |value| {
                fields.iter().try_for_each(|(name, lead)| match value.get(name) {
                    Some(Value::Array(keys)) => {
                        keys.iter().try_for_each(|key| keyed(reference, lead, key, values, visit))
                    }
                    Some(key) => keyed(reference, lead, key, values, visit),
                    None => Ok(()),
                })
            }),
            Course::Set(_) | Course::Elsewhere | Course::Generic(_) => Ok(()),
        }
    }

    /// Appends what tells the record, as an edge, from all others; says false if it is none or this is not judged.
    pub fn put_edge(&self, slots: &Slots<'_>, out: &mut Vec<u8>) -> Result<bool, Malformed> {
        let same = self.edge.as_ref().map_or(&[][..], |edge| &edge.same);
        // Edges of one kind may have no second end; those are equal, too.
        for at in same {
            if !self.put_tuple(&[*at], slots, out)? {
                out.push(0);
            }
        }
        Ok(!same.is_empty())
    }

    /// The columns of an edge that must hold something and are empty, by name.
    pub fn empty_ends<'p>(&'p self, slots: &'p Slots<'_>) -> impl Iterator<Item = &'p str> {
        let filled = self.edge.as_ref().map_or(&[][..], |PlannedEdge { filled, .. }| filled);
        let is_empty =
            |at: &&usize| slots.get(**at).copied().flatten().is_none_or(|cell| self.says_nothing(**at, &cell));
        filled.iter().filter(is_empty).filter_map(|at| {
            let column = self.schema.column(self.slots.get(*at)?.column)?;
            Some(column.name.as_str())
        })
    }

    fn says_nothing(&self, at: usize, cell: &Cell<'_>) -> bool {
        let mut said = Vec::new();
        let put = self.slots.get(at).map(|slot| slot.reading.put(cell, &mut said));
        matches!(put, Some(Ok(true))) && said == [3, 0]
    }

    /// Visits the ends that the record is: number of the rule, what it leads to, and which end it is.
    pub fn visit_ends<E: From<Malformed>>(
        &self,
        slots: &Slots<'_>,
        scratch: &mut Scratch,
        visit: &mut EndVisit<'_, E>,
    ) -> Result<(), E> {
        self.ends.iter().try_for_each(|planned| {
            scratch.values.clear();
            scratch.of.clear();
            let leads = self.put_tuple(&[planned.by], slots, &mut scratch.values)?;
            let tells = self.put_tuple(&[planned.end], slots, &mut scratch.of)?;
            if leads && tells { visit(planned.rule, &scratch.values, &scratch.of) } else { Ok(()) }
        })
    }

    /// How many ends a record of the class needs, by rule.
    pub fn needs(&self) -> &[NeededEnds] {
        &self.needs
    }

    /// Visits the whole numbers in the columns that are tracked, by their position among them.
    pub fn visit_tracked(&self, slots: &Slots<'_>, visit: &mut dyn FnMut(usize, i64)) -> Result<(), Malformed> {
        let mut said = Vec::new();
        for (number, (_, at)) in self.tracked.iter().enumerate() {
            said.clear();
            if self.put_tuple(&[*at], slots, &mut said)?
                && let Some((1, bytes)) = said.split_first()
                && let Ok(bytes) = bytes.try_into()
            {
                visit(number, i64::from_be_bytes(bytes));
            }
        }
        Ok(())
    }
}

/// A text `type:id` in a document.
fn typed<E: From<Malformed>>(
    reference: &PlannedReference,
    types: &TypeMap,
    value: &Value,
    values: &mut Vec<u8>,
    visit: &mut LeadVisit<'_, E>,
) -> Result<(), E> {
    let Value::String(text) = value else { return Ok(()) };
    let Some((of, id)) = text.split_once(':') else { return visit(reference, Lead::Half) };
    values.clear();
    put_text(values, id.as_bytes());
    match types.of_text(of) {
        Some(TypeLead::Set(set)) => visit(reference, Lead::To(*set, values)),
        Some(TypeLead::Elsewhere) => Ok(()),
        Some(TypeLead::NoClass(name)) => visit(reference, Lead::NoClass(name.clone())),
        None => visit(reference, Lead::NoClass(format!("type {of}"))),
    }
}

/// A key in a document.
fn keyed<E: From<Malformed>>(
    reference: &PlannedReference,
    lead: &TypeLead,
    value: &Value,
    values: &mut Vec<u8>,
    visit: &mut LeadVisit<'_, E>,
) -> Result<(), E> {
    values.clear();
    match value {
        Value::String(text) if !text.is_empty() => put_text(values, text.as_bytes()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => put_integer(values, number),
            None => put_text(values, number.to_string().as_bytes()),
        },
        _ => return Ok(()),
    }
    match lead {
        TypeLead::Set(set) => visit(reference, Lead::To(*set, values)),
        TypeLead::Elsewhere => Ok(()),
        TypeLead::NoClass(name) => visit(reference, Lead::NoClass(name.clone())),
    }
}
