//! A group goes on serving as long as one member that is up to date reaches a quorum.

use strongroom_chaos_tests::world::{MS, Plan, World};

/// Seeds of each shape, and with each leader at the time of the cut.
const SEEDS: u64 = 6;

/// Tries a shape of broken links, given as pairs of hosts that don't reach each other.
fn assert_served(hosts: usize, cut: &[(usize, usize)]) {
    for leader in 0..hosts {
        for seed in 0..SEEDS {
            let plan = Plan { hosts, ..Plan::calm(seed, 40_000 * MS) };
            let run = World::new(plan).run_cut(leader, cut);
            assert!(run.is_ok(), "seed {seed}, leader {leader}: {run:?}");
        }
    }
}

#[test]
fn two_of_three_that_reach_each_other_through_the_third_alone_are_served() {
    assert_served(3, &[(0, 2)]);
    assert_served(3, &[(1, 2)]);
}

#[test]
fn two_halves_that_one_member_bridges_are_served() {
    assert_served(5, &[(0, 3), (0, 4), (1, 3), (1, 4)]);
}

#[test]
fn a_chain_is_served() {
    assert_served(5, &[(0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4)]);
}

#[test]
fn a_star_is_served() {
    let spokes = [0, 1, 3, 4];
    let apart: Vec<(usize, usize)> =
        spokes.iter().flat_map(|one| spokes.iter().map(|other| (*one, *other))).filter(|(a, b)| a < b).collect();
    assert_served(5, &apart);
}

#[test]
fn a_majority_is_served_without_the_rest() {
    assert_served(5, &[(0, 1), (0, 2), (0, 3), (4, 1), (4, 2), (4, 3)]);
}

#[test]
fn a_group_without_a_quorum_is_not_served() {
    let plan = Plan::calm(1, 40_000 * MS);
    let broken = World::new(plan).run_cut(0, &[(0, 1), (0, 2), (1, 2)]).unwrap_err();
    assert_eq!(broken.invariant, "progress");
}

#[test]
fn a_group_that_lost_a_region_waits_until_it_is_told_otherwise() {
    for leader in 0..5 {
        for seed in 0..SEEDS {
            let plan = Plan { hosts: 5, regions: vec![0, 0, 0, 1, 1], ..Plan::calm(seed, 60_000 * MS) };
            let run = World::new(plan).run_waived(leader, &[3, 4]);
            assert!(run.is_ok(), "seed {seed}, leader {leader}: {run:?}");
        }
    }
}

#[test]
fn a_group_in_three_regions_is_served_without_one_of_them() {
    for leader in 0..3 {
        for seed in 0..SEEDS {
            let plan = Plan { regions: vec![0, 1, 2], ..Plan::calm(seed, 40_000 * MS) };
            let run = World::new(plan).run_cut(leader, &[(0, 2), (1, 2)]);
            assert!(run.is_ok(), "seed {seed}, leader {leader}: {run:?}");
        }
    }
}
