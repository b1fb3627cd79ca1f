//! What the coordinator keeps of a join token, and whether it lets its bearer in.
//!
//! Owns the rule, which is a function of record, claim and time; that a token is used once is seen to by whoever keeps
//! the records. Nobody can make the token from its record.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use strongroom_core::time::WallTime;
use thiserror::Error;

use super::{TokenId, sha256};
use crate::tls::spiffe::{Region, Role};

/// No name of a host is longer in bytes (RFC 1035, section 2.3.4, less what the wire adds).
pub const HOST_NAME_BYTES_MAX: usize = 253;

/// Why a token does not let somebody in. What a stranger is told is only that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JoinRefused {
    /// The secret is not that of the token.
    #[error("the secret is not that of the token")]
    WrongSecret,
    /// The token is over.
    #[error("the token was good until {expires}")]
    Expired {
        /// Its end.
        expires: WallTime,
    },
    /// The token is for another role.
    #[error("the token is for the role {expected}")]
    OtherRole {
        /// The role that it is for.
        expected: Role,
    },
    /// The token is for another region.
    #[error("the token is for another region")]
    OtherRegion,
    /// The token is for another host.
    #[error("the token is for another host")]
    OtherHost,
}

/// What a host calls itself. Nobody vouches for it: it guards against mix-ups, not against attackers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// Text that is no name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a host's name: 1 to {HOST_NAME_BYTES_MAX} letters, digits, dots and hyphens are expected")]
pub struct NotAHostName;

impl FromStr for HostName {
    type Err = NotAHostName;

    fn from_str(text: &str) -> Result<Self, NotAHostName> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        let is_name = (1..=HOST_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed);
        if is_name { Ok(Self(text.to_ascii_lowercase())) } else { Err(NotAHostName) }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBinding {
    /// What its bearer becomes.
    pub role: Role,
    /// Where its bearer stands.
    pub region: Region,
    /// The only host that may bear it, if there is one.
    pub host: Option<HostName>,
    /// Until when it is good.
    pub expires: WallTime,
}

/// What the bearer of a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinClaim {
    /// What it wants to become.
    pub role: Role,
    /// Where it stands.
    pub region: Region,
    /// What it calls itself.
    pub host: HostName,
}

/// What the coordinator keeps of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Which token.
    pub id: TokenId,
    /// The SHA-256 of its secret.
    pub secret_hash: [u8; 32],
    /// What it is good for.
    pub binding: TokenBinding,
}

impl TokenRecord {
    /// Says whether the bearer of this secret gets in with this claim at `now`. Whether the token was used already is
    /// not known here.
    pub fn check(&self, secret: &[u8; 32], claim: &JoinClaim, now: WallTime) -> Result<(), JoinRefused> {
        // First, so that only a bearer of the secret learns what the token is for.
        verify_slices_are_equal(&sha256(secret), &self.secret_hash).map_err(|_| JoinRefused::WrongSecret)?;
        let binding = &self.binding;
        if now > binding.expires {
            return Err(JoinRefused::Expired { expires: binding.expires });
        }
        if claim.role != binding.role {
            return Err(JoinRefused::OtherRole { expected: binding.role });
        }
        if claim.region != binding.region {
            return Err(JoinRefused::OtherRegion);
        }
        if binding.host.as_ref().is_some_and(|host| *host != claim.host) {
            return Err(JoinRefused::OtherHost);
        }
        Ok(())
    }
}
