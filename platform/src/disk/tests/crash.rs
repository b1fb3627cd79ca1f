//! What a crash spares and what it takes, and that writers which forget a step are caught.

use std::sync::Arc;

use crate::disk::{Disk, DiskError, SimDisk, Unsynced, durable_replace, durable_write};

/// Long enough to be torn in several sectors, and with no two sectors alike.
fn content() -> Vec<u8> {
    (0..3_000_u16).flat_map(u16::to_le_bytes).collect()
}

/// How many seeds are tried before a writer counts as right.
const SEEDS: u64 = 64;

/// A way to write a file that claims, when it returns, that the file survives a crash.
type Writer = fn(&Arc<dyn Disk>, &str, &[u8]) -> Result<(), DiskError>;

/// Gives the first seed under which a crash after `writer` has acknowledged does not leave the file as it was written.
fn seed_that_breaks(writer: Writer) -> Option<u64> {
    (0..SEEDS).find(|seed| {
        let sim = SimDisk::from_seed(*seed);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        writer(&disk, "packs/0a", &content()).unwrap();
        sim.crash();
        disk.read("packs/0a", 1 << 20).ok() != Some(content())
    })
}

#[test]
fn a_durable_write_survives_every_crash() {
    let writers: [Writer; 2] = [
        |disk, path, bytes| disk.create_dir_all("packs").and_then(|()| durable_write(disk, path, bytes)),
        |disk, path, bytes| disk.create_dir_all("packs").and_then(|()| durable_replace(disk, path, bytes)),
    ];
    for writer in writers {
        assert_eq!(seed_that_breaks(writer), None);
    }
}

#[test]
fn a_writer_that_does_not_sync_the_file_is_caught() {
    let broken: Writer = |disk, path, bytes| {
        disk.create_dir_all("packs")?;
        disk.create_new("packs/.0a.0.tmp")?.write_all(bytes)?;
        disk.rename_no_replace("packs/.0a.0.tmp", path)?;
        disk.sync_dir("packs")
    };
    assert!(seed_that_breaks(broken).is_some());
}

#[test]
fn a_writer_that_does_not_sync_the_folder_is_caught() {
    let broken: Writer = |disk, path, bytes| {
        disk.create_dir_all("packs")?;
        let mut file = disk.create_new("packs/.0a.0.tmp")?;
        file.write_all(bytes)?;
        file.sync()?;
        disk.rename_no_replace("packs/.0a.0.tmp", path)
    };
    assert!(seed_that_breaks(broken).is_some());
}

#[test]
fn a_writer_that_syncs_before_the_last_write_is_caught() {
    let broken: Writer = |disk, path, bytes| {
        disk.create_dir_all("packs")?;
        let mut file = disk.create_new(path)?;
        let (most, last) = bytes.split_at(bytes.len() - 1);
        file.write_all(most)?;
        file.sync()?;
        file.write_all(last)?;
        disk.sync_dir("packs")
    };
    assert!(seed_that_breaks(broken).is_some());
}

#[test]
fn a_writer_that_syncs_the_folder_before_the_rename_is_caught() {
    let broken: Writer = |disk, path, bytes| {
        disk.create_dir_all("packs")?;
        let mut file = disk.create_new("packs/.0a.0.tmp")?;
        file.write_all(bytes)?;
        file.sync()?;
        disk.sync_dir("packs")?;
        disk.rename_no_replace("packs/.0a.0.tmp", path)
    };
    assert!(seed_that_breaks(broken).is_some());
}

/// A synced file of four bytes to which 2,000 more were written without a sync.
fn half_synced(seed: u64) -> SimDisk {
    let sim = SimDisk::from_seed(seed);
    let mut file = sim.create_new("a").unwrap();
    file.write_all(b"safe").unwrap();
    file.sync().unwrap();
    sim.sync_dir("").unwrap();
    file.write_all(&[7; 2_000]).unwrap();
    sim
}

#[test]
fn a_power_cut_can_lose_all_that_was_not_synced() {
    let sim = half_synced(1);
    durable_write(&(Arc::new(sim.clone()) as Arc<dyn Disk>), "b", b"whole").unwrap();
    sim.create_new("c").unwrap();
    sim.remove("b").unwrap();
    sim.crash_with(Unsynced::Lost);
    assert_eq!(sim.read("a", 4).unwrap(), b"safe");
    assert_eq!(sim.read("b", 5).unwrap(), b"whole");
    assert!(!sim.exists("c").unwrap());
}

#[test]
fn the_death_of_a_process_loses_nothing() {
    let sim = half_synced(1);
    sim.create_new("c").unwrap();
    sim.crash_with(Unsynced::Kept);
    assert_eq!(sim.open_read("a").unwrap().len().unwrap(), 2_004);
    assert!(sim.exists("c").unwrap());
}

