//! From records to `COPY … FROM STDIN` in binary form, for tables whose types all have a simple one.
//!
//! Reading text costs the server about a third of a load, and records hold most values in the very form that it wants
//! to have. What type a column has is told by the name of its receive function, which also holds for domains and for
//! types of extensions. A value that does not fit its form is not forced: its row goes as text.
//!
//! ```text
//!   head   PGCOPY \n FF \r \n 00, flags 0, extension 0
//!   row    number of fields (i16) · each: length (i32, −1 for NULL), bytes
//!   tail   −1 (i16)
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use strongroom_core::codec::{Malformed, Reader, unzigzag};
use strongroom_core::record::{Cell, CellKind, Cells, ClassSchema, Codec};

use crate::target::FeedRecord;

use super::numeric::put_numeric;

/// What a binary `COPY` begins with.
pub(super) const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What a binary `COPY` ends with.
pub(super) const TAIL: &[u8] = &[0xff, 0xff];

/// How a type is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The text itself.
    Text,
    /// A version byte and the text.
    Versioned,
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Inet,
    Mac,
    /// The record's own bytes: uuid, timestamps, dates, bytea.
    Typed,
}

impl Form {
    fn of(receive: &str, codec: Codec) -> Option<Self> {
        let function = receive.rsplit('.').next().unwrap_or_default();
        let form = match function {
            "textrecv" | "varcharrecv" | "bpcharrecv" | "citextrecv" | "json_recv" | "enum_recv" | "namerecv" => {
                Self::Text
            }
            "jsonb_recv" | "ltree_recv" => Self::Versioned,
            "boolrecv" => Self::Bool,
            "int2recv" => Self::Int2,
            "int4recv" => Self::Int4,
            "int8recv" => Self::Int8,
            "float4recv" => Self::Float4,
            "float8recv" => Self::Float8,
            "numeric_recv" => Self::Numeric,
            "inet_recv" | "cidr_recv" => Self::Inet,
            "macaddr_recv" => Self::Mac,
            "uuid_recv" | "timestamp_recv" | "timestamptz_recv" | "date_recv" | "bytearecv" => Self::Typed,
            _ => return None,
        };
        let is_integer = matches!(form, Self::Int2 | Self::Int4 | Self::Int8);
        let fits = match codec {
            Codec::Integer => is_integer,
            Codec::Text => !is_integer && form != Self::Typed,
            Codec::Dynamic => false,
            _ => form == Self::Typed,
        };
        fits.then_some(form)
    }
}

/// Writes the rows of one class.
pub(super) struct BinaryFormat<'a> {
    schema: &'a ClassSchema,
    forms: Vec<Form>,
    fields: i16,
}

impl<'a> BinaryFormat<'a> {
    /// The binary form of a class, if all its columns have one. `receive` names their receive functions.
    pub(super) fn new(schema: &'a ClassSchema, receive: &[&str]) -> Option<Self> {
        let columns = schema.columns.iter().zip(receive);
        let forms: Vec<Form> =
            columns.map(|(column, receive)| Form::of(receive, column.codec)).collect::<Option<_>>()?;
        let is_complete = forms.len() == schema.columns.len();
        let fields = i16::try_from(forms.len()).ok().filter(|_| is_complete)?;
        Some(Self { schema, forms, fields })
    }

    /// Appends a record and says true, or appends nothing and says false if a value needs its text.
    pub(super) fn put(&self, record: &FeedRecord<'_>, out: &mut Vec<u8>) -> Result<bool, Malformed> {
        let start = out.len();
        out.extend_from_slice(&self.fields.to_be_bytes());
        let mut cells = Cells::new(record.record);
        let mut large = record.large.iter();
        let mut next = cells.next_cell()?;
        for (column, form) in self.schema.columns.iter().zip(&self.forms) {
            let Some(cell) = next.filter(|cell| cell.column == column.id) else {
                out.extend_from_slice(&(-1_i32).to_be_bytes());
                continue;
            };
            if !put_cell(cell, column.codec, *form, &mut large, out)? {
                out.truncate(start);
                return Ok(false);
            }
            next = cells.next_cell()?;
        }
        match next {
            Some(_) => Err(Malformed::new("a cell of a column that the schema lacks")),
            None => Ok(true),
        }
    }
}

