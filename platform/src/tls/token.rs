//! Join tokens: what lets a host ask for its first certificate, once.
//!
//! A token is text that an operator carries to a host: who is meant, a secret, and the hash of the root that the host
//! shall trust. The coordinator keeps [`TokenRecord`], from which nobody can make the token again: the hash of the
//! secret, and what the token is good for. That a token is good once is the coordinator's to see to, by one entry in its
//! log; the rest is decided here.
//!
//! ```text
//!   srjoin1.<token id, 8 bytes · secret, 32 · SHA-256 of the root's DER, 32>.<checksum, 4>      in hexadecimal
//! ```
//!
//! The checksum is the beginning of a SHA-256 over the 72 bytes before it. It guards against typing errors, and against
//! nothing else. Secrets are compared in constant time, never shown by `Debug`, and wiped when they go.

mod record;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use strongroom_core::entropy::{Entropy, EntropyError, random_array};
use strongroom_core::time::WallTime;
use thiserror::Error;
use zeroize::Zeroizing;

pub use record::{HOST_NAME_BYTES_MAX, HostName, JoinClaim, JoinRefused, NotAHostName, TokenBinding, TokenRecord};

use super::spiffe::Role;

/// How long a token is good at most: it is made when a host stands ready.
pub const JOIN_TOKEN_TTL_MAX: Duration = Duration::from_hours(1);

const PREFIX: &str = "srjoin1.";
const ANY_VERSION: &str = "srjoin";
const BODY_LEN: usize = 8 + 32 + 32;
const CHECKSUM_LEN: usize = 4;

/// Text that is no join token, or a token that can't be made.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Something else altogether.
    #[error("not a join token")]
    NotAToken,
    /// A token of a later version.
    #[error("a join token of an unknown version")]
    UnknownVersion,
    /// A character is missing, or wrong.
    #[error("the join token was mistyped or cut short")]
    Mistyped,
    /// A token for an issuer: those come from a ceremony.
    #[error("issuers don't join by token")]
    ForIssuer,
    /// The token would be good for no time, or for too long.
    #[error("a join token is good for 1 s to {} s", JOIN_TOKEN_TTL_MAX.as_secs())]
    TtlOutOfRange,
    /// No random bytes are to be had.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Which token: public, for lists and for the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub [u8; 8]);

impl fmt::Display for TokenId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TokenId({self})")
    }
}

/// The SHA-256 of a root's certificate in DER, by which a host knows a root that it has never seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootPin(pub [u8; 32]);

impl RootPin {
    /// The pin of a root.
    pub fn of(root_der: &[u8]) -> Self {
        Self(sha256(root_der))
    }

    /// Says whether this is the pinned root.
    pub fn matches(&self, root_der: &[u8]) -> bool {
        *self == Self::of(root_der)
    }
}

/// A token as its bearer holds it.
pub struct JoinToken {
    id: TokenId,
    secret: Zeroizing<[u8; 32]>,
    pin: RootPin,
}

impl JoinToken {
    /// Makes a token, and what the coordinator keeps of it.
    pub fn mint(
        binding: TokenBinding,
        root_der: &[u8],
        now: WallTime,
        entropy: &dyn Entropy,
    ) -> Result<(Self, TokenRecord), TokenError> {
        if binding.role == Role::Issuer {
            return Err(TokenError::ForIssuer);
        }
        let ttl_us = binding.expires.0.saturating_sub(now.0);
        if ttl_us < 1_000_000 || u128::from(ttl_us.unsigned_abs()) > JOIN_TOKEN_TTL_MAX.as_micros() {
            return Err(TokenError::TtlOutOfRange);
        }
        let token = Self::draw(root_der, entropy)?;
        let record = TokenRecord { id: token.id, secret_hash: sha256(&*token.secret), binding };
        Ok((token, record))
    }

    /// Draws a token that nobody knows of yet, for hosts that shall trust this root.
    pub fn draw(root_der: &[u8], entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let secret = Zeroizing::new(random_array(entropy)?);
        Ok(Self { id: TokenId(random_array(entropy)?), secret, pin: RootPin::of(root_der) })
    }

    /// Reads the text that an operator carried. Spaces around it count for nothing.
    pub fn from_text(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let Some(rest) = text.strip_prefix(PREFIX) else {
            let is_token = text.starts_with(ANY_VERSION);
            return Err(if is_token { TokenError::UnknownVersion } else { TokenError::NotAToken });
        };
        let (body_hex, checksum_hex) = rest.split_once('.').ok_or(TokenError::Mistyped)?;
        let mut body = Zeroizing::new([0; BODY_LEN]);
        let mut checksum = [0; CHECKSUM_LEN];
        hex::decode_to_slice(body_hex, body.as_mut_slice()).map_err(|_| TokenError::Mistyped)?;
        hex::decode_to_slice(checksum_hex, &mut checksum).map_err(|_| TokenError::Mistyped)?;
        if checksum != checksum_of(&body) {
            return Err(TokenError::Mistyped);
        }
        Self::from_body(&body).ok_or(TokenError::Mistyped)
    }

    fn from_body(body: &[u8; BODY_LEN]) -> Option<Self> {
        let (id, rest) = body.split_first_chunk::<8>()?;
        let (secret, rest) = rest.split_first_chunk::<32>()?;
        let pin = rest.first_chunk::<32>()?;
        Some(Self { id: TokenId(*id), secret: Zeroizing::new(*secret), pin: RootPin(*pin) })
    }

    /// The text to be carried to the host. Whoever has it may join.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut body = Zeroizing::new([0; BODY_LEN]);
        let bytes = self.id.0.iter().chain(self.secret.iter()).chain(&self.pin.0);
        body.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let digits = Zeroizing::new(hex::encode(body.as_slice()));
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * (BODY_LEN + CHECKSUM_LEN) + 1));
        text.push_str(PREFIX);
        text.push_str(&digits);
        text.push('.');
        text.push_str(&hex::encode(checksum_of(&body)));
        text
    }

    /// Which token this is.
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// What the coordinator compares. It is sent to a pinned coordinator and to nobody else.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// What the coordinator keeps of the secret.
    pub fn secret_hash(&self) -> [u8; 32] {
        secret_hash(&self.secret)
    }

    /// The pin of the root that the host shall trust.
    pub const fn pin(&self) -> RootPin {
        self.pin
    }

    /// Says whether this is the root that the host shall trust.
    pub fn pin_matches(&self, root_der: &[u8]) -> bool {
        self.pin.matches(root_der)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "JoinToken({}, secret not shown)", self.id)
    }
}

/// The SHA-256 of a secret: what the coordinator keeps, and compares a bearer's secret with.
pub fn secret_hash(secret: &[u8; 32]) -> [u8; 32] {
    sha256(secret)
}

fn checksum_of(body: &[u8; BODY_LEN]) -> [u8; CHECKSUM_LEN] {
    sha256(body).first_chunk().copied().unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
