//! Authenticated encryption under a data key: AES-256-GCM.
//!
//! BLAKE3 profile: the nonce is the 12-byte big-endian part number, stored nowhere. FIPS profile: the module draws the
//! nonce itself and it stands in front of the ciphertext. In both, the part number is in the associated data as well.
//!
//! Invariant: a data key is made inside a writer, which counts its parts and is consumed when the pack ends. What comes
//! out of a writer, or out of a wrap, is an [`OpeningKey`], and no writer takes one: so a key never meets two plaintexts
//! under one nonce.

use aws_lc_rs::aead::{self, AES_256_GCM, LessSafeKey, NONCE_LEN, Nonce, RandomizedNonceKey, UnboundKey};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::SealError;
use crate::digest::Profile;

const TAG_LEN: usize = 16;

/// A data key that can only open. It is as secret as what it opens.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OpeningKey([u8; 32]);

impl OpeningKey {
    /// A key that was unwrapped, or handed over by a custodian.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret, for wrapping and handing over only.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Bytes that sealing adds to a plaintext.
pub(crate) const fn aead_overhead(profile: Profile) -> usize {
    match profile {
        Profile::Blake3 => TAG_LEN,
        Profile::Fips => NONCE_LEN + TAG_LEN,
    }
}

/// The cipher of one data key.
pub(crate) enum Aead {
    Counter(LessSafeKey),
    Random(RandomizedNonceKey),
}

impl Aead {
    pub(crate) fn new(profile: Profile, key: &[u8; 32]) -> Result<Self, SealError> {
        let refused = |_| SealError::Refused { action: "make a key" };
        Ok(match profile {
            Profile::Blake3 => Self::Counter(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(refused)?)),
            Profile::Fips => Self::Random(RandomizedNonceKey::new(&AES_256_GCM, key).map_err(refused)?),
        })
    }

    /// Seals `plaintext` as part `number` and appends the result.
    pub(crate) fn seal_append(
        &self,
        number: u64,
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let refused = || SealError::Refused { action: "seal" };
        out.reserve(plaintext.len() + NONCE_LEN + TAG_LEN);
        let start = out.len();
        let aad = aead::Aad::from(aad);
        let tag = match self {
            Self::Counter(key) => {
                out.extend_from_slice(plaintext);
                let body = out.get_mut(start..).ok_or_else(refused)?;
                key.seal_in_place_separate_tag(counter_nonce(number), aad, body).map_err(|_| refused())?
            }
            Self::Random(key) => {
                out.extend_from_slice(&[0; NONCE_LEN]);
                out.extend_from_slice(plaintext);
                let sealed = out.get_mut(start..).ok_or_else(refused)?;
                let (front, body) = sealed.split_at_mut_checked(NONCE_LEN).ok_or_else(refused)?;
                let (nonce, tag) = key.seal_in_place_separate_tag(aad, body).map_err(|_| refused())?;
                front.copy_from_slice(nonce.as_ref());
                tag
            }
        };
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens part `number` in place.
    pub(crate) fn open<'a>(
        &self,
        number: u64,
        aad: &[u8],
        sealed: &'a mut [u8],
        what: &'static str,
    ) -> Result<&'a mut [u8], SealError> {
        let damaged = || SealError::Damaged { what };
        let aad = aead::Aad::from(aad);
        match self {
            Self::Counter(key) => key.open_in_place(counter_nonce(number), aad, sealed).map_err(|_| damaged()),
            Self::Random(key) => {
                let (nonce, body) = sealed.split_first_chunk_mut::<NONCE_LEN>().ok_or_else(damaged)?;
                key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, body).map_err(|_| damaged())
            }
        }
    }
}

fn counter_nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    for (to, from) in nonce.iter_mut().skip(NONCE_LEN - 8).zip(number.to_be_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_its_own_part_in_both_profiles() {
        for profile in [Profile::Blake3, Profile::Fips] {
            let aead = Aead::new(profile, &[7; 32]).unwrap();
            let mut sealed = Vec::new();
            aead.seal_append(3, b"context", b"rows", &mut sealed).unwrap();
            assert_eq!(sealed.len(), 4 + aead_overhead(profile));
            assert_eq!(aead.open(3, b"context", &mut sealed.clone(), "x").unwrap(), b"rows");
            assert!(aead.open(3, b"other", &mut sealed.clone(), "x").is_err());
            if profile == Profile::Blake3 {
                assert!(aead.open(4, b"context", &mut sealed.clone(), "x").is_err());
            }
            for at in 0..sealed.len() {
                let mut flipped = sealed.clone();
                flipped[at] ^= 1;
                assert!(aead.open(3, b"context", &mut flipped, "x").is_err());
            }
        }
    }
}
