//! One connection to the server, driven by the thread that uses it.
//!
//! The client library is asynchronous; agents read with plain threads, one a lane. A session owns a runtime of its own
//! and polls connection and request in turn on the calling thread: nothing is handed between threads, and no row waits
//! in a queue. A session that broke stays broken and says so.
//!
//! ```text
//!   thread of a lane ──► request.poll ──pending──► connection.poll ──► socket
//!                             ▲                         │ batch of messages
//!                             └─────────────────────────┘
//! ```

use std::future::{Future, poll_fn};
use std::io::Cursor;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use strongroom_core::error::Code;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Connection, Error, NoTls, Row};

use crate::source::SourceError;

use super::endpoint::Endpoint;
use super::failure::{Side, failed};
use super::socket::{Address, Socket, Tail};

/// How long a session that ends waits for its goodbye to be taken.
const GOODBYE_WAIT: Duration = Duration::from_secs(2);

/// Bytes of `COPY … FROM STDIN` that are sent as one message.
const COPY_IN_BYTES: usize = 256 * 1024;

/// Settings under which text is the same on every server and for every login. `search_path` is empty so that every name
/// in values (`regclass` and its kin) is qualified.
const PINS: &str = "SET search_path TO '';\
    SET TimeZone TO 'UTC'; SET DateStyle TO 'ISO, YMD'; SET IntervalStyle TO 'iso_8601'; SET extra_float_digits TO 1;\
    SET bytea_output TO 'hex'; SET lc_monetary TO 'C'; SET xmlbinary TO 'base64'; SET xmloption TO 'content';\
    SET quote_all_identifiers TO off; SET array_nulls TO on; SET standard_conforming_strings TO on;\
    SET row_security TO off; SET statement_timeout TO 0; SET idle_in_transaction_session_timeout TO 0;\
    SET synchronize_seqscans TO off; SET max_parallel_workers_per_gather TO 0; SET jit TO off;\
    SET client_min_messages TO warning";

type Link = Connection<Socket, NoTlsStream>;

struct Driver {
    runtime: Runtime,
    link: Option<Link>,
}

/// A connection.
pub(crate) struct Session {
    driver: Driver,
    client: Option<Client>,
    tail: Tail,
    address: Address,
    side: Side,
    subject: String,
    pid: i32,
    version: i32,
    is_ascii: bool,
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
    /// Runs a request to its end on this thread.
    fn drive<T>(&mut self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
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

impl Session {
    /// Connects and pins the settings.
    pub(crate) fn open(endpoint: &Endpoint, side: Side) -> Result<Self, SourceError> {
        Self::try_open(endpoint, side).map_err(|refusal| refusal.error)
    }

    /// As [`Session::open`], for callers that look at the SQLSTATE.
    pub(crate) fn try_open(endpoint: &Endpoint, side: Side) -> Result<Self, Refusal> {
        let subject = endpoint.to_string();
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| unreachable(&subject, "no runtime could be made", Some(error)))?;
        let tail = Tail::default();
        let (client, link, address) = connect(&runtime, endpoint, &tail, &subject)?;
        let version = link.parameter("server_version").map_or(0, major_version);
        let ascii = link.parameter("server_encoding") == Some("SQL_ASCII");
        let driver = Driver { runtime, link: Some(link) };
        let mut session = Self { driver, client: Some(client), tail, address, side, subject, pid: 0, version, is_ascii: ascii };
        session.try_batch(PINS)?;
        if ascii {
            session.try_batch("SET client_encoding TO 'SQL_ASCII'")?;
        }
        let row = session.one("SELECT pg_backend_pid()", &[])?;
        session.pid = session.cell(&row, 0)?;
        Ok(session)
    }

    /// The server's process that serves this session.
    pub(crate) const fn pid(&self) -> i32 {
        self.pid
    }

    /// The server's major version.
    pub(crate) const fn version(&self) -> i32 {
        self.version
    }

    /// Where the session is connected.
    pub(crate) const fn address(&self) -> &Address {
        &self.address
    }

    /// Whether the database holds bytes in no known encoding, which are passed on as they are.
    pub(crate) const fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// Whether the connection has broken.
    pub(crate) const fn is_broken(&self) -> bool {
        self.driver.link.is_none() || self.client.is_none()
    }

    /// Runs statements without parameters, parted by semicolons.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), SourceError> {
        self.try_batch(sql).map_err(|refusal| refusal.error)
    }

    /// As [`Session::batch`], for callers that look at the SQLSTATE.
    pub(crate) fn try_batch(&mut self, sql: &str) -> Result<(), Refusal> {
        let Some(client) = &self.client else { return Err(Refusal { state: None, error: self.lost() }) };
        let answer = self.driver.drive(client.batch_execute(sql));
        answer.map_err(|error| Refusal { state: error.code().cloned(), error: self.fail(error) })
    }

