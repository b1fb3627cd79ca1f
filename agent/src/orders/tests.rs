//! Books that meet restarts and lost messages, and a link that meets a scripted leader.

mod leader;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use strongroom_core::id::{RunId, SnapshotId, SourceId};
use strongroom_platform::disk::{Disk, SimDisk};

use super::*;

fn run(number: u8) -> RunId {
    RunId([number; 16])
}

fn order(number: u8) -> RunOrder {
    order_of(number, number)
}

/// A run of a source, newer than those with lower numbers.
fn order_of(number: u8, source: u8) -> RunOrder {
    let (source, cause, fence) = (SourceId([source; 16]), RunCause::Schedule, number.into());
    RunOrder { run: run(number), source, period: 7, attempt: 1, cause, fence }
}

const LOST: RunEnd = RunEnd::Failed(74);

#[test]
fn a_run_is_begun_once_however_often_it_is_told() {
    let mut book = Book::default();
    book.connected();
    assert_eq!(book.heard(Said::Start(order(1))), [Effect::Keep, Effect::Begin(order(1))]);
    assert_eq!(book.heard(Said::Start(order(1))), []);
    let end = RunEnd::Snapshot(SnapshotId([9; 16]));
    assert_eq!(book.ended(run(1), end), [Effect::Keep, Effect::Ended(run(1), end)]);
    assert_eq!(book.heard(Said::Start(order(1))), [Effect::Ended(run(1), end)], "it is over, and was not noted");
    assert_eq!(book.heard(Said::EndNoted(run(1))), [Effect::Keep]);
    assert_eq!(book, Book::default().after_connecting());
}

impl Book {
    fn after_connecting(mut self) -> Self {
        self.connected();
        self
    }
}

#[test]
fn an_end_is_said_on_every_stream_until_it_is_noted() {
    let mut book = Book::default();
    book.connected();
    book.heard(Said::Start(order(1)));
    book.disconnected();
    assert_eq!(book.ended(run(1), LOST), [Effect::Keep]);
    let said = [Effect::Hello(vec![run(1)]), Effect::Ended(run(1), LOST)];
    assert_eq!(book.connected(), said);
    assert_eq!(book.connected(), said);
}

#[test]
fn a_run_that_is_called_off_ends_as_such_unless_it_was_done() {
    let mut book = Book::default().after_connecting();
    for number in [1, 2] {
        book.heard(Said::Start(order(number)));
        assert_eq!(book.heard(Said::CallOff(run(number))), [Effect::Stop(run(number))]);
        assert_eq!(book.heard(Said::CallOff(run(number))), []);
    }
    let done = RunEnd::Snapshot(SnapshotId([9; 16]));
    assert_eq!(book.ended(run(1), RunEnd::Failed(30)).last(), Some(&Effect::Ended(run(1), RunEnd::CalledOff)));
    assert_eq!(book.ended(run(2), done).last(), Some(&Effect::Ended(run(2), done)));
    assert_eq!(book.heard(Said::CallOff(run(3))), [Effect::Ended(run(3), RunEnd::CalledOff)], "nobody has it");
}

#[test]
fn a_newer_run_of_a_source_begins_when_the_older_one_has_ended() {
    let mut book = Book::default().after_connecting();
    book.heard(Said::Start(order_of(1, 7)));
    assert_eq!(book.heard(Said::Start(order_of(3, 7))), [Effect::Keep, Effect::Stop(run(1))]);
    assert!(book.is_at_work(&run(1)) && !book.is_at_work(&run(3)));
    assert_eq!(book.heard(Said::Start(order_of(3, 7))), [], "it waits");
    assert_eq!(book.heard(Said::Start(order_of(8, 8))), [Effect::Keep, Effect::Begin(order_of(8, 8))], "of another");
    let ended = Effect::Ended(run(1), RunEnd::CalledOff);
    assert_eq!(book.ended(run(1), RunEnd::Failed(30)), [Effect::Keep, ended, Effect::Begin(order_of(3, 7))]);
}

#[test]
fn an_order_that_is_older_than_what_is_at_work_is_not_taken() {
    let mut book = Book::default().after_connecting();
    book.heard(Said::Start(order_of(3, 7)));
    assert_eq!(book.heard(Said::Start(order_of(1, 7))), [Effect::Ended(run(1), RunEnd::CalledOff)]);
    assert!(book.is_at_work(&run(3)));
}

#[test]
fn of_two_runs_that_wait_the_newer_begins() {
    let mut book = Book::default().after_connecting();
    for number in [1, 2] {
        book.heard(Said::Start(order_of(number, 7)));
    }
    assert_eq!(book.heard(Said::Start(order_of(3, 7))), [Effect::Keep, Effect::Ended(run(2), RunEnd::CalledOff)]);
    book.heard(Said::CallOff(run(3)));
    assert_eq!(book.ended(run(1), LOST).last(), Some(&Effect::Ended(run(1), RunEnd::CalledOff)), "nobody waits");
}

#[test]
fn a_run_that_waited_begins_while_there_is_no_stream() {
    let mut book = Book::default().after_connecting();
    book.heard(Said::Start(order_of(1, 7)));
    book.heard(Said::Start(order_of(2, 7)));
    book.disconnected();
    assert_eq!(book.ended(run(1), LOST), [Effect::Keep, Effect::Begin(order_of(2, 7))]);
}

