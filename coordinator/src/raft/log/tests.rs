//! The log across crashes, failed operations, rot and a full disk.

use std::collections::BTreeMap;

use proptest::prelude::*;
use raft::eraftpb::Entry;
use strongroom_platform::disk::{FailpointDisk, Fault, SimDisk, Unsynced};

use super::*;
use crate::id::{Position, Term};

const SEGMENT_BYTES: u64 = 8 * 1024;

fn identity() -> LogIdentity {
    LogIdentity { cluster: ClusterId([7; 16]), member: MemberId::from_number(9).unwrap() }
}

fn entry(index: u64, term: u64, len: usize) -> Entry {
    let data = vec![u8::try_from(index % 251).unwrap(); len].into();
    Entry { index, term, data, ..Entry::default() }
}

fn begun(disk: &Arc<dyn Disk>) -> Log {
    Log::create(disk, identity(), SEGMENT_BYTES, Hard::default(), Floor::default()).unwrap();
    open(disk).unwrap().0
}

fn open(disk: &Arc<dyn Disk>) -> Result<(Log, Recovered), LogError> {
    Log::open(disk, identity(), SEGMENT_BYTES)
}

fn append(log: &mut Log, first: u64, term: u64, count: u64, len: usize) -> Result<(), LogError> {
    let entries: Vec<Entry> = (first..first + count).map(|index| entry(index, term, len)).collect();
    let hard = Hard { term: Term(term), vote: None, commit: LogIndex(first.saturating_sub(1)) };
    log.append(&Payload { hard: Some(hard), entries, ..Payload::default() })
}

fn indexes(recovered: &Recovered) -> Vec<(u64, u64)> {
    recovered.entries.iter().map(|entry| (entry.index, entry.term)).collect()
}

#[test]
fn what_was_appended_is_there_after_a_crash_across_segments() {
    let sim = SimDisk::from_seed(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut log = begun(&disk);
    for index in 1..=60 {
        append(&mut log, index, 1, 1, 700).unwrap();
    }
    assert!(segment::list(disk.as_ref()).unwrap().len() > 3);
    sim.crash_with(Unsynced::Lost);
    let (log, recovered) = open(&disk).unwrap();
    assert_eq!(indexes(&recovered), (1..=60).map(|index| (index, 1)).collect::<Vec<_>>());
    assert_eq!(log.hard().commit, LogIndex(59));
}

#[test]
fn entries_of_a_later_term_take_the_place_of_earlier_ones() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let mut log = begun(&disk);
    append(&mut log, 1, 1, 5, 10).unwrap();
    append(&mut log, 3, 2, 2, 10).unwrap();
    drop(log);
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(indexes(&recovered), [(1, 1), (2, 1), (3, 2), (4, 2)]);
}

#[test]
fn a_raised_floor_drops_segments_and_survives() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let mut log = begun(&disk);
    for index in 1..=60 {
        append(&mut log, index, 1, 1, 700).unwrap();
    }
    let before = segment::list(disk.as_ref()).unwrap().len();
    let floor = Floor { position: Position { index: LogIndex(50), term: Term(1) }, generation: 3 };
    log.compact(floor).unwrap();
    assert!(segment::list(disk.as_ref()).unwrap().len() < before);
    append(&mut log, 61, 1, 1, 700).unwrap();
    drop(log);
    let (log, recovered) = open(&disk).unwrap();
    assert_eq!(log.floor(), floor);
    assert_eq!(indexes(&recovered), (51..=61).map(|index| (index, 1)).collect::<Vec<_>>());
}

#[test]
fn a_reset_forgets_every_entry() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let mut log = begun(&disk);
    append(&mut log, 1, 1, 9, 10).unwrap();
    let floor = Floor { position: Position { index: LogIndex(100), term: Term(4) }, generation: 2 };
    log.reset(Hard { term: Term(4), vote: None, commit: LogIndex(100) }, floor).unwrap();
    append(&mut log, 101, 4, 1, 10).unwrap();
    drop(log);
    let (log, recovered) = open(&disk).unwrap();
    assert_eq!((log.floor(), indexes(&recovered)), (floor, vec![(101, 4)]));
}

#[test]
fn the_log_of_another_member_is_refused() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    drop(begun(&disk));
    let other = LogIdentity { member: MemberId::from_number(10).unwrap(), ..identity() };
    assert!(matches!(Log::open(&disk, other, SEGMENT_BYTES), Err(LogError::Damaged { what: Damage::FirstFrame, .. })));
}

