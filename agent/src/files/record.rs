//! The class `files`: its schema, and entries and pieces as records of it.

use strongroom_core::codec::Malformed;
use strongroom_core::record::{Cells, ClassSchema, Codec, Column, ColumnId, DynamicValue, KeySpec};

use super::entry::{Attributes, Entry, Kind, MODE_BITS};
use super::path::TreePath;
use super::pieces::Digest;
use crate::source::{RowWriter, SourceError};
use crate::target::FeedRecord;

/// The one class of a tree.
pub(super) const CLASS: &str = "files";

/// The columns, in their order.
const COLUMNS: [(&str, &str, bool); 12] = [
    ("path", "path", false),
    ("piece", "0 or digest", false),
    ("kind", "word", true),
    ("mode", "bits", true),
    ("uid", "number", true),
    ("gid", "number", true),
    ("mtime_ns", "nanoseconds since 1970", true),
    ("size", "bytes", true),
    ("target", "path", true),
    ("xattrs", "names and values", true),
    ("content", "bytes", true),
    ("pieces", "list", true),
];

const PATH: usize = 0;
const PIECE: usize = 1;
const KIND: usize = 2;
const MODE: usize = 3;
const UID: usize = 4;
const GID: usize = 5;
const MTIME: usize = 6;
const SIZE: usize = 7;
const TARGET: usize = 8;
const XATTRS: usize = 9;
const CONTENT: usize = 10;
const PIECES: usize = 11;

/// The schema of the class.
pub(super) fn schema() -> ClassSchema {
    let columns = (1..).zip(&COLUMNS).map(|(id, (name, source_type, nullable))| Column {
        id: ColumnId(id),
        name: (*name).into(),
        source_type: (*source_type).into(),
        codec: Codec::Dynamic,
        nullable: *nullable,
        source_ordinal: id,
    });
    ClassSchema {
        name: CLASS.into(),
        columns: columns.collect(),
        key: KeySpec::Columns(vec![ColumnId(1), ColumnId(2)]),
        references: Vec::new(),
        dropped_id_max: 0,
    }
}

