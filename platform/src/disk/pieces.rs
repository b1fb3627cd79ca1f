//! A file from its start to its end, a bounded piece at a time.
//!
//! Owns the loop that every copy, digest and transfer of a file needs. The length is the one that the file has when the
//! reading begins: what is appended meanwhile is not read, and a file that is cut meanwhile ends the reading with an
//! error. After an error there are no more pieces.

use super::{DiskError, DiskRead};

/// The pieces of a file, in order. All have the same length, but for the last.
pub struct Pieces<'a> {
    file: &'a dyn DiskRead,
    piece_bytes: usize,
    at: u64,
    len: u64,
}

impl<'a> Pieces<'a> {
    /// Reads `file` in pieces of `piece_bytes` bytes; in pieces of one byte if that is zero.
    pub fn of(file: &'a dyn DiskRead, piece_bytes: usize) -> Result<Self, DiskError> {
        Ok(Self { file, piece_bytes: piece_bytes.max(1), at: 0, len: file.len()? })
    }

    /// Bytes of the whole file.
    pub const fn file_bytes(&self) -> u64 {
        self.len
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<Vec<u8>, DiskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.len.checked_sub(self.at).filter(|left| *left > 0)?;
        let mut piece = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(self.piece_bytes)];
        let read = self.file.read_at(self.at, &mut piece);
        self.at = if read.is_ok() { self.at.saturating_add(piece.len() as u64) } else { self.len };
        Some(read.map(|()| piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, FailpointDisk, Fault, SimDisk};

    fn disk_with(bytes: &[u8]) -> SimDisk {
        let disk = SimDisk::from_seed(1);
        disk.create_new("file").unwrap().write_all(bytes).unwrap();
        disk
    }

    fn pieces(disk: &dyn Disk, piece_bytes: usize) -> Vec<Result<Vec<u8>, DiskError>> {
        let file = disk.open_read("file").unwrap();
        Pieces::of(file.as_ref(), piece_bytes).unwrap().collect()
    }

    #[test]
    fn the_pieces_of_a_file_are_the_file() {
        let bytes: Vec<u8> = (0..=255).collect();
        let disk = disk_with(&bytes);
        for piece_bytes in [0, 1, 7, 64, 255, 256, 257] {
            let read: Vec<Vec<u8>> = pieces(&disk, piece_bytes).into_iter().collect::<Result<_, _>>().unwrap();
            assert_eq!(read.concat(), bytes, "in pieces of {piece_bytes}");
            assert!(read.iter().all(|piece| (1..=piece_bytes.max(1)).contains(&piece.len())));
        }
    }

    #[test]
    fn an_empty_file_has_no_pieces() {
        assert!(pieces(&disk_with(b""), 16).is_empty());
    }

    #[test]
    fn after_an_error_there_are_no_more_pieces() {
        let sim = disk_with(&[7; 100]);
        // Opening and asking for the length come first, and then one read for each piece.
        let disk = FailpointDisk::failing(std::sync::Arc::new(sim), 3, Fault::Eio);
        let read = pieces(&disk, 10);
        assert_eq!(read.len(), 2);
        assert!(matches!(read.last(), Some(Err(DiskError::Io { .. }))));
    }
}
