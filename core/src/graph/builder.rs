//! From schemas and rules to the plan of all references.
//!
//! Rules are written for many versions of a product: one whose class or column is not there applies to nothing, which
//! is told and is no error. Only a rule that could never be followed is refused.

mod references;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::codec::Malformed;
use crate::record::{ClassSchema, ColumnId, KeySpec};

use super::names::{class_fits, resolve};
use super::plan::{ClassPlan, ReferenceGraph, SetId, TargetSet};
use super::registry::{Described, Registry};
use super::rules::{Holds, ReferenceRules, RuleError};
use super::said::put_text;
use super::types::{Template, TypeLead, TypeMap};

/// Makes the plan of all references.
pub struct GraphBuilder<'r> {
    rules: &'r ReferenceRules,
    elsewhere: Vec<String>,
    registry: Option<Registry>,
    described: Vec<Option<Described>>,
    sets_by_columns: BTreeMap<(usize, Vec<ColumnId>), SetId>,
    graph: ReferenceGraph,
}

impl<'r> GraphBuilder<'r> {
    /// A builder for classes with these schemas.
    pub fn new<'s>(
        schemas: impl IntoIterator<Item = &'s ClassSchema>,
        rules: &'r ReferenceRules,
    ) -> Result<Self, RuleError> {
        let dangles = |name: &str| rules.may_dangle.iter().any(|pattern| class_fits(pattern, name));
        let plan = |schema: &ClassSchema| ClassPlan::new(schema.clone(), dangles(&schema.name));
        let plans: Vec<ClassPlan> = schemas.into_iter().map(plan).collect();
        let by_name = plans.iter().enumerate().map(|(at, plan)| (plan.schema.name.clone(), at)).collect();
        let graph = ReferenceGraph { plans, by_name, sets: Vec::new(), idle_rules: Vec::new(), unjudged: Vec::new() };
        let mut builder = Self {
            rules,
            elsewhere: Vec::new(),
            registry: None,
            described: Vec::new(),
            sets_by_columns: BTreeMap::new(),
            graph,
        };
        builder.find_registry()?;
        for rule in &rules.embedded {
            builder.described.push(builder.described_by(&rule.holds));
        }
        Ok(builder)
    }

    /// Names classes that are there and whose records are not at hand: nothing is said of references to them.
    pub fn elsewhere(&mut self, names: impl IntoIterator<Item = String>) {
        self.elsewhere.extend(names);
    }

    /// The classes whose records must be taken in before [`Self::build`].
    pub fn wants(&self) -> Vec<String> {
        let classes = self.registry.iter().map(|registry| registry.class);
        let classes = classes.chain(self.described.iter().flatten().map(|described| described.class));
        let classes: BTreeSet<usize> = classes.collect();
        classes.iter().filter_map(|at| self.graph.plans.get(*at)).map(|plan| plan.schema.name.clone()).collect()
    }

    /// Takes in a record of a class that is wanted.
    pub fn take(&mut self, class: &str, record: &[u8]) -> Result<(), Malformed> {
        let at = self.graph.by_name.get(class).copied();
        if let Some(registry) = self.registry.as_mut().filter(|registry| Some(registry.class) == at) {
            registry.take(record)?;
        }
        let described = self.described.iter_mut().flatten().filter(|described| Some(described.class) == at);
        described.into_iter().try_for_each(|described| described.take(record))
    }

    /// Has a column's greatest value told with each record, for [`ClassPlan::tracked`].
    pub fn track(&mut self, class: &str, column: &str) {
        let Some(plan) = self.graph.by_name.get(class).and_then(|at| self.graph.plans.get_mut(*at)) else { return };
        if let Some(id) = plan.schema.column_named(column).map(|column| column.id)
            && let Some(slot) = plan.slot(id)
        {
            plan.tracked.push((id, slot));
        }
    }

    /// The plan.
    pub fn build(mut self) -> Result<ReferenceGraph, RuleError> {
        let rules = self.rules;
        for class in 0..self.graph.plans.len() {
            self.declared(class);
        }
        let types = Arc::new(self.registered_types());
        for rule in &rules.generic {
            let map = match &rule.names {
                Some(template) => Arc::new(self.named_types(&Template::parse(template)?)),
                None if self.rules.types.as_ref().is_none_or(|types| types.class.is_empty()) => {
                    return Err(RuleError::NoRegistry { class: rule.class.clone() });
                }
                None => Arc::clone(&types),
            };
            self.generic(rule, &map);
        }
        for (at, rule) in rules.embedded.iter().enumerate() {
            self.embedded(at, rule, &types)?;
        }
        for rule in &rules.conventional {
            self.conventional(rule)?;
        }
        self.owners();
        self.edges();
        self.ends();
        Ok(self.graph)
    }

    fn find_registry(&mut self) -> Result<(), RuleError> {
        let Some(rule) = self.rules.types.as_ref().filter(|rule| !rule.class.is_empty()) else { return Ok(()) };
        if let Some(class) = self.class(&rule.class)
            && let Some(plan) = self.graph.plans.get(class)
        {
            self.registry = Registry::new(rule, class, &plan.schema)?;
        }
        if self.registry.is_none() {
            self.idle(format!("types: {}", rule.class));
        }
        Ok(())
    }

    fn described_by(&self, holds: &Holds) -> Option<Described> {
        let Holds::Fields(rule) = holds else { return None };
        let class = self.class(&rule.class)?;
        Described::new(rule, class, &self.graph.plans.get(class)?.schema)
    }

    fn class(&self, name: &str) -> Option<usize> {
        resolve(name, self.graph.plans.iter().map(|plan| plan.schema.name.as_str()))
    }

    fn classes_that_fit(&self, pattern: &str) -> Vec<usize> {
        let fit = |(_, plan): &(usize, &ClassPlan)| class_fits(pattern, &plan.schema.name);
        self.graph.plans.iter().enumerate().filter(fit).map(|(at, _)| at).collect()
    }

    fn idle(&mut self, rule: String) {
        self.graph.idle_rules.push(rule);
    }

    fn column(&self, class: usize, name: &str) -> Option<ColumnId> {
        Some(self.graph.plans.get(class)?.schema.column_named(name)?.id)
    }

    fn slots(&mut self, class: usize, columns: &[ColumnId]) -> Option<Vec<usize>> {
        let plan = self.graph.plans.get_mut(class)?;
        columns.iter().map(|id| plan.slot(*id)).collect()
    }

    /// The set of these columns of a class.
    fn set(&mut self, class: usize, columns: &[ColumnId]) -> Option<SetId> {
        let place = (class, columns.to_vec());
        if let Some(known) = self.sets_by_columns.get(&place) {
            return Some(*known);
        }
        let slots = self.slots(class, columns)?;
        let id = SetId(u32::try_from(self.graph.sets.len()).ok()?);
        let plan = self.graph.plans.get_mut(class)?;
        plan.sets.push((id, slots));
        let is_key = matches!(&plan.schema.key, KeySpec::Columns(key) if key == columns);
        self.graph.sets.push(TargetSet { class, columns: columns.to_vec(), is_key });
        self.sets_by_columns.insert(place, id);
        Some(id)
    }

    /// The set of a class's key, if that is one column.
    fn key_set(&mut self, class: usize) -> Option<SetId> {
        match self.graph.plans.get(class)?.schema.key.clone() {
            KeySpec::Columns(columns) if columns.len() == 1 => self.set(class, &columns),
            _ => None,
        }
    }

    /// Where a class's name leads.
    fn lead(&mut self, name: &str) -> TypeLead {
        if let Some(class) = self.class(name) {
            return self.key_set(class).map_or(TypeLead::Elsewhere, TypeLead::Set);
        }
        let is_elsewhere = name.is_empty() || resolve(name, self.elsewhere.iter().map(String::as_str)).is_some();
        if is_elsewhere { TypeLead::Elsewhere } else { TypeLead::NoClass(name.to_owned()) }
    }

    fn registered_types(&mut self) -> TypeMap {
        let mut map = TypeMap::default();
        let found = self.registry.as_ref().map(|registry| registry.types.clone()).unwrap_or_default();
        for (said, names, class) in found {
            let overridden = self.rules.types.as_ref().and_then(|rule| rule.overrides.get(&names));
            let lead = self.lead(overridden.unwrap_or(&class));
            map.put(said, lead);
        }
        map
    }

    fn named_types(&mut self, template: &Template) -> TypeMap {
        let mut map = TypeMap::default();
        let mut put = |text: &str, lead: TypeLead| {
            let mut said = Vec::new();
            put_text(&mut said, text.as_bytes());
            map.put(said, lead);
        };
        let names: Vec<String> = self.graph.plans.iter().map(|plan| plan.schema.name.clone()).collect();
        for name in names.iter().chain(&self.elsewhere.clone()) {
            if let Some(value) = template.value_of(name) {
                // What the value makes need not be this class: a short name may fit several.
                let lead = self.lead(&template.fill(&[value.to_owned()]));
                put(value, lead);
            }
        }
        let overrides = self.rules.types.as_ref().map(|rule| rule.overrides.clone()).unwrap_or_default();
        for (value, class) in &overrides {
            let lead = self.lead(class);
            put(value, lead);
        }
        map
    }
}
