//! `coordinator join`: a member out of a folder and a token.
//!
//! Owns the order: the root is believed because the token pins it; the member's id is minted with its folder; the key is
//! made here and put aside; the token is spent with a request for that id's name. `config.toml` is written last. A join
//! that broke off is run again in the same folder with the same token, as long as that is good: it goes on with the same
//! id and key. Later, the group lets the id in no more; the folder is emptied, and joins as another member.

use std::path::Path;

use strongroom_platform::tls::{JoinToken, Role, SpiffeId, SubjectId};
use strongroom_proto::enrolment::v1::enrol_request::Joins;
use strongroom_proto::enrolment::v1::{Description, JoiningMember};

use super::desk::Desk;
use super::home::{self, Home};
use super::{DaemonError, Machine, Settings, found};
use crate::id::{ClusterEpoch, ClusterId, GroupIdentity, MemberId};
use crate::member::{Founding, Member, MemberIdentity};
use crate::server::engine::subject_of;

/// How a member joins.
pub struct Joining {
    /// What the operator carried here.
    pub token: JoinToken,
    /// Members that may be asked.
    pub endpoints: Vec<String>,
    /// Names and addresses; the region is the token's.
    pub settings: Settings,
}

/// Makes a member in a folder, and has it let in.
pub async fn join(path: &Path, joining: Joining, machine: &Machine) -> Result<MemberIdentity, DaemonError> {
    let Joining { token, endpoints, mut settings } = joining;
    let home = Home::create(path)?;
    if home.is_finished()? {
        return Err(DaemonError::MemberExists { path: path.to_owned() });
    }
    let desk = Desk::new(&token, endpoints, machine)?;
    let description = desk.describe().await?;
    let identity = make(&home, &description, &settings, machine)?;
    let trust_domain = description.trust_domain.parse().map_err(senseless_name)?;
    let region = description.region.parse().map_err(senseless_name)?;
    let subject = SubjectId(subject_of(identity.member));
    let id = SpiffeId { trust_domain, region, role: Role::Coordinator, subject };
    let pending = home.pending(home::OWN, id)?;
    let member = JoiningMember {
        member: identity.member.to_string(),
        name: settings.name.clone(),
        peer_address: settings.advertise.clone(),
        api_address: settings.advertise.clone(),
    };
    let chain = desk.enrol(pending.request().as_der(), Joins::Member(member)).await?;
    let own = pending.into_identity(chain);
    let own = own.map_err(|source| DaemonError::Identity { path: path.to_owned(), source })?;
    home.write_roots(home::OWN, &desk.roots()?.to_pem())?;
    home.write_identity(home::OWN, &own)?;
    settings.region.clone_from(&description.region);
    let known = description.members.iter().filter_map(|it| Some((it.member.parse().ok()?, it.peer_address.clone())));
    settings.known = found::known(&known.collect::<Vec<(MemberId, String)>>());
    home.write_settings(&settings)?;
    home.forget_pending(home::OWN)?;
    Ok(identity)
}

/// The member's folder, as one that a group will take in.
fn make(
    home: &Home,
    description: &Description,
    settings: &Settings,
    machine: &Machine,
) -> Result<MemberIdentity, DaemonError> {
    let cluster = <[u8; 16]>::try_from(description.cluster.as_slice());
    let cluster = ClusterId(cluster.map_err(|_| DaemonError::Senseless { what: "a group's id has 16 bytes" })?);
    let founder = description.founder.parse();
    let founder =
        founder.map_err(|_| DaemonError::Senseless { what: "a group's founder has 16 hexadecimal digits" })?;
    let group = GroupIdentity { cluster, epoch: ClusterEpoch(description.epoch), founder };
    let made =
        Member::create(&home.data()?, Founding::Joining(group), &settings.timing.member(), machine.entropy.as_ref());
    let identity = made.map_err(DaemonError::Open)?;
    if identity.group() != group {
        return Err(DaemonError::MemberExists { path: home.path().to_owned() });
    }
    Ok(identity)
}

pub(super) fn senseless_name(_: strongroom_platform::tls::spiffe::SpiffeError) -> DaemonError {
    DaemonError::Senseless { what: "the group names a place that can't stand in a certificate" }
}

/// An error with all that is below it, in one line.
pub fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = format!("{text}: {error}");
        below = error.source();
    }
    text
}
