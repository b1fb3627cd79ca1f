//! Rows as a partial restore compares and keeps them: canonical records with every value in them.
//!
//! A canonical record refers to its large values by keyed ids. Here they stand in the record itself, so that two rows
//! are equal exactly if their bytes are, under whatever id functions they were read.

use strongroom_core::codec::Malformed;
use strongroom_core::record::{Cell, CellKind, Cells, ClassSchema, ColumnId, Encoded, KeyError, KeyPlan, put_cell};

use crate::view::{FieldValue, field_values, key_text};

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    /// How the bytes are to be read: in the codec's form, or as text.
    pub kind: CellKind,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(Vec<u8>);

impl Row {
    /// The row of a record and the contents of its large values, in order.
    pub fn new<B: AsRef<[u8]>>(record: &[u8], large: &[B]) -> Result<Self, Malformed> {
        let mut large = large.iter();
        let mut out = Vec::with_capacity(record.len());
        let mut previous = ColumnId(0);
        for cell in Cells::new(record) {
            let cell = cell?;
            let bytes = match cell.blob()? {
                Some(_) => large.next().ok_or(Malformed::new("record: a large value is missing"))?.as_ref(),
                None => cell.bytes,
            };
            put_cell(&mut out, previous, Cell { column: cell.column, kind: cell.kind.out_of_blob(), bytes });
            previous = cell.column;
        }
        Ok(Self(out))
    }

    /// The row of an encoded record.
    pub fn of_encoded(encoded: &Encoded<'_>) -> Result<Self, Malformed> {
        let value = |value: &strongroom_core::record::LargeValue| {
            encoded.large_bytes.get(value.span.clone()).unwrap_or_default()
        };
        let large: Vec<&[u8]> = encoded.large.iter().map(value).collect();
        Self::new(encoded.record, &large)
    }

    /// A row from bytes that were kept.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        Cells::new(bytes).try_for_each(|cell| cell.map(drop))?;
        Ok(Self(bytes.to_vec()))
    }

    /// The bytes: a canonical record without references to blobs.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        Cells::new(&self.0).filter_map(Result::ok)
    }

    /// The value of a column; nothing for NULL.
    pub fn value(&self, column: ColumnId) -> Option<Value> {
        let cell = self.cells().find(|cell| cell.column == column)?;
        Some(Value { kind: cell.kind, bytes: cell.bytes.to_vec() })
    }

    /// The values of some columns; nothing if one of them is NULL.
    pub fn values(&self, columns: &[ColumnId]) -> Option<Vec<Value>> {
        columns.iter().map(|column| self.value(*column)).collect()
    }

    /// The columns that are not NULL.
    pub fn columns(&self) -> Vec<ColumnId> {
        self.cells().map(|cell| cell.column).collect()
    }

    /// The row without all columns but these.
    #[must_use]
    pub fn only(&self, is_kept: impl Fn(ColumnId) -> bool) -> Self {
        let mut out = Vec::with_capacity(self.0.len());
        let mut previous = ColumnId(0);
        for cell in self.cells().filter(|cell| is_kept(cell.column)) {
            put_cell(&mut out, previous, cell);
            previous = cell.column;
        }
        Self(out)
    }

    /// The columns, among some, in which two rows differ.
    pub fn differing(&self, other: &Self, among: &[ColumnId]) -> Vec<ColumnId> {
        if self == other {
            return Vec::new();
        }
        among.iter().copied().filter(|column| self.value(*column) != other.value(*column)).collect()
    }

    /// The encoded key of the row in its class.
    pub fn key(&self, plan: &KeyPlan) -> Result<Vec<u8>, KeyError> {
        let mut key = Vec::new();
        plan.key_of(&self.0, &mut key)?;
        Ok(key)
    }

    /// The key as people write it.
    pub fn key_text(&self, schema: &ClassSchema) -> String {
        let key = self.only(
            |column| matches!(&schema.key, strongroom_core::record::KeySpec::Columns(ids) if ids.contains(&column)),
        );
        key_text(schema, &key.0).ok().flatten().unwrap_or_default()
    }

    /// The value of one column as people see it.
    pub fn shown(&self, schema: &ClassSchema, column: ColumnId) -> FieldValue {
        let only = self.only(|other| other == column);
        let name = schema.column(column).map(|column| column.name.as_str());
        let fields = field_values(schema, &only.0, &[]).unwrap_or_default();
        fields.into_iter().find(|(field, _)| Some(*field) == name).map_or(FieldValue::Null, |(_, value)| value)
    }
}

/// The columns of a class's key; none for a keyless one.
pub fn key_columns(schema: &ClassSchema) -> &[ColumnId] {
    match &schema.key {
        strongroom_core::record::KeySpec::Columns(ids) => ids,
        strongroom_core::record::KeySpec::Keyless => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(u32, &str)]) -> Row {
        let mut out = Vec::new();
        let mut previous = ColumnId(0);
        for (column, text) in cells {
            let cell = Cell { column: ColumnId(*column), kind: CellKind::Canonical, bytes: text.as_bytes() };
            put_cell(&mut out, previous, cell);
            previous = ColumnId(*column);
        }
        Row::from_bytes(&out).unwrap()
    }

    #[test]
    fn rows_are_compared_column_by_column_and_null_is_a_value() {
        let (one, other) = (row(&[(1, "a"), (3, "c")]), row(&[(1, "a"), (2, "b"), (3, "d")]));
        let all = [1, 2, 3].map(ColumnId);
        assert_eq!(one.differing(&other, &all), [ColumnId(2), ColumnId(3)]);
        assert_eq!(one.differing(&other, &all[..1]), []);
        assert_eq!(other.only(|column| column.0 != 2).columns(), [ColumnId(1), ColumnId(3)]);
        assert_eq!(one.values(&all), None);
        assert_eq!(other.values(&all[1..2]).unwrap()[0].bytes, b"b");
    }

    #[test]
    fn a_large_value_comes_to_stand_in_the_row() {
        let mut reference = vec![7; 32];
        strongroom_core::codec::put_varint(&mut reference, 4);
        let mut record = Vec::new();
        put_cell(&mut record, ColumnId(0), Cell { column: ColumnId(2), kind: CellKind::TextBlob, bytes: &reference });
        let row = Row::new(&record, &[b"long".to_vec()]).unwrap();
        assert_eq!(row.value(ColumnId(2)), Some(Value { kind: CellKind::Text, bytes: b"long".to_vec() }));
        assert!(Row::new::<Vec<u8>>(&record, &[]).is_err());
    }
}
