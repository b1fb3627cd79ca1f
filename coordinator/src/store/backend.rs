//! A file of the disk seam as the storage of `redb`.
//!
//! Owns the memory that the disk ran full: the engine calls every failure by one name, and refuses all that comes after it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;
use strongroom_platform::disk::{DiskError, DiskUpdate};

/// The engine's file.
pub(super) struct DiskBackend {
    file: Arc<dyn DiskUpdate>,
    has_run_full: Arc<AtomicBool>,
}

impl DiskBackend {
    /// The file as storage, and the sign that is set once the disk had no space for it.
    pub(super) fn new(file: Arc<dyn DiskUpdate>) -> (Self, Arc<AtomicBool>) {
        let has_run_full = Arc::new(AtomicBool::new(false));
        (Self { file, has_run_full: Arc::clone(&has_run_full) }, has_run_full)
    }

    fn changed(&self, result: Result<(), DiskError>) -> io::Result<()> {
        if matches!(result, Err(DiskError::NoSpace { .. })) {
            self.has_run_full.store(true, Ordering::Release);
        }
        result.map_err(to_io)
    }
}

impl fmt::Debug for DiskBackend {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DiskBackend")
    }
}

impl StorageBackend for DiskBackend {
    fn len(&self) -> io::Result<u64> {
        self.file.len().map_err(to_io)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out).map_err(to_io)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.changed(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.changed(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.changed(self.file.write_at(offset, data))
    }
}

fn to_io(error: DiskError) -> io::Error {
    let kind = match &error {
        DiskError::NotFound { .. } => io::ErrorKind::NotFound,
        DiskError::NoSpace { .. } => io::ErrorKind::StorageFull,
        DiskError::UnexpectedEnd { .. } => io::ErrorKind::UnexpectedEof,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
