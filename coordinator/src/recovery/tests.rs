//! Groups that lost their quorum, or everything, and go on.

mod group;

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use strongroom_core::time::WallTime;
use strongroom_platform::disk::{Disk, FailpointDisk, Fault, SimDisk, durable_replace};
use strongroom_platform::rng::SimEntropy;

use super::backup::{self, BackupError, Header, Reader};
use super::{LookError, Plan, PlanRefused, Survivor};
use crate::id::{ClusterEpoch, MemberId, Position};
use crate::member::{Member, MemberConfig, MemberIdentity, OpenError, RefoundError};
use crate::raft::Role;
use crate::state::counters::{Counter, count};
use crate::state::refounding::RefoundedFrom;
use crate::state::{Configuration, audit, query};
use crate::store;
use group::{Group, names};

const CONFIG: MemberConfig = MemberConfig::LAN;

fn look(disk: &Arc<dyn Disk>) -> Survivor {
    Survivor::look(disk, &CONFIG).unwrap()
}

/// All bytes below a folder, by path.
fn contents(disk: &dyn Disk, dir: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in disk.list(dir).unwrap() {
        let path = if dir.is_empty() { entry.name.clone() } else { format!("{dir}/{}", entry.name) };
        if entry.is_dir {
            found.extend(contents(disk, &path));
        } else {
            found.push((path.clone(), disk.read(&path, u64::MAX).unwrap()));
        }
    }
    found
}

fn refound(from: &Arc<dyn Disk>, to: &Arc<dyn Disk>) -> Result<MemberIdentity, RefoundError> {
    refound_by(from, to, 99)
}

fn refound_by(from: &Arc<dyn Disk>, to: &Arc<dyn Disk>, seed: u64) -> Result<MemberIdentity, RefoundError> {
    let mut survivor = look(from);
    let heritage = survivor.heritage();
    let entropy = SimEntropy::from_seed(seed);
    Member::refound(to, &heritage, survivor.pages(), None, WallTime(5), &CONFIG, &entropy)
}

#[test]
fn a_group_of_three_that_lost_two_goes_on_with_all_that_the_third_has() {
    let mut group = Group::of(3);
    for number in 0..20 {
        group.write(&format!("place-{number}"));
    }
    group.flush(0);
    // The rest is in the log alone.
    for number in 20..30 {
        group.write(&format!("place-{number}"));
    }
    let (disk, others) = group.lose_all_but(0);
    let before = contents(disk.as_ref(), "");
    let survey = look(&disk).survey().unwrap();
    let plan = Plan::of(std::slice::from_ref(&survey)).unwrap();
    let from = RefoundedFrom::Survivor(survey.member);
    assert_eq!((plan.from, plan.epoch, plan.absent.len()), (from, 2, 2));
    assert!(survey.is_sound() && survey.agreed <= survey.stands, "{survey:?}");
    assert!(others.iter().all(|lost| plan.absent.contains(lost)));

    let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(7));
    let identity = refound(&disk, &fresh).unwrap();
    assert_eq!(contents(disk.as_ref(), ""), before, "the survivor's folder is as it was");
    assert_eq!((identity.cluster.to_string(), identity.epoch), (survey.cluster, ClusterEpoch(2)));
    assert_ne!(identity.member, survey.member);

    let mut anew = Group::over(vec![fresh]);
    anew.write("place-30");
    let machine = anew.member(0).machine();
    assert_eq!(names(machine.rows()).len(), 31);
    assert_eq!(machine.configuration(), &Configuration::single(identity.member));
    let row = query::refounding(machine.rows(), &ClusterEpoch(2)).unwrap().unwrap();
    assert_eq!((row.member, row.from), (identity.member, RefoundedFrom::Survivor(survey.member)));
    assert_eq!(row.last, survey.stands);
    assert_eq!(machine.rows().count_digest(64).unwrap(), machine.digest());
    // The audit log goes on where it was, and says what happened.
    let events = query::audit_events(machine.rows(), strongroom_core::audit::LeafIndex(0), 1_000).unwrap().rows;
    assert_eq!(events.iter().filter(|(_, (_, event))| event.action.as_str() == "group.refound").count(), 1);
    assert_eq!(audit::head(machine.rows()).unwrap().size.0, events.len() as u64);
}

