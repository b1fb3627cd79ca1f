//! A client against members that answer by a script: they lose answers, name wrong leaders, hang, and refuse.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Endpoint, Server, Uri};
use tonic::{Request, Response};

use super::*;
use crate::common::v1::Class;
use crate::operators::v1;
use crate::operators::v1::operators_server::{Operators, OperatorsServer};
use crate::operators::v1::{
    GetJurisdictionReply, GetJurisdictionRequest, PutRegion, Standing, StatusReply, StatusRequest,
};

/// What a member does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Applies it and says so.
    Apply,
    /// Applies it, and the answer is lost.
    ApplyAndLose,
    /// The request is lost.
    Lose,
    /// Applies it, and says that nobody knows.
    ApplyUnknown,
    /// Says that nobody knows, and nothing was done.
    Unknown,
    /// Names another member, right or wrong.
    NotLeader(Option<u8>),
    /// Takes no more at the moment.
    Busy,
    /// Never answers.
    Hang,
    /// Decides against it.
    Reject,
}

/// The group behind all members: what was applied, under which number.
#[derive(Default)]
struct Group {
    scripts: BTreeMap<u8, VecDeque<Step>>,
    outcomes: BTreeMap<u64, bool>,
    applied: Vec<(u64, String)>,
    asked: Vec<(u8, u64)>,
}

#[derive(Clone)]
struct Fake {
    number: u8,
    group: Arc<Mutex<Group>>,
}

impl Fake {
    fn step(&self, request: &ExecuteRequest) -> Step {
        let mut group = self.group.lock().unwrap();
        let Some(session) = &request.session else { return Step::Apply };
        group.asked.push((self.number, session.sequence));
        let number = self.number;
        group.scripts.get_mut(&number).and_then(VecDeque::pop_front).unwrap_or(Step::Apply)
    }

    /// Takes effect once for a number; says whether it was done or rejected.
    fn apply(&self, request: &ExecuteRequest, is_rejected: bool) -> bool {
        let mut group = self.group.lock().unwrap();
        let Some(session) = &request.session else { return true };
        if let Some(done) = group.outcomes.get(&session.sequence) {
            return *done;
        }
        group.outcomes.insert(session.sequence, !is_rejected);
        if !is_rejected && let Some(Command::PutRegion(put)) = &request.command {
            group.applied.push((session.sequence, put.name.clone()));
        }
        !is_rejected
    }

    fn answer(&self, request: &ExecuteRequest, is_rejected: bool) -> Result<Done, Failure> {
        if self.apply(request, is_rejected) { Ok(Done { index: 7 }) } else { Err(failure(Class::Rejected, "no", "")) }
    }
}

fn failure(class: Class, code: &str, leader: &str) -> Failure {
    let (code, leader) = (code.to_owned(), leader.to_owned());
    Failure { code, class: class.into(), message: "as the script says".into(), leader, ..Failure::default() }
}

