//! References of snapshots and of live sources: what leads nowhere, what is there twice, what lacks an end.
//!
//! A source may well hold such things, since most are checked by nobody. So they are worth a warning, and an error only
//! where a baseline shows that they were not there before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom_agent::capture::{Progress, Spool};
use strongroom_agent::integrity::{
    Baseline, Broken, CheckJob, Example, IntegrityError, Naming, Read, Report, check_cut, check_snapshot, read_snapshot,
};
use strongroom_agent::profile::profile_of;
use strongroom_agent::source::Cut;
use strongroom_agent::view::SnapshotView;
use strongroom_core::digest::IdFunctions;
use strongroom_core::entropy::random_array;
use strongroom_core::error::Code;
use strongroom_core::graph::TupleKey;
use strongroom_core::graph::rules::ReferenceRules;
use strongroom_core::id::SnapshotId;
use strongroom_core::manifest::VerifiedManifest;
use strongroom_core::profile::Profile;
use strongroom_depot::store::DepotStore;
use strongroom_platform::disk::{Disk, RealDisk};
use tempfile::TempDir;

use super::{Finding, Severity};
use crate::app::App;
use crate::args::Verify;
use crate::failure::{Attempt as _, Failure};
use crate::render::text;
use crate::room::custodian::Custodian;
use crate::room::locks::{Held, is_read_only};
use crate::room::manifests::Manifests;
use crate::room::{Room, paths};

/// What the check of one snapshot or source came to.
#[derive(Serialize)]
pub(super) struct Checked {
    /// The snapshot, or the live source.
    pub(super) of: String,
    /// The snapshot that it was compared with.
    pub(super) against: Option<String>,
    /// Records that say something about references.
    pub(super) records: u64,
    /// References that were followed.
    pub(super) references: u64,
    /// References that lead to no record.
    pub(super) broken_references: u64,
    /// Violations, by rule and class.
    pub(super) broken: Vec<Broken>,
    /// References that could not be judged, as `class, reference`.
    pub(super) unjudged: Vec<String>,
    /// Rules that apply to nothing.
    pub(super) idle_rules: Vec<String>,
    /// How grave that is; nothing if nobody wants to know.
    #[serde(skip)]
    idle: Option<Severity>,
    pub(super) duration_ms: u64,
}

/// A file of rules. It may be a whole profile, of which only the references matter here.
#[derive(Default, Deserialize)]
struct RulesFile {
    #[serde(default)]
    references: ReferenceRules,
}

/// What all checks of one run share.
pub(super) struct References<'a> {
    app: &'a App,
    /// Rules that the user gives; else those of the profile count.
    rules: Option<ReferenceRules>,
    key: TupleKey,
    examples_max: usize,
    spool: Arc<Spool>,
    progress: &'a Arc<Progress>,
    _place: SpoolPlace,
}

/// Where the spool lies, and what keeps it there.
enum SpoolPlace {
    /// In the room.
    Room { _held: Held },
    /// In a folder that goes with the check: the room can't be written.
    Elsewhere { _folder: TempDir },
}

impl SpoolPlace {
    fn of(room: &Room) -> Result<(Self, Arc<dyn Disk>), Failure> {
        match room.lock_spool() {
            Err(failure) if is_read_only(&failure) => {}
            held => return Ok((Self::Room { _held: held? }, Arc::clone(room.disk()))),
        }
        let what = || "can't make a folder for the check";
        let folder = tempfile::Builder::new().prefix("strongroom-verify-").tempdir().attempt(what)?;
        let disk = RealDisk::open(folder.path()).attempt(what)?;
        disk.create_dir_all(paths::SPOOL).attempt(what)?;
        Ok((Self::Elsewhere { _folder: folder }, Arc::new(disk)))
    }
}

impl<'a> References<'a> {
    /// Reads the rules, and makes ready for checks.
    pub(super) fn new(
        options: &Verify,
        app: &'a App,
        room: &Room,
        progress: &'a Arc<Progress>,
    ) -> Result<Self, Failure> {
        let rules = options.rules.as_deref().map(read_rules).transpose()?;
        let (place, disk) = SpoolPlace::of(room)?;
        let spool = Spool::new(disk, paths::SPOOL, app.entropy.as_ref());
        let spool = spool.map_err(|error| Failure::because(Code::VolumeFailed, "can't use the room's spool", error))?;
        let key = random_array(app.entropy.as_ref()).attempt(|| "can't make a key for the check")?;
        let (key, spool) = (TupleKey(key), Arc::new(spool));
        Ok(Self { app, rules, key, examples_max: options.examples, spool, progress, _place: place })
    }