#[test]
fn a_new_epoch_grows_again() {
    let mut group = Group::of(3);
    group.write("one");
    let (disk, _) = group.lose_all_but(1);
    let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(7));
    refound(&disk, &fresh).unwrap();
    let mut anew = Group::over(vec![fresh]);
    anew.write("two");
    anew.grow();
    anew.grow();
    anew.write("three");
    for member in 0..3 {
        assert_eq!(names(anew.member(member).machine().rows()), ["one", "three", "two"]);
    }
}

#[test]
fn a_quorum_that_is_there_is_not_forsaken() {
    let mut group = Group::of(3);
    group.write("one");
    let disks = group.stop();
    let surveys: Vec<_> = disks[..2].iter().map(|disk| look(disk).survey().unwrap()).collect();
    assert_eq!(Plan::of(&surveys), Err(PlanRefused::QuorumIsThere { sound: 2, voters: 3 }));
}

#[test]
fn a_folder_that_holds_a_member_is_never_overwritten() {
    let mut group = Group::of(1);
    group.write("one");
    let disks = group.stop();
    assert!(matches!(restored(&written(&disks[0]), &disks[0]), Err(RefoundError::Occupied)));
    // What is being looked at is not used meanwhile.
    let survivor = look(&disks[0]);
    let opened = Member::open(&disks[0], CONFIG, &SimEntropy::from_seed(1));
    assert!(matches!(opened.map(drop), Err(OpenError::InUse)));
    drop(survivor);
    let running = Member::open(&disks[0], CONFIG, &SimEntropy::from_seed(1)).unwrap();
    assert!(matches!(Survivor::look(&disks[0], &CONFIG), Err(LookError::Running)));
    drop(running);
    let empty: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    assert!(matches!(Survivor::look(&empty, &CONFIG), Err(LookError::Absent)));
}

#[test]
fn a_folder_whose_log_is_damaged_is_still_looked_at() {
    let mut group = Group::of(1);
    group.write("one");
    group.flush(0);
    group.write("two");
    let disks = group.stop();
    // Everything of the log but its register is gone.
    for entry in disks[0].list("log").unwrap().into_iter().filter(|entry| entry.name != "register") {
        let file = disks[0].open_update(&format!("log/{}", entry.name)).unwrap();
        file.write_at(0, &[0x5a; 4_096]).unwrap();
    }
    let survey = look(&disks[0]).survey().unwrap();
    assert!(!survey.is_sound());
    let plan = Plan::of(&[survey]).unwrap();
    assert!(plan.warnings.iter().any(|it| it.contains("no survivor is sound")), "{:?}", plan.warnings);
    let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(7));
    refound(&disks[0], &fresh).unwrap();
    let anew = Group::over(vec![fresh]);
    assert_eq!(names(anew.member(0).machine().rows()), ["one"], "what was flushed is kept");
}

/// A founding that dies at any operation leaves nothing that counts as a member, or the whole one.
#[test]
fn a_founding_that_dies_can_be_done_again() {
    let mut group = Group::of(1);
    group.write("one");
    let disks = group.stop();
    let counting = Arc::new(FailpointDisk::counting(Arc::new(SimDisk::from_seed(3))));
    let counted: Arc<dyn Disk> = Arc::clone(&counting) as _;
    refound(&disks[0], &counted).unwrap();
    let operations = counting.log().len();
    assert!(operations > 20);
    for at in 0..operations {
        for fault in [Fault::Kill, Fault::NoSpace] {
            let below = SimDisk::from_seed(3);
            let failing: Arc<dyn Disk> = Arc::new(FailpointDisk::failing(Arc::new(below.clone()), at, fault));
            let outcome = refound(&disks[0], &failing);
            drop(failing);
            below.crash();
            let after: Arc<dyn Disk> = Arc::new(below.clone());
            if !Member::exists(after.as_ref()).unwrap() {
                assert!(outcome.is_err(), "{fault:?} at {at}: what was reported is there");
                refound(&disks[0], &after).unwrap();
            }
            let anew = Group::over(vec![after]);
            assert_eq!(names(anew.member(0).machine().rows()), ["one"], "{fault:?} at {at}");
        }
    }
}

