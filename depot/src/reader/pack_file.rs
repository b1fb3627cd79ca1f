//! One pack of a depot, opened by its header, end and footer.

use strongroom_core::frame::{Decompressor, Frame};
use strongroom_core::id::PackId;
use strongroom_core::pack::{Directory, FrameInfo, PackError, PackHeader, PackReader};
use strongroom_core::seal::OpensDataKeys;

use crate::backend::{Backend, BackendError, PackSource};

/// A pack's file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum PackFileError {
    /// The depot failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The pack is damaged or sealed under another key.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// A pack whose data key is at hand.
pub struct PackFile {
    source: Box<dyn PackSource>,
    header: PackHeader,
    reader: PackReader,
    bytes: u64,
}

impl PackFile {
    /// Reads the header and unwraps the data key; one read.
    pub fn open(backend: &dyn Backend, pack: PackId, keys: &dyn OpensDataKeys) -> Result<Self, PackFileError> {
        let source = backend.open_pack(pack)?;
        let bytes = source.bytes()?;
        let header = PackHeader::parse(&read(source.as_ref(), bytes, 0, PackHeader::LEN_MAX as u64)?)?;
        if header.identity.pack != pack {
            return Err(PackError::Damaged { what: "the file's name is not the pack's id" }.into());
        }
        let reader = header.open(keys)?;
        Ok(Self { source, header, reader, bytes })
    }

    /// The header.
    pub const fn header(&self) -> &PackHeader {
        &self.header
    }

    /// The size of the file.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the directory; two reads.
    pub fn directory(&self, decompressor: &mut Decompressor) -> Result<Directory, PackFileError> {
        let tail_len = PackReader::tail_len(self.header.identity.scope.profile) as u64;
        let at = self.bytes.checked_sub(tail_len).ok_or(PackError::Damaged { what: "trailer" })?;
        let tail = read(self.source.as_ref(), self.bytes, at, tail_len)?;
        let trailer = self.reader.trailer(self.bytes, &tail)?;
        let footer = read(self.source.as_ref(), self.bytes, trailer.footer_offset, trailer.footer_len)?;
        Ok(self.reader.directory(&trailer, &footer, decompressor)?)
    }

    /// Reads one frame and compares it with the directory; one read.
    pub fn frame(
        &self,
        directory: &Directory,
        number: u32,
        info: &FrameInfo,
        decompressor: &mut Decompressor,
    ) -> Result<Frame, PackFileError> {
        let sealed = read(self.source.as_ref(), self.bytes, info.offset, u64::from(info.sealed_len))?;
        let frame = self.reader.open_frame(number, sealed, decompressor)?;
        PackReader::check_frame(directory, info, &frame)?;
        Ok(frame)
    }
}

/// Reads as much of a range as the file has; what is then missing shows where it is parsed.
fn read(source: &dyn PackSource, file_len: u64, offset: u64, len: u64) -> Result<Vec<u8>, PackFileError> {
    let len = file_len.saturating_sub(offset).min(len);
    let len = usize::try_from(len).map_err(|_| PackError::Damaged { what: "a part is longer than memory" })?;
    let mut bytes = vec![0; len];
    source.read_at(offset, &mut bytes)?;
    Ok(bytes)
}
