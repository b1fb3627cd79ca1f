//! The change of hands: the restored file takes the target's name.
//!
//! ```text
//!  nothing there    link staging → PATH · sync folder · unlink staging · sync folder
//!  empty            hold PATH · rename staging → PATH · sync folder · let go
//!  over             hold PATH · link PATH → PATH.before-TOKEN · sync folder
//!                   · rename staging → PATH · sync folder · let go
//! ```
//!
//! The restored file is complete and synced before the first step. Killed after any of them, the name leads to what was
//! there before or to the whole restored file, never to less. The old database has its second name durably before it
//! loses its first. Once the restored file has the name, nothing is an error any more: what then fails is told in
//! findings. A link never replaces: if somebody made the target meanwhile, the restore is refused.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use strongroom_core::error::Code;

use super::location::beside;
use super::occupancy::{Hold, Occupancy, refuse_side_files, shown};
use super::staging::{Staging, io_failed};
use crate::source::{Finding, Severity, SourceError};
use crate::target::told;

/// A step that changes names. Tests stop before one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The new file gets the name, which nothing had.
    LinkNew,
    /// The old file gets its second name.
    KeepOld,
    /// The new file takes the name.
    Replace,
    /// Names are made durable.
    SyncFolder,
    /// The new file loses its first name.
    UnlinkStaging,
}

/// Called before each step. An error is the step's own; being stopped is the end.
pub(super) type BeforeStep<'a> = dyn FnMut(Step) -> Result<(), SourceError> + 'a;

/// The name under which a replaced database is kept.
pub(super) fn kept_path(path: &Path, token: &str) -> PathBuf {
    beside(path, &format!(".before-{token}"))
}

/// Gives the staging file the target's name.
pub(super) fn publish(
    path: &Path,
    occupancy: Occupancy,
    token: &str,
    staging: &mut Staging,
    before: &mut BeforeStep<'_>,
) -> Result<Vec<Finding>, SourceError> {
    match occupancy {
        Occupancy::Missing => make(path, staging, before),
        Occupancy::Empty => replace(path, occupancy, None, staging, before),
        Occupancy::Holds | Occupancy::Damaged => {
            replace(path, occupancy, Some(&kept_path(path, token)), staging, before)
        }
    }
}

fn make(path: &Path, staging: &mut Staging, before: &mut BeforeStep<'_>) -> Result<Vec<Finding>, SourceError> {
    refuse_side_files(path, Code::TargetFailed)?;
    before(Step::LinkNew)?;
    std::fs::hard_link(staging.path(), path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            SourceError::engine(Code::TargetNotEmpty, shown(path), "somebody made it while the restore was loading")
        }
        _ => io_failed(path, "the restored file can't be given the target's name", error),
    })?;
    let mut findings = Vec::from_iter(named(path, sync_folder(path, before))?);
    let unlinked = before(Step::UnlinkStaging).and_then(|()| {
        let removed = std::fs::remove_file(staging.path());
        removed.map_err(|error| io_failed(staging.path(), "the restored file can't lose its first name", error))
    });
    findings.extend(told(path, unlinked, |error| format!("the database is restored, and has a second name: {error}"))?);
    staging.forget();
    findings.extend(told(path, sync_folder(path, before), |error| {
        format!("the database is restored; after a power cut it may have a second name again: {error}")
    })?);
    Ok(findings)
}

/// What became of making the new name durable.
fn named(path: &Path, synced: Result<(), SourceError>) -> Result<Option<Finding>, SourceError> {
    told(path, synced, |error| {
        format!(
            "the database is restored, but its new name may not outlast a power cut: {error}. Sync the file system and \
             look at the name again before relying on it"
        )
    })
}

fn replace(
    path: &Path,
    occupancy: Occupancy,
    kept: Option<&Path>,
    staging: &mut Staging,
    before: &mut BeforeStep<'_>,
) -> Result<Vec<Finding>, SourceError> {
    let hold = Hold::take(path, occupancy)?;
    let outcome = exchange(path, kept, staging, before);
    let old = if staging.is_there() { Some(path) } else { kept };
    let released = hold.release(old);
    let mut findings = outcome?;
    if let Err(error) = released {
        let message = format!("the replaced database could not be closed cleanly: {error}");
        findings.push(Finding { severity: Severity::Warning, subject: shown(path), message });
    }
    if let Some(kept) = kept {
        let message = format!("the replaced database is kept as {}", kept.display());
        findings.push(Finding { severity: Severity::Info, subject: shown(path), message });
    }
    Ok(findings)
}

/// The change of names, while nobody else can open the old database.
fn exchange(
    path: &Path,
    kept: Option<&Path>,
    staging: &mut Staging,
    before: &mut BeforeStep<'_>,
) -> Result<Vec<Finding>, SourceError> {
    let mut findings = inherit(path, staging.path())?;
    if let Some(kept) = kept {
        before(Step::KeepOld)?;
        std::fs::hard_link(path, kept).map_err(|error| io_failed(kept, "the old database can't be kept", error))?;
        sync_folder(path, before)?;
    }
    before(Step::Replace)?;
    std::fs::rename(staging.path(), path)
        .map_err(|error| io_failed(path, "the restored file can't be given the target's name", error))?;
    staging.forget();
    findings.extend(named(path, sync_folder(path, before))?);
    Ok(findings)
}

/// Gives the new file the old one's mode and owner, so that the application can still open it.
fn inherit(old: &Path, new: &Path) -> Result<Vec<Finding>, SourceError> {
    let failed = |error| io_failed(new, "the restored file can't get the old one's permissions", error);
    let (was, is) = (old.metadata().map_err(failed)?, new.metadata().map_err(failed)?);
    let mut findings = Vec::new();
    if (was.uid(), was.gid()) != (is.uid(), is.gid())
        && let Err(error) = std::os::unix::fs::chown(new, Some(was.uid()), Some(was.gid()))
    {
        let message = format!("the restored file can't be given to the owner of the old one: {error}");
        findings.push(Finding { severity: Severity::Warning, subject: shown(old), message });
    }
    std::fs::set_permissions(new, was.permissions()).map_err(failed)?;
    Ok(findings)
}

fn sync_folder(path: &Path, before: &mut BeforeStep<'_>) -> Result<(), SourceError> {
    before(Step::SyncFolder)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| io_failed(folder, "the folder's names can't be made durable", error))
}

#[cfg(test)]
mod tests;