/// What an entry says of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// It has none.
    Nothing,
    /// The content itself.
    Inline(&'a [u8]),
    /// The list of its pieces.
    Pieces(&'a [u8]),
}

/// Writes the record of an entry.
pub(super) fn put_entry(rows: &mut RowWriter<'_>, entry: &Entry, body: Body<'_>) -> Result<(), SourceError> {
    let number = |value: u32| DynamicValue::Integer(i64::from(value));
    rows.begin();
    rows.dynamic(PATH, DynamicValue::Text(entry.path.as_bytes()));
    rows.dynamic(PIECE, DynamicValue::Integer(0));
    rows.dynamic(KIND, DynamicValue::Text(entry.kind.word().as_bytes()));
    if entry.kind != Kind::HardLink {
        rows.dynamic(MODE, number(entry.attributes.mode));
        rows.dynamic(UID, number(entry.attributes.uid));
        rows.dynamic(GID, number(entry.attributes.gid));
        rows.dynamic(MTIME, DynamicValue::Integer(entry.attributes.mtime_ns));
    }
    if entry.kind == Kind::File {
        rows.dynamic(SIZE, DynamicValue::Integer(i64::try_from(entry.size).unwrap_or(i64::MAX)));
    }
    if let Some(target) = &entry.target {
        rows.dynamic(TARGET, DynamicValue::Text(target));
    }
    if !entry.attributes.xattrs.is_empty() {
        rows.dynamic(XATTRS, DynamicValue::Blob(&entry.attributes.xattrs));
    }
    match body {
        Body::Nothing => {}
        Body::Inline(content) => rows.dynamic(CONTENT, DynamicValue::Blob(content)),
        Body::Pieces(list) => rows.dynamic(PIECES, DynamicValue::Blob(list)),
    }
    rows.end()
}

/// Writes the record of a piece.
pub(super) fn put_piece(
    rows: &mut RowWriter<'_>,
    path: &TreePath,
    digest: &Digest,
    content: &[u8],
) -> Result<(), SourceError> {
    rows.begin();
    rows.dynamic(PATH, DynamicValue::Text(path.as_bytes()));
    rows.dynamic(PIECE, DynamicValue::Blob(digest));
    rows.dynamic(CONTENT, DynamicValue::Blob(content));
    rows.end()
}

/// A record of the class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileRecord<'a> {
    /// An entry.
    Entry(Entry, Body<'a>),
    /// A piece of the file under a path.
    Piece(TreePath, Digest, &'a [u8]),
}

/// Reads a record, of which nothing is believed.
pub(super) fn parse<'a>(record: &FeedRecord<'a>) -> Result<FileRecord<'a>, Malformed> {
    let mut values: [Option<DynamicValue<'a>>; PIECES + 1] = [None; PIECES + 1];
    let mut large = record.large.iter();
    let mut cells = Cells::new(record.record);
    while let Some(cell) = cells.next_cell()? {
        let bytes = match cell.blob()? {
            Some(_) => large.next().ok_or(Malformed::new("file: a large value is missing"))?,
            None => cell.bytes,
        };
        let at = usize::try_from(cell.column.0).ok().and_then(|id| id.checked_sub(1));
        let place = at.and_then(|at| values.get_mut(at)).ok_or(Malformed::new("file: an unknown column"))?;
        *place = Some(DynamicValue::decode(bytes)?);
    }
    Fields { values }.record()
}

/// The path that a record is about, relative and below the tree's root.
pub fn path_of_record(record: &FeedRecord<'_>) -> Result<Vec<u8>, Malformed> {
    Ok(match parse(record)? {
        FileRecord::Entry(entry, _) => entry.path,
        FileRecord::Piece(path, _, _) => path,
    }
    .as_bytes()
    .to_vec())
}

struct Fields<'a> {
    values: [Option<DynamicValue<'a>>; PIECES + 1],
}

impl<'a> Fields<'a> {
    fn at(&self, column: usize) -> Option<DynamicValue<'a>> {
        self.values.get(column).copied().flatten()
    }

    fn text(&self, column: usize) -> Option<&'a [u8]> {
        if let Some(DynamicValue::Text(bytes)) = self.at(column) { Some(bytes) } else { None }
    }

    fn blob(&self, column: usize) -> Option<&'a [u8]> {
        if let Some(DynamicValue::Blob(bytes)) = self.at(column) { Some(bytes) } else { None }
    }

    fn number<T: TryFrom<i64>>(&self, column: usize) -> Result<T, Malformed> {
        let Some(DynamicValue::Integer(value)) = self.at(column) else { return Err(Malformed::new("file: a number")) };
        T::try_from(value).map_err(|_| Malformed::new("file: a number"))
    }

    fn record(&self) -> Result<FileRecord<'a>, Malformed> {
        let path = self.text(PATH).ok_or(Malformed::new("file: path"))?;
        let path = TreePath::parse(path).map_err(|_| Malformed::new("file: the path leads out of the tree"))?;
        if let Some(digest) = self.blob(PIECE) {
            let digest = digest.try_into().map_err(|_| Malformed::new("file: digest"))?;
            let content = self.blob(CONTENT).ok_or(Malformed::new("file: piece"))?;
            return Ok(FileRecord::Piece(path, digest, content));
        }
        let kind = self.text(KIND).and_then(Kind::of_word).ok_or(Malformed::new("file: kind"))?;
        let (attributes, size) = match kind {
            Kind::HardLink => (NONE, 0),
            Kind::File => (self.attributes()?, self.number(SIZE)?),
            _ => (self.attributes()?, 0),
        };
        let body = match (self.blob(CONTENT), self.blob(PIECES)) {
            _ if kind != Kind::File => Body::Nothing,
            (Some(content), _) if content.len() as u64 == size => Body::Inline(content),
            (None, Some(list)) => Body::Pieces(list),
            _ => return Err(Malformed::new("file: content")),
        };
        let target = self.text(TARGET).map(<[u8]>::to_vec);
        Ok(FileRecord::Entry(Entry { path, kind, attributes, size, target }, body))
    }

    fn attributes(&self) -> Result<Attributes, Malformed> {
        Ok(Attributes {
            mode: self.number::<u32>(MODE)? & MODE_BITS,
            uid: self.number(UID)?,
            gid: self.number(GID)?,
            mtime_ns: self.number(MTIME)?,
            xattrs: self.blob(XATTRS).unwrap_or_default().to_vec(),
        })
    }
}

/// What another name of a file has of its own.
const NONE: Attributes = Attributes { mode: 0, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
