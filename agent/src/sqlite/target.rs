//! The target: a database file that a snapshot is restored into.
//!
//! Owns the decision whether a place may be written to. Nothing under the target's name changes before
//! [`Load::publish`](crate::target::Load::publish).

use std::path::PathBuf;
use std::sync::Arc;

use strongroom_core::error::Code;
use strongroom_platform::clock::Clock;

use super::load::SqliteLoad;
use super::location::SqliteLocation;
use super::native::Pragmas;
use super::occupancy::{Hold, Occupancy, examine, shown};
use super::publish::kept_path;
use super::staging::{Staging, io_failed};
use crate::source::{Finding, Severity, SourceError};
use crate::target::{Load, LoadPlan, Target};

/// A place for a restored database.
pub struct SqliteTarget {
    location: SqliteLocation,
    clock: Arc<dyn Clock>,
}

impl SqliteTarget {
    /// A target at a location. Nothing is opened yet.
    pub fn new(location: SqliteLocation, clock: Arc<dyn Clock>) -> Self {
        Self { location, clock }
    }

    /// A target at `sqlite:PATH`. Nothing is opened yet.
    pub fn from_url(url: &str, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        Ok(Self::new(SqliteLocation::parse(url)?, clock))
    }

    /// What lies there, if the restore may go there.
    fn permitted(&self, plan: &LoadPlan<'_>) -> Result<(PathBuf, Occupancy), SourceError> {
        if plan.facts.engine != "sqlite" {
            let message = format!("a snapshot of {} can't be restored into a SQLite database", plan.facts.engine);
            return Err(SourceError::engine(Code::Usage, self.location.shown(), message));
        }
        let (path, occupancy) = examine(&self.location)?;
        if matches!(occupancy, Occupancy::Holds | Occupancy::Damaged) && !plan.over {
            return Err(SourceError::engine(Code::TargetNotEmpty, shown(&path), "there is a file that holds data"));
        }
        Ok((path, occupancy))
    }
}

impl Target for SqliteTarget {
    fn plan(&self, plan: &LoadPlan<'_>) -> Result<Vec<Finding>, SourceError> {
        let (path, occupancy) = self.permitted(plan)?;
        blob_of(plan, "pragmas").and_then(Pragmas::from_blob)?;
        let kept = kept_path(&path, plan.token);
        let (severity, message) = match occupancy {
            Occupancy::Missing => (Severity::Info, "a new file is made, readable by this user alone".to_owned()),
            Occupancy::Empty => (Severity::Info, "the empty database is replaced".to_owned()),
            Occupancy::Holds => {
                (Severity::Warning, format!("the database is replaced; the old one is kept as {}", kept.display()))
            }
            Occupancy::Damaged => (
                Severity::Warning,
                format!(
                    "the file, which SQLite can't read, is replaced and kept as {}; whether others have it open can't be told",
                    kept.display()
                ),
            ),
        };
        Ok(vec![Finding { severity, subject: shown(&path), message }])
    }

    fn begin(&self, plan: &LoadPlan<'_>) -> Result<Box<dyn Load>, SourceError> {
        let (path, occupancy) = self.permitted(plan)?;
        if matches!(occupancy, Occupancy::Holds | Occupancy::Empty) {
            Hold::probe(&path)?;
        }
        let staging = Staging::create(&path, plan.token)?;
        if occupancy != Occupancy::Missing {
            probe_links(&staging, &path, plan.token)?;
        }
        let load = SqliteLoad::create(path, occupancy, staging, plan, Arc::clone(&self.clock))?;
        Ok(Box::new(load))
    }
}

/// Finds out, before hours of loading, whether the old database can be kept under a second name.
fn probe_links(staging: &Staging, path: &std::path::Path, token: &str) -> Result<(), SourceError> {
    let kept = kept_path(path, token);
    std::fs::hard_link(staging.path(), &kept)
        .and_then(|()| std::fs::remove_file(&kept))
        .map_err(|error| io_failed(&kept, "the old database could not be kept under this name", error))
}

/// The content of a native blob that every snapshot of SQLite has.
pub(super) fn blob_of<'a>(plan: &LoadPlan<'a>, role: &str) -> Result<&'a [u8], SourceError> {
    let blob = plan.blobs.iter().find(|blob| blob.role == role);
    blob.map(|blob| blob.content.as_slice())
        .ok_or_else(|| SourceError::engine(Code::Damaged, role, "the snapshot lacks this blob"))
}
