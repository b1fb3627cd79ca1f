//! A leader that does as it is told by a test, over a real connection.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use strongroom_core::id::SnapshotId;
use strongroom_platform::disk::{Disk, SimDisk};
use strongroom_platform::rng::SimEntropy;
use strongroom_proto::agents::v1::agents_server::{Agents, AgentsServer};
use strongroom_proto::agents::v1::from_agent::Message as Said;
use strongroom_proto::agents::v1::run_ended::Outcome;
use strongroom_proto::agents::v1::to_agent::Message;
use strongroom_proto::agents::v1::{
    CallOffRun, ChangeReply, CloseUploadRequest, CommitSnapshotRequest, EndNoted, EndRefused, FromAgent,
    GetSourcesReply, GetSourcesRequest, OpenSessionRequest, OpenUploadRequest, StartRun, ToAgent, Welcome,
};
use strongroom_proto::common::v1::Failure;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use super::{order, run};
use crate::orders::{Dial, Follower, Host, Memory, RunEnd, RunHandle, RunOrder, Runner};

/// A stream that an agent has opened.
struct Opened {
    said: Streaming<FromAgent>,
    orders: mpsc::Sender<Result<ToAgent, Status>>,
}

impl Opened {
    async fn hears(&mut self) -> Said {
        let message = within(self.said.message()).await.unwrap().expect("the stream goes on");
        message.message.expect("a message")
    }

    /// The next thing said that is no sign of life.
    async fn hears_more(&mut self) -> Said {
        loop {
            match self.hears().await {
                Said::Alive(_) => {}
                said => return said,
            }
        }
    }

    async fn says(&self, message: Message) {
        self.orders.send(Ok(ToAgent { message: Some(message) })).await.expect("the agent listens");
    }

    async fn starts(&self, number: u8) {
        let order = order(number);
        let (run, source) = (order.run.0.to_vec(), order.source.0.to_vec());
        self.says(Message::Start(StartRun { run, source, period: 7, attempt: 1, cause: 1, fence: order.fence })).await;
    }
}

struct Scripted(mpsc::Sender<Opened>);

type Orders = Pin<Box<dyn Stream<Item = Result<ToAgent, Status>> + Send>>;

#[tonic::async_trait]
impl Agents for Scripted {
    type FollowStream = Orders;

    async fn follow(&self, request: Request<Streaming<FromAgent>>) -> Result<Response<Orders>, Status> {
        let (orders, queue) = mpsc::channel(16);
        self.0.send(Opened { said: request.into_inner(), orders }).await.expect("the test goes on");
        Ok(Response::new(Box::pin(ReceiverStream::new(queue))))
    }

    async fn get_sources(&self, _: Request<GetSourcesRequest>) -> Result<Response<GetSourcesReply>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn open_session(&self, _: Request<OpenSessionRequest>) -> Result<Response<ChangeReply>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn open_upload(&self, _: Request<OpenUploadRequest>) -> Result<Response<ChangeReply>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn close_upload(&self, _: Request<CloseUploadRequest>) -> Result<Response<ChangeReply>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn commit_snapshot(&self, _: Request<CommitSnapshotRequest>) -> Result<Response<ChangeReply>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it takes too long")
}

async fn listen() -> (SocketAddr, mpsc::Receiver<Opened>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (opened, streams) = mpsc::channel(4);
    let incoming = TcpListenerStream::new(listener).filter(Result::is_ok);
    tokio::spawn(Server::builder().add_service(AgentsServer::new(Scripted(opened))).serve_with_incoming(incoming));
    (address, streams)
}

struct Plain;

impl Dial for Plain {
    type Error = tonic::transport::Error;

    async fn dial(&self, address: &str) -> Result<Channel, Self::Error> {
        Endpoint::from_shared(format!("http://{address}"))?.connect().await
    }
}

/// Hands each run to the test.
struct Handed(mpsc::Sender<(RunOrder, RunHandle)>);

impl Runner for Handed {
    fn begin(&self, order: RunOrder, handle: RunHandle) {
        self.0.try_send((order, handle)).expect("the test goes on");
    }
}

fn host<D: Dial>(dial: D, handed: mpsc::Sender<(RunOrder, RunHandle)>, members: &[SocketAddr]) -> Host<D, Handed> {
    Host {
        dial,
        runner: Handed(handed),
        entropy: Arc::new(SimEntropy::from_seed(1)),
        version: "0.1.0".into(),
        members: members.iter().map(ToString::to_string).collect(),
    }
}

