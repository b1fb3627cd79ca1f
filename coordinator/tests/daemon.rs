//! A member as a program and as a library: founded, joined, renewed, denied, stopped.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use strongroom_coordinator::daemon::arguments::{Issuer, Verb};
use strongroom_coordinator::daemon::found::{Beginning, found};
use strongroom_coordinator::daemon::join::{Joining, join};
use strongroom_coordinator::daemon::notify::Notify;
use strongroom_coordinator::daemon::process::run_verb;
use strongroom_coordinator::daemon::renewal::renewed;
use strongroom_coordinator::daemon::run::run;
use strongroom_coordinator::daemon::transport::Transport;
use strongroom_coordinator::daemon::{DaemonError, Home, Machine, Settings, home};
use strongroom_coordinator::state::certificates::IssueCertificate;
use strongroom_coordinator::state::members::{MemberBooted, RetireMember};
use strongroom_coordinator::state::session::OpenSession;
use strongroom_coordinator::state::text::Subject;
use strongroom_coordinator::state::{
    Actor, Command as StateCommand, Decision, Outcome, Refusal, Request, Sequence, Stamp,
};
use strongroom_core::audit::{AuditEvent, Decision as Decided};
use strongroom_core::error::Code;
use strongroom_core::id::{CertificateSerial, ClientSession};
use strongroom_platform::clock::{Clock, MonotonicTime, SystemClock, WallTime};
use strongroom_platform::rng::{SystemEntropy, random_array};
use strongroom_platform::tls::{HotIdentity, JoinToken, Role, SpiffeId, TokenBinding};
use strongroom_proto::client::{Client, Dial as _};
use strongroom_proto::operators::v1::execute_request::Command;
use strongroom_proto::operators::v1::operators_client::OperatorsClient;
use strongroom_proto::operators::v1::{
    Deny, ListEventsRequest, MintToken, StatusReply, StatusRequest, deny, list_events_reply,
};
use strongroom_proto::peers::v1::ProposeRequest;
use strongroom_proto::peers::v1::peers_client::PeersClient;
use strongroom_proto::peers::v1::propose_reply::Result as Proposed;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[path = "daemon/enrolling.rs"]
mod enrolling;
#[path = "../../chaos-tests/src/processes/port.rs"]
mod port;

const LIMIT: Duration = Duration::from_mins(1);

fn machine() -> Machine {
    Machine { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
}

/// Addresses of this machine that were free a moment ago.
fn free<const N: usize>() -> [String; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| port::hold().unwrap());
    held.map(|listener| listener.local_addr().unwrap().to_string())
}

async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = SystemClock.monotonic().plus(LIMIT);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(SystemClock.monotonic() < end, "it takes too long");
        drop(tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await);
    }
}

/// A clock that is ahead of the machine's.
struct Ahead(Duration);

impl Clock for Ahead {
    fn wall(&self) -> WallTime {
        WallTime(SystemClock.wall().0 + i64::try_from(self.0.as_micros()).unwrap())
    }

    fn monotonic(&self) -> MonotonicTime {
        SystemClock.monotonic()
    }
}

/// A member that runs, and how it is told to stop.
type Task = (oneshot::Sender<()>, JoinHandle<Result<(), DaemonError>>);

/// A group of one that runs in this process.
struct Group {
    folder: TempDir,
    address: String,
    tasks: Vec<Task>,
}

