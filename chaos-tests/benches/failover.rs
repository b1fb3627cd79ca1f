//! How long a group of three accepts no write after its leader was killed.
//!
//! `cargo bench -p strongroom-chaos-tests --bench failover` kills the leader of three processes on this machine a hundred
//! times, each time when all three follow closely, and prints how long it took until a client's next write was
//! acknowledged. `-- --kills N` does it N times. The program must have been built: `cargo build -p strongroom-coordinator`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench prints, and one that can't go on ends"
)]

use std::time::Duration;

use strongroom_chaos_tests::processes::cluster::{Cluster, PATIENCE};
use strongroom_chaos_tests::processes::wait::until;
use strongroom_platform::clock::{Clock as _, SystemClock};
use strongroom_proto::operators::v1::PutJurisdiction;
use strongroom_proto::operators::v1::execute_request::Command;

/// Kills, unless the command line says otherwise.
const KILLS: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|it| it == "--kills").and_then(|at| arguments.get(at + 1));
    let kills = given.and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let mut times = runtime.expect("a runtime").block_on(measure(folder.path().to_owned(), kills));
    times.sort();
    let at = |share: f64| {
        let place = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
        times.get(place).map_or(0, Duration::as_millis)
    };
    println!("{} kills: p50 {} ms, p90 {} ms, p99 {} ms, most {} ms", times.len(), at(0.5), at(0.9), at(0.99), at(1.0));
}

async fn measure(folder: std::path::PathBuf, kills: usize) -> Vec<Duration> {
    let mut cluster = Cluster::found(folder).await.expect("a group");
    while cluster.members().len() < 3 {
        cluster.join().await.expect("a member joins");
    }
    let mut client = cluster.client().expect("a client");
    let mut times = Vec::with_capacity(kills);
    for number in 0..kills {
        // A write before the kill: the client stands at the leader, and has its session.
        client.execute(put(2 * number), PATIENCE).await.expect("a write");
        cluster.require_equal().await.expect("all follow");
        let leader = until(PATIENCE, async || cluster.leader().await.ok_or_else(|| "nobody leads".to_owned()));
        let leader = leader.await.expect("a leader");
        cluster.kill(leader).expect("it is killed");
        let killed = SystemClock.monotonic();
        client.execute(put(2 * number + 1), PATIENCE).await.expect("a write");
        times.push(SystemClock.monotonic().since(killed));
        cluster.start(leader).expect("it starts");
    }
    times
}

fn put(number: usize) -> Command {
    let letter = |number: usize| char::from(b'A' + (number % 26) as u8);
    let code = [letter(number / 26), letter(number)].iter().collect();
    Command::PutJurisdiction(PutJurisdiction { name: "place".to_owned(), codes: vec![code] })
}
