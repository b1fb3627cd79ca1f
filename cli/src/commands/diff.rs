//! `diff`: what differs between two snapshots of one source. Reads what differs, and not the rest.

use serde::Serialize;
use strongroom_agent::view::{
    ClassDifference, RecordChange, RecordVisit, SnapshotView, ViewError, compare, not_compared,
};
use strongroom_core::error::Code;
use strongroom_core::id::SnapshotId;
use strongroom_core::manifest::BlobEntry;
use strongroom_depot::store::DepotStore;

use super::shapes::{Fields, key_of, shown_value};
use crate::app::App;
use crate::args::Diff;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::{Output, text};
use crate::room::custodian::{Custodian, OpenSnapshot};

/// What differs in one class.
#[derive(Serialize)]
struct ClassCounts {
    class: String,
    added: u64,
    removed: u64,
    changed: u64,
    schema_changed: bool,
}

impl From<ClassDifference> for ClassCounts {
    fn from(difference: ClassDifference) -> Self {
        let ClassDifference { class, added, removed, changed, schema_changed } = difference;
        Self { class, added, removed, changed, schema_changed }
    }
}

#[derive(Serialize)]
struct Differences {
    before: SnapshotId,
    after: SnapshotId,
    equal: bool,
    classes: Vec<ClassCounts>,
    not_compared: Vec<String>,
    blobs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<RecordDifference>>,
    duration_ms: f64,
}

#[derive(Serialize)]
struct RecordDifference {
    class: String,
    change: &'static str,
    key: Option<String>,
    before: Option<Fields>,
    after: Option<Fields>,
}

/// Compares two snapshots.
pub(super) fn run(options: &Diff, app: &App) -> Result<Exit, Failure> {
    let began = app.clock.monotonic();
    let room = app.room()?;
    let manifests = room.manifests()?;
    let (before, after) = (manifests.select(&options.before)?, manifests.select(&options.after)?);
    if before.head().source != after.head().source {
        let names = [before, after].map(|manifest| manifests.name(manifest.head().source));
        return Err(Failure::new(Code::Usage, format!("the snapshots are of two sources, {}", names.join(" and ")))
            .advise("Compare snapshots of one source: records of two have nothing in common."));
    }
    let custodian = Custodian::open(&room, app)?;
    let (old, new) = (custodian.snapshot(&manifests, before)?, custodian.snapshot(&manifests, after)?);
    let differences = differences(options, &old, &new, |since| text::fine_ms(since.since(began)), app)?;
    show(&app.output, &differences);
    app.output.document(Schema::Diff, &differences);
    Ok(Exit::Done)
}

fn differences(
    options: &Diff,
    old: &OpenSnapshot,
    new: &OpenSnapshot,
    took: impl FnOnce(strongroom_platform::clock::MonotonicTime) -> f64,
    app: &App,
) -> Result<Differences, Failure> {
    let what = || "can't compare the snapshots";
    let heads = (old.manifest.head(), new.manifest.head());
    let mut done = Differences {
        before: heads.0.snapshot,
        after: heads.1.snapshot,
        equal: heads.0.root == heads.1.root,
        classes: Vec::new(),
        not_compared: Vec::new(),
        blobs: differing_blobs(&old.body.blobs, &new.body.blobs),
        records: options.records.then(Vec::new),
        duration_ms: 0.0,
    };
    // Equal roots mean equal contents: there is nothing to read.
    if !done.equal || options.class.is_some() {
        let (before, after) = (old.view()?, new.view()?);
        done.not_compared = not_compared(&before, &after);
        let only = options.class.as_deref().map(|name| class_name(&before, &after, name)).transpose()?;
        let mut failed = None;
        let mut records = Vec::new();
        let mut visit = |class: &str, change: RecordChange, old: Option<&[u8]>, new: Option<&[u8]>| {
            if failed.is_none() {
                match record_difference(&before, &after, class, change, (old, new)) {
                    Ok(record) => records.push(record),
                    Err(error) => failed = Some(error),
                }
            }
        };
        let visit: Option<&mut RecordVisit<'_>> = if options.records { Some(&mut visit) } else { None };
        let classes = compare(&before, &after, only.as_deref(), visit).attempt(what)?;
        failed.map_or(Ok(()), Err).attempt(what)?;
        done.classes = classes.into_iter().map(ClassCounts::from).collect();
        done.records = options.records.then_some(records);
    }
    done.duration_ms = took(app.clock.monotonic());
    Ok(done)
}

