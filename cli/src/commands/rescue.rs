//! `rescue`: a restore with nothing else alive, from a depot's folder and a key file.
//!
//! The depot is only read, and no room is needed. What a snapshot lacks is said before anything is written; what is
//! damaged within shows when its id is recomputed, so a rescue ends with what the root says, or with an error.

mod list;

use strongroom_core::error::Code;
use strongroom_core::id::SnapshotRoot;
use strongroom_core::manifest::VerifiedManifest;

use super::restore::SpoolPlace;
use super::{export, restore};
use crate::app::App;
use crate::args::{Export, Rescue, Restore};
use crate::failure::{Exit, Failure};
use crate::remains::Remains;
use crate::remains::survey::{State, Survey, Surveyed};
use crate::render::text;
use crate::room::custodian::OpenSnapshot;

/// Other snapshots that are named when one can't be restored.
const ALTERNATIVES_MAX: usize = 3;

/// What is to be done.
enum Deed {
    List,
    Restore(Restore),
    Export(Export),
}

/// Surveys what is left, or brings a snapshot back.
pub(super) fn run(options: &Rescue, app: &App) -> Result<Exit, Failure> {
    let deed = deed(options)?;
    let expected = options.expect_root.as_deref().map(parse_root).transpose()?;
    let remains = Remains::open(&options.depot, &options.key, options.scratch.as_deref(), app)?;
    let mut survey = Survey::of(&remains)?;
    if matches!(deed, Deed::List) {
        return list::run(options, app, &remains, &mut survey);
    }
    for finding in survey.findings.iter().filter(|finding| finding.is_fault()) {
        app.output.warn(finding.to_string());
    }
    let manifest = choose(options, expected, &remains, &survey)?;
    let name = remains.manifests().name(manifest.head().source);
    let surveyed = survey.get(manifest.head().snapshot);
    if let Some(damaged) = surveyed.filter(|surveyed| surveyed.state == State::Damaged) {
        let failure = not_whole(&name, damaged, &survey);
        if !matches!(deed, Deed::Export(_)) {
            return Err(failure);
        }
        app.output.warn(format!("{failure}; what can be read of it is right"));
    }
    let snapshot = remains.custodian().snapshot(remains.manifests(), manifest)?;
    check_root(&snapshot)?;
    app.output.note(format!("The root of the snapshot is {}.", manifest.head().root));
    let done = match deed {
        Deed::Export(export) => export::out_of(&export, app, &snapshot),
        Deed::Restore(restore) => {
            restore::into_target(&restore, app, &SpoolPlace::alone(remains.scratch()?), &name, snapshot)
        }
        Deed::List => return Ok(Exit::Done),
    };
    done.map_err(|failure| {
        let advice = "See what can still be restored with `strongroom rescue --ls --read-data`, or use another copy.";
        if failure.code() == Code::Damaged { failure.advise(advice) } else { failure }
    })
}

fn deed(options: &Rescue) -> Result<Deed, Failure> {
    match (options.ls, &options.to, options.format) {
        (true, _, _) => Ok(Deed::List),
        (false, Some(to), None) => Ok(Deed::Restore(Restore {
            to: to.clone(),
            password_file: options.password_file.clone(),
            plan: options.plan,
            over: options.over,
            yes: options.yes,
            loaders: options.loaders,
            ..Restore::default()
        })),
        (false, None, Some(format)) => Ok(Deed::Export(Export {
            snapshot: String::new(),
            format,
            class: options.class.clone(),
            output: options.output.clone(),
        })),
        (false, None, None) => Err(Failure::new(Code::Usage, "nothing was asked of the rescue")
            .advise("Give --ls to see what is there, --to URL to restore, or --format to write an export.")),
        (false, Some(_), Some(_)) => Err(Failure::new(Code::Usage, "a rescue has one target")
            .advise("Give either --to URL or --format, and run it twice for both.")),
    }
}

fn parse_root(text: &str) -> Result<SnapshotRoot, Failure> {
    text.trim().parse().map_err(|_| {
        Failure::new(Code::Usage, format!("{text} is no root"))
            .advise("A root has 64 hexadecimal digits, as `show` and `backup --json` print them.")
    })
}

