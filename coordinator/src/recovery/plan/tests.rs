//! Plans of groups of five.

use super::*;
use crate::id::Term;
use crate::recovery::survey::LogSurvey;
use crate::state::Configuration;

fn id(number: u64) -> MemberId {
    MemberId::from_number(number).unwrap()
}

fn place(term: u64, index: u64) -> Position {
    Position { index: LogIndex(index), term: Term(term) }
}

fn from(plan: &Plan) -> MemberId {
    let RefoundedFrom::Survivor(member) = plan.from else { panic!("it is of a survivor") };
    member
}

fn voters(at: u64, ids: &[u64], outgoing: &[u64]) -> FoundConfiguration {
    let set = |ids: &[u64]| ids.iter().copied().map(id).collect();
    let members = Configuration { voters: set(ids), voters_outgoing: set(outgoing), ..Configuration::default() };
    FoundConfiguration { at: LogIndex(at), members }
}

/// A survivor of a group of five, whose first hundred entries are of the first term and agreed on.
fn survivor(member: u64, term: u64, index: u64) -> Survey {
    let last = place(term, index);
    Survey {
        cluster: "ab".repeat(16),
        epoch: 1,
        founder: id(1),
        member: id(member),
        boot: 3,
        quarantine: None,
        log: Some(LogSurvey { term: Term(9), last }),
        damage: None,
        agreed: place(1, index.min(100)),
        stands: last,
        state_digest: format!("{index}"),
        configurations: vec![voters(100, &[1, 2, 3, 4, 5], &[])],
        unsettled: BTreeMap::from([("source.pause".to_owned(), index.saturating_sub(100))]),
        terms: vec![place(1, 1), place(term, 101)],
        audit_events: 7,
        snapshots: 3,
    }
}

#[test]
fn the_log_that_would_be_elected_is_chosen() {
    let plan = Plan::of(&[survivor(1, 4, 900), survivor(2, 5, 120)]).unwrap();
    assert_eq!((from(&plan), plan.stands, plan.epoch), (id(2), place(5, 120), 2));
    assert_eq!((plan.agreed, plan.unsettled["source.pause"]), (place(1, 100), 20));
    assert_eq!(plan.absent, [3, 4, 5].map(id).into());
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let dropped = &plan.dropped[0];
    assert_eq!((dropped.member, dropped.first, dropped.last), (id(1), LogIndex(101), LogIndex(900)));
    let plan = Plan::of(&[survivor(1, 5, 119), survivor(2, 5, 120)]).unwrap();
    assert_eq!((from(&plan), plan.dropped.len()), (id(2), 0), "what is in both is not lost");
}

#[test]
fn a_majority_is_told_to_start() {
    let surveys = [survivor(1, 4, 900), survivor(2, 5, 120), survivor(3, 1, 100)];
    assert_eq!(Plan::of(&surveys), Err(PlanRefused::QuorumIsThere { sound: 3, voters: 5 }));
    let plan = Plan::of(&[survivor(1, 4, 900), survivor(2, 5, 120)]).unwrap();
    assert_ne!(plan.digest(), Plan::of(&[survivor(2, 5, 120)]).unwrap().digest());
}

#[test]
fn in_a_joint_configuration_both_halves_count() {
    let joint =
        |member| Survey { configurations: vec![voters(100, &[1, 2, 3], &[3, 4, 5])], ..survivor(member, 4, 100) };
    assert!(Plan::of(&[joint(1), joint(2)]).is_ok(), "the outgoing half has no majority");
    assert!(matches!(Plan::of(&[joint(1), joint(3), joint(4)]), Err(PlanRefused::QuorumIsThere { .. })));
}

#[test]
fn a_later_change_of_the_members_leaves_the_guard_on() {
    let changed = |member, later: Vec<FoundConfiguration>| {
        let configurations = [vec![voters(100, &[1, 2, 3], &[])], later].concat();
        Survey { configurations, ..survivor(member, 4, 120) }
    };
    // Two of three are there, whatever became of the change that adds two more.
    let grown = || vec![voters(110, &[1, 2, 3, 4, 5], &[1, 2, 3]), voters(111, &[1, 2, 3, 4, 5], &[])];
    let surveys = [changed(1, grown()), changed(2, vec![])];
    assert_eq!(Plan::of(&surveys), Err(PlanRefused::QuorumIsThere { sound: 2, voters: 3 }));
    // One of three is none, but it may be the only one that is left.
    let alone = vec![voters(110, &[1], &[1, 2, 3]), voters(111, &[1], &[])];
    assert!(matches!(Plan::of(&[changed(1, alone)]), Err(PlanRefused::QuorumIsThere { sound: 1, voters: 1 })));
    let plan = Plan::of(&[changed(1, grown())]).unwrap();
    assert_eq!(plan.absent, [2, 3, 4, 5].map(id).into(), "whoever may vote is asked for");
    assert_eq!(plan.warnings.len(), 1);
}

