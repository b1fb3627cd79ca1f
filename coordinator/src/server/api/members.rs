//! Who belongs to the group, and what a member says of itself.
//!
//! Owns the conversion of changes, and the words of a status. Changes are decided upon just before they are asked for;
//! what the registry is to note of a new member is checked again when it takes effect.

use strongroom_platform::tls::PeerIdentity;
use strongroom_proto::operators::v1::change_members_request::Change as Wire;
use strongroom_proto::operators::v1::{ChangeMembersRequest, MemberStatus, Standing as StandingMessage, StatusReply};

use super::commands::{Malformed, member, name, own_retry};
use crate::member::Member;
use crate::raft::{Change, Role, Standing};
use crate::server::failure::member_row;
use crate::state::Request;
use crate::state::members::{MemberDetails, PutMember};
use crate::state::membership::{AskChange, MemberStep};
use crate::state::text::Address;

/// Members that a status lists; a group has no more.
const MEMBERS_MAX: usize = 256;

/// The change of the members that a message asks for, and what the registry and the audit log note of it.
pub(super) fn change(message: ChangeMembersRequest, peer: &PeerIdentity) -> Result<(Change, Request), Malformed> {
    Ok(match message.change.ok_or("there is no change")? {
        Wire::Add(it) => {
            let id = member(&it.member)?;
            let address = |text: &str| Address::new(text).map_err(|_| "an address is a host, a colon and a port");
            let details = MemberDetails {
                name: name(&it.name)?,
                region: name(&it.region)?,
                peer_address: address(&it.peer_address)?,
                api_address: address(&it.api_address)?,
            };
            (Change::AddLearner(id), own_retry(PutMember { member: id, details }.into(), peer)?)
        }
        Wire::Promote(it) => {
            let removes = if it.replaces.is_empty() { None } else { Some(member(&it.replaces)?) };
            let learner = member(&it.member)?;
            let ask = AskChange { step: MemberStep::Promote { learner, removes } };
            (Change::Promote { learner, removes }, own_retry(ask.into(), peer)?)
        }
        Wire::Remove(it) => {
            let member = member(&it.member)?;
            (Change::Remove(member), own_retry(AskChange { step: MemberStep::Remove(member) }.into(), peer)?)
        }
    })
}

/// What this member is.
pub(super) fn status(member: &Member) -> StatusReply {
    let (identity, machine) = (member.identity(), member.machine());
    let configuration = machine.configuration();
    let progress = member.group().progress();
    let members = configuration.members().into_iter().take(MEMBERS_MAX).map(|id| {
        let details = member_row(machine.rows(), id).and_then(|row| row.details);
        let part = match () {
            () if configuration.voters.contains(&id) => "voter",
            () if configuration.learners.contains(&id) => "learner",
            () => "leaving",
        };
        let details = details.as_ref();
        MemberStatus {
            member: id.to_string(),
            part: part.to_owned(),
            name: details.map(|it| it.name.to_string()).unwrap_or_default(),
            region: details.map(|it| it.region.to_string()).unwrap_or_default(),
            peer_address: details.map(|it| it.peer_address.to_string()).unwrap_or_default(),
            api_address: details.map(|it| it.api_address.to_string()).unwrap_or_default(),
            matched: progress.iter().find(|it| it.member == id).map_or(0, |it| it.matched.0),
        }
    });
    StatusReply {
        cluster: identity.cluster.to_string(),
        epoch: identity.epoch.0,
        member: identity.member.to_string(),
        standing: Some(standing(member.standing())),
        applied: machine.position().index.0,
        state_digest: machine.digest().to_string(),
        members: members.collect(),
    }
}

/// Role, term and leader as a message.
pub(super) fn standing(standing: Standing) -> StandingMessage {
    let role = match standing.role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
    };
    StandingMessage {
        role: role.to_owned(),
        term: standing.term.0,
        leader: standing.leader.map(|id| id.to_string()).unwrap_or_default(),
        committed: standing.committed.0,
        last: standing.last.0,
    }
}
