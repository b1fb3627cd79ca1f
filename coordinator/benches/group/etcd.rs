//! Three members of etcd, and clients that speak its protocol.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use strongroom_platform::clock::{Clock, SystemClock};
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::load::Client;

/// Connections that clients share, on both sides.
pub(crate) const CONNECTIONS: usize = 16;

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

/// What we need of an answer is that it is one.
#[derive(Clone, PartialEq, prost::Message)]
struct Anything {}

/// A running group.
pub(crate) struct Etcd {
    children: Vec<Child>,
    channels: Vec<Channel>,
    _folder: TempDir,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Whether there is an etcd on this machine.
pub(crate) fn is_installed() -> bool {
    Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Starts three members, and waits until they answer.
pub(crate) async fn start() -> Etcd {
    let folder = TempDir::new().expect("a folder");
    let ports: Vec<(u16, u16)> = (0..3).map(|_| (free_port(), free_port())).collect();
    let all: Vec<String> =
        ports.iter().enumerate().map(|(number, (_, peer))| format!("m{number}=http://127.0.0.1:{peer}")).collect();
    let children = ports.iter().enumerate().map(|(number, (client, peer))| {
        Command::new("etcd")
            .args(["--name", &format!("m{number}"), "--data-dir"])
            .arg(folder.path().join(format!("m{number}")))
            .args(["--listen-client-urls", &format!("http://127.0.0.1:{client}")])
            .args(["--advertise-client-urls", &format!("http://127.0.0.1:{client}")])
            .args(["--listen-peer-urls", &format!("http://127.0.0.1:{peer}")])
            .args(["--initial-advertise-peer-urls", &format!("http://127.0.0.1:{peer}")])
            .args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new", "--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts; install etcd-server")
    });
    let children = children.collect();
    let deadline = SystemClock.monotonic().plus(Duration::from_secs(30));
    let mut channels = Vec::new();
    // The leader answers fastest, and clients of ours ask the leader too.
    let leader = leader(&ports, deadline).await;
    for _ in 0..CONNECTIONS {
        channels.push(connect(leader).await.expect("etcd answers"));
    }
    Etcd { children, channels, _folder: folder }
}

async fn leader(ports: &[(u16, u16)], deadline: strongroom_platform::clock::MonotonicTime) -> u16 {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Header {
        #[prost(uint64, tag = "2")]
        member: u64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct StatusReply {
        #[prost(message, optional, tag = "1")]
        header: Option<Header>,
        #[prost(uint64, tag = "4")]
        leader: u64,
    }
    loop {
        assert!(SystemClock.monotonic() < deadline, "etcd has no leader");
        for (port, _) in ports {
            let Some(channel) = connect(*port).await else { continue };
            let reply: Option<StatusReply> = call(&channel, "/etcdserverpb.Maintenance/Status", Anything {}).await;
            let Some(reply) = reply else { continue };
            if reply.leader != 0 && reply.header.as_ref().map(|header| header.member) == Some(reply.leader) {
                return *port;
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn connect(port: u16) -> Option<Channel> {
    Endpoint::from_shared(format!("http://127.0.0.1:{port}")).ok()?.tcp_nodelay(true).connect().await.ok()
}

async fn call<A, B>(channel: &Channel, path: &'static str, message: A) -> Option<B>
where
    A: prost::Message + 'static,
    B: prost::Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.ok()?;
    let codec: ProstCodec<A, B> = ProstCodec::default();
    let reply = grpc.unary(tonic::Request::new(message), PathAndQuery::from_static(path), codec).await;
    reply.ok().map(tonic::Response::into_inner)
}

/// A client that writes or reads.
pub(crate) fn client(etcd: &Etcd, number: usize, kind: &str) -> Client {
    let channel = etcd.channels[number % etcd.channels.len()].clone();
    let is_write = kind == "write";
    let mut counter = 0_u64;
    Box::new(move || {
        counter += 1;
        let (channel, key) = (channel.clone(), format!("place-{number}").into_bytes());
        let value = format!("{counter:032}").into_bytes();
        Box::pin(async move {
            let answered: Option<Anything> = if is_write {
                call(&channel, "/etcdserverpb.KV/Put", PutRequest { key, value }).await
            } else {
                call(&channel, "/etcdserverpb.KV/Range", RangeRequest { key }).await
            };
            assert!(answered.is_some(), "etcd refused");
        })
    })
}

/// A port that nobody listens on at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