#[test]
fn a_configuration_that_was_followed_by_another_is_not_asked() {
    let old = Survey { agreed: place(1, 50), configurations: vec![voters(50, &[1], &[])], ..survivor(1, 1, 60) };
    let plan = Plan::of(&[old, survivor(2, 4, 120)]).unwrap();
    assert_eq!(from(&plan), id(2));
}

#[test]
fn one_that_forgot_or_is_damaged_is_taken_only_when_there_is_no_other() {
    let quarantined = Survey { quarantine: Some("it forgot".into()), ..survivor(1, 9, 900) };
    let damaged = Survey { damage: Some("it can't be opened".into()), ..survivor(3, 9, 901) };
    let plan = Plan::of(&[quarantined.clone(), survivor(2, 5, 120), damaged.clone()]).unwrap();
    assert_eq!(from(&plan), id(2));
    assert!(plan.absent.contains(&id(1)) && plan.absent.contains(&id(3)), "what they hold is not relied on");
    assert_eq!((plan.warnings.len(), plan.dropped.len()), (2, 2));
    let plan = Plan::of(&[quarantined]).unwrap();
    assert_eq!(from(&plan), id(1));
    assert!(plan.warnings.iter().any(|it| it.contains("it forgot")), "{:?}", plan.warnings);
    let plan = Plan::of(&[damaged]).unwrap();
    assert!(plan.warnings.iter().any(|it| it.contains("it can't be opened")), "{:?}", plan.warnings);
}

#[test]
fn what_can_not_be_compared_is_refused() {
    let other = Survey { cluster: "cd".repeat(16), ..survivor(2, 5, 120) };
    assert!(matches!(Plan::of(&[survivor(1, 4, 109), other]), Err(PlanRefused::OtherGroup { .. })));
    let other = Survey { founder: id(2), ..survivor(2, 5, 120) };
    let refused = PlanRefused::OtherFounding { one: id(2), other: id(1) };
    assert_eq!(Plan::of(&[survivor(1, 4, 109), other]), Err(refused));
    let twice = [survivor(1, 4, 109), survivor(1, 4, 110)];
    assert_eq!(Plan::of(&twice), Err(PlanRefused::Twice { member: id(1) }));
    assert_eq!(Plan::of(&[]), Err(PlanRefused::NoSurvivor));
}

#[test]
fn an_epoch_that_is_over_is_left_out() {
    let old = Survey { epoch: 1, ..survivor(1, 99, 900) };
    let new =
        Survey { epoch: 2, founder: id(2), configurations: vec![voters(100, &[2, 3, 4], &[])], ..survivor(2, 5, 120) };
    let plan = Plan::of(&[old, new]).unwrap();
    assert_eq!((from(&plan), plan.epoch), (id(2), 3));
    assert_eq!(plan.warnings.len(), 1);
}

#[test]
fn states_that_differ_at_one_place_are_told() {
    let other = Survey { state_digest: "other".into(), ..survivor(2, 5, 120) };
    let plan = Plan::of(&[survivor(1, 5, 120), other]).unwrap();
    assert_eq!(plan.warnings, ["member 0000000000000002 has another state at the same entry"]);
}

#[test]
fn a_survivor_that_knows_more_to_be_agreed_on_than_is_kept_is_told() {
    let more = Survey { agreed: place(4, 150), ..survivor(1, 4, 150) };
    let plan = Plan::of(&[more, survivor(2, 5, 120)]).unwrap();
    assert_eq!(from(&plan), id(2));
    assert!(plan.warnings.iter().any(|it| it.contains("up to 150")), "{:?}", plan.warnings);
}

#[test]
fn logs_have_in_common_what_is_of_one_term() {
    let log = |last: Position, terms: &[(u64, u64)]| Survey {
        log: Some(LogSurvey { term: last.term, last }),
        terms: terms.iter().map(|(term, index)| place(*term, *index)).collect(),
        ..survivor(1, last.term.0, last.index.0)
    };
    let one = log(place(5, 90), &[(1, 1), (3, 40), (5, 80)]);
    for (other, common) in [
        (log(place(5, 85), &[(1, 1), (3, 40), (5, 80)]), 85),
        (log(place(3, 85), &[(1, 1), (3, 40)]), 79),
        (log(place(4, 85), &[(1, 1), (3, 40), (4, 60)]), 59),
        (log(place(2, 200), &[(1, 1), (2, 30)]), 29),
        // It has shed what is not there any more.
        (log(place(3, 30), &[(3, 50)]), 30),
    ] {
        assert_eq!(one.common(&other), LogIndex(common));
        assert_eq!(other.common(&one), LogIndex(common));
    }
}
