//! Records: typed rows in one canonical byte form, their order-preserving keys and the schema that gives them meaning.
//!
//! A record is the list of its (column id, value) pairs without NULLs and without types; equal rows have equal bytes,
//! whatever engine state they were read from. The schema stands beside the records, never in them, so adding a column
//! changes no record.
//!
//! ```text
//! record  = cell*                          ascending column ids
//! cell    = varint(column id − previous id)  varint(value length << 2 | kind)  value
//! kind    = 0 canonical form of the column's codec · 1 the source's text as it is
//!           2, 3 reference to a blob that holds what 0 or 1 would
//! blob    = blob id (32)  varint(content length)
//! ```

mod cell;
mod civil;
mod encoder;
mod key;
mod schema;
mod value;

pub use cell::{Cell, CellKind, Cells, put_cell};
pub use encoder::{Encoded, LargeValue, RecordEncoder};
pub use key::{Key, KeyError, KeyPlan, keyless_key};
pub use schema::{ClassSchema, Column, ColumnId, KeySpec, Reference, SchemaError};
pub use value::{Codec, DynamicValue};
pub(crate) use value::{parse_integer, parse_uuid};
