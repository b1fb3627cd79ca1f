//! What is left of a group: folders of members, or a backup of its state.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_coordinator::daemon::Home;
use strongroom_coordinator::daemon::home;
use strongroom_coordinator::member::{Heritage, MemberConfig};
use strongroom_coordinator::recovery::backup::{Header, Reader, look};
use strongroom_coordinator::recovery::{LookError, Plan, Survey, Survivor};
use strongroom_coordinator::state::counters::{Counter, count};
use strongroom_coordinator::state::refounding::RefoundedFrom;
use strongroom_coordinator::state::{Rows, query};
use strongroom_core::error::Code;
use strongroom_core::id::SourceId;
use strongroom_depot::backend::StateName;
use strongroom_platform::disk::{Disk, RealDisk};
use strongroom_platform::tls::TrustBundle;

use super::super::depot::Depot;
use crate::args::recovery::Recover;
use crate::failure::{Attempt as _, Failure};

/// What is left, and what to do with it.
pub(super) enum Left {
    /// Members' folders.
    Survivors {
        /// Each with what it holds, and where it lies.
        surveys: Vec<(PathBuf, Survey)>,
        /// Folders that can't be looked at, and why.
        unread: Vec<(PathBuf, String)>,
        /// The one whose log is taken.
        chosen: Box<Survivor>,
        /// Where that one lies.
        folder: PathBuf,
        /// What to do.
        plan: Plan,
        /// The depot to compare with.
        depot: Option<Depot>,
    },
    /// A backup, when no folder is.
    Backup {
        /// Where it is.
        file: BackupFile,
        /// What it is.
        header: Header,
        /// The rows that are asked for.
        rows: Rows,
        /// What to do.
        plan: Plan,
        /// The depot to compare with.
        depot: Option<Depot>,
    },
}

/// A backup that can be read more than once.
pub(super) enum BackupFile {
    File(PathBuf),
    State(Depot, StateName),
}

/// Snapshots of a source that a depot holds and the catalogue lacks.
pub(super) struct Lacking {
    pub(super) source: SourceId,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Left {
    /// Looks at all that was given.
    pub(super) fn gather(options: &Recover) -> Result<Self, Failure> {
        let depot = options.depot.as_deref().map(Depot::open).transpose()?;
        if !options.survivor.is_empty() {
            return survivors(&options.survivor, depot);
        }
        match (&options.backup, depot) {
            (Some(file), depot) => Self::of_backup(BackupFile::File(file.clone()), depot),
            (None, Some(depot)) => {
                let state = depot.newest_state()?;
                let compared = Depot::open(depot.folder())?;
                Self::of_backup(BackupFile::State(depot, state), Some(compared))
            }
            (None, None) => {
                let failure = Failure::new(Code::Usage, "nothing is given to recover from");
                Err(failure.advise("Give --survivor DIR for each member's folder that is left, or --backup FILE."))
            }
        }
    }

    fn of_backup(file: BackupFile, depot: Option<Depot>) -> Result<Self, Failure> {
        let what = || format!("{} can't be used", file.shown());
        let (header, rows) = look(file.open()?).attempt(what)?;
        let events = count(&rows, Counter::AuditEvents).attempt(what)?;
        let snapshots = count(&rows, Counter::Snapshots).attempt(what)?;
        let plan = Plan::of_backup(&header, events, snapshots);
        Ok(Self::Backup { file, header, rows, plan, depot })
    }

    /// What to do.
    pub(super) const fn plan(&self) -> &Plan {
        match self {
            Self::Survivors { plan, .. } | Self::Backup { plan, .. } => plan,
        }
    }

    /// The old state, or the rows of it that are asked for.
    pub(super) const fn rows(&self) -> &Rows {
        match self {
            Self::Survivors { chosen, .. } => chosen.rows(),
            Self::Backup { rows, .. } => rows,
        }
    }

    /// What the new epoch takes from the old one.
    pub(super) fn heritage(&self) -> Result<Heritage, Failure> {
        match self {
            Self::Survivors { chosen, .. } => Ok(chosen.heritage()),
            Self::Backup { file, .. } => {
                file.reader()?.heritage().attempt(|| format!("{} can't be used", file.shown()))
            }
        }
    }

    /// The region of the member that the state comes from, if it is known.
    pub(super) fn region(&self) -> Option<String> {
        let (RefoundedFrom::Survivor(member) | RefoundedFrom::Backup(member)) = self.plan().from;
        let row = query::member(self.rows(), &member).ok()??;
        row.details.map(|details| details.region.to_string())
    }

    /// Refuses a root that the survivor's own files do not know: nobody would believe the new group.
    pub(super) fn require_root(&self, certificate: &str) -> Result<(), Failure> {
        let Self::Survivors { folder, .. } = self else { return Ok(()) };
        // A folder of which only the data were saved has no roots to compare with.
        let Ok(known) = Home::open(folder).and_then(|home| home.roots(home::OWN)) else { return Ok(()) };
        let given = TrustBundle::from_pem(certificate);
        let is_known = given.is_ok_and(|given| given.certificates().iter().any(|it| known.certificates().contains(it)));
        if is_known {
            return Ok(());
        }
        let what = format!("the root's key is not the one that {} was certified under", folder.display());
        Err(Failure::new(Code::WrongKey, what))
    }

    /// What the depot holds and the catalogue lacks.
    pub(super) fn lacking(&self) -> Result<Option<Vec<Lacking>>, Failure> {
        let (Self::Survivors { depot, .. } | Self::Backup { depot, .. }) = self;
        let Some(depot) = depot else { return Ok(None) };
        let mut lacking = Vec::new();
        for (source, last) in depot.newest_manifests()? {
            let head = query::head(self.rows(), &source).attempt(|| "the catalogue can't be read")?;
            let known = head.map_or(0, |head| head.sequence);
            if last > known {
                lacking.push(Lacking { source, first: known.saturating_add(1), last });
            }
        }
        Ok(Some(lacking))
    }
}

impl BackupFile {
    /// How it is shown.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::State(_, state) => format!("state {state}"),
        }
    }

    fn open(&self) -> Result<BufReader<Box<dyn Read>>, Failure> {
        let read: Box<dyn Read> = match self {
            Self::File(path) => Box::new(File::open(path).attempt(|| format!("{} can't be read", path.display()))?),
            Self::State(depot, state) => Box::new(depot.state(*state)?),
        };
        Ok(BufReader::new(read))
    }

    /// Reads it from its beginning.
    pub(super) fn reader(&self) -> Result<Reader<BufReader<Box<dyn Read>>>, Failure> {
        Reader::open(self.open()?).attempt(|| format!("{} can't be used", self.shown()))
    }
}

