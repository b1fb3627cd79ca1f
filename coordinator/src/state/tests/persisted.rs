//! The persisted form of requests, and bytes that are none.
//!
//! The golden file has the bytes of one request of each kind. A line of it never changes: what was once written into a
//! log must be read as the same request. New kinds add lines.

use std::fmt::Write as _;

use proptest::prelude::*;
use strongroom_core::id::{ClientSession, PolicyHash};
use strongroom_core::time::WallTime;

use super::samples;
use super::world::{World, at, subject};
use crate::state::command::Command;
use crate::state::request::{Actor, Decision, REQUEST_BYTES_MAX, Request, Sequence, Stamp, Verdict};
use crate::state::sources::RegisterSource;
use crate::state::{Answer, Outcome, Refusal, Thing};

fn request(command: Command) -> Request {
    Request {
        session: Some((ClientSession([5; 16]), Sequence(300))),
        acknowledged_below: Sequence(299),
        actor: Actor::Identity(subject("operator", 1)),
        decision: Decision { verdict: Verdict::Allowed, policy_hash: PolicyHash([6; 32]) },
        stamp: Stamp { accrued_ms: 123_456_789, wall: WallTime(1_700_000_000_000_000) },
        command,
    }
}

pub(super) fn kind(command: &Command) -> String {
    let text = format!("{command:?}");
    text.split('(').next().unwrap().to_owned()
}

#[test]
fn there_is_a_sample_of_each_command_in_their_order() {
    let kinds: Vec<String> = samples::all().iter().map(kind).collect();
    assert_eq!(kinds, Command::NAMES);
}

#[test]
fn requests_are_written_as_they_always_were() {
    let mut text = String::new();
    for command in samples::all() {
        writeln!(text, "{} {}", kind(&command), hex::encode(request(command).encode().unwrap())).unwrap();
    }
    assert_eq!(text, include_str!("../golden/requests.txt"));
}

#[test]
fn outcomes_are_written_as_they_always_were() {
    let outcomes = [
        Outcome::Done(Answer::Applied),
        Outcome::Done(Answer::Epoch(300)),
        Outcome::Done(Answer::DenyVersion(1)),
        Outcome::Done(Answer::Protected(true)),
        Outcome::Rejected(Refusal::UnknownVersion),
        Outcome::Rejected(Refusal::Missing(Thing::Denial)),
        Outcome::Rejected(Refusal::IdentityTaken),
        Outcome::Rejected(Refusal::Incomplete),
    ];
    let written: Vec<String> = outcomes.iter().map(|each| hex::encode(postcard::to_stdvec(each).unwrap())).collect();
    assert_eq!(written, ["0000", "0001ac02", "000201", "000301", "0100", "01080f", "0124", "0127"]);
}

#[test]
fn a_request_is_read_as_it_was_written() {
    for command in samples::all() {
        let request = request(command);
        let (read, _) = Request::decode(&request.encode().unwrap()).unwrap();
        assert_eq!(read, request);
    }
}

#[test]
fn an_id_is_its_bytes_in_a_log_and_hexadecimal_for_people() {
    let id = ClientSession([0xab; 16]);
    assert_eq!(postcard::to_stdvec(&id).unwrap(), [0xab; 16]);
    assert_eq!(postcard::from_bytes::<ClientSession>(&[0xab; 16]).unwrap(), id);
    let text = serde_json::to_string(&id).unwrap();
    assert_eq!(text, format!("\"{}\"", "ab".repeat(16)));
    assert_eq!(serde_json::from_str::<ClientSession>(&text).unwrap(), id);
}

#[test]
fn no_request_says_where_a_source_is_reached_or_what_it_holds() {
    let registered = samples::all().into_iter().find(|command| matches!(command, Command::RegisterSource(_)));
    let Some(Command::RegisterSource(RegisterSource { source, facts, contract })) = registered else {
        panic!("no sample of a registration");
    };
    let mut bytes = postcard::to_stdvec(&(source, facts.clone(), contract.clone())).unwrap();
    let texts = [facts.name.as_str().as_bytes(), contract.as_bytes()];
    for text in texts {
        let place = bytes.windows(text.len()).position(|window| window == text).unwrap();
        bytes.drain(place..place + text.len());
    }
    let has_word = bytes.windows(4).any(|window| window.iter().all(u8::is_ascii_alphanumeric));
    assert!(!has_word, "beside the operator's word and the contract there is no text");
}

#[test]
fn a_request_longer_than_the_log_takes_is_not_written() {
    let mut commit = super::world::commit(1, 1, 1, 1, super::world::packs(&[1], &[]));
    commit.packs.added = vec![commit.packs.added[0]; REQUEST_BYTES_MAX / 40];
    assert!(request(commit.clone().into()).encode().is_err());
    commit.packs.added.truncate(9_000);
    let mut world = World::installed();
    assert_eq!(world.refused(commit.clone()), Refusal::Missing(Thing::Upload));
    let epoch = world.upload(1, 1);
    assert_eq!(world.refused(commit), Refusal::TooMany(Thing::Pack));
    assert_eq!(epoch, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutated_requests_never_break_the_machine(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
        noise: Vec<u8>,
    ) {
        let mut world = World::installed();
        let samples = samples::all();
        let session = world.session;
        for (place, (which, byte, value)) in (world.index + 1..).zip(edits) {
            let mut request = request(samples[which.index(samples.len())].clone());
            request.session = Some((session, Sequence(place)));
            let mut bytes = request.encode().unwrap();
            let byte = byte.index(bytes.len());
            bytes[byte] = value;
            if value % 7 == 0 {
                bytes.truncate(cut.index(bytes.len()));
            }
            world.machine.apply(at(place), &bytes).unwrap();
        }
        let position = world.machine.position().index.0 + 1;
        world.machine.apply(at(position), &noise).unwrap();
        let rows = world.flushed();
        prop_assert_eq!(super::world::digest_of(&rows), world.machine.digest());
    }
}
