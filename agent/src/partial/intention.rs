//! What a restore is to do, whatever it restores from: records in three states, and what is known beside the target.

use std::collections::BTreeMap;

use strongroom_core::record::ClassSchema;

use super::ask::Asker;
use super::error::PartialError;
use super::plan::{Conflict, PlannedClass, Policy, Triple};
use super::related::{Undeclared, Written};
use super::row::{Row, Value};
use crate::live::LiveReference;
use crate::source::Finding;

/// What was gathered.
#[derive(Default)]
pub struct Gathered {
    /// The classes.
    pub classes: Vec<PlannedClass>,
    /// The records.
    pub triples: Vec<Triple>,
    /// Records of whole classes that are as they should be, by the class's number.
    pub unchanged: BTreeMap<usize, u64>,
    /// Records of whole classes that the snapshot lacks and that are left.
    pub extra: u64,
    /// Conflicts that were seen, by record.
    pub seen: Vec<(usize, Conflict)>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// Why nothing can be done.
    pub refusals: Vec<String>,
}

/// What is known beside the target.
pub trait Known {
    /// The schema of a class, if it is known.
    fn schema(&self, class: &str) -> Option<&ClassSchema>;

    /// The records that a reference leads to with these values, question by question.
    fn find(
        &self,
        from: &ClassSchema,
        reference: &LiveReference,
        values: &[Vec<Value>],
    ) -> Result<Vec<Option<Row>>, PartialError>;

    /// What records refer to though no engine checks it, record by record. Nothing, unless something is known of it.
    fn undeclared(&self, records: &[Written<'_>]) -> Result<Vec<Vec<Undeclared>>, PartialError> {
        Ok(vec![Vec::new(); records.len()])
    }

    /// The columns that name a type, if a class is the registry of types: installations number types as they come.
    /// None, where the types are those of the same installation.
    fn names_of_types(&self, _class: &str) -> Vec<String> {
        Vec::new()
    }
}

/// What a restore is to do: from a snapshot, or back from a safety copy.
pub trait Intention: Known {
    /// Classes that are read from end to end.
    fn whole(&self) -> Vec<&str> {
        Vec::new()
    }

    /// What may be done.
    fn policy(&self) -> Policy;

    /// Gathers the records, asking the target for its side of them.
    fn gather(&self, asker: &mut Asker<'_>) -> Result<Gathered, PartialError>;
}
