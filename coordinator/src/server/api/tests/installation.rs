//! A member on a simulated disk, its thread and its service.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use strongroom_platform::clock::{Clock, SystemClock};
use strongroom_platform::disk::{Disk, SimDisk};
use strongroom_platform::rng::SystemEntropy;
use strongroom_platform::tls::{Issuer, PeerIdentity, PendingIdentity, Role, RootAuthority, SpiffeId, SubjectId};
use strongroom_proto::common::v1::Failure;
use strongroom_proto::operators::v1::execute_request::Command as Wire;
use strongroom_proto::operators::v1::operators_server::Operators;
use strongroom_proto::operators::v1::{
    AddOperator, ExecuteRequest, ListRequest, Listing, OpenSession, Page, PutJurisdiction, PutRegion, Session,
    execute_reply, list_reply,
};
use tonic::Request;

use crate::member::{Founding, Member, MemberConfig, MemberIdentity};
use crate::raft::Role as Standing;
use crate::server::api::OperatorService;
use crate::server::engine::Engine;
use crate::server::peers::Links;

const TICK: Duration = Duration::from_millis(5);
const DEADLINE: Duration = Duration::from_secs(30);

/// The session of all commands that name none of their own.
pub(super) const SESSION: [u8; 16] = [7; 16];

/// One member that leads, and people who ask it.
pub(in crate::server) struct Installation {
    pub(super) service: OperatorService,
    pub(in crate::server) engine: Engine,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) identity: MemberIdentity,
    issuer: Issuer,
    sequence: u64,
}

impl Installation {
    /// A member that leads and knows nothing.
    pub(in crate::server) async fn start() -> Self {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(1));
        let identity = Member::create(&disk, Founding::Group, &MemberConfig::LAN, &SystemEntropy).unwrap();
        let member = Member::open(&disk, MemberConfig::LAN, &SystemEntropy).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let links = Arc::new(Links::new(identity.member, nobody(), Arc::clone(&disk), runtime));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (engine, _thread) = Engine::start(member, links, clock, TICK);
        let beaten = engine.clone();
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(TICK);
            while beaten.wake().is_ok() {
                interval.tick().await;
            }
        });
        let mut standing = engine.watch();
        let led = standing.wait_for(|standing| standing.role == Standing::Leader);
        tokio::time::timeout(DEADLINE, led).await.expect("it leads in time").unwrap();
        let service = OperatorService::new(engine.clone());
        let installation = Self { service, engine, disk, identity, issuer: issuer(), sequence: 0 };
        let member = installation.peer(Role::Coordinator, 1);
        let open = Wire::OpenSession(OpenSession { id: SESSION.to_vec() });
        installation.ask(&member, None, open).await.unwrap();
        installation
    }

    /// One with an operator, an auditor, a jurisdiction and a region.
    pub(super) async fn founded() -> (Self, PeerIdentity, PeerIdentity) {
        let mut it = Self::start().await;
        let (operator, auditor) = (it.peer(Role::Operator, 1), it.peer(Role::Operator, 2));
        let member = it.peer(Role::Coordinator, 1);
        it.done(&member, add("ada", &operator, "operator")).await;
        it.done(&operator, add("bob", &auditor, "auditor")).await;
        it.done(&operator, put("DE", &["DE"])).await;
        let region = PutRegion { name: "berlin".into(), jurisdiction: "DE".into() };
        it.done(&operator, Wire::PutRegion(region)).await;
        (it, operator, auditor)
    }

    /// Somebody with a certificate.
    pub(super) fn peer(&self, role: Role, number: u8) -> PeerIdentity {
        let pending = PendingIdentity::new(spiffe(role, number)).unwrap();
        let request = pending.request().check(pending.id()).unwrap();
        let now = SystemClock.wall();
        let chain = self.issuer.issue(&request, role.certificate_ttl(), now, &SystemEntropy).unwrap();
        let pem = chain.to_pem();
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
        PeerIdentity::of_connection(&certificates).unwrap()
    }

    /// Asks for a command in a session, or in none.
    pub(super) async fn ask(
        &self,
        peer: &PeerIdentity,
        session: Option<Session>,
        command: Wire,
    ) -> Result<u64, Failure> {
        let request = of(peer, ExecuteRequest { session, command: Some(command) });
        match self.service.execute(request).await.unwrap().into_inner().result.unwrap() {
            execute_reply::Result::Done(done) => Ok(done.index),
            execute_reply::Result::Failure(failure) => Err(failure),
        }
    }

    /// Asks for a command under a number that was not used yet.
    pub(super) async fn next(&mut self, peer: &PeerIdentity, command: Wire) -> Result<u64, Failure> {
        let session = self.session();
        self.ask(peer, Some(session), command).await
    }

    pub(super) fn session(&mut self) -> Session {
        self.sequence += 1;
        Session { id: SESSION.to_vec(), sequence: self.sequence, acknowledged_below: 0 }
    }

    pub(super) async fn done(&mut self, peer: &PeerIdentity, command: Wire) {
        let asked = self.next(peer, command.clone()).await;
        asked.unwrap_or_else(|failure| panic!("{command:?}: {failure:?}"));
    }

    pub(super) async fn page(&self, peer: &PeerIdentity, request: ListRequest) -> Result<Page, Failure> {
        match self.service.list(of(peer, request)).await.unwrap().into_inner().result.unwrap() {
            list_reply::Result::Page(page) => Ok(page),
            list_reply::Result::Failure(failure) => Err(failure),
        }
    }
}

pub(super) fn list(listing: Listing, after: &str, limit: u32) -> ListRequest {
    ListRequest { listing: listing.into(), after: after.into(), limit, source: String::new() }
}

/// A request of somebody.
pub(super) fn of<T>(peer: &PeerIdentity, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(peer.clone());
    request
}

pub(super) fn add(name: &str, peer: &PeerIdentity, role: &str) -> Wire {
    let roles = vec![role.to_owned()];
    Wire::AddOperator(AddOperator { name: name.into(), identity: peer.id.to_string(), roles })
}

pub(super) fn put(name: &str, codes: &[&str]) -> Wire {
    let codes = codes.iter().map(ToString::to_string).collect();
    Wire::PutJurisdiction(PutJurisdiction { name: name.into(), codes })
}

fn spiffe(role: Role, number: u8) -> SpiffeId {
    SpiffeId {
        trust_domain: "test.example".parse().unwrap(),
        region: "here".parse().unwrap(),
        role,
        subject: SubjectId([number; 16]),
    }
}

fn issuer() -> Issuer {
    let now = SystemClock.wall();
    let root = RootAuthority::found(&"test.example".parse().unwrap(), now, &SystemEntropy).unwrap();
    let pending = PendingIdentity::new(spiffe(Role::Issuer, 1)).unwrap();
    let request = pending.request().check(pending.id()).unwrap();
    let certificate = root.sign_issuer(&request, now, &SystemEntropy).unwrap();
    pending.into_issuer(&certificate).unwrap()
}

/// How a member without others shows itself to them.
fn nobody() -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    Arc::new(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}
