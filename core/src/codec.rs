//! The byte primitives that all formats share: varints, and a reader that checks every bound.
//!
//! Varints are LEB128 of at most ten bytes, in their shortest form only: one value has one encoding. Nothing here
//! allocates by a length that it has not checked against the bytes at hand.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that do not follow the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}")]
pub struct Malformed {
    /// The part of the format that the bytes break.
    pub what: &'static str,
}

impl Malformed {
    /// An error that names the part.
    pub const fn new(what: &'static str) -> Self {
        Self { what }
    }
}

/// Bytes that stand in a document as lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Appends a varint.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "each byte takes the low seven bits, and the last takes what is left"
)]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length, then the bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Maps signed to unsigned so that small magnitudes stay short.
#[inline]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Undoes [`zigzag`].
#[inline]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// A cursor over untrusted bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; errors say that `what` is malformed.
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The error of this reader, for checks that the caller makes.
    pub const fn malformed(&self) -> Malformed {
        Malformed::new(self.what)
    }

    /// Bytes not yet read.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether all is read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes not yet read, left unread.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(self.malformed())?;
        self.rest = tail;
        Ok(head)
    }

    /// Takes an array.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(self.malformed())?;
        self.rest = tail;
        Ok(*head)
    }

    /// Takes one byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// Takes a big-endian number.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Takes a big-endian number.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Takes a big-endian number.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Takes a varint in its shortest form.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(self.malformed())
    }

    /// Takes a varint that counts things of at least one byte each, so it can't exceed what is left.
    #[inline]
    pub fn count(&mut self) -> Result<usize, Malformed> {
        self.bounded(self.rest.len() as u64)
    }

    /// Takes a varint that is at most `max`.
    #[inline]
    pub fn bounded(&mut self, max: u64) -> Result<usize, Malformed> {
        let value = self.varint()?;
        if value > max {
            return Err(self.malformed());
        }
        usize::try_from(value).map_err(|_| self.malformed())
    }

    /// Takes bytes behind their length.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.count()?;
        self.take(len)
    }

    /// Ends the reading: nothing may be left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }
}
