//! Sequences: what they would give next, and which column they give it to.
//!
//! Owns the reading of the blobs that tell of them. Only PostgreSQL has sequences apart from the rows; SQLite never
//! gives a number that a row has.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::rows::IntegrityError;
use crate::fingerprint::Fingerprint;
use crate::postgres::{SequenceState, class_name, parse_parts};
use crate::source::NativeBlob;
use crate::view::ViewError;

/// A sequence that a column draws from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counter {
    /// The sequence, as the source calls it.
    pub(super) sequence: String,
    /// The class of the column.
    pub(super) class: String,
    /// The column.
    pub(super) column: String,
    /// The greatest number that was given, or would be the first.
    last: i64,
    is_called: bool,
}

impl Counter {
    /// Whether a column with this greatest value would be given a number that it has.
    pub(super) const fn is_behind(&self, greatest: i64) -> bool {
        greatest > self.last || (greatest == self.last && !self.is_called)
    }

    /// What is wrong, in words.
    pub(super) fn says(&self, greatest: i64) -> String {
        let state = if self.is_called { "has given" } else { "would begin with" };
        format!("{} {state} {}, and the greatest {} is {greatest}", self.sequence, self.last, self.column)
    }
}

/// A sequence's definition in the catalog fingerprint.
#[derive(Deserialize)]
struct Definition {
    #[serde(default)]
    owned_by: Option<String>,
    #[serde(default)]
    increment: Option<i64>,
}

/// The sequences that columns draw from, as the blobs of a source tell.
pub(super) fn counters(blobs: &[NativeBlob]) -> Result<Vec<Counter>, IntegrityError> {
    let find = |role: &str| blobs.iter().find(|blob| blob.role == role).map(|blob| blob.content.as_slice());
    let (Some(states), Some(fingerprint)) = (find("sequences"), find("fingerprint")) else { return Ok(Vec::new()) };
    // What other engines keep under this role is no list.
    if states.first() != Some(&b'[') {
        return Ok(Vec::new());
    }
    let states: Vec<SequenceState> =
        serde_json::from_slice(states).map_err(|error| ViewError::damaged("the states of sequences", error))?;
    let catalog =
        Fingerprint::from_blob(fingerprint).map_err(|error| ViewError::damaged("the catalog fingerprint", error))?;
    let definitions: BTreeMap<Vec<String>, &String> = catalog
        .objects
        .iter()
        .filter_map(|(object, definition)| Some((parse_parts(object.strip_prefix("sequence ")?)?, definition)))
        .collect();
    let counter = |state: SequenceState| {
        let definition = definitions.get(&vec![state.schema.clone(), state.name.clone()])?;
        let definition: Definition = serde_json::from_str(definition).ok()?;
        let owned_by = definition.owned_by.filter(|_| definition.increment.is_none_or(|step| step > 0))?;
        let [schema, table, column] = parse_parts(&owned_by)?.try_into().ok()?;
        Some(Counter {
            sequence: class_name(&state.schema, &state.name),
            class: class_name(&schema, &table),
            column,
            last: state.last_value,
            is_called: state.is_called,
        })
    };
    Ok(states.into_iter().filter_map(counter).collect())
}
