//! What a group is asked for a status: listings of its leader, and each member what it knows of itself.
//!
//! A member that does not answer is no failure of the status, it is what the status tells.

use std::collections::BTreeMap;
use std::time::Duration;

use strongroom_core::audit::{AuditEvent, SignedCheckpoint};
use strongroom_core::time::WallTime;
use strongroom_platform::clock::Clock;
use strongroom_platform::tls::SpiffeId;
use strongroom_proto::operators::v1::row::Row;
use strongroom_proto::operators::v1::{
    AgentHeard, AgentRow, CertificateRow, DepotRow, Listing, SourceOutlook, SourceRow, StatusReply, StatusRequest,
};

use super::picture::{AgentSeen, AuditSeen, CertificateSeen, DepotSeen, MemberSeen, Picture, SourceSeen};
use crate::commands::audit::{checkpoint, events};
use crate::commands::coordinator::ask_leader;
use crate::failure::Failure;
use crate::group::Group;
use crate::outlook::Outlook;

/// How long one member may take to say what it is.
const MEMBER_PATIENCE: Duration = Duration::from_secs(2);

/// Asks a group for all of it.
pub(super) fn gather(group: &mut Group, clock: &dyn Clock) -> Result<Picture, Failure> {
    let status = group.read("the group's status is not known", ask_leader)?;
    let outlook = Outlook::read(group)?;
    let sources = group.list(Listing::Sources, "the sources are not known")?;
    let agents = group.list(Listing::Agents, "the agents are not known")?;
    let depots = group.list(Listing::Depots, "the depots are not known")?;
    let certificates = group.list(Listing::Certificates, "the certificates are not known")?;
    let now = clock.wall();
    let mut picture = Picture {
        cluster: status.cluster.clone(),
        epoch: status.epoch,
        term: status.standing.as_ref().map_or(0, |standing| standing.term),
        leader: status.member.clone(),
        members: members(group, &status),
        sources: sources.into_iter().filter_map(|row| source(row, &outlook)).collect(),
        agents: agents.into_iter().filter_map(|row| agent(row, &outlook)).collect(),
        depots: depots.into_iter().filter_map(depot).collect(),
        audit: audit(group, now)?,
        certificates: Vec::new(),
        is_planned: outlook.is_planned(),
        is_room: group.is_room(),
        now,
    };
    if picture.is_room {
        for source in &mut picture.sources {
            by_wall(source, newest_protected(group, &source.source)?, now);
        }
        // A room's log is signed when the room is opened to be changed.
        picture.audit.unsigned_ms = None;
    }
    picture.certificates = late(certificates, &picture);
    Ok(picture)
}

/// When the newest complete, protected snapshot of a source was committed, by the wall clock.
fn newest_protected(group: &mut Group, source: &str) -> Result<Option<WallTime>, Failure> {
    let rows = group.newest(Listing::Snapshots, source, "the snapshots are not known")?;
    let found = rows.into_iter().find_map(|row| match row {
        Row::Snapshot(it) if it.is_protected && it.is_complete => Some(WallTime(it.committed_wall_us)),
        _ => None,
    });
    Ok(found)
}

/// Judges a source of a room by the wall clock: time that the group accrues stands still while no verb runs.
fn by_wall(source: &mut SourceSeen, protected: Option<WallTime>, now: WallTime) {
    let age_ms = protected.map(|at| u64::try_from(now.0.saturating_sub(at.0) / 1_000).unwrap_or(0));
    source.protected = protected.is_some();
    source.age_ms = age_ms;
    source.debt_ms = if source.disabled { 0 } else { age_ms.map_or(0, |age_ms| age_ms.saturating_sub(source.rpo_ms)) };
}

