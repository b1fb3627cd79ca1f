//! `export`: a snapshot in a form that other tools read.
//!
//! A file is written beside its place and gets its name at the end, so that nothing half-written is taken for whole.

mod copy;
mod jsonl;
mod postgres;
mod sqlite;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use strongroom_agent::view::{ClassView, SnapshotView, ViewError};
use strongroom_core::error::Code;
use strongroom_core::id::SnapshotId;
use strongroom_depot::store::DepotStore;

use super::find::class_failure;
use crate::app::App;
use crate::args::{Export, ExportFormat};
use crate::failure::{Attempt as _, Coded as _, Exit, Failure};
use crate::render::json::{MessageType, Schema};
use crate::render::{stdout_sink, text};
use crate::room::custodian::{Custodian, OpenSnapshot};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// A snapshot opened for an export.
pub(super) type View<'a> = SnapshotView<'a, DepotStore>;

/// A class opened for an export.
pub(super) type Class<'a> = ClassView<'a, DepotStore>;

/// An export that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The snapshot can't be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The snapshot lacks, or garbles, what the form needs.
    #[error("the snapshot's {role} can't be used")]
    Blob {
        /// The blob.
        role: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The snapshot lacks a blob that the form needs.
    #[error("the snapshot has no {role}")]
    NoBlob {
        /// The blob.
        role: &'static str,
    },
    /// The output does not take it.
    #[error("can't write the export")]
    Write(#[source] io::Error),
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl ExportError {
    fn code(&self) -> Code {
        match self {
            Self::View(error) => error.code(),
            Self::Blob { .. } | Self::NoBlob { .. } => Code::Damaged,
            Self::Write(error) => error.stable_code(),
        }
    }
}

#[derive(Serialize)]
struct Summary {
    snapshot: SnapshotId,
    format: &'static str,
    output: String,
    classes: u64,
    records: u64,
    bytes: u64,
    duration_ms: u64,
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) classes: u64,
    pub(super) records: u64,
}

/// Writes a snapshot.
pub(super) fn run(options: &Export, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let manifests = room.manifests()?;
    let manifest = manifests.select(&options.snapshot)?;
    let snapshot = Custodian::open(&room, app)?.snapshot(&manifests, manifest)?;
    out_of(options, app, &snapshot)
}

/// Writes an opened snapshot, whatever opened it.
pub(super) fn out_of(options: &Export, app: &App, snapshot: &OpenSnapshot) -> Result<Exit, Failure> {
    let began = app.clock.monotonic();
    let manifest = &snapshot.manifest;
    if !manifest.head().complete {
        app.output.warn("the snapshot is incomplete: the export lacks what it lacks");
    }
    let Some(path) = &options.output else {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, stdout_sink());
        return match write(options, snapshot, &mut out).and_then(|_| Ok(out.flush().map_err(ExportError::from)?)) {
            // Whoever read the export has seen enough.
            Err(Problem::Export(ExportError::Write(error))) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(Exit::Done)
            }
            Err(problem) => Err(problem.into()),
            Ok(()) => Ok(Exit::Done),
        };
    };
    let (written, bytes) = write_file(options, snapshot, path)?;
    let took = app.clock.monotonic().since(began);
    let records = text::plural(written.records, "record", "records");
    app.output.result(format!(
        "Wrote {records} to {}, {}, in {}.",
        path.display(),
        text::size(bytes),
        text::span(took)
    ));
    app.output.message(
        Schema::Export,
        MessageType::Summary,
        &Summary {
            snapshot: manifest.head().snapshot,
            format: match options.format {
                ExportFormat::Sql => "sql",
                ExportFormat::Jsonl => "jsonl",
            },
            output: path.display().to_string(),
            classes: written.classes,
            records: written.records,
            bytes,
            duration_ms: text::ms(took),
        },
    );
    Ok(Exit::Done)
}

enum Problem {
    Failure(Failure),
    Export(ExportError),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        Self::Export(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Failure(failure) => failure,
            Problem::Export(error) => Self::because(error.code(), "the export failed", error),
        }
    }
}

fn write_file(options: &Export, snapshot: &OpenSnapshot, path: &Path) -> Result<(Written, u64), Failure> {
    let what = || format!("can't write {}", path.display());
    if path.exists() {
        return Err(Failure::new(Code::Usage, format!("{} is there already", path.display()))
            .advise("Choose another name, or remove the file."));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).attempt(what)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file.as_file_mut());
    let written = write(options, snapshot, &mut out)?;
    out.flush().attempt(what)?;
    drop(out);
    file.as_file().sync_all().attempt(what)?;
    let bytes = file.as_file().metadata().attempt(what)?.len();
    file.persist_noclobber(path).map_err(|error| error.error).attempt(what)?;
    Ok((written, bytes))
}

fn write(options: &Export, snapshot: &OpenSnapshot, out: &mut dyn Write) -> Result<Written, Problem> {
    let view = snapshot.view()?;
    let class = options.class.as_deref().map(|name| class_failure(view.class(name))).transpose()?;
    let classes: Vec<Class<'_>> = match class {
        Some(class) => vec![class],
        None => view.classes().collect(),
    };
    let whole = options.class.is_none();
    let written = match (options.format, view.body().engine.as_str()) {
        (ExportFormat::Jsonl, _) => jsonl::write(&classes, out)?,
        (ExportFormat::Sql, "sqlite") => sqlite::write(&view, &classes, whole, out)?,
        (ExportFormat::Sql, "postgresql") => postgres::write(&view, &classes, whole, out)?,
        (ExportFormat::Sql, engine) => {
            return Err(Failure::new(Code::Usage, format!("there is no SQL for a snapshot of {engine}")).into());
        }
    };
    Ok(written)
}

/// Gives each record of a class with its large values, and counts them.
pub(super) fn for_each_record(
    class: &Class<'_>,
    mut visit: impl FnMut(&[u8], &[Vec<u8>]) -> Result<(), ExportError>,
) -> Result<u64, ExportError> {
    let mut records = 0;
    class.for_each_leaf(|leaf| {
        for at in 0..leaf.len() {
            let record = leaf.record(at);
            visit(record, &class.large_values(record)?)?;
            records += 1;
        }
        Ok::<_, ExportError>(())
    })?;
    Ok(records)
}

/// The content of a native blob, if the snapshot has it.
pub(super) fn blob(view: &View<'_>, role: &str) -> Result<Option<Vec<u8>>, ExportError> {
    let entry = view.body().blobs.iter().find(|blob| blob.role == role);
    Ok(entry.map(|entry| view.blob(entry)).transpose()?)
}

/// The content of a native blob that every snapshot of the engine has.
pub(super) fn needed_blob(view: &View<'_>, role: &'static str) -> Result<Vec<u8>, ExportError> {
    blob(view, role)?.ok_or(ExportError::NoBlob { role })
}

/// The header of every SQL export.
pub(super) fn header(view: &View<'_>, whole: bool, out: &mut dyn Write) -> Result<(), ExportError> {
    let body = view.body();
    let name: String = body.source_name.chars().filter(|c| !c.is_control()).collect();
    writeln!(out, "-- Strongroom: {} of {name}", if whole { "all" } else { "one class" })?;
    writeln!(out, "-- Engine: {} {}", body.engine, body.engine_version.replace(['\n', '\r'], " "))?;
    Ok(())
}

/// An identifier, quoted as SQL quotes it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