/// The roles of blobs that are not the same: definitions, sequences and the like.
fn differing_blobs(before: &[BlobEntry], after: &[BlobEntry]) -> Vec<String> {
    let has = |blobs: &[BlobEntry], wanted: &BlobEntry| {
        blobs.iter().any(|blob| blob.role == wanted.role && blob.id == wanted.id)
    };
    let old = before.iter().filter(|blob| !has(after, blob));
    let new = after.iter().filter(|blob| !has(before, blob));
    let mut roles: Vec<String> = old.chain(new).map(|blob| blob.role.clone()).collect();
    roles.sort();
    roles.dedup();
    roles
}

/// The full name of a class that either snapshot has.
fn class_name(
    before: &SnapshotView<'_, DepotStore>,
    after: &SnapshotView<'_, DepotStore>,
    name: &str,
) -> Result<String, Failure> {
    let found = after.class(name).or_else(|error| before.class(name).map_err(|_| error));
    Ok(super::find::class_failure(found)?.name().to_owned())
}

fn record_difference(
    before: &SnapshotView<'_, DepotStore>,
    after: &SnapshotView<'_, DepotStore>,
    class: &str,
    change: RecordChange,
    (old, new): (Option<&[u8]>, Option<&[u8]>),
) -> Result<RecordDifference, ViewError> {
    let side = |view: &SnapshotView<'_, DepotStore>, record: &[u8]| {
        let class = view.class(class)?;
        let large = class.large_values(record)?;
        Ok::<_, ViewError>((key_of(class.schema(), record)?, Fields::new(class.schema(), record, &large)?))
    };
    let old = old.map(|record| side(before, record)).transpose()?;
    let new = new.map(|record| side(after, record)).transpose()?;
    let key = new.as_ref().or(old.as_ref()).and_then(|(key, _)| key.clone());
    let change = match change {
        RecordChange::Added => "added",
        RecordChange::Removed => "removed",
        RecordChange::Changed => "changed",
    };
    let (before, after) = (old.map(|(_, fields)| fields), new.map(|(_, fields)| fields));
    Ok(RecordDifference { class: class.to_owned(), change, key, before, after })
}

fn show(output: &Output, differences: &Differences) {
    if differences.equal {
        output.result("The snapshots are equal.");
        return;
    }
    if differences.classes.is_empty() {
        output.result("No records differ.");
    } else {
        show_classes(output, &differences.classes);
    }
    if !differences.not_compared.is_empty() {
        let classes = differences.not_compared.join(", ");
        output.say(format!("Not compared, since one of the snapshots leaves it out: {}", text::shown(&classes)));
    }
    if !differences.blobs.is_empty() {
        output.say(format!("Beside records: {}", differences.blobs.join(", ")));
    }
    for record in differences.records.iter().flatten() {
        let key = record.key.as_deref().unwrap_or("(no key)");
        output.result(format!("{} {}:{}", record.change, text::shown(&record.class), text::shown(key)));
        if let (Some(before), Some(after)) = (&record.before, &record.after) {
            for (name, before, after) in before.differences(after) {
                let name = text::shown(name);
                output.result(format!("    {name}: {} → {}", shown_value(&before), shown_value(&after)));
            }
        }
    }
}

fn show_classes(output: &Output, classes: &[ClassCounts]) {
    let mut table = Table::new(&["class", "#added", "#removed", "#changed", "schema"]);
    for class in classes {
        table.row([
            class.class.clone(),
            text::count(class.added),
            text::count(class.removed),
            text::count(class.changed),
            if class.schema_changed { "changed".to_owned() } else { String::new() },
        ]);
    }
    output.table(&table);
}
