//! The operators' service of a member that is alone, within its own process.
//!
//! ```text
//!   LocalDoor ─ connect ─► pipe in memory ─► OperatorService ─► engine: the member's thread
//! ```
//!
//! Owns the pipes, and who speaks through them: always the one caller that was named at the start, decided upon by the
//! same policy as anybody who comes over a network. Nothing listens, and no other process gets in. The service is over
//! when it is stopped; the folder may be opened again after that.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use strongroom_platform::clock::Clock;
use strongroom_platform::disk::Disk;
use strongroom_platform::tls::{PeerIdentity, SpiffeId};
use strongroom_proto::client::{Dial, DialFailed};
use strongroom_proto::operators::v1::operators_server::OperatorsServer;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Server};

use super::view::LocalView;
use super::{LocalError, LocalMember};
use crate::member::MemberError;
use crate::server::api::OperatorService;
use crate::server::dial::dial_through;
use crate::server::engine::Engine;
use crate::server::peers::Links;

/// The one address that there is.
pub const LOCAL_ADDRESS: &str = "local:0";
/// Bytes that may wait in a pipe, each way: some messages of a listing.
const PIPE_BYTES: usize = 64 * 1024;
/// Pipes that may wait to be served: there is one caller.
const PIPES_MAX: usize = 4;
/// The length of a tick: time is accrued, and nobody is waited for.
const TICK: Duration = Duration::from_millis(50);

/// A member that is alone and serves its own process.
pub struct LocalService {
    engine: Engine,
    thread: JoinHandle<Result<(), MemberError>>,
    door: LocalDoor,
}

/// The way to the service.
#[derive(Clone)]
pub struct LocalDoor {
    caller: PeerIdentity,
    pipes: mpsc::Sender<io::Result<Pipe>>,
}

/// The service's end of a pipe.
struct Pipe {
    stream: DuplexStream,
    caller: PeerIdentity,
}

impl LocalService {
    /// Serves a member that may change, to one caller. What the audit log has so far is signed first.
    pub async fn start(
        mut member: LocalMember,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        caller: SpiffeId,
    ) -> Result<Self, LocalError> {
        let signer = member.signer.take();
        let service = Self::serve(member, disk, clock, caller)?;
        // Not being able to sign keeps nobody from asking for other things.
        if let Some(signer) = signer
            && let Err(error) = signer.sign(&service.engine).await
        {
            tracing::warn!(%error, "the audit log was not signed");
        }
        Ok(service)
    }

    /// Serves what a view shows, to one caller. Whatever is changed is forgotten, so nothing must be asked to change.
    pub fn show(
        view: LocalView,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        caller: SpiffeId,
    ) -> Result<Self, LocalError> {
        Self::serve(view.into_member(), disk, clock, caller)
    }

    fn serve(
        member: LocalMember,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        caller: SpiffeId,
    ) -> Result<Self, LocalError> {
        let member = member.member;
        let me = member.identity().member;
        let links = Links::new(me, nobody_to_dial()?, disk, tokio::runtime::Handle::current());
        let (engine, thread) = Engine::start(member, Arc::new(links), clock, TICK);
        let (pipes, waiting) = mpsc::channel(PIPES_MAX);
        let operators = OperatorsServer::new(OperatorService::alone(engine.clone()));
        tokio::spawn(Server::builder().add_service(operators).serve_with_incoming(ReceiverStream::new(waiting)));
        let door = LocalDoor { caller: PeerIdentity::of_this_process(caller), pipes };
        Ok(Self { engine, thread, door })
    }

    /// The way to it.
    pub fn door(&self) -> LocalDoor {
        self.door.clone()
    }

    /// Ends the service. The folder is free when this returns.
    pub async fn stop(self) {
        self.engine.stop().await;
        // The thread has taken its last order: what is left to do is a job of the worker's, at most.
        match self.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the member ended with an error"),
            Err(_) => tracing::warn!("the member's thread panicked"),
        }
    }
}

impl Dial for LocalDoor {
    async fn dial(&self, address: &str) -> Result<Channel, DialFailed> {
        let door = self.clone();
        let connect = move |_: String| {
            let door = door.clone();
            async move { door.pipe().await.map(TokioIo::new) }
        };
        dial_through(address, connect).await.map_err(|error| DialFailed(error.into()))
    }

    async fn dial_member(&self, address: &str, _: &str) -> Result<Channel, DialFailed> {
        // There is no other member at the end of a pipe.
        self.dial(address).await
    }
}

impl LocalDoor {
    /// A new pipe; the client's end.
    async fn pipe(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(PIPE_BYTES);
        let pipe = Pipe { stream: theirs, caller: self.caller.clone() };
        self.pipes.send(Ok(pipe)).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }
}

/// Trusts nobody: a member that is alone never connects to another one.
fn nobody_to_dial() -> Result<Arc<ClientConfig>, LocalError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(LocalError::Tls)?;
    Ok(Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

impl Connected for Pipe {
    type ConnectInfo = PeerIdentity;

    fn connect_info(&self) -> PeerIdentity {
        self.caller.clone()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
