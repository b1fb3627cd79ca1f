//! A load under way: the tree is built in `PATH.strongroom-TOKEN`, beside the target, and takes the target's name when
//! it is whole and durable.
//!
//! ```text
//!  nothing there, or empty    rename staging → PATH · sync the folder above
//!  over                       exchange staging and PATH · rename staging → PATH.before-TOKEN · sync
//! ```
//!
//! Once the tree has the target's name, nothing is an error any more: what then fails is told in findings.
//!
//! Killed at any step, the target's name leads to what was there before or to the whole restored tree. The staging
//! folder is its owner's alone, and goes away with the value that owns it unless it got the target's name.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use strongroom_core::error::Code;
use strongroom_core::record::ClassSchema;

use super::build::{BuildError, Builder, Withheld};
use super::location::FilesLocation;
use super::path::TreePath;
use super::place::open_root;
use super::record::{self, FileRecord};
use super::source::{Allowed, FilesSource};
use super::target::{Occupancy, kept_path, shown, target_failed, with_suffix};
use crate::source::{Finding, Severity, Source, SourceError};
use crate::target::{FeedRecord, Load, RecordFeed, told};

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

    /// Publishes, asking before each step that changes names.
    fn publish_with(mut self, before: &mut BeforeStep<'_>) -> Result<Vec<Finding>, SourceError> {
        self.with(|builder| rustix::fs::syncfs(builder.root())).map_err(|error| {
            target_failed(&self.staging.path, "the restored tree can't be made durable", error.into())
        })?;
        self.take_name(before)?;
        // From here on the target's name leads to the restored tree, and whatever fails is told beside that.
        let mut findings = self.keep_old(before)?;
        let above = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let synced = before(Step::SyncFolder).and_then(|()| {
            let synced = File::open(&above).and_then(|above| above.sync_all());
            synced.map_err(|error| target_failed(&above, "it can't be made durable", error))
        });
        findings.extend(told(&self.path, synced, |error| {
            format!(
                "the tree is restored, but its new name may not outlast a power cut: {error}. Sync the file system \
                 and look at the name again before relying on it"
            )
        })?);
        Ok(findings)
    }

    /// Gives the tree its name: until this is done, nothing has changed.
    fn take_name(&mut self, before: &mut BeforeStep<'_>) -> Result<(), SourceError> {
        let failed = |error: Errno| match error {
            Errno::EXIST | Errno::NOTEMPTY => SourceError::engine(
                Code::TargetNotEmpty,
                shown(&self.path),
                "somebody put something there while the restore was loading",
            ),
            _ => target_failed(&self.path, "the restored tree can't be given the target's name", error.into()),
        };
        let how = match self.occupancy {
            Occupancy::Missing => RenameFlags::NOREPLACE,
            // Only an empty folder lets itself be replaced.
            Occupancy::Empty => RenameFlags::empty(),
            Occupancy::Holds => {
                let kept = kept_path(&self.path, &self.token);
                if kept.symlink_metadata().is_ok() {
                    let message = "the replaced folder would be kept under this name, which is taken";
                    return Err(SourceError::engine(Code::TargetFailed, shown(&kept), message));
                }
                RenameFlags::EXCHANGE
            }
        };
        before(Step::TakeName)?;
        renameat_with(CWD, &self.staging.path, CWD, &self.path, how).map_err(failed)?;
        // What has the staging name now, if anything, is the old folder, which is nobody's to remove.
        self.staging.is_there = false;
        Ok(())
    }

    /// Gives the replaced folder, if there is one, the name under which it is kept.
    fn keep_old(&self, before: &mut BeforeStep<'_>) -> Result<Vec<Finding>, SourceError> {
        if self.occupancy != Occupancy::Holds {
            return Ok(Vec::new());
        }
        let kept = kept_path(&self.path, &self.token);
        let renamed = before(Step::KeepOld).and_then(|()| {
            let renamed = renameat_with(CWD, &self.staging.path, CWD, &kept, RenameFlags::NOREPLACE);
            renamed.map_err(|error| target_failed(&kept, "it can't be given this name", error.into()))
        });
        let name = if renamed.is_ok() { &kept } else { &self.staging.path };
        let message = format!("the replaced folder is kept as {}", name.display());
        let mut findings = vec![Finding { severity: Severity::Info, subject: shown(&self.path), message }];
        findings.extend(told(&self.path, renamed, |error| {
            format!("the replaced folder still has the name of the staging folder: {error}")
        })?);
        Ok(findings)
    }
}

/// A step that changes names. Tests stop before one, or make it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The tree takes the target's name.
    TakeName,
    /// The replaced folder gets the name under which it is kept.
    KeepOld,
    /// Names are made durable.
    SyncFolder,
}

/// Called before each step. An error is the step's own; being stopped is the end.
type BeforeStep<'a> = dyn FnMut(Step) -> Result<(), SourceError> + 'a;

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
            Ok(withheld(&shown(&self.path), &builder.withheld))
        })
    }

    fn allowed(&self) -> Vec<(String, u64)> {
        let withheld = self.with(|builder| builder.withheld.len() as u64);
        if withheld > 0 { vec![(record::CLASS.to_owned(), withheld)] } else { Vec::new() }
    }

    fn as_source(&self) -> Result<Box<dyn Source>, SourceError> {
        let allowed: Allowed = self.with(|builder| Arc::new(builder.withheld.clone()));
        Ok(Box::new(FilesSource::new(FilesLocation::new(&self.staging.path)).allowing(allowed)))
    }

    fn publish(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        self.publish_with(&mut |_| Ok(()))
    }

    fn abandon(mut self: Box<Self>) -> Result<(), SourceError> {
        let path = self.staging.path.clone();
        self.staging.remove().map_err(|error| target_failed(&path, "the folder of the restore can't be removed", error))
    }
}

/// What entries could not be given, in sentences.
fn withheld(subject: &str, withheld: &BTreeMap<TreePath, Withheld>) -> Vec<Finding> {
    let disarmed = withheld.values().filter(|entry| entry.bits != 0).count();
    let sentences = [
        (withheld.len(), "belong to the user who restored them, and not to their owners"),
        (disarmed, "ran as their owner or group, and lost the bits that say so with them (setuid, setgid)"),
    ];
    let told = sentences.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| Finding {
        severity: Severity::Warning,
        subject: subject.to_owned(),
        message: format!("{count} entries {what}"),
    });
    told.collect()
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

#[cfg(test)]
mod tests;
