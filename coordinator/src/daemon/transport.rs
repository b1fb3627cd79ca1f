//! The TLS of a member and of an operator: whom each expects at the other end.

use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};
use strongroom_platform::clock::Clock;
use strongroom_platform::tls::{
    DenyWatch, Expect, HotIdentity, PeerVerifier, Role, TrustBundle, TrustBundles, client_config,
    enrolment_server_config, server_config,
};

use strongroom_proto::client::{Dial, DialFailed};
use tonic::transport::Channel;

use super::DaemonError;
use crate::server::dial::{dial, dial_member};
use crate::server::listen::{ALPN, DeskDoors, ENROLMENT_ALPN, RENEWAL_ALPN};

/// All who may connect to a member.
const CLIENTS: [Role; 4] = [Role::Coordinator, Role::Agent, Role::Depot, Role::Operator];

/// One end's identity, and what it believes.
pub struct Transport {
    /// Who this end is.
    pub own: Arc<HotIdentity>,
    /// Who was denied.
    pub denied: Arc<DenyWatch>,
    bundle: TrustBundle,
    clock: Arc<dyn Clock>,
}

impl Transport {
    /// An end that believes these roots.
    pub fn new(own: Arc<HotIdentity>, bundle: TrustBundle, clock: Arc<dyn Clock>) -> Self {
        Self { own, denied: Arc::new(DenyWatch::default()), bundle, clock }
    }

    /// To members, as one of those who may ask them.
    pub fn to_members(&self) -> Result<Arc<ClientConfig>, DaemonError> {
        self.client(ALPN)
    }

    /// To a member's renewal service.
    pub fn to_renewal(&self) -> Result<Arc<ClientConfig>, DaemonError> {
        self.client(RENEWAL_ALPN)
    }

    /// The door of those whose certificate is good.
    pub fn door(&self) -> Result<Arc<ServerConfig>, DaemonError> {
        self.server(self.expect(&CLIENTS), ALPN)
    }

    /// The doors behind which certificates are given.
    pub fn desk_doors(&self) -> Result<DeskDoors, DaemonError> {
        let renewal = self.server(self.expect(&CLIENTS).with_grace(), RENEWAL_ALPN)?;
        let (own, clock) = (Arc::clone(&self.own), Arc::clone(&self.clock));
        // While one root takes the other's place, tokens pin the first of the file.
        let root = self.bundle.certificates().first().cloned();
        let root = root.ok_or(DaemonError::Senseless { what: "there is no root" })?;
        let enrolment = enrolment_server_config(own, root, clock, &[ENROLMENT_ALPN]).map_err(DaemonError::Tls)?;
        Ok(DeskDoors { renewal, enrolment: Arc::new(enrolment) })
    }

    fn client(&self, alpn: &[u8]) -> Result<Arc<ClientConfig>, DaemonError> {
        let verifier = self.verifier(self.expect(&[Role::Coordinator]))?;
        let config = client_config(Arc::clone(&self.own), verifier, Arc::clone(&self.clock), &[alpn]);
        config.map(Arc::new).map_err(DaemonError::Tls)
    }

    fn server(&self, expect: Expect, alpn: &[u8]) -> Result<Arc<ServerConfig>, DaemonError> {
        let verifier = self.verifier(expect)?;
        let config = server_config(Arc::clone(&self.own), verifier, Arc::clone(&self.clock), &[alpn]);
        config.map(Arc::new).map_err(DaemonError::Tls)
    }

    fn expect(&self, roles: &[Role]) -> Expect {
        Expect::roles(self.bundle.trust_domain().clone(), roles.iter().copied())
    }

    fn verifier(&self, expect: Expect) -> Result<Arc<PeerVerifier>, DaemonError> {
        let bundles = TrustBundles::default().with(self.bundle.clone());
        let verifier = PeerVerifier::new(expect, &bundles, Arc::clone(&self.denied));
        verifier.map(Arc::new).map_err(DaemonError::Roots)
    }
}

impl Dial for Transport {
    async fn dial_member(&self, address: &str, member: &str) -> Result<Channel, DialFailed> {
        let tls = self.to_members().map_err(|error| DialFailed(error.into()))?;
        let member = member.parse().map_err(|_| DialFailed("a member names a leader that is none".into()))?;
        dial_member(member, address, tls).await.map_err(|error| DialFailed(error.into()))
    }

    async fn dial(&self, address: &str) -> Result<Channel, DialFailed> {
        let tls = self.to_members().map_err(|error| DialFailed(error.into()))?;
        dial(address, tls).await.map_err(|error| DialFailed(error.into()))
    }
}
