//! The plan by which references are taken out of records: made once for all classes, used for every record.
//!
//! Owns what a [`GraphBuilder`](super::GraphBuilder) found out, in the form that costs least per record: the columns of
//! a class that matter, each with a slot, and what is to be read from the slots. It holds no record.
//!
//! ```text
//!  record ── cells() ──► slots ──┬─ references ──► lead: to a set · to no class · half · nowhere
//!                                ├─ sets ────────► what others may refer to: key, or other unique columns
//!                                └─ edges, ends ─► what tells one edge or end from another
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::Malformed;
use crate::record::{Cell, Cells, ClassSchema, ColumnId};

use super::document::Way;
use super::resolved::Kind;
use super::said::Reading;
use super::types::{TypeLead, TypeMap};

/// The number of a set of targets: columns of a class whose values others refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub(super) u32);

impl SetId {
    /// A number that no other set has, for digests of tuples.
    pub const fn domain(self) -> u64 {
        self.0 as u64
    }

    pub(super) const fn at(self) -> usize {
        self.0 as usize
    }
}

/// Columns of a class whose values others refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSet {
    /// The position of the class.
    pub class: usize,
    /// The columns, in the order of tuples.
    pub columns: Vec<ColumnId>,
    /// Whether they are the class's key, in its order.
    pub is_key: bool,
}

/// One column that matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) column: ColumnId,
    pub(super) reading: Reading,
    pub(super) is_array: bool,
}

/// Where a reference leads, as far as the plan can tell.
#[derive(Clone, Debug)]
pub(super) enum Course {
    /// Always to the same set.
    Set(SetId),
    /// To a class that is not at hand, so that nothing can be said.
    Elsewhere,
    /// By the type in the first slot, to the key in the second.
    Generic(Arc<TypeMap>),
    /// By texts `type:id` in a document.
    Typed(Way, Arc<TypeMap>),
    /// By keys in a document.
    Keys(Way, SetId),
    /// By members of objects in a document.
    Fields(Way, BTreeMap<String, TypeLead>),
}

/// A reference of a class.
#[derive(Clone, Debug)]
pub struct PlannedReference {
    /// The constraint's name, or what the rule calls it.
    pub name: String,
    /// What makes it a reference.
    pub kind: Kind,
    /// The referring columns.
    pub columns: Vec<ColumnId>,
    /// Whether it leads to the record's owner.
    pub owner: bool,
    /// Whether a record without it is an orphan.
    pub required: bool,
    pub(super) slots: Vec<usize>,
    pub(super) course: Course,
    pub(super) none: Option<Vec<u8>>,
}

/// What tells an edge from all others, and what it must have.
#[derive(Clone, Debug, Default)]
pub(super) struct PlannedEdge {
    pub(super) same: Vec<usize>,
    pub(super) filled: Vec<usize>,
}

/// A column of ends that leads to what needs them.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlannedEnd {
    /// The number of the rule.
    pub rule: usize,
    pub(super) by: usize,
    pub(super) end: usize,
}

/// How many ends the records of a class need.
#[derive(Clone, Copy, Debug)]
pub struct NeededEnds {
    /// The number of the rule.
    pub rule: usize,
    /// How many different ones.
    pub least: u32,
    /// The set that ends lead to: the class's key.
    pub set: SetId,
}

/// What is to be read from the records of one class.
#[derive(Clone, Debug)]
pub struct ClassPlan {
    pub(super) schema: ClassSchema,
    pub(super) may_dangle: bool,
    pub(super) slots: Vec<Slot>,
    pub(super) slot_of: Vec<u16>,
    pub(super) references: Vec<PlannedReference>,
    pub(super) sets: Vec<(SetId, Vec<usize>)>,
    pub(super) edge: Option<PlannedEdge>,
    pub(super) ends: Vec<PlannedEnd>,
    pub(super) needs: Vec<NeededEnds>,
    pub(super) tracked: Vec<(ColumnId, usize)>,
}

/// The cells of a record that matter, by slot. It is reused from record to record.
pub type Slots<'r> = Vec<Option<Cell<'r>>>;

impl ClassPlan {
    pub(super) const fn new(schema: ClassSchema, may_dangle: bool) -> Self {
        Self {
            schema,
            may_dangle,
            slots: Vec::new(),
            slot_of: Vec::new(),
            references: Vec::new(),
            sets: Vec::new(),
            edge: None,
            ends: Vec::new(),
            needs: Vec::new(),
            tracked: Vec::new(),
        }
    }

    /// The class's schema.
    pub const fn schema(&self) -> &ClassSchema {
        &self.schema
    }

