//! The vectors of `docs/repository-format.md`: a reader written from the document must come to the same.
//!
//! The BLAKE3 profile is a function of its random bytes, so its vectors are also written anew and compared. The FIPS
//! module draws nonces itself, so those vectors are only read. A vector that differs is printed as it would have to
//! stand in the document; changing one is a change of the format.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use strongroom_core::blob::{BlobForm, BlobLength, ChunkList, Splitter, encode_blob};
use strongroom_core::digest::{IdFunctions, IdKey, Profile};
use strongroom_core::entropy::{Entropy, EntropyError};
use strongroom_core::frame::{Compressor, Decompressor, FrameBuilder, Object, ObjectKind};
use strongroom_core::id::{BlobId, ClassId, ClassRoot, DomainId, ObjectId, PackId, SchemaDigest, SnapshotId, SourceId};
use strongroom_core::manifest::{
    BlobEntry, ClassEntry, ClassHead, ClassTags, ClockReadings, Finding, Interval, ManifestBody, ManifestDraft,
    NodeRef, PackRef, Predecessor, Severity, SnapshotTotals, UnverifiedManifest, snapshot_root,
};
use strongroom_core::merkle::merkle_root;
use strongroom_core::pack::{OpenPack, PackIdentity, PackWriter, SealedPack, check_root, padded_len};
use strongroom_core::seal::{
    KeyService, KeyServiceError, Keyring, MasterKey, OpenKeyring, PassphraseCost, Recipient, Recovery, Scope,
    ServiceKind, SigningKey,
};
use strongroom_core::time::WallTime;
use zeroize::Zeroizing;

const DOCUMENT: &str = include_str!("../../../docs/repository-format.md");
const DOMAIN: DomainId = DomainId([0xd0; 16]);
const SOURCE: SourceId = SourceId([0x50; 16]);
const PACK: PackId = PackId([0xac; 16]);
const ID_KEY: [u8; 32] = [0x1d; 32];
const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// Random bytes of the vectors: BLAKE3 over a label and a count.
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"strongroom vectors");
        hasher.update(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        hasher.finalize_xof().fill(bytes);
        Ok(())
    }
}

/// A key service over an unlocked key file, as the platform has one over a file.
struct Service(MasterKey);

impl Service {
    fn error(&self) -> KeyServiceError {
        KeyServiceError::Damaged { kind: self.kind(), id: self.id() }
    }
}

impl KeyService for Service {
    fn kind(&self) -> ServiceKind {
        ServiceKind::key_file()
    }

    fn id(&self) -> String {
        self.0.key().id().to_string()
    }

