//! A file of the disk seam as the storage of `redb`.

use std::fmt;
use std::io;

use redb::StorageBackend;
use strongroom_platform::disk::{DiskError, DiskUpdate};

/// The engine's file.
pub(super) struct DiskBackend {
    file: Box<dyn DiskUpdate>,
}

impl DiskBackend {
    pub(super) fn new(file: Box<dyn DiskUpdate>) -> Self {
        Self { file }
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
        self.file.set_len(len).map_err(to_io)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data().map_err(to_io)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data).map_err(to_io)
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
