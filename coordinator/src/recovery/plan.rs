//! Whose log a new epoch begins with, and what may be lost by it.
//!
//! Owns the choice, which is a function of the surveys alone. Among sound survivors it is the log that Raft itself would
//! elect: the highest last term, and of those the longest (Ongaro, "Consensus: Bridging Theory and Practice", 2014,
//! §3.6.1). A survivor that is not sound is taken only when there is no other. Nothing is chosen while the members that
//! are left could elect a leader by themselves: then nothing may be lost, and they only need to be started. Which members
//! those are is asked of every configuration that may be in force: the newest that is known to be agreed on, and each
//! later one in any log.

mod refused;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::backup::Header;
use super::survey::{FoundConfiguration, Survey};
use crate::id::{ClusterEpoch, LogIndex, MemberId, Position};
use crate::state::refounding::RefoundedFrom;
pub use refused::PlanRefused;

/// A way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The group.
    pub cluster: String,
    /// The epoch that would begin.
    pub epoch: u64,
    /// What the state is taken from.
    pub from: RefoundedFrom,
    /// Where it stands: what comes after is lost, if there was anything.
    pub stands: Position,
    /// The state's digest there.
    pub state_digest: String,
    /// The last entry that is known to be agreed on.
    pub agreed: Position,
    /// Entries behind that one, which are kept though nobody knows them to be agreed on: how many of each kind.
    pub unsettled: BTreeMap<String, u64>,
    /// What other survivors hold and the chosen one lacks.
    pub dropped: Vec<Dropped>,
    /// Voters that were not surveyed or can't be relied on. What only they had is lost.
    pub absent: BTreeSet<MemberId>,
    /// Events of the audit log that are kept. A checkpoint of a larger log, wherever one is kept, tells how many are lost.
    pub audit_events: u64,
    /// Snapshots in the catalogue that are kept. Depots may hold heads of later ones.
    pub snapshots: u64,
    /// What whoever consents should know.
    pub warnings: Vec<String>,
}

/// Entries of a survivor that are lost with the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Who holds them.
    pub member: MemberId,
    /// The first of them.
    pub first: LogIndex,
    /// The last of them.
    pub last: LogIndex,
    /// What the survivor's entries ask for that it does not know to be agreed on: how many of each kind. Those that are
    /// lost are among them.
    pub unsettled: BTreeMap<String, u64>,
}

impl Plan {
    /// The plan for these survivors.
    pub fn of(surveys: &[Survey]) -> Result<Self, PlanRefused> {
        let members = by_member(surveys)?;
        let chosen = members.values().max_by_key(|survey| rank(survey)).ok_or(PlanRefused::NoSurvivor)?;
        let sound: BTreeSet<MemberId> =
            members.values().filter(|survey| survey.is_sound()).map(|survey| survey.member).collect();
        let in_force = in_force(&members);
        refuse_if_quorum(&in_force, &sound)?;
        let voters: BTreeSet<MemberId> = in_force.iter().flat_map(FoundConfiguration::voters).collect();
        let others = || members.values().filter(|survey| survey.member != chosen.member);
        let mut warnings = Vec::new();
        if !chosen.is_sound() {
            let why = reason(chosen);
            warnings
                .push(format!("no survivor is sound; what member {} holds may be incomplete: {why}", chosen.member));
        }
        if in_force.len() > 1 {
            warnings.push(
                "the logs hold changes of the members that may or may not have been agreed on: make sure that no other \
                 member runs"
                    .to_owned(),
            );
        }
        warnings.extend(others().flat_map(|survey| warnings_of(survey, chosen)));
        warnings.extend(surveys.iter().filter(|survey| survey.epoch < chosen.epoch).map(is_over));
        Ok(Self {
            cluster: chosen.cluster.clone(),
            epoch: chosen.epoch.saturating_add(1),
            from: RefoundedFrom::Survivor(chosen.member),
            stands: chosen.stands,
            state_digest: chosen.state_digest.clone(),
            agreed: chosen.agreed,
            unsettled: chosen.unsettled.clone(),
            dropped: others().filter_map(|survey| dropped(survey, chosen)).collect(),
            absent: voters.difference(&sound).copied().collect(),
            audit_events: chosen.audit_events,
            snapshots: chosen.snapshots,
            warnings,
        })
    }

    /// The plan for a backup of the state, when no survivor is left.
    pub fn of_backup(header: &Header, audit_events: u64, snapshots: u64) -> Self {
        let ClusterEpoch(epoch) = header.epoch.next();
        let warning = format!(
            "what was agreed on after the backup was written, at {}, is lost: make sure that no member of the group runs",
            header.taken
        );
        Self {
            cluster: header.cluster.clone(),
            epoch,
            from: RefoundedFrom::Backup(header.member),
            stands: header.position,
            state_digest: header.digest.clone(),
            agreed: header.position,
            unsettled: BTreeMap::new(),
            dropped: Vec::new(),
            absent: BTreeSet::new(),
            audit_events,
            snapshots,
            warnings: vec![warning],
        }
    }

