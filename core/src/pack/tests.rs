//! Packs give back what they were given, to the right key alone, and notice every changed byte.

use proptest::prelude::*;

use super::*;
use crate::digest::Profile;
use crate::entropy::testing::Seeded;
use crate::frame::{CompressedFrame, Compressor, Decompressor, FrameBuilder, ObjectKind};
use crate::id::{ChunkId, DomainId, ObjectId, PackId, SourceId};
use crate::seal::{EpochNumber, EpochPrivateKey, HostKey, OpensDataKeys, Recipient, Scope};

const PROFILES: [Profile; 2] = [Profile::Blake3, Profile::Fips];

fn identity(profile: Profile) -> PackIdentity {
    PackIdentity {
        pack: PackId([1; 16]),
        source: SourceId([2; 16]),
        scope: Scope::new(profile, DomainId([3; 16]), "production", "DE FR"),
    }
}

fn epoch(profile: Profile) -> EpochPrivateKey {
    EpochPrivateKey::generate(profile, EpochNumber(1), &Seeded::new(1)).unwrap()
}

fn chunk(body: &[u8]) -> ObjectId {
    ObjectId::Chunk(ChunkId(*blake3::hash(body).as_bytes()))
}

fn frames(bodies: &[Vec<u8>]) -> Vec<CompressedFrame> {
    let (mut builder, mut compressor) = (FrameBuilder::new(), Compressor::new().unwrap());
    let mut plain = Vec::new();
    for body in bodies {
        plain.extend(builder.push(chunk(body), ObjectKind::Chunk, body).unwrap());
    }
    plain.extend(builder.flush());
    plain.into_iter().map(|frame| compressor.compress(frame, 3).unwrap()).collect()
}

fn write(identity: PackIdentity, recipient: Recipient<'_>, frames: &[CompressedFrame]) -> (Vec<u8>, SealedPack) {
    let mut out = Vec::new();
    let mut writer = PackWriter::begin(identity, recipient, &Seeded::new(2), &mut out).unwrap();
    for frame in frames {
        writer.append(frame, &mut out).unwrap();
        assert_eq!(writer.bytes(), out.len() as u64);
    }
    let sealed = writer.finish(&mut out).unwrap();
    (out, sealed)
}

fn read(bytes: &[u8], keys: &dyn OpensDataKeys) -> Result<Vec<Vec<u8>>, PackError> {
    let mut decompressor = Decompressor::new().unwrap();
    let pack = OpenPack::open(bytes, keys, &mut decompressor)?;
    let mut bodies = Vec::new();
    for (number, _) in (0..).zip(pack.directory().frames()) {
        let frame = pack.frame(number, &mut decompressor)?;
        bodies.extend(frame.objects().map(|object| object.body.to_vec()));
    }
    Ok(bodies)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_goes_in_comes_out(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..20),
        fips: bool,
    ) {
        let profile = PROFILES[usize::from(fips)];
        let (key, host) = (epoch(profile), HostKey::new(profile, [9; 32]));
        let frames = frames(&bodies);
        let (bytes, sealed) = write(identity(profile), Recipient::Epoch(key.public()), &frames);
        let (image, _) = write(identity(profile), Recipient::Host(&host), &frames);
        prop_assert_eq!(sealed.bytes, bytes.len() as u64);
        prop_assert_eq!(sealed.directory.objects().len(), bodies.len());
        prop_assert_eq!(padded_len(sealed.bytes), sealed.bytes);
        prop_assert_eq!(check_root(profile, &bytes).unwrap(), sealed.root);
        prop_assert_eq!(&read(&bytes, &key).unwrap(), &bodies);
        prop_assert_eq!(&read(&image, &host).unwrap(), &bodies);
        prop_assert!(matches!(read(&bytes, &host), Err(PackError::WrongKey { .. })), "host key opened a depot's pack");
        let other = EpochPrivateKey::generate(profile, EpochNumber(2), &Seeded::new(7)).unwrap();
        prop_assert!(matches!(read(&bytes, &other), Err(PackError::WrongKey { .. })), "another epoch's key opened");
    }
}

proptest! {
    #[test]
    fn hostile_directories_and_headers_are_errors(
        frames in 0..40_u64,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut plain = Vec::new();
        crate::codec::put_varint(&mut plain, frames);
        plain.extend_from_slice(&bytes);
        if let Ok(directory) = Directory::decode(&plain, 227) {
            let objects: usize = directory.frames().iter().map(|frame| directory.objects_of(frame).len()).sum();
            prop_assert_eq!(objects, directory.objects().len());
        }
        let _ = PackHeader::parse(&[b"SRPACK\r\n\0\x01", &bytes[..]].concat());
    }
}

