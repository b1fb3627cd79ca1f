//! Commands of operators, from the wire to the state's own form.
//!
//! Owns the conversion and its refusals; whether a command may be given, and what it does, is for others to say.

mod sources;

use std::collections::BTreeSet;

use strongroom_core::id::ClientSession;
use strongroom_platform::tls::{PeerIdentity, SpiffeId};
use strongroom_proto::operators::v1::execute_request::Command as Wire;
use strongroom_proto::operators::v1::{ExecuteRequest, MintToken, deny};

pub(super) use sources::TAGS;

use super::words;
use crate::id::MemberId;
use crate::state::certificates::{Denial, Deny};
use crate::state::operators::{AddOperator, OperatorRole, RemoveOperator, SetOperatorRoles};
use crate::state::runs::commands::{FinishRun, QueueRun, SetHostGroupCap};
use crate::state::runs::{RunCause, RunOutcome, RunPlan};
use crate::state::text::{CountryCode, JurisdictionName, Name, Subject};
use crate::state::tokens::{SecretHash, TokenTerms};
use crate::state::{
    Actor, Command, Decision, Request, Sequence, Stamp, agents, depots, members, places, session, tokens, uploads,
};

/// What is wrong with a message.
pub(super) type Malformed = &'static str;

/// The request that a message asks for; it is decided and stamped when it is proposed.
pub(super) fn request(message: ExecuteRequest, peer: &PeerIdentity) -> Result<Request, Malformed> {
    let (session, acknowledged_below) = match message.session {
        Some(session) => {
            let id = ClientSession(fixed(&session.id, "a session's id has 16 bytes")?);
            (Some((id, Sequence(session.sequence))), Sequence(session.acknowledged_below))
        }
        None => (None, Sequence(0)),
    };
    let command = command(message.command.ok_or("there is no command")?)?;
    if let Command::Deny(deny) = &command {
        check_denial(&deny.denial, peer)?;
    }
    Ok(Request { session, acknowledged_below, ..own_retry(command, peer)? })
}

/// A request that is its own retry.
pub(super) fn own_retry(command: Command, peer: &PeerIdentity) -> Result<Request, Malformed> {
    let actor = subject(&peer.id.to_string())?;
    Ok(Request {
        session: None,
        acknowledged_below: Sequence(0),
        actor: Actor::Identity(actor),
        decision: Decision::default(),
        stamp: Stamp::default(),
        command,
    })
}

fn command(wire: Wire) -> Result<Command, Malformed> {
    Ok(match wire {
        Wire::OpenSession(it) => {
            let session = ClientSession(fixed(&it.id, "a session's id has 16 bytes")?);
            session::OpenSession { session }.into()
        }
        Wire::PutJurisdiction(it) => {
            let codes = it.codes.iter().map(|code| CountryCode::new(code)).collect::<Result<_, _>>();
            let codes = codes.map_err(|_| "a country code has two capital letters")?;
            places::PutJurisdiction { name: jurisdiction(&it.name)?, codes }.into()
        }
        Wire::RemoveJurisdiction(it) => places::RemoveJurisdiction { name: jurisdiction(&it.name)? }.into(),
        Wire::PutRegion(it) => {
            places::PutRegion { name: name(&it.name)?, jurisdiction: jurisdiction(&it.jurisdiction)? }.into()
        }
        Wire::RemoveRegion(it) => places::RemoveRegion { name: name(&it.name)? }.into(),
        Wire::PutSite(it) => places::PutSite { name: name(&it.name)?, region: name(&it.region)? }.into(),
        Wire::RemoveSite(it) => places::RemoveSite { name: name(&it.name)? }.into(),
        wire @ (Wire::MintToken(_)
        | Wire::RevokeToken(_)
        | Wire::Deny(_)
        | Wire::RetireAgent(_)
        | Wire::SetDepotState(_)
        | Wire::AddOperator(_)
        | Wire::SetOperatorRoles(_)
        | Wire::RemoveOperator(_)
        | Wire::RetireMember(_)) => identity(wire)?,
        Wire::RegisterSource(it) => sources::register(&it)?,
        Wire::ChangeSource(it) => sources::change(&it)?,
        Wire::SetContract(it) => sources::set_contract(&it)?,
        Wire::PauseSource(it) => sources::pause(&it)?,
        wire => runs(wire)?,
    })
}

