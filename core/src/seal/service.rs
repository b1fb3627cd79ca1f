//! Key services: whatever keeps the key that wraps the epochs' private keys.
//!
//! A key file, a PKCS#11 token, Vault transit, AWS KMS and Azure Key Vault all can do two things: wrap a short secret
//! bound to a context, and undo that. Nothing more is asked of them, so the key itself never has to leave a token.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Which kind of service keeps a key; the text stands in keyrings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceKind(pub String);

impl ServiceKind {
    /// A key file beside the room.
    pub fn key_file() -> Self {
        Self("key-file".into())
    }
}

impl fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that can wrap and unwrap, wherever it lies.
pub trait KeyService: Send + Sync {
    /// The kind of service.
    fn kind(&self) -> ServiceKind;

    /// The name of the key within its kind: a wrap says who made it.
    fn id(&self) -> String;

    /// Wraps a secret; only the same context unwraps it.
    fn wrap(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeyServiceError>;

    /// Unwraps what this key wrapped.
    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyServiceError>;
}

/// A key service did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeyServiceError {
    /// The wrap does not open under this key and context.
    #[error("the {kind} key {id} does not open this wrap: it was changed, or made for another purpose")]
    Damaged {
        /// The kind of service.
        kind: ServiceKind,
        /// The name of the key.
        id: String,
    },
    /// The service said no.
    #[error("the {kind} key {id} refuses")]
    Refused {
        /// The kind of service.
        kind: ServiceKind,
        /// The name of the key.
        id: String,
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The service can't be reached now; worth another try.
    #[error("the {kind} key {id} can't be reached")]
    Unavailable {
        /// The kind of service.
        kind: ServiceKind,
        /// The name of the key.
        id: String,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl KeyServiceError {
    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
