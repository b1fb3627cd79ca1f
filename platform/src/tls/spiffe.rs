//! Names of those that take part: SPIFFE ids.
//!
//! Owns the one form that a name may have, after the SPIFFE standard "SPIFFE-ID" (sections 2.1 to 2.4), of which it
//! allows less: `spiffe://<trust domain>/<region>/<role>/<32 hexadecimal digits>`, all of it lower case, without port,
//! query, fragment or percent sign, in 255 bytes. Two texts that differ never name the same subject, so that comparing
//! ids is comparing bytes. Nothing here says whether a name may be believed.

use std::fmt;
use std::str::FromStr;

use strongroom_core::entropy::{Entropy, EntropyError, random_array};
use thiserror::Error;

/// No id is longer in bytes. SPIFFE allows 2,048; ours stand in every audit entry.
pub const SPIFFE_ID_BYTES_MAX: usize = 255;

/// No trust domain is longer in bytes, so that an id has room for the rest.
pub const TRUST_DOMAIN_BYTES_MAX: usize = 128;

/// No region is longer in bytes: that of a label in DNS, which regions often become.
pub const REGION_BYTES_MAX: usize = 63;

const SCHEME: &str = "spiffe://";

/// Text that is not the name of a subject, a trust domain, a region or a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SpiffeError {
    /// More bytes than a name may have.
    #[error("a SPIFFE id has at most {SPIFFE_ID_BYTES_MAX} bytes, and this one has {len}")]
    TooLong {
        /// Bytes found.
        len: usize,
    },
    /// Another scheme, or another number of parts.
    #[error("not of the form spiffe://TRUST-DOMAIN/REGION/ROLE/ID")]
    Shape,
    /// The trust domain has other characters than `a-z0-9.-`, or begins or ends with a sign.
    #[error("not a trust domain: 1 to {TRUST_DOMAIN_BYTES_MAX} of a-z, 0-9, dot and hyphen are expected")]
    TrustDomain,
    /// The region has other characters than `a-z0-9-`, or begins or ends with a hyphen.
    #[error("not a region: 1 to {REGION_BYTES_MAX} of a-z, 0-9 and hyphen are expected")]
    Region,
    /// A role that does not exist.
    #[error("not a role: coordinator, agent, depot, operator or issuer is expected")]
    Role,
    /// The last part is not 32 lower-case hexadecimal digits.
    #[error("not a subject's id: 32 lower-case hexadecimal digits are expected")]
    Subject,
}

/// The organisation within which names mean something: the authority of a SPIFFE id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

/// A failure domain, as policy knows it, in a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

macro_rules! text {
    ($name:ident, $refused:ident, $bytes_max:ident, $signs:expr) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SpiffeError;

            fn from_str(text: &str) -> Result<Self, SpiffeError> {
                if is_label(text, $bytes_max, $signs) { Ok(Self(text.to_owned())) } else { Err(SpiffeError::$refused) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

text!(TrustDomain, TrustDomain, TRUST_DOMAIN_BYTES_MAX, b".-");
text!(Region, Region, REGION_BYTES_MAX, b"-");

/// Letters and digits, with single signs between them or not; a sign neither begins nor ends the text.
fn is_label(text: &str, bytes_max: usize, signs: &[u8]) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_in_words = bytes.first().is_some_and(|byte| is_word(*byte)) && bytes.last().is_some_and(|b| is_word(*b));
    ends_in_words && bytes.len() <= bytes_max && bytes.iter().all(|byte| is_word(*byte) || signs.contains(byte))
}

impl TrustDomain {
    /// The id of the trust domain itself, `spiffe://<trust domain>`, which only root certificates carry.
    pub fn to_uri(&self) -> String {
        format!("{SCHEME}{self}")
    }

    /// Reads the id of a trust domain.
    pub fn from_uri(uri: &str) -> Result<Self, SpiffeError> {
        uri.strip_prefix(SCHEME).ok_or(SpiffeError::Shape)?.parse()
    }
}

/// What somebody is in the system, and so which connections they may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A member of the group that decides.
    Coordinator,
    /// The process on the host of a source.
    Agent,
    /// The server of a depot.
    Depot,
    /// A person's command.
    Operator,
    /// A coordinator's intermediate authority. It signs certificates, and makes no connections.
    Issuer,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Coordinator, Self::Agent, Self::Depot, Self::Operator, Self::Issuer];

    /// The role's part of an id.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Agent => "agent",
            Self::Depot => "depot",
            Self::Operator => "operator",
            Self::Issuer => "issuer",
        }
    }
}

impl FromStr for Role {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(SpiffeError::Role)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// One subject within its role. Random, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectId(pub [u8; 16]);

impl SubjectId {
    /// Draws a new one.
    pub fn mint(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        random_array(entropy).map(Self)
    }
}

impl FromStr for SubjectId {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let mut bytes = [0; 16];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if is_lower => Ok(Self(bytes)),
            _ => Err(SpiffeError::Subject),
        }
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SubjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SubjectId({self})")
    }
}

