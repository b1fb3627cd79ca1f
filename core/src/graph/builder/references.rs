//! The references of each class: those that its source declares, and those that rules add.

use std::sync::Arc;

use crate::record::ColumnId;

use super::GraphBuilder;
use crate::graph::document::Way;
use crate::graph::names::{fits, star};
use crate::graph::plan::{Course, PlannedReference};
use crate::graph::resolved::Kind;
use crate::graph::rules::{ConventionalRule, EmbeddedRule, GenericRule, Holds, RuleError};
use crate::graph::said::{put_text, tuple_text};
use crate::graph::types::{TypeLead, TypeMap};

impl GraphBuilder<'_> {
    fn add(
        &mut self,
        class: usize,
        kind: Kind,
        name: String,
        columns: Vec<ColumnId>,
        course: Course,
        none: Option<&str>,
    ) {
        if matches!(course, Course::Elsewhere) {
            let of = self.graph.plans.get(class).map_or_else(String::new, |plan| plan.schema.name.clone());
            self.graph.unjudged.push((of, name));
            return;
        }
        let Some(slots) = self.slots(class, &columns) else { return };
        let none = none.map(|text| {
            let mut said = Vec::new();
            put_text(&mut said, text.as_bytes());
            said
        });
        if let Some(plan) = self.graph.plans.get_mut(class) {
            plan.references.push(PlannedReference {
                name,
                kind,
                columns,
                owner: false,
                required: false,
                slots,
                course,
                none,
            });
        }
    }

    pub(super) fn declared(&mut self, class: usize) {
        let references = self.graph.plans.get(class).map(|plan| plan.schema.references.clone()).unwrap_or_default();
        for reference in references {
            let target = self.graph.by_name.get(&reference.class).copied();
            let set = target.and_then(|target| {
                let columns = reference.target_columns.iter().map(|name| self.column(target, name));
                let columns: Vec<ColumnId> = columns.collect::<Option<_>>()?;
                self.set(target, &columns)
            });
            let course = set.map_or(Course::Elsewhere, Course::Set);
            self.add(class, Kind::Declared, reference.name, reference.columns, course, None);
        }
    }

    pub(super) fn generic(&mut self, rule: &GenericRule, types: &Arc<TypeMap>) {
        let mut applied = false;
        for class in self.classes_that_fit(&rule.class) {
            let (Some(of), Some(id)) = (self.column(class, &rule.r#type), self.column(class, &rule.id)) else {
                continue;
            };
            let name = rule.name.clone().unwrap_or_else(|| format!("{}, {}", rule.r#type, rule.id));
            let course = Course::Generic(Arc::clone(types));
            self.add(class, Kind::Generic, name, vec![of, id], course, rule.none.as_deref());
            applied = true;
        }
        if !applied {
            self.idle(format!("generic: {}, {}, {}", rule.class, rule.r#type, rule.id));
        }
    }

    pub(super) fn embedded(&mut self, at: usize, rule: &EmbeddedRule, types: &Arc<TypeMap>) -> Result<(), RuleError> {
        let way = Way::parse(&rule.path)?;
        let course = match &rule.holds {
            Holds::Typed => Course::Typed(way, Arc::clone(types)),
            Holds::Key(class) => match self.lead(class) {
                TypeLead::Set(set) => Course::Keys(way, set),
                _ => Course::Elsewhere,
            },
            Holds::Fields(_) => {
                let described = self.described.get(at).and_then(Option::as_ref);
                let fields = described.map(|described| described.fields.clone()).unwrap_or_default();
                let unknown = |said: &[u8]| TypeLead::NoClass(format!("type {}", tuple_text(said)));
                let lead = |said: &[u8]| types.get(said).cloned().unwrap_or_else(|| unknown(said));
                Course::Fields(way, fields.into_iter().map(|(name, said)| (name, lead(&said))).collect())
            }
        };
        let mut applied = false;
        for class in self.classes_that_fit(&rule.class) {
            let Some(column) = self.column(class, &rule.column) else { continue };
            applied = true;
            if matches!(&course, Course::Fields(_, fields) if fields.is_empty()) {
                continue;
            }
            let name = rule.name.clone().unwrap_or_else(|| format!("{}{}", rule.column, rule.path));
            self.add(class, Kind::Embedded, name, vec![column], course.clone(), None);
        }
        if !applied {
            self.idle(format!("embedded: {}, {}", rule.class, rule.column));
        }
        Ok(())
    }

    pub(super) fn conventional(&mut self, rule: &ConventionalRule) -> Result<(), RuleError> {
        let stars = |text: &str| text.matches('*').count();
        if stars(&rule.column) > 1 || stars(&rule.target) > stars(&rule.column) {
            return Err(RuleError::Stars { pattern: format!("{} -> {}", rule.column, rule.target) });
        }
        let mut applied = false;
        for class in self.classes_that_fit(&rule.class) {
            for (id, name) in self.undeclared_columns(class, &rule.column) {
                let target = rule.target.replacen('*', star(&rule.column, &name).unwrap_or_default(), 1);
                let Some(target) = self.class(&target) else { continue };
                let set = match &rule.target_column {
                    Some(column) => self.column(target, column).and_then(|id| self.set(target, &[id])),
                    None => self.key_set(target),
                };
                let Some(set) = set else { continue };
                self.add(class, Kind::Conventional, name, vec![id], Course::Set(set), rule.none.as_deref());
                applied = true;
            }
        }
        if !applied {
            self.idle(format!("conventional: {}, {} -> {}", rule.class, rule.column, rule.target));
        }
        Ok(())
    }

    /// Columns that fit a pattern and are not a declared reference by themselves.
    fn undeclared_columns(&self, class: usize, pattern: &str) -> Vec<(ColumnId, String)> {
        let Some(plan) = self.graph.plans.get(class) else { return Vec::new() };
        let is_declared = |id: ColumnId| plan.references.iter().any(|reference| reference.columns == [id]);
        let columns =
            plan.schema.columns.iter().filter(|column| fits(pattern, &column.name) && !is_declared(column.id));
        columns.map(|column| (column.id, column.name.clone())).collect()
    }
}
