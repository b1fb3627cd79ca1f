//! A trust domain: who is certified, and the TLS of each end.

use std::sync::Arc;

use strongroom_core::time::WallTime;
use strongroom_platform::clock::{Clock, SimClock};
use strongroom_platform::rng::SimEntropy;
use strongroom_platform::tls::{
    DenyWatch, Expect, HotIdentity, Identity, Issuer, PeerVerifier, PendingIdentity, Role, RootAuthority, SpiffeId,
    SubjectId, TrustBundle, TrustBundles, client_config, server_config,
};

const DOMAIN: &str = "test.example";

pub(crate) struct Authority {
    root: RootAuthority,
    issuer: Issuer,
    now: WallTime,
    entropy: SimEntropy,
}

impl Authority {
    pub(crate) fn found(now: WallTime) -> Self {
        let entropy = SimEntropy::from_seed(11);
        let root = RootAuthority::found(&DOMAIN.parse().unwrap(), now, &entropy).unwrap();
        let pending = PendingIdentity::new(name(Role::Issuer, "berlin", [1; 16])).unwrap();
        let request = pending.request().check(pending.id()).unwrap();
        let certificate = root.sign_issuer(&request, now, &entropy).unwrap();
        let issuer = pending.into_issuer(&certificate).unwrap();
        Self { root, issuer, now, entropy }
    }

    fn identity(&self, id: SpiffeId) -> Identity {
        let pending = PendingIdentity::new(id).unwrap();
        let request = pending.request().check(pending.id()).unwrap();
        let ttl = pending.id().role.certificate_ttl();
        let chain = self.issuer.issue(&request, ttl, self.now, &self.entropy).unwrap();
        pending.into_identity(chain).unwrap()
    }

    fn verifier(&self, roles: &[Role]) -> Arc<PeerVerifier> {
        let bundle = TrustBundle::from_pem(&self.root.certificate_pem()).unwrap();
        let expect = Expect::roles(DOMAIN.parse().unwrap(), roles.iter().copied());
        let bundles = TrustBundles::default().with(bundle);
        Arc::new(PeerVerifier::new(expect, &bundles, Arc::new(DenyWatch::default())).unwrap())
    }

    pub(crate) fn server(&self, subject: [u8; 16], clock: &SimClock) -> Arc<rustls::ServerConfig> {
        let own = Arc::new(HotIdentity::new(self.identity(name(Role::Coordinator, "berlin", subject))));
        let all = self.verifier(&[Role::Coordinator, Role::Operator, Role::Agent, Role::Depot]);
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        Arc::new(server_config(own, all, clock, &[b"h2"]).unwrap())
    }

    pub(crate) fn client(&self, id: SpiffeId, clock: &SimClock) -> Arc<rustls::ClientConfig> {
        let own = Arc::new(HotIdentity::new(self.identity(id)));
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        Arc::new(client_config(own, self.verifier(&[Role::Coordinator]), clock, &[b"h2"]).unwrap())
    }
}

pub(crate) fn name(role: Role, region: &str, subject: [u8; 16]) -> SpiffeId {
    let (trust_domain, region) = (DOMAIN.parse().unwrap(), region.parse().unwrap());
    SpiffeId { trust_domain, region, role, subject: SubjectId(subject) }
}
