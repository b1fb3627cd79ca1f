//! A disk that is full for a while.

use strongroom_platform::disk::SimDisk;

use super::world::{CONFIG, Wanted, has_session, leader, open, used};
use crate::member::{Answer, Member, OpenError};

/// Lets ticks pass, and does the flushes that the member asks for meanwhile; says how many there were.
fn live(member: &mut Member, wanted: &mut Wanted, ticks: u32) -> usize {
    let mut flushes = 0;
    for _ in 0..ticks {
        wanted.ticks(member, 1);
        for job in wanted.flushes.split_off(0) {
            flushes += 1;
            member.handle(job.run(), wanted).unwrap();
        }
    }
    flushes
}

/// Submits until the member refuses; the numbers of those that were applied.
fn submit_all(member: &mut Member, wanted: &mut Wanted, from: u64) -> Vec<u64> {
    let mut applied = Vec::new();
    for number in from..from + 10_000 {
        match wanted.submit(member, number) {
            Some(Answer::Applied { .. }) => applied.push(number),
            Some(Answer::Busy) => return applied,
            other => panic!("{other:?}"),
        }
    }
    panic!("a member that can't flush takes no more one day");
}

/// Fills the disk, and then the database's last free pages and the member's memory; the numbers of what was applied.
fn fill(disk: &SimDisk, member: &mut Member, wanted: &mut Wanted) -> Vec<u64> {
    disk.set_capacity(used(disk));
    let mut applied = Vec::new();
    for round in 1..1_000 {
        let more = submit_all(member, wanted, round * 100_000);
        if more.is_empty() {
            return applied;
        }
        applied.extend(more);
        live(member, wanted, 50);
    }
    panic!("a database has an end of free pages");
}

#[test]
fn a_flush_waits_for_space_and_loses_nothing() {
    let disk = SimDisk::from_seed(1);
    let (mut member, mut wanted) = leader(&disk);
    live(&mut member, &mut wanted, 100);
    let applied = fill(&disk, &mut member, &mut wanted);
    assert!(applied.len() > 2 * CONFIG.flush_rows_max, "{}", applied.len());

    let tried = live(&mut member, &mut wanted, 200);
    assert!((2..20).contains(&tried), "tried {tried} times in 200 ticks");
    assert!(applied.iter().all(|number| has_session(&member, *number)), "rows are read while they wait");
    assert_eq!(member.machine().rows().count_digest(100).unwrap(), member.machine().digest());
    assert_eq!(wanted.submit(&mut member, 1), Some(Answer::Busy));

    disk.set_capacity(u64::MAX);
    live(&mut member, &mut wanted, 200);
    assert!(matches!(wanted.submit(&mut member, 2), Some(Answer::Applied { .. })));
    drop((member, wanted));
    disk.crash();
    let member = open(&disk).unwrap();
    assert!(applied.iter().all(|number| has_session(&member, *number)));
}

#[test]
fn a_member_that_dies_on_a_full_disk_is_opened_once_there_is_space() {
    let disk = SimDisk::from_seed(1);
    let (mut member, mut wanted) = leader(&disk);
    live(&mut member, &mut wanted, 100);
    let applied = fill(&disk, &mut member, &mut wanted);
    drop((member, wanted));
    disk.crash();
    disk.set_capacity(used(&disk));
    assert!(matches!(open(&disk), Err(OpenError::NoSpace(_))));
    disk.set_capacity(u64::MAX);
    let mut member = open(&disk).unwrap();
    let mut wanted = Wanted::default();
    live(&mut member, &mut wanted, 100);
    assert!(applied.iter().all(|number| has_session(&member, *number)));
}