#[test]
fn a_frame_that_was_torn_is_dropped_and_one_that_was_acknowledged_is_missed() {
    for seed in 0..200 {
        let sim = SimDisk::from_seed(seed);
        let counting: Arc<dyn Disk> = Arc::new(sim.clone());
        let mut log = begun(&counting);
        append(&mut log, 1, 1, 3, 900).unwrap();
        drop(log);
        // The power goes before the fourth entry is synced: it may be there, be torn, or be gone.
        let (log, _) = open(&counting).unwrap();
        let address = Address { segment: log.active_number(), offset: log.offset };
        let payload = Payload { entries: vec![entry(4, 1, 1_500)], ..Payload::default() }.encode();
        let (bytes, _) = frame::seal(&identity(), address, log.link, &payload);
        log.active.write_at(log.offset, &bytes).unwrap();
        sim.crash();
        let (_, recovered) = open(&counting).unwrap();
        assert!(matches!(recovered.entries.len(), 3 | 4), "seed {seed}");
    }
}

/// The places of all whole frames in the first segment.
fn frames(disk: &dyn Disk) -> Vec<(u64, u64)> {
    let file = disk.open_read(&segment::path(1)).unwrap();
    let mut places = Vec::new();
    let mut offset = 0;
    loop {
        let mut bytes = [0; frame::HEADER_BYTES];
        file.read_at(offset, &mut bytes).unwrap();
        let Some(header) = frame::Header::parse(&bytes) else { return places };
        places.push((offset, header.stride()));
        offset += header.stride();
    }
}

#[test]
fn every_rotten_bit_of_what_was_acknowledged_is_found() {
    let made = |seed| {
        let sim = SimDisk::from_seed(seed);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let mut log = begun(&disk);
        for index in 1..=4 {
            append(&mut log, index, 1, 1, 40).unwrap();
        }
        log.attest().unwrap();
        (sim, disk)
    };
    let (_, disk) = made(1);
    for (offset, _) in frames(disk.as_ref()) {
        let mut header = [0; frame::HEADER_BYTES];
        disk.open_read(&segment::path(1)).unwrap().read_at(offset, &mut header).unwrap();
        let len = frame::HEADER_BYTES + frame::Header::parse(&header).unwrap().payload_len;
        for byte in 0..len as u64 {
            let (sim, disk) = made(1);
            sim.flip_bit(&segment::path(1), (offset + byte) * 8 + byte % 8).unwrap();
            let opened = open(&disk);
            assert!(
                matches!(opened, Err(LogError::Damaged { .. } | LogError::Absent)),
                "byte {byte} of the frame at {offset}"
            );
        }
    }
}

#[test]
fn a_lost_end_is_missed_by_the_register() {
    let sim = SimDisk::from_seed(1);
    let disk: Arc<dyn Disk> = Arc::new(sim);
    let mut log = begun(&disk);
    append(&mut log, 1, 1, 1, 40).unwrap();
    append(&mut log, 2, 1, 1, 40).unwrap();
    log.attest().unwrap();
    let (offset, stride) = *frames(disk.as_ref()).last().unwrap();
    let file = disk.open_update(&segment::path(1)).unwrap();
    file.write_at(offset, &vec![0; usize::try_from(stride).unwrap()]).unwrap();
    assert!(matches!(open(&disk), Err(LogError::Damaged { what: Damage::Register, .. })));
}

