//! The cells of a record: one (column id, value) pair each.
//!
//! Owns the byte form of a cell and the walk over a record's cells. Never interprets a value.

use crate::codec::{Malformed, Reader, put_varint};
use crate::id::BlobId;
use crate::limits::RECORD_COLUMNS_MAX;

use super::schema::ColumnId;

/// How a cell's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CellKind {
    /// The canonical form of the column's codec.
    Canonical,
    /// The source's own text, for a value that the codec can't hold without loss.
    Text,
    /// A reference to a blob that holds what a canonical cell would.
    Blob,
    /// A reference to a blob that holds what a text cell would.
    TextBlob,
}

impl CellKind {
    /// The number that stands for the kind in a cell.
    #[inline]
    pub const fn number(self) -> u8 {
        match self {
            Self::Canonical => 0,
            Self::Text => 1,
            Self::Blob => 2,
            Self::TextBlob => 3,
        }
    }

    /// The kind behind a number.
    #[inline]
    pub const fn from_number(number: u8) -> Self {
        match number & 3 {
            0 => Self::Canonical,
            1 => Self::Text,
            2 => Self::Blob,
            _ => Self::TextBlob,
        }
    }

    /// The kind of the same value once it is moved into a blob.
    #[must_use]
    pub const fn in_blob(self) -> Self {
        match self {
            Self::Canonical | Self::Blob => Self::Blob,
            Self::Text | Self::TextBlob => Self::TextBlob,
        }
    }

    /// The kind of the same value once it is read back from its blob.
    #[must_use]
    pub const fn out_of_blob(self) -> Self {
        match self {
            Self::Canonical | Self::Blob => Self::Canonical,
            Self::Text | Self::TextBlob => Self::Text,
        }
    }
}

/// One value of a record, in its stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    /// The column.
    pub column: ColumnId,
    /// How to read the bytes.
    pub kind: CellKind,
    /// The value.
    pub bytes: &'a [u8],
}

impl Cell<'_> {
    /// The blob that the cell refers to, and the length of its content.
    pub fn blob(&self) -> Result<Option<(BlobId, u64)>, Malformed> {
        if !matches!(self.kind, CellKind::Blob | CellKind::TextBlob) {
            return Ok(None);
        }
        let mut reader = Reader::new(self.bytes, "blob reference");
        let id = BlobId(reader.array()?);
        let len = reader.varint()?;
        reader.finish()?;
        Ok(Some((id, len)))
    }
}

/// Appends a cell whose column follows `previous`.
#[inline]
pub fn put_cell(out: &mut Vec<u8>, previous: ColumnId, cell: Cell<'_>) {
    put_varint(out, u64::from(cell.column.0 - previous.0));
    put_varint(out, (cell.bytes.len() as u64) << 2 | u64::from(cell.kind.number()));
    out.extend_from_slice(cell.bytes);
}

/// Walks the cells of a record.
#[derive(Clone, Debug)]
pub struct Cells<'a> {
    reader: Reader<'a>,
    previous: ColumnId,
}

impl<'a> Cells<'a> {
    /// A walk over a record's bytes.
    pub const fn new(record: &'a [u8]) -> Self {
        Self { reader: Reader::new(record, "record"), previous: ColumnId(0) }
    }

    /// The next cell, or nothing at the end.
    #[inline]
    pub fn next_cell(&mut self) -> Result<Option<Cell<'a>>, Malformed> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let gap = self.reader.bounded(RECORD_COLUMNS_MAX as u64 * 2)?;
        let column = ColumnId(self.previous.0.saturating_add(u32::try_from(gap).map_err(|_| self.reader.malformed())?));
        let head = self.reader.varint()?;
        let kind = CellKind::from_number((head & 3) as u8);
        let len = usize::try_from(head >> 2).map_err(|_| self.reader.malformed())?;
        if gap == 0 {
            return Err(self.reader.malformed());
        }
        self.previous = column;
        Ok(Some(Cell { column, kind, bytes: self.reader.take(len)? }))
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cell<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_cell().transpose()
    }
}
