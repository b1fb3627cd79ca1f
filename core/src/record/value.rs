//! Codecs: how a column's values stand in records.
//!
//! A codec turns the source's canonical text into typed bytes where these are smaller and give the very same text
//! back; anything else keeps its text. The codec belongs to the schema, not to the value, except for engines whose
//! values carry their own storage class.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, put_varint, unzigzag, zigzag};

use super::civil;

/// How the values of a column are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// The source's text as it is.
    Text,
    /// A whole number of at most 64 bits: zigzag varint.
    Integer,
    /// A UUID in lower case with dashes: its 16 bytes.
    Uuid,
    /// A timestamp without zone: microseconds since 2000-01-01, 8 bytes, big-endian.
    Timestamp,
    /// A timestamp shown in UTC with `+00`: as above.
    TimestampZone,
    /// A date: days since 2000-01-01, 4 bytes, big-endian.
    Date,
    /// Bytes that the source shows as `\x` and lower-case hexadecimal digits.
    HexBytes,
    /// A value that carries its own storage class, see [`DynamicValue`].
    Dynamic,
}

/// A value of an engine in which each value has its own type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DynamicValue<'a> {
    /// A whole number.
    Integer(i64),
    /// A double, bit for bit.
    Real(f64),
    /// Text in whatever bytes the source holds, valid UTF-8 or not.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

impl<'a> DynamicValue<'a> {
    /// Appends the stored form: one byte of storage class, then the value.
    pub fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => {
                out.push(1);
                put_varint(out, zigzag(value));
            }
            Self::Real(value) => {
                out.push(2);
                out.extend_from_slice(&value.to_bits().to_be_bytes());
            }
            Self::Text(bytes) => {
                out.push(3);
                out.extend_from_slice(bytes);
            }
            Self::Blob(bytes) => {
                out.push(4);
                out.extend_from_slice(bytes);
            }
        }
    }

    /// Reads the stored form.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "dynamic value");
        let value = match reader.u8()? {
            1 => Self::Integer(unzigzag(reader.varint()?)),
            2 => Self::Real(f64::from_bits(reader.u64()?)),
            3 => return Ok(Self::Text(reader.rest())),
            4 => return Ok(Self::Blob(reader.rest())),
            _ => return Err(reader.malformed()),
        };
        reader.finish()?;
        Ok(value)
    }
}

impl Codec {
    /// The name that enters schema digests and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Uuid => "uuid",
            Self::Timestamp => "timestamp",
            Self::TimestampZone => "timestamp_zone",
            Self::Date => "date",
            Self::HexBytes => "hex_bytes",
            Self::Dynamic => "dynamic",
        }
    }

    /// Appends the typed form of a source text and says true, or appends nothing and says false when the text must be
    /// kept as it is.
    #[inline]
    pub fn encode(self, text: &[u8], out: &mut Vec<u8>) -> bool {
        match self {
            Self::Text | Self::Dynamic => out.extend_from_slice(text),
            Self::Integer => match parse_integer(text) {
                Some(value) => put_varint(out, zigzag(value)),
                None => return false,
            },
            Self::Uuid => match parse_uuid(text) {
                Some(bytes) => out.extend_from_slice(&bytes),
                None => return false,
            },
            Self::Timestamp | Self::TimestampZone => match civil::parse_timestamp(text, self == Self::TimestampZone) {
                Some(micros) => out.extend_from_slice(&micros.to_be_bytes()),
                None => return false,
            },
            Self::Date => match civil::parse_date(text) {
                Some(days) => out.extend_from_slice(&days.to_be_bytes()),
                None => return false,
            },
            Self::HexBytes => return encode_hex(text, out),
        }
        true
    }

    /// Appends the source's text of a typed form.
    pub fn decode(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut reader = Reader::new(bytes, self.name());
        match self {
            Self::Text => {
                out.extend_from_slice(bytes);
                return Ok(());
            }
            Self::Dynamic => return Err(Malformed::new("dynamic value where text was asked for")),
            Self::Integer => out.extend_from_slice(unzigzag(reader.varint()?).to_string().as_bytes()),
            Self::Uuid => put_uuid(out, &reader.array()?),
            Self::Timestamp | Self::TimestampZone => {
                civil::put_timestamp(out, i64::from_be_bytes(reader.array()?), self == Self::TimestampZone);
            }
            Self::Date => civil::put_date(out, i32::from_be_bytes(reader.array()?)),
            Self::HexBytes => {
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(hex::encode(bytes).as_bytes());
                return Ok(());
            }
        }
        reader.finish()
    }
}

/// Reads the only text that formatting the number gives: no plus, no leading zero, no "-0".
#[inline]
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let leading_zero = digits.first() == Some(&b'0');
    if digits.is_empty() || digits.len() > 19 || (leading_zero && (digits.len() > 1 || negative)) {
        return None;
    }
    let mut value = 0_u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// The value of a lower-case hexadecimal digit; 0xff for anything else.
