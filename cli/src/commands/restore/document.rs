//! What programs and people are told of a partial restore: its plan, and its end.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use strongroom_agent::partial::{Action, Carried, Conflict, FieldStates, Origin, Plan, PlannedRecord};
use strongroom_agent::source::Finding;
use strongroom_core::id::{RestoreId, SnapshotId};

use crate::commands::shapes::{self, shown_value};
use crate::render::json::{MessageType, Schema};
use crate::render::table::Table;
use crate::render::{Output, text};

/// Records that people are shown unless they ask for more.
const SHOWN_MAX: usize = 50;

/// What a partial restore is about.
pub(super) struct About<'a> {
    /// The snapshot.
    pub(super) snapshot: SnapshotId,
    /// Its source.
    pub(super) source: &'a str,
    /// The target, without secrets.
    pub(super) target: &'a str,
    /// Whether the snapshot is complete.
    pub(super) complete: bool,
    /// The restore that it undoes.
    pub(super) undoes: Option<RestoreId>,
}

#[derive(Serialize)]
struct Counts {
    create: u64,
    overwrite: u64,
    delete: u64,
    unchanged: u64,
    kept: u64,
    skipped: u64,
    extra: u64,
}

impl Counts {
    fn of(plan: &Plan) -> Self {
        Self {
            create: plan.count(Action::Create),
            overwrite: plan.count(Action::Overwrite),
            delete: plan.count(Action::Delete),
            unchanged: plan.count(Action::Unchanged) + plan.unchanged.values().sum::<u64>(),
            kept: plan.count(Action::Kept),
            skipped: plan.count(Action::Skipped),
            extra: plan.extra,
        }
    }

    const fn records(&self) -> u64 {
        self.create + self.overwrite + self.delete + self.unchanged + self.kept + self.skipped
    }
}

