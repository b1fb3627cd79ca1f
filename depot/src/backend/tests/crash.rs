//! Every fault at every operation of a backup's writes: what was acknowledged is there, what a manifest names is there,
//! and nothing that has its name is there in part.

use std::sync::Arc;

use strongroom_core::digest::Profile;
use strongroom_core::id::HeadHash;
use strongroom_platform::disk::failpoint::{FailpointDisk, Fault};
use strongroom_platform::disk::{Disk, SimDisk};

use crate::backend::{Backend as _, DirectoryBackend, StoredPack};
use crate::depot::{Depot, DepotError};
use crate::testing::{Domain, SOURCE, bodies};
use crate::verify::{Finding, scrub, verify};

/// How far the scenario came, by what was acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    depot: bool,
    packs: Vec<StoredPack>,
    keyring: u8,
    manifests: u64,
}

/// Two backups of two packs each, with a keyring before and after.
fn scenario(domain: &Domain, disk: Arc<dyn Disk>, done: &mut Acknowledged) -> Result<(), DepotError> {
    let depot = domain.depot(disk)?;
    done.depot = true;
    depot.backend().put_keyring(Domain::id(), &[1])?;
    done.keyring = 1;
    let mut previous: Option<HeadHash> = None;
    for sequence in 1..=2_u8 {
        let first = domain.put_pack(&depot, &bodies(sequence, 3, 5_000))?;
        done.packs.push(StoredPack { pack: first.pack, bytes: first.bytes });
        let second = domain.put_pack(&depot, &bodies(sequence + 100, 3, 5_000))?;
        done.packs.push(StoredPack { pack: second.pack, bytes: second.bytes });
        let manifest = domain.manifest(u64::from(sequence), previous, &[&first, &second]);
        depot.put_manifest(&manifest.bytes)?;
        previous = Some(manifest.head_hash);
        done.manifests = u64::from(sequence);
    }
    depot.backend().put_keyring(Domain::id(), &[2])?;
    done.keyring = 2;
    Ok(())
}

fn holds(domain: &Domain, disk: &SimDisk, done: &Acknowledged, context: &str) {
    let backend = Arc::new(DirectoryBackend::new(Arc::new(disk.clone())));
    backend.recover().expect(context);
    let Ok(depot) = Depot::open(backend.clone()) else {
        assert!(!done.depot, "{context}: the depot is gone");
        return;
    };
    let keyring = backend_keyring(&depot);
    assert!(keyring >= done.keyring && keyring <= done.keyring + 1, "{context}: keyring {keyring}");
    let sequences = depot.sequences(SOURCE).expect(context);
    let known = sequences.len() as u64;
    assert!(sequences.iter().copied().eq(1..=known), "{context}: {sequences:?}");
    assert!(known >= done.manifests && known <= done.manifests + 1, "{context}: {known} manifests");

    let stored = depot.backend().list_packs().expect(context).items;
    assert!(done.packs.iter().all(|pack| stored.contains(pack)), "{context}: an acknowledged pack is gone");

    let keys = domain.keys();
    let report = verify(&depot, &|_| domain.signers(), Some(&keys)).expect(context);
    let faults: Vec<&Finding> = report.findings.iter().filter(|finding| finding.is_fault()).collect();
    assert!(faults.is_empty(), "{context}: {faults:?}");
    let scrubbed = scrub(&depot, &[], &mut |_, _| ()).expect(context);
    assert_eq!(scrubbed.findings, [], "{context}");
    // A writer that comes back can go on.
    domain.put_pack(&depot, &bodies(9, 1, 10)).expect(context);
}

fn backend_keyring(depot: &Depot) -> u8 {
    depot.backend().read_keyring(Domain::id()).unwrap().map_or(0, |bytes| bytes[0])
}

#[test]
fn survives_every_fault_at_every_operation() {
    let counting = Arc::new(FailpointDisk::counting(Arc::new(SimDisk::from_seed(1))));
    scenario(&Domain::new(Profile::Blake3, 1), counting.clone(), &mut Acknowledged::default()).unwrap();
    let operations = counting.log().len();
    assert!(operations > 60, "{operations} operations");
    for fault in [Fault::Kill, Fault::Eio, Fault::NoSpace, Fault::TornWrite, Fault::SyncFails] {
        for at in 0..operations {
            let disk = SimDisk::from_seed(at as u64);
            let domain = Domain::new(Profile::Blake3, 1);
            let mut done = Acknowledged::default();
            let failing = FailpointDisk::failing(Arc::new(disk.clone()), at, fault);
            let ended = scenario(&domain, Arc::new(failing), &mut done);
            let context = format!("{fault:?} at {at}, {ended:?}");
            assert!(ended.is_err() || fault != Fault::Kill, "{context}: nobody noticed");
            disk.crash();
            holds(&domain, &disk, &done, &context);
        }
    }
}
