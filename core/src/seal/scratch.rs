//! Keys for what a process spills to disk and reads back itself.
//!
//! A scratch key lives in one process and is never stored. Whoever seals gives each part a number of its own.

use zeroize::{Zeroize as _, Zeroizing};

use super::SealError;
use super::aead::{Aead, aead_overhead};
use crate::digest::Profile;
use crate::entropy::{Entropy, EntropyError, random_array};

const AAD: &[u8] = b"strongroom scratch v1";
const WHAT: &str = "scratch data";

/// A key that no other process will ever have.
pub struct ScratchKey(Aead);

impl ScratchKey {
    /// Draws a key.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, ScratchKeyError> {
        let mut bytes: Zeroizing<[u8; 32]> = Zeroizing::new(random_array(entropy)?);
        let aead = Aead::new(Profile::Blake3, &bytes)?;
        bytes.zeroize();
        Ok(Self(aead))
    }

    /// Seals part `number`, which must be new under this key, and appends the result.
    pub fn seal(&self, number: u64, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        self.0.seal_append(number, AAD, plaintext, out)
    }

    /// Opens part `number` in place; its plaintext is the first so many bytes.
    pub fn open(&self, number: u64, sealed: &mut [u8]) -> Result<usize, SealError> {
        let plain = self.0.open(number, AAD, sealed, WHAT)?;
        Ok(plain.len())
    }

    /// Bytes that sealing adds.
    pub const fn overhead() -> usize {
        aead_overhead(Profile::Blake3)
    }
}

/// No scratch key could be made.
#[derive(Debug, thiserror::Error)]
pub enum ScratchKeyError {
    /// No random bytes are to be had.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The cipher refused the key.
    #[error(transparent)]
    Seal(#[from] SealError),
}
