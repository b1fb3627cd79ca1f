//! `find`: records by their keys, in one snapshot or through all of a source.
//!
//! Several records may be asked for at once: what the first one had to read (inner nodes above all) is at hand for the
//! next, unless `--cold` makes each of them start anew. Reads and times are told for each.

use std::time::Duration;

use serde::Serialize;
use strongroom_agent::view::{ClassView, FoundRecord, KeyTextError, SnapshotView, ViewError, parse_key};
use strongroom_core::error::Code;
use strongroom_core::id::{RecordDigest, SnapshotId};
use strongroom_core::manifest::VerifiedManifest;
use strongroom_core::tree::reader::TreeReader;
use strongroom_depot::store::DepotStore;

use super::shapes::{Fields, shown_value};
use crate::app::App;
use crate::args::Find;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::Schema;
use crate::render::{Output, text};
use crate::room::custodian::{Custodian, OpenSnapshot};
use crate::room::manifests::Manifests;

#[derive(Serialize)]
struct Answer {
    snapshot: SnapshotId,
    source: String,
    records: Vec<Record>,
    stats: Stats,
    opening: Stats,
}

#[derive(Serialize)]
struct Record {
    class: String,
    key: String,
    found: bool,
    digest: Option<RecordDigest>,
    fields: Option<Fields>,
    depot_reads: u64,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Version>>,
}

/// A version of a record: what it was from one snapshot on.
#[derive(Serialize)]
struct Version {
    snapshot: SnapshotId,
    started: String,
    change: &'static str,
    digest: Option<RecordDigest>,
    fields: Option<Fields>,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Stats {
    depot_reads: u64,
    depot_bytes: u64,
    duration_ms: f64,
}

/// Counts reads of the depot and time from a moment on.
struct Meter<'a> {
    app: &'a App,
    custodian: &'a Custodian,
    reads: strongroom_depot::backend::Reads,
    began: strongroom_platform::clock::MonotonicTime,
}

impl<'a> Meter<'a> {
    fn start(app: &'a App, custodian: &'a Custodian) -> Self {
        Self { app, custodian, reads: custodian.reads(), began: app.clock.monotonic() }
    }

    fn stop(&self) -> Stats {
        let took: Duration = self.app.clock.monotonic().since(self.began);
        let reads = self.custodian.reads() - self.reads;
        Stats { depot_reads: reads.reads, depot_bytes: reads.bytes, duration_ms: text::fine_ms(took) }
    }
}

/// Looks records up.
pub(super) fn run(options: &Find, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let manifests = room.manifests()?;
    let manifest = manifests.select(&options.snapshot)?;
    let custodian = Custodian::open(&room, app)?;
    let meter = Meter::start(app, &custodian);
    let mut snapshot = custodian.snapshot(&manifests, manifest)?;
    snapshot.view()?;
    let opening = meter.stop();
    let mut records = search(options, app, &custodian, &mut snapshot)?;
    let stats = records.iter().fold(Stats::default(), |sum, (_, stats)| Stats {
        depot_reads: sum.depot_reads + stats.depot_reads,
        depot_bytes: sum.depot_bytes + stats.depot_bytes,
        duration_ms: sum.duration_ms + stats.duration_ms,
    });
    if options.history {
        for (record, _) in &mut records {
            record.history = Some(history(&custodian, &manifests, manifest, record)?);
        }
    }
    let answer = Answer {
        snapshot: manifest.head().snapshot,
        source: manifests.name(manifest.head().source),
        records: records.into_iter().map(|(record, _)| record).collect(),
        stats,
        opening,
    };
    show(&app.output, &answer);
    app.output.document(Schema::Find, &answer);
    let missing =
        answer.records.iter().find(|record| !record.found && record.history.as_ref().is_none_or(Vec::is_empty));
    let Some(record) = missing else { return Ok(Exit::Done) };
    let what = format!("{}:{} is not in snapshot {}", record.class, record.key, answer.snapshot);
    let advice = "List the class with `ls`, or look in another snapshot.";
    app.output.found(&Failure::new(Code::NotFound, what).advise(advice));
    Ok(Exit::Found(Code::NotFound))
}

