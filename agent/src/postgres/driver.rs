//! The driving of one connection by the thread that uses it.
//!
//! The client library is asynchronous; agents read with plain threads. A driver owns a runtime of its own and polls
//! connection and request in turn on the calling thread: nothing is handed between threads, and no row waits in a queue.
//!
//! ```text
//!   thread of a lane ──► request.poll ──pending──► connection.poll ──► socket
//!                             ▲                         │ batch of messages
//!                             └─────────────────────────┘
//! ```

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use strongroom_core::error::Code;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Connection, Error, NoTls};

use crate::source::SourceError;

use super::endpoint::Endpoint;
use super::failure::{Side, failed};
use super::socket::{Address, Socket, Tail};

/// How long a connection that ends waits for its goodbye to be taken.
const GOODBYE_WAIT: Duration = Duration::from_secs(2);

type Link = Connection<Socket, NoTlsStream>;

/// A connection and the runtime that polls it.
pub(crate) struct Driver {
    runtime: Runtime,
    link: Option<Link>,
}

/// What is known of a connection once it stands.
pub(crate) struct Connected {
    /// The driver.
    pub(crate) driver: Driver,
    /// The client library's end.
    pub(crate) client: Client,
    /// Where it is connected.
    pub(crate) address: Address,
    /// The last bytes that came.
    pub(crate) tail: Tail,
    /// The server's major version.
    pub(crate) version: i32,
    /// Whether the database holds bytes in no known encoding.
    pub(crate) is_ascii: bool,
}

/// A statement that failed, with the SQLSTATE where the server gave one.
pub(crate) struct Refusal {
    /// The SQLSTATE.
    pub(crate) state: Option<SqlState>,
    /// The failure as the caller's error.
    pub(crate) error: SourceError,
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        Self { state: None, error }
    }
}

impl Driver {
    /// Connects to the first address that answers.
    pub(crate) fn connect(endpoint: &Endpoint) -> Result<Connected, Refusal> {
        let subject = endpoint.to_string();
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| unreachable(&subject, "no runtime could be made", Some(error)))?;
        let tail = Tail::default();
        let (client, link, address) = connect(&runtime, endpoint, &tail, &subject)?;
        let version = link.parameter("server_version").map_or(0, major_version);
        let is_ascii = link.parameter("server_encoding") == Some("SQL_ASCII");
        let driver = Self { runtime, link: Some(link) };
        Ok(Connected { driver, client, address, tail, version, is_ascii })
    }

    /// Whether the connection stands.
    pub(crate) const fn is_open(&self) -> bool {
        self.link.is_some()
    }

    /// Drops the connection without a goodbye: what still comes is not waited for.
    pub(crate) fn cut(&mut self) {
        self.link = None;
    }

    /// Says goodbye. The client must have been dropped before.
    pub(crate) fn close(&mut self) {
        if let Some(link) = self.link.take() {
            let _ = self.runtime.block_on(async { tokio::time::timeout(GOODBYE_WAIT, link).await });
        }
    }

    /// Runs a request to its end on this thread.
    pub(crate) fn drive<T>(&mut self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Self { runtime, link } = self;
        let mut request = pin!(request);
        let mut broken = None;
        let done = runtime.block_on(poll_fn(|cx| {
            if let Poll::Ready(done) = request.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            while let Some(open) = link.as_mut() {
                match open.poll_message(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(error))) => {
                        broken = Some(error);
                        *link = None;
                    }
                    Poll::Ready(None) => *link = None,
                    Poll::Pending => break,
                }
            }
            request.as_mut().poll(cx)
        }));
        match (done, broken) {
            (Err(error), Some(cause)) if error.is_closed() => Err(cause),
            (done, _) => done,
        }
    }
}

fn connect(
    runtime: &Runtime,
    endpoint: &Endpoint,
    tail: &Tail,
    subject: &str,
) -> Result<(Client, Link, Address), Refusal> {
    let mut last = None;
    for address in endpoint.addresses() {
        let attempt = async {
            let socket = Socket::connect(address, tail.clone()).await.map_err(Attempt::Io)?;
            endpoint.config().connect_raw(socket, NoTls).await.map_err(Attempt::Server)
        };
        match runtime.block_on(async { tokio::time::timeout(endpoint.connect_wait(), attempt).await }) {
            Ok(Ok((client, link))) => return Ok((client, link, address.clone())),
            Ok(Err(Attempt::Server(error))) => {
                let state = error.code().cloned();
                last = Some(Refusal { state, error: failed(Side::Connect, subject, error) });
            }
            Ok(Err(Attempt::Io(error))) => {
                last = Some(unreachable(subject, "the server can't be reached", Some(error)).into());
            }
            Err(_) => last = Some(unreachable(subject, "the server did not answer in time", None).into()),
        }
    }
    Err(last.unwrap_or_else(|| unreachable(subject, "no address is given", None).into()))
}

enum Attempt {
    Io(std::io::Error),
    Server(Error),
}

fn unreachable(subject: &str, message: &str, error: Option<std::io::Error>) -> SourceError {
    SourceError::Engine {
        code: Code::SourceUnreachable,
        subject: subject.into(),
        message: message.into(),
        source: error.map(|error| Box::new(error) as Box<dyn std::error::Error + Send + Sync>),
    }
}

/// The major version in `15.18 (Debian …)` or `17beta1`.
fn major_version(text: &str) -> i32 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_major_version_stands_first() {
        for (text, major) in [("15.18 (Debian 15.18-0)", 15), ("17beta1", 17), ("", 0)] {
            assert_eq!(super::major_version(text), major);
        }
    }
}
