//! The proof of one event: a document that shows, with nothing else than keys, that an event is in a log.
//!
//! It holds the event, its place, the path to a root, and a checkpoint with that root. Like a line of an export it has
//! one form and is one line of text. It says nothing of other events, nor that the log did not fork since.

use serde::{Deserialize, Serialize};

use super::checkpoint::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use super::event::{AuditEvent, EventError};
use super::keys::TrustedKeys;
use super::merkle::LeafIndex;
use super::note::NOTE_BYTES_MAX;
use super::proof::{HashSource, PATH_LEN_MAX, ProofError, ProofRefuted, prove_inclusion, verify_inclusion};
use crate::codec::Hex;
use crate::id::TreeHash;

/// Longest document: a note whose every other byte is written as two, a path, and an event twice.
pub const PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX + 16 * 1024;

const SCHEMA: &str = "strongroom.audit-proof";
const SCHEMA_VERSION: u32 = 1;

/// A document that is no proof, or proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum EventProofError {
    /// Longer than any.
    #[error("a proof of {bytes} bytes; {PROOF_BYTES_MAX} are the most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not of the format.
    #[error("not a proof of an audit event")]
    Json {
        /// Where it departs from it.
        source: serde_json::Error,
    },
    /// Of another schema, or of a version of it that this release does not know.
    #[error("a proof of schema {schema}, version {version}")]
    UnknownSchema {
        /// The schema.
        schema: String,
        /// Its version.
        version: u32,
    },
    /// The bytes of the event are none.
    #[error("the event can't be read")]
    Event {
        /// Why.
        source: EventError,
    },
    /// Not what such a proof is written as; its readable fields may differ from the event's bytes.
    #[error("the proof is not in its form: a readable field or the form was changed")]
    Form,
    /// The checkpoint can't be believed.
    #[error("the checkpoint of the proof does not verify")]
    Checkpoint {
        /// Why.
        source: CheckpointError,
    },
    /// The path does not lead from the event to the checkpoint.
    #[error("the event is not shown to be in the log")]
    Path {
        /// Why.
        source: ProofRefuted,
    },
}

/// A proof as it came: nothing of it is checked but its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventProof {
    leaf: LeafIndex,
    event: AuditEvent,
    path: Vec<TreeHash>,
    checkpoint: SignedCheckpoint,
}

/// An event that is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEvent {
    /// The event.
    pub event: AuditEvent,
    /// Its place.
    pub leaf: LeafIndex,
    /// The checkpoint that promises it.
    pub checkpoint: VerifiedCheckpoint,
}

#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    schema_version: u32,
    leaf: LeafIndex,
    bytes: Hex,
    /// What the bytes say: written from them, and never read.
    #[serde(skip_deserializing)]
    event: Option<AuditEvent>,
    path: Vec<TreeHash>,
    checkpoint: SignedCheckpoint,
}

impl EventProof {
    /// A proof from the hashes that a store keeps. The event is the one at `leaf`; [`Self::verify`] would tell.
    pub fn prove<S: HashSource>(
        source: &S,
        leaf: LeafIndex,
        event: AuditEvent,
        checkpoint: SignedCheckpoint,
    ) -> Result<Self, ProofError<S::Error>> {
        let path = prove_inclusion(source, leaf, checkpoint.unverified().head().size)?;
        Ok(Self { leaf, event, path, checkpoint })
    }

    /// The document: one line, with its line feed.
    pub fn to_text(&self) -> Result<String, EventProofError> {
        let document = Document {
            schema: SCHEMA.to_owned(),
            schema_version: SCHEMA_VERSION,
            leaf: self.leaf,
            bytes: Hex(self.event.encode()),
            event: Some(self.event.clone()),
            path: self.path.clone(),
            checkpoint: self.checkpoint.clone(),
        };
        let mut text = serde_json::to_string(&document).map_err(|source| EventProofError::Json { source })?;
        text.push('\n');
        Ok(text)
    }

    /// Reads a document.
    pub fn parse(text: &str) -> Result<Self, EventProofError> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(EventProofError::TooLong { bytes: text.len() });
        }
        let document: Document = serde_json::from_str(text).map_err(|source| EventProofError::Json { source })?;
        let Document { schema, schema_version: version, leaf, bytes, path, checkpoint, .. } = document;
        if schema != SCHEMA || version != SCHEMA_VERSION {
            return Err(EventProofError::UnknownSchema { schema, version });
        }
        if path.len() > PATH_LEN_MAX {
            return Err(EventProofError::Path { source: ProofRefuted::PathLength { found: path.len() } });
        }
        let event = AuditEvent::decode(&bytes.0).map_err(|source| EventProofError::Event { source })?;
        let proof = Self { leaf, event, path, checkpoint };
        if proof.to_text()? == text { Ok(proof) } else { Err(EventProofError::Form) }
    }

    /// Checks the proof with the keys that the reader trusts.
    pub fn verify(self, trusted: &TrustedKeys) -> Result<ProvenEvent, EventProofError> {
        let checkpoint = self.checkpoint.verify(trusted).map_err(|source| EventProofError::Checkpoint { source })?;
        let head = checkpoint.checkpoint().head();
        let checked = verify_inclusion(&self.event.leaf_hash(), self.leaf, head, &self.path);
        checked.map_err(|source| EventProofError::Path { source })?;
        Ok(ProvenEvent { event: self.event, leaf: self.leaf, checkpoint })
    }
}

#[cfg(test)]
mod tests;
