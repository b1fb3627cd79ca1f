//! Whose log a new epoch begins with, and what may be lost by it.
//!
//! Owns the choice, which is a function of the surveys alone. Among sound survivors it is the log that Raft itself would
//! elect: the highest last term, and of those the longest (Ongaro, "Consensus: Bridging Theory and Practice", 2014,
//! §3.6.1). A survivor that is not sound is taken only when there is no other. Nothing is chosen while the members that
//! are left could elect a leader by themselves: then nothing may be lost, and they only need to be started.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::survey::Survey;
use crate::id::{MemberId, Position};

/// A way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The group.
    pub cluster: String,
    /// The epoch that would begin.
    pub epoch: u64,
    /// Whose folder to take.
    pub member: MemberId,
    /// Where its state stands: what comes after is lost, if there was anything.
    pub stands: Position,
    /// Entries that are kept though nobody knows them to be agreed on.
    pub unsettled: u64,
    /// Voters that were not surveyed or can't be relied on. What only they had is lost.
    pub absent: BTreeSet<MemberId>,
    /// Events of the audit log that are kept. A checkpoint of a larger log, wherever one is kept, tells how many are lost.
    pub audit_events: u64,
    /// Snapshots in the catalogue that are kept. Depots may hold heads of later ones.
    pub snapshots: u64,
    /// What whoever consents should know.
    pub warnings: Vec<String>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// Nothing was surveyed.
    #[error("no survivor was surveyed")]
    NoSurvivor,
    /// The surveys are of different groups.
    #[error("the surveys are of different groups: {one} and {other}")]
    OtherGroup {
        /// One of them.
        one: String,
        /// Another.
        other: String,
    },
    /// A member was surveyed twice, and not in the same way: one of the folders is a copy, or it ran meanwhile.
    #[error("member {member} was surveyed twice, with different results")]
    Twice {
        /// The member.
        member: MemberId,
    },
    /// Enough members are left.
    #[error("{sound} of {voters} voters are sound, which is a majority: start them instead")]
    QuorumIsThere {
        /// Sound survivors that vote.
        sound: usize,
        /// Voters of the group.
        voters: usize,
    },
}

impl Plan {
    /// The plan for these survivors.
    pub fn of(surveys: &[Survey]) -> Result<Self, PlanRefused> {
        let newest = surveys.iter().max_by_key(|survey| survey.epoch).ok_or(PlanRefused::NoSurvivor)?;
        if let Some(other) = surveys.iter().find(|survey| survey.cluster != newest.cluster) {
            return Err(PlanRefused::OtherGroup { one: newest.cluster.clone(), other: other.cluster.clone() });
        }
        let mut by_member: BTreeMap<MemberId, &Survey> = BTreeMap::new();
        for survey in surveys.iter().filter(|survey| survey.epoch == newest.epoch) {
            let before = by_member.insert(survey.member, survey);
            if before.is_some_and(|before| before != survey) {
                return Err(PlanRefused::Twice { member: survey.member });
            }
        }
        let Some(chosen) = by_member.values().max_by_key(|survey| rank(survey)) else {
            return Err(PlanRefused::NoSurvivor);
        };
        let sound: BTreeSet<MemberId> =
            by_member.values().filter(|survey| survey.is_sound()).map(|survey| survey.member).collect();
        refuse_if_quorum(chosen, &sound)?;
        let voters: BTreeSet<MemberId> = chosen.voters.union(&chosen.voters_outgoing).copied().collect();
        let committed = chosen.log.map_or(chosen.stands.index, |log| log.committed);
        Ok(Self {
            cluster: chosen.cluster.clone(),
            epoch: chosen.epoch.saturating_add(1),
            member: chosen.member,
            stands: chosen.stands,
            unsettled: chosen.stands.index.0.saturating_sub(committed.0),
            absent: voters.difference(&sound).copied().collect(),
            audit_events: chosen.audit_events,
            snapshots: chosen.snapshots,
            warnings: warnings(chosen, surveys, &by_member),
        })
    }
}

/// What makes one survivor better than another: soundness, then what Raft compares.
fn rank(survey: &Survey) -> (bool, Position2, std::cmp::Reverse<MemberId>) {
    let last = survey.log.map_or(survey.stands, |log| log.last);
    (survey.is_sound(), (last.term.0, last.index.0), std::cmp::Reverse(survey.member))
}

/// Term first, as Raft compares.
type Position2 = (u64, u64);

fn refuse_if_quorum(chosen: &Survey, sound: &BTreeSet<MemberId>) -> Result<(), PlanRefused> {
    let halves = [&chosen.voters, &chosen.voters_outgoing];
    let has_majority = |half: &&BTreeSet<MemberId>| half.intersection(sound).count() * 2 > half.len();
    let is_quorum = halves.into_iter().filter(|half| !half.is_empty()).all(|half| has_majority(&half));
    if !is_quorum || chosen.voters.is_empty() || chosen.has_later_change {
        return Ok(());
    }
    let voters = chosen.voters.len();
    Err(PlanRefused::QuorumIsThere { sound: chosen.voters.intersection(sound).count(), voters })
}

