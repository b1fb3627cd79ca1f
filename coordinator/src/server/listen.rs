//! Connections that come in: accepted, and let through only when the other end has proven who it is.
//!
//! Owns the three doors behind one port, which a client chooses between by the protocol that it names (ALPN), and the
//! bounds on those who have proven nothing yet. A connection that fails its handshake costs a task and is dropped; nobody
//! is told why but the log.
//!
//! ```text
//!                          ┌─ h2 ─────────────────► peers, operators …   a certificate that is good now
//!   accept ─ ClientHello ──┼─ strongroom-renew/1 ─► renewal              one that ended lately will do
//!     (256, the oldest     └─ strongroom-enrol/1 ─► enrolment            no certificate; 32 at once, a minute each
//!      gives way)
//! ```
//!
//! Strangers can't keep others out: whoever connects takes the place of the handshake that has lasted longest, and an
//! honest one is over in milliseconds. What passes the first door leaves the strangers' bounds.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use strongroom_platform::tls::PeerIdentity;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::open::{Guarded, Lasts, OpenConnections};

/// The protocol of all who have a certificate that is good.
pub const ALPN: &[u8] = b"h2";
/// The protocol of renewal.
pub const RENEWAL_ALPN: &[u8] = b"strongroom-renew/1";
/// The protocol of enrolment.
pub const ENROLMENT_ALPN: &[u8] = b"strongroom-enrol/1";

/// Handshakes that may be under way at once; when there are more, the oldest ends.
const HANDSHAKES_MAX: usize = 256;
/// How long a handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Connections that wait to be served, at each door.
const ACCEPTED_MAX: usize = 64;
/// Connections of those who have proven nothing, at once. They ask two things and go.
const STRANGERS_MAX: usize = 32;
/// How long such a connection may last.
const STRANGER_TIME_MAX: Duration = Duration::from_mins(1);

/// How this process shows itself at each door.
#[derive(Clone)]
pub struct Doors {
    /// To those with a certificate that is good.
    pub main: Arc<ServerConfig>,
    /// To those who come for the next certificate, and to those who come for their first; closed without.
    pub desk: Option<DeskDoors>,
}

/// The doors behind which certificates are given.
#[derive(Clone)]
pub struct DeskDoors {
    /// For those who have one.
    pub renewal: Arc<ServerConfig>,
    /// For those who have a token.
    pub enrolment: Arc<ServerConfig>,
}

/// Those who came, by door.
pub struct Arrivals {
    /// With a certificate that is good.
    pub main: ReceiverStream<io::Result<Connection>>,
    /// With one that is good enough for the next.
    pub renewal: ReceiverStream<io::Result<Connection>>,
    /// With none.
    pub enrolment: ReceiverStream<io::Result<Stranger>>,
}

/// A connection whose other end is known.
pub struct Connection {
    stream: Guarded<TlsStream<TcpStream>>,
    peer: PeerIdentity,
}

/// A connection whose other end has proven nothing.
pub struct Stranger {
    stream: TlsStream<TcpStream>,
    is_late: oneshot::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = PeerIdentity;

    fn connect_info(&self) -> PeerIdentity {
        self.peer.clone()
    }
}

impl Connected for Stranger {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncRead for Stranger {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if Pin::new(&mut self.is_late).poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

macro_rules! writes_through {
    ($name:ident) => {
        impl AsyncWrite for $name {
            fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream).poll_write(cx, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream).poll_flush(cx)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream).poll_shutdown(cx)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
            }

            fn is_write_vectored(&self) -> bool {
                self.stream.is_write_vectored()
            }
        }
    };
}

writes_through!(Connection);
writes_through!(Stranger);

/// Where connections go once they are through.
struct Ways {
    doors: Doors,
    open: Arc<OpenConnections>,
    strangers: Arc<Semaphore>,
    main: mpsc::Sender<io::Result<Connection>>,
    renewal: mpsc::Sender<io::Result<Connection>>,
    enrolment: mpsc::Sender<io::Result<Stranger>>,
}