#[test]
fn an_end_that_is_refused_is_said_in_another_way_or_forgotten() {
    let mut book = Book::default().after_connecting();
    let failed = RunEnd::Failed(71);
    book.heard(Said::Start(order(1)));
    book.ended(run(1), RunEnd::Snapshot(SnapshotId([9; 16])));
    let refused = Said::EndRefused { run: run(1), is_over: false };
    assert_eq!(book.heard(refused), [Effect::Keep, Effect::Ended(run(1), failed)]);
    assert_eq!(book.heard(refused), [], "it is said again on the next stream, and not at once");
    assert_eq!(book.connected(), [Effect::Hello(vec![run(1)]), Effect::Ended(run(1), failed)]);
    assert_eq!(book.heard(Said::EndRefused { run: run(1), is_over: true }), [Effect::Keep]);
    assert_eq!(book, Book::default().after_connecting());
    book.heard(Said::Start(order(2)));
    assert_eq!(book.heard(Said::EndRefused { run: run(2), is_over: true }), [], "it has not ended");
}

#[test]
fn a_full_book_refuses() {
    let mut book = Book::default().after_connecting();
    let many = |number: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        RunOrder { run: RunId(id), source: SourceId(id), ..order(1) }
    };
    for number in 0..RUNS_MAX {
        book.heard(Said::Start(many(number)));
    }
    let refused = book.heard(Said::Start(many(RUNS_MAX)));
    assert_eq!(refused, [Effect::Ended(many(RUNS_MAX).run, RunEnd::Failed(12))]);
}

#[test]
fn a_process_that_starts_anew_reports_what_the_one_before_had_taken() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let (memory, mut book) = Memory::open(Arc::clone(&disk), "orders").unwrap();
    assert_eq!(memory.boot(), 1);
    book.heard(Said::Start(order(1)));
    memory.keep(&book).unwrap();
    let (memory, mut book) = Memory::open(disk, "orders").unwrap();
    assert_eq!(memory.boot(), 2);
    assert_eq!(book.connected(), [Effect::Hello(vec![run(1)]), Effect::Ended(run(1), LOST)]);
}

#[test]
fn a_file_that_is_none_ends_the_agent() {
    let files = [("{", "json"), (r#"{"version": 2, "boot": 1}"#, "version"), (r#"{"version": 1}"#, "json")];
    for (bytes, why) in files {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        strongroom_platform::disk::durable_write(&disk, "orders", bytes.as_bytes()).unwrap();
        let refused = Memory::open(disk, "orders").err().unwrap();
        let is_version = matches!(refused, OrdersError::UnknownVersion { found: 2 });
        assert_eq!(is_version, why == "version", "{refused}");
    }
}

/// What happens between an agent and its leader.
#[derive(Clone, Copy, Debug)]
enum Step {
    Tell(u8),
    CallOff(u8),
    End(u8),
    Note(u8),
    Connect,
    Disconnect,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..12_u8, 0..4_u8).prop_map(|(kind, run)| match kind {
        0..4 => Step::Tell(run),
        4 => Step::CallOff(run),
        5..7 => Step::End(run),
        7 => Step::Note(run),
        8..10 => Step::Connect,
        10 => Step::Disconnect,
        _ => Step::Crash,
    });
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn no_run_is_begun_twice_and_no_end_is_lost(steps in steps()) {
        let disk = SimDisk::from_seed(3);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (mut memory, mut book) = Memory::open(Arc::clone(&shared), "orders").unwrap();
        let mut begun: BTreeMap<RunId, u32> = BTreeMap::new();
        let mut noted: Vec<RunId> = Vec::new();
        for step in steps {
            let effects = match step {
                // A leader never tells of a run again whose end it has noted.
                Step::Tell(number) if noted.contains(&run(number)) => Vec::new(),
                // Runs of odd numbers are of one source, the others of another.
                Step::Tell(number) => book.heard(Said::Start(order_of(number, number % 2))),
                Step::CallOff(number) => book.heard(Said::CallOff(run(number))),
                Step::End(number) => book.ended(run(number), RunEnd::Failed(30)),
                Step::Note(number) => {
                    let is_over = begun.contains_key(&run(number)) && !book.is_at_work(&run(number));
                    noted.extend(is_over.then(|| run(number)));
                    if is_over { book.heard(Said::EndNoted(run(number))) } else { Vec::new() }
                }
                Step::Connect => book.connected(),
                Step::Disconnect => {
                    book.disconnected();
                    Vec::new()
                }
                Step::Crash => {
                    disk.crash();
                    (memory, book) = Memory::open(Arc::clone(&shared), "orders").unwrap();
                    Vec::new()
                }
            };
            for effect in effects {
                match effect {
                    Effect::Keep => memory.keep(&book).unwrap(),
                    Effect::Begin(order) => *begun.entry(order.run).or_default() += 1,
                    _ => {}
                }
            }
            for source in 0..2 {
                let at_work = (0..4).filter(|number| number % 2 == source && book.is_at_work(&run(*number)));
                prop_assert!(at_work.count() <= 1, "two runs of a source at once");
            }
        }
        prop_assert!(begun.values().all(|times| *times == 1), "{begun:?}");
        let known = match book.connected().first() {
            Some(Effect::Hello(runs)) => runs.clone(),
            _ => Vec::new(),
        };
        let is_lost = |run: &RunId| !known.contains(run) && !noted.contains(run);
        prop_assert!(!begun.keys().any(is_lost), "a run is neither known nor noted");
    }
}
