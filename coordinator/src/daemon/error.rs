//! What keeps a member from being made, from joining, or from running, with the code that people and scripts meet.

use std::path::PathBuf;

use strongroom_core::entropy::EntropyError;
use strongroom_core::error::Code;
use strongroom_platform::disk::DiskError;
use strongroom_platform::tls::AuthorityError;
use strongroom_platform::tls::config::ConfigError;
use strongroom_platform::tls::identity::IdentityError;
use strongroom_platform::tls::request::RequestError;
use strongroom_platform::tls::spiffe::SpiffeError;
use strongroom_platform::tls::token::TokenError;
use strongroom_platform::tls::verify::BundleError;
use strongroom_proto::common::v1::Failure;

use crate::member::{MemberError, OpenError, RefoundError};
use crate::server::forward::ForwardError;
use crate::server::{DialError, RunError};
use crate::state::Refusal;

/// What a verb of the daemon ends with when it could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The folder is no member's, or one that was never finished.
    #[error("{} holds no member", path.display())]
    NoMember {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is not empty.
    #[error("{} holds a member, or what is left of an attempt to make one", path.display())]
    MemberExists {
        /// The folder.
        path: PathBuf,
    },
    /// An option says something that can't be.
    #[error("{option}: {what}")]
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The settings can't be read.
    #[error("config.toml can't be read: {what}")]
    Settings {
        /// What is wrong with them.
        what: String,
    },
    /// A file of the folder can't be read or written.
    #[error("{what}")]
    Disk {
        /// What was being done.
        what: &'static str,
        /// Why it was not.
        #[source]
        source: DiskError,
    },
    /// The member can't be opened or made.
    #[error("the member can't be opened")]
    Open(#[source] OpenError),
    /// The member ended by itself.
    #[error("the member ended")]
    Member(#[source] MemberError),
    /// The member's thread was ended by a defect.
    #[error("the member's thread ended by a defect")]
    Defect,
    /// The group says that this folder is not the newest of its member, or that the member was removed.
    #[error("the group does not take this member: {0}")]
    NotTaken(Refusal),
    /// The address can't be listened at.
    #[error("{address} can't be listened at")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The socket that was open is not usable.
    #[error("the member can't run")]
    Run(#[source] RunError),
    /// There is no runtime to be had.
    #[error("threads or timers are not to be had")]
    Runtime(#[source] std::io::Error),
    /// The identity's files make no identity.
    #[error("the identity in {} can't be used", path.display())]
    Identity {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: IdentityError,
    },
    /// The roots can't be used.
    #[error("the roots in root.pem can't be used")]
    Roots(#[source] BundleError),
    /// An authority does not do what it was asked.
    #[error("the authority does not sign")]
    Authority(#[source] AuthorityError),
    /// A certificate can't be asked for.
    #[error("the certificate request is not good")]
    Request(#[source] RequestError),
    /// A name that can't stand in a certificate.
    #[error("{option} can't stand in a certificate")]
    Name {
        /// Which.
        option: &'static str,
        /// Why.
        #[source]
        source: SpiffeError,
    },
    /// TLS can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[source] ConfigError),
    /// The token is none.
    #[error("the join token can't be read")]
    Token(#[source] TokenError),
    /// Nobody answers.
    #[error("no member could be asked")]
    Dial(#[source] DialError),
    /// Nobody answered for good.
    #[error("the group did not answer in time: {last}")]
    NoAnswer {
        /// What was heard last.
        last: String,
    },
    /// The group said no.
    #[error("the group refused: {} ({})", .0.message, .0.code)]
    Refused(Failure),
    /// The group's state said no.
    #[error("the group refused: {0}")]
    Rejected(Refusal),
    /// The group did not come to an outcome.
    #[error("the group did not decide")]
    Forward(#[source] ForwardError),
    /// What came back makes no sense.
    #[error("the answer makes no sense: {what}")]
    Senseless {
        /// What.
        what: &'static str,
    },
    /// The group was not founded anew.
    #[error("the group was not founded anew")]
    Refound(#[source] RefoundError),
    /// No random bytes are to be had.
    #[error("no random bytes are to be had")]
    Entropy(#[source] EntropyError),
}

impl DaemonError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::NoMember { .. }
            | Self::Open(OpenError::Absent)
            | Self::Disk { source: DiskError::NotFound { .. }, .. } => Code::NoMember,
            Self::MemberExists { .. } | Self::Refound(RefoundError::Occupied) => Code::MemberExists,
            Self::Refound(RefoundError::OtherState | RefoundError::Rows(_)) => Code::StateBackupDamaged,
            Self::Option { .. } | Self::Settings { .. } | Self::Name { .. } => Code::Usage,
            Self::Disk { source: DiskError::NoSpace { .. }, .. } => Code::NoSpace,
            Self::Disk { .. } => Code::VolumeFailed,
            Self::Open(_)
            | Self::Member(_)
            | Self::Refound(RefoundError::Open(_))
            | Self::Defect
            | Self::NotTaken(_)
            | Self::Listen { .. }
            | Self::Run(_)
            | Self::Runtime(_) => Code::MemberEnded,
            Self::Identity { .. } | Self::Roots(_) | Self::Authority(_) | Self::Request(_) | Self::Token(_) => {
                Code::WrongKey
            }
            Self::Dial(_) | Self::NoAnswer { .. } | Self::Forward(ForwardError::NotDone) => Code::NoLeader,
            Self::Forward(ForwardError::Unknown) => Code::GroupUnknown,
            Self::Refused(_) | Self::Rejected(_) | Self::Refound(RefoundError::Refused(_)) => Code::GroupRefused,
            Self::Tls(_) | Self::Senseless { .. } | Self::Entropy(_) | Self::Forward(_) => Code::Internal,
        }
    }
}
