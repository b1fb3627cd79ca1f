//! How long a member takes from its start to its first answer, with a catalogue of a million snapshots, and how much
//! memory it needs for it.
//!
//! `cargo bench -p strongroom-coordinator --bench restart` founds a group, lets the state machine commit the snapshots in
//! batches as a group would, and has a member of one go on with that state, by way of a founding anew. The member is then
//! run as a process of its own, killed and run again; the time is that from its start until an operator has read all
//! counts, and the memory what the kernel calls the high-water mark of its resident set. `-- --snapshots N` and
//! `-- --rounds N` change the size, `-- --json FILE` writes what was measured.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, and one that can't go on ends"
)]

#[path = "restart/catalogue.rs"]
mod catalogue;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use strongroom_coordinator::daemon::found::{Beginning, found};
use strongroom_coordinator::daemon::notify::Notify;
use strongroom_coordinator::daemon::recover::Successor;
use strongroom_coordinator::daemon::run::run;
use strongroom_coordinator::daemon::transport::Transport;
use strongroom_coordinator::daemon::{Home, Machine, Settings, home};
use strongroom_platform::clock::{Clock as _, SystemClock};
use strongroom_platform::rng::{SystemEntropy, random_array};
use strongroom_platform::tls::HotIdentity;
use strongroom_proto::client::Client;
use strongroom_proto::operators::v1::{GetCountsRequest, get_counts_reply};

/// Snapshots, unless the command line says otherwise.
const SNAPSHOTS: u64 = 1_000_000;
/// Restarts that are measured.
const ROUNDS: u64 = 3;
/// How long a start may take before it is given up.
const PATIENCE: Duration = Duration::from_mins(2);

/// One restart.
struct Restart {
    ready_ms: u128,
    resident_kib: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) == Some("member") {
        member(Path::new(arguments.get(2).expect("a folder")));
        return;
    }
    let given = |name: &str| arguments.iter().position(|it| it == name).and_then(|at| arguments.get(at + 1));
    let number = |name, otherwise| given(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (snapshots, rounds) = (number("--snapshots", SNAPSHOTS), number("--rounds", ROUNDS));
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (home, bytes) = runtime.block_on(prepare(folder.path(), snapshots));
    println!("{snapshots} snapshots in {} MiB", bytes >> 20);
    let mut restarts = Vec::new();
    for _ in 0..rounds {
        let restart = runtime.block_on(restart(&home, snapshots));
        println!("first answer after {} ms, {} MiB at most", restart.ready_ms, restart.resident_kib >> 10);
        restarts.push(restart);
    }
    if let Some(file) = given("--json") {
        std::fs::write(file, to_json(snapshots, bytes, &restarts)).expect("the file");
    }
}

fn machine() -> Machine {
    Machine { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
}

/// A member with a full catalogue, and the size of its state.
async fn prepare(folder: &Path, snapshots: u64) -> (std::path::PathBuf, u64) {
    let (first, anew) = (folder.join("first"), folder.join("anew"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let address = format!("127.0.0.1:{port}");
    let beginning = Beginning {
        trust_domain: "bench.example".to_owned(),
        jurisdiction: "DE".to_owned(),
        countries: Vec::new(),
        operator: "ann".to_owned(),
        settings: Settings::new("m0", "here", &address, &address),
    };
    found(&first, &beginning, &machine()).await.expect("a group");
    let root = std::fs::read_to_string(first.join(home::ROOT_KEY)).expect("the root's key");
    let begun = SystemClock.monotonic();
    let (heritage, state) = catalogue::fill(&first.join("data"), &folder.join("state"), snapshots);
    println!("the state machine took {} s for it", SystemClock.monotonic().since(begun).as_secs());
    let successor = Successor::check(state.rows(), beginning.settings, None, &root).expect("a successor");
    successor.begin(&anew, &heritage, state.rows().pages(4_096), &machine()).await.expect("a member");
    let files = std::fs::read_dir(anew.join("data/state")).expect("its state");
    let bytes = files.map(|file| file.expect("a file").metadata().expect("its size").len()).sum();
    (anew, bytes)
}

async fn restart(home: &Path, snapshots: u64) -> Restart {
    let program = std::env::current_exe().expect("this program");
    let settings = Home::open(home).and_then(|it| it.settings()).expect("settings");
    let begun = SystemClock.monotonic();
    let mut child =
        Process(Command::new(program).arg("member").arg(home).stdout(Stdio::null()).spawn().expect("it starts"));
    let operator = Home::open(&home.join(home::OPERATOR)).expect("the operator");
    let own = Arc::new(HotIdentity::new(operator.identity("").expect("an identity")));
    let transport = Transport::new(own, operator.roots("").expect("a root"), Arc::new(SystemClock));
    let session = random_array(&SystemEntropy).expect("chance");
    let mut client = Client::new(transport, vec![settings.advertise], session);
    let counts = client.read(PATIENCE, |mut client| async move {
        Ok(match client.get_counts(GetCountsRequest {}).await?.into_inner().result {
            Some(get_counts_reply::Result::Counts(counts)) => Ok(counts),
            Some(get_counts_reply::Result::Failure(failure)) => Err(failure),
            None => panic!("an answer"),
        })
    });
    let counts = counts.await.expect("the counts");
    let ready_ms = SystemClock.monotonic().since(begun).as_millis();
    let found = counts.counts.iter().find(|it| it.name == "snapshots").map(|it| it.value);
    assert_eq!(found, Some(snapshots), "all of them are there");
    let resident_kib = child.resident_kib();
    child.kill();
    Restart { ready_ms, resident_kib }
}

/// A member's process; killed when it goes.
struct Process(Child);

impl Process {
    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("the process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn member(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let ran = runtime.block_on(run(folder, &machine(), &Notify::new(None, None), std::future::pending()));
    panic!("the member ended: {ran:?}");
}

fn to_json(snapshots: u64, bytes: u64, restarts: &[Restart]) -> String {
    let restarts: Vec<serde_json::Value> = restarts
        .iter()
        .map(|it| serde_json::json!({ "ready_ms": u64::try_from(it.ready_ms).ok(), "resident_kib": it.resident_kib }))
        .collect();
    serde_json::json!({
        "schema": "strongroom-restart",
        "schema_version": 1,
        "snapshots": snapshots,
        "state_bytes": bytes,
        "must": { "ready_ms": 10_000, "resident_kib": 300 * 1_024 },
        "restarts": restarts,
    })
    .to_string()
}
