//! All commands, in one flat list.
//!
//! Owns the list and its order, which is part of the persisted form: commands are appended, and none is ever taken out or
//! moved. What a command holds and does stands with its family.

use serde::{Deserialize, Serialize};

use super::agents::{ReportAgent, RetireAgent};
use super::certificates::{Deny, IssueCertificate};
use super::context::Context;
use super::depots::{ChangeDepot, SetDepotState};
use super::members::{MemberBooted, PutMember, RetireMember};
use super::membership::{AskChange, HandOver};
use super::operators::{AddOperator, RemoveOperator, SetOperatorRoles};
use super::outcome::Effected;
use super::passing::PassTime;
use super::places::{PutJurisdiction, PutRegion, PutSite, RemoveJurisdiction, RemoveRegion, RemoveSite};
use super::receipts::RegisterReceipt;
use super::refounding::{Refound, TakeBackup};
use super::retired::RetireSource;
use super::runs::commands::{FinishRun, QueueRun, ReportRun, SetHostGroupCap, StartRun};
use super::session::OpenSession;
use super::signing::{KeepCheckpoint, RegisterAuditKey};
use super::snapshots::CommitSnapshot;
use super::sources::{ChangeSource, DisableSource, PauseSource, RegisterSource, SetContract};
use super::tokens::{MintToken, RevokeToken, SpendToken};
use super::uploads::{CloseUpload, FenceUpload, OpenUpload};

/// Whether a command may be sent without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) enum Retry {
    /// Applying it twice would do harm: a retry is known by its session and sequence.
    BySession,
    /// It compares before it sets, or says the same again: twice is as good as once.
    ByNature,
}

/// What the audit log says of a command.
pub(in crate::state) struct Audited {
    /// `noun.verb`.
    pub(in crate::state) action: &'static str,
    /// What it was done to: an id or an operator's word.
    pub(in crate::state) object: String,
}

impl Audited {
    /// An action and its object.
    pub(in crate::state) fn new(action: &'static str, object: &impl ToString) -> Self {
        Self { action, object: object.to_string() }
    }
}

/// Rows that a command's effect writes at most, unless it says otherwise: what it is about, what that refers to, and a
/// few counters.
pub(in crate::state) const ROWS_WRITTEN_MAX: usize = 16;

/// What a command does.
pub(in crate::state) trait Effect {
    /// What the audit log says; nothing for commands without privilege.
    fn audited(&self) -> Option<Audited>;

    /// Whether it may be sent without a session.
    fn retry(&self) -> Retry {
        Retry::BySession
    }

    /// Rows that the effect writes at most; those of sessions and the audit log come on top. Tests hold each to it.
    fn rows_written_max(&self) -> usize {
        ROWS_WRITTEN_MAX
    }

    /// Takes effect, or is rejected; what a rejected command wrote is forgotten.
    fn apply(&self, cx: &mut Context<'_>) -> Effected;
}

/// What policies know a command as that the audit log does not tell.
const fn unprivileged(command: &Command) -> &'static str {
    match command {
        Command::OpenSession(_) => "session.open",
        Command::ReportAgent(_) => "agent.report",
        Command::QueueRun(_) => "run.queue",
        Command::ReportRun(_) => "run.report",
        Command::OpenUpload(_) => "upload.open",
        Command::CloseUpload(_) => "upload.close",
        Command::KeepCheckpoint(_) => "audit.sign",
        // No policy permits what has no name of its own.
        _ => "unnamed",
    }
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One command.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Command { $($(#[$doc])* $name($name),)* }

        impl Command {
            pub(in crate::state) fn effect(&self) -> &dyn Effect {
                match self { $(Self::$name(command) => command,)* }
            }

            /// What policies know it as: `noun.verb`. Of privileged commands it is also what the audit log says.
            pub fn action(&self) -> &'static str {
                self.effect().audited().map_or_else(|| unprivileged(self), |audited| audited.action)
            }

            /// Whether the audit log tells of it.
            pub fn is_audited(&self) -> bool {
                self.effect().audited().is_some()
            }

            #[cfg(test)]
            pub(in crate::state) const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];
        }

        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*
    };
}

commands! {
    /// Opens a client session.
    OpenSession,
    /// Defines a jurisdiction.
    PutJurisdiction,
    /// Takes a jurisdiction away.
    RemoveJurisdiction,
    /// Defines a region.
    PutRegion,
    /// Takes a region away.
    RemoveRegion,
    /// Defines a site.
    PutSite,
    /// Takes a site away.
    RemoveSite,
    /// Registers a member, or changes where it listens.
    PutMember,
    /// Takes out a member that is not part of the group.
    RetireMember,
    /// Notes a member's boot.
    MemberBooted,
    /// Mints a join token.
    MintToken,
    /// Takes a join token back.
    RevokeToken,
    /// Spends a join token and registers who joins.
    SpendToken,
    /// Notes a certificate.
    IssueCertificate,
    /// Denies a certificate or an identity.
    Deny,
    /// Moves a depot from one state to another.
    SetDepotState,
    /// Changes what a depot says of itself.
    ChangeDepot,
    /// Notes what an agent says of itself.
    ReportAgent,
    /// Takes out an agent.
    RetireAgent,
    /// Registers a source.
    RegisterSource,
    /// Changes what is known of a source.
    ChangeSource,
    /// Promises something else for a source.
    SetContract,
    /// Pauses a source, or resumes it.
    PauseSource,
    /// Lets a run wait.
    QueueRun,
    /// Starts a run.
    StartRun,
    /// Notes how far a run is.
    ReportRun,
    /// Ends a run.
    FinishRun,
    /// Bounds the runs of a host group.
    SetHostGroupCap,
    /// Opens an upload session.
    OpenUpload,
    /// Closes an upload session.
    CloseUpload,
    /// Fences an upload session.
    FenceUpload,
    /// Makes a snapshot part of its source's chain.
    CommitSnapshot,
    /// Registers a receipt.
    RegisterReceipt,
    /// Adds an operator.
    AddOperator,
    /// Changes an operator's roles.
    SetOperatorRoles,
    /// Removes an operator.
    RemoveOperator,
    /// Founds the group anew.
    Refound,
    /// Registers the key with which a member signs the audit log.
    RegisterAuditKey,
    /// Keeps a signed checkpoint of the audit log.
    KeepCheckpoint,
    /// Disables a source, or enables it.
    DisableSource,
    /// Lets accrued time pass.
    PassTime,
    /// Retires a source.
    RetireSource,
    /// Takes a copy of the whole state.
    TakeBackup,
    /// Says who asked for a change of the members.
    AskChange,
    /// Says who asked the leader to hand over.
    HandOver,
}
