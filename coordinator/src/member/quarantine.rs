//! The note that keeps a member from speaking under its name again.
//!
//! Owns the file `quarantine`. It is written when a member finds that it has forgotten what it promised, or that its
//! state is not that of the others. Whoever reads it makes a new member of an empty folder.

use std::error::Error;
use std::sync::Arc;

use strongroom_platform::disk::{Disk, DiskError, durable_replace};
use strongroom_platform::mutant::{self, Mutant};

const PATH: &str = "quarantine";
const NOTE_BYTES_MAX: u64 = 64 * 1024;

/// Notes why the member ends.
pub(super) fn note(disk: &Arc<dyn Disk>, why: &dyn Error) -> Result<(), DiskError> {
    if mutant::is_active(Mutant::QuarantineUnnoted) {
        return Ok(());
    }
    let mut text = why.to_string();
    let mut source = why.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    durable_replace(disk, PATH, text.as_bytes())
}

/// The note, if there is one. It is written again, since whoever wrote it may have died before it was durable.
pub(crate) fn read(disk: &Arc<dyn Disk>) -> Result<Option<String>, DiskError> {
    let bytes = disk.read_if_there(PATH, NOTE_BYTES_MAX)?;
    if let Some(bytes) = &bytes
        && let Err(error) = durable_replace(disk, PATH, bytes)
    {
        tracing::warn!(%error, "the note of a quarantine could not be written again");
    }
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
