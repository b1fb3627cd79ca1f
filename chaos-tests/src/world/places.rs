//! Where the hosts lie, and what the operator tells the group of it.
//!
//! Owns the regions of a run: which host lies where, the requests that make regions and members known to the group, and
//! those that set its rules. A run of one region tells the group nothing, as most small installations.

use std::collections::BTreeSet;

use strongroom_coordinator::id::MemberId;
use strongroom_coordinator::member::{Event, Member};
use strongroom_coordinator::state::members::{MemberDetails, Members, PutMember};
use strongroom_coordinator::state::places::{PutJurisdiction, PutRegion, Regions};
use strongroom_coordinator::state::rules::{CommitRule, PreferRegions, SetCommitRule, rules};
use strongroom_coordinator::state::session::{ClientSessions, OpenSession};
use strongroom_coordinator::state::text::{Address, CountryCode, JurisdictionName, Name};
use strongroom_coordinator::state::{Actor, Command, Decision, Request, Sequence, Stamp};
use strongroom_core::id::ClientSession;

use super::operator::OPERATOR;
use super::{HostNumber, MS, World};
use crate::invariants::Broken;

/// The operator's session.
const SESSION: ClientSession = ClientSession([0xee; 16]);
/// How fast the fastest clock of a host is, and how long a tick is by a right one.
const PACE_MAX: u64 = 2;
const TICK: u64 = 50 * MS;
/// Ticks of a reign that may come at its first moment, and at its last.
const TICKS_AT_ONCE: u64 = 2;

/// The operator's own numbers.
#[derive(Default)]
pub(super) struct Places {
    sequence: u64,
}

/// The group does not know the region yet.
pub(super) struct NotYet;

impl World {
    /// The region of a host.
    pub(super) fn region_of(&self, host: HostNumber) -> usize {
        self.plan.regions.get(host).copied().unwrap_or_default()
    }

    /// Whether the group is told of regions.
    pub(super) fn has_regions(&self) -> bool {
        self.plan.regions.iter().any(|region| *region > 0)
    }

    /// Whether the others still lie in two regions when a host is gone for good, or the group does not care.
    pub(super) fn is_spared_by(&self, gone: HostNumber) -> bool {
        let regions = |hosts: &mut dyn Iterator<Item = HostNumber>| -> BTreeSet<usize> {
            hosts.map(|host| self.region_of(host)).collect()
        };
        let all = 0..self.hosts.len();
        regions(&mut all.clone()).len() < 2 || regions(&mut all.filter(|host| *host != gone)).len() > 1
    }

    /// How long a reign lasts before it is handed over to a preferred region, by the fastest clock.
    pub(super) fn reign_least(&self) -> u64 {
        let reign_ticks = 2 * u64::from(self.plan.member.preference_ticks);
        reign_ticks.saturating_sub(TICKS_AT_ONCE) * TICK / PACE_MAX
    }

    /// Whether a member of the most preferred region leads, if one was preferred.
    pub(super) fn is_well_led(&self) -> bool {
        let Some(preferred) = self.plan.preferred.first() else { return true };
        self.leader().is_some_and(|leader| self.region_of(leader) == *preferred)
    }

    /// Tells the leader what it does not know of the places.
    pub(super) fn tell_places(&mut self, leader: HostNumber) -> Result<(), Broken> {
        if !self.has_regions() {
            return Ok(());
        }
        let Some(member) = self.hosts.get(leader).and_then(|host| host.member.as_ref()) else { return Ok(()) };
        for command in self.missing(member) {
            self.operate_by(leader, command)?;
        }
        Ok(())
    }

    /// Lets the group agree by any majority, or across regions again.
    pub(super) fn set_commit_rule(&mut self, leader: HostNumber, rule: CommitRule) -> Result<(), Broken> {
        let member = self.hosts.get(leader).and_then(|host| host.member.as_ref());
        let Some(known) = member.and_then(|member| rules(member.machine().rows()).ok()) else { return Ok(()) };
        if let Some(id) = self.hosts.get(leader).and_then(|host| host.id).filter(|_| rule == CommitRule::AnyMajority) {
            self.invariants.waive(id);
        }
        self.operate_by(leader, SetCommitRule { seen: known.version, rule }.into())
    }

