//! Who may write in a member's folder.

use strongroom_platform::disk::SimDisk;
use strongroom_platform::rng::SimEntropy;

use super::world::{CONFIG, leader, open, shared};
use crate::member::{Founding, Member, OpenError};

#[test]
fn a_folder_has_one_member_at_a_time() {
    let disk = SimDisk::from_seed(1);
    let (member, _) = leader(&disk);
    let boot = member.identity().boot;
    assert!(matches!(open(&disk), Err(OpenError::InUse)));
    let again = Member::create(&shared(&disk), Founding::Group, &CONFIG, &SimEntropy::from_seed(2));
    assert!(matches!(again, Err(OpenError::InUse)));
    drop(member);
    // Whoever was refused has counted no start.
    assert_eq!(open(&disk).unwrap().identity().boot, boot + 1);
}

#[test]
fn a_flush_that_goes_on_keeps_the_folder() {
    let disk = SimDisk::from_seed(1);
    let (mut member, mut wanted) = leader(&disk);
    wanted.submit(&mut member, 1);
    wanted.ticks(&mut member, 2);
    let flush = wanted.flushes.pop().unwrap();
    let folder = member.folder();
    drop(member);
    assert!(matches!(open(&disk), Err(OpenError::InUse)));
    assert!(folder.take().is_some());
    drop(flush.run());
    assert!(folder.take().is_none());
    open(&disk).unwrap();
}

#[test]
fn a_folder_is_free_when_its_process_is_dead() {
    let disk = SimDisk::from_seed(1);
    let (member, _) = leader(&disk);
    disk.crash();
    drop(open(&disk).unwrap());
    drop(member);
}

#[test]
fn a_folder_that_holds_a_member_gets_no_other_one() {
    let disk = SimDisk::from_seed(1);
    drop(leader(&disk));
    let again = Member::create(&shared(&disk), Founding::Group, &CONFIG, &SimEntropy::from_seed(2));
    assert!(matches!(again, Err(OpenError::IsMember)));
    open(&disk).unwrap();
}
