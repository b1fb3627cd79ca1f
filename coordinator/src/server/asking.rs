//! Requests of agents and depots, on their way to the member and back.
//!
//! Owns two steps that all of their calls share: what the caller's certificate says is turned into an actor, and an
//! answer into a reply or a failure.

use strongroom_core::id::ClientSession;
use strongroom_platform::tls::{PeerIdentity, Role};
use strongroom_proto::common::v1::Failure;
use tonic::Status;

use super::engine::Engine;
use super::failure::{not_applied, not_asked, rejected, unreadable};
use crate::id::Position;
use crate::member::Answer;
use crate::state::text::Subject;
use crate::state::{Actor, Answer as Done, Command, Decision, Outcome, Request, Rows, Sequence, Stamp, Unreadable};

/// A client's session, number, and what it acknowledged.
pub(super) type InSession = (ClientSession, Sequence, Sequence);

/// Who is at the other end, if that is somebody of this role.
pub(super) fn peer_of<T>(request: &tonic::Request<T>, role: Role) -> Result<PeerIdentity, Status> {
    let peer = request.extensions().get::<PeerIdentity>().filter(|peer| peer.id.role == role);
    peer.cloned().ok_or_else(|| Status::permission_denied(format!("only those with the role {role} may ask here")))
}

/// The request of a command that needs no session.
pub(super) fn plain(command: Command, peer: &PeerIdentity) -> Result<Request, Failure> {
    let subject = Subject::new(&peer.id.to_string()).map_err(|error| rejected("malformed", &error.to_string()))?;
    Ok(Request { actor: Actor::Identity(subject), ..of_the_group(command) })
}

/// The request of a command that the group asks for itself.
pub(crate) fn of_the_group(command: Command) -> Request {
    Request {
        session: None,
        acknowledged_below: Sequence(0),
        actor: Actor::System,
        decision: Decision::default(),
        stamp: Stamp::default(),
        command,
    }
}

/// The request of a command within a session.
pub(super) fn in_session(
    command: Command,
    peer: &PeerIdentity,
    (session, sequence, acknowledged_below): InSession,
) -> Result<Request, Failure> {
    Ok(Request { session: Some((session, sequence)), acknowledged_below, ..plain(command, peer)? })
}

/// Asks for a command, and gives where it took effect and its answer.
pub(super) async fn ask(engine: &Engine, request: Request) -> Result<(Position, Done), Failure> {
    match engine.submit(request).await {
        Ok(Answer::Applied { at, outcome: Outcome::Done(answer) }) => Ok((at, answer)),
        Ok(Answer::Applied { outcome: Outcome::Rejected(refusal), .. }) => {
            Err(rejected(refusal.code(), &refusal.to_string()))
        }
        Ok(answer) => Err(not_applied(engine, &answer).await),
        Err(error) => Err(not_asked(error)),
    }
}

/// Reads what the state is after all that was acknowledged before.
pub(super) async fn look<T: Send + 'static>(
    engine: &Engine,
    look: impl FnOnce(&Rows) -> Result<Result<T, Failure>, Unreadable> + Send + 'static,
) -> Result<T, Failure> {
    match engine.read(look).await {
        Ok(Ok(Ok(found))) => found,
        Ok(Ok(Err(error))) => Err(unreadable(&error)),
        Ok(Err(answer)) => Err(not_applied(engine, &answer).await),
        Err(error) => Err(not_asked(error)),
    }
}

/// Bytes that should be as many as an id has.
pub(super) fn fixed<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], Failure> {
    bytes.try_into().map_err(|_| rejected("malformed", &format!("{what} has {N} bytes")))
}

/// A session as messages name it.
pub(super) fn session(id: &[u8], sequence: u64, acknowledged_below: u64) -> Result<InSession, Failure> {
    Ok((ClientSession(fixed(id, "a session's id")?), Sequence(sequence), Sequence(acknowledged_below)))
}

/// A command that needs a session came without one.
pub(super) fn no_session() -> Failure {
    rejected("session-needed", "the command needs a client session")
}
