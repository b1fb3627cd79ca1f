//! What the tests share: a check of a live source, and violations in a line each.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use strongroom_agent::capture::{Progress, Spool};
use strongroom_agent::integrity::{Baseline, CheckJob, Naming, Report, check_cut};
use strongroom_agent::postgres::{PostgresOptions, PostgresSource};
use strongroom_agent::source::{CaptureOptions, Source};
use strongroom_agent::sqlite::{SqliteLocation, SqliteSource};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::graph::TupleKey;
use strongroom_core::graph::rules::ReferenceRules;
use strongroom_platform::clock::SystemClock;
use strongroom_platform::disk::SimDisk;
use strongroom_platform::rng::SimEntropy;

/// Lanes of every check.
const LANES: usize = 2;

pub(crate) fn rules(json: &str) -> ReferenceRules {
    serde_json::from_str(json).unwrap()
}

/// What a product calls the records of some classes: class, label, columns.
pub(crate) fn naming(names: &[(&str, &str, &[&str])]) -> BTreeMap<String, Naming> {
    let naming = |label: &&str, display: &&[&str]| Naming {
        label: (*label).into(),
        display: display.iter().map(|column| (*column).into()).collect(),
    };
    names.iter().map(|(class, label, display)| ((*class).into(), naming(label, display))).collect()
}

/// Checks a SQLite file.
pub(crate) fn check_sqlite(
    path: &Path,
    rules: &ReferenceRules,
    naming: &BTreeMap<String, Naming>,
    baseline: Option<&Baseline>,
) -> Report {
    check(&SqliteSource::new(SqliteLocation::new(path), Arc::new(SystemClock)), rules, naming, baseline)
}

/// Checks a PostgreSQL database.
pub(crate) fn check_postgres(url: &str, rules: &ReferenceRules, baseline: Option<&Baseline>) -> Report {
    let source = PostgresSource::new(url, PostgresOptions::default()).unwrap();
    check(&source, rules, &BTreeMap::new(), baseline)
}

fn check(
    source: &dyn Source,
    rules: &ReferenceRules,
    naming: &BTreeMap<String, Naming>,
    baseline: Option<&Baseline>,
) -> Report {
    let spool = Arc::new(Spool::new(Arc::new(SimDisk::from_seed(1)), "spool", &SimEntropy::from_seed(1)).unwrap());
    let job = CheckJob {
        rules,
        naming,
        baseline,
        key: TupleKey([5; 16]),
        examples_max: 3,
        spool: &spool,
        progress: &Progress::default(),
    };
    let options = CaptureOptions { readers: LANES, records_only: true, ..CaptureOptions::default() };
    let cut = source.open(&options).unwrap();
    let ids = IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([7; 32]));
    let report = check_cut(cut.as_ref(), &ids, LANES, &job).unwrap();
    cut.close().unwrap();
    report
}

/// Violations as `code class.reference ×count`, in order.
pub(crate) fn lines(report: &Report) -> Vec<String> {
    let line = |broken: &strongroom_agent::integrity::Broken| {
        format!("{} {}.{} ×{}", broken.rule.code(), broken.class, broken.reference, broken.count)
    };
    report.broken.iter().map(line).collect()
}
