//! Sources: the systems that are protected, behind one trait.
//!
//! A source gives one consistent cut: classes whose rows are read in parts, in any order, on several threads, and the
//! blobs that restore the rest natively (DDL, sequences, grants). It never writes to the system, never waits without
//! bound for a lock, and never reports a row that the cut does not hold. What it can't capture it names in findings.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::record::{ClassSchema, DynamicValue, Encoded, KeyError, RecordEncoder};

use crate::profile::AppliedProfile;

/// Takes in one encoded row.
pub type RowConsumer<'a> = dyn FnMut(&Encoded<'_>) -> Result<(), SourceError> + 'a;

/// Where a source puts the rows of one class, cell by cell in the order of the schema's columns.
pub struct RowWriter<'a> {
    ids: IdFunctions,
    encoder: RecordEncoder,
    consume: &'a mut RowConsumer<'a>,
    rows: u64,
}

impl<'a> RowWriter<'a> {
    /// A writer for the rows of a class.
    pub fn new(ids: IdFunctions, schema: &ClassSchema, consume: &'a mut RowConsumer<'a>) -> Self {
        Self { encoder: RecordEncoder::new(ids.clone(), schema), ids, consume, rows: 0 }
    }

    /// Starts a row.
    #[inline]
    pub fn begin(&mut self) {
        self.encoder.begin();
    }

    /// Adds the `index`-th column's value as the source's text. NULLs are not added.
    #[inline]
    pub fn text(&mut self, index: usize, text: &[u8]) {
        self.encoder.text(index, text);
    }

    /// Adds a value that carries its own storage class.
    #[inline]
    pub fn dynamic(&mut self, index: usize, value: DynamicValue<'_>) {
        self.encoder.dynamic(index, value);
    }

    /// Ends the row and hands it on.
    #[inline]
    pub fn end(&mut self) -> Result<(), SourceError> {
        let encoded = self.encoder.finish()?;
        self.rows += 1;
        (self.consume)(&encoded)
    }

    /// The source's id functions, for sources whose records depend on its key.
    pub const fn ids(&self) -> &IdFunctions {
        &self.ids
    }

    /// Rows ended so far.
    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

/// What the caller asks of a capture.
#[derive(Clone, Debug, Default)]
pub struct CaptureOptions {
    /// Schemas of the preceding snapshot by class name, whose column ids are kept.
    pub earlier: BTreeMap<String, ClassSchema>,
    /// Connections that read side by side.
    pub readers: usize,
    /// Do not ask for blobs beside the catalog fingerprint and sequences: the caller compares, and restores nothing.
    pub records_only: bool,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look.
    Warning,
    /// The capture lacks something: the snapshot is incomplete.
    Incomplete,
}

/// Something that a person should know about a source or a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// What it is about, by the source's own name.
    pub subject: String,
    /// What was found, in a sentence.
    pub message: String,
}

/// One class of a cut.
#[derive(Clone, Debug)]
pub struct CutClass {
    /// Its schema, with the column ids of the preceding snapshot where there was one.
    pub schema: ClassSchema,
    /// Parts in which it can be read side by side, at least one.
    pub parts: usize,
    /// Rows, as the engine's statistics guess.
    pub records_estimate: u64,
    /// Bytes, as the engine's statistics guess.
    pub bytes_estimate: u64,
    /// Why it is listed but not captured, if so.
    pub skipped: Option<String>,
}

/// What is known of a cut as a whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CutFacts {
    /// The engine, for example `postgresql`.
    pub engine: String,
    /// Its version as it states it.
    pub engine_version: String,
    /// The name of the database or file.
    pub database: String,
    /// Where the cut lies in the engine's own order, for example `lsn`, `xmin`, `timeline`, `system_identifier`.
    pub position: BTreeMap<String, String>,
    /// Encoding, collation, and other settings a restore must meet.
    pub settings: BTreeMap<String, String>,
    /// Findings of planning.
    pub findings: Vec<Finding>,
}

/// A blob that restores natively what records do not hold.
#[derive(Clone, Debug)]
pub struct NativeBlob {
    /// What it is: `ddl-before`, `ddl-after`, `sequences`, `fingerprint`, …
    pub role: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// What one part of a class gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartRead {
    /// Rows handed on.
    pub captured: u64,
    /// Rows that the engine says it sent, where it says so.
    pub expected: Option<u64>,
    /// Bytes read from the engine.
    pub bytes: u64,
}

/// Looks at the rows of one part while they are captured.
pub trait RowTap {
    /// Takes a look at one canonical record. Called for every row, so it must be quick.
    fn see(&mut self, record: &[u8]);

    /// The part is read to its end.
    fn end(self: Box<Self>);
}

/// A system that can be captured.
pub trait Source: Send + Sync {
    /// Opens one consistent cut.
    fn open(&self, options: &CaptureOptions) -> Result<Box<dyn Cut>, SourceError>;
}

/// One consistent cut of a source. Reading is from several threads at once.
pub trait Cut: Send + Sync {
    /// Facts about the cut.
    fn facts(&self) -> &CutFacts;

    /// The classes, in the order of their names.
    fn classes(&self) -> &[CutClass];

    /// Reads one part of a class to its end. `lane` is below [`CaptureOptions::readers`] and names the connection to
    /// use; a lane is used by one thread at a time.
    fn read(&self, lane: usize, class: usize, part: usize, rows: &mut RowWriter<'_>) -> Result<PartRead, SourceError>;

    /// The blobs that restore the rest natively, `fingerprint` (the catalog fingerprint) among them.
    fn blobs(&self) -> Result<Vec<NativeBlob>, SourceError>;

    /// What wants to look at the rows of a class; asked for once a part. A part that is read again is looked at again.
    fn tap(&self, _class: usize) -> Option<Box<dyn RowTap + '_>> {
        None
    }

    /// What the profile in use says of the cut, if there is one.
    fn profile(&self) -> Option<&Arc<AppliedProfile>> {
        None
    }

    /// Whether the cut must be given up, for example because others queue behind its locks. Asked now and then.
    fn check(&self) -> Result<(), SourceError>;

    /// Ends the cut and frees what it held. Findings made since the opening are returned.
    fn close(self: Box<Self>) -> Result<Vec<Finding>, SourceError>;
}

/// A source that could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The engine or the way to it failed; the code says how.
    #[error("{subject}: {message}")]
    Engine {
        /// What kind of failure.
        code: Code,
        /// The source, class or statement.
        subject: String,
        /// What happened.
        message: String,
        /// The engine's own error.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A row has no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The engine of the backup stopped: its own error is reported elsewhere.
    #[error("reading was stopped")]
    Stopped,
}

impl SourceError {
    /// An engine's failure without an inner error.
    pub fn engine(code: Code, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Engine { code, subject: subject.into(), message: message.into(), source: None }
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Engine { code, .. } => *code,
            Self::Key(_) => Code::SourceUnsupported,
            Self::Stopped => Code::Interrupted,
        }
    }
}
