//! A small trust domain on a simulated clock, a forger who holds its keys, and a wire between two ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer as Signer, KeyPair, SanType};
use rustls::client::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConnection, ServerConnection};
use strongroom_core::time::WallTime;

use crate::clock::{Clock, SimClock};
use crate::rng::SimEntropy;
use crate::tls::config::{SERVER_NAME, client_config, server_config};
use crate::tls::verify::{Expect, PeerVerifier, TrustBundle, TrustBundles};
use crate::tls::{
    DenyList, DenyVersion, DenyWatch, HotIdentity, Identity, Issuer, PendingIdentity, Role, RootAuthority, Serial,
    SpiffeId,
};

/// 2026-11-22T12:00:00Z.
pub(super) const NOW: WallTime = WallTime(1_795_348_800_000_000);

/// The protocol that both ends speak.
pub(super) const ALPN: &[&[u8]] = &[b"strongroom/1"];

pub(super) fn name(trust_domain: &str, role: Role, subject: u8) -> SpiffeId {
    format!("spiffe://{trust_domain}/eu-central/{role}/{subject:032x}").parse().unwrap()
}

/// A trust domain with one root and one issuer.
pub(super) struct World {
    pub(super) clock: SimClock,
    pub(super) entropy: SimEntropy,
    pub(super) root: RootAuthority,
    pub(super) issuer: Issuer,
    pub(super) denied: Arc<DenyWatch>,
    trust_domain: String,
}

impl World {
    pub(super) fn new() -> Self {
        Self::of("acme.example", 1)
    }

    pub(super) fn of(trust_domain: &str, seed: u64) -> Self {
        let entropy = SimEntropy::from_seed(seed);
        let root = RootAuthority::found(&trust_domain.parse().unwrap(), NOW, &entropy).unwrap();
        let issuer = new_issuer(&root, trust_domain, 1, NOW, &entropy);
        let (clock, denied) = (SimClock::starting_at(NOW), Arc::new(DenyWatch::default()));
        Self { clock, entropy, root, issuer, denied, trust_domain: trust_domain.to_owned() }
    }

    pub(super) fn name(&self, role: Role, subject: u8) -> SpiffeId {
        name(&self.trust_domain, role, subject)
    }

    /// An identity as a host gets one.
    pub(super) fn identity(&self, role: Role, subject: u8) -> Identity {
        let pending = PendingIdentity::new(self.name(role, subject)).unwrap();
        self.certify(pending)
    }

    pub(super) fn certify(&self, pending: PendingIdentity) -> Identity {
        let request = pending.request().check(pending.id()).unwrap();
        let ttl = pending.id().role.certificate_ttl();
        let chain = self.issuer.issue(&request, ttl, self.clock.wall(), &self.entropy).unwrap();
        pending.into_identity(chain).unwrap()
    }

