//! Targets: where a whole restore goes, behind one trait.
//!
//! A target loads into a place that can't be taken for whole (a staging database, or an empty database that is marked
//! as being restored), is verified there through the [`crate::source::Source`] of the same engine, and only then put
//! under its name. Whatever happens before, the target's name leads to what was there before.

use std::path::Path;

use strongroom_core::record::ClassSchema;

use crate::source::{CutFacts, Finding, NativeBlob, Severity, Source, SourceError};

/// What a target must know before it loads.
pub struct LoadPlan<'a> {
    /// Facts of the snapshot's cut.
    pub facts: &'a CutFacts,
    /// The schemas of all classes, in the order of their names.
    pub classes: &'a [ClassSchema],
    /// The native blobs of the snapshot.
    pub blobs: &'a [NativeBlob],
    /// Whether a target that holds data may be replaced.
    pub over: bool,
    /// A short random word, unique to this restore, for names of staging objects.
    pub token: &'a str,
    /// Lanes that load side by side.
    pub loaders: usize,
}

/// Gives the records of one class, in key order: calls back with each record's canonical bytes, large values resolved.
pub type RecordFeed<'a> =
    dyn FnMut(&mut dyn FnMut(&FeedRecord<'_>) -> Result<(), SourceError>) -> Result<u64, SourceError> + 'a;

/// One record on its way into a target.
pub struct FeedRecord<'a> {
    /// The canonical record; cells in blobs have their content in `large`, in the order of the cells.
    pub record: &'a [u8],
    /// Contents of the cells that refer to blobs.
    pub large: &'a [Vec<u8>],
}

/// A place that can take a whole restore.
pub trait Target: Send + Sync {
    /// Checks what can be checked before anything is written, in sentences for the plan: what will be created,
    /// replaced, refused. Errors refuse the restore.
    fn plan(&self, plan: &LoadPlan<'_>) -> Result<Vec<Finding>, SourceError>;

    /// Creates the staging place and everything that must stand before data.
    fn begin(&self, plan: &LoadPlan<'_>) -> Result<Box<dyn Load>, SourceError>;
}

/// A load under way. Dropping it without [`Load::publish`] leaves the target's name leading to what was there before.
pub trait Load: Send + Sync {
    /// Loads one class; lanes work side by side, one thread a lane.
    fn load(&self, lane: usize, class: &ClassSchema, feed: &mut RecordFeed<'_>) -> Result<u64, SourceError>;

    /// Builds indexes, constraints, triggers, sequences and grants. Findings name what the target could not take.
    fn after_data(&self) -> Result<Vec<Finding>, SourceError>;

    /// The loaded place as a source, for the verdict.
    fn as_source(&self) -> Result<Box<dyn Source>, SourceError>;

    /// Records that the target could not take whole, counted by class, for example since the user who restores may not
    /// give files away. They are told in findings, and [`Load::as_source`] reads them as the snapshot has them, so that
    /// whatever else differs still shows: a verdict counts them as different.
    fn allowed(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// Puts the loaded place under the target's name. An error says that the name leads to what was there before; what
    /// fails after it was taken is a finding.
    fn publish(self: Box<Self>) -> Result<Vec<Finding>, SourceError>;

    /// Gives up: removes the staging place.
    fn abandon(self: Box<Self>) -> Result<(), SourceError>;
}

/// What became of a step after the target's name was taken: a failure is told, for the restore is there. Only being
/// stopped is passed on.
pub(crate) fn told(
    path: &Path,
    outcome: Result<(), SourceError>,
    sentence: impl FnOnce(String) -> String,
) -> Result<Option<Finding>, SourceError> {
    let Err(error) = outcome else { return Ok(None) };
    if matches!(error, SourceError::Stopped) {
        return Err(error);
    }
    let because = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let message = sentence(format!("{error}{because}"));
    Ok(Some(Finding { severity: Severity::Warning, subject: path.display().to_string(), message }))
}
