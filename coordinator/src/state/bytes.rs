//! Opaque bytes that the state may hold, each kind with its length.
//!
//! Owns the bounds. Bytes of another length can't be decoded, so a command that holds them is rejected whole.

use serde::{Deserialize, Serialize};

/// Bytes that are not as long as they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} does not take {bytes} bytes")]
pub struct BytesOutOfForm {
    what: &'static str,
    bytes: usize,
}

macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $what:literal, $len:pat) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
        pub struct $name(Box<[u8]>);

        impl $name {
            /// The bytes, if there are as many as there should be.
            pub fn new(bytes: &[u8]) -> Result<Self, BytesOutOfForm> {
                match bytes.len() {
                    $len => Ok(Self(bytes.into())),
                    bytes => Err(BytesOutOfForm { what: $what, bytes }),
                }
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<Vec<u8>> for $name {
            type Error = BytesOutOfForm;

            fn try_from(bytes: Vec<u8>) -> Result<Self, BytesOutOfForm> {
                Self::new(&bytes)
            }
        }

        impl From<$name> for Vec<u8> {
            fn from(bytes: $name) -> Self {
                bytes.0.into()
            }
        }
    };
}

bytes!(
    /// A key that checks signatures: 32 bytes of Ed25519, or an uncompressed point of P-256.
    PublicKey,
    "a public key",
    32 | 65
);
bytes!(
    /// A signature in either profile. Whoever proposed the command has checked it.
    Signature,
    "a signature",
    64
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_another_length_are_not_decoded() {
        for (len, fits) in [(31, false), (32, true), (64, false), (65, true)] {
            let bytes = postcard::to_stdvec(&vec![7_u8; len]).unwrap();
            assert_eq!(postcard::from_bytes::<PublicKey>(&bytes).is_ok(), fits, "{len} bytes");
        }
    }
}
