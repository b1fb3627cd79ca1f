//! What a value says, whatever form it is held in: the form in which a reference meets its target.
//!
//! `5`, `'5'` and `5.0` are one key to whoever follows a reference by hand, and so is a UUID as text. Values of several
//! columns make a tuple. A tuple keeps what it needs to become cells of the target again; only its digest leaves out
//! what an engine would not compare.
//!
//! ```text
//! 01 i64                     a whole number        02 16 bytes           a UUID
//! 03 varint(length) bytes    text                  04 varint(length) bytes   text compared without case
//! 05 varint(length) bytes    bytes
//! ```

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::codec::{Malformed, Reader, put_bytes};
use crate::record::{Cell, CellKind, Codec, Column, DynamicValue, parse_integer, parse_uuid};

/// How the values of a column are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    codec: Codec,
    habit: Habit,
}

/// What an engine leaves out when it compares values of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Nothing.
    Exact,
    /// The case of letters.
    Case,
    /// Spaces at the end.
    Padding,
    /// How many digits a fraction is written with.
    Fraction,
}

impl Reading {
    /// How the values of a column are to be read.
    pub(super) fn of(column: &Column) -> Self {
        let declared = column.source_type.to_ascii_lowercase();
        let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| declared.starts_with(beginning));
        let habit = match column.codec {
            Codec::Dynamic => Habit::Exact,
            _ if declared.ends_with("citext") => Habit::Case,
            _ if starts(&["character(", "bpchar", "char("]) => Habit::Padding,
            _ if starts(&["numeric", "decimal", "double", "real"]) => Habit::Fraction,
            _ => Habit::Exact,
        };
        Self { codec: column.codec, habit }
    }

    /// Appends what a cell says. Says false, and appends nothing, where it stands in a blob: no key does.
    pub(super) fn put(self, cell: &Cell<'_>, out: &mut Vec<u8>) -> Result<bool, Malformed> {
        match (cell.kind, self.codec) {
            (CellKind::Blob | CellKind::TextBlob, _) => return Ok(false),
            (CellKind::Canonical, Codec::Integer) => {
                let mut reader = Reader::new(cell.bytes, "integer");
                put_integer(out, crate::codec::unzigzag(reader.varint()?));
            }
            (CellKind::Canonical, Codec::Uuid) => put_uuid(out, Reader::new(cell.bytes, "uuid").array()?),
            (CellKind::Canonical, Codec::HexBytes) => put_tagged(out, 5, cell.bytes),
            (CellKind::Canonical, Codec::Dynamic) => put_dynamic(out, DynamicValue::decode(cell.bytes)?),
            (CellKind::Text, _) | (CellKind::Canonical, Codec::Text) => self.put_text(out, cell.bytes),
            (CellKind::Canonical, codec) => {
                let mut text = Vec::new();
                codec.decode(cell.bytes, &mut text)?;
                put_text(out, &text);
            }
        }
        Ok(true)
    }

    /// The text of a document that a cell holds in itself.
    pub(super) fn document<'c>(self, cell: &Cell<'c>) -> Result<&'c [u8], Malformed> {
        if self.codec != Codec::Dynamic || cell.kind == CellKind::Text {
            return Ok(cell.bytes);
        }
        Ok(match DynamicValue::decode(cell.bytes)? {
            DynamicValue::Text(bytes) | DynamicValue::Blob(bytes) => bytes,
            DynamicValue::Integer(_) | DynamicValue::Real(_) => &[],
        })
    }

    fn put_text(self, out: &mut Vec<u8>, text: &[u8]) {
        match self.habit {
            Habit::Exact => put_text(out, text),
            Habit::Case => put_tagged(out, 4, text),
            Habit::Padding => put_text(out, text.trim_ascii_end()),
            Habit::Fraction => put_text(out, without_zeros(text)),
        }
    }
}

/// A decimal number without zeros at the end of its fraction.
fn without_zeros(text: &[u8]) -> &[u8] {
    let has_fraction = text.contains(&b'.') && !text.contains(&b'e');
    let end = |zero: u8| move |byte: &u8| *byte != zero;
    if !has_fraction {
        return text;
    }
    let kept = text.iter().rposition(end(b'0')).map_or(0, |at| at + 1);
    let kept = text.get(..kept).unwrap_or(text);
    kept.strip_suffix(b".").unwrap_or(kept)
}

