//! The audit log: what was asked for, by whom, how it was decided and what became of it, so that nobody can change it
//! unseen.
//!
//! Owns the bytes of an event, the Merkle tree over them, its proofs, the signed checkpoints, and the two documents that
//! are checked with nothing else at hand: the export of a whole log and the proof of one event. It stores nothing, signs
//! only what it is handed, and never looks at a clock. The same events in the same order give the same root on every
//! replica, so a root that differs is itself a finding. `docs/audit-log.md` has the formats to the byte.
//!
//! ```text
//!   event ──bytes──► leaf hash ──append──► frontier ──root──► checkpoint ──sign──► signed note ◄── cosignatures
//!                        │                    │ complete                                │
//!                        ▼                    ▼                                         ▼
//!                   rows of hashes, kept by the store ──► paths ──► proof of one event, export of all
//! ```
//!
//! Hashing is that of RFC 6962 and RFC 9162 over SHA-256. Notes, checkpoints, cosignatures and the width of tiles are
//! those of C2SP (`signed-note`, `tlog-checkpoint`, `tlog-cosignature`, `tlog-tiles`), so that foreign witnesses can sign
//! and foreign tools can read them.
//!
//! A log that its operator signs alone proves that it was not changed since; that it shows everybody the same history is
//! known only to those who keep an earlier checkpoint, or trust a cosigner who does.
//!
//! What survives a crash is what the store kept: a [`Frontier`] is as good as the events it was appended from.

mod base64;
mod merkle;
mod proof;
mod keys;
mod note;
mod signers;
mod checkpoint;
mod event;
pub mod export;
mod event_proof;

pub use checkpoint::{Checkpoint, CheckpointError, EXTENSIONS_MAX, SignedCheckpoint, VerifiedCheckpoint};
pub use event::{
    ActionName, Actor, AuditEvent, Decision, EVENT_BYTES_MAX, EntryIndex, EventError, ObjectName, ResultCode,
    TextRefused,
};
pub use event_proof::{EventProof, EventProofError, PROOF_BYTES_MAX, ProvenEvent};
pub use export::{ExportLines, ExportWriter, verify_export};
pub use keys::{KeyFault, KeyName, NoteKeyId, SignatureKind, TrustedKeys, VerifierKey};
pub use merkle::{
    Appended, Frontier, LeafIndex, LogFull, TREE_SIZE_MAX, TileCoordinate, TreeHead, TreeSize, empty_root, leaf_hash,
    node_hash,
};
pub use note::{NOTE_BYTES_MAX, NoteError, NoteSignature, SIGNATURES_MAX, SignedNote};
pub use proof::{
    HashSource, PATH_LEN_MAX, ProofError, ProofRefuted, prove_consistency, prove_inclusion, root_at,
    verify_consistency, verify_inclusion,
};
pub use signers::{Cosigner, LogSigner};

#[cfg(test)]
mod tests;
