//! Rows of the state as messages.
//!
//! Owns the form in which each is shown; ids are hexadecimal, nothing secret is among them.

use strongroom_core::id::{AgentId, CertificateSerial, DepotId, HostGroup, RunId, SnapshotId, SourceId, TokenId};
use strongroom_proto::operators::v1 as wire;

use super::commands::TAGS;
use super::words;
use crate::policy::role_name;
use crate::state::agents::AgentRow;
use crate::state::certificates::{CertificateRow, Denial};
use crate::state::depots::DepotRow;
use crate::state::operators::OperatorRow;
use crate::state::places::{JurisdictionRow, RegionRow, SiteRow};
use crate::state::query::{self, TokenView};
use crate::state::runs::{HostGroupRow, RunOutcome, RunRow, RunState};
use crate::state::snapshots::SnapshotRow;
use crate::state::sources::{SourceFacts, SourceRow};
use crate::state::text::{JurisdictionName, Name};
use crate::state::{Rows, Unreadable};

/// Newest snapshots among which a protected one is looked for, so that a page stays quick. A source that has none among
/// so many needs help, and is shown as it was at its registration.
const SNAPSHOTS_SEARCHED_MAX: usize = 64;

pub(super) fn jurisdiction(name: &JurisdictionName, row: &JurisdictionRow) -> wire::JurisdictionRow {
    let codes = row.codes.iter().map(ToString::to_string).collect();
    wire::JurisdictionRow { name: name.to_string(), codes, references: row.references }
}

pub(super) fn region(name: &Name, row: &RegionRow) -> wire::RegionRow {
    let jurisdiction = row.jurisdiction.to_string();
    wire::RegionRow { name: name.to_string(), jurisdiction, references: row.references }
}

pub(super) fn site(name: &Name, row: &SiteRow) -> wire::SiteRow {
    wire::SiteRow { name: name.to_string(), region: row.region.to_string(), references: row.references }
}

pub(super) fn token(token: TokenId, row: &TokenView, now_ms: u64) -> wire::TokenRow {
    let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
    wire::TokenRow {
        token: token.to_string(),
        role: words::join_role_word(row.terms.role).to_owned(),
        region: row.terms.region.to_string(),
        site: text(&row.terms.site),
        name_hint: text(&row.terms.name_hint),
        expires_ms: row.terms.expires_ms,
        state: words::token_state_word(row.state, row.terms.expires_ms, now_ms).to_owned(),
        minted_by: row.minted_by.as_str().to_owned(),
    }
}

pub(super) fn agent(agent: &AgentId, row: &AgentRow) -> wire::AgentRow {
    let report = row.report.as_ref();
    wire::AgentRow {
        agent: agent.to_string(),
        name: row.name.to_string(),
        site: row.site.to_string(),
        identity: row.subject.to_string(),
        state: words::agent_state_word(row.state).to_owned(),
        sources: row.sources,
        version: report.map(|it| it.version.to_string()).unwrap_or_default(),
        boot: report.map_or(0, |it| it.boot),
        reported_ms: report.map_or(0, |it| it.at_ms),
    }
}

pub(super) fn depot(depot: &DepotId, row: &DepotRow) -> wire::DepotRow {
    wire::DepotRow {
        depot: depot.to_string(),
        name: row.name.to_string(),
        site: row.site.to_string(),
        identity: row.subject.to_string(),
        state: words::depot_state_word(row.state).to_owned(),
        generation: row.generation,
        capacity_bytes: row.facts.capacity_bytes,
        address: row.facts.address.to_string(),
    }
}

fn facts(facts: &SourceFacts) -> wire::SourceFacts {
    let tags =
        TAGS.iter().enumerate().filter(|(_, tag)| facts.tags.has(**tag)).fold(0, |bits, (bit, _)| bits | 1 << bit);
    wire::SourceFacts {
        name: facts.name.to_string(),
        engine: words::engine_word(facts.engine).to_owned(),
        domain: facts.domain.0.to_vec(),
        agent: facts.agent.0.to_vec(),
        host_group: facts.host_group.0.to_vec(),
        signer: facts.signer.as_bytes().to_vec(),
        tags,
    }
}