struct Agent {
    begun: mpsc::Receiver<(RunOrder, RunHandle)>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Agent {
    fn start(disk: &Arc<dyn Disk>, members: &[SocketAddr]) -> Self {
        let (memory, book) = Memory::open(Arc::clone(disk), "orders").unwrap();
        let (handed, begun) = mpsc::channel(16);
        let host = host(Plain, handed, members);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move { Follower::new(host, memory, book).keep(stopped).await.unwrap() });
        Self { begun, stop, task }
    }

    async fn begins(&mut self) -> (RunOrder, RunHandle) {
        within(self.begun.recv()).await.unwrap()
    }
}

async fn welcome(streams: &mut mpsc::Receiver<Opened>) -> (Opened, u64, usize) {
    let mut opened = within(streams.recv()).await.unwrap();
    let Said::Hello(hello) = opened.hears().await else { panic!("a stream begins with a hello") };
    opened.says(Message::Welcome(Welcome { alive_every_ms: 100 })).await;
    (opened, hello.boot, hello.runs.len())
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(SimDisk::from_seed(1))
}

#[tokio::test]
async fn a_run_is_taken_reported_and_ended_over_one_stream() {
    let (address, mut streams) = listen().await;
    let mut agent = Agent::start(&disk(), &[address]);
    let (mut stream, boot, held) = welcome(&mut streams).await;
    assert_eq!((boot, held), (1, 0));
    stream.starts(1).await;
    let (order, handle) = agent.begins().await;
    assert_eq!(order, super::order(1));
    handle.progress(10, 2);
    let Said::Progress(progress) = stream.hears_more().await else { panic!("no progress") };
    assert_eq!((progress.bytes, progress.records), (10, 2));
    handle.end(RunEnd::Snapshot(SnapshotId([5; 16])));
    let Said::Ended(ended) = stream.hears_more().await else { panic!("no end") };
    assert_eq!((ended.run, ended.outcome), (run(1).0.to_vec(), Some(Outcome::Snapshot(vec![5; 16]))));
    stream.says(Message::EndNoted(EndNoted { run: run(1).0.to_vec() })).await;
    drop(stream);
    let (_, _, held) = welcome(&mut streams).await;
    assert_eq!(held, 0, "what was noted is forgotten");
    agent.stop.send_replace(true);
    within(agent.task).await.unwrap();
}

#[tokio::test]
async fn a_run_goes_on_while_there_is_no_stream_and_its_end_is_said_on_the_next() {
    let (address, mut streams) = listen().await;
    let mut agent = Agent::start(&disk(), &[address]);
    let (stream, _, _) = welcome(&mut streams).await;
    stream.starts(1).await;
    let (_, handle) = agent.begins().await;
    drop(stream);
    drop(handle);
    let (mut stream, _, held) = welcome(&mut streams).await;
    assert_eq!(held, 1);
    stream.starts(1).await;
    let Said::Ended(ended) = stream.hears_more().await else { panic!("no end") };
    assert_eq!(ended.outcome, Some(Outcome::Failed(74)), "a handle that is dropped has failed");
    assert!(agent.begun.try_recv().is_err(), "it is not begun again");
}

#[tokio::test]
async fn a_run_that_is_called_off_hears_of_it() {
    let (address, mut streams) = listen().await;
    let mut agent = Agent::start(&disk(), &[address]);
    let (mut stream, _, _) = welcome(&mut streams).await;
    stream.starts(1).await;
    let (_, handle) = agent.begins().await;
    stream.says(Message::CallOff(CallOffRun { run: run(1).0.to_vec() })).await;
    within(handle.stop().wait_for(|stop| *stop)).await.unwrap();
    handle.end(RunEnd::Failed(60));
    let Said::Ended(ended) = stream.hears_more().await else { panic!("no end") };
    assert!(matches!(ended.outcome, Some(Outcome::CalledOff(_))));
}

/// Connections that nobody answers.
struct Silent;

impl Dial for Silent {
    type Error = tonic::transport::Error;

