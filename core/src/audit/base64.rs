//! Base64 as signed notes carry it: the standard alphabet with padding (RFC 4648 §4), one text for each run of bytes.
//!
//! Texts with unused bits set, without padding or with anything else in them are refused, so that no byte of a note can
//! be changed without changing what it says.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            out.push(if digit > group.len() { '=' } else { symbol(bits >> (18 - 6 * digit)) });
        }
    }
    out
}

#[expect(clippy::indexing_slicing, reason = "six bits are below 64")]
fn symbol(bits: u32) -> char {
    char::from(ALPHABET[(bits & 63) as usize])
}

/// The bytes of a text, if it is the text of some.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let (groups, []) = text.as_bytes().as_chunks::<4>() else { return None };
    let mut out = Vec::with_capacity(groups.len() * 3);
    for (number, group) in groups.iter().enumerate() {
        let is_last = number + 1 == groups.len();
        let (digits, len) = match group {
            [a, b, b'=', b'='] if is_last => ([*a, *b, b'A', b'A'], 1),
            [a, b, c, b'='] if is_last => ([*a, *b, *c, b'A'], 2),
            _ => (*group, 3),
        };
        let mut bits = 0;
        for digit in digits {
            bits = bits << 6 | value(digit)?;
        }
        let [_, bytes @ ..] = u32::to_be_bytes(bits);
        let (kept, unused) = bytes.split_at(len);
        if unused.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(out)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 4648 §10.
    #[test]
    fn texts_are_those_of_the_rfc() {
        let vectors = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")];
        for (bytes, text) in vectors.into_iter().chain([("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]) {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let wrong = ["Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "=g==", "Z===", "====", "Zm-v", "Zm 9", "Zm9v\n", "Zmé"];
        for text in wrong {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn a_text_that_is_read_is_the_only_one(text in "[A-Za-z0-9+/=]{0,12}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
