//! Commands of this member's own, brought to whoever leads.
//!
//! ```text
//!   Housekeeping ─► number of the session ─► this member, if it leads ───────────► decided, proposed ─► outcome
//!                        ▲                     └─ Propose ─► the leader: proven ─► decided, proposed ─► outcome
//!                        └────────────── tried again until it is known ◄─────────────────┘
//! ```
//!
//! Owns one session of this process, in which its commands are asked for until their outcome is known, many at once. A
//! member that does not lead hands the request to the leader over the connection between members; the leader takes the
//! name from that connection and decides for itself. What was not known when patience ended is *unknown*, and the number
//! that it had is never used for anything else.

mod deciding;
mod housekeeping;
mod numbers;

use std::sync::Arc;
use std::time::Duration;

use strongroom_core::entropy::{Entropy, random_array};
use strongroom_core::id::ClientSession;
use strongroom_proto::peers::v1::ProposeRequest;
use strongroom_proto::peers::v1::peers_client::PeersClient;
use strongroom_proto::peers::v1::propose_reply::Result as Proposed;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::engine::Engine;
use super::pause::pause;
use super::peers::Links;
use crate::id::MemberId;
use crate::member::Answer;
use crate::state::session::{OUTCOMES_MAX, OpenSession};
use crate::state::{Actor, Command, Decision, Outcome, Refusal, Request, Sequence, Stamp};
pub(super) use deciding::decided;
pub use housekeeping::Housekeeping;
use numbers::Numbers;

/// How long to wait before a command is asked for again.
const RETRY: Duration = Duration::from_millis(50);
/// How long the leader may take for one answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
/// Commands that may be under way in the session: far below what a session remembers, so that none is ever refused
/// because of one that takes long.
const UNDER_WAY_MAX: usize = 256;

const _: () = assert!((UNDER_WAY_MAX as u64) < OUTCOMES_MAX);

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
    numbers: Numbers,
    places: Semaphore,
}

/// How far a command may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// To the leader, whichever member that is.
    Leader,
    /// No further than this member, while it leads.
    Here,
}

/// What one attempt came to.
enum Attempt {
    Outcome(Outcome),
    NotProposed,
    Unknown,
    /// This member does not lead, and the command is for nobody else.
    NotHere,
}

impl Forwarder {
    /// Brings commands in the name of `actor`: the member's own, by which it is decided.
    pub fn new(engine: Engine, links: Arc<Links>, actor: Actor, entropy: Arc<dyn Entropy>) -> Self {
        let places = Semaphore::new(UNDER_WAY_MAX);
        Self { engine, links, actor, entropy, numbers: Numbers::default(), places }
    }

    /// The member that this one is.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Asks for a command in the session of this process.
    pub async fn ask(&self, command: Housekeeping, patience: Duration) -> Result<Outcome, ForwardError> {
        self.in_own_session(&self.actor, command.into(), Reach::Leader, patience).await
    }

    /// Asks for a command of the group's own, as its leader. A member that does not lead asks for nothing.
    pub async fn ask_leading(&self, command: Command, patience: Duration) -> Result<Outcome, ForwardError> {
        self.in_own_session(&Actor::System, command, Reach::Here, patience).await
    }

    /// Asks for a command that may be asked for twice, outside of any session.
    pub async fn ask_plain(&self, command: Housekeeping, patience: Duration) -> Result<Outcome, ForwardError> {
        self.until_known(&self.request(None, command.into()), Reach::Leader, patience).await
    }

    /// Opens a session, or finds it open.
    pub async fn open(&self, session: ClientSession, patience: Duration) -> Result<Outcome, ForwardError> {
        self.ask_plain(OpenSession { session }.into(), patience).await
    }

    /// Asks for a command under a number of a session that is open, and in which no other is under way.
    pub async fn ask_in(
        &self,
        session: ClientSession,
        sequence: Sequence,
        command: Housekeeping,
        patience: Duration,
    ) -> Result<Outcome, ForwardError> {
        let request = self.request(Some((session, sequence)), command.into());
        self.until_known(&request, Reach::Leader, patience).await
    }

