//! What a command came to: an answer, or the fact for which it was rejected.
//!
//! Owns the persisted forms of both, since the session table remembers them. Variants are only ever appended. A rejected
//! command changed nothing and would be rejected again; an outcome that nobody saw is unknown, and is asked for by
//! sending the same session and sequence again.

use serde::{Deserialize, Serialize};

use super::rows::Unreadable;

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It took effect.
    Done(Answer),
    /// It did not, and left nothing but this.
    Rejected(Refusal),
}

impl Outcome {
    /// The code of the refusal; nothing for success.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Done(_) => "",
            Self::Rejected(refusal) => refusal.code(),
        }
    }
}

/// What a command that took effect gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Nothing but that it is done.
    Applied,
    /// The fencing epoch under which writes are taken.
    Epoch(u64),
    /// The version of the deny-list from which the denial holds.
    DenyVersion(u64),
    /// Whether the snapshot, or those that a receipt bears upon, are protected now.
    Protected(bool),
}

/// Things that commands speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thing {
    /// A legal territory.
    Jurisdiction,
    /// A failure domain.
    Region,
    /// A location.
    Site,
    /// A member of the group.
    Member,
    /// A join token.
    Token,
    /// A certificate.
    Certificate,
    /// A depot.
    Depot,
    /// An agent.
    Agent,
    /// A source.
    Source,
    /// A run.
    Run,
    /// An upload session.
    Upload,
    /// A snapshot.
    Snapshot,
    /// A pack.
    Pack,
    /// A receipt.
    Receipt,
    /// An operator.
    Operator,
    /// A denial.
    Denial,
    /// A key that signs the audit log.
    AuditKey,
    /// A checkpoint of the audit log.
    Checkpoint,
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])* $name:ident $(($field:ty))? = $code:literal, $text:literal;)*) => {
        /// Why a command was rejected: a fact that the caller can act on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
        pub enum Refusal {
            $($(#[doc = $doc])* #[error($text)] $name $(($field))?,)*
        }

        impl Refusal {
            /// The stable code, at most 16 characters.
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$name { .. } => $code,)* }
            }

            #[cfg(test)]
            pub(in crate::state) const CODES: &'static [&'static str] = &[$($code),*];
        }
    };
}