/// The snapshot that the options name: by its root, by a selector, or as the newest of a source.
fn choose<'a>(
    options: &Rescue,
    expected: Option<SnapshotRoot>,
    remains: &'a Remains,
    survey: &Survey<'a>,
) -> Result<&'a VerifiedManifest, Failure> {
    let manifests = remains.manifests();
    if survey.snapshots.is_empty() {
        let failure = match survey.findings.iter().find(|finding| finding.is_fault()) {
            Some(first) => Failure::new(Code::Damaged, format!("no manifest of the depot can be used: {first}"))
                .advise("Bring the folder `manifests` and the keyring back from another copy of the depot."),
            None => Failure::new(Code::NotFound, "the depot holds no snapshots")
                .advise("Check that --depot is the right folder, and that its folder `manifests` was copied, too."),
        };
        return Err(failure);
    }
    let names: Vec<String> = manifests.sources().into_iter().map(|source| manifests.name(source)).collect();
    let source = match &options.source {
        Some(name) => Some(manifests.source_named(name).ok_or_else(|| {
            Failure::new(Code::NotFound, format!("the depot has no source {name}"))
                .advise(format!("Its sources are: {}.", names.join(", ")))
        })?),
        None => None,
    };
    let of_source = |manifest: &VerifiedManifest| source.is_none_or(|source| manifest.head().source == source);
    let chosen = match (options.snapshot.as_deref(), expected) {
        (None | Some("latest"), Some(root)) => {
            let mut all = manifests.by_time().into_iter();
            all.rfind(|manifest| manifest.head().root == root && of_source(manifest)).ok_or_else(|| other_root(root))?
        }
        (None | Some("latest"), None) => {
            if source.is_none() && names.len() > 1 {
                return Err(Failure::new(Code::Ambiguous, format!("the depot holds {} sources", names.len()))
                    .advise(format!("Name one with --source: {}.", names.join(", "))));
            }
            let newest = manifests.by_time().into_iter().rfind(|manifest| of_source(manifest));
            newest.ok_or_else(|| Failure::new(Code::NotFound, "the source has no snapshots"))?
        }
        (Some(selector), _) => manifests.select(selector).map_err(list_first)?,
    };
    if !of_source(chosen) {
        let what = format!("snapshot {} is of another source", text::short(chosen.head().snapshot));
        return Err(list_first(Failure::new(Code::NotFound, what)));
    }
    match expected {
        Some(root) if root != chosen.head().root => Err(other_root(root)),
        _ => Ok(chosen),
    }
}

fn list_first(failure: Failure) -> Failure {
    let is_unknown = failure.code() == Code::NotFound;
    if is_unknown { failure.advise("See what there is with `strongroom rescue --ls`.") } else { failure }
}

fn other_root(root: SnapshotRoot) -> Failure {
    Failure::new(Code::VerifyFailed, format!("no snapshot that was asked for has the root {root}"))
        .advise("Do not trust this copy of the depot, or name the snapshot that the root was written down for.")
}

fn not_whole(name: &str, damaged: &Surveyed<'_>, survey: &Survey<'_>) -> Failure {
    let head = damaged.manifest.head();
    let first = damaged.faults.first().map(String::as_str).unwrap_or_default();
    let more = match damaged.faults.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {} more", text::plural(more as u64, "fault", "faults")),
    };
    let what = format!("snapshot {} of {name} can't be restored whole: {first}{more}", text::short(head.snapshot));
    let others = survey.snapshots.iter().rev().filter(|other| {
        let other_head = other.manifest.head();
        other_head.source == head.source && other.state != State::Damaged
    });
    let others: Vec<String> =
        others.take(ALTERNATIVES_MAX).map(|other| text::short(other.manifest.head().snapshot)).collect();
    let next = if others.is_empty() {
        "Bring the packs back from another copy of the depot; no other snapshot of the source is whole. With --format \
         and --class, what is whole can be read."
            .to_owned()
    } else {
        format!(
            "Bring the packs back from another copy of the depot, or take another snapshot with --snapshot: {}.",
            others.join(", ")
        )
    };
    Failure::new(Code::Damaged, what).advise(next)
}

/// A head is believed if its root is that of what the body lists; the rest hangs below these by ids.
fn check_root(snapshot: &OpenSnapshot) -> Result<(), Failure> {
    let head = snapshot.manifest.head();
    if snapshot.root_of_body() == Some(head.root) {
        return Ok(());
    }
    let what = format!("the body of snapshot {} does not have the root of its head", text::short(head.snapshot));
    Err(Failure::new(Code::Damaged, what).advise("Take another snapshot, or another copy of the depot."))
}
