//! A lock on a volume, between processes and within one.
//!
//! Owns the token that stands for it. Whoever holds the token has the lock; it is given back when the token is dropped,
//! and by the system when the process dies, however that happens. Nothing of it survives a crash, so no lock is ever
//! left behind: the file that carries its name says nothing by being there.

use std::fmt;

/// A lock that is held, until it is dropped.
pub struct DiskLock {
    _held: Box<dyn Send + Sync>,
}

impl DiskLock {
    /// A lock that is given back when `held` is dropped.
    pub(super) fn new(held: impl Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for DiskLock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DiskLock")
    }
}
