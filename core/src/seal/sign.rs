//! Signatures of manifest heads: Ed25519 in the BLAKE3 profile, ECDSA over P-256 with SHA-256 in the FIPS profile.
//!
//! A signing key belongs to one source on one host and comes from 32 injected random bytes. Ed25519 signatures are a
//! function of key and message; the FIPS module draws the nonce of an ECDSA signature itself.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    UnparsedPublicKey,
};

use super::{SealError, hpke, keys::public_key_id};
use crate::digest::Profile;
use crate::id::KeyId;

/// Length of a signature in both profiles.
pub const SIGNATURE_LEN: usize = 64;

/// Signs the manifest heads of one source.
pub struct SigningKey {
    pair: Pair,
    verifying: VerifyingKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl SigningKey {
    /// The key that belongs to 32 random bytes.
    pub fn from_seed(profile: Profile, seed: &[u8; 32]) -> Result<Self, SealError> {
        let bad = |_| SealError::BadKey { what: "a signing seed" };
        let (pair, public) = match profile {
            Profile::Blake3 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(bad)?;
                let public = pair.public_key().as_ref().to_vec();
                (Pair::Ed25519(pair), public)
            }
            Profile::Fips => {
                let derived = hpke::derive_key_pair(profile, seed)?;
                let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &*derived.private, &derived.public)
                    .map_err(bad)?;
                (Pair::P256(pair), derived.public)
            }
        };
        Ok(Self { pair, verifying: VerifyingKey::new(profile, public)? })
    }

    /// The public half.
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SealError> {
        let refused = || SealError::Refused { action: "sign" };
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(message),
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), message),
        };
        signature.map_err(|_| refused())?.as_ref().try_into().map_err(|_| refused())
    }
}

/// Checks the manifest heads of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    profile: Profile,
    id: KeyId,
    bytes: Vec<u8>,
}

impl VerifyingKey {
    /// A public key: 32 bytes, or an uncompressed point of 65 bytes.
    pub fn new(profile: Profile, bytes: Vec<u8>) -> Result<Self, SealError> {
        let len = match profile {
            Profile::Blake3 => 32,
            Profile::Fips => 65,
        };
        if bytes.len() != len {
            return Err(SealError::BadKey { what: "a verifying key" });
        }
        Ok(Self { profile, id: public_key_id(profile, &bytes), bytes })
    }

    /// The name of the key in heads.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The serialised key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether this key signed the message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self.profile {
            Profile::Blake3 => UnparsedPublicKey::new(&ED25519, &self.bytes).verify(message, signature),
            Profile::Fips => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.bytes).verify(message, signature),
        };
        verified.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, test 2.
    #[test]
    fn ed25519_signs_as_rfc_8032() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let key = SigningKey::from_seed(Profile::Blake3, &seed.try_into().unwrap()).unwrap();
        assert_eq!(
            hex::encode(key.verifying_key().as_bytes()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(hex::encode(key.sign(&[0x72]).unwrap()), expected);
    }

    #[test]
    fn verifies_only_its_own_message_in_both_profiles() {
        for profile in [Profile::Blake3, Profile::Fips] {
            let key = SigningKey::from_seed(profile, &[9; 32]).unwrap();
            let other = SigningKey::from_seed(profile, &[8; 32]).unwrap();
            let signature = key.sign(b"head").unwrap();
            assert!(key.verifying_key().verifies(b"head", &signature));
            assert!(!key.verifying_key().verifies(b"Head", &signature));
            assert!(!other.verifying_key().verifies(b"head", &signature));
        }
    }
}
