//! A manifest is read as it was written, or refused; chains and lists of packs hold together.

use std::collections::BTreeMap;

use super::*;
use crate::digest::{IdFunctions, IdKey, Profile};
use crate::entropy::testing::Seeded;
use crate::id::{BlobId, ClassId, ClassRoot, DomainId, MerkleRoot, SchemaDigest, SnapshotId, SourceId};
use crate::seal::{EpochNumber, EpochPrivateKey, HostKey, Recipient, Scope, SigningKey};
use crate::time::WallTime;

const PROFILES: [Profile; 2] = [Profile::Blake3, Profile::Fips];

fn class(byte: u8) -> ClassHead {
    let tags = ClassTags::TIER_1.with(ClassTags::PERSONAL);
    ClassHead { class: ClassId([byte; 16]), tags, root: ClassRoot([byte; 32]) }
}

fn pack(byte: u8) -> PackRef {
    PackRef { pack: PackId([byte; 16]), bytes: u64::from(byte) << 20, root: MerkleRoot([byte; 32]) }
}

fn draft(profile: Profile, sequence: u64, previous: Option<crate::id::HeadHash>) -> ManifestDraft {
    let ids = IdFunctions::new(profile, &IdKey::from_bytes([1; 32]));
    let classes = vec![class(2), class(1)];
    ManifestDraft {
        scope: Scope::new(profile, DomainId([3; 16]), "production", "DE FR"),
        source: SourceId([4; 16]),
        sequence,
        previous,
        snapshot: SnapshotId([5; 16]),
        root: snapshot_root(&ids, &classes, &body().blobs),
        complete: true,
        restarts_packs: sequence == 1,
        started: WallTime(1_700_000_000_000_000),
        finished: WallTime(1_700_000_001_000_000),
        interval: (sequence > 1).then_some(Interval { lo: WallTime(-5), hi: WallTime(7) }),
        totals: SnapshotTotals { records: 12, plaintext_bytes: 3456 },
        classes,
        packs_added: vec![pack(9), pack(8)],
        packs_dropped: vec![],
    }
}

fn body() -> ManifestBody {
    ManifestBody {
        source_name: "cmdb-berlin".into(),
        engine: "postgresql".into(),
        engine_version: "15.9".into(),
        product: None,
        profile: None,
        application_versions: BTreeMap::from([("netbox".into(), "4.1".into())]),
        integrations: vec![],
        environment: BTreeMap::new(),
        source_position: BTreeMap::from([("lsn".into(), "0/1".into())]),
        clock: ClockReadings::default(),
        host: "db1".into(),
        classes: vec![ClassEntry {
            id: ClassId([1; 16]),
            name: "public.\"odd.name\"".into(),
            records: 12,
            expected: Some(12),
            root: ClassRoot([1; 32]),
            leaf_records_target: 64,
            node_children_target: 128,
            schema_digest: SchemaDigest([6; 32]),
            top: Some(NodeRef { level: 1, id: [7; 32] }),
            captured: true,
            reason: None,
            findings: vec![],
        }],
        schemas: BlobId([8; 32]),
        blobs: vec![BlobEntry { role: "ddl-before".into(), id: BlobId([9; 32]), bytes: 10 }],
        findings: vec![Finding { severity: Severity::Warning, subject: "roles".into(), message: "two".into() }],
        tags: vec!["before-upgrade".into()],
    }
}

fn signer(profile: Profile) -> SigningKey {
    SigningKey::from_seed(profile, &[7; 32]).unwrap()
}

fn epoch(profile: Profile) -> EpochPrivateKey {
    EpochPrivateKey::generate(profile, EpochNumber(1), &Seeded::new(1)).unwrap()
}

fn seal(draft: ManifestDraft) -> SealedManifest {
    let profile = draft.scope.profile;
    draft.seal(&body(), Recipient::Epoch(epoch(profile).public()), &signer(profile), &Seeded::new(2)).unwrap()
}

fn verify(bytes: &[u8], profile: Profile, after: Predecessor) -> Result<VerifiedManifest, ManifestError> {
    UnverifiedManifest::parse(bytes)?.verify(&[signer(profile).verifying_key().clone()], after)
}

