//! One connection to the server: statements, queries and `COPY` in both directions.
//!
//! Every session runs under pinned settings, so that text means the same whichever server, login or database it comes
//! from. A session that broke stays broken and says so.

use std::io::Cursor;
use std::pin::{Pin, pin};

use futures_util::{SinkExt, StreamExt};
use strongroom_core::error::Code;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, CopyInSink, Error, Row};

use crate::source::SourceError;

use super::driver::{Connected, Driver, Refusal};
use super::endpoint::Endpoint;
use super::failure::{Side, failed};
use super::socket::{Address, Tail};

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

impl Session {
    /// Connects and pins the settings.
    pub(crate) fn open(endpoint: &Endpoint, side: Side) -> Result<Self, SourceError> {
        Self::try_open(endpoint, side).map_err(|refusal| refusal.error)
    }

    /// As [`Session::open`], for callers that look at the SQLSTATE.
    pub(crate) fn try_open(endpoint: &Endpoint, side: Side) -> Result<Self, Refusal> {
        let Connected { driver, client, address, tail, version, is_ascii } = Driver::connect(endpoint)?;
        let subject = endpoint.to_string();
        let mut session =
            Self { driver, client: Some(client), tail, address, side, subject, pid: 0, version, is_ascii };
        session.try_batch(PINS)?;
        if is_ascii {
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
        !self.driver.is_open() || self.client.is_none()
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
    pub(crate) fn rows(
        &mut self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, SourceError> {
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
    pub(crate) fn cell<'a, T: tokio_postgres::types::FromSql<'a>>(
        &self,
        row: &'a Row,
        at: usize,
    ) -> Result<T, SourceError> {
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
            self.driver.cut();
            return Err(error);
        }
        answer.map_err(|error| self.fail(error))?;
        Ok(self.tail.copied_rows())
    }

    /// Begins `COPY … FROM STDIN`.
    pub(crate) fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, SourceError> {
        let Some(client) = &self.client else { return Err(self.lost()) };
        let opened = self.driver.drive(client.copy_in::<_, Cursor<Vec<u8>>>(sql));
        let sink = Box::pin(opened.map_err(|error| self.fail(error))?);
        Ok(CopyIn { session: self, sink, buffer: Vec::with_capacity(COPY_IN_BYTES * 2) })
    }

    /// Ends the session politely.
    pub(crate) fn close(&mut self) {
        self.client = None;
        self.driver.close();
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

/// A `COPY … FROM STDIN` under way. Dropping it makes the server fail the `COPY`.
pub(crate) struct CopyIn<'s> {
    session: &'s mut Session,
    sink: Pin<Box<CopyInSink<Cursor<Vec<u8>>>>>,
    buffer: Vec<u8>,
}

impl<'s> CopyIn<'s> {
    /// Where the next bytes are put; [`CopyIn::passed`] then sends them when there are enough.
    pub(crate) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Sends what was put into the buffer, if it is enough for a message.
    #[inline]
    pub(crate) fn passed(&mut self) -> Result<(), SourceError> {
        if self.buffer.len() < COPY_IN_BYTES { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> Result<(), SourceError> {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(COPY_IN_BYTES * 2));
        let sent = self.session.driver.drive(self.sink.send(Cursor::new(full)));
        sent.map_err(|error| self.session.fail(error))
    }

    /// Ends the `COPY` and returns the session and the number of rows that the server took.
    pub(crate) fn finish(mut self) -> Result<(&'s mut Session, u64), SourceError> {
        if !self.buffer.is_empty() {
            self.send()?;
        }
        let Self { session, mut sink, .. } = self;
        let taken = session.driver.drive(sink.as_mut().finish());
        taken.map_err(|error| session.fail(error)).map(|taken| (session, taken))
    }
}
