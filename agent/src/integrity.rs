//! Integrity: whether the references of a snapshot or a live source lead somewhere, whoever declares them.
//!
//! Owns the check and its report. It changes nothing, and a violation is never an error of the check: real systems have
//! old ones. A baseline, the same check of another state, tells which are new.
//!
//! ```text
//!  schemas, rules, registry ──► ReferenceGraph
//!                                  │
//!  records ── first pass ──► marks (sorted, spilled) ──► suspects ──┐
//!     │           └─ what a record shows by itself ──► tally ◄──────┤
//!     └────────── second pass, classes with suspects only ◄─────────┘
//! ```
//!
//! Memory is bounded whatever the number of records and of violations: marks spill, and suspects are looked into in
//! rounds.

mod rule;
mod report;
mod marks;
mod rows;
mod snapshot;
mod live;
mod counters;
mod show;
mod gather;
mod confirm;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use strongroom_core::digest::IdFunctions;
use strongroom_core::graph::rules::ReferenceRules;
use strongroom_core::graph::{GraphBuilder, ReferenceGraph, TupleKey};

pub use report::{Baseline, Broken, Example, Naming, Report};
pub use rows::IntegrityError;
pub use rule::Rule;
pub use snapshot::Read;

use crate::capture::{Progress, Spool};
use crate::source::Cut;
use crate::view::{ObjectStore, SnapshotView};
use confirm::{Confirm, Suspects, Twins, count_twins};
use counters::{Counter, counters};
use gather::Gather;
use live::CutRows;
use marks::{Groups, MarkLimits, Marks};
use report::{Counting, Place, Tally};
use rows::{Purpose, Row, Rows, Worker};
use show::Shown;
use snapshot::SnapshotRows;

/// Suspects that are looked into in one round.
const SUSPECTS_AT_ONCE: usize = 1 << 18;

/// What a check is asked for.
pub struct CheckJob<'a> {
    /// What is known of references beside those that the source declares.
    pub rules: &'a ReferenceRules,
    /// What people call records, by class.
    pub naming: &'a BTreeMap<String, Naming>,
    /// What to compare with; it must come from a check with the same key.
    pub baseline: Option<&'a Baseline>,
    /// A random key, for this check and those that it is compared with.
    pub key: TupleKey,
    /// Examples of each kind of violation.
    pub examples_max: usize,
    /// Where spills go.
    pub spool: &'a Arc<Spool>,
    /// Counters to keep.
    pub progress: &'a Progress,
}

/// Checks the references of a snapshot.
pub fn check_snapshot<S: ObjectStore>(view: &SnapshotView<'_, S>, job: &CheckJob<'_>) -> Result<Report, IntegrityError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    check(&SnapshotRows::new(view, job.progress), job)
}

/// The same, reading all of the snapshot's records on the way, references or not, and the large values that they refer
/// to. What was read has the ids under which it is known.
pub fn read_snapshot<S: ObjectStore>(
    view: &SnapshotView<'_, S>,
    job: &CheckJob<'_>,
) -> Result<(Report, Read), IntegrityError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let rows = SnapshotRows::whole(view, job.progress);
    let report = check(&rows, job)?;
    Ok((report, rows.read()))
}

/// Checks the references of a live source through a cut of it, reading in so many lanes.
pub fn check_cut(cut: &dyn Cut, ids: &IdFunctions, lanes: usize, job: &CheckJob<'_>) -> Result<Report, IntegrityError> {
    check(&CutRows::new(cut, ids, lanes, job.progress), job)
}

/// The reference graph of a snapshot's classes.
pub fn snapshot_graph<S: ObjectStore>(
    view: &SnapshotView<'_, S>,
    rules: &ReferenceRules,
) -> Result<ReferenceGraph, IntegrityError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    plan(&SnapshotRows::new(view, &Progress::default()), rules, &[])
}

fn check(rows: &impl Rows, job: &CheckJob<'_>) -> Result<Report, IntegrityError> {
    let counters = counters(&rows.blobs()?)?;
    let graph = plan(rows, job.rules, &counters)?;
    let counting = Counting { key: job.key, baseline: job.baseline, examples_max: job.examples_max };
    let shown = Shown { naming: job.naming };
    let mut found = Found::default();
    let groups = gather(rows, &graph, &shown, counting, job, &mut found)?;
    confirm(rows, &graph, &shown, counting, groups, &mut found.tally)?;
    compare_counters(&graph, &counters, &counting, &mut found)?;
    let (broken, baseline) = found.tally.finish(&graph, &counting);
    let unjudged = graph.unjudged().to_vec();
    let idle_rules = graph.idle_rules().to_vec();
    Ok(Report { records: found.records, references: found.references, broken, unjudged, idle_rules, baseline })
}

/// What the first pass counted.
#[derive(Default)]
struct Found {
    tally: Tally,
    records: u64,
    references: u64,
    /// The greatest values of tracked columns, by class and position among these.
    greatest: BTreeMap<(usize, usize), i64>,
}

