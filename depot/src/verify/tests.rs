//! Every kind of damage is found, named, and told from what is merely left over.

use std::sync::Arc;

use strongroom_core::digest::Profile;
use strongroom_core::manifest::PackRef;
use strongroom_core::pack::SealedPack;
use strongroom_platform::disk::{Disk as _, SimDisk};

use super::*;
use crate::testing::{Domain, SOURCE, bodies};

struct Setting {
    domain: Domain,
    disk: SimDisk,
    depot: Depot,
    packs: Vec<SealedPack>,
}

impl Setting {
    /// Two manifests over three packs.
    fn new(profile: Profile) -> Self {
        let (domain, disk) = (Domain::new(profile, 1), SimDisk::from_seed(1));
        let depot = domain.depot(Arc::new(disk.clone())).unwrap();
        let packs: Vec<SealedPack> =
            (0..3).map(|seed| domain.put_pack(&depot, &bodies(seed, 3, 700)).unwrap()).collect();
        let first = domain.manifest(1, None, &[&packs[0], &packs[1]]);
        depot.put_manifest(&first.bytes).unwrap();
        let second = domain.manifest(2, Some(first.head_hash), &[&packs[2]]);
        depot.put_manifest(&second.bytes).unwrap();
        Self { domain, disk, depot, packs }
    }

    fn verify(&self) -> Report {
        let keys = self.domain.keys();
        verify(&self.depot, &|_| self.domain.signers(), Some(&keys)).unwrap()
    }

    fn scrub(&self) -> Vec<Finding> {
        let known: Vec<PackRef> =
            self.packs.iter().map(|pack| PackRef { pack: pack.pack, bytes: pack.bytes, root: pack.root }).collect();
        scrub(&self.depot, &known, &mut |_, _| ()).unwrap().findings
    }

    fn path(&self, pack: usize) -> String {
        let id = self.packs[pack].pack;
        format!("packs/{:02x}/{id}.pack", id.0[0])
    }
}

#[test]
fn a_whole_depot_has_no_findings() {
    for profile in [Profile::Blake3, Profile::Fips] {
        let setting = Setting::new(profile);
        let report = setting.verify();
        assert_eq!(report.findings, []);
        assert_eq!((report.manifests, report.packs), (2, 3));
        assert_eq!(setting.scrub(), []);
    }
}

#[test]
fn an_orphan_is_named_and_is_no_fault() {
    let setting = Setting::new(Profile::Blake3);
    let orphan = setting.domain.put_pack(&setting.depot, &bodies(9, 1, 10)).unwrap();
    let report = setting.verify();
    assert_eq!(report.findings, [Finding::OrphanPack { pack: orphan.pack, bytes: orphan.bytes }]);
    assert!(report.is_ok());
}

#[test]
fn a_lost_pack_is_missed() {
    let setting = Setting::new(Profile::Blake3);
    setting.disk.remove(&setting.path(0)).unwrap();
    let report = setting.verify();
    assert!(!report.is_ok());
    assert!(matches!(report.findings[..], [Finding::MissingPack { pack, .. }] if pack == setting.packs[0].pack));
}

#[test]
fn a_scrub_finds_every_flipped_byte_without_a_key() {
    let setting = Setting::new(Profile::Blake3);
    for byte in 0..setting.packs[1].bytes {
        setting.disk.flip_bit(&setting.path(1), byte * 8 + byte % 8).unwrap();
        let found = setting.scrub();
        assert!(matches!(found[..], [Finding::DamagedPack { pack, .. }] if pack == setting.packs[1].pack), "{byte}");
        setting.disk.flip_bit(&setting.path(1), byte * 8 + byte % 8).unwrap();
    }
    assert_eq!(setting.scrub(), []);
}

#[test]
fn a_pack_that_was_exchanged_is_found_by_the_heads() {
    let setting = Setting::new(Profile::Blake3);
    let other = setting.domain.depot(Arc::new(SimDisk::from_seed(2))).unwrap();
    let replacement = setting.domain.put_pack(&other, &bodies(1, 3, 700)).unwrap();
    let bytes = other.backend().read_pack(replacement.pack, 0, usize::try_from(replacement.bytes).unwrap()).unwrap();
    setting.disk.remove(&setting.path(1)).unwrap();
    let disk: Arc<dyn strongroom_platform::disk::Disk> = Arc::new(setting.disk.clone());
    strongroom_platform::disk::durable_write(&disk, &setting.path(1), &bytes).unwrap();
    assert!(matches!(setting.scrub()[..], [Finding::DamagedPack { .. }]));
    assert!(setting.verify().findings.iter().any(|finding| matches!(finding, Finding::UnreadablePack { .. })));
}

#[test]
fn gaps_forgeries_and_strangers_in_a_chain_are_found() {
    let setting = Setting::new(Profile::Blake3);
    let manifests = |sequence: u64| format!("manifests/{SOURCE}/{sequence:020}.manifest");
    setting.disk.flip_bit(&manifests(2), 8 * 300).unwrap();
    assert!(matches!(setting.verify().findings[..], [Finding::BadManifest { sequence: 2, .. }, ..]));
    setting.disk.flip_bit(&manifests(2), 8 * 300).unwrap();
    assert!(setting.verify().is_ok());
    let stranger = verify(&setting.depot, &|_| vec![], None).unwrap();
    assert!(matches!(stranger.findings[..], [Finding::BadManifest { .. }, Finding::BadManifest { .. }, ..]));
    setting.disk.remove(&manifests(1)).unwrap();
    let findings = setting.verify().findings;
    assert!(matches!(findings[0], Finding::MissingManifest { sequence: 1, .. }), "{findings:?}");
}
