//! Whole groups from one seed.
//!
//! `STRONGROOM_SEEDS=FROM..TO` runs those seeds instead; a failure prints the one that failed.

use std::env;

use strongroom_chaos_tests::invariants::Broken;
use strongroom_chaos_tests::world::{MS, Plan, World};

/// The seeds that each run of the tests tries.
const SEEDS: std::ops::Range<u64> = 0..300;

fn seeds() -> std::ops::Range<u64> {
    let Ok(chosen) = env::var("STRONGROOM_SEEDS") else { return SEEDS };
    let range = chosen.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    assert!(range.is_some(), "STRONGROOM_SEEDS is FROM..TO, not {chosen}");
    range.unwrap_or(SEEDS)
}

#[test]
fn a_calm_group_serves_its_clients() {
    let report = World::new(Plan::calm(1, 20_000 * MS)).run().unwrap_or_else(|broken| panic!("{broken}"));
    println!("{report:?}");
    assert!(report.answered > 100, "{report:?}");
}

#[test]
fn a_calm_group_costs_little_for_each_second_of_its_life() {
    let report = World::new(Plan::modest(1, 300_000 * MS)).run().unwrap_or_else(|broken| panic!("{broken}"));
    println!("{} virtual ms, {} events, {} answers", report.elapsed / MS, report.events, report.answered);
    assert!(report.answered > 300, "{report:?}");
    // Ticks, heartbeats and their answers, and the entries of a few requests: what takes time in a run is events.
    assert!(report.events < 200 * report.elapsed / (1_000 * MS), "{report:?}");
}

#[test]
fn a_seed_always_gives_the_same_run() {
    for seed in [3, 14] {
        let run = || World::new(Plan::from_seed(seed)).run().map(|report| (report.trace, report.events));
        assert_eq!(run().unwrap_or_else(|broken| panic!("{broken}")), run().unwrap());
    }
}

#[test]
fn turns_that_take_many_events_are_among_the_runs() {
    let largest = |seed| World::new(Plan::from_seed(seed)).run().map_or(0, |report| report.batch_largest);
    let batches: Vec<usize> = (0..40).map(largest).collect();
    assert!(batches.contains(&1), "{batches:?}");
    assert!(batches.iter().any(|batch| (2..=8).contains(batch)), "{batches:?}");
    // More than the middle size allows. Few events wait at once, since a turn's appends to a member travel as one message.
    assert!(batches.iter().any(|batch| *batch > 8), "{batches:?}");
}

#[test]
fn every_seed_keeps_every_promise() {
    if env::var_os("STRONGROOM_SEEDS").is_some() {
        // For a person who looks at a few seeds: RUST_LOG says how closely.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_ansi(false).init();
    }
    let mut faults = std::collections::BTreeMap::new();
    let (mut answered, mut batch_largest) = (0, 0);
    let mut failed = Vec::new();
    for seed in seeds() {
        // A panic is a finding like any other: the seed must be named.
        let run = std::panic::catch_unwind(|| World::new(Plan::from_seed(seed)).run());
        let run = run.unwrap_or_else(|_| Err(Broken::new("panic", "a member panicked".to_owned())));
        match run {
            Ok(report) => {
                answered += report.answered;
                batch_largest = batch_largest.max(report.batch_largest);
                for (kind, count) in report.faults {
                    *faults.entry(kind).or_insert(0) += count;
                }
            }
            Err(broken) => failed.push(format!("seed {seed}: {broken}")),
        }
    }
    println!("{answered} operations, up to {batch_largest} events in a turn, faults {faults:?}");
    assert!(failed.is_empty(), "{} seeds failed:\n{}", failed.len(), failed.join("\n"));
}
