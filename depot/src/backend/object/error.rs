//! What an object store answers when it does not do what it is asked, as facts that somebody can act upon.

use std::error::Error as _;

use object_store::client::{HttpError, HttpErrorKind};
use strongroom_core::error::Code;

/// An object store failed or refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket or container is not there.
    #[error("there is no bucket {bucket}")]
    NoBucket {
        /// Its name.
        bucket: String,
        /// What the store answered.
        source: Box<object_store::Error>,
    },
    /// The credentials are missing or wrong, or do not allow it.
    #[error("the store does not allow access to {path} in {bucket}")]
    Denied {
        /// The bucket.
        bucket: String,
        /// The path below the depot's prefix.
        path: String,
        /// What the store answered.
        source: Box<object_store::Error>,
    },
    /// The bucket lies in another region.
    #[error("the bucket {bucket} is not in the region that was asked")]
    WrongRegion {
        /// Its name.
        bucket: String,
        /// What the store answered.
        source: Box<object_store::Error>,
    },
    /// The store takes the time of this host for wrong.
    #[error("the store refuses requests because its clock and that of this host are too far apart")]
    ClockSkewed {
        /// What the store answered.
        source: Box<object_store::Error>,
    },
    /// The store wants fewer requests, and went on wanting them.
    #[error("the store wants fewer requests, and did so to the last try")]
    Throttled {
        /// What the store answered.
        source: Box<object_store::Error>,
    },
    /// No connection, no answer in time, or a connection that broke.
    #[error("the store can't be reached")]
    Unreachable {
        /// What went wrong.
        source: Box<object_store::Error>,
    },
    /// The store failed otherwise.
    #[error("the store failed at {path}")]
    Failed {
        /// The path below the depot's prefix.
        path: String,
        /// What the store answered.
        source: Box<object_store::Error>,
    },
    /// The object is not there.
    #[error("{path} is not there")]
    Missing {
        /// The path below the depot's prefix.
        path: String,
    },
    /// The object was to be new and is there.
    #[error("{path} is there already")]
    Exists {
        /// The path below the depot's prefix.
        path: String,
    },
    /// Somebody has replaced the object since it was read, or it was never read.
    #[error("another writer has put {path} since it was read")]
    Replaced {
        /// The path below the depot's prefix.
        path: String,
    },
    /// The object is larger than anything of its kind.
    #[error("{path} has {bytes} bytes, and at most {bytes_max} are read")]
    TooLarge {
        /// The path below the depot's prefix.
        path: String,
        /// Its size.
        bytes: u64,
        /// The largest size that is read.
        bytes_max: u64,
    },
    /// The object ends too early.
    #[error("{path} ends before byte {end}")]
    UnexpectedEnd {
        /// The path below the depot's prefix.
        path: String,
        /// Where the read was to end.
        end: u64,
    },
    /// The credentials' file can't be read.
    #[error("the file of credentials {path} can't be read")]
    CredentialsFile {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the credentials' file is not understood. The line is not shown: it may hold a secret.
    #[error("line {line} of the file of credentials {path} is no setting of this store")]
    CredentialsLine {
        /// Its path.
        path: String,
        /// The line, counted from one.
        line: usize,
    },
    /// Settings and credentials do not make a client.
    #[error("the store's settings or credentials can't be used")]
    Settings {
        /// Why.
        source: Box<object_store::Error>,
    },
    /// A request of ours is not one. Settings that were checked lead to none.
    #[error("the request for {what} can't be made")]
    Request {
        /// What was to be asked.
        what: &'static str,
    },
    /// The threads for the store can't be started.
    #[error("the threads that talk to the store can't be started")]
    Engine {
        /// Why.
        source: std::io::Error,
    },
    /// The work for the store ended without an answer.
    #[error("the work for the store ended without an answer")]
    Stopped,
}

impl StoreError {
    /// The stable code of the error.
    pub const fn code(&self) -> Code {
        match self {
            Self::NoBucket { .. } | Self::Denied { .. } | Self::WrongRegion { .. } => Code::DepotRefused,
            Self::ClockSkewed { .. } => Code::ClockUnsafe,
            Self::Throttled { .. } | Self::Unreachable { .. } | Self::Failed { .. } => Code::DepotUnreachable,
            Self::Missing { .. } => Code::NotFound,
            Self::Exists { .. } => Code::RoomExists,
            Self::Replaced { .. } => Code::Busy,
            Self::TooLarge { .. } | Self::UnexpectedEnd { .. } => Code::Damaged,
            Self::CredentialsFile { .. } | Self::CredentialsLine { .. } | Self::Settings { .. } => Code::Usage,
            Self::Engine { .. } | Self::Stopped | Self::Request { .. } => Code::Internal,
        }
    }

    /// Tells from the store's answer what it means. `path` is below the depot's prefix.
    pub(super) fn classify(bucket: &str, path: &str, error: object_store::Error) -> Self {
        let said = answer(&error);
        let (bucket, path, source) = (bucket.to_owned(), path.to_owned(), Box::new(error));
        match word(&said) {
            Some("NoSuchBucket" | "ContainerNotFound") => return Self::NoBucket { bucket, source },
            Some("RequestTimeTooSkewed") => return Self::ClockSkewed { source },
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                return Self::WrongRegion { bucket, source };
            }
            Some(
                "AccessDenied"
                | "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "ExpiredToken"
                | "AllAccessDisabled"
                | "AuthenticationFailed"
                | "AuthorizationFailure"
                | "AuthorizationPermissionMismatch",
            ) => return Self::Denied { bucket, path, source },
            Some("SlowDown" | "ServerBusy" | "TooManyRequests" | "RequestLimitExceeded") => {
                return Self::Throttled { source };
            }
            _ => {}
        }
        match source.as_ref() {
            object_store::Error::NotFound { .. } => Self::Missing { path },
            object_store::Error::AlreadyExists { .. } => Self::Exists { path },
            object_store::Error::Precondition { .. } => Self::Replaced { path },
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::Denied { bucket, path, source }
            }
            _ if said.contains("403 Forbidden") || said.contains("401 Unauthorized") => {
                Self::Denied { bucket, path, source }
            }
            _ if said.contains("redirect without LOCATION") => Self::WrongRegion { bucket, source },
            _ if said.contains("503 Service Unavailable") || said.contains("429 Too Many") => {
                Self::Throttled { source }
            }
            error if is_broken_connection(error) => Self::Unreachable { source },
            _ => Self::Failed { path, source },
        }
    }
}

/// Everything that an error and those below it say.
fn answer(error: &object_store::Error) -> String {
    let mut said = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        said.push('\n');
        said.push_str(&error.to_string());
        below = error.source();
    }
    said
}

/// The store's own word for the error, from the document that S3, Google and Azure answer with.
fn word(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

fn is_broken_connection(error: &object_store::Error) -> bool {
    let mut below = error.source();
    while let Some(error) = below {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return !matches!(http.kind(), HttpErrorKind::Decode);
        }
        below = error.source();
    }
    false
}
