//! What became of the points of a sweep.

use std::collections::BTreeMap;
use std::sync::Mutex;

/// Outcomes by kind, counted from several threads.
#[derive(Default)]
pub(crate) struct Outcomes {
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Outcomes {
    pub(crate) fn add(&self, kind: &'static str) {
        *self.counts.lock().unwrap().entry(kind).or_default() += 1;
    }

    pub(crate) fn of(&self, kind: &'static str) -> u64 {
        self.counts.lock().unwrap().get(kind).copied().unwrap_or(0)
    }

    /// Prints the line that a reader of the log looks for.
    pub(crate) fn print(&self, sweep: &str) {
        let counts = self.counts.lock().unwrap();
        let points: u64 = counts.values().sum();
        let kinds: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        println!("sweep {sweep}: {points} points: {}", kinds.join(", "));
    }
}

/// Does the work for all items on as many threads as there are processors.
pub(crate) fn side_by_side<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let work = &work;
            scope.spawn(move || items.iter().skip(first).step_by(threads).for_each(work));
        }
    });
}
