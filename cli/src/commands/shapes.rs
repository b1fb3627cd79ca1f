//! Shapes that several verbs share: findings, fields of records, and facts of snapshots.

use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;
use strongroom_agent::source::{Finding, Severity};
use strongroom_agent::view::{FieldValue, ViewError, field_values, key_text};
use strongroom_core::id::{SnapshotId, SnapshotRoot};
use strongroom_core::manifest::VerifiedManifest;
use strongroom_core::record::ClassSchema;

use crate::render::{Output, text};
use crate::room::manifests::Manifests;

/// Shows findings to people: those that matter, and the rest where everything is wanted.
pub(super) fn show_findings(output: &Output, findings: &[Finding], all: bool) {
    for finding in findings {
        let word = match finding.severity {
            Severity::Info if all || output.verbose > 0 => "note",
            Severity::Info => continue,
            Severity::Warning => "warning",
            Severity::Incomplete => "INCOMPLETE",
        };
        output.say(format!("  {word}: {}: {}", text::shown(&finding.subject), text::shown(&finding.message)));
    }
}

/// The fields of a record in the order of its schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fields(Vec<(String, FieldValue)>);

impl Fields {
    /// The fields of a record whose large values are at hand.
    pub(super) fn new(schema: &ClassSchema, record: &[u8], large: &[Vec<u8>]) -> Result<Self, ViewError> {
        let fields = field_values(schema, record, large)?;
        Ok(Self(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    /// Names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &FieldValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value of one field.
    pub(super) fn get(&self, name: &str) -> Option<&FieldValue> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names of fields that differ, and their values on either side.
    pub(super) fn differences<'a>(&'a self, after: &'a Self) -> Vec<(&'a str, FieldValue, FieldValue)> {
        let mut names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        names.extend(after.iter().map(|(name, _)| name).filter(|name| self.get(name).is_none()));
        let value = |fields: &Self, name: &str| fields.get(name).cloned().unwrap_or(FieldValue::Null);
        let pairs = names.into_iter().map(|name| (name, value(self, name), value(after, name)));
        pairs.filter(|(_, before, after)| before != after).collect()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &value.to_json())?;
        }
        map.end()
    }
}

/// A value for people, on one line.
pub(super) fn shown_value(value: &FieldValue) -> String {
    match value {
        FieldValue::Null => "NULL".to_owned(),
        FieldValue::Text(value) => text::shown(value),
        other => match other.to_json() {
            Value::String(value) => value,
            value => value.to_string(),
        },
    }
}

/// A record's key for people and programs; nothing in a keyless class.
pub(super) fn key_of(schema: &ClassSchema, record: &[u8]) -> Result<Option<String>, ViewError> {
    Ok(key_text(schema, record)?)
}

/// The facts of one snapshot, as lists and summaries give them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SnapshotFacts {
    pub(super) snapshot: SnapshotId,
    pub(super) source: String,
    pub(super) root: SnapshotRoot,
    pub(super) complete: bool,
    pub(super) classes: u64,
    pub(super) records: u64,
    pub(super) bytes_read: Option<u64>,
    pub(super) bytes_stored: u64,
    pub(super) duration_ms: u64,
    pub(super) protected: bool,
    pub(super) places: Vec<String>,
    pub(super) sequence: u64,
    pub(super) started: String,
    pub(super) finished: String,
}

impl SnapshotFacts {
    /// The facts in a head, with what is remembered of its run.
    pub(super) fn new(manifests: &Manifests, manifest: &VerifiedManifest, site: &str) -> Self {
        let head = manifest.head();
        let run = manifests.run(head.snapshot);
        let took = u64::try_from(head.finished.0.saturating_sub(head.started.0)).unwrap_or(0);
        Self {
            snapshot: head.snapshot,
            source: manifests.name(head.source),
            root: head.root,
            complete: head.complete,
            classes: head.classes.len() as u64,
            records: head.totals.records,
            bytes_read: run.map(|run| run.bytes_read),
            bytes_stored: run.map_or_else(|| stored_bytes(manifest), |run| run.bytes_stored),
            duration_ms: run.map_or_else(|| text::ms(Duration::from_micros(took)), |run| run.duration_ms),
            protected: manifests.is_protected(head.snapshot),
            places: vec![site.to_owned()],
            sequence: head.sequence,
            started: head.started.to_rfc3339(),
            finished: head.finished.to_rfc3339(),
        }
    }
}

/// Bytes that a snapshot added to the depot, as far as its head tells: the head itself is not counted.
fn stored_bytes(manifest: &VerifiedManifest) -> u64 {
    let head = manifest.head();
    head.packs_added.iter().map(|pack| pack.bytes).fold(head.body_bytes, u64::saturating_add)
}