/// Appends what a text says.
pub(super) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    if let Some(number) = parse_integer(text) {
        put_integer(out, number);
    } else if let Some(uuid) = parse_uuid(text) {
        put_uuid(out, uuid);
    } else {
        put_tagged(out, 3, text);
    }
}

/// Appends what a whole number says.
pub(super) fn put_integer(out: &mut Vec<u8>, value: i64) {
    out.push(1);
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_uuid(out: &mut Vec<u8>, uuid: [u8; 16]) {
    out.push(2);
    out.extend_from_slice(&uuid);
}

fn put_tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_bytes(out, bytes);
}

fn put_dynamic(out: &mut Vec<u8>, value: DynamicValue<'_>) {
    match value {
        DynamicValue::Integer(value) => put_integer(out, value),
        DynamicValue::Real(value) => put_text(out, number_text(value).as_bytes()),
        DynamicValue::Text(text) => put_text(out, text),
        DynamicValue::Blob(bytes) => put_tagged(out, 5, bytes),
    }
}

/// A double as text; one without a fraction as a whole number.
fn number_text(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:?}") }
}

/// One value of a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// A whole number.
    Integer(i64),
    /// A UUID.
    Uuid([u8; 16]),
    /// Text, and whether letters are compared without case.
    Text(&'a [u8], bool),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl Said<'_> {
    /// The value as a source would write it.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            // Sixteen bytes are a UUID.
            Self::Uuid(uuid) => drop(Codec::Uuid.decode(uuid, &mut out)),
            Self::Text(text, _) => out.extend_from_slice(text),
            Self::Bytes(bytes) => drop(Codec::HexBytes.decode(bytes, &mut out)),
        }
        out
    }
}

/// A walk over the values of a tuple.
pub(super) struct Values<'a>(Reader<'a>);

impl<'a> Values<'a> {
    /// A walk from the first value on.
    pub(super) const fn new(tuple: &'a [u8]) -> Self {
        Self(Reader::new(tuple, "tuple"))
    }

    fn next_value(&mut self) -> Result<Option<Said<'a>>, Malformed> {
        let reader = &mut self.0;
        if reader.is_empty() {
            return Ok(None);
        }
        Ok(Some(match reader.u8()? {
            1 => Said::Integer(i64::from_be_bytes(reader.array()?)),
            2 => Said::Uuid(reader.array()?),
            3 => Said::Text(reader.bytes()?, false),
            4 => Said::Text(reader.bytes()?, true),
            5 => Said::Bytes(reader.bytes()?),
            _ => return Err(reader.malformed()),
        }))
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Said<'a>;

    /// Tuples are made here and nowhere else, so one that is malformed merely ends.
    fn next(&mut self) -> Option<Said<'a>> {
        self.next_value().ok().flatten()
    }
}

/// The values of a tuple as people read them, joined by commas.
pub fn tuple_text(tuple: &[u8]) -> String {
    let texts = Values::new(tuple).map(|said| String::from_utf8_lossy(&said.text()).into_owned());
    texts.collect::<Vec<_>>().join(",")
}

/// The key under which tuples of one run are digested. It should be drawn at random: who knows it can make tuples that
/// meet.
#[derive(Clone, Copy, Debug)]
pub struct TupleKey(pub [u8; 16]);

impl TupleKey {
    /// A digest over bytes that are no tuple.
    pub fn digest_bytes(&self, domain: u64, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&domain.to_be_bytes());
        hasher.write(bytes);
        hasher.finish()
    }

    /// A digest over a tuple, within a domain of its own: equal tuples have equal digests.
    pub fn digest(&self, domain: u64, tuple: &[u8]) -> u64 {
        if Values::new(tuple).any(|said| matches!(said, Said::Text(_, true))) {
            let mut folded = Vec::new();
            for said in Values::new(tuple) {
                put_text(&mut folded, String::from_utf8_lossy(&said.text()).to_lowercase().as_bytes());
            }
            self.digest_bytes(domain, &folded)
        } else {
            self.digest_bytes(domain, tuple)
        }
    }
}
