//! Writing an export, line by line, so that it needs no more memory than its longest line.
//!
//! A writer gives out no line that would make the export fail: it recomputes the tree from the events it is handed and
//! refuses a checkpoint that they do not lead to.

use aws_lc_rs::digest;

use super::line::{CheckpointLine, End, HEADER_KEYS_MAX, Header, Line, LineFault};
use crate::audit::checkpoint::SignedCheckpoint;
use crate::audit::event::AuditEvent;
use crate::audit::keys::{KeyName, VerifierKey};
use crate::audit::merkle::{Frontier, LeafIndex, LogFull, TreeSize};
use crate::codec::Hex;

/// A line that would break the export, and was not written. The writer is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ExportRefused {
    /// More keys than a header takes.
    #[error("a header names at most {HEADER_KEYS_MAX} keys, and {keys} were given")]
    TooManyKeys {
        /// How many were given.
        keys: usize,
    },
    /// A checkpoint of another log.
    #[error("the checkpoint is of another log: {found}")]
    AnotherLog {
        /// That log.
        found: KeyName,
    },
    /// A checkpoint belongs right behind the events that it promises, and there is one for each size.
    #[error("a checkpoint of {size} events does not belong behind {events}")]
    OutOfPlace {
        /// Events of the checkpoint.
        size: TreeSize,
        /// Events that were written.
        events: TreeSize,
    },
    /// The events have another root than the checkpoint.
    #[error("the events do not lead to the root of the checkpoint of {size} events")]
    RootDiffers {
        /// Events of the checkpoint.
        size: TreeSize,
    },
    /// The last event has no checkpoint behind it.
    #[error("no checkpoint behind the last of {events} events")]
    Unsigned {
        /// Events that were written.
        events: TreeSize,
    },
    /// A log has no more events than that.
    #[error(transparent)]
    Full(#[from] LogFull),
    /// The line has no text.
    #[error(transparent)]
    Line(#[from] LineFault),
}

/// Writes one export. Each call gives back a line with its line feed, for the caller to write out in this order.
pub struct ExportWriter {
    origin: KeyName,
    frontier: Frontier,
    sum: digest::Context,
    checkpoints: u64,
    signed: Option<TreeSize>,
}

impl ExportWriter {
    /// Begins the export of a log. The keys are there to be compared with those that the reader has from elsewhere.
    pub fn start(origin: KeyName, keys: Vec<VerifierKey>) -> Result<(Self, String), ExportRefused> {
        if keys.len() > HEADER_KEYS_MAX {
            return Err(ExportRefused::TooManyKeys { keys: keys.len() });
        }
        let sum = digest::Context::new(&digest::SHA256);
        let mut writer = Self { origin: origin.clone(), frontier: Frontier::new(), sum, checkpoints: 0, signed: None };
        let line = Line::Header(Header::new(origin, keys)).to_text()?;
        writer.sum.update(line.as_bytes());
        Ok((writer, line))
    }

    /// How many events were written.
    pub const fn events(&self) -> TreeSize {
        self.frontier.size()
    }

    /// Writes the next event.
    pub fn event(&mut self, event: AuditEvent) -> Result<String, ExportRefused> {
        let leaf_hash = event.leaf_hash();
        let line = Line::event(LeafIndex(self.events().0), event).to_text()?;
        self.frontier.append(leaf_hash)?;
        self.sum.update(line.as_bytes());
        Ok(line)
    }

    /// Writes a checkpoint of as many events as were written.
    pub fn checkpoint(&mut self, note: SignedCheckpoint) -> Result<String, ExportRefused> {
        let (claimed, head) = (note.unverified(), self.frontier.head());
        let size = claimed.head().size;
        if *claimed.origin() != self.origin {
            return Err(ExportRefused::AnotherLog { found: claimed.origin().clone() });
        }
        if size != head.size || self.signed == Some(size) {
            return Err(ExportRefused::OutOfPlace { size, events: head.size });
        }
        if *claimed.head() != head {
            return Err(ExportRefused::RootDiffers { size });
        }
        let line = Line::Checkpoint(CheckpointLine { note }).to_text()?;
        self.sum.update(line.as_bytes());
        self.checkpoints += 1;
        self.signed = Some(size);
        Ok(line)
    }

    /// Ends the export.
    pub fn finish(self) -> Result<String, ExportRefused> {
        let events = self.frontier.size();
        if self.signed != Some(events) {
            return Err(ExportRefused::Unsigned { events });
        }
        let end = End { events: events.0, checkpoints: self.checkpoints, sha256: finished(self.sum) };
        Ok(Line::End(end).to_text()?)
    }
}

/// The sum over what a hasher was fed.
pub(super) fn finished(sum: digest::Context) -> Hex {
    Hex(sum.finish().as_ref().to_vec())
}
