//! Checking an export in one pass.
//!
//! ```text
//!   header ──► events and checkpoints, as they come ──► end
//! ```
//!
//! The first fault ends the check: behind it nothing is known. Memory is that of a frontier, the last checkpoint and one
//! line, whatever the length of the export.

use aws_lc_rs::digest;
use serde::Serialize;

use super::fault::{Fault, Finding, VerifyError};
use super::line::{End, EventLine, Header, Line};
use super::writer::finished;
use crate::audit::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use crate::audit::event::AuditEvent;
use crate::audit::keys::{KeyName, TrustedKeys};
use crate::audit::merkle::{Frontier, LeafIndex, TreeHead, TreeSize, leaf_hash};
use crate::time::WallTime;

/// What an export proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The log.
    pub origin: KeyName,
    /// Its events and their root.
    #[serde(flatten)]
    pub head: TreeHead,
    /// The checkpoints that hold.
    pub checkpoints: u64,
    /// The trusted keys beside the log's that signed the last checkpoint.
    pub cosigners: Vec<KeyName>,
    /// The events of the earlier checkpoint that the export extends, if one was given.
    pub extends: Option<TreeSize>,
    /// Wall clock of the first event.
    #[serde(serialize_with = "rfc3339")]
    pub first: Option<WallTime>,
    /// Wall clock of the last event.
    #[serde(serialize_with = "rfc3339")]
    pub last: Option<WallTime>,
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn rfc3339<S: serde::Serializer>(time: &Option<WallTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(WallTime::to_rfc3339).serialize(serializer)
}

/// Checks a whole export. `earlier` is a verified checkpoint of the log from another time or place.
///
/// Lines come with their line feeds, as [`super::ExportLines`] cuts them.
pub fn verify_export<E: std::error::Error + 'static>(
    lines: impl IntoIterator<Item = Result<String, E>>,
    trusted: &TrustedKeys,
    earlier: Option<&Checkpoint>,
) -> Result<Report, VerifyError<E>> {
    let mut verifier = ExportVerifier::new(trusted, earlier);
    for (line, text) in (1..).zip(lines) {
        let text = text.map_err(|source| VerifyError::Unreadable { line, source })?;
        verifier.push(&text)?;
    }
    Ok(verifier.finish()?)
}

/// An export under check.
pub struct ExportVerifier<'a> {
    trusted: &'a TrustedKeys,
    earlier: Option<&'a Checkpoint>,
    lines: u64,
    origin: Option<KeyName>,
    frontier: Frontier,
    checkpoints: u64,
    signed: Option<VerifiedCheckpoint>,
    sum: digest::Context,
    first: Option<WallTime>,
    last: Option<WallTime>,
    is_ended: bool,
    is_refused: bool,
}

impl<'a> ExportVerifier<'a> {
    /// Begins a check with the keys that the reader trusts, and with a verified checkpoint, if there is one.
    pub fn new(trusted: &'a TrustedKeys, earlier: Option<&'a Checkpoint>) -> Self {
        Self {
            trusted,
            earlier,
            lines: 0,
            origin: None,
            frontier: Frontier::new(),
            checkpoints: 0,
            signed: None,
            sum: digest::Context::new(&digest::SHA256),
            first: None,
            last: None,
            is_ended: false,
            is_refused: false,
        }
    }

    /// Takes the next line, with its line feed. After a finding the check is over, and ends in no report.
    pub fn push(&mut self, text: &str) -> Result<(), Finding> {
        self.lines += 1;
        let taken = if self.is_refused { Err(Fault::OutOfPlace) } else { self.take(text) };
        self.is_refused = taken.is_err();
        taken.map_err(|fault| Finding { line: self.lines, fault })
    }

    /// Ends the check.
    pub fn finish(self) -> Result<Report, Finding> {
        let found = |fault| Finding { line: self.lines + 1, fault };
        match (self.origin, self.signed, self.is_ended && !self.is_refused) {
            (Some(origin), Some(signed), true) => Ok(Report {
                origin,
                head: *signed.checkpoint().head(),
                checkpoints: self.checkpoints,
                cosigners: signed.cosigners().to_vec(),
                extends: self.earlier.map(|earlier| earlier.head().size),
                first: self.first,
                last: self.last,
            }),
            _ => Err(found(Fault::NoEnd)),
        }
    }

