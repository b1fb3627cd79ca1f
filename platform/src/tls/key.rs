//! Private keys of certificates: ECDSA over P-256, which the FIPS profile allows too.
//!
//! Keys are generated, and signatures made, with the cryptographic library's own random generator, as FIPS 140 wants
//! it. A simulation can't seed that; nothing that a simulation decides depends on the bytes of a key or certificate.
//! A key is never shown, and its bytes are wiped when it goes.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::pem::{self, NotPem};

/// Bytes of an uncompressed point of P-256: 4, then both coordinates.
const POINT_LEN: usize = 65;

/// A private key that can't be made or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The cryptographic library generates no key.
    #[error("the cryptographic library generates no key")]
    NotGenerated,
    /// The file or the bytes hold no private key of P-256.
    #[error("not a private key of P-256")]
    NotAKey,
    /// The file is of another kind.
    #[error(transparent)]
    Pem(#[from] NotPem),
}

/// The private half of a certificate.
pub(super) struct PrivateKey {
    pair: EcdsaKeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl PrivateKey {
    /// Makes a new key.
    pub(super) fn generate() -> Result<Self, KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError::NotGenerated)?;
        Self::from_pkcs8(document.as_ref())
    }

    /// Reads a key in PKCS#8 (RFC 5958).
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).map_err(|_| KeyError::NotAKey)?;
        Ok(Self { pair, pkcs8: Zeroizing::new(pkcs8.to_vec()) })
    }

    /// Reads a key file.
    pub(super) fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_pkcs8(pem::read_key(pem)?.secret_pkcs8_der())
    }

    /// The key file.
    pub(super) fn to_pem(&self) -> Zeroizing<String> {
        pem::write("PRIVATE KEY", &self.pkcs8)
    }

    /// The public half.
    pub(super) fn public(&self) -> Result<PublicKey, KeyError> {
        PublicKey::new(self.pair.public_key().as_ref()).ok_or(KeyError::NotAKey)
    }

    /// The key as rustls signs with it.
    pub(super) fn for_tls(&self) -> Result<Arc<dyn rustls::sign::SigningKey>, KeyError> {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.as_slice()));
        any_ecdsa_type(&der).map_err(|_| KeyError::NotAKey)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PrivateKey(P-256, not shown)")
    }
}

impl PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| rcgen::Error::RingUnspecified)
    }
}

/// The public half: an uncompressed point of P-256.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PublicKey([u8; POINT_LEN]);

impl PublicKey {
    /// A point as it stands in a certificate; `None` if it has another form. Whether it lies on the curve is found out
    /// by whoever uses it.
    pub(super) fn new(point: &[u8]) -> Option<Self> {
        <[u8; POINT_LEN]>::try_from(point).ok().filter(|point| point.first() == Some(&4)).map(Self)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({})", hex::encode(self.0))
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_is_not_shown() {
        let key = PrivateKey::generate().unwrap();
        let pem = key.to_pem();
        let read = PrivateKey::from_pem(&pem).unwrap();
        assert_eq!(read.public().unwrap(), key.public().unwrap());
        assert_eq!(format!("{key:?}"), "PrivateKey(P-256, not shown)");
    }

    #[test]
    fn foreign_bytes_are_no_key() {
        assert_eq!(PrivateKey::from_pkcs8(&[0x30, 0x82]).err(), Some(KeyError::NotAKey));
        assert!(matches!(PrivateKey::from_pem("x").err(), Some(KeyError::Pem(_))));
        assert!(PublicKey::new(&[4; 64]).is_none() && PublicKey::new(&[2; 65]).is_none());
    }
}