fn members(group: &mut Group, status: &StatusReply) -> Vec<MemberSeen> {
    let committed = status.standing.as_ref().map_or(0, |standing| standing.committed);
    let mut seen = Vec::new();
    for it in &status.members {
        let leads = it.member == status.member;
        let own = if leads {
            Some(status.clone())
        } else {
            let asked = group.ask_member(&it.api_address, MEMBER_PATIENCE, async |mut client| {
                client.status(StatusRequest {}).await.map(tonic::Response::into_inner)
            });
            // Another one may listen there by now.
            asked.filter(|own| own.member == it.member)
        };
        let standing = own.as_ref().and_then(|own| own.standing.clone());
        seen.push(MemberSeen {
            member: it.member.clone(),
            name: it.name.clone(),
            region: it.region.clone(),
            part: it.part.clone(),
            address: it.api_address.clone(),
            behind: if leads { 0 } else { committed.saturating_sub(it.matched) },
            role: standing.as_ref().map(|standing| standing.role.clone()),
            term: standing.map(|standing| standing.term),
            version: own.map(|own| own.version),
        });
    }
    seen
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn source(row: Row, outlook: &Outlook) -> Option<SourceSeen> {
    let Row::Source(it) = row else { return None };
    let SourceRow { source, facts, is_protected, cut_age_ms, rpo_ms, rpo_debt_ms, .. } = it;
    let planned = outlook.source(&source).cloned().unwrap_or_default();
    let SourceOutlook { because, missed, over_s, next_start_wall_us, .. } = planned;
    Some(SourceSeen {
        name: facts.map(|facts| facts.name).unwrap_or_default(),
        source,
        protected: is_protected,
        age_ms: is_protected.then_some(cut_age_ms),
        rpo_ms,
        debt_ms: rpo_debt_ms,
        paused: it.is_paused,
        disabled: it.is_disabled,
        running: some(it.running),
        queued: some(it.queued),
        failures: it.failures,
        over_ms: over_s.saturating_mul(1_000),
        missed,
        because: some(because),
        next_start: (next_start_wall_us != 0).then_some(WallTime(next_start_wall_us)),
    })
}

fn agent(row: Row, outlook: &Outlook) -> Option<AgentSeen> {
    let Row::Agent(AgentRow { agent, name, site, identity, state, sources, version, .. }) = row else { return None };
    let heard_ago_ms = outlook.agents().find(|heard| heard.agent == agent).map(|heard: &AgentHeard| heard.heard_ago_ms);
    (state == "active").then_some(AgentSeen {
        agent,
        name,
        site,
        sources,
        version: some(version),
        heard_ago_ms,
        identity,
    })
}

fn depot(row: Row) -> Option<DepotSeen> {
    let Row::Depot(DepotRow { depot, name, site, identity, state, capacity_bytes, .. }) = row else { return None };
    Some(DepotSeen { depot, name, site, state, capacity_bytes, identity })
}

fn audit(group: &mut Group, now: WallTime) -> Result<AuditSeen, Failure> {
    let standing = group.read("what the log promises is not known", checkpoint)?;
    // A checkpoint that can't be read promises nothing; `audit export` says what is wrong with it.
    let signed = SignedCheckpoint::parse(&standing.checkpoint).map_or(0, |it| it.unverified().head().size.0);
    let mut seen = AuditSeen { events: standing.events, signed, unsigned_ms: None };
    if signed < standing.events {
        let page = group.read("the events can't be read", |client| events(client, signed, 1))?;
        let oldest = page.events.first().and_then(|bytes| AuditEvent::decode(bytes).ok());
        let age_us = oldest.map_or(0, |event| now.0.saturating_sub(event.wall.0));
        seen.unsigned_ms = Some(u64::try_from(age_us / 1_000).unwrap_or(0));
    }
    Ok(seen)
}

/// The newest certificate of each identity that is part of the installation, if less than a quarter of its life is left:
/// holders renew when half of it is over.
fn late(rows: Vec<Row>, picture: &Picture) -> Vec<CertificateSeen> {
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows {
        if let Row::Certificate(CertificateRow { identity, not_after_wall_us, .. }) = row {
            let ends = newest.entry(identity).or_insert(not_after_wall_us);
            *ends = not_after_wall_us.max(*ends);
        }
    }
    let late = |(identity, ends): (String, i64)| {
        let id: SpiffeId = identity.parse().ok()?;
        let life_us = i64::try_from(id.role.certificate_ttl().as_micros()).ok()?;
        let is_late = ends.saturating_sub(picture.now.0) < life_us / 4;
        let name = picture.name_of(&identity, &id)?;
        is_late.then_some(CertificateSeen { identity, name, ends: WallTime(ends) })
    };
    newest.into_iter().filter_map(late).collect()
}

impl Picture {
    /// The name under which the installation knows an identity. People's certificates are their own business.
    fn name_of(&self, identity: &str, id: &SpiffeId) -> Option<String> {
        let agent = self.agents.iter().find(|it| it.identity == identity).map(|it| format!("agent {}", it.name));
        let depot = || self.depots.iter().find(|it| it.identity == identity).map(|it| format!("depot {}", it.name));
        let subject = id.subject.to_string();
        // A member's id is the second half of its subject.
        let is_it = |member: &&MemberSeen| {
            id.role == strongroom_platform::tls::Role::Coordinator && subject.ends_with(&member.member)
        };
        agent.or_else(depot).or_else(|| self.members.iter().find(is_it).map(|it| format!("member {}", it.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn a_source_of_a_room_grows_older_while_nobody_looks() {
        let now = WallTime(1_790_000_000_000_000);
        let mut source = SourceSeen { rpo_ms: 24 * HOUR_MS, protected: true, age_ms: Some(5), ..SourceSeen::default() };
        by_wall(&mut source, Some(WallTime(now.0 - 40 * 24 * 3_600_000_000)), now);
        assert_eq!((source.age_ms, source.debt_ms), (Some(40 * 24 * HOUR_MS), 39 * 24 * HOUR_MS));
        by_wall(&mut source, None, now);
        assert_eq!((source.protected, source.age_ms, source.debt_ms), (false, None, 0));
    }
}
