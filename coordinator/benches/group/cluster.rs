//! Three members of ours as processes, and clients of theirs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use strongroom_coordinator::member::{Founding, Member, MemberConfig, MemberIdentity};
use strongroom_coordinator::server::dial;
use strongroom_coordinator::server::engine::subject_of;
use strongroom_platform::clock::{Clock, SystemClock};
use strongroom_platform::disk::{Disk, RealDisk};
use strongroom_platform::rng::{SystemEntropy, random_array};
use strongroom_platform::tls::{Identity, Issuer, PendingIdentity, Role, RootAuthority, SpiffeId, SubjectId};
use strongroom_proto::common::v1::Class;
use strongroom_proto::operators::v1::execute_reply::Result as Executed;
use strongroom_proto::operators::v1::execute_request::Command as Wire;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{
    AddMember, AddOperator, ChangeMembersRequest, ExecuteRequest, GetJurisdictionRequest, OpenSession, PromoteMember,
    PutJurisdiction, PutRegion, Session, StatusReply, StatusRequest, change_members_request, get_jurisdiction_reply,
};
use tempfile::TempDir;
use tonic::transport::Channel;

use super::etcd::{CONNECTIONS, free_port};
use super::load::Client;
use super::member::tls;

/// The trust domain of the bench.
pub(crate) const DOMAIN: &str = "bench.example";

/// A running group.
pub(crate) struct Cluster {
    children: Vec<Child>,
    channels: Vec<Channel>,
    runs: AtomicU64,
    _folder: TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Starts three members, and waits until all vote.
pub(crate) async fn start() -> Cluster {
    let folder = TempDir::new().expect("a folder");
    let (root, issuer) = authorities();
    let operator = folder.path().join("operator");
    let subject = random_array(&SystemEntropy).expect("chance");
    write_identity(&operator, &root, &identity(&issuer, Role::Operator, subject));
    let mut members: Vec<(MemberIdentity, PathBuf, u16)> = Vec::new();
    for number in 0..3 {
        let home = folder.path().join(format!("m{number}"));
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::create(home.join("data")).expect("a folder"));
        let founding = match members.first() {
            None => Founding::Group,
            Some((first, _, _)) => Founding::Joining(first.group()),
        };
        let made = Member::create(&disk, founding, &MemberConfig::LAN, &SystemEntropy).expect("a member");
        write_identity(&home, &root, &identity(&issuer, Role::Coordinator, subject_of(made.member)));
        members.push((made, home, free_port()));
    }
    let known: Vec<String> = members.iter().map(|(it, _, port)| format!("{}=127.0.0.1:{port}", it.member)).collect();
    let program = std::env::current_exe().expect("this program");
    let children = members.iter().map(|(_, home, port)| {
        let mut command = Command::new(&program);
        command.arg("member").arg(home).arg(port.to_string()).args(&known).spawn().expect("it starts")
    });
    let children = children.collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (_, client) = tls(&operator, &clock);
    let (_, as_member) = tls(&members[0].1, &clock);
    register(&connect(members[0].2, &as_member).await, &name(Role::Operator, subject).to_string()).await;
    let first = connect(members[0].2, &client).await;
    gather(&first, &members).await;
    let leader = loop {
        let status = status(&first).await;
        let leader = status.standing.map(|it| it.leader).unwrap_or_default();
        if let Some((_, _, port)) = members.iter().find(|(it, _, _)| it.member.to_string() == leader) {
            break *port;
        }
    };
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(connect(leader, &client).await);
    }
    Cluster { children, channels, runs: AtomicU64::new(0), _folder: folder }
}

/// Adds the operator, which is a member's part as long as there is none.
async fn register(member: &Channel, identity: &str) {
    let operator =
        AddOperator { name: "bench".into(), identity: identity.to_owned(), roles: vec!["operator".to_owned()] };
    ask(&OperatorsClient::new(member.clone()), [Wire::AddOperator(operator)]).await;
}

/// Takes the second and the third member in, and gives them their votes.
async fn gather(first: &Channel, members: &[(MemberIdentity, PathBuf, u16)]) {
    let mut client = OperatorsClient::new(first.clone());
    let commands = [
        Wire::PutJurisdiction(PutJurisdiction { name: "local".into(), codes: vec!["DE".into()] }),
        Wire::PutRegion(PutRegion { name: "here".into(), jurisdiction: "local".into() }),
    ];
    ask(&client, commands).await;
    for (number, (member, _, port)) in members.iter().enumerate().skip(1) {
        let address = format!("127.0.0.1:{port}");
        let add = AddMember {
            member: member.member.to_string(),
            name: format!("m{number}"),
            region: "here".into(),
            peer_address: address.clone(),
            api_address: address,
        };
        change(&mut client, change_members_request::Change::Add(add)).await;
        until(async || {
            status(first).await.members.iter().any(|it| it.member == member.member.to_string() && it.matched > 0)
        })
        .await;
        let promote = PromoteMember { member: member.member.to_string(), replaces: String::new() };
        change(&mut client, change_members_request::Change::Promote(promote)).await;
        let voters = number + 1;
        until(async || status(first).await.members.iter().filter(|it| it.part == "voter").count() == voters).await;
    }
}

