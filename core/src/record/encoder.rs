//! From the source's cells to canonical record, key and digest: the hot path of every scan.
//!
//! An encoder belongs to one class and one reader thread and reuses its buffers: nothing is allocated per row. It does
//! not judge values; what a codec can't hold stays text.

use std::ops::Range;

use crate::codec::{put_bytes, put_varint};
use crate::digest::IdFunctions;
use crate::id::{BlobId, RecordDigest};
use crate::limits::VALUE_INLINE_BYTES_MAX;

use super::cell::{Cell, CellKind, put_cell};
use super::key::{KeyError, KeyPlan};
use super::schema::{ClassSchema, ColumnId};
use super::value::{Codec, DynamicValue};

/// A value that was too long for its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeValue {
    /// The blob that stands for it in the record.
    pub id: BlobId,
    /// Where its bytes lie in [`Encoded::large_bytes`].
    pub span: Range<usize>,
}

/// One encoded row; borrowed from its encoder until the next one.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    /// The key; for a keyless class, the digest without its ordinal.
    pub key: &'a [u8],
    /// The canonical record.
    pub record: &'a [u8],
    /// The record's digest.
    pub digest: RecordDigest,
    /// Values that the record only refers to.
    pub large: &'a [LargeValue],
    /// The bytes of those values.
    pub large_bytes: &'a [u8],
}

struct Field {
    id: ColumnId,
    codec: Codec,
    in_key: bool,
}

/// Encodes the rows of one class.
pub struct RecordEncoder {
    ids: IdFunctions,
    fields: Vec<Field>,
    key_plan: Option<KeyPlan>,
    previous: ColumnId,
    record: Vec<u8>,
    key: Vec<u8>,
    scratch: Vec<u8>,
    large: Vec<LargeValue>,
    large_bytes: Vec<u8>,
}

impl RecordEncoder {
    /// An encoder for a class; cells are then given in the order of its columns.
    pub fn new(ids: IdFunctions, schema: &ClassSchema) -> Self {
        let key_plan = KeyPlan::new(schema);
        let in_key = |id| key_plan.as_ref().is_some_and(|plan| plan.has(id));
        let fields = schema.columns.iter().map(|c| Field { id: c.id, codec: c.codec, in_key: in_key(c.id) }).collect();
        Self {
            ids,
            fields,
            key_plan,
            previous: ColumnId(0),
            record: Vec::new(),
            key: Vec::new(),
            scratch: Vec::new(),
            large: Vec::new(),
            large_bytes: Vec::new(),
        }
    }

    /// The number of columns that a row has.
    pub fn columns(&self) -> usize {
        self.fields.len()
    }

    /// Starts a row.
    #[inline]
    pub fn begin(&mut self) {
        self.previous = ColumnId(0);
        self.record.clear();
        self.key.clear();
        self.large.clear();
        self.large_bytes.clear();
    }

    /// Adds the value of the `index`-th column as the source's text. NULLs are simply not added.
    #[inline]
    pub fn text(&mut self, index: usize, text: &[u8]) {
        let Some(field) = self.fields.get(index) else { return };
        let (id, codec, in_key) = (field.id, field.codec, field.in_key);
        if codec == Codec::Text {
            self.put(id, CellKind::Canonical, text, in_key);
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        if codec.encode(text, &mut scratch) {
            self.put(id, CellKind::Canonical, &scratch, in_key);
        } else {
            self.put(id, CellKind::Text, text, in_key);
        }
        self.scratch = scratch;
    }

    /// Adds a value that carries its own storage class.
    pub fn dynamic(&mut self, index: usize, value: DynamicValue<'_>) {
        let Some(field) = self.fields.get(index) else { return };
        let (id, in_key) = (field.id, field.in_key);
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        value.encode(&mut scratch);
        self.put(id, CellKind::Canonical, &scratch, in_key);
        self.scratch = scratch;
    }

    /// Ends the row.
    #[inline]
    pub fn finish(&mut self) -> Result<Encoded<'_>, KeyError> {
        let digest = self.ids.record(&self.record);
        match &self.key_plan {
            Some(plan) => plan.key_of(&self.record, &mut self.key)?,
            None => self.key.extend_from_slice(digest.as_bytes()),
        }
        Ok(Encoded { key: &self.key, record: &self.record, digest, large: &self.large, large_bytes: &self.large_bytes })
    }

    #[inline]
    fn put(&mut self, column: ColumnId, kind: CellKind, bytes: &[u8], in_key: bool) {
        if bytes.len() > VALUE_INLINE_BYTES_MAX && !in_key {
            return self.put_large(column, kind, bytes);
        }
        put_cell(&mut self.record, self.previous, Cell { column, kind, bytes });
        self.previous = column;
    }

    fn put_large(&mut self, column: ColumnId, kind: CellKind, bytes: &[u8]) {
        let id = self.ids.blob(bytes);
        let start = self.large_bytes.len();
        self.large_bytes.extend_from_slice(bytes);
        self.large.push(LargeValue { id, span: start..self.large_bytes.len() });
        let mut reference = id.as_bytes().to_vec();
        put_varint(&mut reference, bytes.len() as u64);
        put_cell(&mut self.record, self.previous, Cell { column, kind: kind.in_blob(), bytes: &reference });
        self.previous = column;
    }
}

impl Encoded<'_> {
    /// Appends the row in the form in which scans pass rows on and spill them: key, digest, record, large values.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.key);
        out.extend_from_slice(self.digest.as_bytes());
        put_bytes(out, self.record);
        put_varint(out, self.large.len() as u64);
        for value in self.large {
            put_bytes(out, self.large_bytes.get(value.span.clone()).unwrap_or_default());
        }
    }
}