pub(super) fn source(rows: &Rows, id: SourceId, row: &SourceRow, now_ms: u64) -> Result<wire::SourceRow, Unreadable> {
    let schedule = query::schedule(rows, &id)?.unwrap_or_default();
    let cut_ms = newest_cut(rows, id)?;
    let rpo_ms = row.terms.rpo_s.saturating_mul(1_000);
    let age_ms = now_ms.saturating_sub(cut_ms.unwrap_or(row.created_ms));
    let run = |run: Option<RunId>| run.map(|run| run.to_string()).unwrap_or_default();
    Ok(wire::SourceRow {
        source: id.to_string(),
        facts: Some(facts(&row.facts)),
        is_paused: row.is_paused,
        created_ms: row.created_ms,
        rpo_ms,
        rpo_debt_ms: if row.is_disabled { 0 } else { age_ms.saturating_sub(rpo_ms) },
        is_protected: cut_ms.is_some(),
        running: run(schedule.seen.running),
        queued: run(schedule.queued),
        succeeded_ms: schedule.succeeded_ms.unwrap_or_default(),
        failures: schedule.failures,
        terms_version: row.terms_version,
        cut_age_ms: cut_ms.map_or(0, |_| age_ms),
        is_disabled: row.is_disabled,
    })
}

/// Accrued time of the cut of the newest snapshot that is complete and protected: what came later would be lost.
fn newest_cut(rows: &Rows, source: SourceId) -> Result<Option<u64>, Unreadable> {
    let newest = query::snapshots(rows, source, None, SNAPSHOTS_SEARCHED_MAX)?;
    let found = newest.rows.iter().find(|(_, row)| row.protected_ms.is_some() && row.facts.is_complete);
    Ok(found.map(|(_, row)| row.cut_ms))
}

pub(super) fn snapshot(snapshot: &SnapshotId, row: &SnapshotRow) -> wire::SnapshotRow {
    wire::SnapshotRow {
        snapshot: snapshot.to_string(),
        sequence: row.facts.sequence,
        root: row.facts.root.to_string(),
        is_complete: row.facts.is_complete,
        committed_ms: row.committed_ms,
        committed_wall_us: row.committed_wall.0,
        is_protected: row.protected_ms.is_some(),
        protected_ms: row.protected_ms.unwrap_or_default(),
        epoch: row.epoch,
    }
}

pub(super) fn run(run: &RunId, row: &RunRow) -> wire::RunRow {
    let (snapshot, failure) = match row.state {
        RunState::Finished(RunOutcome::Succeeded { snapshot }) => (snapshot.to_string(), String::new()),
        RunState::Finished(RunOutcome::Failed { code }) => (String::new(), format!("SR{code:04}")),
        _ => (String::new(), String::new()),
    };
    wire::RunRow {
        run: run.to_string(),
        source: row.source.to_string(),
        ordinal: row.ordinal,
        cause: words::cause_word(row.plan.cause).to_owned(),
        state: words::run_state_word(row.state).to_owned(),
        attempt: row.plan.attempt,
        queued_ms: row.queued_ms,
        started_ms: row.started_ms.unwrap_or_default(),
        finished_ms: row.finished_ms.unwrap_or_default(),
        bytes: row.bytes,
        records: row.records,
        snapshot,
        failure,
    }
}

pub(super) fn operator(name: &Name, row: &OperatorRow) -> wire::OperatorRow {
    let roles = row.roles.iter().map(|role| role_name(*role).to_owned()).collect();
    wire::OperatorRow { name: name.to_string(), identity: row.subject.to_string(), roles, added_ms: row.added_ms }
}

pub(super) fn denial(version: u64, denial: &Denial) -> wire::DenialRow {
    let (serial, identity) = match denial {
        Denial::Serial(serial) => (serial.to_string(), String::new()),
        Denial::Identity(identity) => (String::new(), identity.to_string()),
    };
    wire::DenialRow { version, serial, identity }
}

pub(super) fn host_group(host_group: &HostGroup, row: HostGroupRow) -> wire::HostGroupRow {
    wire::HostGroupRow { host_group: host_group.to_string(), cap: row.cap.into(), running: row.running.into() }
}

pub(super) fn certificate(serial: CertificateSerial, row: &CertificateRow) -> wire::CertificateRow {
    let (serial, identity) = (serial.to_string(), row.subject.to_string());
    wire::CertificateRow { serial, identity, not_after_wall_us: row.not_after.0 }
}