#[derive(Serialize)]
struct PlanDocument<'a> {
    snapshot: SnapshotId,
    source: &'a str,
    target: &'a str,
    complete: bool,
    classes: u64,
    records: u64,
    partial: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<RestoreId>,
    possible: bool,
    counts: Counts,
    conflicts: u64,
    refusals: &'a [String],
    plan: Vec<Record>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct Record {
    class: String,
    key: String,
    action: &'static str,
    origin: &'static str,
    conflicts: Vec<ConflictDocument>,
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct ConflictDocument {
    kind: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Field {
    name: String,
    snapshot: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Value>,
    target: Value,
}

impl Record {
    fn new(plan: &Plan, record: &PlannedRecord) -> Self {
        let conflict = |conflict: &Conflict| ConflictDocument { kind: conflict.word(), message: conflict.sentence() };
        let field = |field: FieldStates| Field {
            name: field.name,
            snapshot: field.wanted.to_json(),
            base: field.base.map(|value| value.to_json()),
            target: field.live.to_json(),
        };
        let class = plan.class_of(&record.triple).map(|class| class.live.schema.name.clone());
        Self {
            class: class.unwrap_or_default(),
            key: record.triple.key_text.clone(),
            action: record.action.word(),
            origin: match record.triple.origin {
                Origin::Asked => "asked",
                Origin::Needed => "needed",
                Origin::Owned => "owned",
            },
            conflicts: record.conflicts.iter().map(conflict).collect(),
            fields: plan.fields(&record.triple).into_iter().map(field).collect(),
        }
    }
}

/// Prints a plan for programs.
pub(super) fn plan_document(output: &Output, about: &About<'_>, plan: &Plan) {
    let counts = Counts::of(plan);
    output.document(
        Schema::RestorePlan,
        &PlanDocument {
            snapshot: about.snapshot,
            source: about.source,
            target: about.target,
            complete: about.complete,
            classes: plan.classes.len() as u64,
            records: counts.records(),
            partial: true,
            undoes: about.undoes,
            possible: plan.is_possible(),
            counts,
            conflicts: conflicts(plan),
            refusals: &plan.refusals,
            plan: plan.records.iter().map(|record| Record::new(plan, record)).collect(),
            findings: &plan.findings,
        },
    );
}

/// Records that have conflicts.
pub(super) fn conflicts(plan: &Plan) -> u64 {
    plan.records.iter().filter(|record| !record.conflicts.is_empty()).count() as u64
}

/// Shows a plan to people.
pub(super) fn show_plan(output: &Output, plan: &Plan) {
    let told: Vec<&PlannedRecord> = plan
        .records
        .iter()
        .filter(|record| record.action != Action::Unchanged || !record.conflicts.is_empty() || plan.records.len() == 1)
        .collect();
    let shown = if output.verbose > 0 { told.len() } else { SHOWN_MAX };
    for record in told.iter().take(shown) {
        output.say(format!("  {:9}  {}", record.action.word(), text::shown(&plan.name_of(&record.triple))));
        for field in plan.fields(&record.triple).iter().filter(|field| field.wanted != field.live) {
            let (live, wanted) = (shown_value(&field.live), shown_value(&field.wanted));
            output.say(format!("               {}: {live} → {wanted}", text::shown(&field.name)));
        }
        for conflict in &record.conflicts {
            output.say(format!("             conflict: {}", text::shown(&conflict.sentence())));
        }
    }
    if told.len() > shown {
        output.say(format!("  … and {} more; -v shows all", text::count((told.len() - shown) as u64)));
    }
    let counts = Counts::of(plan);
    let mut parts = Vec::new();
    for (number, what) in [
        (counts.create, "to create"),
        (counts.overwrite, "to overwrite"),
        (counts.delete, "to delete"),
        (counts.unchanged, "unchanged"),
        (counts.kept, "kept as the target has them"),
        (counts.skipped, "left out for their conflicts"),
        (counts.extra, "that only the target has, which stay"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", text::count(number)));
        }
    }
    output.say(format!("Records: {}.", if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }));
    for refusal in &plan.refusals {
        output.say(format!("  refused: {}", text::shown(refusal)));
    }
    shapes::show_findings(output, &plan.findings, true);
}

/// The end of a partial restore.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the fields of the summary are a contract")]
struct Summary<'a> {
    restore: RestoreId,
    snapshot: SnapshotId,
    target: &'a str,
    root_equal: bool,
    verdict_equal: bool,
    published: bool,
    records_written: u64,
    references_broken: u64,
    catalog_differences: [&'a str; 0],
    blob_differences: [&'a str; 0],
    classes: Vec<ClassResult<'a>>,
    findings: &'a [Finding],
    duration_ms: u64,
    partial: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<RestoreId>,
    counts: Counts,
    conflicts: u64,
}

#[derive(Serialize)]
struct ClassResult<'a> {
    class: &'a str,
    expected: u64,
    found: u64,
    equal: bool,
}

/// Tells how a partial restore ended.
pub(super) fn report(output: &Output, about: &About<'_>, restore: RestoreId, carried: &Carried, took: Duration) {
    let plan = &carried.plan;
    let classes: Vec<ClassResult<'_>> =
        (0..).zip(&plan.classes).map(|(number, class)| class_result(plan, number, class)).collect();
    let equal = classes.iter().all(|class| class.equal);
    let counts = Counts::of(plan);
    if carried.records_written == 0 {
        output.result("Nothing was written: there is nothing to change.");
    } else {
        output.result(format!(
            "Restored {} into {}, in {}: {} made, {} overwritten, {} deleted.",
            text::plural(carried.records_written, "record", "records"),
            about.target,
            text::span(took),
            text::count(counts.create),
            text::count(counts.overwrite),
            text::count(counts.delete),
        ));
        output.say(format!("Undo it with: strongroom restore --undo {} --to {}", text::short(restore), about.target));
    }
    show_left(output, plan);
    shapes::show_findings(output, &carried.findings, true);
    output.message(
        Schema::Restore,
        MessageType::Summary,
        &Summary {
            restore,
            snapshot: about.snapshot,
            target: about.target,
            root_equal: equal,
            verdict_equal: equal,
            published: carried.records_written > 0,
            records_written: carried.records_written,
            references_broken: plan.references_broken,
            catalog_differences: [],
            blob_differences: [],
            classes,
            findings: &carried.findings,
            duration_ms: text::ms(took),
            partial: true,
            undoes: about.undoes,
            conflicts: conflicts(plan),
            counts,
        },
    );
}

/// Whether the records of a class are as they were wanted: what was written was read back and compared.
fn class_result<'p>(
    plan: &'p Plan,
    number: usize,
    class: &'p strongroom_agent::partial::PlannedClass,
) -> ClassResult<'p> {
    let own = plan.records.iter().filter(|record| record.triple.class == number);
    let own: Vec<&PlannedRecord> = own.collect();
    let whole = plan.unchanged.get(&number).copied().unwrap_or(0);
    let expected = own.iter().filter(|record| record.triple.wanted.is_some()).count() as u64 + whole;
    let is_there = |record: &&&PlannedRecord| {
        record.triple.wanted.is_some() && (record.action.is_change() || record.action == Action::Unchanged)
    };
    let found = own.iter().filter(is_there).count() as u64 + whole;
    let is_left = own.iter().any(|record| matches!(record.action, Action::Skipped | Action::Kept));
    ClassResult { class: &class.live.schema.name, expected, found, equal: found == expected && !is_left }
}

fn show_left(output: &Output, plan: &Plan) {
    let mut table = Table::new(&["left as it is", "why"]);
    for record in plan.records.iter().filter(|record| record.action == Action::Skipped).take(SHOWN_MAX) {
        let why: Vec<String> = record.conflicts.iter().map(Conflict::sentence).collect();
        table.row([plan.name_of(&record.triple), why.join("; ")]);
    }
    if !table.is_empty() {
        output.table(&table);
    }
}
