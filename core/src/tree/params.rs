//! The parameters of one class's tree, and the class root that binds them.

use serde::{Deserialize, Serialize};

use crate::codec::put_varint;
use crate::digest::IdFunctions;
use crate::id::{ClassRoot, LeafId, NodeId, SchemaDigest};
use crate::limits::{LEAF_BYTES_TARGET, LEAF_RECORDS_TARGET_MAX, LEAF_RECORDS_TARGET_MIN, NODE_CHILDREN_TARGET};

/// How wide the parts of a tree are. Fixed when a class is first seen; two trees compare only under equal parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeParams {
    /// Records that a leaf aims at: it holds between half and one and a half times as many.
    pub leaf_records_target: u32,
    /// Children that an inner node aims at, likewise.
    pub node_children_target: u32,
}

impl TreeParams {
    /// The parameters for a class of which this many records with this many bytes were seen: leaves of about 32 KiB.
    pub fn calc(records: u64, record_bytes: u64) -> Self {
        let mean = (record_bytes / records.max(1)).max(1);
        let target = u32::try_from(LEAF_BYTES_TARGET / mean).unwrap_or(u32::MAX);
        Self {
            leaf_records_target: target.clamp(LEAF_RECORDS_TARGET_MIN, LEAF_RECORDS_TARGET_MAX),
            node_children_target: NODE_CHILDREN_TARGET,
        }
    }

    /// Whether a reader may rely on them.
    pub const fn is_valid(self) -> bool {
        self.leaf_records_target >= LEAF_RECORDS_TARGET_MIN
            && self.leaf_records_target <= LEAF_RECORDS_TARGET_MAX
            && self.node_children_target >= 4
            && self.node_children_target <= 4096
    }

    /// The target of parts at a level.
    pub const fn target(self, level: u8) -> u32 {
        if level == 0 { self.leaf_records_target } else { self.node_children_target }
    }
}

/// The id of a part without its kind: a leaf at level 0, a node above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartId(pub [u8; 32]);

impl From<LeafId> for PartId {
    fn from(id: LeafId) -> Self {
        Self(id.0)
    }
}

impl From<NodeId> for PartId {
    fn from(id: NodeId) -> Self {
        Self(id.0)
    }
}

/// The top of a class's tree. A class without records has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// 0 if the top is a leaf.
    pub level: u8,
    /// Its id.
    pub id: PartId,
    /// Records below it.
    pub records: u64,
}

/// The root of a class: what two captures have in common exactly if their records and schema are equal.
pub fn class_root(ids: &IdFunctions, params: TreeParams, schema: &SchemaDigest, top: Option<Top>) -> ClassRoot {
    let mut message = Vec::with_capacity(128);
    put_varint(&mut message, u64::from(params.leaf_records_target));
    put_varint(&mut message, u64::from(params.node_children_target));
    message.extend_from_slice(schema.as_bytes());
    if let Some(top) = top {
        message.push(top.level);
        message.extend_from_slice(&top.id.0);
        put_varint(&mut message, top.records);
    }
    ClassRoot(ids.class.digest(&message))
}