/// Accepts connections for as long as the stream of the main door is read.
pub fn accept(listener: TcpListener, doors: Doors, open: Arc<OpenConnections>) -> Arrivals {
    let (main, main_arrivals) = mpsc::channel(ACCEPTED_MAX);
    let (renewal, renewal_arrivals) = mpsc::channel(ACCEPTED_MAX);
    let (enrolment, enrolment_arrivals) = mpsc::channel(STRANGERS_MAX);
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let ways = Arc::new(Ways { doors, open, strangers, main, renewal, enrolment });
    tokio::spawn(async move {
        let mut under_way: VecDeque<AbortHandle> = VecDeque::with_capacity(HANDSHAKES_MAX);
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of file descriptors, most likely: the next connection may fare better.
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::task::yield_now().await;
                        continue;
                    }
                },
                () = ways.main.closed() => return,
            };
            under_way.retain(|handshake| !handshake.is_finished());
            if under_way.len() >= HANDSHAKES_MAX
                && let Some(oldest) = under_way.pop_front()
            {
                tracing::info!("a handshake gave way to a newer one");
                oldest.abort();
            }
            let ways = Arc::clone(&ways);
            under_way.push_back(tokio::spawn(async move { ways.welcome(stream).await }).abort_handle());
        }
    });
    Arrivals {
        main: ReceiverStream::new(main_arrivals),
        renewal: ReceiverStream::new(renewal_arrivals),
        enrolment: ReceiverStream::new(enrolment_arrivals),
    }
}

/// Somebody whose handshake is over.
enum Arrival {
    Main(Connection),
    Renewal(Connection),
    Enrolment(Stranger),
}

impl Ways {
    async fn welcome(&self, stream: TcpStream) {
        match tokio::time::timeout(HANDSHAKE_TIME_MAX, self.shake(stream)).await {
            Ok(Ok(Arrival::Main(connection))) => drop(self.main.send(Ok(connection)).await),
            Ok(Ok(Arrival::Renewal(connection))) => drop(self.renewal.send(Ok(connection)).await),
            Ok(Ok(Arrival::Enrolment(stranger))) => drop(self.enrolment.send(Ok(stranger)).await),
            Ok(Err(error)) => tracing::info!(%error, "a connection was refused"),
            Err(_) => tracing::info!("a handshake took too long"),
        }
    }

    async fn shake(&self, stream: TcpStream) -> io::Result<Arrival> {
        stream.set_nodelay(true)?;
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        let offered: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
        let names = |protocol: &[u8]| offered.contains(&protocol);
        match &self.doors.desk {
            Some(desk) if names(RENEWAL_ALPN) => {
                let (stream, peer) = known(start.into_stream(Arc::clone(&desk.renewal)).await?)?;
                let stream = self.open.watch(stream, peer.clone(), Lasts::InGrace);
                Ok(Arrival::Renewal(Connection { stream, peer }))
            }
            Some(desk) if names(ENROLMENT_ALPN) => {
                let permit = Arc::clone(&self.strangers).try_acquire_owned();
                let permit = permit.map_err(|_| io::Error::other("too many strangers are here"))?;
                let stream = start.into_stream(Arc::clone(&desk.enrolment)).await?;
                Ok(Arrival::Enrolment(Stranger { stream, is_late: late(), _permit: permit }))
            }
            _ if names(ALPN) => {
                let (stream, peer) = known(start.into_stream(Arc::clone(&self.doors.main)).await?)?;
                let stream = self.open.watch(stream, peer.clone(), Lasts::WhileCertified);
                Ok(Arrival::Main(Connection { stream, peer }))
            }
            _ => Err(io::Error::other("the client speaks no protocol of ours")),
        }
    }
}

/// Who is at the other end of a stream whose handshake a verifier has passed.
fn known(stream: TlsStream<TcpStream>) -> io::Result<(TlsStream<TcpStream>, PeerIdentity)> {
    let (_, session) = stream.get_ref();
    let peer = PeerIdentity::of_connection(session.peer_certificates().unwrap_or_default());
    peer.map(|peer| (stream, peer)).map_err(io::Error::other)
}

/// Resolves when a stranger has been here for long enough.
fn late() -> oneshot::Receiver<()> {
    let (mut at_the_end, is_late) = oneshot::channel();
    tokio::spawn(async move { drop(tokio::time::timeout(STRANGER_TIME_MAX, at_the_end.closed()).await) });
    is_late
}
