//! The sealed body of a manifest, version 1: what names, counts and describes, as JSON.
//!
//! Fields that a later release adds are skipped by an older reader, which never rewrites a body. A body of another
//! version is an error of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{BlobId, ClassId, ClassRoot, SchemaDigest};
use crate::time::WallTime;

/// The version that this module writes and reads.
pub(super) const VERSION: u32 = 1;

/// Everything about a snapshot that is not opaque.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestBody {
    /// The source's name in its room.
    pub source_name: String,
    /// `postgresql`, `sqlite` …
    pub engine: String,
    /// As the engine states it.
    pub engine_version: String,
    /// The product on top, where a profile recognised one.
    pub product: Option<String>,
    /// The profile that said so, and what was left out and recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Versions of application, migrations and plugins by name.
    pub application_versions: BTreeMap<String, String>,
    /// What connects the system with others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub integrations: Vec<IntegrationState>,
    /// Settings of the engine and of the database, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Where the source's own log stood: LSN, GTID, sequence, by name.
    pub source_position: BTreeMap<String, String>,
    /// What the clocks said.
    pub clock: ClockReadings,
    /// The host that the agent ran on.
    pub host: String,
    /// The classes, in the order in which they were captured.
    pub classes: Vec<ClassEntry>,
    /// The blob that holds the schemas of all classes, as JSON.
    pub schemas: BlobId,
    /// What restores the source natively, and whatever else is kept as it is.
    pub blobs: Vec<BlobEntry>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// The operator's tags.
    pub tags: Vec<String>,
}

/// What connected the system with others when a snapshot was taken, such as its webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrationState {
    /// What it is.
    pub name: String,
    /// The class that holds it.
    pub class: String,
    /// The columns that were recorded.
    pub columns: Vec<String>,
    /// Their different values, in order; NULL is nothing.
    pub values: Vec<Vec<Option<String>>>,
    /// Whether there were more than are listed.
    pub is_cut: bool,
}

/// One class of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassEntry {
    /// The opaque id that the head uses.
    pub id: ClassId,
    /// What the source calls it.
    pub name: String,
    /// Records captured.
    pub records: u64,
    /// Records that the source said it had, where it did.
    pub expected: Option<u64>,
    /// The root of its records.
    pub root: ClassRoot,
    /// Records that its leaves aim at.
    pub leaf_records_target: u32,
    /// Children that its nodes aim at.
    pub node_children_target: u32,
    /// The schema.
    pub schema_digest: SchemaDigest,
    /// The top of its tree; none if it has no records.
    pub top: Option<NodeRef>,
    /// Whether it was captured.
    pub captured: bool,
    /// Why not, or why not all.
    pub reason: Option<String>,
    /// What a person should know of it.
    pub findings: Vec<Finding>,
}

/// A leaf or node by level and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRef {
    /// 0 for a leaf.
    pub level: u8,
    /// The leaf's or node's id.
    #[serde(with = "hex_id")]
    pub id: [u8; 32],
}

/// A blob of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobEntry {
    /// What it is for.
    pub role: String,
    /// Its id.
    pub id: BlobId,
    /// Its length.
    pub bytes: u64,
}

/// The clocks of the source's host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReadings {
    /// The wall clock when the snapshot's view was taken.
    pub wall: Option<WallTime>,
    /// The monotonic clock at the same moment, in nanoseconds.
    pub monotonic_ns: Option<u64>,
    /// The boot that the monotonic clock belongs to.
    pub boot_id: Option<String>,
    /// Measured offset to true time, in microseconds.
    pub offset_us: Option<i64>,
    /// Its error bound, in microseconds.
    pub error_us: Option<u64>,
    /// When the source committed what the snapshot shows last, by its own clock.
    pub commit: Option<WallTime>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Something is missing or wrong.
    Error,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub message: String,
}

/// The body with its version in front.
#[derive(Serialize)]
pub(super) struct Versioned<'a> {
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) body: &'a ManifestBody,
}

/// What is read of a body before the rest.
#[derive(Deserialize)]
pub(super) struct Envelope {
    pub(super) version: u32,
}

mod hex_id {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(id: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(id))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let mut id = [0; 32];
        hex::decode_to_slice(String::deserialize(deserializer)?, &mut id).map_err(D::Error::custom)?;
        Ok(id)
    }
}
