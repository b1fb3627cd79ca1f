//! A load under way: the tree is built in `PATH.strongroom-TOKEN`, beside the target, and takes the target's name when
//! it is whole and durable.
//!
//! ```text
//!  nothing there, or empty    rename staging → PATH · sync the folder above
//!  over                       exchange staging and PATH · rename staging → PATH.before-TOKEN · sync
//! ```
//!
//! Killed at any step, the target's name leads to what was there before or to the whole restored tree. The staging
//! folder is its owner's alone, and goes away with the value that owns it unless it got the target's name.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use strongroom_core::error::Code;
use strongroom_core::record::ClassSchema;

use super::build::{BuildError, Builder};
use super::location::FilesLocation;
use super::place::open_root;
use super::record::{self, FileRecord};
use super::source::{FilesSource, OwnersGiven};
use super::target::{Occupancy, kept_path, shown, target_failed, with_suffix};
use crate::source::{Finding, Severity, Source, SourceError};
use crate::target::{FeedRecord, Load, RecordFeed};

/// A restore that has begun.
pub(super) struct FilesLoad {
    path: PathBuf,
    occupancy: Occupancy,
    token: String,
    staging: Staging,
    builder: Mutex<Builder>,
}

/// The folder in which the tree is built.
struct Staging {
    path: PathBuf,
    is_there: bool,
}

impl Staging {
    fn remove(&mut self) -> std::io::Result<()> {
        if std::mem::replace(&mut self.is_there, false) { std::fs::remove_dir_all(&self.path) } else { Ok(()) }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Whoever drops it has an error to report already; what is left lies under a name that says what it is.
        let _ = self.remove();
    }
}

impl FilesLoad {
    /// Makes the staging folder, which must not be there.
    pub(super) fn create(path: PathBuf, occupancy: Occupancy, token: &str) -> Result<Self, SourceError> {
        let staging = with_suffix(&path, &format!(".strongroom-{token}"));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&staging)
            .map_err(|error| target_failed(&staging, "the folder for the restore can't be made", error))?;
        let staging = Staging { path: staging, is_there: true };
        let root = open_root(&staging.path)
            .map_err(|error| target_failed(&staging.path, "it can't be opened", error.into()))?;
        Ok(Self { path, occupancy, token: token.into(), staging, builder: Mutex::new(Builder::new(root)) })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Builder) -> T) -> T {
        work(&mut self.builder.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives the tree its name.
    fn exchange(&mut self) -> Result<Vec<Finding>, SourceError> {
        let failed = |error: rustix::io::Errno| match error {
            rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY => SourceError::engine(
                Code::TargetNotEmpty,
                shown(&self.path),
                "somebody put something there while the restore was loading",
            ),
            _ => target_failed(&self.path, "the restored tree can't be given the target's name", error.into()),
        };
        let rename = |from: &Path, to: &Path, how| renameat_with(CWD, from, CWD, to, how);
        let mut findings = Vec::new();
        match self.occupancy {
            Occupancy::Missing => rename(&self.staging.path, &self.path, RenameFlags::NOREPLACE).map_err(failed)?,
            // Only an empty folder lets itself be replaced.
            Occupancy::Empty => rename(&self.staging.path, &self.path, RenameFlags::empty()).map_err(failed)?,
            Occupancy::Holds => {
                let kept = kept_path(&self.path, &self.token);
                rename(&self.staging.path, &self.path, RenameFlags::EXCHANGE).map_err(failed)?;
                // What has the staging name now is the old folder, which is nobody's to remove.
                self.staging.is_there = false;
                rename(&self.staging.path, &kept, RenameFlags::NOREPLACE).map_err(|error| {
                    target_failed(&kept, "the replaced folder can't be given this name", error.into())
                })?;
                let message = format!("the replaced folder is kept as {}", kept.display());
                findings.push(Finding { severity: Severity::Info, subject: shown(&self.path), message });
            }
        }
        self.staging.is_there = false;
        Ok(findings)
    }
}

impl Load for FilesLoad {
    fn load(&self, _lane: usize, class: &ClassSchema, feed: &mut RecordFeed<'_>) -> Result<u64, SourceError> {
        if class.name != record::CLASS {
            return Err(SourceError::engine(Code::Damaged, &class.name, "a tree of files has no such class"));
        }
        self.with(|builder| {
            let mut take = |fed: &FeedRecord<'_>| {
                let record = record::parse(fed).map_err(|error| refused(record::CLASS, error.into()))?;
                let (FileRecord::Entry(super::entry::Entry { path, .. }, _) | FileRecord::Piece(path, ..)) = &record;
                let subject = path.to_string();
                builder.take(record).map_err(|error| refused(&subject, error))
            };
            feed(&mut take)
        })
    }

    fn after_data(&self) -> Result<Vec<Finding>, SourceError> {
        self.with(|builder| {
            builder.finish().map_err(|error| refused(&shown(&self.path), error))?;
            let others = builder.owners.len();
            let message = format!("{others} entries belong to the user who restored them, and not to their owners");
            let finding = Finding { severity: Severity::Warning, subject: shown(&self.path), message };
            Ok(if others > 0 { vec![finding] } else { Vec::new() })
        })
    }

    fn as_source(&self) -> Result<Box<dyn Source>, SourceError> {
        let owners: OwnersGiven = self.with(|builder| Arc::new(builder.owners.clone()));
        Ok(Box::new(FilesSource::new(FilesLocation::new(&self.staging.path)).with_owners(owners)))
    }

    fn publish(mut self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        let failed = |path: &Path, error| target_failed(path, "the restored tree can't be made durable", error);
        self.with(|builder| rustix::fs::syncfs(builder.root()))
            .map_err(|error| failed(&self.staging.path, error.into()))?;
        let findings = self.exchange()?;
        let above = self.path.parent().unwrap_or(Path::new("/"));
        File::open(above).and_then(|above| above.sync_all()).map_err(|error| failed(above, error))?;
        Ok(findings)
    }

    fn abandon(mut self: Box<Self>) -> Result<(), SourceError> {
        let path = self.staging.path.clone();
        self.staging.remove().map_err(|error| target_failed(&path, "the folder of the restore can't be removed", error))
    }
}

fn refused(subject: &str, error: BuildError) -> SourceError {
    let (code, message) = match &error {
        BuildError::Malformed(_) => (Code::Damaged, "a record does not follow its format"),
        BuildError::Io(io) => match io.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                (Code::NoSpace, "the volume of the target is full")
            }
            _ => (Code::TargetFailed, "the target's file system refused it"),
        },
        BuildError::Refused { .. } => (Code::TargetFailed, "the target's file system can't take all of it"),
    };
    SourceError::Engine { code, subject: subject.into(), message: message.into(), source: Some(Box::new(error)) }
}