    /// Checks a snapshot, and reads all of it on the way.
    pub(super) fn of_snapshot(
        &self,
        custodian: &Custodian,
        manifests: &Manifests,
        manifest: &VerifiedManifest,
        against: Option<String>,
        baseline: Option<&Baseline>,
    ) -> Result<(Checked, Read), Failure> {
        let mut read = Read::default();
        let of = manifest.head().snapshot.to_string();
        let checked = self.timed(of, against, || {
            self.in_snapshot(custodian, manifests, manifest, baseline, |view, job| {
                let (report, all) = read_snapshot(view, job)?;
                read = all;
                Ok(report)
            })
        })?;
        Ok((checked, read))
    }

    /// Checks a snapshot that others are compared with.
    pub(super) fn baseline(
        &self,
        custodian: &Custodian,
        manifests: &Manifests,
        manifest: &VerifiedManifest,
    ) -> Result<Baseline, Failure> {
        Ok(self.in_snapshot(custodian, manifests, manifest, None, check_snapshot)?.baseline)
    }

    fn in_snapshot(
        &self,
        custodian: &Custodian,
        manifests: &Manifests,
        manifest: &VerifiedManifest,
        baseline: Option<&Baseline>,
        check: impl FnOnce(&SnapshotView<'_, DepotStore>, &CheckJob<'_>) -> Result<Report, IntegrityError>,
    ) -> Result<Report, Failure> {
        let mut snapshot = custodian.snapshot(manifests, manifest)?;
        snapshot.heed(Arc::clone(self.progress));
        let view = snapshot.view()?;
        let what = || format!("can't check the references of snapshot {}", manifest.head().snapshot);
        let profile = profile_of(&view).attempt(what)?;
        let classes = view.classes().map(|class| class.name().to_owned());
        let known = self.known(profile.as_ref(), classes);
        check(&view, &self.job(&known, baseline)).attempt(what)
    }

    /// Checks a live source.
    pub(super) fn of_cut(
        &self,
        cut: &dyn Cut,
        ids: &IdFunctions,
        lanes: usize,
        baseline: Option<&Baseline>,
        name: &str,
    ) -> Result<Report, Failure> {
        let classes = cut.classes().iter().map(|class| class.schema.name.clone());
        let known = self.known(cut.profile().map(|applied| applied.profile()), classes);
        check_cut(cut, ids, lanes, &self.job(&known, baseline))
            .attempt(|| format!("can't check the references of {name}"))
    }

    /// What a check found, and how long it took.
    pub(super) fn timed(
        &self,
        of: String,
        against: Option<String>,
        check: impl FnOnce() -> Result<Report, Failure>,
    ) -> Result<Checked, Failure> {
        let began = self.app.clock.monotonic();
        let report = check()?;
        let named = |(class, reference): &(String, String)| format!("{class}, {reference}");
        Ok(Checked {
            of,
            against,
            records: report.records,
            references: report.references,
            broken_references: report.broken_references(),
            unjudged: report.unjudged.iter().map(named).collect(),
            broken: report.broken,
            idle_rules: report.idle_rules,
            idle: self.idle(),
            duration_ms: text::ms(self.app.clock.monotonic().since(began)),
        })
    }

    /// How grave it is that a rule applies to nothing. A profile's are for many versions of a product; the user's own are
    /// for this one.
    fn idle(&self) -> Option<Severity> {
        match (&self.rules, self.app.output.verbose) {
            (Some(_), _) => Some(Severity::Warning),
            (None, 0) => None,
            (None, _) => Some(Severity::Info),
        }
    }

    /// The user's rules, or the profile's, and what the profile calls records.
    fn known(&self, profile: Option<&Profile>, classes: impl Iterator<Item = String>) -> Known {
        let rules = self.rules.clone().or_else(|| profile.map(|profile| profile.references.clone()));
        let mut naming = BTreeMap::new();
        for class in classes {
            let Some(facts) = profile.map(|profile| profile.facts(&class)) else { break };
            let label = facts.label.unwrap_or_default();
            naming.insert(class, Naming { label, display: facts.display });
        }
        Known { rules: rules.unwrap_or_default(), naming }
    }

    fn job<'j>(&'j self, known: &'j Known, baseline: Option<&'j Baseline>) -> CheckJob<'j> {
        CheckJob {
            rules: &known.rules,
            naming: &known.naming,
            baseline,
            key: self.key,
            examples_max: self.examples_max,
            spool: &self.spool,
            progress: self.progress,
        }
    }
}