#[test]
fn what_was_sealed_is_read_in_both_profiles_and_for_both_recipients() {
    for profile in PROFILES {
        let sealed = seal(draft(profile, 1, None));
        let read = verify(&sealed.bytes, profile, Predecessor::None).unwrap();
        assert_eq!(read.head(), &sealed.head);
        assert_eq!(read.hash(), sealed.head_hash);
        assert_eq!(read.head().classes, [class(1), class(2)]);
        assert_eq!(read.head().packs_added, [pack(8), pack(9)]);
        assert_eq!(read.open_body(&epoch(profile)).unwrap(), body());
        assert_eq!(read.open_body_with(&sealed.opening_key).unwrap(), body());
        let host = HostKey::new(profile, [1; 32]);
        assert!(matches!(read.open_body(&host), Err(ManifestError::WrongKey { .. })));
        let local =
            draft(profile, 1, None).seal(&body(), Recipient::Host(&host), &signer(profile), &Seeded::new(3)).unwrap();
        assert_eq!(verify(&local.bytes, profile, Predecessor::None).unwrap().open_body(&host).unwrap(), body());
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_an_error() {
    for profile in PROFILES {
        let bytes = seal(draft(profile, 1, None)).bytes;
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(verify(&changed, profile, Predecessor::None).is_err(), "byte {at}");
            assert!(verify(&bytes[..at], profile, Predecessor::None).is_err(), "cut at {at}");
        }
    }
}

#[test]
fn a_head_follows_its_predecessor_alone() {
    let profile = Profile::Blake3;
    let first = verify(&seal(draft(profile, 1, None)).bytes, profile, Predecessor::None).unwrap();
    let second = seal(draft(profile, 2, Some(first.hash()))).bytes;
    assert!(verify(&second, profile, first.as_predecessor()).is_ok());
    assert!(verify(&second, profile, Predecessor::Unchecked).is_ok());
    let forked = seal(draft(profile, 2, Some(crate::id::HeadHash([1; 32])))).bytes;
    for (bytes, after) in [(&second, Predecessor::None), (&forked, first.as_predecessor())] {
        assert!(matches!(verify(bytes, profile, after), Err(ManifestError::BrokenChain { .. })));
    }
    assert!(
        draft(profile, 2, None)
            .seal(&body(), Recipient::Epoch(epoch(profile).public()), &signer(profile), &Seeded::new(2))
            .is_err()
    );
}

#[test]
fn a_signature_of_another_key_is_refused() {
    let profile = Profile::Blake3;
    let bytes = seal(draft(profile, 1, None)).bytes;
    let stranger = SigningKey::from_seed(profile, &[8; 32]).unwrap();
    let manifest = UnverifiedManifest::parse(&bytes).unwrap();
    let verified = manifest.verify(&[stranger.verifying_key().clone()], Predecessor::None);
    assert!(matches!(verified, Err(ManifestError::UnknownSigner { .. })));
}

#[test]
fn tells_foreign_and_unknown_files_apart() {
    let mut bytes = seal(draft(Profile::Blake3, 1, None)).bytes;
    assert!(matches!(UnverifiedManifest::parse(b"{}"), Err(ManifestError::NotAManifest)));
    bytes[13] = 2;
    assert!(matches!(UnverifiedManifest::parse(&bytes), Err(ManifestError::UnknownVersion { found: 2 })));
    bytes[13] = 1;
    bytes[22] = 1;
    assert!(matches!(UnverifiedManifest::parse(&bytes), Err(ManifestError::UnknownFeature { flags: 0x0100_0000 })));
}

#[test]
fn packs_needed_are_the_fold_over_the_chain() {
    let with = |added: &[u8], dropped: &[u8], restarts_packs: bool| {
        let mut draft = draft(Profile::Blake3, 1, None);
        draft.packs_added = added.iter().map(|byte| pack(*byte)).collect();
        draft.packs_dropped = dropped.iter().map(|byte| PackId([*byte; 16])).collect();
        draft.restarts_packs = restarts_packs;
        seal(draft).head
    };
    let mut needed = NeededPacks::new();
    needed.apply(&with(&[1, 2, 3], &[], true)).unwrap();
    needed.apply(&with(&[4], &[2], false)).unwrap();
    assert_eq!(needed.packs().copied().collect::<Vec<_>>(), [pack(1), pack(3), pack(4)]);
    let before = needed.clone();
    assert!(needed.apply(&with(&[], &[2], false)).is_err(), "dropped twice");
    assert!(needed.apply(&with(&[4], &[], false)).is_err(), "added twice");
    assert_eq!(needed, before, "a head that does not fit changes nothing");
    assert_eq!(needed.difference(&[pack(4), pack(5)]), (vec![pack(5)], vec![PackId([1; 16]), PackId([3; 16])]));
    needed.apply(&with(&[7], &[], true)).unwrap();
    assert_eq!(needed.packs().copied().collect::<Vec<_>>(), [pack(7)]);
}

#[test]
fn a_snapshot_root_depends_on_content_and_not_on_order() {
    let ids = IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([1; 32]));
    let blobs = body().blobs;
    let root = snapshot_root(&ids, &[class(1), class(2)], &blobs);
    assert_eq!(root, snapshot_root(&ids, &[class(2), class(1)], &blobs));
    assert_ne!(root, snapshot_root(&ids, &[class(1)], &blobs));
    assert_ne!(root, snapshot_root(&ids, &[class(1), class(2)], &[]));
    let other = IdFunctions::new(Profile::Blake3, &IdKey::from_bytes([2; 32]));
    assert_ne!(root, snapshot_root(&other, &[class(1), class(2)], &blobs));
}

proptest::proptest! {
    #[test]
    fn hostile_heads_are_errors(cut in 0..600_usize, at in 0..600_usize, bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
        let good = seal(draft(Profile::Blake3, 1, None)).bytes;
        let mut changed = good.clone();
        changed.splice(at.min(good.len())..(at + cut).min(good.len()).max(at.min(good.len())), bytes);
        if changed != good {
            proptest::prop_assert!(verify(&changed, Profile::Blake3, Predecessor::None).is_err());
        }
    }
}

#[test]
fn a_head_alone_is_believed_on_its_signature_and_on_nothing_less() {
    for profile in PROFILES {
        let sealed = seal(draft(profile, 1, None));
        let bytes = SignedHead::of_manifest(&sealed.bytes).unwrap();
        let key = signer(profile).verifying_key().clone();
        let read = SignedHead::verify(bytes, &key).unwrap();
        assert_eq!((read.head(), read.hash()), (&sealed.head, sealed.head_hash));
        assert_eq!(read.manifest_bytes(), sealed.bytes.len() as u64);
        let other = SigningKey::from_seed(profile, &[6; 32]).unwrap();
        let refused = SignedHead::verify(bytes, other.verifying_key());
        assert!(matches!(refused, Err(ManifestError::UnknownSigner { .. })));
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            assert!(SignedHead::verify(&changed, &key).is_err(), "byte {at}");
            assert!(SignedHead::verify(&bytes[..at], &key).is_err(), "cut at {at}");
        }
        assert!(SignedHead::verify(&sealed.bytes, &key).is_err(), "a body has no business here");
    }
}
