//! Connections that are open, each with the name that its other end has proven.
//!
//! Owns their end: a handshake consults the deny-list and the clock once, and a connection may last for days. So all of
//! them are looked at again and again ([`OpenConnections::sweep`]), and those whose peer was denied since, or whose
//! certificate is over, are closed. Whoever was cut off connects anew with what it has by then.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use strongroom_platform::clock::Clock;
use strongroom_platform::tls::{DenyWatch, PeerIdentity};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// How often all connections are looked at. With the second in which a member follows the deny-list of its state, a
/// revocation reaches connections that are open within a few seconds of being agreed on; 60 s are promised.
pub const SWEEP: Duration = Duration::from_secs(1);

/// The connections of one process.
pub struct OpenConnections {
    clock: Arc<dyn Clock>,
    denied: Arc<DenyWatch>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: BTreeMap<u64, Entry>,
}

/// A connection, as long as it may stay. When this goes, the connection ends.
struct Entry {
    peer: PeerIdentity,
    lasts: Lasts,
    _close: oneshot::Sender<()>,
}

/// Until when a connection may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until its peer's certificate ends.
    WhileCertified,
    /// Past that: its peer is here for its next certificate.
    InGrace,
}

impl OpenConnections {
    /// No connections yet.
    pub fn new(clock: Arc<dyn Clock>, denied: Arc<DenyWatch>) -> Self {
        Self { clock, denied, open: Mutex::default() }
    }

    /// The deny-list that connections are held against.
    pub const fn denied(&self) -> &Arc<DenyWatch> {
        &self.denied
    }

    /// The clock that connections are held against.
    pub const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Watches over a connection from here on.
    pub fn watch<S>(self: &Arc<Self>, stream: S, peer: PeerIdentity, lasts: Lasts) -> Guarded<S> {
        let (close, closed) = oneshot::channel();
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, Entry { peer, lasts, _close: close });
        drop(open);
        Guarded { stream, closed, is_closed: false, place: Place { all: Arc::clone(self), number } }
    }

    /// Closes the connections of those who were denied, and those that outlived their peer's certificate. Gives their
    /// number.
    pub fn sweep(&self) -> usize {
        let (list, now) = (self.denied.current(), self.clock.wall());
        let may_stay = |entry: &Entry| {
            let is_over = entry.lasts == Lasts::WhileCertified && entry.peer.validity.since_end(now).is_some();
            !is_over && !entry.peer.is_denied(&list)
        };
        let mut open = self.lock();
        let before = open.connections.len();
        open.connections.retain(|_, entry| may_stay(entry));
        before - open.connections.len()
    }

    /// How many connections are open.
    pub fn count(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that can be closed from outside.
pub struct Guarded<S> {
    stream: S,
    closed: oneshot::Receiver<()>,
    is_closed: bool,
    place: Place,
}

/// Where a connection stands among all; given up with it.
struct Place {
    all: Arc<OpenConnections>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.lock().connections.remove(&self.number);
    }
}

impl<S> Guarded<S> {
    /// Fails once the connection is closed, and wakes the task then.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_closed = self.is_closed || Pin::new(&mut self.closed).poll(cx).is_ready();
        if self.is_closed {
            tracing::info!(connection = self.place.number, "a connection was closed: its peer may not stay");
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
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
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
