//! The decision upon what a member asks for, by the leader and from its rows.
//!
//! Owns the moment: on the member's thread, right before the proposal. A member that does not lead decides nothing, and
//! what it would propose is marked as denied, so that it is rejected if it were to get into the log all the same.

use strongroom_core::id::PolicyHash;

use crate::member::{Answer, Member};
use crate::policy::{self, Caller};
use crate::raft::Role;
use crate::state::audit::refused;
use crate::state::{Actor, Decision, Refusal, Request, Verdict};

/// The request as it is to be proposed, or the answer to one that is not. What the group asks for itself needs no
/// decision.
pub(in crate::server) fn decided(member: &Member, request: Request) -> Result<Request, Answer> {
    let Actor::Identity(subject) = &request.actor else { return Ok(request) };
    if member.standing().role != Role::Leader {
        let decision = Decision { verdict: Verdict::Denied, policy_hash: PolicyHash([0; PolicyHash::LEN]) };
        return Ok(Request { decision, ..request });
    }
    // Rows that can't be read end the member elsewhere.
    let caller = Caller::member(member.machine().rows(), subject).map_err(|_| Answer::Busy)?;
    let decision = policy::decide(&caller, request.command.action());
    if decision.verdict == Verdict::Denied {
        let (rows, now_ms) = (member.machine().rows(), member.machine().stamp().accrued_ms);
        let is_told_enough = refused::is_told_enough(rows, &request.actor, request.command.action(), now_ms);
        if !request.command.is_audited() || is_told_enough.unwrap_or(true) {
            return Err(Answer::Refused(Refusal::Forbidden));
        }
    }
    Ok(Request { decision, ..request })
}
