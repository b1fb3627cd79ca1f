//! A client of the group: it finds the leader, and never takes a timed-out write for absent.
//!
//! Owns who is asked next, and when what was asked may be asked again. A write has one number in the client's session,
//! and keeps it through all attempts, whichever member they go to; the group applies it once. When patience ends, the
//! client says what it knows: that it was never proposed ([`AskError::NotDone`]), or that nobody knows yet
//! ([`AskError::Unknown`]). The second is no failure: [`Client::resume`] asks again under the same number.
//!
//! ```text
//!           ┌──────────────── not leader: its address ─────────────┐
//!           ▼                                                      │
//!   way ──► ask ──► done, rejected ──► answer                      │
//!    ▲       ├────► retry ─────────────────────────────────────────┤
//!    │       └────► lost, unknown: it may have happened ───────────┤
//!    └─────────────────── another member, after a pause ◄──────────┘
//! ```
//!
//! How connections are made is the caller's ([`Dial`]). An address that the client was given is any member's; one that a
//! member named as the leader's is that leader's alone, and its certificate must say so. Nothing lasts: a client that
//! starts anew takes a new session.

mod ask;
mod error;
#[cfg(test)]
mod tests;
mod ways;

use std::time::Duration;

use tonic::Status;
use tonic::transport::Channel;

pub use error::{AskError, DialFailed};
pub use ways::ADDRESSES_MAX;

use crate::common::v1::Failure;
use crate::operators::v1::execute_request::Command;
use crate::operators::v1::operators_client::OperatorsClient;
use crate::operators::v1::{
    ChangeMembersRequest, Done, ExecuteReply, ExecuteRequest, OpenSession, Session, TransferLeadershipRequest,
    change_members_request::Change, execute_reply,
};
use ask::Repeats;
use ways::Ways;

/// How connections to members are made.
pub trait Dial: Send + Sync {
    /// Connects to a member at `host:port`, within a time that it bounds itself.
    fn dial(&self, address: &str) -> impl Future<Output = Result<Channel, DialFailed>> + Send;

    /// Connects to one member, named by 16 hexadecimal digits, and to nobody else who answers at the address.
    fn dial_member(&self, address: &str, member: &str) -> impl Future<Output = Result<Channel, DialFailed>> + Send;
}

/// A client with one session.
pub struct Client<D> {
    dial: D,
    ways: Ways,
    session: Vec<u8>,
    has_session: bool,
    sequence: u64,
    unknown: Option<ExecuteRequest>,
}

/// What a member said: an answer, or a failure in the form that all services share.
pub type Said<T> = Result<Result<T, Failure>, Status>;

impl<D: Dial> Client<D> {
    /// A client that knows members by their addresses. `session` is 16 random bytes that nobody else has.
    pub fn new(dial: D, addresses: Vec<String>, session: [u8; 16]) -> Self {
        let (session, ways) = (session.to_vec(), Ways::new(addresses));
        Self { dial, ways, session, has_session: false, sequence: 0, unknown: None }
    }

    /// Asks for a command until its outcome is known, or patience ends.
    ///
    /// A write before this one that ended unknown is given up: if it has not taken effect when this one does, it never
    /// will.
    pub async fn execute(&mut self, command: Command, patience: Duration) -> Result<Done, AskError> {
        if !self.has_session {
            let open = ExecuteRequest {
                session: None,
                command: Some(Command::OpenSession(OpenSession { id: self.session.clone() })),
            };
            // Whatever became of it, the command itself was not asked for.
            let opened = self.ask_execute(open, patience).await;
            opened.map_err(AskError::before_asking)?;
            self.has_session = true;
        }
        self.sequence += 1;
        let sequence = self.sequence;
        let session = Session { id: self.session.clone(), sequence, acknowledged_below: sequence };
        self.in_session(ExecuteRequest { session: Some(session), command: Some(command) }, patience).await
    }

    /// Asks again for the write that ended unknown, under its number; nothing if there is none.
    pub async fn resume(&mut self, patience: Duration) -> Option<Result<Done, AskError>> {
        let request = self.unknown.clone()?;
        let asked = self.ask_execute(request, patience).await.map_err(AskError::still_unknown);
        self.keep_if_unknown(&asked);
        Some(asked)
    }

    /// Changes the members. There is no session for it: what ended unknown is for the list of members to tell.
    pub async fn change(&mut self, change: Change, patience: Duration) -> Result<Done, AskError> {
        let request = ChangeMembersRequest { change: Some(change) };
        self.until_answered(Repeats::Show, patience, |mut client| {
            let request = request.clone();
            async move { client.change_members(request).await.map(|reply| said(reply.into_inner())) }
        })
        .await
    }

    /// Asks the leader to hand over to another voter.
    pub async fn transfer(&mut self, to: &str, patience: Duration) -> Result<Done, AskError> {
        let request = TransferLeadershipRequest { to: to.to_owned() };
        self.until_answered(Repeats::Hide, patience, |mut client| {
            let request = request.clone();
            async move { client.transfer_leadership(request).await.map(|reply| said(reply.into_inner())) }
        })
        .await
    }

    /// Reads, at the leader if the member that is asked says so. `ask` is called once for each attempt.
    pub async fn read<T, F, A>(&mut self, patience: Duration, ask: A) -> Result<T, AskError>
    where
        A: Fn(OperatorsClient<Channel>) -> F + Send + Sync,
        F: Future<Output = Said<T>> + Send,
        T: Send,
    {
        self.until_answered(Repeats::Hide, patience, ask).await.map_err(AskError::of_a_read)
    }

    async fn in_session(&mut self, request: ExecuteRequest, patience: Duration) -> Result<Done, AskError> {
        // A caller that stops waiting leaves the write as unknown as one whose patience ends.
        self.unknown = Some(request.clone());
        let asked = self.ask_execute(request, patience).await;
        self.keep_if_unknown(&asked);
        asked
    }

    fn keep_if_unknown(&mut self, asked: &Result<Done, AskError>) {
        if !matches!(asked, Err(AskError::Unknown { .. })) {
            self.unknown = None;
        }
    }

    async fn ask_execute(&mut self, request: ExecuteRequest, patience: Duration) -> Result<Done, AskError> {
        self.until_answered(Repeats::Hide, patience, |mut client| {
            let request = request.clone();
            async move { client.execute(request).await.map(|reply| said(reply.into_inner())) }
        })
        .await
    }
}

fn said(reply: ExecuteReply) -> Result<Done, Failure> {
    match reply.result {
        Some(execute_reply::Result::Done(done)) => Ok(done),
        Some(execute_reply::Result::Failure(failure)) => Err(failure),
        // Of an unknown class: nobody knows.
        None => Err(Failure::default()),
    }
}
