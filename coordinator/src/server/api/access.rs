//! Who is let through, to write and to read.
//!
//! ```text
//!   command ──► the leader's rows, when its turn comes ──► decision ──► into the entry, denied or not
//!   reading ──► the rows it reads from ──► decision ──► the answer, or a refusal that nobody notes
//! ```
//!
//! Owns the moment of the decision. A command that is denied is proposed all the same if it is one that the audit log
//! tells, so that the attempt stands there; any other is refused here, and so is one that was told often enough. A member
//! that does not lead decides nothing.

use strongroom_core::id::PolicyHash;
use strongroom_platform::tls::{PeerIdentity, Role as Part};
use strongroom_proto::common::v1::{Class, Failure};
use tonic::Status;

use crate::member::{Answer, Member};
use crate::policy::{self, Caller};
use crate::raft::Role;
use crate::server::engine::{Engine, EngineError};
use crate::server::failure::{failure, not_applied, not_asked, rejected, unreadable};
use crate::state::audit::refused;
use crate::state::{Command, Decision, Outcome, Refusal, Request, Rows, Verdict};

/// Whoever holds the certificate at the other end of the connection; members and operators may ask here.
pub(super) fn peer<T>(request: &tonic::Request<T>) -> Result<PeerIdentity, Status> {
    let peer = request.extensions().get::<PeerIdentity>();
    let peer = peer.filter(|peer| matches!(peer.id.role, Part::Operator | Part::Coordinator)).cloned();
    peer.ok_or_else(|| Status::permission_denied("only operators may ask here"))
}

/// Refuses a reading that policy does not permit.
pub(super) fn permit(rows: &Rows, peer: &PeerIdentity, action: &'static str) -> Result<(), Failure> {
    let caller = Caller::of(rows, peer).map_err(|error| unreadable(&error))?;
    match policy::decide(&caller, action).verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Denied => Err(forbidden()),
    }
}

/// Policy said no.
pub(super) fn forbidden() -> Failure {
    let refusal = Refusal::Forbidden;
    let remedy = "Ask somebody who has the role, or have it given to you: `strongroom operator roles`.";
    failure(Class::Rejected, refusal.code(), &refusal.to_string(), remedy)
}

/// Decides upon a request and asks for it; gives the place in the log at which it took effect.
pub(super) async fn submit(engine: &Engine, request: Request, peer: PeerIdentity) -> Result<u64, Failure> {
    let prepared = engine.submit_prepared(move |member| decided(member, request, &peer)).await;
    match prepared {
        Ok(Ok(answer)) => outcome(engine, answer).await,
        Ok(Err(failure)) => Err(failure),
        Err(error) => Err(not_asked(error)),
    }
}

/// What became of a request, for whoever sent it.
pub(super) async fn outcome(engine: &Engine, answer: Answer) -> Result<u64, Failure> {
    match answer {
        Answer::Applied { at, outcome: Outcome::Done(_) } => Ok(at.index.0),
        Answer::Applied { outcome: Outcome::Rejected(Refusal::Forbidden), .. } => Err(forbidden()),
        Answer::Applied { outcome: Outcome::Rejected(refusal), .. } => {
            Err(rejected(refusal.code(), &refusal.to_string()))
        }
        answer => Err(not_applied(engine, &answer).await),
    }
}

fn decided(member: &Member, mut request: Request, peer: &PeerIdentity) -> Result<Request, Failure> {
    if member.standing().role != Role::Leader {
        // It will be told who leads. Were it proposed all the same, nobody would have decided.
        request.decision = Decision { verdict: Verdict::Denied, policy_hash: PolicyHash([0; PolicyHash::LEN]) };
        return Ok(request);
    }
    let machine = member.machine();
    let caller = Caller::of(machine.rows(), peer).map_err(|error| unreadable(&error))?;
    request.decision = policy::decide(&caller, request.command.action());
    if request.decision.verdict == Verdict::Denied {
        let (actor, action, now_ms) = (&request.actor, request.command.action(), machine.stamp().accrued_ms);
        let is_told_enough = refused::is_told_enough(machine.rows(), actor, action, now_ms);
        if !request.command.is_audited() || is_told_enough.map_err(|error| unreadable(&error))? {
            return Err(forbidden());
        }
    }
    if let Command::MintToken(mint) = &mut request.command {
        // Until now it was the life alone.
        mint.terms.expires_ms = mint.terms.expires_ms.saturating_add(machine.stamp().accrued_ms);
    }
    Ok(request)
}

/// Reads what the state is after all that was acknowledged before, if policy permits it.
pub(super) async fn read<T: Send + 'static>(
    engine: &Engine,
    peer: PeerIdentity,
    action: &'static str,
    look: impl FnOnce(&Rows) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let looked = engine.read(move |rows| permit(rows, &peer, action).and_then(|()| look(rows))).await;
    match looked {
        Ok(Ok(result)) => result,
        // Nothing was changed by a reading that was not answered.
        Ok(Err(Answer::Unknown)) => Err(not_read("leadership was lost before it was read")),
        Ok(Err(answer)) => Err(not_applied(engine, &answer).await),
        Err(EngineError::Ended) => Err(not_read("the member has ended")),
        Err(error) => Err(not_asked(error)),
    }
}

fn not_read(what: &str) -> Failure {
    failure(Class::Retry, "not-read", what, "Ask again, here or another member.")
}
