//! The stream under a connection: TCP or a Unix socket, with a tap on the last bytes read.
//!
//! The client library does not hand on the completion tag of `COPY … TO STDOUT`, which states how many rows the server
//! sent. The tag is among the last bytes of the answer, so the stream remembers the tail of what it read.

use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// How much of the tail is kept: `CommandComplete` and `ReadyForQuery` take 40 bytes at most.
const TAIL_BYTES: usize = 64;

/// The last bytes that came from the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.len() >= TAIL_BYTES {
            tail.clear();
        }
        let start = bytes.len().saturating_sub(TAIL_BYTES);
        tail.extend_from_slice(bytes.get(start..).unwrap_or_default());
        let excess = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..excess);
    }

    /// The row count of the `COPY` whose end was the last thing read, if it was.
    pub(crate) fn copied_rows(&self) -> Option<u64> {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = tail.as_slice();
        // The library closes the statement in the same breath, so its answer may follow the tag's.
        while let Some(before) = rest.len().checked_sub(6).and_then(|at| without(rest, at, b"Z\0\0\0\x05")) {
            rest = before.strip_suffix(b"3\0\0\0\x04").unwrap_or(before);
        }
        let rest = rest.strip_suffix(b"\0").filter(|rest| rest.len() + 1 < tail.len())?;
        let digits = rest.len() - rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (head, count) = rest.split_at_checked(digits)?;
        head.ends_with(b"COPY ").then(|| std::str::from_utf8(count).ok()?.parse().ok())?
    }
}

/// What stands before `at`, if a message with this head begins there.
fn without<'a>(bytes: &'a [u8], at: usize, head: &[u8]) -> Option<&'a [u8]> {
    let (before, message) = bytes.split_at_checked(at)?;
    message.starts_with(head).then_some(before)
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// The folder of the Unix socket, and port.
    Unix(std::path::PathBuf, u16),
}

enum Inner {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connected stream.
pub(crate) struct Socket {
    inner: Inner,
    tail: Tail,
}

impl Socket {
    /// Connects; must run inside a runtime.
    pub(crate) async fn connect(address: &Address, tail: Tail) -> io::Result<Self> {
        let inner = match address {
            Address::Tcp(host, port) => Inner::Tcp(connect_tcp(host, *port).await?),
            Address::Unix(folder, port) => {
                Inner::Unix(UnixStream::connect(Path::new(folder).join(format!(".s.PGSQL.{port}"))).await?)
            }
        };
        Ok(Self { inner, tail })
    }
}

async fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let done = match &mut this.inner {
            Inner::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if let Poll::Ready(Ok(())) = &done {
            this.tail.push(buf.filled().get(before..).unwrap_or_default());
        }
        done
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().inner {
            Inner::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Inner::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;

    fn tail(pieces: &[&[u8]]) -> Option<u64> {
        let tail = Tail::default();
        for piece in pieces {
            tail.push(piece);
        }
        tail.copied_rows()
    }

    #[test]
    fn the_row_count_is_found_however_the_answer_was_cut() {
        let end: &[u8] = b"c\0\0\0\x04C\0\0\0\x0dCOPY 1200\0Z\0\0\0\x05T";
        assert_eq!(tail(&[end]), Some(1200));
        assert_eq!(tail(&[&[b'x'; 200], end]), Some(1200));
        assert_eq!(tail(&[end, b"3\0\0\0\x04Z\0\0\0\x05T"]), Some(1200));
        for cut in 0..end.len() {
            assert_eq!(tail(&[&[b'1'; 70], &end[..cut], &end[cut..]]), Some(1200), "{cut}");
        }
    }

    #[test]
    fn anything_else_at_the_end_is_no_count() {
        assert_eq!(tail(&[b""]), None);
        assert_eq!(tail(&[b"C\0\0\0\x0dSELECT 12\0Z\0\0\0\x05T"]), None);
        assert_eq!(tail(&[b"C\0\0\0\x0dCOPY 12\0"]), None);
        assert_eq!(tail(&[b"C\0\0\0\x0dCOPY \0Z\0\0\0\x05T"]), None);
    }
}
