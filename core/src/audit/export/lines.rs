//! The lines of an export out of a stream of bytes, each in bounded memory and with its line feed.

use std::io::{self, BufRead, Read as _};

use super::line::LINE_BYTES_MAX;

/// Cuts a stream into lines for [`super::verify_export`]. Unlike [`BufRead::lines`] it keeps the line feeds, so that an
/// export that lost its last one is not whole, and reads no line into memory that is longer than an export has.
#[derive(Debug)]
pub struct ExportLines<R>(R);

impl<R: BufRead> ExportLines<R> {
    /// Reads from here on.
    pub const fn new(stream: R) -> Self {
        Self(stream)
    }
}

impl<R: BufRead> Iterator for ExportLines<R> {
    type Item = io::Result<String>;

    /// The next line. What lies beyond the longest line comes as a line of its own, which is refused as too long.
    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self.0.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))),
            Err(error) => Some(Err(error)),
        }
    }
}
