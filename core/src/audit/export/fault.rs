//! What can be wrong with an export, and where.

use super::line::LineFault;
use crate::audit::checkpoint::CheckpointError;
use crate::audit::keys::KeyName;
use crate::audit::merkle::{LeafIndex, LogFull, TreeSize};

/// What is wrong with an export.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The line can't be read, or is not in its form.
    #[error(transparent)]
    Line(#[from] LineFault),
    /// Something before the header or behind the end, or a second header.
    #[error("the line does not belong there")]
    OutOfPlace,
    /// The export breaks off.
    #[error("the export ends without its last line")]
    NoEnd,
    /// An event was left out, put in, or moved.
    #[error("event {found} where event {expected} belongs")]
    LeafOutOfPlace {
        /// The event that belongs there.
        expected: LeafIndex,
        /// The event that is there.
        found: LeafIndex,
    },
    /// More events than a log has.
    #[error(transparent)]
    Full(#[from] LogFull),
    /// A checkpoint can't be believed.
    #[error("the checkpoint does not verify")]
    Checkpoint {
        /// Why.
        source: CheckpointError,
    },
    /// A checkpoint that does not stand right behind the events it promises: events or checkpoints were left out, put in
    /// or moved.
    #[error("a checkpoint of {size} events behind {events}")]
    CheckpointOutOfPlace {
        /// Events of the checkpoint.
        size: TreeSize,
        /// Events before it.
        events: TreeSize,
    },
    /// The log signed two roots for one size.
    #[error("the log forked: it signed two histories of {size} events")]
    Fork {
        /// The size.
        size: TreeSize,
    },
    /// The log signed other events.
    #[error("events from {from} on, up to {size}, are not those that the log signed")]
    RootDiffers {
        /// The first event that may be another: those before it have a checkpoint that holds.
        from: LeafIndex,
        /// Events of the checkpoint that does not hold.
        size: TreeSize,
    },
    /// The log of the export is not that of the checkpoint which the reader holds.
    #[error("an export of {found}, not of {expected}")]
    AnotherLog {
        /// The log of the checkpoint.
        expected: KeyName,
        /// The log of the export.
        found: KeyName,
    },
    /// The first events are not those of the checkpoint which the reader holds: the log was rewritten, or forked.
    #[error("the first {size} events are not those of the earlier checkpoint")]
    EarlierDiffers {
        /// Events of the earlier checkpoint.
        size: TreeSize,
    },
    /// Fewer events than the checkpoint which the reader holds promises.
    #[error("{events} events; the earlier checkpoint has {size}")]
    BelowEarlier {
        /// Events of the earlier checkpoint.
        size: TreeSize,
        /// Events of the export.
        events: TreeSize,
    },
    /// No checkpoint behind the last event.
    #[error("no checkpoint behind the last of {events} events")]
    Unsigned {
        /// Events of the export.
        events: TreeSize,
    },
    /// The last line tells of other lines than those before it.
    #[error("the lines are not those that the last line tells of")]
    SumDiffers,
}

/// A fault and where it shows.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the audit export is wrong")]
pub struct Finding {
    /// The line, from 1; one behind the last if something is missing at the end.
    pub line: u64,
    /// The fault.
    #[source]
    pub fault: Fault,
}

/// The check did not end well.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError<E: std::error::Error + 'static> {
    /// A line can't be had; what was read so far proves nothing.
    #[error("line {line} of the audit export can't be read")]
    Unreadable {
        /// The line, from 1.
        line: u64,
        /// Why.
        source: E,
    },
    /// The export is not whole and true.
    #[error(transparent)]
    Found(#[from] Finding),
}