#[test]
fn synced_bytes_are_never_torn_and_others_are() {
    let mut lengths = Vec::new();
    let mut has_rubbish = false;
    for seed in 0..SEEDS {
        let sim = half_synced(seed);
        sim.crash();
        let bytes = sim.read("a", 4_000).unwrap();
        let (safe, rest) = bytes.split_at(4);
        assert_eq!(safe, b"safe", "seed {seed}");
        lengths.push(rest.len());
        has_rubbish |= rest.iter().any(|byte| !matches!(byte, 0 | 7));
    }
    assert!(has_rubbish);
    assert!(lengths.contains(&0) && lengths.contains(&2_000));
    assert!(lengths.iter().any(|len| !matches!(len, 0 | 2_000)));
}

#[test]
fn a_crash_is_a_function_of_its_seed() {
    let remains = |seed| {
        let sim = half_synced(seed);
        sim.create_new("b").unwrap();
        sim.crash();
        (sim.list("").unwrap(), sim.read("a", 4_000).unwrap())
    };
    for seed in 0..SEEDS {
        assert_eq!(remains(seed), remains(seed), "seed {seed}");
    }
}

#[test]
fn a_file_that_was_open_is_dead_after_a_crash() {
    let sim = SimDisk::from_seed(1);
    let mut file = sim.create_new("a").unwrap();
    file.sync().unwrap();
    sim.sync_dir("").unwrap();
    let read = sim.open_read("a").unwrap();
    sim.crash();
    assert!(matches!(file.write_all(b"late"), Err(DiskError::Killed)));
    assert!(matches!(file.sync(), Err(DiskError::Killed)));
    assert!(matches!(read.len(), Err(DiskError::Killed)));
    assert!(sim.read("a", 0).unwrap().is_empty());
}

#[test]
fn folders_are_durable_as_they_are_made() {
    let sim = SimDisk::from_seed(1);
    sim.create_dir_all("a/b").unwrap();
    sim.crash_with(Unsynced::Lost);
    assert!(sim.exists("a/b").unwrap());
}

#[test]
fn a_rename_between_folders_needs_a_sync_of_both() {
    let remains = |seed| {
        let sim = SimDisk::from_seed(seed);
        sim.create_dir_all("a").unwrap();
        sim.create_dir_all("b").unwrap();
        durable_write(&(Arc::new(sim.clone()) as Arc<dyn Disk>), "a/file", b"x").unwrap();
        sim.rename_no_replace("a/file", "b/file").unwrap();
        sim.crash();
        (sim.exists("a/file").unwrap(), sim.exists("b/file").unwrap())
    };
    let all: Vec<_> = (0..SEEDS).map(remains).collect();
    for outcome in [(true, false), (false, true), (true, true), (false, false)] {
        assert!(all.contains(&outcome), "{outcome:?}");
    }
}

#[test]
fn a_full_volume_takes_what_fits() {
    let sim = SimDisk::from_seed(1);
    sim.set_capacity(10);
    let mut file = sim.create_new("a").unwrap();
    file.write_all(b"seven b").unwrap();
    assert_eq!(sim.free_space().unwrap(), 3);
    assert!(matches!(file.write_all(b"four"), Err(DiskError::NoSpace { .. })));
    assert_eq!(sim.read("a", 10).unwrap(), b"seven bfou");
    sim.remove("a").unwrap();
    assert_eq!(sim.free_space().unwrap(), 10);
}

#[test]
fn a_bit_of_a_file_can_rot() {
    let sim = half_synced(1);
    sim.flip_bit("a", 9).unwrap();
    let mut bytes = [0; 4];
    sim.open_read("a").unwrap().read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"scfe");
    assert!(matches!(sim.flip_bit("a", 2_004 * 8), Err(DiskError::UnexpectedEnd { .. })));
}

/// A file of eight durable sectors of ones, changed in place to twos, and grown by two more sectors, before the power goes.
fn changed_in_place(seed: u64, is_synced: bool) -> Vec<u8> {
    let sim = SimDisk::from_seed(seed);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    durable_write(&disk, "log", &[1; 8 * 512]).unwrap();
    let file = disk.open_update("log").unwrap();
    file.write_at(512, &[2; 9 * 512]).unwrap();
    if is_synced {
        file.sync_data().unwrap();
    }
    sim.crash();
    disk.read("log", 1 << 20).unwrap()
}

#[test]
fn a_change_in_place_survives_once_it_is_synced() {
    for seed in 0..SEEDS {
        assert_eq!(changed_in_place(seed, true), [vec![1; 512], vec![2; 9 * 512]].concat());
    }
}

