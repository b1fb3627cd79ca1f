//! The source: where the tree lies, and what is known of it before its first file is read.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::io::Errno;
use strongroom_core::error::Code;

use super::build::Withheld;
use super::cut::{FilesCut, Survey};
use super::links::SharedNames;
use super::location::FilesLocation;
use super::owners::Owners;
use super::path::TreePath;
use super::place::open_root;
use super::walk::{Met, walk};
use crate::source::{CaptureOptions, Cut, Source, SourceError};

/// Lanes that read side by side at most; each walks the tree.
const PARTS_MAX: usize = 8;

/// What a restore could not give, read as if it were there: whatever else differs still shows.
pub(super) type Allowed = Arc<BTreeMap<TreePath, Withheld>>;

/// A tree of files that is protected.
#[derive(Clone, Debug)]
pub struct FilesSource {
    location: FilesLocation,
    spool: Option<PathBuf>,
    set_apart: Vec<PathBuf>,
    allowed: Allowed,
}

impl FilesSource {
    /// A source behind a location. Nothing is opened yet.
    pub fn new(location: FilesLocation) -> Self {
        Self { location, spool: None, set_apart: Vec::new(), allowed: Allowed::default() }
    }

    /// A source behind `file:PATH`. Nothing is opened yet.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        Ok(Self::new(FilesLocation::parse(url)?))
    }

    /// The same source with a folder for copies of long files, so that they hold still while they are read. Without one
    /// they are read where they lie, and one that changes ends the capture.
    #[must_use]
    pub fn with_copies_in(self, folder: impl Into<PathBuf>) -> Self {
        Self { spool: Some(folder.into()), ..self }
    }

    /// The same source without a folder, such as that of the room which keeps its snapshots.
    #[must_use]
    pub fn without(mut self, folder: impl Into<PathBuf>) -> Self {
        self.set_apart.push(folder.into());
        self
    }

    /// The same source, where some entries lack what a restore could not give them.
    pub(super) fn allowing(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
    }

    fn open_root(&self) -> Result<OwnedFd, SourceError> {
        let subject = self.location.shown();
        let failed = |code, message: &str, error: Errno| SourceError::Engine {
            code,
            subject: subject.clone(),
            message: message.into(),
            source: Some(Box::new(std::io::Error::from(error))),
        };
        open_root(self.location.path()).map_err(|error| match error {
            Errno::NOENT => failed(Code::SourceUnreachable, "there is no such folder", error),
            Errno::NOTDIR => failed(Code::SourceUnreachable, "this is not a folder", error),
            Errno::ACCESS | Errno::PERM => failed(Code::SourcePrivilege, "the folder can't be entered", error),
            _ => failed(Code::SourceFailed, "the folder can't be opened", error),
        })
    }

    /// Refuses a tree that lies within what is set apart.
    fn refuse_within(&self) -> Result<(), SourceError> {
        let own = self.location.path().canonicalize().unwrap_or_else(|_| self.location.path().to_owned());
        let is_within = |folder: &PathBuf| folder.canonicalize().is_ok_and(|folder| own.starts_with(folder));
        if self.set_apart.iter().any(is_within) {
            let message = "the tree belongs to the room that would keep its snapshots";
            return Err(SourceError::engine(Code::Usage, self.location.shown(), message));
        }
        Ok(())
    }
}

impl Source for FilesSource {
    fn open(&self, options: &CaptureOptions) -> Result<Box<dyn Cut>, SourceError> {
        self.refuse_within()?;
        let root = self.open_root()?;
        if let Some(spool) = &self.spool {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(spool).map_err(|error| {
                SourceError::Engine {
                    code: Code::VolumeFailed,
                    subject: spool.display().to_string(),
                    message: "the folder for copies can't be used".into(),
                    source: Some(Box::new(error)),
                }
            })?;
        }
        let set_apart: Vec<(u64, u64)> = self.set_apart.iter().filter_map(|path| identity(path)).collect();
        let mut survey = survey(&root, &set_apart)
            .map_err(|error| SourceError::engine(Code::SourceFailed, self.location.shown(), error.to_string()))?;
        survey.set_apart = set_apart;
        let parts = options.readers.clamp(1, PARTS_MAX);
        let cut = FilesCut::new(root, self.location.shown(), survey, parts, options);
        Ok(Box::new(cut.with_spool(self.spool.clone()).allowing(Arc::clone(&self.allowed))))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = path.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Counts, and finds the names that files share: which of them gets a file's content, no part could tell alone.
fn survey(root: &OwnedFd, set_apart: &[(u64, u64)]) -> Result<Survey, Errno> {
    let mut survey = Survey::default();
    let (mut users, mut groups) = (BTreeSet::new(), BTreeSet::new());
    let mut names: BTreeMap<(u64, u64), Vec<TreePath>> = BTreeMap::new();
    walk(root, set_apart, |path, met| {
        let Met::Entry { stat, .. } = met else { return Ok::<_, Errno>(()) };
        survey.entries += 1;
        users.insert(stat.st_uid);
        groups.insert(stat.st_gid);
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            survey.bytes += u64::try_from(stat.st_size).unwrap_or(0);
            if stat.st_nlink > 1 {
                names.entry((stat.st_dev, stat.st_ino)).or_default().push(path.clone());
            }
        }
        Ok(())
    })?;
    survey.shared = SharedNames::new(names.into_values());
    survey.owners = Owners::of_host(&users, &groups);
    Ok(survey)
}
