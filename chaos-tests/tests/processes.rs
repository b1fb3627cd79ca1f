//! Three members as processes on one machine, under load: killed, stopped, cut off, added, removed. Every history checks.
//!
//! A failure names its seed; `STRONGROOM_PROCESS_SEED` runs the same plan again.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]
#![expect(clippy::print_stdout, reason = "a run says what its clients saw")]

use strongroom_chaos_tests::processes::cluster::Cluster;
use strongroom_chaos_tests::processes::plan::{Theme, carry_out, draw};

/// Writes that a run must have seen acknowledged: a group that stands still proves nothing.
const WRITTEN_MIN: u64 = 100;

fn play(theme: Theme, default_seed: u64) {
    let seed = std::env::var("STRONGROOM_PROCESS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default_seed);
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let played = runtime.block_on(async {
        let mut cluster = Cluster::found(folder.path().to_owned()).await?;
        carry_out(&mut cluster, &draw(theme, seed), seed).await
    });
    match played {
        Ok(tally) => {
            println!("seed {seed}: {tally:?}");
            assert!(tally.written >= WRITTEN_MIN && tally.read > 0, "seed {seed}: {tally:?}");
        }
        Err(error) => {
            let folder = folder.keep();
            panic!("seed {seed}, members in {}: {error} ({error:?})", folder.display());
        }
    }
}

#[test]
fn members_that_are_killed_and_stopped_lose_nothing_that_was_acknowledged() {
    play(Theme::Processes, 1);
}

#[test]
fn members_that_are_cut_off_one_way_or_both_agree_on_one_history() {
    play(Theme::Links, 2);
}

#[test]
fn a_group_grows_to_five_and_loses_leader_and_disk_under_load() {
    play(Theme::Members, 3);
}