    /// Runs a query. Parameters carry their types, so that one round trip is enough.
    pub(crate) fn rows(&mut self, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, SourceError> {
        let Some(client) = &self.client else { return Err(self.lost()) };
        let answer = self.driver.drive(client.query_typed(sql, parameters));
        answer.map_err(|error| self.fail(error))
    }

    /// Runs a query that gives one row.
    pub(crate) fn one(&mut self, sql: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row, SourceError> {
        self.rows(sql, parameters)?
            .pop()
            .ok_or_else(|| SourceError::engine(Code::SourceFailed, self.subject.clone(), "a query gave no row"))
    }

    /// One value of a row.
    pub(crate) fn cell<'a, T: tokio_postgres::types::FromSql<'a>>(&self, row: &'a Row, at: usize) -> Result<T, SourceError> {
        row.try_get(at).map_err(|error| failed(self.side, &self.subject, error))
    }

    /// Runs `COPY … TO STDOUT` and hands on its bytes as they come. Returns the number of rows that the server says it
    /// sent. After an error of the consumer the session is broken, since the rest of the answer is not waited for.
    pub(crate) fn copy_out(
        &mut self,
        sql: &str,
        consume: &mut dyn FnMut(&[u8]) -> Result<(), SourceError>,
    ) -> Result<Option<u64>, SourceError> {
        let Some(client) = &self.client else { return Err(self.lost()) };
        let mut refused = None;
        let answer = self.driver.drive(async {
            let mut stream = pin!(client.copy_out(sql).await?);
            while let Some(message) = stream.next().await {
                if let Err(error) = consume(&message?) {
                    refused = Some(error);
                    return Ok(());
                }
            }
            // The completion tag and the readiness follow; the library calls them unexpected, but for errors.
            for _ in 0..2 {
                if let Some(Err(error)) = stream.next().await
                    && (error.is_closed() || error.as_db_error().is_some())
                {
                    return Err(error);
                }
            }
            Ok(())
        });
        if let Some(error) = refused {
            self.client = None;
            self.driver.link = None;
            return Err(error);
        }
        answer.map_err(|error| self.fail(error))?;
        Ok(self.tail.copied_rows())
    }

    /// Runs `COPY … FROM STDIN`, asking `produce` for bytes until it adds none. Returns the number of rows taken.
    pub(crate) fn copy_in(
        &mut self,
        sql: &str,
        produce: &mut dyn FnMut(&mut dyn FnMut(&[u8]) -> Result<(), SourceError>) -> Result<(), SourceError>,
    ) -> Result<u64, SourceError> {
        let Some(client) = &self.client else { return Err(self.lost()) };
        let opened = self.driver.drive(client.copy_in::<_, Cursor<Vec<u8>>>(sql));
        let mut sink = Box::pin(opened.map_err(|error| failed(self.side, &self.subject, error))?);
        let mut buffer = Vec::with_capacity(COPY_IN_BYTES * 2);
        let mut broken = None;
        let driver = &mut self.driver;
        let produced = produce(&mut |bytes| {
            buffer.extend_from_slice(bytes);
            if buffer.len() < COPY_IN_BYTES {
                return Ok(());
            }
            let full = std::mem::replace(&mut buffer, Vec::with_capacity(COPY_IN_BYTES * 2));
            driver.drive(sink.send(Cursor::new(full))).map_err(|error| {
                broken = Some(error);
                SourceError::Stopped
            })
        });
        if let Err(error) = produced {
            // A sink that is dropped makes the server fail the COPY.
            return Err(broken.map_or(error, |broken| failed(self.side, &self.subject, broken)));
        }
        let done = self.driver.drive(async {
            if !buffer.is_empty() {
                sink.send(Cursor::new(buffer)).await?;
            }
            sink.as_mut().finish().await
        });
        done.map_err(|error| failed(self.side, &self.subject, error))
    }

    /// Ends the session politely.
    pub(crate) fn close(&mut self) {
        self.client = None;
        let Driver { runtime, link } = &mut self.driver;
        if let Some(link) = link.take() {
            let _ = runtime.block_on(async { tokio::time::timeout(GOODBYE_WAIT, link).await });
        }
    }

    /// A failure of this session as the caller's error.
    pub(crate) fn fail(&self, error: Error) -> SourceError {
        failed(self.side, &self.subject, error)
    }

    fn lost(&self) -> SourceError {
        SourceError::engine(Code::SourceLost, self.subject.clone(), "the connection to the server is gone")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

fn connect(runtime: &Runtime, endpoint: &Endpoint, tail: &Tail, subject: &str) -> Result<(Client, Link, Address), Refusal> {
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
