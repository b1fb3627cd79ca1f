//! Text of UTF-16 databases, without loss.
//!
//! SQLite turns unpaired surrogates into U+FFFD when it is asked for UTF-8. So the raw units are read instead, and held
//! as UTF-8 in which an unpaired surrogate has the three bytes that the scheme would give it. Each sequence of units has
//! one such form, and each form leads back to the units.

/// The order of bytes in a UTF-16 database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// UTF-16le.
    Little,
    /// UTF-16be.
    Big,
}

impl ByteOrder {
    /// The order behind what `PRAGMA encoding` says; nothing for UTF-8.
    pub(super) fn of_encoding(encoding: &str) -> Option<Self> {
        match encoding {
            "UTF-16le" => Some(Self::Little),
            "UTF-16be" => Some(Self::Big),
            _ => None,
        }
    }

    const fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    const fn bytes(self, unit: u16) -> [u8; 2] {
        match self {
            Self::Little => unit.to_le_bytes(),
            Self::Big => unit.to_be_bytes(),
        }
    }

    /// Appends the held form of raw text. SQLite never stores half a unit.
    pub(super) fn hold(self, raw: &[u8], out: &mut Vec<u8>) {
        let (pairs, _) = raw.as_chunks::<2>();
        for decoded in char::decode_utf16(pairs.iter().map(|pair| self.unit(*pair))) {
            match decoded {
                Ok(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(unpaired) => {
                    let [high, low] = unpaired.unpaired_surrogate().to_be_bytes();
                    out.extend_from_slice(&[0xe0 | high >> 4, 0x80 | (high & 0x0f) << 2 | low >> 6, 0x80 | low & 0x3f]);
                }
            }
        }
    }

    /// The raw text of a held form that is no valid UTF-8; nothing if it is not a held form at all.
    pub(super) fn restore(self, held: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(held.len() * 2);
        let mut rest = held;
        while !rest.is_empty() {
            let valid = match std::str::from_utf8(rest) {
                Ok(all) => all,
                Err(error) => std::str::from_utf8(rest.get(..error.valid_up_to())?).ok()?,
            };
            for unit in valid.encode_utf16() {
                out.extend_from_slice(&self.bytes(unit));
            }
            rest = rest.get(valid.len()..)?;
            if let [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, tail @ ..] = rest {
                let unit = 0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f);
                out.extend_from_slice(&self.bytes(unit));
                rest = tail;
            } else if !rest.is_empty() {
                return None;
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_units_survive_in_either_order(units: Vec<u16>, big: bool) {
            let order = if big { ByteOrder::Big } else { ByteOrder::Little };
            let raw: Vec<u8> = units.iter().flat_map(|unit| order.bytes(*unit)).collect();
            let mut held = Vec::new();
            order.hold(&raw, &mut held);
            prop_assert_eq!(order.restore(&held), Some(raw));
        }

        #[test]
        fn valid_text_is_held_as_its_utf8(text: String) {
            let raw: Vec<u8> = text.encode_utf16().flat_map(|unit| ByteOrder::Little.bytes(unit)).collect();
            let mut held = Vec::new();
            ByteOrder::Little.hold(&raw, &mut held);
            prop_assert_eq!(held, text.into_bytes());
        }
    }

    #[test]
    fn bytes_that_no_units_give_are_not_taken() {
        assert_eq!(ByteOrder::Little.restore(b"a\xff"), None);
    }
}