type Follow<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Operators for Fake {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteReply>, Status> {
        let request = request.into_inner();
        let said = match self.step(&request) {
            Step::Apply => self.answer(&request, false),
            Step::Reject => self.answer(&request, true),
            Step::ApplyAndLose => {
                self.apply(&request, false);
                return Err(Status::unavailable("the connection broke"));
            }
            Step::Lose => return Err(Status::unavailable("the connection broke")),
            Step::ApplyUnknown => {
                self.apply(&request, false);
                Err(failure(Class::Unknown, "unknown", ""))
            }
            Step::Unknown => Err(failure(Class::Unknown, "unknown", "")),
            Step::NotLeader(leader) => {
                let leader = leader.map(|number| number.to_string()).unwrap_or_default();
                Err(failure(Class::Retry, "not-leader", &leader))
            }
            Step::Busy => Err(failure(Class::Retry, "busy", "")),
            Step::Hang => std::future::pending().await,
        };
        let result = said.map_or_else(execute_reply::Result::Failure, execute_reply::Result::Done);
        Ok(Response::new(ExecuteReply { result: Some(result) }))
    }

    async fn change_members(&self, _: Request<ChangeMembersRequest>) -> Result<Response<ExecuteReply>, Status> {
        let number = self.number;
        let step = self.group.lock().unwrap().scripts.get_mut(&number).and_then(VecDeque::pop_front);
        let result = match step {
            Some(Step::Lose) => return Err(Status::unavailable("the connection broke")),
            Some(Step::Reject) => execute_reply::Result::Failure(failure(Class::Rejected, "unchanged", "")),
            _ => execute_reply::Result::Done(Done { index: 7 }),
        };
        Ok(Response::new(ExecuteReply { result: Some(result) }))
    }

    async fn transfer_leadership(
        &self,
        _: Request<TransferLeadershipRequest>,
    ) -> Result<Response<ExecuteReply>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn get_jurisdiction(
        &self,
        _: Request<GetJurisdictionRequest>,
    ) -> Result<Response<GetJurisdictionReply>, Status> {
        Err(Status::permission_denied("not for you"))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Ok(Response::new(StatusReply { member: self.number.to_string(), ..StatusReply::default() }))
    }

    type WatchStandingStream = Follow<Standing>;

    async fn watch_standing(&self, _: Request<StatusRequest>) -> Result<Response<Self::WatchStandingStream>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn list(&self, _: Request<v1::ListRequest>) -> Result<Response<v1::ListReply>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn get_source(&self, _: Request<v1::GetSourceRequest>) -> Result<Response<v1::GetSourceReply>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn get_counts(&self, _: Request<v1::GetCountsRequest>) -> Result<Response<v1::GetCountsReply>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn list_events(&self, _: Request<v1::ListEventsRequest>) -> Result<Response<v1::ListEventsReply>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn prove_event(&self, _: Request<v1::ProveEventRequest>) -> Result<Response<v1::ProveEventReply>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn get_checkpoint(
        &self,
        _: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointReply>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    type BackupStream = Follow<v1::BackupPart>;

    async fn backup(&self, _: Request<v1::BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    type WatchDenialsStream = Follow<v1::DenialsSeen>;

    async fn watch_denials(
        &self,
        _: Request<v1::WatchDenialsRequest>,
    ) -> Result<Response<Self::WatchDenialsStream>, Status> {
        Err(Status::unimplemented("not in this play"))
    }

    type WatchRunsStream = Follow<v1::RunsSeen>;

    async fn watch_runs(&self, _: Request<v1::WatchRunsRequest>) -> Result<Response<Self::WatchRunsStream>, Status> {
        Err(Status::unimplemented("not in this play"))
    }
}

/// Members 0, 1 and 2 in this process; 9 is an address where nobody is.
struct Stage {
    doors: BTreeMap<String, mpsc::Sender<io::Result<DuplexStream>>>,
}

impl Stage {
    fn new(scripts: &[&[Step]]) -> (Self, Arc<Mutex<Group>>) {
        let group = Arc::new(Mutex::new(Group::default()));
        let mut doors = BTreeMap::new();
        for number in 0..3_u8 {
            let script = scripts.get(usize::from(number)).copied().unwrap_or_default();
            group.lock().unwrap().scripts.insert(number, script.iter().copied().collect());
            let (door, incoming) = mpsc::channel(4);
            let fake = Fake { number, group: Arc::clone(&group) };
            let served = Server::builder().add_service(OperatorsServer::new(fake));
            tokio::spawn(served.serve_with_incoming(ReceiverStream::new(incoming)));
            doors.insert(number.to_string(), door);
        }
        (Self { doors }, group)
    }
}

impl Dial for Stage {
    /// Members are named like their addresses here.
    async fn dial_member(&self, address: &str, member: &str) -> Result<Channel, DialFailed> {
        if address != member {
            return Err(DialFailed("somebody else is there".into()));
        }
        self.dial(address).await
    }

    async fn dial(&self, address: &str) -> Result<Channel, DialFailed> {
        let door = self.doors.get(address).ok_or_else(|| DialFailed("nobody is there".into()))?.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let door = door.clone();
            async move {
                let (near, far) = tokio::io::duplex(64 * 1024);
                door.send(Ok(far)).await.map_err(io::Error::other)?;
                Ok::<_, io::Error>(TokioIo::new(near))
            }
        });
        let endpoint = Endpoint::from_static("http://stage");
        endpoint.connect_with_connector(connector).await.map_err(|error| DialFailed(error.into()))
    }
}

fn put(name: &str) -> Command {
    Command::PutRegion(PutRegion { name: name.to_owned(), jurisdiction: "IS".to_owned() })
}

