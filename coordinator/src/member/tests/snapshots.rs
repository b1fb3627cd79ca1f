//! Copies of the state for members that the log can't reach any more.

use strongroom_platform::disk::SimDisk;
use strongroom_proto::peers::v1::envelope::Content;
use strongroom_proto::peers::v1::{Envelope, LogMessage};

use super::world::{Wanted, id, leader, reply, used};
use crate::member::{Event, Member, Ticket};
use crate::raft::Change;

/// An answer to the leader's first message for a new member: it has nothing, and can't take what was sent.
fn refusal(probe: &Envelope) -> Option<Envelope> {
    let Some(Content::Log(append)) = &probe.content else { return None };
    let refused = LogMessage { kind: 2, term: append.term, index: append.index, reject: true, ..LogMessage::default() };
    (append.kind == 1).then(|| reply(probe, Content::Log(refused)))
}

/// Takes a learner in that has nothing, so that it needs a copy.
fn take_in_learner(member: &mut Member, wanted: &mut Wanted) {
    let change = Event::Change { ticket: Ticket(0), change: Change::AddLearner(id(2)), request: None };
    member.handle(change, wanted).unwrap();
    wanted.ticks(member, 5);
    let refused = wanted.sent.iter().find_map(refusal).unwrap();
    member.handle(Event::Envelope(refused), wanted).unwrap();
    assert!(member.group().is_snapshot_wanted());
}

#[test]
fn a_copy_that_is_needed_goes_before_the_next_flush() {
    let disk = SimDisk::from_seed(1);
    let (mut member, mut wanted) = leader(&disk);
    take_in_learner(&mut member, &mut wanted);
    let mut number = 0;
    for _ in 0..20 {
        if !wanted.copies.is_empty() {
            break;
        }
        // However much there is to flush: as soon as one flush ends, another one is due.
        for _ in 0..50 {
            number += 1;
            wanted.submit(&mut member, number);
        }
        wanted.ticks(&mut member, 1);
        for job in wanted.flushes.split_off(0) {
            member.handle(job.run(), &mut wanted).unwrap();
        }
    }
    let copy = wanted.copies.pop().expect("a copy has its turn");
    wanted.ticks(&mut member, 5);
    assert!(wanted.flushes.is_empty(), "nothing is flushed while the file is copied");
    member.handle(copy.run(), &mut wanted).unwrap();
    wanted.ticks(&mut member, 2);
    assert!(!wanted.flushes.is_empty(), "then flushes go on");
}

#[test]
fn a_copy_that_can_not_be_made_does_not_keep_flushes_away() {
    let disk = SimDisk::from_seed(1);
    let (mut member, mut wanted) = leader(&disk);
    take_in_learner(&mut member, &mut wanted);
    let (mut copies, mut flushes) = (0, 0);
    for number in 1..200 {
        disk.set_capacity(u64::MAX);
        wanted.submit(&mut member, number);
        wanted.ticks(&mut member, 1);
        for job in wanted.flushes.split_off(0) {
            flushes += 1;
            member.handle(job.run(), &mut wanted).unwrap();
        }
        disk.set_capacity(used(&disk));
        for job in wanted.copies.split_off(0) {
            copies += 1;
            member.handle(job.run(), &mut wanted).unwrap();
        }
    }
    assert!(copies > 2 && flushes > 50, "{copies} copies were tried, and {flushes} flushes");
}
