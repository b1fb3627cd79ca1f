//! Changes of the members and hand-overs of leadership, as the audit log tells them.
//!
//! ```text
//!   AskChange ── in the entry of the change ──► "member.change": who asked, decided how, for what
//!   the change takes effect ──────────────────► "member.configured": from which configuration to which
//!   HandOver ── before the leader hands over ─► "member.transfer": who asked, from whom to whom
//! ```
//!
//! Owns the events and nothing else: what the members are follows from the log of the package `raft`, and who leads from
//! its votes. The two events of a change bear the same index of the log. A joint change is two steps, and each is told; the
//! second is the group's own. Who leads after a hand-over is not part of the log: that it was asked for is.

use serde::{Deserialize, Serialize};
use strongroom_core::id::RequestDigest;

use super::audit::{Circumstances, append};
use super::command::{Audited, Effect, Retry};
use super::configuration::Configuration;
use super::context::Context;
use super::outcome::{Answer, Effected, Fault, Outcome, Refusal, Thing, require};
use super::request::{Decision, Stamp};
use crate::id::MemberId;

/// One step that the members take together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberStep {
    /// A learner gets a vote; another voter may leave in the same step.
    Promote {
        /// Who gets the vote.
        learner: MemberId,
        /// Who leaves.
        removes: Option<MemberId>,
    },
    /// A member leaves.
    Remove(MemberId),
}

/// Says who asked for a change of the members. It stands in the entry of that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskChange {
    /// The change.
    pub step: MemberStep,
}

/// Says who asked the leader to hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// Who leads.
    pub from: MemberId,
    /// Who is to lead; it votes.
    pub to: MemberId,
}

impl Effect for AskChange {
    fn audited(&self) -> Option<Audited> {
        let object = match self.step {
            MemberStep::Promote { learner, removes: None } => format!("promote {learner}"),
            MemberStep::Promote { learner, removes: Some(gone) } => format!("promote {learner}, remove {gone}"),
            MemberStep::Remove(member) => format!("remove {member}"),
        };
        Some(Audited { action: "member.change", object })
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, _: &mut Context<'_>) -> Effected {
        Ok(Answer::Applied)
    }
}

impl Effect for HandOver {
    fn audited(&self) -> Option<Audited> {
        Some(Audited { action: "member.transfer", object: format!("from {} to {}", self.from, self.to) })
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        require(cx.configuration.voters.contains(&self.to), Refusal::Missing(Thing::Member))?;
        Ok(Answer::Applied)
    }
}

/// Tells that the configuration changes, which it does whoever asked for it.
pub(in crate::state) fn tell(cx: &mut Context<'_>, stamp: Stamp, new: &Configuration) -> Result<(), Fault> {
    let object = format!("{} > {}", cx.configuration.summary(), new.summary());
    let request = RequestDigest([0; RequestDigest::LEN]);
    let around = Circumstances { stamp, request, decision: Decision::default() };
    append(cx, &around, "member.configured", &object, &Outcome::Done(Answer::Applied))
}
