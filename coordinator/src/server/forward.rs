//! Commands of this member's own, brought to whoever leads.
//!
//! Owns one session of this process, in which its commands are asked for one after the other until their outcome is
//! known. A member that does not lead hands the request to the leader over the connection between members. What was not
//! known when patience ended is *unknown*, and the number that it had is never used for anything else.

use std::sync::Arc;
use std::time::Duration;

use strongroom_core::entropy::{Entropy, random_array};
use strongroom_core::id::ClientSession;
use strongroom_proto::peers::v1::ProposeRequest;
use strongroom_proto::peers::v1::peers_client::PeersClient;
use strongroom_proto::peers::v1::propose_reply::Result as Proposed;
use tokio::sync::Mutex;

use super::engine::Engine;
use super::pause::pause;
use super::peers::Links;
use crate::id::MemberId;
use crate::member::Answer;
use crate::state::session::OpenSession;
use crate::state::{Actor, Command, Decision, Outcome, Refusal, Request, Sequence, Stamp};

/// How long to wait before a command is asked for again.
const RETRY: Duration = Duration::from_millis(50);
/// How long the leader may take for one answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);

/// Why there is no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// It was never proposed: no leader took it in time.
    #[error("no leader took the command in time")]
    NotDone,
    /// It may have been proposed, and may take effect yet.
    #[error("the outcome of the command is not known")]
    Unknown,
    /// No random bytes are to be had for a session.
    #[error("there is no randomness for a session")]
    Entropy,
}

/// Brings commands to the leader.
pub struct Forwarder {
    engine: Engine,
    links: Arc<Links>,
    actor: Actor,
    entropy: Arc<dyn Entropy>,
    own: Mutex<Own>,
}

/// The session of this process.
#[derive(Default)]
struct Own {
    session: Option<ClientSession>,
    next: u64,
}

/// What one attempt came to.
enum Attempt {
    Outcome(Outcome),
    NotProposed,
    Unknown,
}

impl Forwarder {
    /// Brings commands in the name of `actor`.
    pub fn new(engine: Engine, links: Arc<Links>, actor: Actor, entropy: Arc<dyn Entropy>) -> Self {
        Self { engine, links, actor, entropy, own: Mutex::default() }
    }

    /// The member that this one is.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Asks for a command in the session of this process.
    pub async fn ask(&self, command: Command, patience: Duration) -> Result<Outcome, ForwardError> {
        let mut own = self.own.lock().await;
        // Twice at most: a session that the group has forgotten is opened anew, and nothing was done in the old one.
        for is_last in [false, true] {
            let session = if let Some(session) = own.session {
                session
            } else {
                let session = random_array(self.entropy.as_ref()).map(ClientSession);
                let session = session.map_err(|_| ForwardError::Entropy)?;
                self.open(session, patience).await?;
                *own = Own { session: Some(session), next: 0 };
                session
            };
            own.next += 1;
            let outcome = self.ask_in(session, Sequence(own.next), command.clone(), patience).await?;
            if is_last || outcome != Outcome::Rejected(Refusal::NoSession) {
                return Ok(outcome);
            }
            own.session = None;
        }
        Err(ForwardError::NotDone)
    }

    /// Asks for a command that may be asked for twice, outside of any session.
    pub async fn ask_plain(&self, command: Command, patience: Duration) -> Result<Outcome, ForwardError> {
        self.until_known(self.request(None, command), patience).await
    }

    /// Opens a session, or finds it open.
    pub async fn open(&self, session: ClientSession, patience: Duration) -> Result<Outcome, ForwardError> {
        self.until_known(self.request(None, OpenSession { session }.into()), patience).await
    }

    /// Asks for a command under a number of a session that is open.
    pub async fn ask_in(
        &self,
        session: ClientSession,
        sequence: Sequence,
        command: Command,
        patience: Duration,
    ) -> Result<Outcome, ForwardError> {
        self.until_known(self.request(Some((session, sequence)), command), patience).await
    }

    fn request(&self, session: Option<(ClientSession, Sequence)>, command: Command) -> Request {
        Request {
            acknowledged_below: session.map_or(Sequence(0), |(_, sequence)| sequence),
            session,
            actor: self.actor.clone(),
            decision: Decision::default(),
            stamp: Stamp::default(),
            command,
        }
    }

    async fn until_known(&self, request: Request, patience: Duration) -> Result<Outcome, ForwardError> {
        let mut end = ForwardError::NotDone;
        let trying = async {
            loop {
                match self.attempt(&request, &mut end).await {
                    Attempt::Outcome(outcome) => return outcome,
                    Attempt::NotProposed => {}
                    Attempt::Unknown => end = ForwardError::Unknown,
                }
                pause(RETRY).await;
            }
        };
        let known = tokio::time::timeout(patience, trying).await;
        known.map_err(|_| end)
    }

    /// Tries once. Until it is known that nothing was proposed, `end` says that nothing is known.
    async fn attempt(&self, request: &Request, end: &mut ForwardError) -> Attempt {
        let before = std::mem::replace(end, ForwardError::Unknown);
        let attempt = match self.engine.submit(request.clone()).await {
            Ok(Answer::NotLeader { leader: Some(leader) }) => self.ask_leader(leader, request).await,
            Ok(Answer::Applied { outcome, .. }) => Attempt::Outcome(outcome),
            Ok(Answer::Refused(refusal)) => Attempt::Outcome(Outcome::Rejected(refusal)),
            Ok(Answer::Unknown) | Err(super::EngineError::Ended) => Attempt::Unknown,
            Ok(_) | Err(super::EngineError::Overloaded) => Attempt::NotProposed,
        };
        if matches!(attempt, Attempt::NotProposed) {
            *end = before;
        }
        attempt
    }

    async fn ask_leader(&self, leader: MemberId, request: &Request) -> Attempt {
        let Ok(bytes) = request.encode() else { return Attempt::NotProposed };
        let Some(Ok(channel)) = self.links.channel_to(leader).await else { return Attempt::NotProposed };
        let mut client = PeersClient::new(channel);
        let asked = client.propose(ProposeRequest { request: bytes.into() });
        let Ok(Ok(reply)) = tokio::time::timeout(ANSWER_TIME_MAX, asked).await else { return Attempt::Unknown };
        match reply.into_inner().result {
            Some(Proposed::Outcome(bytes)) => postcard::from_bytes(&bytes).map_or(Attempt::Unknown, Attempt::Outcome),
            Some(Proposed::NotLeader(_) | Proposed::Busy(_)) => Attempt::NotProposed,
            Some(Proposed::Unknown(_)) | None => Attempt::Unknown,
        }
    }
}
