//! A member whose issuer ended, and the one that gives it its next certificate all the same. Time is virtual.

use std::collections::BTreeMap;

use strongroom_core::time::WallTime;
use strongroom_platform::clock::SimClock;
use strongroom_platform::disk::{Disk, SimDisk};
use strongroom_platform::rng::SimEntropy;
use strongroom_platform::tls::{
    HotIdentity, Issuer, NamedCertificate, Role, RootAuthority, SpiffeId, SubjectId, TrustBundle,
};
use tempfile::TempDir;

use super::*;
use crate::member::{Answer, Founding, Member, MemberConfig};
use crate::server::certifier::note_of;
use crate::server::engine::subject_of;
use crate::server::forward::Forwarder;
use crate::server::{Desk, Extras, Running, Settings, run_with};
use crate::state::members::{MemberDetails, PutMember};
use crate::state::places::{PutJurisdiction, PutRegion};
use crate::state::session::OpenSession;
use crate::state::text::{Address, JurisdictionName, Name, Subject};
use crate::state::{Actor, Command, Decision, Outcome, Request, Sequence, Stamp};

const DAY: Duration = Duration::from_hours(24);
const NOON: WallTime = WallTime(1_700_000_000_000_000);
const SESSION: strongroom_core::id::ClientSession = strongroom_core::id::ClientSession([7; 16]);

fn later(days: u32) -> WallTime {
    WallTime(NOON.0 + i64::try_from((DAY * days).as_micros()).unwrap())
}

fn name(role: Role, subject: [u8; 16]) -> SpiffeId {
    let (trust_domain, region) = ("acme.example".parse().unwrap(), "here".parse().unwrap());
    SpiffeId { trust_domain, region, role, subject: SubjectId(subject) }
}

fn issuer(root: &RootAuthority, subject: [u8; 16], at: WallTime) -> Issuer {
    let pending = PendingIdentity::new(name(Role::Issuer, subject)).unwrap();
    let request = pending.request().check(pending.id()).unwrap();
    let certificate = root.sign_issuer(&request, at, &SimEntropy::from_seed(at.0.unsigned_abs())).unwrap();
    pending.into_issuer(&certificate).unwrap()
}

fn leaf(issuer: &Issuer, subject: [u8; 16], at: WallTime) -> Identity {
    let pending = PendingIdentity::new(name(Role::Coordinator, subject)).unwrap();
    let request = pending.request().check(pending.id()).unwrap();
    let entropy = SimEntropy::from_seed(u64::from(subject[15]));
    let chain = issuer.issue(&request, Role::Coordinator.certificate_ttl(), at, &entropy).unwrap();
    pending.into_identity(chain).unwrap()
}

/// Which issuer signed an identity.
fn signer(identity: &Identity) -> SpiffeId {
    NamedCertificate::read(identity.chain().issuer()).unwrap().id
}

/// A member that runs, with an issuer that is good, and the folder of another one.
struct World {
    clock: SimClock,
    root: RootAuthority,
    running: Running,
    first: MemberId,
    folder: TempDir,
}