    /// Whether what the class refers to may be gone: it keeps history.
    pub const fn may_dangle(&self) -> bool {
        self.may_dangle
    }

    /// The references of the class.
    pub fn references(&self) -> &[PlannedReference] {
        &self.references
    }

    /// Whether anything can be said of the class's records alone.
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether records of the class are edges, or need ends.
    pub fn has_shape(&self) -> bool {
        self.edge.is_some() || !self.needs.is_empty()
    }

    /// How many columns are tracked.
    pub fn tracked(&self) -> usize {
        self.tracked.len()
    }

    /// Takes the cells that matter out of a record.
    pub fn cells<'r>(&self, record: &'r [u8], slots: &mut Slots<'r>) -> Result<(), Malformed> {
        slots.clear();
        slots.resize(self.slots.len(), None);
        let mut cells = Cells::new(record);
        while let Some(cell) = cells.next_cell()? {
            let at = cell.column.0 as usize;
            let Some(slot) = self.slot_of.get(at) else { break };
            if let Some(place) = slots.get_mut(usize::from(*slot)) {
                *place = Some(cell);
            }
        }
        Ok(())
    }

    /// Appends what the cells of some slots say. Says false, and leaves `out` as it was, if one of them holds nothing
    /// or stands in a blob.
    pub(super) fn put_tuple(&self, of: &[usize], slots: &Slots<'_>, out: &mut Vec<u8>) -> Result<bool, Malformed> {
        let start = out.len();
        for at in of {
            let cell = slots.get(*at).copied().flatten();
            let whole = match (cell, self.slots.get(*at)) {
                (Some(cell), Some(slot)) => slot.reading.put(&cell, out)?,
                _ => false,
            };
            if !whole {
                out.truncate(start);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Appends what others may refer to the record by, in a set of this class. Says false if it is empty.
    pub fn put_set(&self, set: SetId, slots: &Slots<'_>, out: &mut Vec<u8>) -> Result<bool, Malformed> {
        let of = self.sets.iter().find(|(known, _)| *known == set);
        of.map_or(Ok(false), |(_, of)| self.put_tuple(of, slots, out))
    }

    /// The slot of a column, made if there is none; nothing if the class lacks the column.
    pub(super) fn slot(&mut self, id: ColumnId) -> Option<usize> {
        if let Some(at) = self.slots.iter().position(|slot| slot.column == id) {
            return Some(at);
        }
        let column = self.schema.column(id)?;
        let is_array = column.source_type.ends_with("[]");
        self.slots.push(Slot { column: id, reading: Reading::of(column), is_array });
        let at = self.slots.len() - 1;
        let place = id.0 as usize;
        if self.slot_of.len() <= place {
            self.slot_of.resize(place + 1, u16::MAX);
        }
        *self.slot_of.get_mut(place)? = u16::try_from(at).ok()?;
        Some(at)
    }
}

/// What is known of the references of all classes.
#[derive(Clone, Debug)]
pub struct ReferenceGraph {
    pub(super) plans: Vec<ClassPlan>,
    pub(super) by_name: BTreeMap<String, usize>,
    pub(super) sets: Vec<TargetSet>,
    pub(super) idle_rules: Vec<String>,
    pub(super) unjudged: Vec<(String, String)>,
}

impl ReferenceGraph {
    /// The plans of all classes, in the order in which the schemas were given.
    pub fn plans(&self) -> &[ClassPlan] {
        &self.plans
    }

    /// The plan of a class.
    pub fn plan(&self, class: &str) -> Option<&ClassPlan> {
        self.plans.get(*self.by_name.get(class)?)
    }

    /// The position of a class, and that of a column among those that are tracked there.
    pub fn tracked(&self, class: &str, column: &str) -> Option<(usize, usize)> {
        let at = *self.by_name.get(class)?;
        let plan = self.plans.get(at)?;
        let id = plan.schema.column_named(column)?.id;
        Some((at, plan.tracked.iter().position(|(tracked, _)| *tracked == id)?))
    }

    /// A set of targets.
    pub fn set(&self, id: SetId) -> Option<&TargetSet> {
        self.sets.get(id.at())
    }

    /// The class of a set of targets.
    pub fn class_of(&self, id: SetId) -> &str {
        let plan = self.set(id).and_then(|set| self.plans.get(set.class));
        plan.map_or("", |plan| plan.schema.name.as_str())
    }

    /// Rules that apply to no class or column that is there, in words.
    pub fn idle_rules(&self) -> &[String] {
        &self.idle_rules
    }

    /// References that nothing can be said of, since the class that they lead to is not at hand: class and reference.
    pub fn unjudged(&self) -> &[(String, String)] {
        &self.unjudged
    }
}