    fn take(&mut self, text: &str) -> Result<(), Fault> {
        let line = Line::parse(text)?;
        if self.is_ended || self.origin.is_some() == matches!(line, Line::Header(_)) {
            return Err(Fault::OutOfPlace);
        }
        match line {
            Line::Header(header) => self.header(header)?,
            Line::Event(line) => self.event(&line)?,
            Line::Checkpoint(line) => self.checkpoint(&line.note)?,
            Line::End(end) => return self.end(&end),
        }
        self.sum.update(text.as_bytes());
        Ok(())
    }

    fn header(&mut self, header: Header) -> Result<(), Fault> {
        if let Some(earlier) = self.earlier.filter(|earlier| *earlier.origin() != header.origin) {
            return Err(Fault::AnotherLog { expected: earlier.origin().clone(), found: header.origin });
        }
        self.origin = Some(header.origin);
        self.compare_with_earlier()
    }

    fn event(&mut self, line: &EventLine) -> Result<(), Fault> {
        let expected = LeafIndex(self.frontier.size().0);
        if line.leaf != expected {
            return Err(Fault::LeafOutOfPlace { expected, found: line.leaf });
        }
        self.frontier.append(leaf_hash(&line.bytes.0))?;
        let wall = line.event.as_ref().map(|AuditEvent { wall, .. }| *wall);
        self.first = self.first.or(wall);
        self.last = wall;
        self.compare_with_earlier()
    }

    /// Once there are as many events as in the earlier checkpoint, they have its root.
    fn compare_with_earlier(&self) -> Result<(), Fault> {
        let due = self.earlier.map(Checkpoint::head).filter(|head| head.size == self.frontier.size());
        match due {
            Some(head) if head.root != self.frontier.root() => Err(Fault::EarlierDiffers { size: head.size }),
            _ => Ok(()),
        }
    }

    fn checkpoint(&mut self, note: &SignedCheckpoint) -> Result<(), Fault> {
        let invalid = |source| Fault::Checkpoint { source };
        let verified = note.verify(self.trusted).map_err(invalid)?;
        let (claimed, head) = (verified.checkpoint(), self.frontier.head());
        let size = claimed.head().size;
        if let Some(expected) = self.origin.as_ref().filter(|origin| *origin != claimed.origin()) {
            let (expected, found) = (expected.clone(), claimed.origin().clone());
            return Err(invalid(CheckpointError::AnotherLog { expected, found }));
        }
        let before = self.signed.as_ref().map(|signed| signed.checkpoint().head());
        if before.is_some_and(|before| before.size == size && before.root != claimed.head().root) {
            return Err(Fault::Fork { size });
        }
        if size != head.size || before.is_some_and(|before| before.size == size) {
            return Err(Fault::CheckpointOutOfPlace { size, events: head.size });
        }
        if claimed.head().root != head.root {
            return Err(Fault::RootDiffers { from: LeafIndex(before.map_or(0, |before| before.size.0)), size });
        }
        self.checkpoints += 1;
        self.signed = Some(verified);
        Ok(())
    }

    fn end(&mut self, end: &End) -> Result<(), Fault> {
        let events = self.frontier.size();
        let signed = self.signed.as_ref().map(|signed| signed.checkpoint().head().size);
        if signed != Some(events) {
            return Err(Fault::Unsigned { events });
        }
        if let Some(earlier) = self.earlier.filter(|earlier| earlier.head().size > events) {
            return Err(Fault::BelowEarlier { size: earlier.head().size, events });
        }
        let found = End { events: events.0, checkpoints: self.checkpoints, sha256: finished(self.sum.clone()) };
        if *end != found {
            return Err(Fault::SumDiffers);
        }
        self.is_ended = true;
        Ok(())
    }
}
