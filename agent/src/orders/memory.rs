//! What of the book survives a restart.
//!
//! Owns one small file: the number of this start, and the runs that were taken and whose ends nobody has noted yet. It is
//! replaced as a whole and synced before a run begins. A file that can't be read ends the agent: to begin with an empty
//! one could do a run twice, and would show a number of starts that the coordinator refuses.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strongroom_platform::disk::{Disk, DiskError, durable_replace};

use super::book::Book;

/// A full book has some hundred bytes a run.
const FILE_BYTES_MAX: u64 = 1 << 20;
const VERSION: u32 = 1;

/// The file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OrdersError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is of a later version.
    #[error("the orders are kept in a form of version {found}")]
    UnknownVersion {
        /// The version.
        found: u32,
    },
    /// The contents are not a book of orders.
    #[error("the orders that this agent took can't be read")]
    Json(#[source] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    boot: u64,
    book: Book,
}

/// The file.
pub struct Memory {
    disk: Arc<dyn Disk>,
    path: String,
    boot: u64,
}

impl Memory {
    /// Opens the file, counts this start, and gives the book as the process before has left it.
    pub fn open(disk: Arc<dyn Disk>, path: &str) -> Result<(Self, Book), OrdersError> {
        let (last, book) = if disk.exists(path)? { read(disk.as_ref(), path)? } else { (0, Book::default()) };
        let book = book.after_restart();
        let memory = Self { disk, path: path.to_owned(), boot: last.saturating_add(1) };
        memory.keep(&book)?;
        Ok((memory, book))
    }

    /// The number of this start, from 1.
    pub const fn boot(&self) -> u64 {
        self.boot
    }

    /// Makes the book durable.
    pub fn keep(&self, book: &Book) -> Result<(), OrdersError> {
        let kept = Kept { version: VERSION, boot: self.boot, book: book.clone() };
        let bytes = serde_json::to_vec(&kept).map_err(OrdersError::Json)?;
        Ok(durable_replace(&self.disk, &self.path, &bytes)?)
    }
}

fn read(disk: &dyn Disk, path: &str) -> Result<(u64, Book), OrdersError> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let bytes = disk.read(path, FILE_BYTES_MAX)?;
    let Version { version } = serde_json::from_slice(&bytes).map_err(OrdersError::Json)?;
    if version != VERSION {
        return Err(OrdersError::UnknownVersion { found: version });
    }
    let kept: Kept = serde_json::from_slice(&bytes).map_err(OrdersError::Json)?;
    Ok((kept.boot, kept.book))
}