    /// What the registry is to note of a new member: nothing if there are no regions.
    pub(super) fn registration(&self, leader: &Member, id: MemberId) -> Result<Option<Request>, NotYet> {
        if !self.has_regions() {
            return Ok(None);
        }
        self.registered(leader, id).map(Some).ok_or(NotYet)
    }

    fn registered(&self, leader: &Member, id: MemberId) -> Option<Request> {
        let host = self.host_of(id)?;
        let region = region_name(self.region_of(host))?;
        leader.machine().rows().get::<Regions>(&region).ok()??;
        Some(Self::request(None, put_member(id, host, region)?.into()))
    }

    fn missing(&self, leader: &Member) -> Vec<Command> {
        let rows = leader.machine().rows();
        let mut missing: Vec<Command> = Vec::new();
        if rows.get::<ClientSessions>(&SESSION).is_ok_and(|row| row.is_none()) {
            missing.push(OpenSession { session: SESSION }.into());
        }
        let mut regions = self.plan.regions.clone();
        regions.sort_unstable();
        regions.dedup();
        let names: Vec<Name> = regions.into_iter().filter_map(region_name).collect();
        let unknown: Vec<&Name> =
            names.iter().filter(|name| rows.get::<Regions>(name).is_ok_and(|row| row.is_none())).collect();
        if let (false, Some(law)) = (unknown.is_empty(), law()) {
            missing.push(law.clone().into());
            missing.extend(
                unknown.into_iter().map(|name| PutRegion { name: name.clone(), jurisdiction: law.name.clone() }.into()),
            );
            return missing;
        }
        let me = leader.identity().member;
        let is_known = rows.get::<Members>(&me).is_ok_and(|row| row.is_some_and(|row| row.details.is_some()));
        if let (false, Some(host)) = (is_known, self.host_of(me)) {
            missing
                .extend(region_name(self.region_of(host)).and_then(|name| put_member(me, host, name)).map(Into::into));
        }
        let known = rules(rows).unwrap_or_default();
        let preferred: Vec<Name> = self.plan.preferred.iter().copied().filter_map(region_name).collect();
        if known.preferred != preferred {
            missing.push(PreferRegions { seen: known.version, regions: preferred }.into());
        }
        missing
    }

    fn operate_by(&mut self, leader: HostNumber, command: Command) -> Result<(), Broken> {
        let by_nature =
            matches!(command, Command::OpenSession(_) | Command::SetCommitRule(_) | Command::PreferRegions(_));
        self.places.sequence += 1;
        let sequence = (!by_nature).then_some(Sequence(self.places.sequence));
        self.feed(leader, Event::Submit { ticket: OPERATOR, request: Self::request(sequence, command) })
    }

    fn request(sequence: Option<Sequence>, command: Command) -> Request {
        Request {
            session: sequence.map(|sequence| (SESSION, sequence)),
            acknowledged_below: sequence.unwrap_or_default(),
            actor: Actor::System,
            decision: Decision::default(),
            stamp: Stamp::default(),
            command,
        }
    }
}

fn region_name(region: usize) -> Option<Name> {
    Name::new(&format!("region-{region}")).ok()
}

fn law() -> Option<PutJurisdiction> {
    Some(PutJurisdiction { name: JurisdictionName::new("DE").ok()?, codes: [CountryCode::new("DE").ok()?].into() })
}

fn put_member(member: MemberId, host: HostNumber, region: Name) -> Option<PutMember> {
    let address = Address::new(&format!("127.0.0.1:{}", 7_000 + host)).ok()?;
    let name = Name::new(&format!("host-{host}")).ok()?;
    Some(PutMember {
        member,
        details: MemberDetails { name, region, peer_address: address.clone(), api_address: address },
    })
}
