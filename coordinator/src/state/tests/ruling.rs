//! The rules of the group: who may change what, having seen what.

use super::world::{World, law, name};
use crate::state::places::PutRegion;
use crate::state::rules::{CommitRule, PREFERRED_MAX, PreferRegions, RulesRow, SetCommitRule, rules};
use crate::state::{Answer, Refusal, Thing};

fn known(world: &World) -> RulesRow {
    rules(world.machine.rows()).unwrap()
}

fn prefer(seen: u64, regions: &[&str]) -> PreferRegions {
    PreferRegions { seen, regions: regions.iter().map(|region| name(region)).collect() }
}

#[test]
fn a_group_that_nobody_told_otherwise_agrees_across_regions_and_prefers_none() {
    let rules = known(&World::installed());
    assert_eq!(rules, RulesRow { version: 0, commit: CommitRule::AcrossRegions, preferred: Vec::new() });
}

#[test]
fn a_rule_is_changed_by_who_saw_the_last_one_and_once() {
    let mut world = World::installed();
    let off = SetCommitRule { seen: 0, rule: CommitRule::AnyMajority };
    assert_eq!(world.done_without_session(off), Answer::Applied);
    assert_eq!(known(&world).commit, CommitRule::AnyMajority);
    // The same again is done, and does nothing.
    assert_eq!(world.done_without_session(off), Answer::Applied);
    assert_eq!(known(&world).version, 1);
    assert_eq!(world.refused(prefer(0, &["berlin"])), Refusal::Changed(Thing::Rules));
    world.done_without_session(SetCommitRule { seen: 1, rule: CommitRule::AcrossRegions });
    // Late, and overtaken.
    assert_eq!(world.refused(off), Refusal::Changed(Thing::Rules));
    assert_eq!(known(&world).commit, CommitRule::AcrossRegions);
}

#[test]
fn an_order_of_regions_names_each_that_is_known_once() {
    let mut world = World::installed();
    assert_eq!(world.refused(prefer(0, &["nowhere"])), Refusal::Missing(Thing::Region));
    assert_eq!(world.refused(prefer(0, &["berlin", "berlin"])), Refusal::TooMany(Thing::Region));
    world.done_without_session(prefer(0, &["berlin"]));
    assert_eq!(known(&world).preferred, [name("berlin")]);
    world.done_without_session(prefer(1, &[]));
    assert_eq!(known(&world).preferred, []);
    let many: Vec<String> = (0..=PREFERRED_MAX).map(|number| format!("region-{number}")).collect();
    world.done(crate::state::places::PutJurisdiction { name: law("zone"), codes: super::world::codes(&["DE"]) });
    for region in &many {
        world.done(PutRegion { name: name(region), jurisdiction: law("zone") });
    }
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(world.refused(prefer(2, &many)), Refusal::TooMany(Thing::Region));
}