fn survivors(folders: &[PathBuf], depot: Option<Depot>) -> Result<Left, Failure> {
    let (mut looked, mut unread) = (Vec::new(), Vec::new());
    for folder in folders {
        match look_at(folder)? {
            Ok(survivor) => {
                let survey = survivor.survey().attempt(|| format!("{} can't be read", folder.display()))?;
                looked.push((folder.clone(), survey, survivor));
            }
            Err(error) => {
                let failure = Failure::because(Code::RecoveryRefused, "it can't be looked at", error);
                unread.push((folder.clone(), failure.chain().join(": ")));
            }
        }
    }
    let all: Vec<Survey> = looked.iter().map(|(_, survey, _)| survey.clone()).collect();
    let plan = Plan::of(&all).map_err(|refused| {
        let reasons = unread.iter().map(|(folder, why)| format!("{}: {why}", folder.display()));
        let parts: Vec<String> =
            std::iter::once("there is no plan for what is left".to_owned()).chain(reasons).collect();
        Failure::because(Code::RecoveryRefused, parts.join("; "), refused)
    })?;
    let is_chosen =
        |survey: &Survey| plan.from == RefoundedFrom::Survivor(survey.member) && survey.epoch + 1 == plan.epoch;
    let surveys = looked.iter().map(|(folder, survey, _)| (folder.clone(), survey.clone())).collect();
    let chosen = looked.into_iter().find(|(_, survey, _)| is_chosen(survey));
    // The plan is made of these surveys: it names one of them.
    let (folder, _, chosen) = chosen.ok_or_else(|| Failure::new(Code::Internal, "the plan names no survivor"))?;
    Ok(Left::Survivors { surveys, unread, chosen: Box::new(chosen), folder, plan, depot })
}

/// Looks at a member's folder, or at the data of one. One whose member runs is no survivor, and ends it all.
fn look_at(folder: &Path) -> Result<Result<Survivor, LookError>, Failure> {
    let inner = folder.join("data");
    let data = if inner.is_dir() { inner } else { folder.to_owned() };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(&data).attempt(|| format!("{} can't be read", data.display()))?);
    match Survivor::look(&disk, &MemberConfig::LAN) {
        Err(error @ LookError::Running) => {
            let what = format!("the member in {} runs", folder.display());
            let advice = "Stop the member first; if most members run, there is nothing to recover.";
            Err(Failure::because(Code::Busy, what, error).advise(advice))
        }
        looked => Ok(looked),
    }
}
