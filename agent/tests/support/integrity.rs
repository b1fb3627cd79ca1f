//! Checks of references for tests: of a live source, and violations in a line each.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_agent::capture::{Progress, Spool};
use strongroom_agent::integrity::{Baseline, CheckJob, Naming, Report, check_cut};
use strongroom_agent::source::{CaptureOptions, Source};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::graph::TupleKey;
use strongroom_core::graph::rules::ReferenceRules;
use strongroom_platform::disk::SimDisk;
use strongroom_platform::rng::SimEntropy;

/// Lanes of every check.
const LANES: usize = 2;

pub(crate) fn rules(json: &str) -> ReferenceRules {
    serde_json::from_str(json).unwrap()
}

/// Checks a live source.
pub(crate) fn check(
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