refusals! {
    /// The request is of a version that this program does not know.
    UnknownVersion = "version", "the request is of an unknown version";
    /// The request's bytes are those of none.
    Malformed = "malformed", "the request can't be read";
    /// The entry does not follow the last one.
    OutOfOrder = "order", "the entry lies at or before the last one applied";
    /// The command is not idempotent, and named no session.
    SessionNeeded = "session-needed", "the command needs a client session";
    /// The session was never opened, or expired; what its earlier requests came to is unknown.
    NoSession = "no-session", "there is no such client session";
    /// Too many outcomes of the session are not acknowledged.
    SessionFull = "session-full", "the client session remembers too many outcomes";
    /// Too many sessions are open.
    SessionsFull = "sessions-full", "too many client sessions are open";
    /// The client said that it needs this outcome no more.
    AlreadyAcknowledged = "acknowledged", "the outcome was acknowledged and is forgotten";
    /// What the command names is not there.
    Missing(Thing) = "missing", "there is no such {0:?}";
    /// What the command would make is there already.
    Exists(Thing) = "exists", "the {0:?} exists already";
    /// What the command would remove or move is in use.
    Referenced(Thing) = "referenced", "the {0:?} is in use";
    /// What the command names was retired, and its id is never used again.
    Retired(Thing) = "retired", "the {0:?} is retired";
    /// The command rests on a state of the thing that is no longer so.
    Changed(Thing) = "changed", "the {0:?} has changed since";
    /// The command says more of the thing than is allowed.
    TooMany(Thing) = "too-many", "too many of {0:?}";
    /// A country covers itself, and nothing else.
    CountryMismatch = "country", "a jurisdiction named by a country's code covers that country alone";
    /// The boot number is not above the last one: the data folder was rolled back or copied.
    StaleBoot(u64) = "stale-boot", "boot {0} was seen already: the data folder was rolled back or copied";
    /// The secret, role or place is not that of the token.
    TokenMismatch = "token-mismatch", "the token is for something else";
    /// The token's time is over.
    TokenExpired = "token-expired", "the token has expired";
    /// The token was used or revoked.
    TokenClosed = "token-closed", "the token was used or revoked";
    /// The lifetime asked for is too long.
    TooLong = "too-long", "the lifetime is too long";
    /// The identity or certificate is on the deny-list.
    Denied = "denied", "the identity or certificate is denied";
    /// The terms of the contract are empty, or beyond what can be promised.
    BadContract = "bad-contract", "the contract's terms are out of bounds";
    /// The home domain says whose keys seal the packs, and never changes.
    DomainFixed = "domain-fixed", "a source's home domain can't change";
    /// The source is paused.
    Paused = "paused", "the source is paused";
    /// Another run of the source is under way, or waits.
    Busy = "busy", "another run of the source is under way";
    /// As many runs as the host group allows are under way.
    HostGroupFull = "host-group-full", "the host group has no place for another run";
    /// The period has its success, or a later one began.
    PeriodOver = "period-over", "the period has its success, or is past";
    /// The planner saw another state than there is.
    PlanStale = "plan-stale", "the plan rests on a state that is no longer so";
    /// A newer upload of the source, or an operator, fenced this one.
    Fenced(u64) = "fenced", "fenced by epoch {0}";
    /// The upload was closed.
    UploadClosed = "upload-closed", "the upload is closed";
    /// The head does not continue the source's newest one.
    ChainBroken = "chain-broken", "the head does not follow the source's newest one";
    /// The head lists packs that another source owns, lists one twice, or drops one that was not listed.
    PackListBroken = "packs-broken", "the list of packs does not follow from that of the head before";
    /// The depot lies where the source's contract does not allow.
    Unlawful = "unlawful", "the depot lies outside the jurisdictions of the source's contract";
    /// The depot is lost, and is not trusted until it is active again.
    DepotLost = "depot-lost", "the depot counts as lost";
    /// Somebody must be left who can operate the installation.
    LastOperator = "last-operator", "the last operator can't be removed";
    /// Whoever is an operator has a role.
    NoRole = "no-role", "an operator has at least one role";
    /// The identity is another operator's.
    IdentityTaken = "identity-taken", "the identity belongs to another operator";
    /// Policy denies what was asked.
    Forbidden = "forbidden", "policy denies the request";
    /// The source is disabled.
    Disabled = "disabled", "the source is disabled";
    /// A snapshot that lacks something is no success.
    Incomplete = "incomplete", "the snapshot is incomplete, and no success";
    /// The text is no name that a certificate could bear.
    NotAnIdentity = "no-identity", "no certificate bears such a name: it is no SPIFFE id of an installation";
    /// The deny-list has no room; what was to be denied is not denied.
    DenyListFull = "deny-list-full", "the deny-list is full, and nothing was denied: deny the issuer instead";
}

/// Why a command ended early: rejected, or the state can't be read.
#[derive(Debug)]
pub(in crate::state) enum Fault {
    Refused(Refusal),
    Unreadable(Unreadable),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unreadable> for Fault {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

/// What a command's effect gives.
pub(in crate::state) type Effected = Result<Answer, Fault>;

/// Rejects for a reason unless a condition holds.
pub(in crate::state) fn require(holds: bool, refusal: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_short() {
        let distinct: BTreeSet<_> = Refusal::CODES.iter().collect();
        assert_eq!(distinct.len(), Refusal::CODES.len());
        assert!(Refusal::CODES.iter().all(|code| code.len() <= 16 && !code.is_empty()));
    }
}