/// Keeps the records of classes that the graph is made from.
struct Kept(usize, Vec<Vec<u8>>);

impl Worker for Kept {
    fn row(&mut self, row: Row<'_, '_>) -> Result<(), IntegrityError> {
        self.1.push(row.record.to_vec());
        Ok(())
    }
}

fn plan(rows: &impl Rows, rules: &ReferenceRules, counters: &[Counter]) -> Result<ReferenceGraph, IntegrityError> {
    let schemas = rows.schemas();
    let mut builder = GraphBuilder::new(&schemas, rules)?;
    builder.elsewhere(rows.elsewhere());
    for counter in counters {
        builder.track(&counter.class, &counter.column);
    }
    let wanted = builder.wants();
    let places: Vec<usize> =
        wanted.iter().filter_map(|name| schemas.iter().position(|schema| schema.name == *name)).collect();
    let mut kept = Vec::new();
    rows.pass(&places, Purpose::Look, &|class| Kept(class, Vec::new()), &mut |records| kept.push(records))?;
    for Kept(class, records) in kept {
        let Some(schema) = schemas.get(class) else { continue };
        for record in records {
            builder.take(&schema.name, &record)?;
        }
    }
    Ok(builder.build()?)
}

fn gather(
    rows: &impl Rows,
    graph: &ReferenceGraph,
    shown: &Shown<'_>,
    counting: Counting<'_>,
    job: &CheckJob<'_>,
    found: &mut Found,
) -> Result<Groups, IntegrityError> {
    let marks = Marks::new(Arc::clone(job.spool), MarkLimits::USUAL);
    let matters = |class: &usize| rows.reads_all() || graph.plans().get(*class).is_some_and(|plan| !plan.is_idle());
    let classes: Vec<usize> = (0..graph.plans().len()).filter(matters).collect();
    let plans = graph.plans();
    rows.pass(
        &classes,
        Purpose::Gather,
        &|class| plans.get(class).map(|plan| Gather::new(graph, class, plan, shown, counting, &marks)),
        &mut |gathered| {
            let Some(gathered) = gathered else { return };
            found.records += gathered.records;
            found.references += gathered.references;
            for (at, value) in gathered.greatest.iter().enumerate() {
                let Some(value) = *value else { continue };
                let known = found.greatest.entry((gathered.class, at)).or_insert(value);
                *known = value.max(*known);
            }
            found.tally.merge(gathered.tally, counting.examples_max);
        },
    )?;
    Ok(marks.groups()?)
}

fn confirm(
    rows: &impl Rows,
    graph: &ReferenceGraph,
    shown: &Shown<'_>,
    counting: Counting<'_>,
    mut groups: Groups,
    tally: &mut Tally,
) -> Result<(), IntegrityError> {
    loop {
        let mut suspects = Suspects::default();
        let mut classes = BTreeSet::new();
        while suspects.digests.len() < SUSPECTS_AT_ONCE
            && let Some(suspect) = groups.next_suspect()?
        {
            suspects.digests.push((suspect.digest, suspect.suspicion));
            classes.extend(suspect.classes);
        }
        if suspects.digests.is_empty() {
            return Ok(());
        }
        let classes: Vec<usize> = classes.into_iter().collect();
        let (plans, mut twins) = (graph.plans(), Twins::new());
        rows.pass(
            &classes,
            Purpose::Look,
            &|class| plans.get(class).map(|plan| Confirm::new(graph, class, plan, shown, counting, &suspects)),
            &mut |confirmed| {
                let Some(confirmed) = confirmed else { return };
                tally.merge(confirmed.tally, counting.examples_max);
                for (edge, twin) in confirmed.twins {
                    twins.entry(edge).or_default().merge(twin);
                }
            },
        )?;
        count_twins(graph, twins, &counting, tally)?;
    }
}

/// A class without a plan has no worker.
impl<W: Worker> Worker for Option<W> {
    fn row(&mut self, row: Row<'_, '_>) -> Result<(), IntegrityError> {
        self.as_mut().map_or(Ok(()), |worker| worker.row(row))
    }

    fn finish(&mut self) -> Result<(), IntegrityError> {
        self.as_mut().map_or(Ok(()), Worker::finish)
    }
}

fn compare_counters(
    graph: &ReferenceGraph,
    counters: &[Counter],
    counting: &Counting<'_>,
    found: &mut Found,
) -> Result<(), IntegrityError> {
    for counter in counters {
        let Some((class, at)) = graph.tracked(&counter.class, &counter.column) else { continue };
        let Some(greatest) = found.greatest.get(&(class, at)).copied() else { continue };
        if counter.is_behind(greatest) {
            let reference = counter.column.clone();
            let place = Place { rule: Rule::Sequence, class, reference, target: None };
            let leads_to = Some(counter.says(greatest));
            let example = Example { key: None, name: None, leads_to, new: None };
            found.tally.add(counting, &counter.class, place, &[], || Ok(example))?;
        }
    }
    Ok(())
}