    fn wrap(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeyServiceError> {
        self.0.key().wrap(context, secret, &Counted(AtomicU64::new(1_000))).map_err(|_| self.error())
    }

    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyServiceError> {
        self.0.key().unwrap(context, wrapped).map_err(|_| self.error())
    }
}

fn scope(profile: Profile) -> Scope {
    Scope::new(profile, DOMAIN, "production", "DE FR")
}

fn ids(profile: Profile) -> IdFunctions {
    IdFunctions::new(profile, &IdKey::from_bytes(ID_KEY))
}

fn signing_key(profile: Profile) -> SigningKey {
    SigningKey::from_seed(profile, &[0x51; 32]).unwrap()
}

fn bodies() -> [(ObjectKind, Vec<u8>); 2] {
    [(ObjectKind::WholeBlob, b"CREATE TABLE dcim_site (id bigint);\n".to_vec()), (ObjectKind::Chunk, vec![0x5a; 300])]
}

fn object_id(profile: Profile, kind: ObjectKind, body: &[u8]) -> ObjectId {
    match kind {
        ObjectKind::WholeBlob => ObjectId::Blob(ids(profile).blob(body)),
        _ => ObjectId::Chunk(ids(profile).chunk(body)),
    }
}

/// Everything that stands in the document, by name.
fn written(profile: Profile) -> BTreeMap<String, String> {
    let suffix = if profile == Profile::Blake3 { "blake3" } else { "fips" };
    let entropy = Counted(AtomicU64::new(0));
    let master = MasterKey::generate(profile, &entropy).unwrap();
    let text = |json: &[u8]| String::from_utf8(json.to_vec()).unwrap();
    let key_file = text(&master.to_json(None, &entropy).unwrap());
    let protected = master.to_json(Some((PASSPHRASE, PassphraseCost::standard(profile))), &entropy).unwrap();
    let service = Service(master);
    let recovery = Recovery { jurisdiction: "DE", service: &service };
    let mut keyring = Keyring::create(profile, DOMAIN, &[recovery], &entropy).unwrap();
    let id_key = IdKey::from_bytes(ID_KEY);
    keyring.register_source(SOURCE, &id_key, signing_key(profile).verifying_key(), &entropy).unwrap();
    let recipient = Recipient::Epoch(keyring.newest_epoch().unwrap());
    let (pack, sealed) = write_pack(profile, recipient, &entropy);
    let manifest = write_manifest(profile, recipient, &sealed, &entropy);
    let named = |name: &str, value: String| (format!("{name}-{suffix}"), value);
    BTreeMap::from([
        named("key-file", key_file),
        named("key-file-passphrase", text(&protected)),
        named("keyring", text(&keyring.to_json().unwrap())),
        named("pack", hex::encode(pack)),
        named("manifest", hex::encode(manifest)),
    ])
}

fn write_pack(profile: Profile, recipient: Recipient<'_>, entropy: &dyn Entropy) -> (Vec<u8>, SealedPack) {
    let identity = PackIdentity { pack: PACK, source: SOURCE, scope: scope(profile) };
    let mut builder = FrameBuilder::new();
    for (kind, body) in bodies() {
        assert!(builder.push(object_id(profile, kind, &body), kind, &body).unwrap().is_none());
    }
    let frame = Compressor::new().unwrap().compress(builder.flush().unwrap(), 3).unwrap();
    let mut pack = Vec::new();
    let mut writer = PackWriter::begin(identity, recipient, entropy, &mut pack).unwrap();
    writer.append(&frame, &mut pack).unwrap();
    let sealed = writer.finish(&mut pack).unwrap();
    (pack, sealed)
}

fn class() -> ClassHead {
    ClassHead {
        class: ClassId([0xc1; 16]),
        tags: ClassTags::TIER_1.with(ClassTags::PERSONAL),
        root: ClassRoot([0xc2; 32]),
    }
}

fn body(profile: Profile) -> ManifestBody {
    let (kind, ddl) = &bodies()[0];
    let ObjectId::Blob(blob) = object_id(profile, *kind, ddl) else { panic!("a blob has a blob's id") };
    ManifestBody {
        source_name: "cmdb-berlin".into(),
        engine: "postgresql".into(),
        engine_version: "15.9".into(),
        product: Some("netbox".into()),
        profile: None,
        application_versions: BTreeMap::from([("netbox".into(), "4.1".into())]),
        integrations: vec![],
        environment: BTreeMap::new(),
        source_position: BTreeMap::from([("lsn".into(), "0/16B3748".into())]),
        clock: ClockReadings::default(),
        host: "db1".into(),
        classes: vec![ClassEntry {
            id: ClassId([0xc1; 16]),
            name: "public.dcim_site".into(),
            records: 2,
            expected: Some(2),
            root: ClassRoot([0xc2; 32]),
            leaf_records_target: 64,
            node_children_target: 128,
            schema_digest: SchemaDigest([0xc3; 32]),
            top: Some(NodeRef { level: 0, id: [0xc4; 32] }),
            captured: true,
            reason: None,
            findings: vec![],
        }],
        schemas: BlobId([0xb1; 32]),
        blobs: vec![BlobEntry { role: "ddl-before".into(), id: blob, bytes: ddl.len() as u64 }],
        findings: vec![Finding { severity: Severity::Info, subject: "roles".into(), message: "none".into() }],
        tags: vec![],
    }
}

fn write_manifest(profile: Profile, recipient: Recipient<'_>, pack: &SealedPack, entropy: &dyn Entropy) -> Vec<u8> {
    let draft = ManifestDraft {
        scope: scope(profile),
        source: SOURCE,
        sequence: 1,
        previous: None,
        snapshot: SnapshotId([0x5a; 16]),
        root: snapshot_root(&ids(profile), &[class()], &body(profile).blobs),
        complete: true,
        restarts_packs: true,
        started: WallTime(1_790_000_000_000_000),
        finished: WallTime(1_790_000_004_000_000),
        interval: Some(Interval { lo: WallTime(1_789_999_999_990_000), hi: WallTime(1_790_000_000_010_000) }),
        totals: SnapshotTotals { records: 2, plaintext_bytes: 400 },
        classes: vec![class()],
        packs_added: vec![PackRef { pack: pack.pack, bytes: pack.bytes, root: pack.root }],
        packs_dropped: vec![],
    };
    draft.seal(&body(profile), recipient, &signing_key(profile), entropy).unwrap().bytes
}

/// A fenced block of the document, which begins with the word `vector` and a name.
fn vector(name: &str) -> &'static str {
    let fence = format!("```vector {name}\n");
    let at = DOCUMENT.find(&fence).unwrap_or_else(|| panic!("the document has no vector {name}")) + fence.len();
    let len = DOCUMENT[at..].find("```").expect("a fence is closed");
    &DOCUMENT[at..at + len]
}

fn bytes(name: &str) -> Vec<u8> {
    let digits: String = vector(name).split_whitespace().collect();
    hex::decode(digits).unwrap_or_else(|error| panic!("vector {name}: {error}"))
}

