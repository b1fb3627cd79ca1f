//! What is known when there is no answer.

use std::error::Error;
use std::fmt;

use crate::common::v1::Failure;
use tonic::Status;

/// Why there is no connection.
#[derive(Debug)]
pub struct DialFailed(pub Box<dyn Error + Send + Sync>);

impl fmt::Display for DialFailed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("no connection")
    }
}

impl Error for DialFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum AskError {
    /// The group decided against it. Nothing was done, and asking again gives the same answer.
    Rejected(Box<Failure>),
    /// The member that was asked does not take such a question from this client. Nothing was done.
    Refused(Box<Status>),
    /// Patience ended, and it was never proposed. It will not take effect.
    NotDone {
        /// What was heard last.
        last: String,
    },
    /// Patience ended. It may have taken effect, may do so yet, or never.
    Unknown {
        /// What was heard last.
        last: String,
    },
}

impl AskError {
    /// Of something that had to be done before the question was asked.
    pub(super) fn before_asking(self) -> Self {
        self.of_a_read()
    }

    /// Of a question that changes nothing.
    pub(super) fn of_a_read(self) -> Self {
        match self {
            Self::Unknown { last } => Self::NotDone { last },
            other => other,
        }
    }

    /// Of a write that was unknown before it was asked for again: not being proposed once more tells nothing of it.
    pub(super) fn still_unknown(self) -> Self {
        match self {
            Self::NotDone { last } => Self::Unknown { last },
            Self::Refused(status) => Self::Unknown { last: status.message().to_owned() },
            other => other,
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(failure) => write!(out, "the group refused: {} ({})", failure.message, failure.code),
            Self::Refused(status) => write!(out, "the member refused: {}", status.message()),
            Self::NotDone { last } => write!(out, "no leader took it in time: {last}"),
            Self::Unknown { last } => write!(out, "whether it was done is not known: {last}"),
        }
    }
}

impl Error for AskError {}
