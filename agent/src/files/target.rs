//! The target: a folder that a snapshot is restored into.
//!
//! Owns the decision whether a place may be written to. Nothing under the target's name changes before
//! [`Load::publish`].

use std::path::{Path, PathBuf};

use strongroom_core::error::Code;

use super::load::FilesLoad;
use super::location::FilesLocation;
use super::owners::Owners;
use crate::source::{Finding, Severity, SourceError};
use crate::target::{Load, LoadPlan, Target};

/// What lies under a target's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occupancy {
    /// Nothing.
    Missing,
    /// A folder with nothing in it.
    Empty,
    /// A folder that holds something.
    Holds,
}

/// A place for a restored tree.
#[derive(Clone, Debug)]
pub struct FilesTarget {
    location: FilesLocation,
}

impl FilesTarget {
    /// A target at a location. Nothing is opened yet.
    pub fn new(location: FilesLocation) -> Self {
        Self { location }
    }

    /// A target at `file:PATH`. Nothing is opened yet.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        Ok(Self::new(FilesLocation::parse(url)?))
    }

    /// What lies there, if the restore may go there.
    fn permitted(&self, plan: &LoadPlan<'_>) -> Result<(PathBuf, Occupancy), SourceError> {
        if plan.facts.engine != "files" {
            let message = format!("a snapshot of {} can't be restored into a folder", plan.facts.engine);
            return Err(SourceError::engine(Code::Usage, self.location.shown(), message));
        }
        let (path, occupancy) = examine(&self.location)?;
        if occupancy == Occupancy::Holds && !plan.over {
            return Err(SourceError::engine(Code::TargetNotEmpty, shown(&path), "the folder is not empty"));
        }
        Ok((path, occupancy))
    }
}

impl Target for FilesTarget {
    fn plan(&self, plan: &LoadPlan<'_>) -> Result<Vec<Finding>, SourceError> {
        let (path, occupancy) = self.permitted(plan)?;
        let (severity, message) = match occupancy {
            Occupancy::Missing => (Severity::Info, "a new folder is made".to_owned()),
            Occupancy::Empty => (Severity::Info, "the empty folder is replaced".to_owned()),
            Occupancy::Holds => {
                let kept = kept_path(&path, plan.token);
                (Severity::Warning, format!("the folder is replaced; the old one is kept as {}", kept.display()))
            }
        };
        let mut findings = vec![Finding { severity, subject: shown(&path), message }];
        if !rustix::process::geteuid().is_root() {
            let message = "this user is not root: entries of others will belong to this user";
            findings.push(Finding { severity: Severity::Warning, subject: shown(&path), message: message.into() });
        }
        let owners = plan.blobs.iter().find(|blob| blob.role == "owners");
        let owners: Option<Owners> = owners.and_then(|blob| serde_json::from_slice(&blob.content).ok());
        let differ = owners.map(|owners| owners.differences()).unwrap_or_default();
        findings.extend(differ.into_iter().map(|message| Finding {
            severity: Severity::Warning,
            subject: shown(&path),
            message: format!("owners are restored by their numbers, and {message}"),
        }));
        Ok(findings)
    }

    fn begin(&self, plan: &LoadPlan<'_>) -> Result<Box<dyn Load>, SourceError> {
        let (path, occupancy) = self.permitted(plan)?;
        Ok(Box::new(FilesLoad::create(path, occupancy, plan.token)?))
    }
}

/// The absolute path of a target, the links on the way to it resolved, and what is there.
pub(super) fn examine(location: &FilesLocation) -> Result<(PathBuf, Occupancy), SourceError> {
    let failed = |message: &str, error: std::io::Error| target_failed(location.path(), message, error);
    let named = std::path::absolute(location.path()).map_err(|error| failed("the path can't be used", error))?;
    let (Some(above), Some(name)) = (named.parent(), named.file_name()) else {
        return Err(SourceError::engine(Code::Usage, location.shown(), "the path names no folder"));
    };
    let above = above.canonicalize().map_err(|error| failed("the folder above it is not there", error))?;
    let path = above.join(name);
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((path, Occupancy::Missing)),
        Err(error) => Err(failed("it can't be looked at", error)),
        Ok(found) if !found.is_dir() => {
            Err(SourceError::engine(Code::TargetFailed, location.shown(), "this is not a folder"))
        }
        Ok(_) => {
            let mut entries = std::fs::read_dir(&path).map_err(|error| failed("it can't be listed", error))?;
            Ok((path, if entries.next().is_some() { Occupancy::Holds } else { Occupancy::Empty }))
        }
    }
}

/// The name under which a replaced folder is kept.
pub(super) fn kept_path(path: &Path, token: &str) -> PathBuf {
    with_suffix(path, &format!(".before-{token}"))
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The error of a target for an error of the file system.
pub(super) fn target_failed(path: &Path, message: &str, error: std::io::Error) -> SourceError {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::NoSpace,
        _ => Code::TargetFailed,
    };
    SourceError::Engine { code, subject: shown(path), message: message.into(), source: Some(Box::new(error)) }
}
