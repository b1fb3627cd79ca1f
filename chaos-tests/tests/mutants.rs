//! The simulation must find every mutant, or it proves nothing when it finds none.
//!
//! Each mutant breaks one rule of the product (`strongroom_platform::mutant`). Runs that are sharpened against it are
//! tried from seed to seed until an invariant breaks, a member panics, or a group does not heal. The same runs keep
//! every promise when the mutant is off, or they would find fault with anything.

use strongroom_chaos_tests::invariants::Broken;
use strongroom_chaos_tests::world::{Plan, World};
use strongroom_platform::mutant::{Guard, Mutant};

/// Seeds after which a mutant counts as a survivor.
const SEEDS_MAX: u64 = 1_500;
/// Seeds of each mutant's runs that are tried without it.
const SOUND_SEEDS: u64 = 5;

/// What a run breaks, if it breaks anything. A panic is a finding too.
fn broken(plan: Plan) -> Option<Broken> {
    let run = std::panic::catch_unwind(|| World::new(plan).run());
    run.unwrap_or_else(|_| Err(Broken::new("panic", "a member panicked".to_owned()))).err()
}

/// Tries a mutant, and says what killed it.
fn killed(mutant: Mutant) -> Option<String> {
    for seed in 0..SOUND_SEEDS {
        assert_eq!(broken(Plan::against(mutant, seed)), None, "seed {seed} without {mutant:?}");
    }
    let _active = Guard::of(mutant);
    let killed = (0..SEEDS_MAX).find_map(|seed| Some((seed, broken(Plan::against(mutant, seed))?)));
    killed.map(|(seed, broken)| format!("killed by seed {seed}: {broken}"))
}

macro_rules! killed {
    ($($name:ident => $mutant:ident,)*) => {
        $(
            #[test]
            fn $name() {
                let killed = killed(Mutant::$mutant);
                println!("{:?}: {killed:?}", Mutant::$mutant);
                assert!(killed.is_some(), "{:?} survived {SEEDS_MAX} seeds", Mutant::$mutant);
            }
        )*

        #[test]
        fn no_mutant_is_left_out() {
            let tried = [$(Mutant::$mutant),*];
            assert!(Mutant::ALL.iter().all(|mutant| tried.contains(mutant)), "{tried:?}");
        }
    };
}

killed! {
    promises_before_the_log_has_them_are_found => PromiseBeforeLog,
    a_log_that_is_not_synced_is_found => LogUnsynced,
    a_term_and_vote_that_are_not_written_are_found => HardStateForgotten,
    frames_that_are_not_verified_are_found => FramesUnverified,
    damage_that_is_taken_for_a_torn_write_is_found => DamageTakenForTorn,
    reads_that_ask_nobody_are_found => ReadsUnasked,
    retries_that_take_effect_again_are_found => RetriesRepeated,
    a_floor_past_the_flush_is_found => FloorPastFlush,
    a_flush_past_the_known_commit_is_found => CommitUnsettled,
    a_configuration_before_its_commit_is_durable_is_found => ConfigurationUnsettled,
    a_snapshot_that_is_not_verified_is_found => SnapshotUnverified,
    a_log_that_is_kept_behind_a_snapshot_is_found => LogKeptAtInstall,
    a_lost_proposal_that_is_called_refused_is_found => LossTakenForRefusal,
    an_id_that_is_used_again_is_found => IdReused,
    an_apply_that_reads_a_clock_is_found => ApplyReadsClock,
    a_joint_configuration_that_is_never_left_is_found => JointForgotten,
    a_quarantine_that_is_not_noted_is_found => QuarantineUnnoted,
    agreement_in_one_region_is_found => CommitInOneRegion,
    a_leader_without_patience_is_found => PreferenceImpatient,
}
