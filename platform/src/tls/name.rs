//! What a certificate says of its holder: one SPIFFE id, a serial number, a validity.
//!
//! Owns reading certificates as names, which rustls does not do for URIs (SPIFFE standard "X.509-SVID", sections 2 and
//! 5.2). A certificate of ours carries exactly one alternative name, and that is a URI; with none, with two, or with a
//! name of another kind it is refused. Reading proves nothing: a name may be believed only once the chain of its
//! certificate was verified ([`super::verify`]).
//!
//! The bytes come from whoever connects. No bytes make this module panic, and none are looked at past
//! [`CERTIFICATE_BYTES_MAX`].

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::key::PublicKey;
use super::spiffe::{SpiffeError, SpiffeId, TrustDomain};
use super::validity::Validity;

/// No certificate or request of ours is longer in bytes; they have some 600.
pub const CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// No serial number is longer in bytes (RFC 5280, section 4.1.2.2).
pub const SERIAL_BYTES_MAX: usize = 20;

/// A certificate that names nobody.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// More bytes than a certificate of ours has.
    #[error("a certificate has at most {CERTIFICATE_BYTES_MAX} bytes, and this one has {len}")]
    TooLong {
        /// Bytes found.
        len: usize,
    },
    /// The bytes are no certificate, or one with values that ours don't have.
    #[error("not a certificate of the expected form")]
    Malformed,
    /// There is no alternative name.
    #[error("the certificate has no name")]
    NoName,
    /// There is more than one URI, so that nobody could say whose certificate this is.
    #[error("the certificate has {found} names instead of one")]
    ManyNames {
        /// URIs found.
        found: usize,
    },
    /// There is a name of another kind, such as that of a host.
    #[error("the certificate has a name that is no URI")]
    ForeignName,
    /// The URI is not a SPIFFE id of ours.
    #[error("the certificate's name is not one of ours")]
    NotSpiffe {
        /// Why.
        #[source]
        source: SpiffeError,
    },
}

/// A certificate's number: without leading zeros, so that one number has one form.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// The number of these big-endian bytes; `None` if it is longer than a serial number may be.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        let (_, digits) = bytes.split_at(start);
        (digits.len() <= SERIAL_BYTES_MAX).then(|| Self(digits.to_vec()))
    }

    /// The bytes, big-endian.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Serial({self})")
    }
}

/// Text that is no serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a serial number: 2 to 40 hexadecimal digits are expected")]
pub struct NotASerial;

impl FromStr for Serial {
    type Err = NotASerial;

    fn from_str(text: &str) -> Result<Self, NotASerial> {
        let is_bounded = (2..=2 * SERIAL_BYTES_MAX).contains(&text.len());
        let bytes = if is_bounded { hex::decode(text).ok() } else { None };
        bytes.and_then(|bytes| Self::from_bytes(&bytes)).ok_or(NotASerial)
    }
}

/// What a certificate says; see the [module](self) for how far to believe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCertificate {
    /// Whom it names.
    pub id: SpiffeId,
    /// Its number.
    pub serial: Serial,
    /// When it is good.
    pub validity: Validity,
    /// Says whether it may sign certificates.
    pub is_authority: bool,
    pub(super) public: PublicKey,
}

impl NamedCertificate {
    /// Reads a certificate in DER.
    pub fn read(der: &[u8]) -> Result<Self, NameError> {
        let certificate = parse(der)?;
        let uri = sole_uri(certificate.extensions().iter().map(X509Extension::parsed_extension))?;
        let id = uri.parse().map_err(|source| NameError::NotSpiffe { source })?;
        Ok(Self {
            id,
            serial: Serial::from_bytes(certificate.raw_serial()).ok_or(NameError::Malformed)?,
            validity: validity(&certificate)?,
            is_authority: is_authority(&certificate)?,
            public: p256_point(certificate.public_key()).ok_or(NameError::Malformed)?,
        })
    }
}

/// What a root's certificate says: it names a trust domain instead of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RootCertificate {
    pub(super) trust_domain: TrustDomain,
    pub(super) validity: Validity,
    pub(super) public: PublicKey,
}

impl RootCertificate {
    /// Reads a root's certificate in DER.
    pub(super) fn read(der: &[u8]) -> Result<Self, NameError> {
        let certificate = parse(der)?;
        let uri = sole_uri(certificate.extensions().iter().map(X509Extension::parsed_extension))?;
        if !is_authority(&certificate)? {
            return Err(NameError::Malformed);
        }
        Ok(Self {
            trust_domain: TrustDomain::from_uri(uri).map_err(|source| NameError::NotSpiffe { source })?,
            validity: validity(&certificate)?,
            public: p256_point(certificate.public_key()).ok_or(NameError::Malformed)?,
        })
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, NameError> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(NameError::TooLong { len: der.len() });
    }
    match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(NameError::Malformed),
    }
}

fn validity(certificate: &X509Certificate<'_>) -> Result<Validity, NameError> {
    let times = certificate.validity();
    Validity::from_seconds(times.not_before.timestamp(), times.not_after.timestamp()).ok_or(NameError::Malformed)
}

fn is_authority(certificate: &X509Certificate<'_>) -> Result<bool, NameError> {
    let constraints = certificate.basic_constraints().map_err(|_| NameError::Malformed)?;
    Ok(constraints.is_some_and(|constraints| constraints.value.ca))
}

/// The one URI among all alternative names, of a certificate or of a request.
pub(super) fn sole_uri<'a>(extensions: impl Iterator<Item = &'a ParsedExtension<'a>>) -> Result<&'a str, NameError> {
    let mut uris = Vec::new();
    for extension in extensions {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    let GeneralName::URI(uri) = name else { return Err(NameError::ForeignName) };
                    uris.push(*uri);
                }
            }
            ParsedExtension::ParseError { .. } => return Err(NameError::Malformed),
            _ => {}
        }
    }
    match uris.as_slice() {
        [] => Err(NameError::NoName),
        [uri] => Ok(uri),
        _ => Err(NameError::ManyNames { found: uris.len() }),
    }
}

/// The public key, if it is one of P-256.
pub(super) fn p256_point(info: &SubjectPublicKeyInfo<'_>) -> Option<PublicKey> {
    let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
    let is_p256 = info.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == OID_EC_P256;
    if is_p256 { PublicKey::new(&info.subject_public_key.data) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_form() {
        let short = Serial::from_bytes(&[0x80, 1]).unwrap();
        assert_eq!(Serial::from_bytes(&[0, 0x80, 1]).unwrap(), short);
        assert_eq!(short.to_string().parse(), Ok(short));
        assert_eq!(Serial::from_bytes(&[1; 21]), None);
        for text in ["", "8", "zz", &"1".repeat(42)] {
            assert_eq!(text.parse::<Serial>(), Err(NotASerial), "{text}");
        }
    }

    #[test]
    fn foreign_bytes_name_nobody() {
        assert_eq!(NamedCertificate::read(&[]), Err(NameError::Malformed));
        let len = CERTIFICATE_BYTES_MAX + 1;
        assert_eq!(NamedCertificate::read(&vec![0x30; len]), Err(NameError::TooLong { len }));
    }
}