#[test]
fn every_flipped_byte_is_an_error_or_harmless_padding() {
    for profile in PROFILES {
        let key = epoch(profile);
        let bodies = vec![b"one row".to_vec(), vec![7; 900]];
        let (bytes, _) = write(identity(profile), Recipient::Epoch(key.public()), &frames(&bodies));
        let mut harmless = 0;
        for at in 0..bytes.len() {
            for flip in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                assert!(check_root(profile, &changed).is_err(), "byte {at} is under the root");
                match read(&changed, &key) {
                    Err(_) => {}
                    Ok(read) => {
                        assert_eq!(read, bodies, "byte {at}");
                        harmless += 1;
                    }
                }
            }
        }
        // Padding and root alone.
        assert!(harmless < 2 * (bytes.len() / 10 + ROOT_LEN + 28), "{harmless} of {}", bytes.len());
    }
}

#[test]
fn every_cut_is_an_error() {
    let key = epoch(Profile::Blake3);
    let (bytes, _) = write(identity(Profile::Blake3), Recipient::Epoch(key.public()), &frames(&[vec![7; 900]]));
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len], &key).is_err(), "{len} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(read(&longer, &key).is_err());
}

#[test]
fn tells_foreign_unknown_and_damaged_files_apart() {
    let key = epoch(Profile::Blake3);
    let (bytes, _) = write(identity(Profile::Blake3), Recipient::Epoch(key.public()), &frames(&[vec![7; 90]]));
    let with = |at: usize, byte: u8| {
        let mut changed = bytes.clone();
        changed[at] = byte;
        read(&changed, &key).unwrap_err()
    };
    assert!(matches!(read(b"PK\x03\x04", &key), Err(PackError::NotAPack)));
    assert!(matches!(with(9, 2), PackError::UnknownVersion { found: 2 }));
    assert!(matches!(with(18, 0x80), PackError::UnknownFeature { flags: 0x8000_0000 }));
    // Flags that readers may ignore are read over, and still bound to the wrapped key.
    assert!(matches!(with(13, 1), PackError::Damaged { .. }));
    assert!(matches!(
        with(bytes.len() - ROOT_LEN - 1, bytes[bytes.len() - ROOT_LEN - 1] ^ 1),
        PackError::Damaged { .. }
    ));
}

#[test]
fn parts_of_other_packs_do_not_open() {
    let profile = Profile::Blake3;
    let key = epoch(profile);
    let frames = frames(&[vec![7; 900]]);
    let (first, _) = write(identity(profile), Recipient::Epoch(key.public()), &frames);
    // The same entropy, so the same data key: only the associated data differs.
    for other in [
        PackIdentity { pack: PackId([9; 16]), ..identity(profile) },
        PackIdentity { scope: Scope::new(profile, DomainId([3; 16]), "test", "DE FR"), ..identity(profile) },
        PackIdentity { scope: Scope::new(profile, DomainId([3; 16]), "production", "US"), ..identity(profile) },
    ] {
        let (second, _) = write(other, Recipient::Epoch(key.public()), &frames);
        let at = PackHeader::len(profile);
        let spliced = [&second[..at], &first[at..]].concat();
        assert!(matches!(read(&spliced, &key), Err(PackError::Damaged { .. })));
    }
}

#[test]
fn a_pack_of_one_seed_is_the_same_every_time() {
    let key = epoch(Profile::Blake3);
    let frames = frames(&[vec![7; 90]]);
    let (first, _) = write(identity(Profile::Blake3), Recipient::Epoch(key.public()), &frames);
    let (second, _) = write(identity(Profile::Blake3), Recipient::Epoch(key.public()), &frames);
    assert_eq!(first, second);
}

#[test]
fn an_object_costs_at_most_seven_bytes_of_directory() {
    let key = epoch(Profile::Blake3);
    let bodies: Vec<Vec<u8>> = (0..5_000_u32).map(|i| blake3::hash(&i.to_be_bytes()).as_bytes().repeat(4)).collect();
    let frames = frames(&bodies);
    let (bytes, sealed) = write(identity(Profile::Blake3), Recipient::Epoch(key.public()), &frames);
    let reader = PackHeader::parse(&bytes).unwrap().open(&key).unwrap();
    let trailer = reader.trailer(sealed.bytes, &bytes).unwrap();
    assert!(trailer.footer_len <= 7 * 5_000, "{} bytes for 5000 objects", trailer.footer_len);
}

#[test]
fn refuses_a_key_of_the_other_profile() {
    let key = epoch(Profile::Fips);
    let begun =
        PackWriter::begin(identity(Profile::Blake3), Recipient::Epoch(key.public()), &Seeded::new(1), &mut Vec::new());
    assert!(matches!(begun, Err(PackError::WrongProfile)));
}