#[test]
fn a_log_whose_first_frame_is_gone_is_damaged_and_not_absent() {
    let sim = SimDisk::from_seed(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut log = begun(&disk);
    append(&mut log, 1, 1, 3, 10).unwrap();
    drop(log);
    sim.lose_write(&segment::path(1), 0).unwrap();
    assert!(matches!(open(&disk), Err(LogError::Damaged { what: Damage::FirstFrame, .. })));
}

#[test]
fn a_missing_segment_is_missed() {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
    let mut log = begun(&disk);
    for index in 1..=40 {
        append(&mut log, index, 1, 1, 700).unwrap();
    }
    drop(log);
    for gone in [1, 2] {
        disk.rename_no_replace(&segment::path(gone), "gone").unwrap();
        assert!(matches!(open(&disk), Err(LogError::Damaged { .. })), "segment {gone}");
        disk.rename_no_replace("gone", &segment::path(gone)).unwrap();
    }
    assert!(open(&disk).is_ok());
}

#[test]
fn a_full_disk_is_told_in_time_and_heals() {
    let sim = SimDisk::from_seed(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let mut log = begun(&disk);
    sim.set_capacity(2 * SEGMENT_BYTES + 4 * 1024);
    let mut index = 1;
    while log.has_room() {
        append(&mut log, index, 1, 1, 700).unwrap();
        log.prepare().unwrap();
        index += 1;
    }
    for _ in 0..10 {
        log.prepare().unwrap();
        assert!(!log.has_room());
    }
    // What was under way still fits.
    append(&mut log, index, 1, 1, 700).unwrap();
    sim.set_capacity(1 << 30);
    for _ in 0..10 {
        log.prepare().unwrap();
    }
    assert!(log.has_room());
}

/// What a member does to its log in a life, until the disk fails; the entries that were acknowledged.
fn scenario(disk: &Arc<dyn Disk>) -> (BTreeMap<u64, u64>, LogIndex) {
    let mut acknowledged = BTreeMap::new();
    let mut floored = LogIndex(0);
    let mut life = || -> Result<(), LogError> {
        if !Log::exists(disk.as_ref())? {
            Log::create(disk, identity(), SEGMENT_BYTES, Hard::default(), Floor::default())?;
        }
        let (mut log, _) = open(disk)?;
        for round in 0..12_u64 {
            let first = round * 3 + 1;
            append(&mut log, first, 1 + round / 5, 3, 500)?;
            acknowledged.extend((first..first + 3).map(|index| (index, 1 + round / 5)));
            log.prepare()?;
            if round % 4 == 3 {
                let position = Position { index: LogIndex(first - 3), term: Term(1) };
                log.compact(Floor { position, generation: 1 })?;
                floored = position.index;
                log.attest()?;
            }
        }
        Ok(())
    };
    drop(life());
    (acknowledged, floored)
}

#[test]
fn whatever_fails_and_wherever_what_was_acknowledged_is_there() {
    let counting = Arc::new(FailpointDisk::counting(Arc::new(SimDisk::from_seed(0))));
    let disk: Arc<dyn Disk> = counting.clone();
    scenario(&disk);
    let operations = counting.log().len();
    assert!(operations > 80);
    for at in 0..operations {
        for fault in [Fault::Kill, Fault::Eio, Fault::NoSpace, Fault::TornWrite, Fault::SyncFails] {
            let sim = SimDisk::from_seed(at as u64);
            let disk: Arc<dyn Disk> = Arc::new(FailpointDisk::failing(Arc::new(sim.clone()), at, fault));
            let (acknowledged, _) = scenario(&disk);
            sim.crash();
            let disk: Arc<dyn Disk> = Arc::new(sim);
            let recovered = match open(&disk) {
                Ok((_, recovered)) => recovered,
                Err(LogError::Absent | LogError::Disk(DiskError::NotFound { .. })) if acknowledged.is_empty() => {
                    continue;
                }
                Err(error) => panic!("{fault:?} at {at}: {error:?}"),
            };
            let floor = recovered.floor.position.index.0;
            let found: BTreeMap<u64, u64> = recovered.entries.iter().map(|entry| (entry.index, entry.term)).collect();
            for (index, term) in acknowledged.range(floor + 1..) {
                assert_eq!(found.get(index), Some(term), "{fault:?} at {at}: entry {index}");
            }
        }
    }
}

#[test]
fn what_is_read_after_a_failed_sync_is_durable() {
    let counting = Arc::new(FailpointDisk::counting(Arc::new(SimDisk::from_seed(1))));
    let disk: Arc<dyn Disk> = counting.clone();
    scenario(&disk);
    let mut shown = 0;
    for at in 0..counting.log().len() {
        let sim = SimDisk::from_seed(at as u64);
        let failing: Arc<dyn Disk> = Arc::new(FailpointDisk::failing(Arc::new(sim.clone()), at, Fault::SyncFails));
        let (acknowledged, _) = scenario(&failing);
        sim.crash_with(Unsynced::Shown);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let Ok((log, recovered)) = open(&disk) else { continue };
        shown += usize::from(indexes(&recovered).len() > acknowledged.len());
        drop(log);
        sim.crash_with(Unsynced::Lost);
        let (_, again) = open(&disk).unwrap_or_else(|error| panic!("at {at}: {error:?}"));
        assert_eq!((indexes(&again), again.hard), (indexes(&recovered), recovered.hard), "at {at}");
    }
    assert!(shown > 0, "some frames were shown that nobody had acknowledged");
}

proptest! {
    #[test]
    fn a_payload_is_read_as_it_was_written(term in 1..u64::MAX, index in 1..u64::MAX / 2, sizes in proptest::collection::vec(0..300_usize, 0..6)) {
        let numbered = sizes.iter().zip(index..);
        let entries = numbered.map(|(len, index)| entry(index, term, *len)).collect();
        let floor = Floor { position: Position { index: LogIndex(index), term: Term(term) }, generation: 8 };
        let payload = Payload { hard: None, floor: Some(floor), is_reset: true, entries };
        prop_assert_eq!(Payload::decode(&payload.encode()).unwrap(), payload);
    }

    #[test]
    fn no_bytes_upset_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(Payload::decode(&bytes));
    }
}
