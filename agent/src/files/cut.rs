//! The cut: the entries of a tree, read in parts that divide the paths among them.
//!
//! A cut holds the root open and locks nothing. Each part walks the tree and reads what falls to it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::io::Errno;
use strongroom_core::error::Code;

use super::findings::Findings;
use super::links::SharedNames;
use super::owners::Owners;
use super::path::TreePath;
use super::read::PartReader;
use super::record;
use super::source::Allowed;
use super::walk::{Met, walk};
use crate::fingerprint::Fingerprint;
use crate::source::{CaptureOptions, Cut, CutClass, CutFacts, Finding, NativeBlob, PartRead, RowWriter, SourceError};

/// What a first walk found.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    /// Names that share a file.
    pub(super) shared: SharedNames,
    pub(super) owners: Owners,
    pub(super) set_apart: Vec<(u64, u64)>,
}

/// A tree under capture.
pub(super) struct FilesCut {
    pub(super) root: OwnedFd,
    pub(super) survey: Survey,
    pub(super) facts: CutFacts,
    classes: Vec<CutClass>,
    /// Where copies of long files go.
    pub(super) spool: Option<PathBuf>,
    /// What entries may lack.
    pub(super) allowed: Allowed,
    pub(super) findings: Findings,
}

impl FilesCut {
    pub(super) fn new(root: OwnedFd, shown: String, survey: Survey, parts: usize, options: &CaptureOptions) -> Self {
        let mut schema = record::schema();
        if let Some(earlier) = options.earlier.get(&schema.name) {
            schema.adopt_ids(earlier);
        }
        let class = CutClass {
            schema,
            parts,
            records_estimate: survey.entries + 1,
            bytes_estimate: survey.bytes,
            skipped: None,
        };
        let facts = CutFacts {
            engine: "files".into(),
            engine_version: env!("CARGO_PKG_VERSION").into(),
            database: shown,
            ..CutFacts::default()
        };
        let (allowed, findings) = (Allowed::default(), Findings::default());
        Self { root, survey, facts, classes: vec![class], spool: None, allowed, findings }
    }

    pub(super) fn with_spool(self, spool: Option<PathBuf>) -> Self {
        Self { spool, ..self }
    }

    pub(super) fn allowing(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
    }
}

impl Cut for FilesCut {
    fn facts(&self) -> &CutFacts {
        &self.facts
    }

    fn classes(&self) -> &[CutClass] {
        &self.classes
    }

    fn read(&self, _lane: usize, class: usize, part: usize, rows: &mut RowWriter<'_>) -> Result<PartRead, SourceError> {
        let parts = self.classes.get(class).map_or(0, |class| class.parts);
        if part >= parts {
            return Err(SourceError::engine(Code::Internal, class.to_string(), "there is no such class or part"));
        }
        let ids = rows.ids().clone();
        let mut reader = PartReader::new(self, &ids, rows);
        if TreePath::root().part_of(parts) == part {
            reader.root()?;
        }
        walk(&self.root, &self.survey.set_apart, |path, met| {
            let is_later = matches!(met, Met::Entry { .. }) && self.survey.shared.has(path);
            if path.part_of(parts) == part && !is_later { reader.meet(path, &met) } else { Ok(()) }
        })?;
        self.survey.shared.of_part(part, parts).try_for_each(|names| reader.names_of_one(names))?;
        Ok(reader.finish())
    }

    fn blobs(&self) -> Result<Vec<NativeBlob>, SourceError> {
        let internal = |error: String| SourceError::engine(Code::Internal, &self.facts.database, error);
        let fingerprint = Fingerprint::default().to_blob().map_err(|error| internal(error.to_string()))?;
        let owners = serde_json::to_vec(&self.survey.owners).map_err(|error| internal(error.to_string()))?;
        let blob = |role: &str, content| NativeBlob { role: role.into(), content };
        Ok(vec![blob("fingerprint", fingerprint), blob("owners", owners)])
    }

    fn check(&self) -> Result<(), SourceError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<Vec<Finding>, SourceError> {
        Ok(self.findings.into_list())
    }
}

impl From<Errno> for SourceError {
    fn from(error: Errno) -> Self {
        Self::Engine {
            code: Code::SourceLost,
            subject: "the tree".into(),
            message: "it can't be walked".into(),
            source: Some(Box::new(std::io::Error::from(error))),
        }
    }
}
