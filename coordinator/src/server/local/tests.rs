//! A member alone in its folder, on simulated disks.

use std::collections::BTreeSet;

use strongroom_core::audit::{TreeSize, TrustedKeys};
use strongroom_platform::clock::SimClock;
use strongroom_platform::disk::{DiskOp, FailpointDisk, Fault, SimDisk, Unsynced, durable_replace};
use strongroom_platform::rng::SimEntropy;

use super::view::LocalView;
use super::*;
use crate::id::{ClusterEpoch, ClusterId, GroupIdentity, MemberId};
use crate::state::places::{PutJurisdiction, RemoveJurisdiction};
use crate::state::signing::{audit_keys, newest_checkpoint};
use crate::state::text::{CountryCode, JurisdictionName};
use crate::state::{Thing, audit, query};

fn create(disk: &Arc<dyn Disk>) -> Result<(), LocalError> {
    LocalMember::create(disk, &SimEntropy::from_seed(2))
}

fn open(disk: &Arc<dyn Disk>) -> Result<LocalMember, LocalError> {
    let clock = Arc::new(SimClock::starting_at(WallTime(1)));
    LocalMember::open(disk, clock, &SimEntropy::from_seed(1), Actor::System)
}

fn created() -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    create(&disk).unwrap();
    disk
}

fn law(number: usize) -> JurisdictionName {
    JurisdictionName::new(&format!("zone-{number}")).unwrap()
}

fn put(number: usize) -> PutJurisdiction {
    PutJurisdiction { name: law(number), codes: [CountryCode::new("DE").unwrap()].into() }
}

fn names(local: &LocalMember) -> BTreeSet<JurisdictionName> {
    let page = query::jurisdictions(local.rows(), None, 1_000).unwrap();
    page.rows.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn it_leads_at_once_and_remembers_what_it_answered() {
    let disk = created();
    let mut local = open(&disk).unwrap();
    local.submit(put(1)).unwrap();
    assert_eq!(names(&local), [law(1)].into());
    drop(local);
    let mut local = open(&disk).unwrap();
    assert_eq!((names(&local), local.boot()), ([law(1)].into(), 2));
    assert!(local.is_digest_right().unwrap());
    local.submit(RemoveJurisdiction { name: law(1) }).unwrap();
    drop(local);
    assert_eq!(names(&open(&disk).unwrap()), BTreeSet::new());
}

#[test]
fn what_the_rules_reject_is_told_and_what_goes_with_it_has_its_own_outcome() {
    let mut local = open(&created()).unwrap();
    let commands = vec![put(1).into(), RemoveJurisdiction { name: law(9) }.into(), put(2).into()];
    let refused = local.submit_all(commands);
    assert!(matches!(refused, Err(LocalError::Rejected(Refusal::Missing(Thing::Jurisdiction)))), "{refused:?}");
    assert_eq!(names(&local), [law(1), law(2)].into());
    // Answers of the call before are not taken for answers to the next one.
    let refused = local.submit_all(vec![put(3).into(), put(4).into(), RemoveJurisdiction { name: law(9) }.into()]);
    assert!(matches!(refused, Err(LocalError::Rejected(_))), "{refused:?}");
    local.submit_all(vec![put(5).into(), put(6).into(), put(7).into()]).unwrap();
}

#[test]
fn more_requests_than_a_session_remembers_are_agreed_on_in_parts() {
    let mut local = open(&created()).unwrap();
    let commands = (0..2_500).map(|number| put(number % 600).into()).collect();
    assert_eq!(local.submit_all(commands).unwrap().len(), 2_500);
    assert_eq!(names(&local).len(), 600);
}

#[test]
fn openings_that_only_read_let_nothing_grow() {
    let disk = created();
    let bytes = || disk.list("log").unwrap().iter().map(|entry| entry.len).sum::<u64>();
    for number in 0..2_000 {
        let mut local = open(&disk).unwrap();
        if number % 500 == 0 {
            local.submit(put(number)).unwrap();
        }
        assert!(local.member.unflushed() < 2 * UNFLUSHED_MAX, "opening {number}");
    }
    assert_eq!(names(&open(&disk).unwrap()).len(), 4);
    assert!(bytes() < 4 * MemberConfig::ALONE.segment_bytes, "{}", bytes());
}

#[test]
fn a_member_that_waits_for_a_group_does_not_lead() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let founder = MemberId::from_number(1).unwrap();
    let group = GroupIdentity { cluster: ClusterId([1; 16]), epoch: ClusterEpoch(1), founder };
    Member::create(&disk, Founding::Joining(group), &MemberConfig::ALONE, &SimEntropy::from_seed(2)).unwrap();
    assert!(matches!(open(&disk), Err(LocalError::NotAlone)));
}

