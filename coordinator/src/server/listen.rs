//! Connections that come in: accepted, and let through only when the other end has proven who it is.
//!
//! Owns the three doors behind one port, which a client chooses between by the protocol that it names (ALPN). The bounds
//! on those who have proven nothing yet are applied here (`handshakes`, `origin`). A connection that fails its handshake
//! costs a task and is dropped; nobody is told why but the log.
//!
//! ```text
//!                          ┌─ h2 ─────────────────► peers, operators …   a certificate that is good now
//!   accept ─ ClientHello ──┼─ strongroom-renew/1 ─► renewal              one that ended lately will do
//!     (1,024, a quarter    └─ strongroom-enrol/1 ─► enrolment            no certificate; 32 at once, a minute each,
//!      from one place)                                                   8 from one place
//! ```
//!
//! Strangers in one place can't keep those of another out. What passes the first door leaves the strangers' bounds. When
//! the machine has no descriptors left, the loop waits a little before it looks again, and says so once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::Acceptor;
use strongroom_platform::clock::Clock;
use strongroom_platform::tls::PeerIdentity;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::handshakes::{Admission, Handshakes};
use super::open::{Guarded, Lasts, OpenConnections};
use super::origin::{Origin, Strangers, StrangersPlace};
use super::pause::pause;

/// The protocol of all who have a certificate that is good.
pub const ALPN: &[u8] = b"h2";
/// The protocol of renewal.
pub const RENEWAL_ALPN: &[u8] = b"strongroom-renew/1";
/// The protocol of enrolment.
pub const ENROLMENT_ALPN: &[u8] = b"strongroom-enrol/1";

/// How long a handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Connections that wait to be served, at each door.
const ACCEPTED_MAX: usize = 64;
/// How long a connection of somebody who has proven nothing may last.
const STRANGER_TIME_MAX: Duration = Duration::from_mins(1);
/// How long to wait at first when there are no descriptors left; twice as long each time, and up to twice as long again
/// by the clock's last digits.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(25);
/// How often that is doubled at most.
const EXHAUSTED_DOUBLED_MAX: u32 = 5;

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
    origin: Origin,
    _place: StrangersPlace,
}

impl Connected for Connection {
    type ConnectInfo = PeerIdentity;

    fn connect_info(&self) -> PeerIdentity {
        self.peer.clone()
    }
}

impl Connected for Stranger {
    type ConnectInfo = Origin;

    fn connect_info(&self) -> Origin {
        self.origin
    }
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
    strangers: Arc<Strangers>,
    main: mpsc::Sender<io::Result<Connection>>,
    renewal: mpsc::Sender<io::Result<Connection>>,
    enrolment: mpsc::Sender<io::Result<Stranger>>,
}

/// Accepts connections for as long as the stream of the main door is read.
pub fn accept(listener: TcpListener, doors: Doors, open: Arc<OpenConnections>) -> Arrivals {
    let (main, main_arrivals) = mpsc::channel(ACCEPTED_MAX);
    let (renewal, renewal_arrivals) = mpsc::channel(ACCEPTED_MAX);
    let (enrolment, enrolment_arrivals) = mpsc::channel(ACCEPTED_MAX);
    let clock = Arc::clone(open.clock());
    let ways = Arc::new(Ways { doors, open, strangers: Arc::default(), main, renewal, enrolment });
    tokio::spawn(keep_accepting(listener, ways, clock));
    Arrivals {
        main: ReceiverStream::new(main_arrivals),
        renewal: ReceiverStream::new(renewal_arrivals),
        enrolment: ReceiverStream::new(enrolment_arrivals),
    }
}