#[expect(clippy::indexing_slicing, reason = "a byte is an index of 256 entries, and the table is made at compile time")]
const HEX_VALUE: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut value = 0_u8;
    while value < 16 {
        let digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
        table[digit as usize] = value;
        value += 1;
    }
    table
};

#[inline]
#[expect(clippy::indexing_slicing, reason = "a byte is an index of 256 entries")]
fn hex_value(digit: u8) -> u8 {
    HEX_VALUE[usize::from(digit)]
}

#[inline]
fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let (high, low) = (hex_value(high), hex_value(low));
    (high | low != 0xff && high < 16 && low < 16).then_some(high << 4 | low)
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "the text has 36 bytes, and the last pair of digits starts at 34")]
pub(crate) fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    const STARTS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let text: &[u8; 36] = text.try_into().ok()?;
    if text[8] != b'-' || text[13] != b'-' || text[18] != b'-' || text[23] != b'-' {
        return None;
    }
    let mut out = [0; 16];
    let mut bad = 0_u8;
    for (byte, start) in out.iter_mut().zip(STARTS) {
        let (high, low) = (hex_value(text[start]), hex_value(text[start + 1]));
        bad |= high | low;
        *byte = high << 4 | (low & 0x0f);
    }
    (bad < 16).then_some(out)
}

fn put_uuid(out: &mut Vec<u8>, bytes: &[u8; 16]) {
    let text = hex::encode(bytes);
    for (at, part) in [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].into_iter().enumerate() {
        if at > 0 {
            out.push(b'-');
        }
        out.extend_from_slice(text.get(part.0..part.1).unwrap_or_default().as_bytes());
    }
}

fn encode_hex(text: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(digits) = text.strip_prefix(b"\\x") else { return false };
    let (pairs, rest) = digits.as_chunks::<2>();
    let start = out.len();
    for [high, low] in pairs {
        let Some(byte) = hex_pair(*high, *low) else {
            out.truncate(start);
            return false;
        };
        out.push(byte);
    }
    if !rest.is_empty() {
        out.truncate(start);
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(codec: Codec, text: &[u8]) -> Option<Vec<u8>> {
        let mut typed = Vec::new();
        codec.encode(text, &mut typed).then(|| {
            let mut back = Vec::new();
            codec.decode(&typed, &mut back).unwrap();
            back
        })
    }

    #[test]
    fn a_typed_form_always_gives_the_same_text_back() {
        for (codec, text) in [
            (Codec::Integer, "0"),
            (Codec::Integer, "-9223372036854775808"),
            (Codec::Integer, "9223372036854775807"),
            (Codec::Uuid, "00112233-4455-6677-8899-aabbccddeeff"),
            (Codec::HexBytes, "\\x00ff10"),
            (Codec::HexBytes, "\\x"),
            (Codec::Date, "2024-02-29"),
            (Codec::Date, "infinity"),
            (Codec::Timestamp, "-infinity"),
        ] {
            assert_eq!(through(codec, text.as_bytes()).as_deref(), Some(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_is_not_canonical_stays_text() {
        for (codec, text) in [
            (Codec::Integer, "-0"),
            (Codec::Integer, "007"),
            (Codec::Integer, "+1"),
            (Codec::Integer, ""),
            (Codec::Integer, "9223372036854775808"),
            (Codec::Integer, "NaN"),
            (Codec::Uuid, "00112233-4455-6677-8899-AABBCCDDEEFF"),
            (Codec::Uuid, "00112233445566778899aabbccddeeff"),
            (Codec::HexBytes, "\\xABCD"),
            (Codec::HexBytes, "\\xabc"),
            (Codec::HexBytes, "abc"),
        ] {
            assert_eq!(through(codec, text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_any_codec(text in ".{0,60}", codec in prop::sample::select(vec![Codec::Integer, Codec::Uuid,
            Codec::Timestamp, Codec::TimestampZone, Codec::Date, Codec::HexBytes, Codec::Text])) {
            if let Some(back) = through(codec, text.as_bytes()) {
                prop_assert_eq!(back, text.as_bytes());
            }
        }

        #[test]
        fn dynamic_values_round_trip_bit_for_bit(integer: i64, bits: u64, bytes: Vec<u8>) {
            for value in [DynamicValue::Integer(integer), DynamicValue::Real(f64::from_bits(bits)),
                DynamicValue::Text(&bytes), DynamicValue::Blob(&bytes)] {
                let mut out = Vec::new();
                value.encode(&mut out);
                let mut again = Vec::new();
                DynamicValue::decode(&out).unwrap().encode(&mut again);
                prop_assert_eq!(out, again);
            }
        }
    }
}
