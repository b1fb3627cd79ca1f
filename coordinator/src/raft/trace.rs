//! The words of the crate `raft` in our log.
//!
//! Owns the drain from its logger to `tracing`. Only what is worth a person's time passes: its notes on every message
//! would drown the rest.

use slog::{Drain, Level, Logger, Never, OwnedKVList, Record};

/// The logger that the crate is given.
pub(super) fn logger() -> Logger {
    Logger::root(ToTracing, slog::o!())
}

struct ToTracing;

impl Drain for ToTracing {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, _values: &OwnedKVList) -> Result<(), Never> {
        match record.level() {
            Level::Critical | Level::Error => tracing::error!(target: "raft", "{}", record.msg()),
            Level::Warning => tracing::warn!(target: "raft", "{}", record.msg()),
            Level::Info => tracing::debug!(target: "raft", "{}", record.msg()),
            Level::Debug | Level::Trace => {}
        }
        Ok(())
    }
}