/// A life with several openings; the numbers that were acknowledged.
fn live(disk: &Arc<dyn Disk>) -> BTreeSet<JurisdictionName> {
    let mut acknowledged = BTreeSet::new();
    let mut life = || -> Result<(), LocalError> {
        create(disk)?;
        for opening in 0..2 {
            let mut local = open(disk)?;
            for number in 0..64 {
                let number = opening * 1_000 + number;
                if number % 16 < 14 {
                    local.submit(put(number))?;
                    acknowledged.insert(law(number));
                }
            }
            local.submit_all(vec![put(opening * 1_000 + 500).into(), put(opening * 1_000 + 501).into()])?;
            acknowledged.extend([law(opening * 1_000 + 500), law(opening * 1_000 + 501)]);
        }
        Ok(())
    };
    drop(life());
    acknowledged
}

#[test]
fn whatever_fails_and_wherever_what_was_answered_is_there_and_work_goes_on() {
    let counting = Arc::new(FailpointDisk::counting(Arc::new(SimDisk::from_seed(0))));
    let disk: Arc<dyn Disk> = Arc::<FailpointDisk>::clone(&counting);
    assert_eq!(live(&disk).len(), 2 * (56 + 2));
    let operations = counting.log().len();
    let faults = [Fault::Kill, Fault::Eio, Fault::NoSpace, Fault::TornWrite, Fault::SyncFails];
    for (at, fault) in (0..operations).flat_map(|at| faults.map(|fault| (at, fault))) {
        // Most operations are those of one write after the other, which are all alike.
        if at > 120 && at % 7 != 0 {
            continue;
        }
        let sim = SimDisk::from_seed(at as u64);
        let failing: Arc<dyn Disk> = Arc::new(FailpointDisk::failing(Arc::new(sim.clone()), at, fault));
        let acknowledged = live(&failing);
        sim.crash_with(if at.is_multiple_of(2) { Unsynced::BySeed } else { Unsynced::Kept });
        let disk: Arc<dyn Disk> = Arc::new(sim);
        if !LocalMember::exists(disk.as_ref()).unwrap() {
            assert!(acknowledged.is_empty(), "{fault:?} at {at}");
            create(&disk).unwrap();
        }
        let mut local = open(&disk).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error:?}"));
        assert!(names(&local).is_superset(&acknowledged), "{fault:?} at {at}");
        local.submit(put(9_999)).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error:?}"));
    }
}

#[test]
fn a_view_shows_all_that_was_answered_and_does_nothing_to_the_disk() {
    let counting = Arc::new(FailpointDisk::counting(created()));
    let disk: Arc<dyn Disk> = Arc::<FailpointDisk>::clone(&counting);
    let mut local = open(&disk).unwrap();
    local.submit(put(1)).unwrap();
    drop(local);
    open(&disk).unwrap().submit(put(2)).unwrap();
    let before = counting.log().len();
    // Several at a time, whoever has the lock below.
    let look =
        || LocalView::look(Arc::clone(&disk), Arc::new(SimClock::starting_at(WallTime(1))), &SimEntropy::from_seed(1));
    let views = [look().unwrap(), look().unwrap()];
    for view in &views {
        let page = query::jurisdictions(view.rows(), None, 1_000).unwrap();
        let shown: BTreeSet<_> = page.rows.into_iter().map(|(name, _)| name).collect();
        assert_eq!((shown, view.boot()), ([law(1), law(2)].into(), 2));
        assert!(view.is_digest_right().unwrap());
    }
    let reads = [DiskOp::OpenRead, DiskOp::Len, DiskOp::ReadAt, DiskOp::List, DiskOp::Exists, DiskOp::FreeSpace];
    let others: Vec<_> = counting.log().into_iter().skip(before).filter(|op| !reads.contains(&op.op)).collect();
    assert!(others.is_empty(), "{others:?}");
    drop(views);
    assert_eq!(names(&open(&disk).unwrap()), [law(1), law(2)].into());
}

#[test]
fn every_opening_signs_what_those_before_it_did() {
    let disk = created();
    for number in 0..3 {
        open(&disk).unwrap().submit(put(number)).unwrap();
    }
    let local = open(&disk).unwrap();
    let checkpoint = newest_checkpoint(local.rows()).unwrap().unwrap();
    let trusted = TrustedKeys::new(audit_keys(local.rows()).unwrap().into_iter().map(|row| row.key)).unwrap();
    let promised = checkpoint.verify(&trusted).unwrap().checkpoint().head().size;
    // The key's registration and two changes; the third was made together with the promise.
    assert_eq!((promised, audit::head(local.rows()).unwrap().size), (TreeSize(3), TreeSize(4)));
}

#[test]
fn a_key_that_cannot_be_used_keeps_nothing_from_being_done() {
    let disk = created();
    open(&disk).unwrap().submit(put(1)).unwrap();
    durable_replace(&disk, "audit.key", b"no key").unwrap();
    let mut local = open(&disk).unwrap();
    local.submit(put(2)).unwrap();
    assert_eq!(names(&local), [law(1), law(2)].into());
}
