//! What records are beside what they refer to: parts of an owner, edges, ends of something.

use crate::record::ColumnId;

use super::GraphBuilder;
use crate::graph::plan::{NeededEnds, PlannedEdge, PlannedEnd};
use crate::graph::rules::EndsRule;

impl GraphBuilder<'_> {
    pub(super) fn owners(&mut self) {
        let rules = self.rules;
        for rule in &rules.owners {
            let mut applied = false;
            for class in self.classes_that_fit(&rule.class) {
                let Some(by) = self.column(class, &rule.by) else { continue };
                let plan = self.graph.plans.get_mut(class);
                let references = plan.into_iter().flat_map(|plan| &mut plan.references);
                for reference in references.filter(|reference| reference.columns.contains(&by)) {
                    reference.owner = true;
                    reference.required |= rule.required;
                    applied = true;
                }
            }
            if !applied {
                self.idle(format!("owners: {}, {}", rule.class, rule.by));
            }
        }
    }

    pub(super) fn edges(&mut self) {
        let rules = self.rules;
        for rule in &rules.edges {
            let mut applied = false;
            for class in self.classes_that_fit(&rule.class) {
                let found = |builder: &Self, names: &[String]| -> Option<Vec<ColumnId>> {
                    names.iter().map(|name| builder.column(class, name)).collect()
                };
                let (Some(same), Some(filled)) = (found(self, &rule.same), found(self, &rule.filled)) else { continue };
                let (Some(same), Some(filled)) = (self.slots(class, &same), self.slots(class, &filled)) else {
                    continue;
                };
                if let Some(plan) = self.graph.plans.get_mut(class) {
                    plan.edge = Some(PlannedEdge { same, filled });
                    applied = true;
                }
            }
            if !applied {
                self.idle(format!("edges: {}", rule.class));
            }
        }
    }

    pub(super) fn ends(&mut self) {
        let rules = self.rules;
        for (number, rule) in rules.ends.iter().enumerate() {
            if self.ends_of(number, rule).is_none() {
                self.idle(format!("ends: {}, {}", rule.class, rule.of));
            }
        }
    }

    fn ends_of(&mut self, number: usize, rule: &EndsRule) -> Option<()> {
        let (class, of) = (self.class(&rule.class)?, self.class(&rule.of)?);
        let columns = [self.column(of, &rule.by)?, self.column(of, &rule.end)?];
        let set = self.key_set(class)?;
        let slots = self.slots(of, &columns)?;
        let [by, end] = slots.try_into().ok()?;
        self.graph.plans.get_mut(of)?.ends.push(PlannedEnd { rule: number, by, end });
        self.graph.plans.get_mut(class)?.needs.push(NeededEnds { rule: number, least: rule.least, set });
        Some(())
    }
}
