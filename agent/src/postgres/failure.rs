//! What the server's and the connection's failures mean to the caller: one place that maps them to codes.
//!
//! The server's own message, SQLSTATE and hint go into ours; its detail, which may quote rows, only where a restore
//! needs it to be understood. Nothing here ever sees a password.

use strongroom_core::error::Code;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::source::SourceError;

/// On which side a failure happened, for those that have no code of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// While connecting.
    Connect,
    /// While reading a source.
    Source,
    /// While writing a target.
    Target,
    /// While changing single records of a database in use.
    Live,
}

/// The failure of a statement or connection as the caller's error.
pub(crate) fn failed(side: Side, subject: &str, error: Error) -> SourceError {
    if let Some(db) = error.as_db_error() {
        return SourceError::engine(code_of(side, db), subject, sentence(side, db));
    }
    let (code, message) = match side {
        Side::Connect if is_configuration(&error) => (Code::SourceLogin, "the login could not be completed"),
        Side::Connect => (Code::SourceUnreachable, "the server can't be reached"),
        _ if is_conversion(&error) => (Code::SourceUnsupported, "the server's answer could not be read as text"),
        _ => (Code::SourceLost, "the connection to the server broke"),
    };
    SourceError::Engine { code, subject: subject.into(), message: message.into(), source: Some(Box::new(error)) }
}

impl SourceError {
    /// Names the class or object that the failure is about, before where it happened.
    pub(crate) fn about(self, object: &str) -> Self {
        match self {
            Self::Engine { code, subject, message, source } => {
                Self::Engine { code, subject: format!("{object} in {subject}"), message, source }
            }
            other => other,
        }
    }
}

fn code_of(side: Side, db: &DbError) -> Code {
    match db.code() {
        state if state.code().starts_with("28") => Code::SourceLogin,
        &SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED if side != Side::Target => Code::SourceLocked,
        &SqlState::ADMIN_SHUTDOWN
        | &SqlState::CRASH_SHUTDOWN
        | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        | &SqlState::CONNECTION_FAILURE => Code::SourceLost,
        state if state.code() == "57P05" => Code::SourceLost,
        &SqlState::CANNOT_CONNECT_NOW | &SqlState::TOO_MANY_CONNECTIONS | &SqlState::INVALID_CATALOG_NAME => {
            Code::SourceUnreachable
        }
        _ if side == Side::Target => Code::TargetFailed,
        &SqlState::INSUFFICIENT_PRIVILEGE => Code::SourcePrivilege,
        &SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN => Code::SourceChanged,
        _ if side == Side::Live => Code::TargetFailed,
        _ => Code::SourceFailed,
    }
}

fn sentence(side: Side, db: &DbError) -> String {
    let mut text = format!("{} (SQLSTATE {})", db.message(), db.code().code());
    if let Some(detail) = db.detail().filter(|_| matches!(side, Side::Target | Side::Live)) {
        text.push_str(". ");
        text.push_str(detail);
    }
    if let Some(hint) = db.hint() {
        text.push_str(". ");
        text.push_str(hint);
    }
    text
}

fn is_configuration(error: &Error) -> bool {
    let text = error.to_string();
    text.starts_with("invalid configuration") || text.starts_with("authentication error")
}

fn is_conversion(error: &Error) -> bool {
    let text = error.to_string();
    text.starts_with("error deserializing") || text.starts_with("error parsing response")
}