fn search(
    options: &Find,
    app: &App,
    custodian: &Custodian,
    snapshot: &mut OpenSnapshot,
) -> Result<Vec<(Record, Stats)>, Failure> {
    let mut found = Vec::with_capacity(options.records.len());
    if options.cold {
        for wanted in &options.records {
            snapshot.store.read_anew(custodian.fresh_reader());
            let view = snapshot.view()?;
            // The view reads the schemas; the search begins with nothing read but these.
            found.extend(search_warm(std::slice::from_ref(wanted), app, custodian, &view)?);
        }
        return Ok(found);
    }
    search_warm(&options.records, app, custodian, &snapshot.view()?)
}

/// Looks records up one after another, each profiting from those before.
fn search_warm(
    wanted: &[String],
    app: &App,
    custodian: &Custodian,
    view: &SnapshotView<'_, DepotStore>,
) -> Result<Vec<(Record, Stats)>, Failure> {
    let mut readers: Vec<(&str, TreeReader<'_, DepotStore>)> = Vec::new();
    let mut found = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let meter = Meter::start(app, custodian);
        let (class, key) = split(view, wanted)?;
        let at = readers.iter().position(|(name, _)| *name == class.name()).unwrap_or_else(|| {
            readers.push((class.name(), class.reader()));
            readers.len() - 1
        });
        let what = || format!("can't look up {wanted}");
        let Some((_, reader)) = readers.get_mut(at) else { continue };
        let record = lookup(&class, reader, key).map_err(|error| lookup_failure(what(), error))?;
        let fields = record.as_ref().map(|record| fields(&class, record)).transpose().attempt(what)?;
        let stats = meter.stop();
        let record = Record {
            class: class.name().to_owned(),
            key: key.to_owned(),
            found: record.is_some(),
            digest: record.map(|record| record.digest),
            fields,
            depot_reads: stats.depot_reads,
            duration_ms: stats.duration_ms,
            history: None,
        };
        found.push((record, stats));
    }
    Ok(found)
}