fn client(stage: Stage, addresses: &[&str]) -> Client<Stage> {
    Client::new(stage, addresses.iter().map(|it| (*it).to_owned()).collect(), [7; 16])
}

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn the_leader_that_is_named_is_followed_though_nobody_gave_its_address() {
    let (stage, group) = Stage::new(&[&[Step::NotLeader(Some(2))]]);
    let mut client = client(stage, &["0"]);
    client.execute(put("a"), PATIENCE).await.unwrap();
    client.execute(put("b"), PATIENCE).await.unwrap();
    assert_eq!(group.lock().unwrap().asked, [(0, 1), (2, 1), (2, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_under_the_same_number_and_applied_once() {
    let (stage, group) = Stage::new(&[&[Step::ApplyAndLose], &[Step::ApplyUnknown, Step::Busy]]);
    let mut client = client(stage, &["0", "1"]);
    client.execute(put("a"), PATIENCE).await.unwrap();
    let group = group.lock().unwrap();
    assert_eq!(group.applied, [(1, "a".to_owned())]);
    assert!(group.asked.len() > 2 && group.asked.iter().all(|(_, sequence)| *sequence == 1), "{:?}", group.asked);
}

#[tokio::test(start_paused = true)]
async fn addresses_where_nobody_is_are_passed_over() {
    let (stage, group) = Stage::new(&[]);
    client(stage, &["9", "8", "1"]).execute(put("a"), PATIENCE).await.unwrap();
    assert_eq!(group.lock().unwrap().applied.len(), 1);
    let (stage, _) = Stage::new(&[]);
    let error = client(stage, &["9"]).execute(put("a"), PATIENCE).await.unwrap_err();
    assert!(matches!(&error, AskError::NotDone { last } if last == "nobody is there"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_never_proposed_is_told_from_what_nobody_knows() {
    let busy = [Step::Busy; 500];
    let (stage, _) = Stage::new(&[&busy]);
    let error = client(stage, &["0"]).execute(put("a"), PATIENCE).await.unwrap_err();
    assert!(matches!(error, AskError::NotDone { .. }), "{error:?}");

    let mut lost_first = vec![Step::ApplyAndLose];
    lost_first.extend(busy);
    let (stage, group) = Stage::new(&[&lost_first]);
    let mut client = client(stage, &["0"]);
    let error = client.execute(put("a"), PATIENCE).await.unwrap_err();
    assert!(matches!(error, AskError::Unknown { .. }), "{error:?}");
    // Not being proposed once more tells nothing of the first time.
    let again = client.resume(Duration::from_secs(1)).await.unwrap().unwrap_err();
    assert!(matches!(again, AskError::Unknown { .. }), "{again:?}");
    group.lock().unwrap().scripts.clear();
    client.resume(PATIENCE).await.unwrap().unwrap();
    assert!(client.resume(PATIENCE).await.is_none());
    assert_eq!(group.lock().unwrap().applied.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_is_left_and_its_write_is_not_given_up() {
    let (stage, group) = Stage::new(&[&[Step::Hang, Step::Hang]]);
    client(stage, &["0", "1"]).execute(put("a"), PATIENCE).await.unwrap();
    assert_eq!(group.lock().unwrap().asked, [(0, 1), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_final() {
    let (stage, group) = Stage::new(&[&[Step::Reject]]);
    let error = client(stage, &["0"]).execute(put("a"), PATIENCE).await.unwrap_err();
    assert!(matches!(&error, AskError::Rejected(failure) if failure.code == "no"), "{error:?}");
    assert_eq!(group.lock().unwrap().asked.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_may_have_happened_is_not_called_rejected() {
    let change = || Change::Remove(v1::RemoveMember { member: "x".into() });
    let (stage, _) = Stage::new(&[&[Step::Lose, Step::Reject]]);
    let error = client(stage, &["0"]).change(change(), PATIENCE).await.unwrap_err();
    assert!(matches!(error, AskError::Unknown { .. }), "{error:?}");
    let (stage, _) = Stage::new(&[&[Step::Reject]]);
    let error = client(stage, &["0"]).change(change(), PATIENCE).await.unwrap_err();
    assert!(matches!(error, AskError::Rejected(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_member_does_not_take_from_this_client_is_not_tried_elsewhere() {
    let (stage, _) = Stage::new(&[]);
    let mut client = client(stage, &["0", "1"]);
    let read = client.read(PATIENCE, |mut members| async move {
        let asked = members.get_jurisdiction(GetJurisdictionRequest { name: "x".into() }).await;
        asked.map(|reply| Ok(reply.into_inner()))
    });
    assert!(matches!(read.await.unwrap_err(), AskError::Refused(_)));
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Apply),
        Just(Step::ApplyAndLose),
        Just(Step::Lose),
        Just(Step::ApplyUnknown),
        Just(Step::Unknown),
        proptest::option::of(0..4_u8).prop_map(Step::NotLeader),
        Just(Step::Busy),
        Just(Step::Hang),
    ];
    proptest::collection::vec(step, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whatever_members_do_a_client_says_what_is_true(
        scripts in [steps(), steps(), steps()],
        patience_ms in 1..20_000_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (stage, group) = Stage::new(&[&scripts[0], &scripts[1], &scripts[2]]);
            let mut client = client(stage, &["0", "1", "2"]);
            for name in ["a", "b", "c"] {
                let said = client.execute(put(name), Duration::from_millis(patience_ms)).await;
                let group = group.lock().unwrap();
                let times = group.applied.iter().filter(|(_, applied)| applied == name).count();
                match said {
                    Ok(_) => assert_eq!(times, 1),
                    Err(AskError::NotDone { .. }) => assert_eq!(times, 0),
                    Err(AskError::Unknown { .. }) => assert!(times <= 1),
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
    }
}
