//! Committed commands and linearizable reads of three members, against three of etcd in the same run.
//!
//! `cargo bench -p strongroom-coordinator --bench group` measures five rounds, each with new groups on both sides, and
//! prints medians; `-- --rounds N` measures N, and `-- --json FILE` writes all samples too (`-` for standard output). In a
//! round each figure is measured of one side right after the other. Both groups run as three processes on this machine,
//! with their own folders below one temporary folder, and wait for the disk before they answer. Ours speak TLS that
//! proves both ends, to each other and to clients; etcd speaks plainly. It must be installed: Debian's `etcd-server`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench prints, and one that can't go on ends"
)]

mod group {
    pub(super) mod cluster;
    pub(super) mod etcd;
    pub(super) mod load;
    pub(super) mod member;
}

use std::time::Duration;

use group::load::{Figure, measure};
use group::{cluster, etcd, member};

/// Clients that ask at once.
const CLIENTS: [usize; 3] = [1, 32, 256];
/// Rounds, unless the command line says otherwise.
const ROUNDS: usize = 5;
/// How long each figure is measured.
const LENGTH: Duration = Duration::from_secs(5);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).map(String::as_str) == Some("member") {
        member::main(&arguments[2..]);
        return;
    }
    if !etcd::is_installed() {
        println!("There is no etcd to measure against: install Debian's package etcd-server.");
        std::process::exit(2);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut figures = Vec::new();
    runtime.block_on(async {
        for round in 0..rounds(&arguments) {
            println!("round {}", round + 1);
            let ours = cluster::start().await;
            let theirs = etcd::start().await;
            for clients in CLIENTS {
                let mut theirs_first = vec![];
                for kind in ["write", "read"] {
                    let etcd = measure(clients, LENGTH, |number| etcd::client(&theirs, number, kind)).await;
                    theirs_first.push((kind, etcd));
                }
                for (kind, etcd) in theirs_first {
                    let strongroom = measure(clients, LENGTH, |number| cluster::client(&ours, number, kind)).await;
                    let figure = Figure { kind, clients, strongroom, etcd };
                    println!("{figure}");
                    figures.push(figure);
                }
            }
        }
    });
    println!("medians");
    for median in Figure::medians(&figures) {
        println!("{median}");
    }
    if let Some(path) = arguments.iter().position(|it| it == "--json").and_then(|at| arguments.get(at + 1)) {
        let json = Figure::to_json(&figures);
        if path == "-" {
            println!("{json}");
        } else {
            std::fs::write(path, json).expect("the file can be written");
        }
    }
}

fn rounds(arguments: &[String]) -> usize {
    let given = arguments.iter().position(|it| it == "--rounds").and_then(|at| arguments.get(at + 1));
    given.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}
