//! Agents, depots and operators get their first certificate, come back, and are refused.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use strongroom_coordinator::daemon::DaemonError;
use strongroom_coordinator::daemon::ceremony::operator_folder;
use strongroom_coordinator::daemon::enrol::{Enrolling, Newcomer, enrol};
use strongroom_coordinator::daemon::renewal::renewed;
use strongroom_coordinator::daemon::transport::Transport;
use strongroom_coordinator::daemon::{Home, home};
use strongroom_coordinator::server::dial::{connect, dial, dial_through};
use strongroom_coordinator::server::listen::ENROLMENT_ALPN;
use strongroom_core::error::Code;
use strongroom_platform::clock::SystemClock;
use strongroom_platform::tls::{
    HotIdentity, Identity, JoinToken, PendingIdentity, PinnedVerifier, Role, SpiffeId, enrolment_client_config,
};
use strongroom_proto::client::Dial as _;
use strongroom_proto::common::v1::Failure;
use strongroom_proto::enrolment::v1::enrol_request::Joins;
use strongroom_proto::enrolment::v1::enrolment_client::EnrolmentClient;
use strongroom_proto::enrolment::v1::renewal_client::RenewalClient;
use strongroom_proto::enrolment::v1::{
    Bearer, EnrolRequest, JoiningAgent, JoiningMember, RenewRequest, certificate_reply,
};
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{
    AddOperator, GetCountsRequest, RemoveOperator, RevokeToken, StatusRequest, get_counts_reply,
};

use super::{Ahead, Group, machine, until};

fn agent(name: &str) -> Newcomer {
    Newcomer::Agent { name: name.to_owned() }
}

impl Group {
    async fn enrol(&self, folder: &str, token: &str, newcomer: Newcomer) -> Result<Identity, DaemonError> {
        let token = JoinToken::from_text(token).unwrap();
        let enrolling = Enrolling { token, endpoints: vec![self.address.clone()], newcomer };
        enrol(&self.path(folder), enrolling, &machine()).await
    }

    async fn add_operator(&self, name: &str, subject: &str) {
        let roles = vec!["operator".to_owned()];
        let add = AddOperator { name: name.into(), identity: subject.into(), roles };
        self.ask(Command::AddOperator(add)).await;
    }

    /// Sessions that are open, and events in the audit log.
    async fn counts(&self) -> (u64, u64) {
        let (_, operator) = self.operator(Arc::new(SystemClock));
        let channel = operator.dial(&self.address).await.unwrap();
        let reply = OperatorsClient::new(channel).get_counts(GetCountsRequest {}).await.unwrap().into_inner();
        let Some(get_counts_reply::Result::Counts(counts)) = reply.result else { panic!("{reply:?}") };
        let count = |name: &str| counts.counts.iter().find(|it| it.name == name).map(|it| it.value).unwrap();
        (count("client_sessions"), count("audit_events"))
    }

    /// Whether an identity may ask for the group's status.
    async fn lets_in(&self, folder: &str) -> bool {
        let home = Home::open(&self.path(folder)).unwrap();
        let own = Arc::new(HotIdentity::new(home.identity("").unwrap()));
        let transport = Transport::new(own, home.roots("").unwrap(), Arc::new(SystemClock));
        let Ok(channel) = transport.dial(&self.address).await else { return false };
        let status = OperatorsClient::new(channel).status(StatusRequest {}).await;
        status.is_ok_and(|status| !status.into_inner().members.is_empty())
    }

    /// Whether an identity gets its next certificate, however fresh the one is that it has.
    async fn renews(&self, folder: &str) -> bool {
        let home = Home::open(&self.path(folder)).unwrap();
        let own = Arc::new(HotIdentity::new(home.identity("").unwrap()));
        let pending = own.current().renewal().unwrap();
        let transport = Transport::new(own, home.roots("").unwrap(), Arc::new(SystemClock));
        let Ok(channel) = dial(&self.address, transport.to_renewal().unwrap()).await else { return false };
        let request = RenewRequest { request: pending.request().as_der().to_vec() };
        let Ok(reply) = RenewalClient::new(channel).renew(request).await else { return false };
        matches!(reply.into_inner().result, Some(certificate_reply::Result::Chain(_)))
    }

