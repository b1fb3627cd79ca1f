//! The write-ahead log of a source while a cut stands.
//!
//! A read transaction does not hold writers up, but what they write can't leave the log before it ends. Owns the
//! watching of that: a log that grew much is reported, and a cut is given up before the log fills the application's
//! volume.

use std::path::{Path, PathBuf};

use strongroom_core::error::Code;

use super::copy::free_bytes;
use super::location::beside;
use crate::source::{Finding, Severity, SourceError};

/// Growth of the log that is worth a warning.
const GROWTH_NOTED_BYTES: u64 = 32 << 20;

/// Growth below which the log is not what fills the volume.
const GROWTH_GRAVE_BYTES: u64 = 16 << 20;

/// Free bytes of the log's volume below which a cut that lets the log grow is given up.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// The log as it was when the cut began.
#[derive(Debug)]
pub(super) struct WalWatch {
    log: PathBuf,
    bytes_then: u64,
}

impl WalWatch {
    /// Looks at the log beside a database. It is never opened: closing it again would free the locks of this process.
    pub(super) fn begin(database: &Path) -> Self {
        let log = beside(database, "-wal");
        Self { bytes_then: length(&log), log }
    }

    /// Gives the cut up if the log's growth is about to fill its volume.
    pub(super) fn check(&self) -> Result<(), SourceError> {
        let Some(Ok(free)) = self.log.parent().map(free_bytes) else { return Ok(()) };
        self.judge(length(&self.log), free)
    }

    fn judge(&self, bytes_now: u64, free: u64) -> Result<(), SourceError> {
        let grown = bytes_now.saturating_sub(self.bytes_then);
        if grown < GROWTH_GRAVE_BYTES || free >= FREE_BYTES_MIN {
            return Ok(());
        }
        let message = format!(
            "gave up, because the write-ahead log grew by {} MiB while it was read, and its volume has {} MiB left",
            grown >> 20,
            free >> 20
        );
        Err(SourceError::engine(Code::SourceLocked, self.log.display().to_string(), message))
    }

    /// What a person should know of the log's growth.
    pub(super) fn finding(&self) -> Option<Finding> {
        let now = length(&self.log);
        let grown = now.saturating_sub(self.bytes_then);
        (grown >= GROWTH_NOTED_BYTES).then(|| Finding {
            severity: Severity::Warning,
            subject: self.log.display().to_string(),
            message: format!(
                "the write-ahead log grew by {} MiB to {} MiB while the cut stood, since a checkpoint can't pass a \
                 reader; it stays that long until a checkpoint truncates it",
                grown >> 20,
                now >> 20
            ),
        })
    }
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_fills_its_volume_ends_the_cut_and_nothing_else_does() {
        let watch = WalWatch { log: "/data/cmdb.db-wal".into(), bytes_then: 4 << 20 };
        watch.judge(4 << 20, 0).unwrap();
        watch.judge(400 << 20, FREE_BYTES_MIN).unwrap();
        let error = watch.judge(20 << 20, FREE_BYTES_MIN - 1).unwrap_err();
        assert_eq!(error.code(), Code::SourceLocked);
        assert!(error.to_string().contains("grew by 16 MiB"), "{error}");
    }
}