/// What is known of the references and names of one product.
struct Known {
    rules: ReferenceRules,
    naming: BTreeMap<String, Naming>,
}

fn read_rules(path: &Path) -> Result<ReferenceRules, Failure> {
    let what = || format!("can't read the rules in {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| Failure::because(Code::Usage, what(), error))?;
    let file: RulesFile = toml::from_str(&text).map_err(|error| Failure::because(Code::Usage, what(), error))?;
    Ok(file.references)
}

impl Checked {
    /// The violations as findings.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.broken.iter().map(finding).collect();
        let note = |severity, kind: &str, subject: &String, message: &str| Finding {
            severity,
            kind: kind.into(),
            subject: subject.clone(),
            message: message.into(),
        };
        let unjudged = "what it leads to was not captured";
        let unjudged = |name| note(Severity::Info, "references_not_judged", name, unjudged);
        findings.extend(self.unjudged.iter().map(unjudged));
        if let Some(severity) = self.idle {
            let idle = |rule| note(severity, "idle_rule", rule, "the rule applies to nothing that is there");
            findings.extend(self.idle_rules.iter().map(idle));
        }
        findings
    }
}

/// What a check of a snapshot's references that came to no end is worth: it was promised, so silence would pass for
/// health. Only what could not be read because of what the walk has found is told already.
pub(super) fn not_checked(of: SnapshotId, failure: Failure, found: &[Finding]) -> Result<Option<Finding>, Failure> {
    match failure.code() {
        // A rule that can't be followed is the user's to mend.
        Code::Usage => Err(failure),
        Code::Damaged if found.iter().any(|finding| finding.severity == Severity::Error) => {
            tracing::info!(chain = ?failure.chain(), "references could not be checked");
            Ok(None)
        }
        _ => Ok(Some(Finding {
            severity: Severity::Error,
            kind: "references_not_checked".into(),
            subject: format!("snapshot {of}"),
            message: failure.chain().join(": "),
        })),
    }
}

fn finding(broken: &Broken) -> Finding {
    let is_new = broken.new.is_some_and(|new| new > 0);
    let severity = if is_new && broken.rule.is_error() { Severity::Error } else { Severity::Warning };
    let mut message = format!("{} {}", text::count(broken.count), broken.rule.says());
    if let Some(target) = &broken.target {
        message = format!("{message} ({target})");
    }
    if let Some(new) = broken.new {
        message = format!("{message}, {} of them new", text::count(new));
    }
    let shown: Vec<String> = broken.examples.iter().filter_map(example).collect();
    if !shown.is_empty() {
        message = format!("{message}: {}", shown.join(", "));
    }
    let subject = format!("{} {}, {}", broken.rule.code(), broken.class, broken.reference);
    Finding { severity, kind: broken.rule.kind().into(), subject, message }
}

/// An example in a line: what people call the record, its key, and where it leads.
fn example(example: &Example) -> Option<String> {
    let record = match (&example.name, &example.key) {
        (Some(name), Some(key)) => Some(format!("{name} [{key}]")),
        (name, key) => name.clone().or_else(|| key.clone()),
    };
    match (record, &example.leads_to) {
        (Some(record), Some(to)) => Some(format!("{record} → {to}")),
        (record, to) => record.or_else(|| to.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: Code, walk_found: Option<Severity>) -> Result<Option<Finding>, Code> {
        let found = walk_found.map(|severity| Finding {
            severity,
            kind: "unreadable_class".into(),
            subject: "snapshot".into(),
            message: String::new(),
        });
        not_checked(SnapshotId([7; 16]), Failure::new(code, "it failed"), &Vec::from_iter(found))
            .map_err(|failure| failure.code())
    }

    #[test]
    fn a_check_that_came_to_no_end_is_never_told_as_well() {
        for code in [Code::VolumeFailed, Code::NoSpace, Code::Damaged, Code::Internal] {
            let finding = outcome(code, None).unwrap().unwrap();
            assert_eq!((finding.severity, finding.message.as_str()), (Severity::Error, "it failed"), "{code:?}");
        }
        assert!(outcome(Code::VolumeFailed, Some(Severity::Error)).unwrap().is_some());
        assert!(outcome(Code::Damaged, Some(Severity::Warning)).unwrap().is_some());
        assert!(outcome(Code::Damaged, Some(Severity::Error)).unwrap().is_none(), "the walk has told it");
        assert_eq!(outcome(Code::Usage, None).unwrap_err(), Code::Usage);
    }
}