/// Asks for commands in a session of their own until each is done.
async fn ask(client: &OperatorsClient<Channel>, commands: impl IntoIterator<Item = Wire>) {
    let session = random_array(&SystemEntropy).expect("chance");
    let open = Wire::OpenSession(OpenSession { id: session_bytes(session) });
    for (command, sequence) in std::iter::once(open).chain(commands).zip(1..) {
        let session = Session { id: session_bytes(session), sequence, acknowledged_below: sequence };
        let session = (!matches!(command, Wire::OpenSession(_))).then_some(session);
        until(async || {
            let request = ExecuteRequest { session: session.clone(), command: Some(command.clone()) };
            let reply = client.clone().execute(request).await.expect("an answer").into_inner();
            matches!(reply.result, Some(Executed::Done(_)))
        })
        .await;
    }
}

async fn change(client: &mut OperatorsClient<Channel>, change: change_members_request::Change) {
    until(async || {
        let request = ChangeMembersRequest { change: Some(change.clone()) };
        let reply = client.clone().change_members(request).await.expect("an answer").into_inner();
        match reply.result {
            Some(Executed::Done(_)) => true,
            Some(Executed::Failure(failure)) => {
                assert_eq!(failure.class(), Class::Retry, "{failure:?}");
                false
            }
            None => panic!("an empty answer"),
        }
    })
    .await;
}

async fn status(channel: &Channel) -> StatusReply {
    OperatorsClient::new(channel.clone()).status(StatusRequest {}).await.expect("a status").into_inner()
}

/// Waits for a condition, with a deadline.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let deadline = SystemClock.monotonic().plus(Duration::from_secs(30));
    while !condition().await {
        assert!(SystemClock.monotonic() < deadline, "it takes too long");
        drop(tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await);
    }
}

async fn connect(port: u16, tls: &Arc<rustls::ClientConfig>) -> Channel {
    let deadline = SystemClock.monotonic().plus(Duration::from_secs(30));
    loop {
        match dial(&format!("127.0.0.1:{port}"), Arc::clone(tls)).await {
            Ok(channel) => return channel,
            Err(error) => assert!(SystemClock.monotonic() < deadline, "{error:?}"),
        }
    }
}

/// A client that writes or reads.
pub(crate) fn client(cluster: &Cluster, number: usize, kind: &str) -> Client {
    let channel = cluster.channels[number % cluster.channels.len()].clone();
    let is_write = kind == "write";
    let run = cluster.runs.fetch_add(1, Ordering::Relaxed);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&run.to_be_bytes());
    id[8..].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    let name = format!("place-{number}");
    let mut sequence = 0_u64;
    Box::new(move || {
        let (mut client, name) = (OperatorsClient::new(channel.clone()), name.clone());
        sequence += 1;
        let sequence = sequence;
        Box::pin(async move {
            if !is_write {
                let reply =
                    client.get_jurisdiction(GetJurisdictionRequest { name }).await.expect("an answer").into_inner();
                assert!(matches!(reply.result, Some(get_jurisdiction_reply::Result::Jurisdiction(_))), "{reply:?}");
                return;
            }
            if sequence == 1 {
                let command = Some(Wire::OpenSession(OpenSession { id: session_bytes(id) }));
                client.execute(ExecuteRequest { session: None, command }).await.expect("an answer");
            }
            let codes = vec![code(sequence % 676), code(sequence / 676 % 676)];
            let session = Session { id: session_bytes(id), sequence, acknowledged_below: sequence };
            let command = Some(Wire::PutJurisdiction(PutJurisdiction { name, codes }));
            let reply = client.execute(ExecuteRequest { session: Some(session), command }).await.expect("an answer");
            let reply = reply.into_inner();
            assert!(matches!(reply.result, Some(Executed::Done(_))), "{reply:?}");
        })
    })
}

fn code(number: u64) -> String {
    let letter = |number: u64| char::from(b'A' + u8::try_from(number % 26).expect("a letter"));
    [letter(number / 26), letter(number)].iter().collect()
}

fn session_bytes(id: [u8; 16]) -> Vec<u8> {
    id.to_vec()
}

fn authorities() -> (RootAuthority, Issuer) {
    let now = SystemClock.wall();
    let root = RootAuthority::found(&DOMAIN.parse().expect("a trust domain"), now, &SystemEntropy).expect("a root");
    let pending = PendingIdentity::new(name(Role::Issuer, [1; 16])).expect("a key");
    let request = pending.request().check(pending.id()).expect("its own name");
    let certificate = root.sign_issuer(&request, now, &SystemEntropy).expect("a certificate");
    (root, pending.into_issuer(&certificate).expect("an issuer"))
}

fn identity(issuer: &Issuer, role: Role, subject: [u8; 16]) -> Identity {
    let pending = PendingIdentity::new(name(role, subject)).expect("a key");
    let request = pending.request().check(pending.id()).expect("its own name");
    let chain =
        issuer.issue(&request, role.certificate_ttl(), SystemClock.wall(), &SystemEntropy).expect("a certificate");
    pending.into_identity(chain).expect("an identity")
}

fn name(role: Role, subject: [u8; 16]) -> SpiffeId {
    SpiffeId {
        trust_domain: DOMAIN.parse().expect("a trust domain"),
        region: "here".parse().expect("a region"),
        role,
        subject: SubjectId(subject),
    }
}

fn write_identity(home: &Path, root: &RootAuthority, identity: &Identity) {
    std::fs::create_dir_all(home).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(home.join(name), text).expect("a file");
    write("root.pem", &root.certificate_pem());
    write("chain.pem", &identity.chain_pem());
    write("key.pem", &identity.key_pem());
}
