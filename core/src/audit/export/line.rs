//! The lines of an export: what each says, and its one form.

use serde::{Deserialize, Serialize};

use crate::audit::checkpoint::SignedCheckpoint;
use crate::audit::event::{AuditEvent, EventError};
use crate::audit::keys::{KeyName, VerifierKey};
use crate::audit::merkle::LeafIndex;
use crate::audit::note::NOTE_BYTES_MAX;
use crate::codec::Hex;

/// Longest line: a note whose every other byte is written as two, and what stands around it. Events are shorter.
pub const LINE_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX + 1024;

/// Most public keys that a header names.
pub(super) const HEADER_KEYS_MAX: usize = 64;

const SCHEMA: &str = "strongroom.audit-export";
const SCHEMA_VERSION: u32 = 1;

/// Text that is no line of an export.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// Longer than any.
    #[error("a line of {bytes} bytes; {LINE_BYTES_MAX} are the most")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not of the format.
    #[error("not a line of an audit export")]
    Json {
        /// Where it departs from it.
        source: serde_json::Error,
    },
    /// Of another schema, or of a version of it that this release does not know.
    #[error("an export of schema {schema}, version {version}")]
    UnknownSchema {
        /// The schema.
        schema: String,
        /// Its version.
        version: u32,
    },
    /// More keys than a header has.
    #[error("a header names at most {HEADER_KEYS_MAX} keys")]
    TooManyKeys,
    /// The bytes of the event are none.
    #[error("the event can't be read")]
    Event {
        /// Why.
        source: EventError,
    },
    /// The line is not what such a line is written as; its readable fields may differ from the event's bytes.
    #[error("the line is not as an export has it: a readable field or its form was changed")]
    Form,
}

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "lowercase")]
pub(super) enum Line {
    Header(Header),
    Event(Box<EventLine>),
    Checkpoint(CheckpointLine),
    End(End),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) schema: String,
    pub(super) schema_version: u32,
    pub(super) origin: KeyName,
    pub(super) keys: Vec<VerifierKey>,
}

impl Header {
    pub(super) fn new(origin: KeyName, keys: Vec<VerifierKey>) -> Self {
        Self { schema: SCHEMA.to_owned(), schema_version: SCHEMA_VERSION, origin, keys }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct EventLine {
    pub(super) leaf: LeafIndex,
    pub(super) bytes: Hex,
    /// What the bytes say: written from them, and never read.
    #[serde(skip_deserializing)]
    pub(super) event: Option<AuditEvent>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CheckpointLine {
    pub(super) note: SignedCheckpoint,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) events: u64,
    pub(super) checkpoints: u64,
    pub(super) sha256: Hex,
}

impl Line {
    pub(super) fn event(leaf: LeafIndex, event: AuditEvent) -> Self {
        Self::Event(Box::new(EventLine { leaf, bytes: Hex(event.encode()), event: Some(event) }))
    }

    /// The text of the line, with its line feed.
    pub(super) fn to_text(&self) -> Result<String, LineFault> {
        let mut text = serde_json::to_string(self).map_err(|source| LineFault::Json { source })?;
        text.push('\n');
        if text.len() > LINE_BYTES_MAX { Err(LineFault::TooLong { bytes: text.len() }) } else { Ok(text) }
    }

    /// Reads a line with its line feed.
    pub(super) fn parse(text: &str) -> Result<Self, LineFault> {
        if text.len() > LINE_BYTES_MAX {
            return Err(LineFault::TooLong { bytes: text.len() });
        }
        let mut line: Self = serde_json::from_str(text).map_err(|source| LineFault::Json { source })?;
        match &mut line {
            Self::Header(Header { schema, schema_version, .. })
                if schema != SCHEMA || *schema_version != SCHEMA_VERSION =>
            {
                return Err(LineFault::UnknownSchema { schema: schema.clone(), version: *schema_version });
            }
            Self::Header(header) if header.keys.len() > HEADER_KEYS_MAX => return Err(LineFault::TooManyKeys),
            Self::Event(line) => {
                let event = AuditEvent::decode(&line.bytes.0).map_err(|source| LineFault::Event { source })?;
                line.event = Some(event);
            }
            Self::Header(_) | Self::Checkpoint(_) | Self::End(_) => {}
        }
        if line.to_text()? == text { Ok(line) } else { Err(LineFault::Form) }
    }
}
