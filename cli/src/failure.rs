//! Failures: what a verb ends with when it could not do what it was asked.
//!
//! A failure says what happened to what; why is in its chain of sources, each of which says its own part and no more.
//! Its code decides the exit code and, unless the place that failed knows better, what to do next.

use std::error::Error;
use std::process::ExitCode;

use strongroom_agent::backup::BackupError;
use strongroom_agent::integrity::IntegrityError;
use strongroom_agent::partial::PartialError;
use strongroom_agent::restore::RestoreError;
use strongroom_agent::source::SourceError;
use strongroom_agent::view::ViewError;
use strongroom_coordinator::member::OpenError;
use strongroom_coordinator::server::LocalError;
use strongroom_coordinator::state::Unreadable;
use strongroom_core::entropy::EntropyError;
use strongroom_core::error::Code;
use strongroom_core::manifest::ManifestError;
use strongroom_core::seal::{KeyFileError, KeyringError, SealError};
use strongroom_depot::backend::object::StoreError;
use strongroom_depot::backend::{BackendError, disk_code};
use strongroom_depot::index::IndexError;
use strongroom_depot::reader::ReadError;
use strongroom_depot::{DepotError, FormatError};
use strongroom_platform::disk::DiskError;
use strongroom_platform::keys::OpenKeyFileError;

/// How a verb ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Done,
    /// The work was done, and what it found has a code of its own.
    Found(Code),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Found(code) => Self::from(code.exit()),
        }
    }
}

/// What a verb could not do.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Failure {
    code: Code,
    what: String,
    next: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure that has no cause below it.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), next: None, source: None }
    }

    /// A failure with its cause.
    pub(crate) fn because(
        code: Code,
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(code, what) }
    }

    /// The same failure with better advice than that of its code.
    #[must_use]
    pub(crate) fn advise(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// The stable code.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// What to do next.
    pub(crate) fn next(&self) -> &str {
        self.next.as_deref().unwrap_or_else(|| self.code.remedy())
    }

    /// The messages from the outermost to the innermost.
    pub(crate) fn chain(&self) -> Vec<String> {
        let mut messages = vec![self.to_string()];
        let mut below = self.source();
        while let Some(error) = below {
            let message = error.to_string();
            if messages.last() != Some(&message) {
                messages.push(message);
            }
            below = error.source();
        }
        messages
    }
}

/// Errors of the packages below, each with its code.
pub(crate) trait Coded: Error + Send + Sync + 'static {
    /// The stable code.
    fn stable_code(&self) -> Code;
}

macro_rules! coded {
    ($($error:ty),* $(,)?) => {
        $(impl Coded for $error {
            fn stable_code(&self) -> Code {
                self.code()
            }
        })*
    };
}

coded!(
    BackendError,
    BackupError,
    DepotError,
    FormatError,
    IndexError,
    IntegrityError,
    KeyFileError,
    KeyringError,
    ManifestError,
    PartialError,
    ReadError,
    RestoreError,
    SealError,
    SourceError,
    StoreError,
    ViewError,
);

impl Coded for DiskError {
    fn stable_code(&self) -> Code {
        disk_code(self)
    }
}

impl Coded for LocalError {
    fn stable_code(&self) -> Code {
        match self {
            Self::NoSpace => Code::NoSpace,
            Self::Open(OpenError::InUse) => Code::Busy,
            Self::Rejected(_) | Self::TooLong | Self::Unknown => Code::Internal,
            _ => below(self),
        }
    }
}

impl Coded for Unreadable {
    fn stable_code(&self) -> Code {
        below(self)
    }
}

/// The code of a member that can't be used: that of its disk, if it is the disk.
fn below(error: &(dyn Error + 'static)) -> Code {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<DiskError>().map(disk_code) {
            Some(code @ (Code::NoSpace | Code::VolumeFailed)) => return code,
            _ => next = error.source(),
        }
    }
    Code::MemberUnusable
}

impl Coded for EntropyError {
    fn stable_code(&self) -> Code {
        Code::Internal
    }
}

impl Coded for OpenKeyFileError {
    fn stable_code(&self) -> Code {
        match self {
            Self::Document(error) => error.code(),
            Self::Disk(DiskError::NotFound { .. }) => Code::WrongKey,
            Self::Disk(error) => disk_code(error),
        }
    }
}

impl Coded for std::io::Error {
    fn stable_code(&self) -> Code {
        match self.kind() {
            std::io::ErrorKind::NotFound => Code::NotFound,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::NoSpace,
            _ => Code::VolumeFailed,
        }
    }
}

impl Coded for serde_json::Error {
    fn stable_code(&self) -> Code {
        Code::Damaged
    }
}

/// Says what was being done when a lower package failed.
pub(crate) trait Attempt<T> {
    /// Turns the error into a failure; `what` is made only if there is one.
    fn attempt<W: Into<String>>(self, what: impl FnOnce() -> W) -> Result<T, Failure>;
}

impl<T, E: Coded> Attempt<T> for Result<T, E> {
    fn attempt<W: Into<String>>(self, what: impl FnOnce() -> W) -> Result<T, Failure> {
        self.map_err(|error| Failure::because(error.stable_code(), what(), error))
    }
}
