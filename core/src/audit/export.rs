//! The export of a whole log: lines of text that are checked with nothing but keys.
//!
//! ```text
//!   {"line":"header", …}          schema, origin, public keys
//!   {"line":"event", …}           one for each event, in order, from the first
//!   {"line":"checkpoint", …}      a signed note, behind as many events as it promises
//!   …
//!   {"line":"checkpoint", …}      the last event has a checkpoint behind it
//!   {"line":"end", …}             counts, and the SHA-256 of all lines before
//! ```
//!
//! A checkpoint stands where it was true, so that one pass in the memory of a [`super::Frontier`] checks any number of
//! them, and so that what was changed is known to lie between two checkpoints. Each line has one form: what is read is
//! written again and must be the same bytes, line feed included. Readable fields are thereby those of the event's bytes,
//! or the line is refused.
//!
//! What follows from what: an event is the log's if the checkpoint behind it is; a checkpoint is the log's if a trusted
//! key signed it. The end line is signed by nobody. It tells a copy that broke off or lost a byte that no signature
//! covers; whoever makes an export can still leave out the newest events with their checkpoints, and only who holds a
//! later checkpoint sees that.

mod line;
mod lines;
mod writer;
mod fault;
mod verify;

pub use fault::{Fault, Finding, VerifyError};
pub use line::{LINE_BYTES_MAX, LineFault};
pub use lines::ExportLines;
pub use verify::{ExportVerifier, Report, verify_export};
pub use writer::{ExportRefused, ExportWriter};

#[cfg(test)]
mod tests;
