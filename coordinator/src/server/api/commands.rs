//! Commands of operators, from the wire to the state's own form.
//!
//! Owns the conversion and its refusals; whether a command may be given, and what it does, is for others to say.

use strongroom_core::id::ClientSession;
use strongroom_platform::tls::PeerIdentity;
use strongroom_proto::operators::v1::change_members_request::Change as WireChange;
use strongroom_proto::operators::v1::execute_request::Command as Wire;
use strongroom_proto::operators::v1::{ChangeMembersRequest, ExecuteRequest};

use crate::id::MemberId;
use crate::raft::Change;
use crate::state::members::MemberDetails;
use crate::state::text::{Address, CountryCode, JurisdictionName, Name, Subject};
use crate::state::{Actor, Command, Decision, Request, Sequence, Stamp, members, places, session};

/// The request that a message asks for; it is stamped when it is proposed.
pub(super) fn request(message: ExecuteRequest, peer: &PeerIdentity) -> Result<Request, &'static str> {
    let (session, acknowledged_below) = match message.session {
        Some(session) => {
            let id = session_id(&session.id)?;
            (Some((id, Sequence(session.sequence))), Sequence(session.acknowledged_below))
        }
        None => (None, Sequence(0)),
    };
    let command = command(message.command.ok_or("there is no command")?)?;
    Ok(Request { session, acknowledged_below, ..own_retry(command, peer)? })
}

/// The change of the members that a message asks for, and what the registry notes of it.
pub(super) fn change(
    message: ChangeMembersRequest,
    peer: &PeerIdentity,
) -> Result<(Change, Option<Request>), &'static str> {
    let member = |text: &str| text.parse::<MemberId>().map_err(|_| "a member has 16 hexadecimal digits");
    Ok(match message.change.ok_or("there is no change")? {
        WireChange::Add(it) => {
            let id = member(&it.member)?;
            let address = |text: &str| Address::new(text).map_err(|_| "an address is a host, a colon and a port");
            let details = MemberDetails {
                name: name(&it.name)?,
                region: name(&it.region)?,
                peer_address: address(&it.peer_address)?,
                api_address: address(&it.api_address)?,
            };
            let put = members::PutMember { member: id, details };
            (Change::AddLearner(id), Some(own_retry(put.into(), peer)?))
        }
        WireChange::Promote(it) => {
            let removes = if it.replaces.is_empty() { None } else { Some(member(&it.replaces)?) };
            (Change::Promote { learner: member(&it.member)?, removes }, None)
        }
        WireChange::Remove(it) => (Change::Remove(member(&it.member)?), None),
    })
}

fn own_retry(command: Command, peer: &PeerIdentity) -> Result<Request, &'static str> {
    let actor = Subject::new(&peer.id.to_string()).map_err(|_| "the caller's identity is too long")?;
    Ok(Request {
        session: None,
        acknowledged_below: Sequence(0),
        actor: Actor::Identity(actor),
        decision: Decision::default(),
        stamp: Stamp::default(),
        command,
    })
}

fn command(wire: Wire) -> Result<Command, &'static str> {
    Ok(match wire {
        Wire::OpenSession(it) => session::OpenSession { session: session_id(&it.id)? }.into(),
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
    })
}

fn session_id(bytes: &[u8]) -> Result<ClientSession, &'static str> {
    bytes.try_into().map(ClientSession).map_err(|_| "a session's id has 16 bytes")
}

fn name(text: &str) -> Result<Name, &'static str> {
    Name::new(text).map_err(|_| "a name has lower-case letters, digits and hyphens")
}

fn jurisdiction(text: &str) -> Result<JurisdictionName, &'static str> {
    JurisdictionName::new(text).map_err(|_| "a jurisdiction is a country code or the name of a group")
}
