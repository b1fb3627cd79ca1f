//! The text form of `COPY`: fields apart by tabs, records by line ends, what means something else behind a backslash.

use std::io::{self, Write};

use strongroom_agent::view::FieldValue;

/// Writes one field.
pub(super) fn put_field(out: &mut dyn Write, value: &FieldValue) -> io::Result<()> {
    match value {
        FieldValue::Null => out.write_all(b"\\N"),
        FieldValue::Text(text) => put_escaped(out, text.as_bytes()),
        FieldValue::Bytes(bytes) => put_escaped(out, bytes),
        FieldValue::Integer(number) => write!(out, "{number}"),
        FieldValue::Real(number) => write!(out, "{number:?}"),
    }
}

fn put_escaped(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'\\' => b"\\\\",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => continue,
        };
        out.write_all(bytes.get(start..at).unwrap_or_default())?;
        out.write_all(escape)?;
        start = at + 1;
    }
    out.write_all(bytes.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_taken_for_null_or_a_border() {
        let mut out = Vec::new();
        for value in ["\\N", "a\tb\nc\r\\.", ""] {
            put_field(&mut out, &FieldValue::Text(value.into())).unwrap();
            out.push(b'|');
        }
        put_field(&mut out, &FieldValue::Null).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\\\\N|a\\tb\\nc\\r\\\\.||\\N");
    }
}