/// Class and key of `CLASS:KEY`. A class's name may itself have colons.
pub(super) fn split<'v, 't>(
    view: &'v SnapshotView<'_, DepotStore>,
    wanted: &'t str,
) -> Result<(ClassView<'v, DepotStore>, &'t str), Failure> {
    let mut first = None;
    for (at, _) in wanted.match_indices(':') {
        let (class, key) = (wanted.get(..at).unwrap_or_default(), wanted.get(at + 1..).unwrap_or_default());
        match view.class(class) {
            Ok(class) => return Ok((class, key)),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    let what = format!("{wanted} names no record");
    match first {
        Some(error) => class_failure(Err(error)),
        None => Err(Failure::new(Code::Usage, what).advise("Write it as CLASS:KEY, for example dcim_site:17.")),
    }
}

/// Says which classes come close where one is not known.
pub(super) fn class_failure<T>(found: Result<T, ViewError>) -> Result<T, Failure> {
    found.map_err(|error| {
        let code = error.code();
        let advice = match &error {
            ViewError::LeftOut { .. } => "Look in a snapshot that was taken with --profile none.".to_owned(),
            ViewError::NoClass { close, .. } if close.is_empty() => "List the classes with `ls`.".to_owned(),
            ViewError::NoClass { close, .. } => {
                format!("Did you mean {}? List the classes with `ls`.", close.join(", "))
            }
            ViewError::AmbiguousClass { candidates, .. } => format!("Write one of {}.", candidates.join(", ")),
            _ => code.remedy().to_owned(),
        };
        Failure::new(code, error.to_string()).advise(advice)
    })
}

fn lookup<'v>(
    class: &ClassView<'v, DepotStore>,
    reader: &mut TreeReader<'v, DepotStore>,
    key: &str,
) -> Result<Option<FoundRecord>, ViewError> {
    for key in parse_key(class.schema(), key)? {
        let found = class.find(reader, &key)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn fields(class: &ClassView<'_, DepotStore>, record: &FoundRecord) -> Result<Fields, ViewError> {
    let large = class.large_values(&record.record)?;
    Fields::new(class.schema(), &record.record, &large)
}

/// The versions of a record through all snapshots of the source: an entry wherever it changed.
fn history(
    custodian: &Custodian,
    manifests: &Manifests,
    manifest: &VerifiedManifest,
    record: &Record,
) -> Result<Vec<Version>, Failure> {
    let mut versions: Vec<Version> = Vec::new();
    let mut root = None;
    for other in manifests.of_source(manifest.head().source) {
        let snapshot = custodian.snapshot(manifests, other)?;
        let entry = snapshot.body.classes.iter().find(|entry| entry.name == record.class && entry.captured);
        if root.is_some() && entry.map(|entry| entry.root) == root {
            continue;
        }
        let view = snapshot.view()?;
        if view.leaves_out(&record.class) {
            // Nothing can be said of the record here.
            continue;
        }
        root = entry.map(|entry| entry.root);
        let what = || format!("can't look up {}:{} in snapshot {}", record.class, record.key, other.head().snapshot);
        let found = match view.class(&record.class) {
            Ok(class) => lookup(&class, &mut class.reader(), &record.key)
                .and_then(|found| found.map(|found| Ok((found.digest, fields(&class, &found)?))).transpose())
                .attempt(what)?,
            Err(ViewError::NoClass { .. }) => None,
            Err(error) => return Err(error).attempt(what),
        };
        let before = versions.last().and_then(|version| version.digest);
        let change = match (before, found.as_ref().map(|(digest, _)| *digest)) {
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            (Some(before), Some(now)) if before != now => "changed",
            _ => continue,
        };
        let (digest, fields) = found.map_or((None, None), |(digest, fields)| (Some(digest), Some(fields)));
        let head = other.head();
        versions.push(Version { snapshot: head.snapshot, started: head.started.to_rfc3339(), change, digest, fields });
    }
    Ok(versions)
}

fn show(output: &Output, answer: &Answer) {
    for record in &answer.records {
        output.result(format!("{}:{}", text::shown(&record.class), text::shown(&record.key)));
        match &record.fields {
            Some(fields) => show_fields(output, fields),
            None => output.result("  is not in this snapshot"),
        }
        output.say(format!(
            "  ({}, {:.1} ms)",
            text::plural(record.depot_reads, "depot read", "depot reads"),
            record.duration_ms
        ));
        let mut before: Option<&Fields> = None;
        for version in record.history.iter().flatten() {
            output.result(format!("  {} {} in {}", version.started, version.change, text::short(version.snapshot)));
            if let (Some(before), Some(now)) = (before, &version.fields) {
                for (name, old, new) in before.differences(now) {
                    let name = text::shown(name);
                    output.result(format!("      {name}: {} → {}", shown_value(&old), shown_value(&new)));
                }
            }
            before = version.fields.as_ref();
        }
    }
}

/// Says how a key is written, where that was the fault.
fn lookup_failure(what: String, error: ViewError) -> Failure {
    let next = match &error {
        ViewError::Key(KeyTextError::Keyless { class }) => {
            format!("List its records with `strongroom ls latest {class}`.")
        }
        ViewError::Key(_) => {
            "Give one value for each column of the key, percent-encoded, joined by commas: CLASS:A,B%2CC.".to_owned()
        }
        _ => return Failure::because(error.code(), what, error),
    };
    Failure::because(error.code(), what, error).advise(next)
}

fn show_fields(output: &Output, fields: &Fields) {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in fields.iter() {
        output.result(format!("  {:<width$}  {}", text::shown(name), shown_value(value)));
    }
}