    /// Asks by hand, as no client of ours would.
    async fn ask_by_hand(&self, token: &str, request: &PendingIdentity, joins: Joins) -> Result<Vec<u8>, Failure> {
        let token = JoinToken::from_text(token).unwrap();
        let pinned = Arc::new(PinnedVerifier::new(token.pin()));
        let tls = enrolment_client_config(pinned, Arc::new(SystemClock), &[ENROLMENT_ALPN]).unwrap();
        let tls: Arc<ClientConfig> = Arc::new(tls);
        let channel = dial_through(&self.address, move |to| connect(to, Arc::clone(&tls))).await.unwrap();
        let bearer = Bearer { token: token.id().0.to_vec(), secret: token.secret().to_vec() };
        let request = request.request().as_der().to_vec();
        let asked = EnrolRequest { bearer: Some(bearer), request, joins: Some(joins) };
        match EnrolmentClient::new(channel).enrol(asked).await.unwrap().into_inner().result.unwrap() {
            certificate_reply::Result::Chain(chain) => Ok(chain.leaf),
            certificate_reply::Result::Failure(failure) => Err(failure),
        }
    }
}

fn name(role: Role, number: u8) -> SpiffeId {
    format!("spiffe://acme.example/here/{role}/{}", hex::encode([number; 16])).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_and_depots_enrol_and_their_names_are_their_own() {
    let group = Group::new().await;
    let token = group.token_for("agent", "", "").await;
    let first = group.enrol("a1", &token, agent("web-1")).await.unwrap();
    assert_eq!(first.id().role, Role::Agent);
    let again = group.enrol("a1", &token, agent("web-1")).await.unwrap_err();
    assert_eq!(again.code(), Code::IdentityExists);
    let token = group.token_for("agent", "", "").await;
    let twin = group.enrol("a2", &token, agent("web-1")).await.unwrap_err();
    assert!(matches!(&twin, DaemonError::Refused(failure) if failure.code == "exists"), "{twin:?}");
    let depot = Newcomer::Depot {
        name: "vault-1".into(),
        address: "vault-1.acme.example:7500".into(),
        capacity_bytes: 1 << 40,
        key: vec![7; 32],
    };
    let mismatched = group.enrol("d1", &token, depot.clone()).await.unwrap_err();
    assert!(matches!(&mismatched, DaemonError::Refused(failure) if failure.code == "token-mismatch"));
    let token = group.token_for("depot", "vault-1", "").await;
    assert_eq!(group.enrol("d1", &token, depot).await.unwrap().id().role, Role::Depot);
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_set_up_anew_comes_back_under_its_name_and_its_old_certificate_is_denied() {
    let group = Group::new().await;
    let token = group.token_for("agent", "", "").await;
    let first = group.enrol("a1", &token, agent("web-1")).await.unwrap();
    let token = group.token_for("agent", "web-1", &first.id().to_string()).await;
    let second = group.enrol("a1-anew", &token, agent("web-1")).await.unwrap();
    assert_eq!(second.id(), first.id());
    assert!(group.renews("a1-anew").await);
    // The deny-list reaches handshakes within seconds; until then, the group itself refuses.
    assert!(!group.renews("a1").await);
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_heard_no_answer_asks_again_and_nobody_else_uses_the_token() {
    let group = Group::new().await;
    let token = group.token_for("agent", "", "").await;
    let joins = |number: u8| Joins::Agent(JoiningAgent { agent: vec![number; 16], name: format!("web-{number}") });
    let pending = PendingIdentity::new(name(Role::Agent, 1)).unwrap();
    let first = group.ask_by_hand(&token, &pending, joins(1)).await.unwrap();
    // The same key under another signature: a process that started anew.
    let resumed = PendingIdentity::resume(name(Role::Agent, 1), &pending.key_pem()).unwrap();
    let second = group.ask_by_hand(&token, &resumed, joins(1)).await.unwrap();
    assert_ne!(first, second);
    let thief = PendingIdentity::new(name(Role::Agent, 1)).unwrap();
    assert_eq!(group.ask_by_hand(&token, &thief, joins(1)).await.unwrap_err().code, "token-closed");
    let other = PendingIdentity::resume(name(Role::Agent, 2), &pending.key_pem()).unwrap();
    assert_eq!(group.ask_by_hand(&token, &other, joins(2)).await.unwrap_err().code, "token-closed");
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_members_token_gives_nobody_the_place_of_a_member_that_lives() {
    let group = Group::new().await;
    let token = group.token().await;
    let member = group.status().await.unwrap().members.first().unwrap().member.clone();
    let victim = Home::open(&group.path("m1")).unwrap().identity(home::OWN).unwrap().id().clone();
    let pending = PendingIdentity::new(victim).unwrap();
    let address = "attacker.example:1".to_owned();
    let joins = JoiningMember { member, name: "m9".into(), peer_address: address.clone(), api_address: address };
    let refused = group.ask_by_hand(&token, &pending, Joins::Member(joins)).await.unwrap_err();
    assert_eq!(refused.code, "exists");
    let status = group.status().await.unwrap();
    assert!(status.members.iter().all(|member| !member.api_address.contains("attacker")), "{status:?}");
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_taken_back_is_refused_before_anything_is_decided() {
    let group = Group::new().await;
    let token = group.token_for("agent", "", "").await;
    let id = JoinToken::from_text(&token).unwrap().id().0.to_vec();
    group.ask(Command::RevokeToken(RevokeToken { token: id })).await;
    let before = group.counts().await;
    let refused = group.enrol("a1", &token, agent("web-1")).await.unwrap_err();
    assert!(matches!(&refused, DaemonError::Refused(failure) if failure.code == "token-closed"), "{refused:?}");
    for number in 0..20 {
        let pending = PendingIdentity::new(name(Role::Agent, number)).unwrap();
        let joins = Joins::Agent(JoiningAgent { agent: vec![number; 16], name: format!("web-{number}") });
        assert_eq!(group.ask_by_hand(&token, &pending, joins).await.unwrap_err().code, "token-closed");
    }
    // The group itself may open a session meanwhile, and sign its log.
    let after = group.counts().await;
    let is_calm = after.0 < before.0 + 10 && after.1 < before.1 + 10;
    assert!(is_calm, "a token that is over opened sessions or filled the audit log: {before:?}, then {after:?}");
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_was_registered_enrols_and_enrols_again() {
    let group = Group::new().await;
    let bob = name(Role::Operator, 2);
    group.add_operator("bob", &bob.to_string()).await;
    let token = group.token_for("operator", "bob", "").await;
    assert_eq!(*group.enrol("bob", &token, Newcomer::Operator).await.unwrap().id(), bob);
    assert!(group.lets_in("bob").await);
    let token = group.token_for("operator", "bob", "").await;
    group.enrol("bob-anew", &token, Newcomer::Operator).await.unwrap();
    assert!(group.lets_in("bob-anew").await);
    until(async || (!group.lets_in("bob").await).then_some(())).await;
    // Whoever was taken out gets no next certificate.
    group.ask(Command::RemoveOperator(RemoveOperator { name: "bob".into() })).await;
    let home = Home::open(&group.path("bob-anew")).unwrap();
    let ahead = Ahead(Duration::from_hours(11));
    let own = Arc::new(HotIdentity::new(home.identity("").unwrap()));
    let transport = Transport::new(own, home.roots("").unwrap(), Arc::new(Ahead(ahead.0)));
    let refused = renewed(&home, &transport, std::slice::from_ref(&group.address), &ahead).await.unwrap_err();
    assert!(refused.to_string().contains("there is no such Operator"), "{refused}");
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_roots_key_lets_a_registered_operator_in_and_nobody_else() {
    let group = Group::new().await;
    let root = std::fs::read_to_string(group.path("m1").join(home::ROOT_KEY)).unwrap();
    let ann = Home::open(&group.path("m1").join(home::OPERATOR)).unwrap().identity("").unwrap().id().clone();
    operator_folder(&group.path("ann"), &root, &ann, &machine()).unwrap();
    assert!(group.lets_in("ann").await);
    operator_folder(&group.path("nobody"), &root, &name(Role::Operator, 9), &machine()).unwrap();
    assert!(!group.lets_in("nobody").await);
    group.end().await;
}
