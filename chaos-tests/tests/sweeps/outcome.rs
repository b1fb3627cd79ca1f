//! What became of the points of a sweep.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;

/// Outcomes by kind, counted from several threads.
#[derive(Default)]
pub(crate) struct Outcomes {
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Outcomes {
    pub(crate) fn add(&self, kind: impl Into<String>) {
        *self.counts.lock().unwrap().entry(kind.into()).or_default() += 1;
    }

    pub(crate) fn of(&self, kind: &str) -> u64 {
        self.counts.lock().unwrap().get(kind).copied().unwrap_or(0)
    }

    /// Prints what a sweep covered, and notes it for the check that lists all sweeps.
    pub(crate) fn report(&self, sweep: &str) {
        let counts = self.counts.lock().unwrap();
        let points: u64 = counts.values().sum();
        let kinds: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let line = format!("{sweep}: {points} points: {}", kinds.join(", "));
        println!("sweep {line}");
        if let Some(list) = std::env::var_os("STRONGROOM_SWEEPS_FILE") {
            let mut list = std::fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
            writeln!(list, "{line}").unwrap();
        }
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
