//! How fast virtual time passes: `cargo bench -p strongroom-chaos-tests --bench simulation`.
//!
//! Prints one line for each kind of run. The figures are for people; nothing fails by them.

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]
#![expect(clippy::disallowed_methods, reason = "it measures the machine's own time")]

use std::time::Instant;

use strongroom_chaos_tests::world::{MS, Plan, World};

/// Virtual time of a calm run.
const CALM: u64 = 300_000 * MS;
/// Seeds of rough runs.
const SEEDS: u64 = 100;

fn main() {
    measure("calm, 300 s, 3 members, 3 clients", [Plan::modest(1, CALM)].into_iter());
    measure("rough, 100 seeds of 20 s and their healing", (0..SEEDS).map(Plan::from_seed));
}

fn measure(name: &str, plans: impl Iterator<Item = Plan>) {
    let begun = Instant::now();
    let (mut virtual_ms, mut events, mut broken) = (0, 0, 0);
    for plan in plans {
        match World::new(plan).run() {
            Ok(report) => {
                virtual_ms += report.elapsed / MS;
                events += report.events;
            }
            Err(_) => broken += 1,
        }
    }
    let took = begun.elapsed();
    let pace = u128::from(virtual_ms) / took.as_millis().max(1);
    println!(
        "{name}: {virtual_ms} virtual ms in {} ms ({pace} times as fast), {events} events, {broken} broken",
        took.as_millis()
    );
}
