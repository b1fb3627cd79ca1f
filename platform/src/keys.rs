//! Key services: where the keys lie that wrap the keys of a home domain.
//!
//! Each implements the core's [`KeyService`]: wrap a short secret, unwrap it again. So far there is the key file; a
//! token or a cloud's key management differs in where the key is and in what can go wrong, not in what is asked of it.

mod file;

pub use file::{KeyFile, OpenKeyFileError};
pub use strongroom_core::seal::{KeyFileError, KeyService, KeyServiceError, PassphraseCost, ServiceKind};