fn put_cell(
    cell: Cell<'_>,
    codec: Codec,
    form: Form,
    large: &mut std::slice::Iter<'_, Vec<u8>>,
    out: &mut Vec<u8>,
) -> Result<bool, Malformed> {
    let bytes = match cell.kind {
        CellKind::Canonical | CellKind::Text => cell.bytes,
        CellKind::Blob | CellKind::TextBlob => large.next().ok_or(Malformed::new("a large value is missing"))?,
    };
    if cell.kind.out_of_blob() == CellKind::Text && codec != Codec::Text {
        return Ok(false);
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let fits = match form {
        Form::Int2 | Form::Int4 | Form::Int8 => {
            let mut reader = Reader::new(bytes, "integer");
            put_integer(unzigzag(reader.varint()?), form, out)
        }
        _ => put_value(bytes, form, out).is_some(),
    };
    let len = i32::try_from(out.len() - start - 4);
    let (true, Ok(len)) = (fits, len) else { return Ok(false) };
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&len.to_be_bytes());
    }
    Ok(true)
}

fn put_integer(value: i64, form: Form, out: &mut Vec<u8>) -> bool {
    match form {
        Form::Int2 => i16::try_from(value).map(|value| out.extend_from_slice(&value.to_be_bytes())).is_ok(),
        Form::Int4 => i32::try_from(value).map(|value| out.extend_from_slice(&value.to_be_bytes())).is_ok(),
        _ => {
            out.extend_from_slice(&value.to_be_bytes());
            true
        }
    }
}

fn put_value(bytes: &[u8], form: Form, out: &mut Vec<u8>) -> Option<()> {
    match form {
        Form::Versioned => {
            out.push(1);
            out.extend_from_slice(bytes);
        }
        Form::Bool => match bytes {
            b"t" => out.push(1),
            b"f" => out.push(0),
            _ => return None,
        },
        Form::Float4 => out.extend_from_slice(&parsed::<f32>(bytes)?.to_be_bytes()),
        Form::Float8 => out.extend_from_slice(&parsed::<f64>(bytes)?.to_be_bytes()),
        Form::Numeric => put_numeric(std::str::from_utf8(bytes).ok()?, out)?,
        Form::Inet => put_inet(std::str::from_utf8(bytes).ok()?, out)?,
        Form::Mac => {
            let mut parts = std::str::from_utf8(bytes).ok()?.split(':');
            let octets: Vec<u8> =
                parts.by_ref().map(|part| u8::from_str_radix(part, 16)).collect::<Result<_, _>>().ok()?;
            out.extend_from_slice(&<[u8; 6]>::try_from(octets).ok()?);
        }
        _ => out.extend_from_slice(bytes),
    }
    Some(())
}

fn parsed<T: FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Family, bits, whether it is a network (which the server sees from the column), length, address.
fn put_inet(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let bits = bits.map(str::parse::<u8>).transpose().ok()?;
    if let Ok(address) = Ipv4Addr::from_str(address) {
        out.extend_from_slice(&[2, bits.unwrap_or(32), 0, 4]);
        out.extend_from_slice(&address.octets());
    } else {
        let address = Ipv6Addr::from_str(address).ok()?;
        out.extend_from_slice(&[3, bits.unwrap_or(128), 0, 16]);
        out.extend_from_slice(&address.octets());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(form: Form, text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        put_value(text.as_bytes(), form, &mut out).map(|()| out)
    }

    #[test]
    fn values_take_the_form_that_the_server_reads() {
        assert_eq!(value(Form::Bool, "t"), Some(vec![1]));
        assert_eq!(value(Form::Bool, "true"), None);
        assert_eq!(value(Form::Float8, "-0"), Some((-0.0_f64).to_be_bytes().to_vec()));
        assert_eq!(value(Form::Float8, "Infinity"), Some(f64::INFINITY.to_be_bytes().to_vec()));
        assert_eq!(value(Form::Inet, "10.1.2.3/8"), Some(vec![2, 8, 0, 4, 10, 1, 2, 3]));
        assert_eq!(value(Form::Inet, "::1").map(|v| v.len()), Some(20));
        assert_eq!(value(Form::Inet, "10/8"), None);
        assert_eq!(value(Form::Mac, "08:00:2b:01:02:03"), Some(vec![8, 0, 0x2b, 1, 2, 3]));
        assert_eq!(value(Form::Mac, "08:00:2b:01:02"), None);
        assert_eq!(value(Form::Versioned, "{}"), Some(b"\x01{}".to_vec()));
    }

    #[test]
    fn a_form_must_suit_the_codec() {
        assert_eq!(Form::of("uuid_recv", Codec::Uuid), Some(Form::Typed));
        assert_eq!(Form::of("uuid_recv", Codec::Text), None);
        assert_eq!(Form::of("int4recv", Codec::Integer), Some(Form::Int4));
        assert_eq!(Form::of("public.citextrecv", Codec::Text), Some(Form::Text));
        assert_eq!(Form::of("array_recv", Codec::Text), None);
    }
}
