//! How often a depot was read: what `find` reports, and what the figures judge.

use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts reads of a backend, from any thread.
#[derive(Debug, Default)]
pub struct ReadCounter {
    reads: AtomicU64,
    bytes: AtomicU64,
}

/// Reads and bytes since the backend was opened; subtract an earlier value to get those of one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Calls that fetched bytes. Listings are not counted.
    pub reads: u64,
    /// Bytes fetched.
    pub bytes: u64,
}

impl ReadCounter {
    /// The counts so far.
    pub fn so_far(&self) -> Reads {
        Reads { reads: self.reads.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    pub(crate) fn count(&self, bytes: usize) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Sub for Reads {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { reads: self.reads.saturating_sub(earlier.reads), bytes: self.bytes.saturating_sub(earlier.bytes) }
    }
}
