//! Whole groups from one seed.
//!
//! `STRONGROOM_SEEDS=FROM..TO` runs those seeds instead; a failure prints the one that failed.

use std::env;

use strongroom_chaos_tests::world::{MS, Plan, World};

/// The seeds that each run of the tests tries.
const SEEDS: std::ops::Range<u64> = 0..300;

fn seeds() -> std::ops::Range<u64> {
    let chosen = env::var("STRONGROOM_SEEDS").ok();
    let range = chosen.as_deref().and_then(|text| text.split_once(".."));
    range.map_or(SEEDS, |(from, to)| from.parse().unwrap()..to.parse().unwrap())
}

#[test]
fn a_calm_group_serves_its_clients() {
    let report = World::new(Plan::calm(1, 20_000 * MS)).run().unwrap_or_else(|broken| panic!("{broken}"));
    println!("{report:?}");
    assert!(report.answered > 100, "{report:?}");
}

#[test]
fn a_seed_always_gives_the_same_run() {
    for seed in [3, 14] {
        let run = || World::new(Plan::from_seed(seed)).run().map(|report| (report.trace, report.events));
        assert_eq!(run().unwrap_or_else(|broken| panic!("{broken}")), run().unwrap());
    }
}

#[test]
fn every_seed_keeps_every_promise() {
    let mut faults = std::collections::BTreeMap::new();
    let mut answered = 0;
    let mut failed = Vec::new();
    for seed in seeds() {
        match World::new(Plan::from_seed(seed)).run() {
            Ok(report) => {
                answered += report.answered;
                for (kind, count) in report.faults {
                    *faults.entry(kind).or_insert(0) += count;
                }
            }
            Err(broken) => failed.push(format!("seed {seed}: {broken}")),
        }
    }
    println!("{answered} operations, faults {faults:?}");
    assert!(failed.is_empty(), "{} seeds failed:\n{}", failed.len(), failed.join("\n"));
}