    /// What consent is given to: 32 hexadecimal digits that change with anything in the plan.
    pub fn digest(&self) -> String {
        // A plan of numbers and texts can always be written.
        let text = serde_json::to_vec(self).unwrap_or_default();
        let digest = blake3::hash(&text).to_hex();
        digest.chars().take(32).collect()
    }
}

/// The surveys of the newest founding.
fn by_member(surveys: &[Survey]) -> Result<BTreeMap<MemberId, &Survey>, PlanRefused> {
    let newest = surveys.iter().max_by_key(|survey| survey.epoch).ok_or(PlanRefused::NoSurvivor)?;
    let mut by_member = BTreeMap::new();
    for survey in surveys {
        if survey.cluster != newest.cluster {
            return Err(PlanRefused::OtherGroup { one: newest.cluster.clone(), other: survey.cluster.clone() });
        }
        if survey.epoch < newest.epoch {
            continue;
        }
        if survey.founder != newest.founder {
            return Err(PlanRefused::OtherFounding { one: newest.founder, other: survey.founder });
        }
        let before = by_member.insert(survey.member, survey);
        if before.is_some_and(|before| before != survey) {
            return Err(PlanRefused::Twice { member: survey.member });
        }
    }
    Ok(by_member)
}

/// What makes one survivor better than another: soundness, then what Raft compares.
fn rank(survey: &Survey) -> (bool, u64, LogIndex, std::cmp::Reverse<MemberId>) {
    let last = survey.last();
    (survey.is_sound(), last.term.0, last.index, std::cmp::Reverse(survey.member))
}

/// The configurations of which one is in force: those as of the last entry that anybody knows to be agreed on, and all
/// later ones. One that is not sound may know more than others, or say what never was: both are asked.
fn in_force(members: &BTreeMap<MemberId, &Survey>) -> Vec<FoundConfiguration> {
    let newest = |is_asked: fn(&Survey) -> bool| {
        members.values().filter(|survey| is_asked(survey)).map(|survey| survey.agreed.index).max()
    };
    let (of_sound, of_all) = (newest(Survey::is_sound), newest(|_| true));
    let since = of_sound.or(of_all).unwrap_or_default();
    let mut found: Vec<FoundConfiguration> = Vec::new();
    for survey in members.values() {
        let knows_most = [of_sound, of_all].contains(&Some(survey.agreed.index));
        let configurations = survey.configurations.iter().enumerate();
        let asked = configurations.filter(|(number, it)| if *number == 0 { knows_most } else { it.at > since });
        for (_, configuration) in asked {
            if found.iter().all(|known| known.members != configuration.members) {
                found.push(configuration.clone());
            }
        }
    }
    found
}

fn refuse_if_quorum(in_force: &[FoundConfiguration], sound: &BTreeSet<MemberId>) -> Result<(), PlanRefused> {
    let Some(found) = in_force.iter().find(|configuration| configuration.has_quorum(sound)) else { return Ok(()) };
    let voters: BTreeSet<MemberId> = found.voters().collect();
    Err(PlanRefused::QuorumIsThere { sound: voters.intersection(sound).count(), voters: voters.len() })
}

/// What a survivor holds and the chosen one lacks.
fn dropped(survey: &Survey, chosen: &Survey) -> Option<Dropped> {
    let (common, last) = (survey.common(chosen), survey.last().index);
    let unsettled = survey.unsettled.clone();
    (last > common).then(|| Dropped { member: survey.member, first: common.next(), last, unsettled })
}

fn warnings_of(survey: &Survey, chosen: &Survey) -> Vec<String> {
    let mut warnings = Vec::new();
    let member = survey.member;
    if survey.stands == chosen.stands && survey.state_digest != chosen.state_digest {
        warnings.push(format!("member {member} has another state at the same entry"));
    }
    if !survey.is_sound() {
        warnings.push(format!("member {member} can't be relied on and is left out: {}", reason(survey)));
    }
    let common = survey.common(chosen);
    if survey.agreed.index > common {
        let agreed = survey.agreed.index;
        warnings.push(format!(
            "member {member} knows entries up to {agreed} to be agreed on, of which {common} is the last kept"
        ));
    }
    warnings
}

fn is_over(survey: &Survey) -> String {
    format!("member {} is of epoch {}, which is over", survey.member, survey.epoch)
}

fn reason(survey: &Survey) -> &str {
    survey.quarantine.as_deref().or(survey.damage.as_deref()).unwrap_or("its log can't be relied on")
}

#[cfg(test)]
mod tests;