/// Those about who is who.
fn identity(wire: Wire) -> Result<Command, Malformed> {
    Ok(match wire {
        Wire::MintToken(it) => mint(&it)?.into(),
        Wire::RevokeToken(it) => tokens::RevokeToken { token: id(&it.token)? }.into(),
        Wire::Deny(it) => Deny { denial: denial(it.denied.ok_or("nothing is denied")?)? }.into(),
        Wire::RetireAgent(it) => agents::RetireAgent { agent: id(&it.agent)? }.into(),
        Wire::SetDepotState(it) => {
            let state = |word: &str| words::depot_state(word).ok_or("a depot is active, draining or lost");
            depots::SetDepotState { depot: id(&it.depot)?, from: state(&it.from)?, to: state(&it.to)? }.into()
        }
        Wire::AddOperator(it) => {
            AddOperator { name: name(&it.name)?, subject: subject(&it.identity)?, roles: roles(&it.roles)? }.into()
        }
        Wire::SetOperatorRoles(it) => SetOperatorRoles { name: name(&it.name)?, roles: roles(&it.roles)? }.into(),
        Wire::RemoveOperator(it) => RemoveOperator { name: name(&it.name)? }.into(),
        Wire::RetireMember(it) => members::RetireMember { member: member(&it.member)? }.into(),
        _ => return Err("the command is unknown"),
    })
}

/// Those about runs and what they write.
fn runs(wire: Wire) -> Result<Command, Malformed> {
    Ok(match wire {
        Wire::RequestRun(it) => {
            // A run by hand lies outside of the periods.
            let plan = RunPlan { source: id(&it.source)?, period: 0, attempt: 1, cause: RunCause::Manual };
            QueueRun { run: id(&it.run)?, plan }.into()
        }
        Wire::CallOffRun(it) => FinishRun { run: id(&it.run)?, outcome: RunOutcome::Abandoned }.into(),
        Wire::SetHostGroupCap(it) => {
            let cap = u16::try_from(it.cap).ok().filter(|cap| *cap > 0).ok_or("a cap is from 1 to 65535")?;
            SetHostGroupCap { host_group: id(&it.host_group)?, cap }.into()
        }
        Wire::FenceUpload(it) => uploads::FenceUpload { source: id(&it.source)?, epoch: it.epoch }.into(),
        _ => return Err("the command is unknown"),
    })
}

/// The token's life is counted from the proposal on; until then its end is the life alone.
fn mint(it: &MintToken) -> Result<tokens::MintToken, Malformed> {
    let optional = |text: &str| if text.is_empty() { Ok(None) } else { name(text).map(Some) };
    let terms = TokenTerms {
        role: words::join_role(&it.role).ok_or("a token is for an agent, a depot or a member")?,
        region: name(&it.region)?,
        site: optional(&it.site)?,
        name_hint: optional(&it.name_hint)?,
        expires_ms: it.life_ms,
    };
    let secret_hash = SecretHash(fixed(&it.secret_sha256, "the hash of a token's secret has 32 bytes")?);
    Ok(tokens::MintToken { token: id(&it.token)?, secret_hash, terms })
}

fn denial(denied: deny::Denied) -> Result<Denial, Malformed> {
    Ok(match denied {
        deny::Denied::Serial(serial) => Denial::Serial(id(&serial)?),
        deny::Denied::Identity(identity) => Denial::Identity(subject(&identity)?),
    })
}

/// Whoever is denied would be let in otherwise: he is of this installation, whose name the asker bears too.
fn check_denial(denial: &Denial, peer: &PeerIdentity) -> Result<(), Malformed> {
    let Denial::Identity(subject) = denial else { return Ok(()) };
    let id: SpiffeId = subject.as_str().parse().map_err(|_| "an identity is spiffe://DOMAIN/REGION/ROLE/ID")?;
    let is_ours = id.trust_domain == peer.id.trust_domain;
    if is_ours { Ok(()) } else { Err("the identity is of another trust domain, which nobody here lets in") }
}

fn roles(words: &[String]) -> Result<BTreeSet<OperatorRole>, Malformed> {
    words.iter().map(|word| words::role(word).ok_or("a role is operator or auditor")).collect()
}

/// An id of bytes.
pub(super) fn id<T: words::Id>(bytes: &[u8]) -> Result<T, Malformed> {
    T::of(bytes).ok_or("an id has not as many bytes as its kind")
}

fn fixed<const N: usize>(bytes: &[u8], what: Malformed) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| what)
}

/// A member's id.
pub(super) fn member(text: &str) -> Result<MemberId, Malformed> {
    text.parse().map_err(|_| "a member has 16 hexadecimal digits")
}

/// A name.
pub(super) fn name(text: &str) -> Result<Name, Malformed> {
    Name::new(text).map_err(|_| "a name has lower-case letters, digits and hyphens")
}

/// A jurisdiction.
pub(super) fn jurisdiction(text: &str) -> Result<JurisdictionName, Malformed> {
    JurisdictionName::new(text).map_err(|_| "a jurisdiction is a country code or the name of a group")
}

fn subject(text: &str) -> Result<Subject, Malformed> {
    Subject::new(text).map_err(|_| "an identity is a SPIFFE id of at most 255 bytes")
}
