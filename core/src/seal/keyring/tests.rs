//! A keyring opens for its recoveries alone, and each wrap stays where it was made.

use super::*;
use crate::entropy::testing::Seeded;
use crate::seal::{HostKey, SigningKey};

/// A key service over a host key: enough for the keyring's rules.
struct TestService(&'static str, HostKey);

impl TestService {
    fn new(id: &'static str, byte: u8) -> Self {
        Self(id, HostKey::new(Profile::Blake3, [byte; 32]))
    }

    fn error(&self) -> KeyServiceError {
        KeyServiceError::Damaged { kind: self.kind(), id: self.id() }
    }
}

impl KeyService for TestService {
    fn kind(&self) -> ServiceKind {
        ServiceKind("test".into())
    }

    fn id(&self) -> String {
        self.0.into()
    }

    fn wrap(&self, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeyServiceError> {
        self.1.wrap(context, secret, &Seeded::new(5)).map_err(|_| self.error())
    }

    fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyServiceError> {
        self.1.unwrap(context, wrapped).map_err(|_| self.error())
    }
}

fn keyring(profile: Profile, services: &[&TestService]) -> Keyring {
    let recoveries: Vec<Recovery<'_>> =
        services.iter().map(|service| Recovery { jurisdiction: "DE", service: *service }).collect();
    Keyring::create(profile, DomainId([1; 16]), &recoveries, &Seeded::new(1)).unwrap()
}

#[test]
fn gives_back_the_id_key_to_every_recovery_and_to_nobody_else() {
    for profile in [Profile::Blake3, Profile::Fips] {
        let (here, there, nobody) = (TestService::new("de", 1), TestService::new("fr", 2), TestService::new("us", 3));
        let mut ring = keyring(profile, &[&here, &there]);
        let source = SourceId([4; 16]);
        let signer = SigningKey::from_seed(profile, &[5; 32]).unwrap();
        ring.register_source(source, &IdKey::from_bytes([6; 32]), signer.verifying_key(), &Seeded::new(2)).unwrap();
        let ring = Keyring::from_json(&ring.to_json().unwrap()).unwrap();
        for service in [&here, &there] {
            let opened = ring.open(service).unwrap();
            assert_eq!(ring.id_key(source, &opened).unwrap().expose(), &[6; 32]);
        }
        assert!(matches!(ring.open(&nobody), Err(KeyringError::WrongKey { .. })));
        let impostor = TestService::new("de", 9);
        assert!(matches!(ring.open(&impostor), Err(KeyringError::Service(KeyServiceError::Damaged { .. }))));
        assert_eq!(ring.signers(source), [signer.verifying_key().clone()]);
    }
}

#[test]
fn a_rotation_keeps_old_epochs_open() {
    let service = TestService::new("de", 1);
    let mut ring = keyring(Profile::Blake3, &[&service]);
    let old = ring.newest_epoch().unwrap().clone();
    let new = ring.rotate(&[Recovery { jurisdiction: "DE", service: &service }], &Seeded::new(7)).unwrap();
    assert_ne!(old.id(), new.id());
    let opened = ring.open(&service).unwrap();
    for epoch in [&old, &new] {
        let wrapped = crate::seal::Recipient::Epoch(epoch).wrap(b"context", &[8; 32], &Seeded::new(8)).unwrap();
        assert_eq!(opened.open_data_key(&wrapped, b"context").unwrap().expose(), &[8; 32]);
        assert!(matches!(opened.open_data_key(&wrapped, b"other"), Err(SealError::Damaged { .. })));
    }
}

#[test]
fn a_wrap_stays_with_its_jurisdiction_and_epoch() {
    let service = TestService::new("de", 1);
    let ring = keyring(Profile::Blake3, &[&service]);
    let moved = String::from_utf8(ring.to_json().unwrap()).unwrap().replace("\"DE\"", "\"US\"");
    assert!(Keyring::from_json(moved.as_bytes()).unwrap().open(&service).is_err());
    let moved = String::from_utf8(ring.to_json().unwrap()).unwrap().replace("\"epoch\": 1", "\"epoch\": 2");
    assert!(Keyring::from_json(moved.as_bytes()).unwrap().open(&service).is_err());
}

#[test]
fn tells_foreign_unknown_and_damaged_documents_apart() {
    let ring = keyring(Profile::Blake3, &[&TestService::new("de", 1)]);
    let json = String::from_utf8(ring.to_json().unwrap()).unwrap();
    assert!(matches!(Keyring::from_json(b"PK\x03\x04"), Err(KeyringError::NotAKeyring)));
    assert!(matches!(Keyring::from_json(b"{\"a\":1}"), Err(KeyringError::NotAKeyring)));
    let later = json.replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(Keyring::from_json(later.as_bytes()), Err(KeyringError::UnknownVersion { found: 2 })));
    let broken = json.replace("\"domain\"", "\"demesne\"");
    assert!(matches!(Keyring::from_json(broken.as_bytes()), Err(KeyringError::Damaged { .. })));
}

#[test]
fn a_source_is_registered_once() {
    let mut ring = keyring(Profile::Blake3, &[&TestService::new("de", 1)]);
    let signer = SigningKey::from_seed(Profile::Blake3, &[5; 32]).unwrap();
    let register = |ring: &mut Keyring| {
        ring.register_source(SourceId([4; 16]), &IdKey::from_bytes([6; 32]), signer.verifying_key(), &Seeded::new(2))
    };
    register(&mut ring).unwrap();
    assert!(matches!(register(&mut ring), Err(KeyringError::SourceExists { .. })));
    assert!(matches!(
        ring.add_signer(SourceId([9; 16]), signer.verifying_key()),
        Err(KeyringError::UnknownSource { .. })
    ));
}