fn written(disk: &Arc<dyn Disk>) -> Vec<u8> {
    let mut survivor = look(disk);
    let heritage = survivor.heritage();
    let RefoundedFrom::Survivor(member) = heritage.from else { unreachable!("it was looked at") };
    let header = Header {
        cluster: heritage.cluster.to_string(),
        epoch: heritage.epoch,
        founder: member,
        member,
        position: heritage.last,
        digest: heritage.digest.to_string(),
        taken: WallTime(7),
    };
    let mut bytes = Vec::new();
    backup::write(&mut bytes, &header, survivor.pages()).unwrap();
    bytes
}

fn restored(bytes: &[u8], to: &Arc<dyn Disk>) -> Result<MemberIdentity, RefoundError> {
    let damaged = |error: BackupError| RefoundError::Rows(Box::new(error));
    let mut reader = Reader::open(bytes).map_err(damaged)?;
    let heritage = reader.heritage().map_err(damaged)?;
    let entropy = SimEntropy::from_seed(98);
    Member::refound(to, &heritage, reader.pages(), None, WallTime(8), &CONFIG, &entropy)
}

#[test]
fn a_group_whose_disks_are_all_lost_comes_back_from_its_backup() {
    let mut group = Group::of(1);
    for number in 0..30 {
        group.write(&format!("place-{number}"));
    }
    let disks = group.stop();
    let bytes = written(&disks[0]);
    let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(7));
    let identity = restored(&bytes, &fresh).unwrap();
    let mut anew = Group::over(vec![fresh]);
    anew.write("place-30");
    let rows = anew.member(0).machine().rows();
    assert_eq!(names(rows).len(), 31);
    let row = query::refounding(rows, &identity.epoch).unwrap().unwrap();
    assert!(matches!(row.from, RefoundedFrom::Backup(_)));
}

#[test]
fn a_copy_is_taken_of_a_group_that_goes_on() {
    let mut group = Group::of(3);
    group.write("one");
    // A follower gives one as well as the leader does.
    for member in 0..3 {
        group.flush(member);
        let (disk, path) = group.copy(member);
        let mut bytes = Vec::new();
        let identity = *group.member(member).identity();
        let header = backup::write_copy(&mut bytes, disk.as_ref(), &path, &identity, WallTime(9)).unwrap();
        store::discard(&disk, &path).unwrap();
        assert_eq!(header.member, identity.member);
        let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(7));
        restored(&bytes, &fresh).unwrap();
        let anew = Group::over(vec![fresh]);
        assert!(names(anew.member(0).machine().rows()).contains(&"one".to_owned()));
        group.write(&format!("after-{member}"));
    }
}

#[test]
fn a_group_comes_back_more_than_once() {
    let mut group = Group::of(1);
    group.write("one");
    let mut disks = group.stop();
    for epoch in 2..4 {
        let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(epoch));
        let identity = restored(&written(&disks[0]), &fresh).unwrap();
        assert_eq!(identity.epoch, ClusterEpoch(epoch));
        let mut anew = Group::over(vec![fresh]);
        anew.write(&format!("epoch-{epoch}"));
        assert_eq!(anew.member(0).standing().role, Role::Leader);
        disks = anew.stop();
    }
    assert_eq!(names(look(&disks[0]).rows()), ["epoch-2", "epoch-3", "one"]);
}

#[test]
fn what_nobody_knows_to_be_agreed_on_is_kept_and_told_by_its_kind() {
    let mut group = Group::of(3);
    group.write("one");
    let agreed = group.member(0).standing().committed;
    let disk = group.cut_off("two");
    let survivor = look(&disk);
    let survey = survivor.survey().unwrap();
    assert!(survey.is_sound(), "{:?}", survey.damage);
    // What a member hears of what is agreed on reaches its disk later: more may be unsettled than what was cut off.
    assert_eq!(survey.unsettled["member.change"], 1);
    assert!(survey.unsettled["jurisdiction.put"] >= 1);
    assert!(survey.agreed.index <= agreed && survey.stands.index.0 == agreed.0 + 2, "{survey:?}");
    let heritage = survivor.heritage();
    assert_eq!((heritage.committed, heritage.last), (survey.agreed, survey.stands), "neither place is made up");
    // The change leads to a configuration that may be in force.
    let (before, after) = (&survey.configurations[0], survey.configurations.last().unwrap());
    assert!(!before.members.is_joint() && after.members.is_joint() && after.members.learners.len() == 1);
    assert_eq!(after.at, survey.stands.index);
    drop(survivor);
    let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(7));
    refound(&disk, &fresh).unwrap();
    assert_eq!(names(Group::over(vec![fresh]).member(0).machine().rows()), ["one", "two"]);
}