    async fn in_own_session(
        &self,
        actor: &Actor,
        command: Command,
        reach: Reach,
        patience: Duration,
    ) -> Result<Outcome, ForwardError> {
        // The semaphore is never closed; if it were, nothing would have been asked for either.
        let place = timeout(patience, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(ForwardError::NotDone) };
        // Twice at most: a session that the group has forgotten is opened anew, and nothing was done in the old one.
        for is_last in [false, true] {
            let session = self.own_session(patience).await?;
            let Some(number) = self.numbers.next(session) else { continue };
            let request = Request {
                acknowledged_below: number.acknowledged_below(),
                actor: actor.clone(),
                ..self.request(Some(number.of_session()), command.clone())
            };
            let outcome = self.until_known(&request, reach, patience).await?;
            if is_last || outcome != Outcome::Rejected(Refusal::NoSession) {
                return Ok(outcome);
            }
            self.numbers.forget(session);
        }
        Err(ForwardError::NotDone)
    }

    /// The session of this process, opened. Those who come while it is being opened open it too: once is as good as often.
    async fn own_session(&self, patience: Duration) -> Result<ClientSession, ForwardError> {
        let draw = || random_array(self.entropy.as_ref()).map(ClientSession);
        let (session, is_open) = self.numbers.session(draw).map_err(|_| ForwardError::Entropy)?;
        if !is_open {
            // Whether it is open is for the command itself to find out.
            self.open(session, patience).await.map_err(|_| ForwardError::NotDone)?;
            self.numbers.opened(session);
        }
        Ok(session)
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

    async fn until_known(&self, request: &Request, reach: Reach, patience: Duration) -> Result<Outcome, ForwardError> {
        let mut end = ForwardError::NotDone;
        let trying = async {
            loop {
                match self.attempt(request, reach, &mut end).await {
                    Attempt::Outcome(outcome) => return Some(outcome),
                    Attempt::NotProposed => {}
                    Attempt::Unknown => end = ForwardError::Unknown,
                    Attempt::NotHere => return None,
                }
                pause(RETRY).await;
            }
        };
        let known = timeout(patience, trying).await;
        known.ok().flatten().ok_or(end)
    }

    /// Tries once. Until it is known that nothing was proposed, `end` says that nothing is known.
    async fn attempt(&self, request: &Request, reach: Reach, end: &mut ForwardError) -> Attempt {
        let before = std::mem::replace(end, ForwardError::Unknown);
        let asked = request.clone();
        let attempt = match self.engine.submit_prepared(move |member| decided(member, asked)).await {
            Ok(Ok(Answer::NotLeader { .. })) if reach == Reach::Here => Attempt::NotHere,
            Ok(Ok(Answer::NotLeader { leader: Some(leader) })) => self.ask_leader(leader, request).await,
            Ok(Ok(Answer::Applied { outcome, .. })) => Attempt::Outcome(outcome),
            Ok(Ok(Answer::Refused(refusal)) | Err(Answer::Refused(refusal))) => {
                Attempt::Outcome(Outcome::Rejected(refusal))
            }
            Ok(Ok(Answer::Unknown)) | Err(super::EngineError::Ended) => Attempt::Unknown,
            Ok(_) | Err(super::EngineError::Overloaded) => Attempt::NotProposed,
        };
        if matches!(attempt, Attempt::NotProposed | Attempt::NotHere) {
            *end = before;
        }
        attempt
    }

    async fn ask_leader(&self, leader: MemberId, request: &Request) -> Attempt {
        let Ok(bytes) = request.encode() else { return Attempt::NotProposed };
        let Some(Ok(channel)) = self.links.channel_to(leader).await else { return Attempt::NotProposed };
        let mut client = PeersClient::new(channel);
        let asked = client.propose(ProposeRequest { request: bytes.into() });
        let Ok(Ok(reply)) = timeout(ANSWER_TIME_MAX, asked).await else { return Attempt::Unknown };
        match reply.into_inner().result {
            Some(Proposed::Outcome(bytes)) => postcard::from_bytes(&bytes).map_or(Attempt::Unknown, Attempt::Outcome),
            Some(Proposed::NotLeader(_) | Proposed::Busy(_)) => Attempt::NotProposed,
            Some(Proposed::Unknown(_)) | None => Attempt::Unknown,
        }
    }
}
