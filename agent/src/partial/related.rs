//! What records of a snapshot have to do with others: by declared keys, by types and ids, within documents.
//!
//! The graph says where references lead, the snapshot what is there. What of it is brought along, and what the target
//! has already, is for others to decide. Many records are asked about at once, so that a class is read at most once.

use std::collections::HashSet;

use strongroom_core::graph::rules::{ReferenceRules, TypeRegistryRule};
use strongroom_core::graph::{ClassPlan, Kind, RecordName, ReferenceGraph, Resolved, Target};

use super::error::PartialError;
use super::row::Row;
use super::snapshot::{RowsByKey, SnapshotRows, WantedByClass};
use crate::integrity::snapshot_graph;
use crate::view::ObjectStore;

/// The registry of types that applications on Django have, of which not every one has a profile.
const DJANGO_TYPES: (&str, [&str; 2]) = ("django_content_type", ["app_label", "model"]);

/// A record that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Written<'r> {
    /// Its class.
    pub class: &'r str,
    /// As it is to be.
    pub wanted: &'r Row,
    /// As the target has it.
    pub live: Option<&'r Row>,
}

/// A reference that no engine checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeclared {
    /// What the profile calls it.
    pub reference: String,
    /// The record that it leads to; nothing if the snapshot lacks it, too.
    pub target: Option<(RecordName, Row)>,
}

/// What is known of the references of a snapshot.
pub(super) struct Related {
    graph: ReferenceGraph,
    types: Option<TypeRegistryRule>,
}

impl Related {
    /// Reads what the rules need to be followed.
    pub(super) fn new<S: ObjectStore>(rows: &SnapshotRows<'_, S>, rules: &ReferenceRules) -> Result<Self, PartialError>
    where
        S::Error: std::error::Error + Send + Sync + 'static,
    {
        Ok(Self { graph: snapshot_graph(rows.view, rules)?, types: rules.types.clone() })
    }

    /// What records need: all that they refer to, but for what they refer to already as the target has them.
    pub(super) fn needed_by<'r, S: ObjectStore>(
        &self,
        rows: &SnapshotRows<'_, S>,
        records: impl IntoIterator<Item = Written<'r>>,
    ) -> Result<RowsByKey, PartialError>
    where
        S::Error: std::error::Error + Send + Sync + 'static,
    {
        let mut targets = HashSet::new();
        for record in records {
            targets.extend(self.new_references(record)?.into_iter().map(|reference| reference.target));
        }
        let mut needed = RowsByKey::new();
        for (name, row) in rows.targets(&targets)?.into_values() {
            needed.entry(name.class).or_default().insert(name.key, row);
        }
        Ok(needed)
    }

    /// What each record refers to without its source declaring it, with the same exception. Classes that keep history
    /// refer to what may be gone: of them nothing is said.
    pub(super) fn undeclared<S: ObjectStore>(
        &self,
        rows: &SnapshotRows<'_, S>,
        records: &[Written<'_>],
    ) -> Result<Vec<Vec<Undeclared>>, PartialError>
    where
        S::Error: std::error::Error + Send + Sync + 'static,
    {
        let leads = |target: &Target| matches!(target, Target::Record(_) | Target::Unique { .. });
        let mut references = Vec::with_capacity(records.len());
        for record in records {
            let mut own = Vec::new();
            if self.graph.plan(record.class).is_some_and(|plan| !ClassPlan::may_dangle(plan)) {
                own = self.new_references(*record)?;
                own.retain(|reference| reference.kind != Kind::Declared && leads(&reference.target));
            }
            references.push(own);
        }
        let targets = references.iter().flatten().map(|reference| reference.target.clone()).collect();
        let found = rows.targets(&targets)?;
        let told = |reference: Resolved| {
            let target = found.get(&reference.target).cloned();
            Undeclared { reference: reference.name, target }
        };
        Ok(references.into_iter().map(|own| own.into_iter().map(told).collect()).collect())
    }

    /// The records that belong to some others, which are given with their classes.
    pub(super) fn owned_by<'r, S: ObjectStore>(
        &self,
        rows: &SnapshotRows<'_, S>,
        owners: impl IntoIterator<Item = (&'r str, &'r Row)>,
    ) -> Result<RowsByKey, PartialError>
    where
        S::Error: std::error::Error + Send + Sync + 'static,
    {
        let mut wanted = WantedByClass::new();
        for (class, owner) in owners {
            for incoming in self.graph.incoming(class, owner.as_bytes())?.into_iter().filter(|found| found.belongs) {
                let Some(values) = Row::from_bytes(&incoming.values.cells)?.values(&incoming.values.columns) else {
                    continue;
                };
                let of_class = wanted.entry(incoming.class).or_default();
                of_class.entry(incoming.values.columns).or_default().insert(values);
            }
        }
        rows.holding(&wanted)
    }

    /// The columns that name a type, if a class is the registry of types.
    pub(super) fn names_of_types(&self, class: &str) -> Vec<String> {
        let simple = class.rsplit('.').next().unwrap_or_default();
        match self.types.as_ref().filter(|rule| !rule.class.is_empty()) {
            Some(rule) if rule.class == class || rule.class == simple => rule.naming_columns(),
            None if simple == DJANGO_TYPES.0 => DJANGO_TYPES.1.map(str::to_owned).to_vec(),
            _ => Vec::new(),
        }
    }

    /// The references of a record, but for those that the target's record has already.
    fn new_references(&self, record: Written<'_>) -> Result<Vec<Resolved>, PartialError> {
        let mut references = self.graph.references(record.class, record.wanted.as_bytes(), &[])?;
        if let Some(live) = record.live {
            references.retain(|reference| !record.wanted.differing(live, &reference.columns).is_empty());
        }
        Ok(references)
    }
}