impl Group {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let [address] = free();
        let settings = Settings::new("m1", "here", &address, &address);
        let beginning = Beginning {
            trust_domain: "acme.example".into(),
            jurisdiction: "DE".into(),
            countries: Vec::new(),
            operator: "ann".into(),
            settings,
        };
        found(&folder.path().join("m1"), &beginning, &machine()).await.unwrap();
        let mut group = Self { folder, address, tasks: Vec::new() };
        group.run("m1");
        until(async || group.status().await.filter(|status| status.standing.as_ref().unwrap().role == "leader")).await;
        group
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&mut self, name: &str) {
        let (stop, stopped) = oneshot::channel::<()>();
        let path = self.path(name);
        let task =
            tokio::spawn(
                async move { run(&path, &machine(), &Notify::default(), async { drop(stopped.await) }).await },
            );
        self.tasks.push((stop, task));
    }

    fn operator(&self, clock: Arc<dyn Clock>) -> (Home, Transport) {
        let home = Home::open(&self.path("m1").join(home::OPERATOR)).unwrap();
        let own = Arc::new(HotIdentity::new(home.identity("").unwrap()));
        let transport = Transport::new(own, home.roots("").unwrap(), clock);
        (home, transport)
    }

    async fn status(&self) -> Option<StatusReply> {
        let (_, operator) = self.operator(Arc::new(SystemClock));
        let channel = operator.dial(&self.address).await.ok()?;
        Some(OperatorsClient::new(channel).status(StatusRequest {}).await.ok()?.into_inner())
    }

    /// Asks the group for a command, as the operator.
    async fn ask(&self, command: Command) {
        let (_, operator) = self.operator(Arc::new(SystemClock));
        let session = random_array(&SystemEntropy).unwrap();
        Client::new(operator, vec![self.address.clone()], session).execute(command, LIMIT).await.unwrap();
    }

    /// Asks the first member, over the connection between members, for whatever is in `request`.
    async fn propose(&self, as_whom: &str, request: &Request) -> Option<Outcome> {
        let home = Home::open(&self.path(as_whom)).unwrap();
        let own = Arc::new(HotIdentity::new(home.identity(home::OWN).unwrap()));
        let member = Transport::new(own, home.roots(home::OWN).unwrap(), Arc::new(SystemClock));
        let channel = member.dial(&self.address).await.unwrap();
        let asked = ProposeRequest { request: request.encode().unwrap().into() };
        let reply = PeersClient::new(channel).propose(asked).await.unwrap().into_inner();
        let Some(Proposed::Outcome(outcome)) = reply.result else { return None };
        Some(postcard::from_bytes(&outcome).unwrap())
    }

    /// A token that lets a member in.
    async fn token(&self) -> String {
        self.token_for("member", "", "").await
    }

    /// A token for somebody of a role, by name, and for somebody who comes back.
    async fn token_for(&self, role: &str, name: &str, renews: &str) -> String {
        let now = SystemClock.wall();
        let expires = WallTime(now.0 + 60_000_000);
        let binding = TokenBinding { role: Role::Coordinator, region: "here".parse().unwrap(), host: None, expires };
        let roots = Home::open(&self.path("m1")).unwrap().roots(home::OWN).unwrap();
        let root = roots.certificates().first().unwrap();
        let (token, record) = JoinToken::mint(binding, root, now, &SystemEntropy).unwrap();
        let mint = MintToken {
            token: record.id.0.to_vec(),
            secret_sha256: record.secret_hash.to_vec(),
            role: role.into(),
            region: "here".into(),
            site: if matches!(role, "agent" | "depot") { "here".into() } else { String::new() },
            name_hint: name.into(),
            renews: renews.into(),
            life_ms: 50 * 60 * 1_000,
        };
        self.ask(Command::MintToken(mint)).await;
        token.to_text().to_string()
    }

    async fn join(&self, name: &str, token: &str, address: &str) -> Result<(), DaemonError> {
        let joining = Joining {
            token: JoinToken::from_text(token).unwrap(),
            endpoints: vec![self.address.clone()],
            settings: Settings::new(name, "", address, address),
        };
        join(&self.path(name), joining, &machine()).await.map(drop)
    }

    async fn end(self) {
        for (stop, task) in self.tasks {
            stop.send(()).unwrap();
            task.await.unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_lets_one_member_in_which_votes_once_it_has_caught_up() {
    let mut group = Group::new().await;
    let (token, [second, third]) = (group.token().await, free());
    group.join("m2", &token, &second).await.unwrap();
    let refused = group.join("m3", &token, &third).await.unwrap_err();
    assert!(matches!(&refused, DaemonError::Refused(failure) if failure.code == "token-closed"), "{refused:?}");
    assert_eq!(refused.code(), Code::GroupRefused);
    // Who was refused has no settings, and does not run.
    let unfinished = run(&group.path("m3"), &machine(), &Notify::default(), std::future::pending()).await;
    assert_eq!(unfinished.unwrap_err().code(), Code::NoMember);
    group.run("m2");
    until(async || {
        let status = group.status().await?;
        (status.members.iter().filter(|member| member.part == "voter").count() == 2).then_some(())
    })
    .await;
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_wrong_lets_nobody_in() {
    let group = Group::new().await;
    let token = group.token().await;
    let other = group.token().await;
    // The id of the one with the secret of the other, and the checksum made right.
    let (id, rest) = (token.get(8..24).unwrap(), other.get(24..152).unwrap());
    let body = format!("{id}{rest}");
    let checksum = strongroom_platform::tls::RootPin::of(&hex::decode(&body).unwrap()).0;
    let forged = format!("srjoin1.{body}.{}", hex::encode(checksum.get(..4).unwrap()));
    let [address] = free();
    let refused = group.join("m2", &forged, &address).await.unwrap_err();
    assert!(matches!(&refused, DaemonError::Refused(failure) if failure.code == "token"), "{refused:?}");
    group.join("m3", &token, &address).await.unwrap();
    group.end().await;
}

/// A request as a member sends it, in a session or without one.
fn request(session: Option<(ClientSession, Sequence)>, command: impl Into<StateCommand>) -> Request {
    Request {
        session,
        acknowledged_below: Sequence(0),
        actor: Actor::System,
        decision: Decision::default(),
        stamp: Stamp::default(),
        command: command.into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_asks_for_what_members_ask_for_and_in_its_own_name_alone() {
    let mut group = Group::new().await;
    let (token, [second]) = (group.token().await, free());
    group.join("m2", &token, &second).await.unwrap();
    let forbidden = Some(Outcome::Rejected(Refusal::Forbidden));
    let session = ClientSession(random_array(&SystemEntropy).unwrap());
    let open = request(None, OpenSession { session });
    // It is registered and not in the group: it has a certificate, and no say.
    assert_eq!(group.propose("m2", &open).await, forbidden);
    group.run("m2");
    let voters = async || {
        let status = group.status().await?;
        let voters: Vec<String> =
            status.members.iter().filter(|member| member.part == "voter").map(|member| member.member.clone()).collect();
        (voters.len() == 2).then_some((status.member, voters))
    };
    let (first, voters) = until(voters).await;
    let second = voters.into_iter().find(|member| *member != first).unwrap();
    assert!(matches!(group.propose("m2", &open).await, Some(Outcome::Done(_))));
    // A command of operators, said to be the group's own.
    let retire = request(Some((session, Sequence(1))), RetireMember { member: second.parse().unwrap() });
    assert_eq!(group.propose("m2", &retire).await, forbidden);
    // Another member's start.
    let boot = request(None, MemberBooted { member: first.parse().unwrap(), boot: 1_000_000 });
    assert_eq!(group.propose("m2", &boot).await, forbidden);
    // What it may ask for stands in the log under its own name, whomever it said that it was.
    let identity = Home::open(&group.path("m2")).unwrap().identity(home::OWN).unwrap().id().to_string();
    let issue = IssueCertificate {
        serial: CertificateSerial([0x5a; 16]),
        subject: Subject::new(&identity).unwrap(),
        not_after: WallTime(0),
        renews: None,
    };
    let issued = group.propose("m2", &request(Some((session, Sequence(2))), issue)).await;
    assert!(matches!(issued, Some(Outcome::Done(_))), "{issued:?}");
    let (_, operator) = group.operator(Arc::new(SystemClock));
    let mut client = Client::new(operator, vec![group.address.clone()], random_array(&SystemEntropy).unwrap());
    let events = client.read(LIMIT, |mut members| async move {
        let asked = ListEventsRequest { limit: 1_000, ..ListEventsRequest::default() };
        Ok(match members.list_events(asked).await?.into_inner().result {
            Some(list_events_reply::Result::Events(events)) => Ok(events),
            other => panic!("{other:?}"),
        })
    });
    let events = events.await.unwrap().events;
    let mut events = events.iter().map(|bytes| AuditEvent::decode(bytes).unwrap());
    let last = events.rfind(|event| event.action.as_str() == "certificate.issue").unwrap();
    assert_eq!((last.actor.as_str(), last.decision), (identity.as_str(), Decided::Allowed));
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_denied_is_cut_off_though_connected() {
    let group = Group::new().await;
    let (_, operator) = group.operator(Arc::new(SystemClock));
    let channel = operator.dial(&group.address).await.unwrap();
    let mut client = OperatorsClient::new(channel);
    let mut standings = client.watch_standing(StatusRequest {}).await.unwrap().into_inner();
    standings.message().await.unwrap().unwrap();
    let identity = operator.own.current().id().to_string();
    group.ask(Command::Deny(Deny { denied: Some(deny::Denied::Identity(identity)) })).await;
    // Nothing is asked over the stream: it ends by itself, long before the minute that is promised.
    let ended =
        tokio::time::timeout(Duration::from_secs(20), async { while let Ok(Some(_)) = standings.message().await {} });
    ended.await.unwrap();
    assert!(group.status().await.is_none(), "the denied operator is let in again");
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_certificate_is_renewed_when_half_of_its_life_is_over_and_not_before() {
    let group = Group::new().await;
    let members = [group.address.clone()];
    let serial = |home: &Home| home.identity("").unwrap().certificate().serial.clone();
    let (home, operator) = group.operator(Arc::new(SystemClock));
    let first = serial(&home);
    renewed(&home, &operator, &members, &SystemClock).await.unwrap();
    assert_eq!(serial(&home), first, "a fresh certificate was renewed");
    let ahead = Ahead(Duration::from_hours(11));
    let (home, operator) = group.operator(Arc::new(Ahead(ahead.0)));
    renewed(&home, &operator, &members, &ahead).await.unwrap();
    assert_ne!(serial(&home), first);
    let session = random_array(&SystemEntropy).unwrap();
    let (_, operator) = group.operator(Arc::new(SystemClock));
    let mut client = Client::new(operator, members.to_vec(), session);
    let asked = client.read(LIMIT, |mut members| async move {
        members.status(StatusRequest {}).await.map(|reply| Ok(reply.into_inner()))
    });
    asked.await.unwrap();
    group.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_is_certified_beside_the_roots_key() {
    let group = Group::new().await;
    let token = group.token().await;
    let [address] = free();
    group.join("m2", &token, &address).await.unwrap();
    let (request, certificate) = (group.path("request.pem"), group.path("issuer.pem"));
    let member = Home::open(&group.path("m2")).unwrap().identity(home::OWN).unwrap();
    let issuer = SpiffeId { role: Role::Issuer, ..member.id().clone() }.to_string();
    let verbs = [
        Issuer::Request { folder: group.path("m2"), output: request.clone() },
        Issuer::Sign { issuer, request, root_key: group.path("m1").join(home::ROOT_KEY), output: certificate.clone() },
        Issuer::Install { folder: group.path("m2"), certificate },
    ];
    for verb in verbs {
        run_verb(&Verb::Issuer(verb), &machine(), &Notify::default()).unwrap();
    }
    let home = Home::open(&group.path("m2")).unwrap();
    let (own, issuer) = (home.identity(home::OWN).unwrap(), home.issuer().unwrap().unwrap());
    assert_eq!((issuer.id().subject, issuer.id().role), (own.id().subject, Role::Issuer));
    group.end().await;
}

fn program(arguments: &[&str]) -> Program {
    let mut command = Program::new(env!("CARGO_BIN_EXE_strongroom-coordinator"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STRONGROOM_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn init(folder: &Path, listen: &str, health: &str) -> Output {
    let folder = folder.to_str().unwrap();
    let words = ["init", folder, "--name", "m1", "--region", "here", "--jurisdiction", "DE"];
    let more = ["--trust-domain", "acme.example", "--listen", listen, "--health", health];
    program(&[&words[..], &more].concat()).output().unwrap()
}

/// One page: its status line and its text.
fn page(address: &str, path: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.lines().next()?.to_owned(), body.to_owned()))
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn the_program_answers_for_its_health_and_ends_when_told() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("m1");
    let [listen, health] = free();
    let made = init(&home, &listen, &health);
    assert!(made.status.success(), "{made:?}");
    assert!(String::from_utf8_lossy(&made.stdout).contains("root-key.pem"));
    assert_eq!(init(&home, &listen, &health).status.code(), Some(2));

    let child = program(&["run", home.to_str().unwrap()]).stderr(Stdio::null()).spawn().unwrap();
    let mut running = Running(child);
    until(async || page(&health, "/readyz").filter(|(status, _)| status.contains("200"))).await;
    assert!(page(&health, "/healthz").unwrap().0.contains("200"));
    assert!(page(&health, "/other").unwrap().0.contains("404"));
    let (_, metrics) = page(&health, "/metrics").unwrap();
    let wanted = [
        "strongroom_raft_is_leader 1",
        "strongroom_raft_members{state=\"voter\"} 1",
        "# TYPE strongroom_certificates_issued_total counter",
        "strongroom_certificates_issued_total 2",
        "strongroom_operators 1",
    ];
    for line in wanted {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in:\n{metrics}");
    }
    let mut numbers = metrics.lines().filter(|line| !line.starts_with('#'));
    assert!(numbers.all(|line| !line.contains("acme") && !line.contains("here")), "{metrics}");

    let second = program(&["run", home.to_str().unwrap()]).output().unwrap();
    assert_eq!(second.status.code(), Some(i32::from(Code::MemberEnded.exit())), "{second:?}");

    let pid = rustix::process::Pid::from_raw(i32::try_from(running.0.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn what_is_no_member_does_not_run() {
    let folder = TempDir::new().unwrap();
    let run = |path: &Path| program(&["run", path.to_str().unwrap()]).output().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing")] {
        let output = run(&path);
        assert_eq!(output.status.code(), Some(10));
        assert!(String::from_utf8_lossy(&output.stderr).contains("error SR0066"), "{output:?}");
    }
    let wrong = program(&[
        "init",
        "x",
        "--name",
        "M 1",
        "--region",
        "here",
        "--jurisdiction",
        "DE",
        "--trust-domain",
        "a.b",
        "--listen",
        "127.0.0.1:1",
    ]);
    let output = { wrong }.current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("x").exists(), "something was made of options that can't be");
}
