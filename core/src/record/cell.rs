//! The cells of a record: one (column id, value) pair each.
//!
//! Owns the byte form of a cell and the walk over a record's cells. Never interprets a value.

use crate::codec::{Malformed, Reader, put_varint};
use crate::id::BlobId;
use crate::limits::RECORD_COLUMNS_MAX;
use crate::time::WallTime;

use super::civil;
use super::schema::ColumnId;
use super::value::{Codec, DynamicValue};

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

impl Cell<'_> {
    /// The time that the cell tells, if it tells one. Times without a zone count as UTC; numbers are no times, since
    /// their unit is not known.
    pub fn wall_time(&self, codec: Codec) -> Option<WallTime> {
        let micros = match (self.kind, codec) {
            (CellKind::Canonical, Codec::Timestamp | Codec::TimestampZone) => {
                civil::unix_micros(i64::from_be_bytes(self.bytes.try_into().ok()?))
            }
            (CellKind::Canonical, Codec::Date) => {
                civil::unix_micros_of_day(i32::from_be_bytes(self.bytes.try_into().ok()?))
            }
            (CellKind::Canonical, Codec::Dynamic) => match DynamicValue::decode(self.bytes).ok()? {
                DynamicValue::Text(text) => parse_time(text),
                _ => None,
            },
            (CellKind::Canonical | CellKind::Text, _) => parse_time(self.bytes),
            (CellKind::Blob | CellKind::TextBlob, _) => None,
        };
        micros.map(WallTime)
    }
}

/// Microseconds of a time in one of the ISO forms.
fn parse_time(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let with_zone = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_microsecond);
    let in_utc = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    with_zone.ok().or_else(|| Some(in_utc()?.timestamp().as_microsecond()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn time_of(codec: Codec, text: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let kind = match codec {
            Codec::Dynamic => {
                DynamicValue::Text(text.as_bytes()).encode(&mut bytes);
                CellKind::Canonical
            }
            codec if codec.encode(text.as_bytes(), &mut bytes) => CellKind::Canonical,
            _ => {
                bytes = text.as_bytes().to_vec();
                CellKind::Text
            }
        };
        let cell = Cell { column: ColumnId(1), kind, bytes: &bytes };
        cell.wall_time(codec).map(WallTime::to_rfc3339)
    }

    #[test]
    fn times_are_read_from_typed_values_and_from_text() {
        let noon = Some("2024-02-29T12:00:00.500000+00:00".to_owned());
        assert_eq!(time_of(Codec::TimestampZone, "2024-02-29 12:00:00.5+00"), noon);
        assert_eq!(time_of(Codec::Timestamp, "2024-02-29 12:00:00.5"), noon);
        assert_eq!(time_of(Codec::Text, "2024-02-29T13:00:00.5+01:00"), noon);
        assert_eq!(time_of(Codec::Dynamic, "2024-02-29 12:00:00.500"), noon);
        assert_eq!(time_of(Codec::Date, "1970-01-02").unwrap(), "1970-01-02T00:00:00.000000+00:00");
        for (codec, text) in [
            (Codec::TimestampZone, "infinity"),
            (Codec::Date, "-infinity"),
            (Codec::Text, "yesterday"),
            (Codec::Integer, "1700000000"),
        ] {
            assert_eq!(time_of(codec, text), None, "{text}");
        }
    }
}