fn warnings(chosen: &Survey, surveys: &[Survey], by_member: &BTreeMap<MemberId, &Survey>) -> Vec<String> {
    let mut warnings = Vec::new();
    if !chosen.is_sound() {
        let why = chosen.quarantine.as_ref().or(chosen.damage.as_ref());
        let why = why.map_or("its log can't be relied on", String::as_str);
        warnings.push(format!("no survivor is sound; what member {} holds may be incomplete: {why}", chosen.member));
    }
    if chosen.has_later_change {
        warnings.push(
            "the log holds a change of the members that may or may not have been agreed on: make sure that no other \
             member runs"
                .to_owned(),
        );
    }
    for survey in by_member.values().filter(|survey| survey.member != chosen.member) {
        let is_same_place = survey.stands == chosen.stands;
        if is_same_place && survey.state_digest != chosen.state_digest {
            warnings.push(format!("member {} has another state at the same entry", survey.member));
        }
        if !survey.is_sound() {
            warnings.push(format!("member {} can't be relied on and is left out", survey.member));
        }
    }
    for survey in surveys.iter().filter(|survey| survey.epoch < chosen.epoch) {
        warnings.push(format!("member {} is of epoch {}, which is over", survey.member, survey.epoch));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{LogIndex, Term};
    use crate::recovery::survey::LogSurvey;

    fn id(number: u64) -> MemberId {
        MemberId::from_number(number).unwrap()
    }

    fn place(term: u64, index: u64) -> Position {
        Position { index: LogIndex(index), term: Term(term) }
    }

    /// A survivor of a group of five.
    fn survivor(member: u64, term: u64, index: u64) -> Survey {
        Survey {
            cluster: "ab".repeat(16),
            epoch: 1,
            member: id(member),
            boot: 3,
            quarantine: None,
            log: Some(LogSurvey { term: Term(9), committed: LogIndex(100), last: place(term, index) }),
            damage: None,
            stands: place(term, index),
            state_digest: format!("{index}"),
            voters: (1..=5).map(id).collect(),
            voters_outgoing: BTreeSet::new(),
            learners: BTreeSet::new(),
            has_later_change: false,
            audit_events: 7,
            snapshots: 3,
        }
    }

    #[test]
    fn the_log_that_would_be_elected_is_chosen() {
        let plan = Plan::of(&[survivor(1, 4, 900), survivor(2, 5, 120)]).unwrap();
        assert_eq!((plan.member, plan.stands, plan.epoch), (id(2), place(5, 120), 2));
        assert_eq!(plan.unsettled, 20);
        assert_eq!(plan.absent, [3, 4, 5].map(id).into());
        assert!(plan.warnings.is_empty());
        let plan = Plan::of(&[survivor(1, 5, 119), survivor(2, 5, 120)]).unwrap();
        assert_eq!(plan.member, id(2));
    }

    #[test]
    fn a_majority_is_told_to_start() {
        let surveys = [survivor(1, 4, 900), survivor(2, 5, 120), survivor(3, 1, 1)];
        assert_eq!(Plan::of(&surveys), Err(PlanRefused::QuorumIsThere { sound: 3, voters: 5 }));
    }

    #[test]
    fn in_a_joint_configuration_both_halves_count() {
        let joint = |member| Survey {
            voters: (1..=3).map(id).collect(),
            voters_outgoing: (3..=5).map(id).collect(),
            ..survivor(member, 4, 100)
        };
        assert!(Plan::of(&[joint(1), joint(2)]).is_ok(), "the outgoing half has no majority");
        assert!(matches!(Plan::of(&[joint(1), joint(3), joint(4)]), Err(PlanRefused::QuorumIsThere { .. })));
    }

    #[test]
    fn one_that_forgot_is_taken_only_when_there_is_no_other() {
        let quarantined = Survey { quarantine: Some("it forgot".into()), ..survivor(1, 9, 900) };
        let plan = Plan::of(&[quarantined.clone(), survivor(2, 5, 120)]).unwrap();
        assert_eq!(plan.member, id(2));
        assert!(plan.absent.contains(&id(1)), "what it holds is not relied on");
        assert_eq!(plan.warnings.len(), 1);
        let plan = Plan::of(&[quarantined]).unwrap();
        assert_eq!(plan.member, id(1));
        assert!(plan.warnings.iter().any(|it| it.contains("it forgot")), "{:?}", plan.warnings);
    }

    #[test]
    fn what_can_not_be_compared_is_refused() {
        let other = Survey { cluster: "cd".repeat(16), ..survivor(2, 5, 120) };
        assert!(matches!(Plan::of(&[survivor(1, 4, 9), other]), Err(PlanRefused::OtherGroup { .. })));
        let twice = [survivor(1, 4, 9), survivor(1, 4, 10)];
        assert_eq!(Plan::of(&twice), Err(PlanRefused::Twice { member: id(1) }));
        assert_eq!(Plan::of(&[]), Err(PlanRefused::NoSurvivor));
    }

    #[test]
    fn an_epoch_that_is_over_is_left_out() {
        let old = Survey { epoch: 1, ..survivor(1, 99, 900) };
        let new = Survey { epoch: 2, voters: [2, 3, 4].map(id).into(), ..survivor(2, 5, 120) };
        let plan = Plan::of(&[old, new]).unwrap();
        assert_eq!((plan.member, plan.epoch), (id(2), 3));
        assert_eq!(plan.warnings.len(), 1);
    }

    #[test]
    fn states_that_differ_at_one_place_are_told() {
        let other = Survey { state_digest: "other".into(), ..survivor(2, 5, 120) };
        let plan = Plan::of(&[survivor(1, 5, 120), other]).unwrap();
        assert_eq!(plan.warnings, ["member 0000000000000002 has another state at the same entry"]);
    }
}