impl World {
    async fn at(now: WallTime) -> Self {
        let clock = SimClock::starting_at(now);
        let root = RootAuthority::found(&"acme.example".parse().unwrap(), NOON, &SimEntropy::from_seed(1)).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(5));
        Member::create(&disk, Founding::Group, &MemberConfig::LAN, &SimEntropy::from_seed(3)).unwrap();
        let member = Member::open(&disk, MemberConfig::LAN, &SimEntropy::from_seed(4)).unwrap();
        let first = member.identity().member;
        let issuer = issuer(&root, subject_of(first), WallTime(now.0 - 1_000_000));
        let own = leaf(&issuer, subject_of(first), now);
        let actor = Actor::Identity(Subject::new(&own.id().to_string()).unwrap());
        let transport = transport(&root, own, &clock);
        let settings = Settings {
            tick: Duration::from_millis(2),
            disk,
            clock: Arc::new(clock.clone()),
            server: transport.door().unwrap(),
            client: transport.to_members().unwrap(),
            listener: tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
            known: BTreeMap::new(),
        };
        let entropy = Arc::new(SimEntropy::from_seed(9));
        let served = Desk { doors: transport.desk_doors().unwrap(), issuer, actor, entropy };
        let running = run_with(member, settings, Extras { desk: Some(served), ..Extras::default() }).unwrap();
        let mut standing = running.engine().watch();
        while standing.borrow_and_update().role != crate::raft::Role::Leader {
            clock.advance(Duration::from_millis(50));
            running.engine().wake().unwrap();
            drop(tokio::time::timeout(Duration::from_millis(1), standing.changed()).await);
        }
        Self { clock, root, running, first, folder: TempDir::new().unwrap() }
    }

    async fn done(&self, sequence: u64, command: impl Into<Command>) {
        let request = Request {
            session: (sequence > 0).then_some((SESSION, Sequence(sequence))),
            acknowledged_below: Sequence(sequence),
            actor: Actor::System,
            decision: Decision::default(),
            stamp: Stamp::default(),
            command: command.into(),
        };
        let answer = self.running.engine().submit(request).await.unwrap();
        assert!(matches!(answer, Answer::Applied { outcome: Outcome::Done(_), .. }), "{answer:?}");
    }

    /// The second member's way to its next certificate: its own issuer, and an identity that the group has noted. It
    /// knows the first member, or nobody.
    async fn second(&self, own: Issuer, identity: Identity, is_known: bool) -> Renewal {
        let second = MemberId::from_number(2).unwrap();
        self.done(0, OpenSession { session: SESSION }).await;
        let (law, here) = (JurisdictionName::new("DE").unwrap(), Name::new("here").unwrap());
        let codes = [crate::state::text::CountryCode::new("DE").unwrap()].into();
        self.done(1, PutJurisdiction { name: law.clone(), codes }).await;
        self.done(2, PutRegion { name: here.clone(), jurisdiction: law }).await;
        let address = Address::new("m2:7000").unwrap();
        let (peer_address, api_address) = (address.clone(), address);
        let details = MemberDetails { name: Name::new("m2").unwrap(), region: here, peer_address, api_address };
        self.done(3, PutMember { member: second, details }).await;
        self.done(4, note_of(identity.chain(), None).unwrap()).await;

        let transport = Arc::new(transport(&self.root, identity, &self.clock));
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::from_seed(6));
        let links = Links::new(second, transport.to_members().unwrap(), disk, tokio::runtime::Handle::current());
        let links = Arc::new(links);
        if is_known {
            links.know(&BTreeMap::from([(self.first, self.running.address().to_string())]));
        }
        let entropy = Arc::new(SimEntropy::from_seed(21));
        let actor = Actor::Identity(Subject::new(&transport.own.current().id().to_string()).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let engine = self.running.engine().clone();
        let forwarder = Forwarder::new(engine, Arc::clone(&links), actor, Arc::<SimEntropy>::clone(&entropy));
        let certifier = Certifier::new(own, Arc::new(forwarder), Arc::clone(&clock), entropy);
        let home = Home::create(&self.folder.path().join("m2")).unwrap();
        Renewal { home, transport, certifier: Some(Arc::new(certifier)), links, clock }
    }
}

fn transport(root: &RootAuthority, own: Identity, clock: &SimClock) -> Transport {
    let bundle = TrustBundle::from_pem(&root.certificate_pem()).unwrap();
    Transport::new(Arc::new(HotIdentity::new(own)), bundle, Arc::new(clock.clone()))
}

fn second() -> [u8; 16] {
    subject_of(MemberId::from_number(2).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_issuer_ended_gets_its_next_certificate_from_another() {
    let world = World::at(later(91)).await;
    let ended = issuer(&world.root, second(), NOON);
    let identity = leaf(&ended, second(), WallTime(later(90).0 - 3_600_000_000));
    assert!(!identity.certificate().validity.holds_at(later(91)), "the certificate should be over, and in its grace");
    let renewal = world.second(ended, identity, true).await;
    renewal.renew().await.unwrap();
    let renewed = renewal.transport.own.current();
    assert_eq!(signer(&renewed), name(Role::Issuer, subject_of(world.first)));
    assert_eq!(renewed.standing(world.clock.wall()), Standing::Fresh);
    assert_eq!(signer(&renewal.home.identity(home::OWN).unwrap()).subject.0, subject_of(world.first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_issuer_ends_soon_asks_another_before_it_signs_what_is_left() {
    let now = WallTime(later(90).0 - 3_600_000_000);
    for is_known in [true, false] {
        let world = World::at(now).await;
        let ending = issuer(&world.root, second(), NOON);
        let identity = leaf(&ending, second(), WallTime(later(89).0));
        let renewal = world.second(ending, identity, is_known).await;
        renewal.renew().await.unwrap();
        let renewed = renewal.transport.own.current();
        let expected = if is_known { subject_of(world.first) } else { second() };
        assert_eq!(signer(&renewed), name(Role::Issuer, expected));
        assert!(renewed.certificate().validity.holds_at(world.clock.wall()));
    }
}