    async fn dial(&self, _: &str) -> Result<Channel, Self::Error> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_run_that_ends_while_the_agent_dials_is_written_down() {
    let (disk, address) = (disk(), SocketAddr::from(([127, 0, 0, 1], 1)));
    let (memory, mut book) = Memory::open(Arc::clone(&disk), "orders").unwrap();
    book.heard(crate::orders::Said::Start(order(1)));
    memory.keep(&book).unwrap();
    let (handed, mut begun) = mpsc::channel(1);
    let mut follower = Follower::new(host(Silent, handed, &[address]), memory, book);
    follower.begin(order(1));
    let (_stop, stopped) = watch::channel(false);
    let task = tokio::spawn(follower.keep(stopped));
    let (_, handle) = within(begun.recv()).await.unwrap();
    handle.end(RunEnd::Snapshot(SnapshotId([5; 16])));
    let is_kept = || {
        let bytes = disk.read("orders", 1 << 20).unwrap();
        String::from_utf8(bytes).unwrap().contains("Snapshot")
    };
    while !is_kept() {
        assert!(!task.is_finished());
        tokio::task::yield_now().await;
    }
    task.abort();
}

#[tokio::test]
async fn a_newer_run_of_a_source_waits_for_the_older_one() {
    let (address, mut streams) = listen().await;
    let mut agent = Agent::start(&disk(), &[address]);
    let (mut stream, _, _) = welcome(&mut streams).await;
    stream.starts(1).await;
    let (_, older) = agent.begins().await;
    let (newer, source) = (run(2).0.to_vec(), order(1).source.0.to_vec());
    stream.says(Message::Start(StartRun { run: newer, source, period: 8, attempt: 1, cause: 1, fence: 2 })).await;
    within(older.stop().wait_for(|stop| *stop)).await.unwrap();
    assert!(agent.begun.try_recv().is_err());
    older.end(RunEnd::CalledOff);
    assert_eq!(agent.begins().await.0.run, run(2));
    let Said::Ended(ended) = stream.hears_more().await else { panic!("no end") };
    assert_eq!(ended.run, run(1).0.to_vec());
}

#[tokio::test]
async fn an_end_that_the_group_does_not_take_is_a_failure() {
    let (address, mut streams) = listen().await;
    let mut agent = Agent::start(&disk(), &[address]);
    let (mut stream, _, _) = welcome(&mut streams).await;
    stream.starts(1).await;
    let (_, handle) = agent.begins().await;
    handle.end(RunEnd::Snapshot(SnapshotId([5; 16])));
    stream.hears_more().await;
    let refused = EndRefused { run: run(1).0.to_vec(), code: "missing".into(), ..EndRefused::default() };
    stream.says(Message::EndRefused(refused.clone())).await;
    let Said::Ended(ended) = stream.hears_more().await else { panic!("no end") };
    assert_eq!(ended.outcome, Some(Outcome::Failed(71)));
    stream.says(Message::EndRefused(EndRefused { is_over: true, ..refused })).await;
    drop(stream);
    let (_, _, held) = welcome(&mut streams).await;
    assert_eq!(held, 0, "it is forgotten");
}

#[tokio::test]
async fn an_agent_goes_where_the_leader_is() {
    let (first, mut of_first) = listen().await;
    let (second, mut of_second) = listen().await;
    let _agent = Agent::start(&disk(), &[first]);
    let opened = within(of_first.recv()).await.unwrap();
    let failure = Failure { code: "not-leader".into(), leader: second.to_string(), ..Failure::default() };
    opened.says(Message::Failure(failure)).await;
    welcome(&mut of_second).await;
}

#[tokio::test]
async fn a_process_that_starts_anew_says_that_its_run_is_lost() {
    let (address, mut streams) = listen().await;
    let disk = disk();
    let mut agent = Agent::start(&disk, &[address]);
    let (stream, _, _) = welcome(&mut streams).await;
    stream.starts(1).await;
    let (_, _handle) = agent.begins().await;
    agent.task.abort();
    drop(within(agent.task).await);
    let mut agent = Agent::start(&disk, &[address]);
    let (mut stream, boot, held) = welcome(&mut streams).await;
    assert_eq!((boot, held), (2, 1));
    let Said::Ended(ended) = stream.hears_more().await else { panic!("no end") };
    assert_eq!(ended.outcome, Some(Outcome::Failed(74)));
    stream.starts(1).await;
    let Said::Ended(_) = stream.hears_more().await else { panic!("no end") };
    assert!(agent.begun.try_recv().is_err());
}