    pub(super) fn now(&self) -> WallTime {
        self.clock.wall()
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    pub(super) fn bundles(&self) -> TrustBundles {
        let roots = TrustBundle::from_pem(&self.root.certificate_pem()).unwrap();
        TrustBundles::default().with(roots)
    }

    /// Anybody of this role in this trust domain.
    pub(super) fn expect(&self, role: Role) -> Expect {
        Expect::roles(self.trust_domain.parse().unwrap(), [role])
    }

    pub(super) fn verifier(&self, expect: Expect) -> Arc<PeerVerifier> {
        Arc::new(PeerVerifier::new(expect, &self.bundles(), Arc::clone(&self.denied)).unwrap())
    }

    pub(super) fn deny(&self, ids: &[&SpiffeId], serials: &[&Serial]) {
        let version = DenyVersion(self.denied.version().0 + 1);
        let ids: BTreeSet<SpiffeId> = ids.iter().copied().cloned().collect();
        let serials = serials.iter().copied().cloned().collect();
        self.denied.replace(DenyList::new(version, ids, serials).unwrap()).unwrap();
    }

    pub(super) fn server(&self, own: Identity, expect: Expect) -> ServerConfig {
        server_config(Arc::new(HotIdentity::new(own)), self.verifier(expect), self.clock(), ALPN).unwrap()
    }

    pub(super) fn client(&self, own: Identity, expect: Expect) -> ClientConfig {
        client_config(Arc::new(HotIdentity::new(own)), self.verifier(expect), self.clock(), ALPN).unwrap()
    }

    /// What an honest end of this world says to somebody who shows these certificates: as a server to a client, and as a
    /// client to a server.
    pub(super) fn says_to(&self, shown: &CertifiedKey, expect: &Expect) -> [Result<(), rustls::Error>; 2] {
        let shown = Arc::new(SingleCertAndKey::from(shown.clone()));
        let mut client = self.client(self.identity(Role::Agent, 200), self.expect(Role::Depot));
        client.client_auth_cert_resolver = shown.clone();
        let server = self.server(self.identity(Role::Depot, 201), expect.clone());
        let as_client = shake(client, server).map(|_| ()).map_err(Failure::by_server);

        let client = self.client(self.identity(Role::Agent, 200), expect.clone());
        let mut server = self.server(self.identity(Role::Depot, 201), self.expect(Role::Agent));
        server.cert_resolver = shown;
        let as_server = shake(client, server).map(|_| ()).map_err(Failure::by_client);
        [as_client, as_server]
    }

    /// Somebody who has stolen the issuer's key.
    pub(super) fn forger(&self) -> Forger {
        Forger::new(&self.issuer.certificate_pem(), &self.issuer.key_pem())
    }

    /// Somebody who has stolen the root's key.
    pub(super) fn root_forger(&self) -> Forger {
        Forger::new(&self.root.certificate_pem(), &self.root.key_pem())
    }
}

pub(super) fn new_issuer(
    root: &RootAuthority,
    trust_domain: &str,
    subject: u8,
    now: WallTime,
    entropy: &SimEntropy,
) -> Issuer {
    let pending = PendingIdentity::new(name(trust_domain, Role::Issuer, subject)).unwrap();
    let request = pending.request().check(pending.id()).unwrap();
    let certificate = root.sign_issuer(&request, now, entropy).unwrap();
    pending.into_issuer(&certificate).unwrap()
}

/// Signs whatever is asked for, below a certificate that need not be an authority's.
pub(super) struct Forger {
    pub(super) certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl Forger {
    pub(super) fn new(certificate_pem: &str, key_pem: &str) -> Self {
        let certificate = crate::tls::pem::read_certificate(certificate_pem).unwrap();
        Self { certificate, certificate_pem: certificate_pem.to_owned(), key_pem: key_pem.to_owned() }
    }

    /// A certificate with these names, changed as the caller likes, and its key.
    pub(super) fn sign(
        &self,
        names: &[SanType],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = forged_params(names, change);
        let signer =
            Signer::from_ca_cert_pem(&self.certificate_pem, KeyPair::from_pem(&self.key_pem).unwrap()).unwrap();
        (params.signed_by(&key, &signer).unwrap().into(), key)
    }

    /// The same, shown with the forger's own certificate above it.
    pub(super) fn show(&self, names: &[SanType], change: impl FnOnce(&mut CertificateParams)) -> CertifiedKey {
        let (leaf, key) = self.sign(names, change);
        shown(vec![leaf, self.certificate.clone()], &key)
    }
}

/// Good for a day around [`NOW`].
pub(super) fn forged_params(names: &[SanType], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "forged");
    params.subject_alt_names = names.to_vec();
    let now = rcgen::date_time_ymd(2026, 11, 22) + Duration::from_hours(12);
    params.not_before = now - Duration::from_hours(1);
    params.not_after = now + Duration::from_hours(24);
    change(&mut params);
    params
}

pub(super) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub(super) fn shown(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> CertifiedKey {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialized_der()));
    CertifiedKey::new(chain, rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).unwrap())
}

/// The side that ended a handshake, and why.
#[derive(Debug)]
pub(super) enum Failure {
    Client(rustls::Error),
    Server(rustls::Error),
}

impl Failure {
    pub(super) fn by_client(self) -> rustls::Error {
        match self {
            Self::Client(error) => error,
            Self::Server(error) => panic!("the server ended it: {error}"),
        }
    }

    pub(super) fn by_server(self) -> rustls::Error {
        match self {
            Self::Server(error) => error,
            Self::Client(error) => panic!("the client ended it: {error}"),
        }
    }
}

/// Carries bytes between two ends until both have shaken hands, or one of them refuses.
pub(super) fn shake(
    client: ClientConfig,
    server: ServerConfig,
) -> Result<(ClientConnection, ServerConnection), Failure> {
    let host = ServerName::try_from(SERVER_NAME).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), host).map_err(Failure::Client)?;
    let mut server = ServerConnection::new(Arc::new(server)).map_err(Failure::Server)?;
    for _ in 0..16 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut sent = wire.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).unwrap();
            server.process_new_packets().map_err(Failure::Server)?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut sent = wire.as_slice();
        while !sent.is_empty() {
            client.read_tls(&mut sent).unwrap();
            client.process_new_packets().map_err(Failure::Client)?;
        }
        if !client.wants_write() && !client.is_handshaking() && !server.is_handshaking() {
            return Ok((client, server));
        }
    }
    panic!("the handshake does not end");
}