#[test]
fn sectors_that_were_not_synced_are_old_or_new_each_for_itself() {
    let (mut mixed, mut old, mut new) = (0, 0, 0);
    for seed in 0..SEEDS {
        let left = changed_in_place(seed, false);
        assert!(left.len() >= 8 * 512);
        assert!(left[..512].iter().all(|byte| *byte == 1));
        let sectors: Vec<u8> = left[512..8 * 512].chunks(512).map(|sector| sector[0]).collect();
        assert!(left[512..8 * 512].chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        assert!(sectors.iter().all(|first| matches!(first, 1 | 2)));
        match (sectors.contains(&1), sectors.contains(&2)) {
            (true, true) => mixed += 1,
            (true, false) => old += 1,
            _ => new += 1,
        }
    }
    assert!(mixed > 0 && old > 0 && new > 0, "{mixed} {old} {new}");
}

#[test]
fn a_cut_that_was_not_synced_may_be_undone() {
    let lengths: Vec<usize> = (0..SEEDS)
        .map(|seed| {
            let sim = SimDisk::from_seed(seed);
            let disk: Arc<dyn Disk> = Arc::new(sim.clone());
            durable_write(&disk, "log", &content()).unwrap();
            disk.open_update("log").unwrap().set_len(100).unwrap();
            sim.crash();
            disk.read("log", 1 << 20).unwrap().len()
        })
        .collect();
    assert!(lengths.contains(&100) && lengths.contains(&content().len()), "{lengths:?}");
}

#[test]
fn a_disk_that_forgets_syncs_loses_what_it_confirmed_and_no_more() {
    let sim = SimDisk::from_seed(7);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    durable_write(&disk, "before", &content()).unwrap();
    sim.forget_syncs();
    durable_write(&disk, "after", &content()).unwrap();
    assert_eq!(disk.read("after", 1 << 20).unwrap(), content());
    sim.crash_with(Unsynced::Lost);
    assert_eq!(disk.read("before", 1 << 20).unwrap(), content());
    assert!(!disk.exists("after").unwrap());
    durable_write(&disk, "after", &content()).unwrap();
    sim.crash_with(Unsynced::Lost);
    assert_eq!(disk.read("after", 1 << 20).unwrap(), content());
}

#[test]
fn a_sector_can_land_elsewhere_or_nowhere() {
    let sim = SimDisk::from_seed(8);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    durable_write(&disk, "file", &content()).unwrap();
    sim.misdirect("file", 3, 1).unwrap();
    sim.lose_write("file", 2).unwrap();
    sim.crash_with(Unsynced::Lost);
    let read = disk.read("file", 1 << 20).unwrap();
    assert_eq!(read[512..1_024], content()[1_536..2_048]);
    assert!(read[1_024..1_536].iter().all(|byte| *byte == 0));
    assert_eq!(read[1_536..], content()[1_536..]);
    assert!(sim.lose_write("file", 1_000).is_err());
}

#[test]
fn a_lock_dies_with_its_process() {
    for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::BySeed] {
        let disk = SimDisk::from_seed(1);
        let held = disk.lock("lock").unwrap();
        assert!(matches!(disk.lock("lock"), Err(DiskError::Locked { .. })));
        disk.crash_with(unsynced);
        let again = disk.lock("lock").unwrap();
        // What the dead process held does not count any more, and giving it back gives nothing of anybody else's away.
        drop(held);
        assert!(matches!(disk.lock("lock"), Err(DiskError::Locked { .. })));
        drop(again);
        drop(disk.lock("lock").unwrap());
    }
}

#[test]
fn what_was_given_up_is_shown_until_the_next_power_cut() {
    let sim = SimDisk::from_seed(1);
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    durable_write(&disk, "a", &content()).unwrap();
    let new = vec![b'n'; content().len() + 700];
    sim.open_update("a").unwrap().write_at(0, &new).unwrap();
    sim.crash_with(Unsynced::Shown);
    assert_eq!(sim.read("a", 1 << 20).unwrap(), new);
    // A sync has nothing to do, as far as the system knows. What is written again is another matter.
    let file = sim.open_update("a").unwrap();
    file.sync_data().unwrap();
    file.write_at(512, &new[512..1_024]).unwrap();
    file.sync_data().unwrap();
    sim.crash_with(Unsynced::Kept);
    assert_eq!(sim.read("a", 1 << 20).unwrap(), new);
    sim.crash_with(Unsynced::Lost);
    let left = sim.read("a", 1 << 20).unwrap();
    assert_eq!(left[..512], content()[..512]);
    assert_eq!(left[512..1_024], new[512..1_024]);
    assert_eq!(left[1_024..content().len()], content()[1_024..]);
}