async fn keep_accepting(listener: TcpListener, ways: Arc<Ways>, clock: Arc<dyn Clock>) {
    let mut handshakes: Handshakes<AbortHandle> = Handshakes::new();
    let mut exhaustion = Exhaustion::default();
    loop {
        let (stream, origin) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => (stream, Origin::of(address.ip())),
                Err(error) => {
                    if let Some(length) = exhaustion.after(&error, clock.as_ref()) {
                        pause(length).await;
                    }
                    continue;
                }
            },
            () = ways.main.closed() => return,
        };
        exhaustion.is_over();
        let now = clock.monotonic();
        match handshakes.admit(origin, now, AbortHandle::is_finished) {
            Admission::Free => {}
            Admission::InPlaceOf(oldest) => {
                tracing::info!(?origin, "a handshake gave way to a newer one");
                oldest.abort();
            }
            Admission::Refused => {
                tracing::debug!(?origin, "too many handshakes are under way");
                continue;
            }
        }
        let ways = Arc::clone(&ways);
        let handshake = tokio::spawn(async move { ways.welcome(stream, origin).await });
        handshakes.begin(origin, now, handshake.abort_handle());
    }
}

/// How often in a row there were no descriptors, or no memory for a socket.
#[derive(Default)]
struct Exhaustion {
    number: u32,
}

impl Exhaustion {
    /// How long to wait after an error; not at all where the connection was at fault, which is gone with it.
    fn after(&mut self, error: &io::Error, clock: &dyn Clock) -> Option<Duration> {
        use rustix::io::Errno;
        let number = error.raw_os_error().map(Errno::from_raw_os_error);
        if !matches!(number, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) {
            tracing::info!(%error, "a connection was not accepted");
            return None;
        }
        if self.number == 0 {
            tracing::error!(%error, "no more connections are accepted until others end; raise the limit of open files");
        }
        let length = EXHAUSTED_PAUSE * (1 << self.number.min(EXHAUSTED_DOUBLED_MAX));
        self.number = self.number.saturating_add(1);
        // Members that ran out together don't look again together.
        let spread_ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).max(1);
        Some(length + Duration::from_nanos(clock.monotonic().nanos() % spread_ns))
    }

    /// A connection was accepted.
    fn is_over(&mut self) {
        if self.number > 0 {
            tracing::info!(times = self.number, "connections are accepted again");
        }
        self.number = 0;
    }
}

/// Somebody whose handshake is over.
enum Arrival {
    Main(Connection),
    Renewal(Connection),
    Enrolment(Stranger),
}

impl Ways {
    async fn welcome(&self, stream: TcpStream, origin: Origin) {
        match tokio::time::timeout(HANDSHAKE_TIME_MAX, self.shake(stream, origin)).await {
            Ok(Ok(Arrival::Main(connection))) => drop(self.main.send(Ok(connection)).await),
            Ok(Ok(Arrival::Renewal(connection))) => drop(self.renewal.send(Ok(connection)).await),
            Ok(Ok(Arrival::Enrolment(stranger))) => drop(self.enrolment.send(Ok(stranger)).await),
            Ok(Err(error)) => tracing::info!(%error, "a connection was refused"),
            Err(_) => tracing::info!("a handshake took too long"),
        }
    }

    async fn shake(&self, stream: TcpStream, origin: Origin) -> io::Result<Arrival> {
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
                let place = self.strangers.take(origin);
                let place = place.ok_or_else(|| io::Error::other("too many strangers are here"))?;
                let stream = start.into_stream(Arc::clone(&desk.enrolment)).await?;
                Ok(Arrival::Enrolment(Stranger { stream, is_late: late(), origin, _place: place }))
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

#[cfg(test)]
mod tests {
    use strongroom_core::time::WallTime;
    use strongroom_platform::clock::SimClock;

    use super::*;

    #[test]
    fn a_machine_without_descriptors_is_asked_ever_more_seldom_and_one_bad_connection_at_once() {
        let clock = SimClock::starting_at(WallTime(0));
        let mut exhaustion = Exhaustion::default();
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(exhaustion.after(&aborted, &clock), None);
        let none_left = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        let lengths: Vec<_> = (0..8).filter_map(|_| exhaustion.after(&none_left, &clock)).collect();
        let millis: Vec<_> = lengths.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [25, 50, 100, 200, 400, 800, 800, 800]);
        exhaustion.is_over();
        clock.advance(Duration::from_millis(10));
        assert_eq!(exhaustion.after(&none_left, &clock), Some(Duration::from_millis(35)), "spread by the clock");
    }
}