#[test]
fn a_member_that_could_not_be_started_is_not_sound_and_says_why() {
    let mut group = Group::of(1);
    group.write("one");
    let early = contents(group.disk(0).as_ref(), "log");
    group.write("two");
    group.flush(0);
    let disks = group.stop();
    // The log is that of an earlier day: the state stands at entries that it does not have.
    for (path, bytes) in early {
        durable_replace(&disks[0], &path, &bytes).unwrap();
    }
    let survey = look(&disks[0]).survey().unwrap();
    let damage = survey.damage.clone().unwrap();
    assert!(damage.contains("which is not in the log"), "{damage}");
    assert!(!survey.is_sound() && survey.log.is_some() && survey.agreed == survey.stands);
    let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(7));
    refound(&disks[0], &fresh).unwrap();
    assert_eq!(names(Group::over(vec![fresh]).member(0).machine().rows()), ["one", "two"]);
}

#[test]
fn two_foundings_from_one_survivor_are_two_groups() {
    let mut group = Group::of(3);
    group.write("one");
    let (disk, _) = group.lose_all_but(0);
    let fresh = [7, 8].map(|seed| -> Arc<dyn Disk> { Arc::new(SimDisk::from_seed(seed)) });
    let one = refound_by(&disk, &fresh[0], 97).unwrap();
    let other = refound_by(&disk, &fresh[1], 98).unwrap();
    assert_eq!((one.cluster, one.epoch), (other.cluster, other.epoch));
    assert_ne!(one.group(), other.group());
    assert_eq!((one.founder, other.founder), (one.member, other.member));
    let surveys: Vec<_> = fresh.iter().map(|disk| look(disk).survey().unwrap()).collect();
    assert!(matches!(Plan::of(&surveys), Err(PlanRefused::OtherFounding { .. })));
}

#[test]
fn rows_that_are_not_those_of_the_digest_are_no_backup() {
    let mut group = Group::of(1);
    group.write("one");
    let disks = group.stop();
    let (header, rows) = backup::look(written(&disks[0]).as_slice()).unwrap();
    assert!(count(&rows, Counter::AuditEvents).unwrap() > 0, "what is asked for is there");
    assert!(names(&rows).is_empty(), "and nothing else");
    let spoilt = Header { digest: "ab".repeat(32), ..header };
    let mut survivor = look(&disks[0]);
    let refused = backup::write(&mut Vec::new(), &spoilt, survivor.pages());
    assert!(matches!(refused, Err(BackupError::OtherRows)), "{refused:?}");
}

/// A backup that is as it should be.
static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut group = Group::of(1);
    group.write("one");
    written(&group.stop()[0])
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens to a backup's bytes, it is refused, or it is the state that was saved.
    #[test]
    fn a_spoilt_backup_is_refused(at: prop::sample::Index, to: u8, cut: bool) {
        let mut bytes = WHOLE.clone();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = to }
        let fresh: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(7));
        if restored(&bytes, &fresh).is_ok() {
            // What says nothing of the state: by whom and when it was written, and its term.
            let anew = Group::over(vec![fresh]);
            prop_assert_eq!(names(anew.member(0).machine().rows()), vec!["one".to_owned()]);
        } else {
            prop_assert!(!Member::exists(fresh.as_ref()).unwrap());
        }
    }

    #[test]
    fn rubbish_is_no_backup(bytes: Vec<u8>) {
        let mut with_magic = b"strongroom-state\x01\x00\x00\x00\x02{}".to_vec();
        with_magic.extend(&bytes);
        for bytes in [bytes, with_magic] {
            if let Ok(mut reader) = Reader::open(bytes.as_slice()) {
                for page in reader.pages() {
                    let _: Result<_, BackupError> = page;
                }
            }
        }
    }
}

#[test]
fn ids_of_members_are_text_where_people_read_them() {
    let id = MemberId::from_number(u64::MAX).unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), "\"ffffffffffffffff\"");
    assert_eq!(serde_json::from_str::<MemberId>("\"ffffffffffffffff\"").unwrap(), id);
    assert_eq!(postcard::from_bytes::<MemberId>(&postcard::to_stdvec(&id).unwrap()).unwrap(), id);
    assert_eq!(Position::default().index.0, 0);
}