/// Who somebody is: the name that a certificate carries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    /// The organisation.
    pub trust_domain: TrustDomain,
    /// The failure domain that the subject belongs to.
    pub region: Region,
    /// What the subject is.
    pub role: Role,
    /// Which one it is.
    pub subject: SubjectId,
}

impl FromStr for SpiffeId {
    type Err = SpiffeError;

    fn from_str(text: &str) -> Result<Self, SpiffeError> {
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return Err(SpiffeError::TooLong { len: text.len() });
        }
        let mut parts = text.strip_prefix(SCHEME).ok_or(SpiffeError::Shape)?.split('/');
        let (Some(trust_domain), Some(region), Some(role), Some(subject), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SpiffeError::Shape);
        };
        Ok(Self {
            trust_domain: trust_domain.parse()?,
            region: region.parse()?,
            role: role.parse()?,
            subject: subject.parse()?,
        })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{SCHEME}{}/{}/{}/{}", self.trust_domain, self.region, self.role, self.subject)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SpiffeId({self})")
    }
}

// The longest name of each part still makes an id that may be read.
const _: () = assert!(
    SCHEME.len() + TRUST_DOMAIN_BYTES_MAX + 1 + REGION_BYTES_MAX + 1 + "coordinator".len() + 1 + 32
        <= SPIFFE_ID_BYTES_MAX
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGENT: &str = "spiffe://acme.example/eu-central/agent/000102030405060708090a0b0c0d0e0f";

    #[test]
    fn an_id_is_shown_as_it_is_read() {
        let id: SpiffeId = AGENT.parse().unwrap();
        assert_eq!(id.trust_domain.as_str(), "acme.example");
        assert_eq!(id.region.as_str(), "eu-central");
        assert_eq!((id.role, id.subject.0[15]), (Role::Agent, 15));
        assert_eq!(id.to_string(), AGENT);
        assert_eq!(format!("{id:?}"), format!("SpiffeId({AGENT})"));
    }

    #[test]
    fn text_of_another_form_is_refused() {
        let refused = [
            ("", SpiffeError::Shape),
            ("https://acme.example/eu/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::Shape),
            ("SPIFFE://acme.example/eu/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::Shape),
            ("spiffe://acme.example/eu/agent", SpiffeError::Shape),
            ("spiffe://acme.example/eu/agent/000102030405060708090a0b0c0d0e0f/", SpiffeError::Shape),
            ("spiffe:///eu/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::TrustDomain),
            ("spiffe://Acme/eu/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::TrustDomain),
            ("spiffe://acme:1/eu/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::TrustDomain),
            ("spiffe://a@acme/eu/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::TrustDomain),
            ("spiffe://.acme/eu/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::TrustDomain),
            ("spiffe://acme//agent/000102030405060708090a0b0c0d0e0f", SpiffeError::Region),
            ("spiffe://acme/../agent/000102030405060708090a0b0c0d0e0f", SpiffeError::Region),
            ("spiffe://acme/e%75/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::Region),
            ("spiffe://acme/eu-/agent/000102030405060708090a0b0c0d0e0f", SpiffeError::Region),
            ("spiffe://acme/eu/root/000102030405060708090a0b0c0d0e0f", SpiffeError::Role),
            ("spiffe://acme/eu/Agent/000102030405060708090a0b0c0d0e0f", SpiffeError::Role),
            ("spiffe://acme/eu/agent/000102030405060708090A0B0C0D0E0F", SpiffeError::Subject),
            ("spiffe://acme/eu/agent/000102030405060708090a0b0c0d0e", SpiffeError::Subject),
            ("spiffe://acme/eu/agent/000102030405060708090a0b0c0d0e0f?x", SpiffeError::Subject),
            ("spiffe://acme/eu/agent/000102030405060708090a0b0c0d0e0f#x", SpiffeError::Subject),
        ];
        for (text, error) in refused {
            assert_eq!(text.parse::<SpiffeId>(), Err(error), "{text}");
        }
        let long = format!("{AGENT}{}", "0".repeat(SPIFFE_ID_BYTES_MAX));
        assert_eq!(long.parse::<SpiffeId>(), Err(SpiffeError::TooLong { len: long.len() }));
    }

    #[test]
    fn a_trust_domain_has_an_id_of_its_own() {
        let domain: TrustDomain = "acme.example".parse().unwrap();
        assert_eq!(domain.to_uri(), "spiffe://acme.example");
        assert_eq!(TrustDomain::from_uri(&domain.to_uri()), Ok(domain));
        assert_eq!(TrustDomain::from_uri("spiffe://acme/eu"), Err(SpiffeError::TrustDomain));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_shown_alike(text in "(spiffe://)?[a-zA-Z0-9./%?-]{0,40}/[a-z-]{0,9}/(agent|depot)/[0-9a-fA-F]{31,33}") {
            if let Ok(id) = text.parse::<SpiffeId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