/// The way of a rescue: key file, keyring, manifest, pack.
fn rescue(profile: Profile, suffix: &str) {
    let named = |name: &str| format!("{name}-{suffix}");
    let key_file = vector(&named("key-file")).as_bytes();
    let service = Service(MasterKey::from_json(key_file, None).unwrap());
    let protected = vector(&named("key-file-passphrase")).as_bytes();
    let unlocked = MasterKey::from_json(protected, Some(PASSPHRASE)).unwrap();
    assert_eq!(unlocked.key().id(), service.0.key().id());

    let keyring = Keyring::from_json(vector(&named("keyring")).as_bytes()).unwrap();
    let opened: OpenKeyring = keyring.open(&service).unwrap();
    assert_eq!(keyring.id_key(SOURCE, &opened).unwrap().expose(), &ID_KEY);

    let manifest = UnverifiedManifest::parse(&bytes(&named("manifest"))).unwrap();
    let manifest = manifest.verify(keyring.signers(SOURCE), Predecessor::None).unwrap();
    assert_eq!(manifest.head().classes, [class()]);
    assert_eq!(manifest.head().scope, scope(profile));
    assert_eq!(manifest.open_body(&opened).unwrap(), body(profile));
    assert_eq!(manifest.head().root, snapshot_root(&ids(profile), &[class()], &body(profile).blobs));

    let pack = bytes(&named("pack"));
    let [needed] = manifest.head().packs_added[..] else { panic!("one pack is needed") };
    assert_eq!((needed.pack, needed.bytes), (PACK, pack.len() as u64));
    assert_eq!(check_root(profile, &pack).unwrap(), needed.root);
    let mut decompressor = Decompressor::new().unwrap();
    let pack = OpenPack::open(&pack, &opened, &mut decompressor).unwrap();
    let frame = pack.frame(0, &mut decompressor).unwrap();
    for ((kind, body), (entry, object)) in bodies().iter().zip(pack.directory().objects().iter().zip(frame.objects())) {
        assert_eq!(object, Object { kind: *kind, body });
        assert_eq!(entry.hint, object_id(profile, *kind, body).hint());
    }
}

#[test]
fn the_blake3_vectors_open() {
    rescue(Profile::Blake3, "blake3");
}

#[test]
fn the_fips_vectors_open() {
    rescue(Profile::Fips, "fips");
}

#[test]
fn the_blake3_vectors_are_what_is_written() {
    for (name, value) in written(Profile::Blake3) {
        let stated: String = vector(&name).split_whitespace().collect();
        let expected: String = value.split_whitespace().collect();
        assert_eq!(stated, expected, "vector {name} would be\n{value}");
    }
}

/// 200,000 bytes: the numbers 0 to 250 over and over.
fn pattern() -> Vec<u8> {
    (0..251).cycle().take(200_000).collect()
}

fn hashes(profile: Profile) -> String {
    let ids = ids(profile);
    let scope = scope(profile);
    let splitter = Splitter::new(&ids);
    let content: Vec<u8> = (0..40_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let lens: Vec<String> = splitter.chunks(&content).map(|chunk| chunk.len().to_string()).collect();
    let (blob, objects) = encode_blob(&ids, &splitter, &content).unwrap();
    let list = objects.last().unwrap();
    let form = BlobForm::decode(&ids, blob, BlobLength::AtMost(u64::MAX), Object { kind: list.kind, body: &list.body })
        .unwrap();
    assert_eq!(form, BlobForm::List(ChunkList::decode(&list.body).unwrap()));
    [
        format!("environment {}", scope.environment),
        format!("places      {}", scope.places),
        format!("merkle      {}", merkle_root(profile, &pattern())),
        format!("blob        {blob}"),
        format!("chunks      {}", lens.join(" ")),
        format!("list        {}", hex::encode(&list.body)),
    ]
    .join("\n")
}

#[test]
fn hashes_and_borders_are_those_of_the_document() {
    for (profile, name) in [(Profile::Blake3, "hashes-blake3"), (Profile::Fips, "hashes-fips")] {
        let computed = hashes(profile);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(vector(name)), words(&computed), "vector {name} would be\n{computed}");
    }
}

#[test]
fn padded_sizes_are_those_of_the_document() {
    for line in vector("padding").lines() {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().unwrap());
        let (len, padded) = (numbers.next().unwrap(), numbers.next().unwrap());
        assert_eq!(padded_len(len), padded, "{len}");
    }
}

/// Prints the vectors that the document lacks; the tests above say which those are.
#[test]
fn every_vector_of_the_fips_profile_has_its_place() {
    let missing: Vec<String> = written(Profile::Fips)
        .into_iter()
        .filter(|(name, _)| !DOCUMENT.contains(&format!("```vector {name}\n")))
        .map(|(name, value)| format!("```vector {name}\n{value}\n```"))
        .collect();
    assert!(missing.is_empty(), "the document lacks\n{}", missing.join("\n"));
}
